#include "base/check.h"
#include "inventory/branch.h"

// Bytes are refused, or are branches whose own bytes read back to the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::inventory;
  const Snapshot main;
  const auto read = Branches::read(main, {reinterpret_cast<const char*>(data), size});
  if (!read) return 0;
  std::string bytes;
  read->write(main, bytes);
  const auto again = Branches::read(main, bytes);
  CHECK(again.has_value());
  CHECK(again->hash(main) == read->hash(main));
  return 0;
}
