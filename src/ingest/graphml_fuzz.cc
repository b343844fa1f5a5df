#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ingest/ingest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::ingest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  import_topology(text, "fuzz.graphml", TopologyFormat::graphml, {});
  return 0;
}
