#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ontology/ontology.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ontology::File files[] = {{"site.yaml", text}, {"rack.yaml", text}};
  std::vector<Diagnostic> diagnostics;
  if (const auto loaded = ontology::Ontology::load(files, {}, diagnostics)) to_json(*loaded);
  return 0;
}
