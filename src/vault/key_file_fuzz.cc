// Any bytes as a slot of a key file: read as a key, as destroyed or as damaged, and what is read as a key is what was
// written.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "vault/key_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem::vault;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Slot slot;
  switch (decode_slot(1, bytes, slot)) {
    case SlotState::key: CHECK(encode_slot(1, slot) == bytes); break;
    case SlotState::destroyed: CHECK(encode_destroyed(1) == bytes); break;
    case SlotState::damaged: break;
  }
  CHECK(!open(slot.key, "place", bytes));
  return 0;
}
