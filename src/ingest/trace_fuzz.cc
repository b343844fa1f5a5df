#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ingest/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::ingest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  parse_trace(text, "fuzz");
  return 0;
}
