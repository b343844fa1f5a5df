#include "log/anchor.h"

#include <gtest/gtest.h>

#include "log/testing.h"

namespace tandem::log {
namespace {

AnchorPoint point(uint64_t sequence) {
  return {
      .sequence = sequence, .last = 10 * sequence, .epoch = 3, .hash = sha256("head"), .wal_salt = 9, .wal_frames = 4};
}

TEST(Anchor, TheNewerOfTwoWholeSlotsCounts) {
  EXPECT_EQ(read_anchor(encode_slot(point(4)) + encode_slot(point(5))).newest, point(5));
  EXPECT_EQ(read_anchor(encode_slot(point(6)) + encode_slot(point(5))).newest, point(6));
  EXPECT_TRUE(read_anchor(encode_slot(point(6)) + encode_slot(point(5))).damage.empty());
  const std::string zeros(kAnchorSlotBytes, '\0');
  EXPECT_EQ(read_anchor(zeros + encode_slot(point(1))).newest, point(1));
  EXPECT_TRUE(read_anchor(zeros + encode_slot(point(1))).damage.empty());
  EXPECT_FALSE(read_anchor(zeros + zeros).newest);
  EXPECT_TRUE(read_anchor(zeros + zeros).damage.empty());
}

TEST(Anchor, AnySlotThatIsNotAsWrittenIsDamage) {
  const std::string good = encode_slot(point(4)) + encode_slot(point(5));
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    EXPECT_EQ(read_anchor(bytes).damage.size(), 1u) << at;
    EXPECT_EQ(read_anchor(bytes).newest, point(at < kAnchorSlotBytes ? 5 : 4)) << at;
  }
  EXPECT_FALSE(read_anchor("").damage.empty());
  EXPECT_FALSE(read_anchor(good + "x").damage.empty());
  EXPECT_FALSE(read_anchor(encode_slot(point(5)) + encode_slot(point(4))).damage.empty());  // in each other's place
  EXPECT_FALSE(read_anchor(encode_slot(point(8)) + encode_slot(point(5))).damage.empty());  // one between is missing
}

TEST(Anchor, WritesItsSlotsInTurn) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "log.anchor";
  EXPECT_EQ(Anchor::read(path).error().code, ErrorCode::not_found);
  for (uint64_t round = 0; round < 3; ++round) {
    const auto before = Anchor::read(path);
    auto anchor = Anchor::open(path, before ? before->newest : std::nullopt);
    ASSERT_TRUE(anchor);
    for (uint64_t i = 1; i <= 3; ++i) {
      ASSERT_TRUE(anchor->write({.last = 100 * round + i}));
      const auto reading = Anchor::read(path);
      EXPECT_TRUE(reading->damage.empty());
      EXPECT_EQ(reading->newest->sequence, 3 * round + i);
      EXPECT_EQ(reading->newest->last, 100 * round + i);
    }
  }
}

}  // namespace
}  // namespace tandem::log
