#include <cstddef>
#include <cstdint>

#include "runtime/completion_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {tandem::runtime::CompletionKind::chat, tandem::runtime::CompletionKind::text}) {
    const auto request = tandem::runtime::parse_completion_request(kind, body);
    if (request) (void)tandem::runtime::choose_output_length(*request, 8'192, 100);
  }
  return 0;
}
