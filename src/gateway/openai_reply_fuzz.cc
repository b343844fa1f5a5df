#include <cstdlib>
#include <string>

#include "gateway/openai_reply.h"

// The same stream cut at two places reads the same as in one piece; a whole reply can be given its usage, and is read
// alike in one pass and parsed, as it is where a name has an escape.
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
  const auto whole = read_whole_reply(text);
  if (whole && !whole->usage && !read_whole_reply(with_usage(text, {1, 2}))) std::abort();
  std::string escaped(text);
  if (const size_t begin = escaped.find('{'); begin != std::string::npos) {
    const size_t first = escaped.find_first_not_of(" \t\n\r", begin + 1);
    const bool is_empty = first != std::string::npos && escaped[first] == '}';
    escaped.insert(begin + 1, is_empty ? R"("\u0061":1)" : R"("\u0061":1,)");
    const auto parsed = read_whole_reply(escaped);
    if (parsed.has_value() != whole.has_value()) std::abort();
    if (whole && (parsed->usage != whole->usage || parsed->text_bytes != whole->text_bytes)) std::abort();
  }
  return 0;
}
