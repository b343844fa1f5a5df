// Seeded damage to YAML, for the tests that throw much of it at a reader.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "base/random.h"

namespace tandem::test_support {

// One to four random edits: bytes flipped, removed or added, lines repeated, moved or cut short.
inline std::string mutate_yaml(std::string text, Random& random) {
  static constexpr std::string_view kPieces[] = {"- ",
                                                 ": ",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 "\"",
                                                 "'",
                                                 "\n",
                                                 "  ",
                                                 "#",
                                                 "&a ",
                                                 "*a",
                                                 "!!str ",
                                                 "-1",
                                                 "1e308",
                                                 ".nan",
                                                 "null",
                                                 "~",
                                                 "? ",
                                                 "|\n",
                                                 ">\n",
                                                 "---\n",
                                                 "...\n",
                                                 "%YAML 9\n",
                                                 "\t",
                                                 "\xC3",
                                                 "id: ",
                                                 "99999999999999999999"};
  for (uint64_t edits = 1 + random.below(4); edits > 0 && !text.empty(); --edits) {
    const size_t at = random.below(text.size());
    switch (random.below(6)) {
      case 0: text[at] = static_cast<char>(random.below(256)); break;
      case 1: text.erase(at, 1 + random.below(8)); break;
      case 2: text.insert(at, kPieces[random.below(std::size(kPieces))]); break;
      case 3: text.insert(at, text.substr(random.below(text.size()), random.below(200))); break;
      case 4: text.resize(at); break;
      default: {
        const size_t line_start = text.rfind('\n', at) + 1;
        const size_t line_end = std::min(text.find('\n', at), text.size() - 1) + 1;
        const std::string line = text.substr(line_start, line_end - line_start);
        if (random.chance(0.5))
          text.erase(line_start, line.size());
        else
          text.insert(line_start, line);
      }
    }
  }
  return text;
}

}  // namespace tandem::test_support
