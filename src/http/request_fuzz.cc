// Any bytes, cut anywhere, are a request, a refusal, or a wait for more; and the cut does not matter.
#include <cstdint>

#include "base/check.h"
#include "http/request_parser.h"

namespace {

using tandem::http::RequestLimits;
using tandem::http::RequestParser;

struct Outcome {
  RequestParser::State state;
  size_t taken;
  std::string body;
  bool operator==(const Outcome&) const = default;
};

Outcome parse(std::string_view text, size_t piece_bytes) {
  RequestParser parser(RequestLimits{{1024, 20}, 4096});
  parser.next_request();
  size_t taken = 0;
  size_t arrived = 0;
  for (;;) {
    const size_t count = parser.consume(text.substr(taken, arrived - taken));
    CHECK(count <= arrived - taken);
    taken += count;
    const bool is_over =
        parser.state() == RequestParser::State::complete || parser.state() == RequestParser::State::refused;
    if (is_over || (count == 0 && arrived == text.size())) break;
    if (count == 0) arrived += std::min(piece_bytes, text.size() - arrived);
  }
  const bool is_complete = parser.state() == RequestParser::State::complete;
  return {parser.state(), is_complete ? taken : 0, is_complete ? parser.request().body : std::string()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CHECK(parse(text, SIZE_MAX) == parse(text, 1 + size % 7));
  return 0;
}
