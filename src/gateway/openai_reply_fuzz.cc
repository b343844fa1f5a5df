#include <cstdlib>
#include <string>

#include "gateway/openai_reply.h"

// The same stream cut at two places reads the same as in one piece; a whole reply can be given its usage.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::gateway;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool strip = (data[0] & 1) != 0;
  const auto read = [&](std::initializer_list<std::string_view> pieces) {
    StreamReader reader(strip);
    std::string out;
    for (const std::string_view piece : pieces) {
      const auto step = reader.feed(piece);
      out += step.forward;
      if (step.error) return out + "failed";
    }
    return out + std::to_string(reader.tokens()) + (reader.ended() ? "ended" : "");
  };
  const size_t a = text.size() * data[0] / 256;
  const size_t b = a + (text.size() - a) * data[1] / 256;
  if (read({text}) != read({text.substr(0, a), text.substr(a, b - a), text.substr(b)})) std::abort();
  if (const auto whole = read_whole_reply(text); whole && !whole->usage)
    if (!read_whole_reply(with_usage(text, {1, 2}))) std::abort();
  return 0;
}
