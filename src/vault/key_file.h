// A file of keys, each in a slot of fixed size that is overwritten where it stands.
//
//   file = magic, zeros to kHeaderBytes, slot*
//   slot = key, first offset, whose (SHA-256 of kind, zero byte, id), check      a destroyed one: zeros, check
//
// `check` is SHA-256 over the slot's number and what stands before it. Why not SQLite, as the log: whatever makes a
// change atomic there, a rollback journal or a write-ahead log, is a second copy of the page with the key that is to be
// destroyed. A slot needs no such thing. Torn while it is added, nothing durable uses it; torn while it is destroyed,
// it is no key any more, and the next start destroys it again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "log/log.h"
#include "vault/sealing.h"

namespace tandem::vault {

struct Slot {
  Key key;
  log::Offset first = 0;  // nothing before this offset is sealed with it
  Digest whose;
  bool operator==(const Slot&) const = default;
};

inline constexpr size_t kHeaderBytes = 64;
inline constexpr size_t kSlotBytes = 64 + 8 + 32 + 32;

std::string encode_slot(uint64_t number, const Slot& slot);
std::string encode_destroyed(uint64_t number);
enum class SlotState : uint8_t { key, destroyed, damaged };
// Of kSlotBytes bytes; `slot` is set where there is a key.
SlotState decode_slot(uint64_t number, std::string_view bytes, Slot& slot);

class KeyFile {
 public:
  static Result<KeyFile> open(const std::filesystem::path& path, bool read_only);

  uint64_t slots() const { return slots_; }  // as many as there were, and were added
  // Any thread, beside who writes: a slot that is being destroyed is read as a key, as destroyed or as damaged.
  Result<SlotState> read(uint64_t number, Slot& slot) const;
  // Calls `visit(number, state, slot)` with each.
  template <class Visit>
  Result<void> for_each(Visit visit) const {
    for (uint64_t first = 0; first < slots_; first += kSlotsAtOnce) {
      TANDEM_ASSIGN(const std::string bytes, file_.read_at(position_of(first), kSlotsAtOnce * kSlotBytes));
      for (uint64_t i = 0; (i + 1) * kSlotBytes <= bytes.size() && first + i < slots_; ++i) {
        Slot slot;
        const SlotState state =
            decode_slot(first + i, std::string_view(bytes).substr(i * kSlotBytes, kSlotBytes), slot);
        visit(first + i, state, slot);
      }
    }
    return {};
  }

  Result<void> add(const std::vector<Slot>& slots);            // durable on return
  Result<void> destroy(const std::vector<uint64_t>& numbers);  // durable on return

 private:
  static constexpr uint64_t kSlotsAtOnce = 4'096;  // half a megabyte
  static uint64_t position_of(uint64_t number) { return kHeaderBytes + number * kSlotBytes; }

  File file_;
  uint64_t slots_ = 0;
};

}  // namespace tandem::vault
