// Any bytes as a stream of events, whole and cut in two: the same events, or the same refusal.
#include <cstdint>

#include "base/check.h"
#include "http/sse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tandem::http::SseParser whole(256);
  tandem::http::SseParser cut(256);
  const auto all = whole.feed(text);
  auto first = cut.feed(text.substr(0, size / 2));
  const auto second = cut.feed(text.substr(size / 2));
  CHECK(all.has_value() == (first.has_value() && second.has_value()));
  if (!all) return 0;
  first->insert(first->end(), second->begin(), second->end());
  CHECK(*all == *first);
  return 0;
}
