#include <cstddef>
#include <cstdint>
#include <string_view>

#include "load/answer_meter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  tandem::load::AnswerMeter streamed, whole;
  (void)streamed.feed(bytes.substr(0, size / 2), tandem::seconds(1));
  (void)streamed.feed(bytes.substr(size / 2), tandem::seconds(2));
  (void)streamed.per_token();
  (void)whole.feed_whole(bytes, tandem::seconds(1));
  (void)tandem::load::read_server_error(bytes);
  return 0;
}
