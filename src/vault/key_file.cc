#include "vault/key_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace tandem::vault {
namespace {

constexpr std::string_view kMagic = "TNDMKEY1";
constexpr size_t kContentBytes = kSlotBytes - 32;

Digest check_of(uint64_t number, std::string_view content) { return Hasher().update(number).update(content).finish(); }

std::string header() {
  std::string bytes(kMagic);
  bytes.resize(kHeaderBytes, '\0');
  return bytes;
}

}  // namespace

std::string encode_slot(uint64_t number, const Slot& slot) {
  std::string bytes(reinterpret_cast<const char*>(slot.key.bytes.data()), slot.key.bytes.size());
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(slot.first >> (8 * i));
  bytes += slot.whose.view();
  bytes += check_of(number, bytes).view();
  return bytes;
}

std::string encode_destroyed(uint64_t number) {
  std::string bytes(kContentBytes, '\0');
  bytes += check_of(number, bytes).view();
  return bytes;
}

SlotState decode_slot(uint64_t number, std::string_view bytes, Slot& slot) {
  if (bytes.size() != kSlotBytes) return SlotState::damaged;
  const std::string_view content = bytes.substr(0, kContentBytes);
  if (check_of(number, content).view() != bytes.substr(kContentBytes)) return SlotState::damaged;
  if (std::ranges::all_of(content, [](char byte) { return byte == 0; })) return SlotState::destroyed;
  std::memcpy(slot.key.bytes.data(), content.data(), slot.key.bytes.size());
  slot.first = 0;
  for (int i = 0; i < 8; ++i)
    slot.first |= uint64_t{static_cast<uint8_t>(content[slot.key.bytes.size() + static_cast<size_t>(i)])} << (8 * i);
  std::memcpy(slot.whose.bytes.data(), content.data() + slot.key.bytes.size() + 8, slot.whose.bytes.size());
  return SlotState::key;
}

Result<KeyFile> KeyFile::open(const std::filesystem::path& path, bool read_only) {
  KeyFile keys;
  TANDEM_ASSIGN(keys.file_, File::open(path, read_only ? File::Mode::read : File::Mode::write));
  TANDEM_ASSIGN(const uint64_t size, keys.file_.size());
  if (size < kHeaderBytes) {
    // New, or ended while it was made: no key was in it yet.
    if (read_only) return fail(ErrorCode::not_found, fmt::format("there are no keys in {}", path.string()));
    TANDEM_TRY(keys.file_.write_at(0, header()));
    TANDEM_TRY(keys.file_.sync());
    TANDEM_TRY(sync_directory(path.parent_path()));
    return keys;
  }
  TANDEM_ASSIGN(const std::string bytes, keys.file_.read_at(0, kHeaderBytes));
  if (bytes != header()) return fail(ErrorCode::corrupt, fmt::format("{} is no file of keys", path.string()));
  keys.slots_ = (size - kHeaderBytes) / kSlotBytes;  // a piece of one at the end was never used, and is overwritten
  return keys;
}

Result<SlotState> KeyFile::read(uint64_t number, Slot& slot) const {
  if (number > UINT32_MAX) return SlotState::damaged;  // more than ever were; keeps the position from overflowing
  TANDEM_ASSIGN(const std::string bytes, file_.read_at(position_of(number), kSlotBytes));
  return decode_slot(number, bytes, slot);
}

Result<void> KeyFile::add(const std::vector<Slot>& slots) {
  if (slots.empty()) return {};
  std::string bytes;
  for (size_t i = 0; i < slots.size(); ++i) bytes += encode_slot(slots_ + i, slots[i]);
  TANDEM_TRY(file_.write_at(position_of(slots_), bytes));
  TANDEM_TRY(file_.sync());
  slots_ += slots.size();
  return {};
}

Result<void> KeyFile::destroy(const std::vector<uint64_t>& numbers) {
  if (numbers.empty()) return {};
  for (const uint64_t number : numbers) TANDEM_TRY(file_.write_at(position_of(number), encode_destroyed(number)));
  return file_.sync();
}

}  // namespace tandem::vault
