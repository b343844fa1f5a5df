#include <cstdlib>

#include "gateway/trace.h"

// What is read is a span of a trace, and is written so that it reads the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::gateway;
  const auto context = read_traceparent({reinterpret_cast<const char*>(data), size});
  if (!context) return 0;
  if (!context->trace_id || context->span_id == 0) std::abort();
  if (read_traceparent(to_traceparent(*context)) != *context) std::abort();
  return 0;
}
