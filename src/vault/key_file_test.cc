#include "vault/key_file.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "support/temporary_directory.h"

namespace tandem::vault {
namespace {

Slot slot_of(log::Offset first, std::string_view whose) {
  Slot slot;
  slot.key = *random_key();
  slot.first = first;
  slot.whose = sha256(whose);
  return slot;
}

struct Keys {
  test_support::TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "keys";
  KeyFile open(bool read_only = false) const {
    auto file = KeyFile::open(path, read_only);
    EXPECT_TRUE(file) << to_string(file.error());
    return std::move(*file);
  }
  std::string bytes() const { return *read_file(path, 1u << 20); }
};

TEST(KeyFile, KeepsWhatIsAddedAndForgetsWhatIsDestroyed) {
  const Keys keys;
  const Slot a = slot_of(7, "a"), b = slot_of(9, "b");
  {
    KeyFile file = keys.open();
    ASSERT_TRUE(file.add({a, b}));
  }
  KeyFile file = keys.open();
  ASSERT_EQ(file.slots(), 2u);
  Slot read;
  EXPECT_EQ(*file.read(1, read), SlotState::key);
  EXPECT_EQ(read, b);
  const auto key_bytes = [](const Slot& slot) {
    return std::string(reinterpret_cast<const char*>(slot.key.bytes.data()), 64);
  };
  EXPECT_NE(keys.bytes().find(key_bytes(a)), std::string::npos);
  ASSERT_TRUE(file.destroy({0}));
  EXPECT_EQ(*file.read(0, read), SlotState::destroyed);
  for (size_t at = 0; at + 8 <= 64; at += 8)
    EXPECT_EQ(keys.bytes().find(key_bytes(a).substr(at, 8)), std::string::npos);
  EXPECT_EQ(*keys.open(true).read(1, read), SlotState::key);
  EXPECT_EQ(*file.read(2, read), SlotState::damaged);
  EXPECT_EQ(*file.read(UINT64_MAX, read), SlotState::damaged);
  size_t seen = 0;
  ASSERT_TRUE(file.for_each([&](uint64_t number, SlotState state, const Slot& slot) {
    EXPECT_EQ(state, number == 0 ? SlotState::destroyed : SlotState::key);
    EXPECT_TRUE(number == 0 || slot == b);
    ++seen;
  }));
  EXPECT_EQ(seen, 2u);
}

TEST(KeyFile, AKeyThatWasTornWhileAddedIsOverwritten) {
  const Keys keys;
  const Slot a = slot_of(7, "a"), b = slot_of(9, "b");
  {
    KeyFile file = keys.open();
    ASSERT_TRUE(file.add({a, b}));
  }
  std::filesystem::resize_file(keys.path, kHeaderBytes + kSlotBytes + 50);
  KeyFile file = keys.open();
  EXPECT_EQ(file.slots(), 1u);
  ASSERT_TRUE(file.add({b}));
  Slot read;
  EXPECT_EQ(*file.read(1, read), SlotState::key);
  EXPECT_EQ(read, b);
}

TEST(KeyFile, OtherFilesAreRefused) {
  const Keys keys;
  EXPECT_EQ(KeyFile::open(keys.path, true).error().code, ErrorCode::not_found);
  ASSERT_TRUE(write_file_durably(keys.path, std::string(1'000, 'x')));
  EXPECT_EQ(KeyFile::open(keys.path, false).error().code, ErrorCode::corrupt);
}

TEST(KeyFile, AChangedByteIsSeen) {
  const Slot slot = slot_of(7, "a");
  const std::string good = encode_slot(3, slot), gone = encode_destroyed(3);
  Slot read;
  EXPECT_EQ(decode_slot(3, good, read), SlotState::key);
  EXPECT_EQ(decode_slot(4, good, read), SlotState::damaged) << "of another place";
  EXPECT_EQ(decode_slot(3, gone, read), SlotState::destroyed);
  EXPECT_EQ(decode_slot(4, gone, read), SlotState::damaged);
  Random random(5);
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes = round % 2 == 0 ? good : gone;
    bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    if (random.chance(0.2)) bytes.resize(random.below(bytes.size()));
    EXPECT_EQ(decode_slot(3, bytes, read), SlotState::damaged);
  }
  // Torn while it was destroyed: no key, wherever the write ended.
  for (size_t at = 1; at < kSlotBytes; ++at)
    EXPECT_NE(decode_slot(3, gone.substr(0, at) + good.substr(at), read), SlotState::key) << at;
}

}  // namespace
}  // namespace tandem::vault
