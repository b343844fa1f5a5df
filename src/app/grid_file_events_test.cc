#include "app/grid_file_events.h"

#include <gtest/gtest.h>

namespace tandem::app {
namespace {

std::vector<grid::Entity> two_sites() {
  const auto site = [](const char* id) {
    return grid::Entity{
        "site", id, {{"latitude_deg", 50.0}, {"longitude_deg", 10.0}, {"jurisdiction", "DE"}, {"tier", "core"}}};
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

log::Event said_by_others(const std::string& kind, const std::string& id, const Json::Object& attributes) {
  log::Event event;
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source("planning");
  facts.set_kind(kind);
  facts.set_id(id);
  for (const auto& [name, value] : attributes) inventory::add_attribute(facts, name, value);
  return event;
}

TEST(GridFileEvents, WhatNoFileCanSayStays) {
  const inventory::Snapshot believed =
      folded({said_by_others("site", "a", {{"country", "DE"}})}, folded(grid_file_events(two_sites(), {})));
  EXPECT_TRUE(grid_file_events(two_sites(), believed).empty());
}

TEST(GridFileEvents, WhatOthersBroughtStays) {
  const inventory::Snapshot first = folded(grid_file_events(two_sites(), {}));
  const inventory::Snapshot believed = folded({said_by_others("site", "c", two_sites()[1].attributes),
                                               said_by_others("node", "b-r1", {{"site", "b"}, {"role", "router"}}),
                                               said_by_others("site", "a", {{"power_limit_kw", 20.0}})},
                                              first);
  EXPECT_TRUE(grid_file_events(two_sites(), believed).empty());
  // Of what the file brought, what others refer to stays too; what left it and was said by it goes.
  std::vector<grid::Entity> less{two_sites()[1]};
  less[0].attributes.erase("tier");
  const auto events = grid_file_events(less, believed);
  ASSERT_EQ(events.size(), 2u);
  ASSERT_EQ(events[0].facts_recorded().attributes_size(), 1);
  EXPECT_EQ(events[0].facts_recorded().attributes(0).name(), "tier");
  EXPECT_EQ(events[1].entity_retracted().id(), "a-r1");
  const inventory::Snapshot after = folded(events, believed);
  EXPECT_EQ(to_json(after.attributes("site", "a").at("power_limit_kw")), "20.0");
  EXPECT_EQ(after.size("site"), 3u);
  EXPECT_TRUE(after.has("node", "b-r1"));
  EXPECT_TRUE(grid_file_events(less, after).empty());
}

TEST(GridFileEvents, WhatMovedAwayDoesNotHoldWhatIsGone) {
  const inventory::Snapshot believed = folded(grid_file_events(two_sites(), {}));
  std::vector<grid::Entity> moved{two_sites()[0], two_sites()[2]};
  moved[0].attributes["site"] = "b";
  const auto events = grid_file_events(moved, believed);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].entity_retracted().id(), "a");
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
