#include "app/grid_file_events.h"

#include <gtest/gtest.h>

namespace tandem::app {
namespace {

std::vector<grid::Entity> two_sites() {
  const auto site = [](const char* id) {
    return grid::Entity{"site", id, {{"latitude_deg", 50.0}, {"longitude_deg", 10.0}, {"jurisdiction", "DE"}, {"tier", "core"}}};
  };
  return {{"node", "a-r1", {{"site", "a"}, {"role", "router"}}}, site("a"), site("b")};
}

inventory::Snapshot folded(const std::vector<log::Event>& events, inventory::Snapshot snapshot = {}) {
  for (const log::Event& event : events) snapshot.fold(event, snapshot.offset() + 1, {});
  return snapshot;
}

TEST(GridFileEvents, TheFirstFileIsRecordedInAnOrderThatHoldsTogether) {
  const auto events = grid_file_events(two_sites(), {});
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].facts_recorded().kind(), "site");
  EXPECT_EQ(events[2].facts_recorded().kind(), "node");
}

TEST(GridFileEvents, TheSameFileAgainChangesNothing) {
  const inventory::Snapshot believed = folded(grid_file_events(two_sites(), {}));
  EXPECT_TRUE(grid_file_events(two_sites(), believed).empty());
}

TEST(GridFileEvents, OnlyWhatDiffersIsRecorded) {
  inventory::Snapshot believed = folded(grid_file_events(two_sites(), {}));
  std::vector<grid::Entity> changed = two_sites();
  changed[1].attributes["latitude_deg"] = 51.0;
  const auto events = grid_file_events(changed, believed);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].facts_recorded().id(), "a");
  ASSERT_EQ(events[0].facts_recorded().attributes_size(), 1);
  EXPECT_EQ(events[0].facts_recorded().attributes(0).name(), "latitude_deg");
}

TEST(GridFileEvents, AStateThatOthersReportedStays) {
  log::Event down;
  down.mutable_facts_recorded()->set_kind("site");
  down.mutable_facts_recorded()->set_id("a");
  v1::Attribute& attribute = *down.mutable_facts_recorded()->add_attributes();
  attribute.set_name("state");
  attribute.mutable_value()->set_text("down");
  const inventory::Snapshot believed = folded({down}, folded(grid_file_events(two_sites(), {})));
  EXPECT_TRUE(grid_file_events(two_sites(), believed).empty());
}

TEST(GridFileEvents, WhatNoFileCanSayStays) {
  log::Event said;
  said.mutable_facts_recorded()->set_kind("site");
  said.mutable_facts_recorded()->set_id("a");
  v1::Attribute& attribute = *said.mutable_facts_recorded()->add_attributes();
  attribute.set_name("country");
  attribute.mutable_value()->set_text("DE");
  const inventory::Snapshot believed = folded({said}, folded(grid_file_events(two_sites(), {})));
  EXPECT_TRUE(grid_file_events(two_sites(), believed).empty());
}

TEST(GridFileEvents, WhatLeftTheFileIsRetractedReferrersFirst) {
  const inventory::Snapshot believed = folded(grid_file_events(two_sites(), {}));
  const auto events = grid_file_events(std::vector<grid::Entity>{two_sites()[2]}, believed);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].entity_retracted().kind(), "node");
  EXPECT_EQ(events[1].entity_retracted().kind(), "site");
  EXPECT_EQ(folded(events, believed).size(), 1u);
}

}  // namespace
}  // namespace tandem::app
