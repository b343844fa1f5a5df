// "1 move", "2 moves".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tandem {

// For nouns that take an s.
inline std::string counted(uint64_t count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string(noun) + (count == 1 ? "" : "s");
}

}  // namespace tandem
