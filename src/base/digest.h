// SHA-256, for the log's chain, state hashes and stored API keys.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem {

struct Digest {
  std::array<uint8_t, 32> bytes{};
  auto operator<=>(const Digest&) const = default;

  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

Digest sha256(std::string_view data);
std::string to_hex(const Digest& digest);
Result<Digest> digest_from_hex(std::string_view hex);  // 64 hexadecimal digits

// Incremental SHA-256: `update` any number of times, `finish` once.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  Hasher& update(std::string_view data);
  Hasher& update(uint64_t value);  // as 8 little-endian bytes
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace tandem
