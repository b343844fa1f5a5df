#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ingest/ingest.h"

// The graph up to the first NUL, the demands after it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::ingest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\0');
  ImportOptions options;
  if (end != std::string_view::npos) options.demands = text.substr(end + 1);
  import_topology(text.substr(0, end), "fuzz.graph", TopologyFormat::repetita, options);
  return 0;
}
