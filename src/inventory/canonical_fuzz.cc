// Any bytes as a checkpoint's inventory: refused, or read as a snapshot whose encoding is those bytes.
#include "base/check.h"
#include "inventory/inventory.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto snapshot = tandem::inventory::Snapshot::read(bytes)) {
    std::string written;
    snapshot->write(written);
    CHECK(written == bytes);
  }
  return 0;
}
