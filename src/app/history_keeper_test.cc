#include "app/history_keeper.h"

#include <gtest/gtest.h>

#include "support/small_world.h"

namespace tandem::app {
namespace {

constexpr Instant kFirstDay{1'790'000'000'000'000'000};
constexpr Duration kOneDay = hours(24);

TEST(HistoryKeeper, DropsWhatTheOntologyKeepsForSomeDaysAtMostOnceADay) {
  inventory::Snapshot snapshot;
  Instant now = kFirstDay;
  const auto fold = [&](const log::Event& event) { snapshot.fold(event, snapshot.offset() + 1, now); };
  for (int day = 0; day < 120; ++day, now = now + kOneDay) {
    fold(test_support::fact("alarm", "a", {{"text", std::to_string(day)}}));
    fold(test_support::fact("device", "d", {{"name", std::to_string(day)}}));
  }
  const std::vector<log::Event> due = history_due(snapshot, now);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].history_expired().kind(), "alarm");
  const log::Offset before = due[0].history_expired().before();
  EXPECT_LE(snapshot.time_at(before), now - hours(24 * 90));
  fold(due[0]);
  EXPECT_TRUE(history_due(snapshot, now).empty());
  now = now + hours(23);
  EXPECT_TRUE(history_due(snapshot, now).empty());
  now = now + hours(26);
  EXPECT_EQ(history_due(snapshot, now).size(), 1u);
  // Of what does not change there is nothing to drop.
  inventory::Snapshot still;
  still.fold(test_support::fact("alarm", "a", {{"text", "x"}}), 1, kFirstDay);
  still.fold(test_support::fact("alarm", "b", {{"text", "x"}}), 2, kFirstDay + kOneDay);
  EXPECT_TRUE(history_due(still, kFirstDay + hours(24 * 400)).empty());
}

}  // namespace
}  // namespace tandem::app
