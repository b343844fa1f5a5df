// Kinds of which the past is kept for some time only.
#include <gtest/gtest.h>
#include <malloc.h>

#include "base/random.h"
#include "inventory/inventory.h"
#include "inventory/past.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using test_support::fact;
using test_support::retraction;

log::Event expiry(const std::string& kind, log::Offset before) {
  log::Event event;
  event.set_actor("core");
  event.mutable_history_expired()->set_kind(kind);
  event.mutable_history_expired()->set_before(before);
  return event;
}

class RetainedWorld {
 public:
  log::Offset fold(const log::Event& event) {
    snapshot.fold(event, snapshot.offset() + 1, Instant{static_cast<int64_t>(snapshot.offset() + 1)}, &changes);
    return snapshot.offset();
  }
  Snapshot snapshot;
  ChangeSet changes;
};

std::string listing_of(const Snapshot& snapshot, const std::string& kind) {
  std::string all;
  snapshot.for_each(kind, [&](const Entity& entity) {
    all += entity.id + "@" + std::to_string(entity.created) + "-" + std::to_string(entity.changed);
    for (const Attribute& attribute : entity.attributes)
      all +=
          " " + attribute.name + "=" + to_json(to_json_value(attribute.value)) + "@" + std::to_string(attribute.offset);
    return all += "\n", true;
  });
  return all;
}

std::string canonical_bytes(const Snapshot& snapshot) {
  std::string bytes;
  snapshot.write(bytes);
  return bytes;
}

TEST(Retention, WhatWasBeforeIsGoneAndTheRestIsAsItWas) {
  Random random(3);
  RetainedWorld world;
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) ids.push_back("a" + std::to_string(i));
  for (const std::string& id : ids) world.fold(fact("device", id, {{"name", id}}));
  for (int i = 0; i < 600; ++i) {
    const std::string& id = ids[random.below(ids.size())];
    if (world.snapshot.has("alarm", id) && random.chance(0.1)) {
      world.fold(retraction("alarm", id));
      continue;
    }
    log::Event event = fact("alarm", id,
                            {{"severity", random.chance(0.5) ? "major" : "minor"},
                             {"about", "device/" + ids[random.below(ids.size())]},
                             {"text", std::to_string(random.below(3))}});
    event.mutable_facts_recorded()->set_source(random.chance(0.5) ? "x" : "y");
    world.fold(event);
  }
  const Snapshot before = world.snapshot;
  world.changes.clear();
  constexpr log::Offset kBegins = 400;
  world.fold(expiry("alarm", kBegins));
  const Snapshot& after = world.snapshot;
  EXPECT_TRUE(world.changes.empty()) << "nothing that is believed changes";
  EXPECT_EQ(listing_of(after, "alarm"), listing_of(before, "alarm"));
  EXPECT_EQ(after.history_begins("alarm"), kBegins);
  EXPECT_EQ(after.history_begins("device"), 0u);
  for (log::Offset offset = kBegins; offset < before.offset(); offset += 7) {
    const Snapshot then = before.as_of({.recorded = offset, .valid = {}}),
                   now = after.as_of({.recorded = offset, .valid = {}});
    EXPECT_EQ(listing_of(now, "alarm"), listing_of(then, "alarm")) << offset;
    EXPECT_EQ(now.referrers("device", "a1", 99), then.referrers("device", "a1", 99)) << offset;
    EXPECT_TRUE(now.reaches("alarm")) << offset;
  }
  EXPECT_EQ(after.as_of({.recorded = kBegins - 1, .valid = {}}).reaches("alarm").error().code, ErrorCode::not_found);
  EXPECT_TRUE(after.as_of({.recorded = kBegins - 1, .valid = {}}).reaches("device"));
  EXPECT_FALSE(after.as_of({.recorded = {}, .valid = Instant{5}}).reaches("alarm"));
  EXPECT_FALSE(after.has_past("alarm", kBegins));
  EXPECT_TRUE(before.has_past("alarm", kBegins));
  // As read back from a checkpoint, and the same by one expiry or by several.
  const auto read = Snapshot::read(canonical_bytes(after));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(canonical_bytes(*read), canonical_bytes(after));
  EXPECT_EQ(read->as_of({.recorded = 450, .valid = {}}).referrers("device", "a1", 99),
            after.as_of({.recorded = 450, .valid = {}}).referrers("device", "a1", 99));
  Snapshot twice = before;
  twice.fold(expiry("alarm", 200), after.offset(), after.time());
  twice.fold(expiry("alarm", kBegins), after.offset(), after.time());
  EXPECT_EQ(twice.hash(), after.hash());
}

TEST(Retention, EarlierOrUnknownIsNoMatter) {
  RetainedWorld world;
  world.fold(fact("alarm", "a", {{"text", "1"}}));
  world.fold(fact("alarm", "a", {{"text", "2"}}));
  world.fold(expiry("alarm", 2));
  const std::string all = listing_of(world.snapshot, "alarm");
  world.fold(expiry("alarm", 1));
  world.fold(expiry("no such kind", 3));
  world.fold(expiry("alarm", UINT64_MAX));  // of what is to come, nothing can be dropped
  EXPECT_EQ(world.snapshot.history_begins("alarm"), world.snapshot.offset());
  EXPECT_EQ(listing_of(world.snapshot, "alarm"), all);
  const auto read = Snapshot::read(canonical_bytes(world.snapshot));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->hash(), world.snapshot.hash());
}

// A removed entity whose whole past is dropped is not known any more.
TEST(Retention, WhatIsLongGoneIsForgotten) {
  RetainedWorld world;
  world.fold(fact("alarm", "a", {{"text", "1"}}));
  const log::Offset removed = world.fold(retraction("alarm", "a"));
  world.fold(fact("alarm", "b", {{"text", "1"}}));
  EXPECT_EQ(world.snapshot.lives("alarm", "a").size(), 1u);
  world.fold(expiry("alarm", removed));
  EXPECT_TRUE(world.snapshot.lives("alarm", "a").empty());
  EXPECT_EQ(world.snapshot.size("alarm"), 1u);
}

TEST(Retention, MemoryGoesDown) {
  RetainedWorld world;
  constexpr int kAlarms = 500, kRounds = 40;
  for (int round = 0; round < kRounds; ++round)
    for (int i = 0; i < kAlarms; ++i)
      world.fold(fact("alarm", "alarm-" + std::to_string(i),
                      {{"text", "round " + std::to_string(round) + std::string(100, '.')}}));
  const auto claims = [&] {
    size_t count = 0;
    for (int i = 0; i < kAlarms; ++i) count += world.snapshot.claims("alarm", "alarm-" + std::to_string(i)).size();
    return count;
  };
  EXPECT_EQ(claims(), static_cast<size_t>(kAlarms * kRounds));
  const size_t bytes = canonical_bytes(world.snapshot).size();
  world.changes.clear();
  const size_t held = mallinfo2().uordblks;
  world.fold(expiry("alarm", world.snapshot.offset() - kAlarms));
  EXPECT_EQ(claims(), 2u * kAlarms) << "the last and the one before, which was believed until after that offset";
  EXPECT_LT(canonical_bytes(world.snapshot).size(), bytes / 5);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(mallinfo2().uordblks + size_t{kAlarms} * (kRounds - 4) * 100, held);
#else
  static_cast<void>(held);
#endif
}

}  // namespace
}  // namespace tandem::inventory
