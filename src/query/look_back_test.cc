// Disagreements as a table, and looks back to before the history of a kind begins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inventory/reconcile.h"
#include "query/query.h"
#include "support/small_world.h"

namespace tandem::query {
namespace {

using testing::HasSubstr;

struct SaidWorld {
  SaidWorld() {
    for (const log::Event& event : test_support::small_world(3)) fold(event);
  }
  log::Offset fold(const log::Event& event) {
    now = now + seconds(1);
    snapshot.fold(event, snapshot.offset() + 1, now);
    return snapshot.offset();
  }
  void say(const char* source, v1::Standing standing, const char* kind, const char* id,
           const Json::Object& attributes) {
    log::Event event = test_support::fact(kind, id, attributes);
    event.mutable_facts_recorded()->set_source(source);
    event.mutable_facts_recorded()->set_standing(standing);
    fold(event);
  }
  inventory::Snapshot snapshot;
  Instant now{1'790'000'000'000'000'000};
};

std::vector<std::string> said(const SaidWorld& world, std::string_view sql) {
  Limits limits;
  limits.now = world.now;
  const auto table = run(world.snapshot, sql, limits);
  EXPECT_TRUE(table) << sql << ": " << (table ? "" : to_string(table.error()));
  std::vector<std::string> lines;
  if (!table) return lines;
  for (const Json::Array& row : table->rows) {
    std::string line;
    for (const Json& value : row)
      line += (line.empty() ? "" : "|") + (value.is_string() ? std::string(value.text()) : tandem::to_json(value));
    lines.push_back(line);
  }
  return lines;
}

TEST(DiscrepanciesTable, HasWhatReconcileFinds) {
  SaidWorld world;
  world.say("planning", v1::STANDING_INTENDED, "device", "d", {{"site", "site-1"}, {"serial", "S1"}});
  world.say("scan", v1::STANDING_DISCOVERED, "device", "d", {{"site", "site-1"}, {"serial", "S2"}});
  world.say("scan", v1::STANDING_DISCOVERED, "device", "e", {{"site", "site-2"}, {"serial", "S2"}});
  const auto found = inventory::reconcile(world.snapshot, world.now,
                                          {.limit = 100, .accepted = true, .about = {}, .entity_kind = {}, .kind = {}});
  ASSERT_GE(found.discrepancies.size(), 2u);
  EXPECT_EQ(said(world, "SELECT count(*) FROM discrepancies"), std::vector<std::string>{std::to_string(found.found)});
  for (const inventory::Discrepancy& each : found.discrepancies) {
    const std::string where = " WHERE id = '" + each.id + "'";
    EXPECT_EQ(said(world, "SELECT type, kind, entity, summary, who, action FROM discrepancies" + where),
              std::vector<std::string>{std::string(inventory::name_of(each.kind)) + '|' + each.about.kind + '|' +
                                       each.about.id + '|' + each.summary + '|' + each.verification.who + '|' +
                                       each.verification.action});
  }
  EXPECT_EQ(
      said(world,
           "SELECT attribute FROM discrepancies WHERE kind = 'device' AND entity = 'd' AND type = 'value_conflict'"),
      std::vector<std::string>{"serial"});
  EXPECT_EQ(said(world,
                 "SELECT DISTINCT device.id FROM device JOIN discrepancies d ON d.kind = 'device' AND d.entity = "
                 "device.id ORDER BY 1")
                .front(),
            "d");
  EXPECT_EQ(
      said(world,
           "SELECT count(*) > 0 FROM discrepancies, json_each(evidence) e WHERE e.value ->> 'source' = 'planning'"),
      std::vector<std::string>{"1"});
  EXPECT_TRUE(said(world, "SELECT * FROM discrepancies WHERE type = 'nonsense'").empty());
  EXPECT_TRUE(said(world, "SELECT * FROM discrepancies WHERE kind = 'nonsense'").empty());
}

TEST(LookBack, ToBeforeAKindsHistoryIsRefusedWhereThatKindIsRead) {
  SaidWorld world;
  const log::Offset before =
      world.fold(test_support::fact("alarm", "a1", {{"severity", "major"}, {"about", "site/site-1"}}));
  world.fold(test_support::retraction("alarm", "a1"));
  log::Event expired;
  expired.mutable_history_expired()->set_kind("alarm");
  expired.mutable_history_expired()->set_before(world.snapshot.offset());
  world.fold(expired);
  const inventory::Snapshot back = world.snapshot.as_of({.recorded = before, .valid = {}});
  Limits limits;
  limits.now = back.time();
  for (const char* sql :
       {"SELECT * FROM alarm", "SELECT * FROM entities", "SELECT * FROM facts", "SELECT * FROM history",
        "SELECT * FROM relations", "SELECT * FROM entities WHERE kind = 'alarm'",
        "SELECT * FROM facts WHERE kind = 'alarm' AND id = 'a1'",
        "SELECT * FROM relations WHERE to_kind = 'site' AND to_id = 'site-1'", "SELECT * FROM discrepancies",
        "SELECT * FROM discrepancies WHERE kind = 'alarm'", "SELECT * FROM impact_of('alarm/a1')"}) {
    const auto refused = run(back, sql, limits);
    ASSERT_FALSE(refused) << sql;
    EXPECT_EQ(refused.error().code, ErrorCode::not_found) << sql;
    EXPECT_THAT(refused.error().message, HasSubstr("the history of kind 'alarm' begins at offset")) << sql;
  }
  for (const char* sql :
       {"SELECT * FROM site", "SELECT * FROM entities WHERE kind = 'site'", "SELECT * FROM facts WHERE kind = 'site'",
        "SELECT * FROM relations WHERE from_kind = 'node'", "SELECT * FROM discrepancies WHERE kind = 'site'",
        "SELECT * FROM relations WHERE to_kind = 'site' AND to_id = 'site-1' AND from_kind = 'node'",
        "SELECT * FROM impact_of('site/site-1')", "SELECT * FROM located_in('site/site-1')"})
    EXPECT_TRUE(run(back, sql, limits)) << sql;
  limits.now = world.now;
  EXPECT_TRUE(run(world.snapshot, "SELECT * FROM entities", limits)) << "now is no look back";
}

}  // namespace
}  // namespace tandem::query
