// Any bytes as a response: its head, then its body, as the client reads them.
#include <cstdint>

#include "base/check.h"
#include "http/body_decoder.h"
#include "http/response_head.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::http;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const HeadLimits limits{1024, 20};
  size_t checked = 0;
  const auto end = find_head_end(text, checked, limits);
  if (!end || !*end) return 0;
  const auto head = parse_response_head(text.substr(0, **end), "GET", limits);
  if (!head) return 0;
  text.remove_prefix(**end);
  BodyDecoder decoder(head->framing);
  size_t data_bytes = 0;
  const size_t body_bytes = text.size();
  while (!text.empty() && !decoder.done() && !decoder.malformed()) {
    const BodyDecoder::Step step = decoder.next(text);
    CHECK(step.taken > 0 && step.taken <= text.size());
    data_bytes += step.data.size();
    text.remove_prefix(step.taken);
  }
  CHECK(data_bytes <= body_bytes);
  return 0;
}
