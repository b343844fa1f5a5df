#include "inventory/upsert.h"

#include <gtest/gtest.h>

#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using test_support::fact;

Row site(std::string id, Json::Object more = {}) {
  Row row{"site",
          std::move(id),
          "",
          {{"tier", "core"},
           {"latitude_deg", 48.5},
           {"longitude_deg", 8.0},
           {"jurisdiction", "DE"},
           {"power_limit_kw", 10.0}},
          {}};
  for (auto& [name, value] : more) row.attributes[name] = std::move(value);
  return row;
}

Row node(std::string id, std::string site, std::string name = "") {
  Row row{"node", std::move(id), std::move(name), {{"site", std::move(site)}}, {}};
  return row;
}

std::vector<log::Event> events_of(const Upsert& upsert) {
  std::vector<log::Event> events;
  upsert.for_each_event([&](log::Event event, size_t) { return events.push_back(std::move(event)), true; });
  return events;
}

struct Fed {
  UpsertCounts counts;
  std::vector<RowProblem> problems;
  std::vector<log::Event> events;
  std::vector<std::string> ids;
  Snapshot after;
};

Fed feed(const Snapshot& believed, std::vector<Row> rows, bool partial = false,
         UpsertOptions options = {.source = "test"}) {
  options.actor = "operator:test";
  options.partial = partial;
  Upsert upsert(believed, options);
  const size_t count = rows.size();
  for (Row& row : rows) upsert.add(std::move(row));
  upsert.finish();
  Fed fed{upsert.counts(), upsert.problems(), events_of(upsert), {}, believed};
  for (size_t i = 0; i < count; ++i) fed.ids.push_back(upsert.id(i));
  for (const log::Event& event : fed.events) fed.after.fold(event, fed.after.offset() + 1, {});
  return fed;
}

TEST(Upsert, MakesChangesAndLeavesAlone) {
  const Fed first = feed({}, {site("a"), site("b"), node("n", "a")});
  EXPECT_EQ(first.counts, (UpsertCounts{.created = 3}));
  EXPECT_EQ(first.events.size(), 3u);
  const Fed again = feed(first.after, {site("a"), site("b"), node("n", "a")});
  EXPECT_EQ(again.counts, (UpsertCounts{.unchanged = 3}));
  ASSERT_EQ(again.events.size(), 2u);  // nothing is said, but that it is still there
  EXPECT_EQ(again.events[0].entities_seen().kind(), "node");
  EXPECT_EQ(again.events[1].entities_seen().ids_size(), 2);
  const Fed other = feed(first.after, {site("a", {{"power_limit_kw", 12.0}}), node("n", "b")});
  EXPECT_EQ(other.counts, (UpsertCounts{.changed = 2}));
  ASSERT_EQ(other.events.size(), 2u);
  EXPECT_EQ(other.events[0].facts_recorded().attributes_size(), 1);  // only what differs
  EXPECT_EQ(other.after.find("node", "n")->find("site")->text(), "b");
}

TEST(Upsert, RowsMayComeInAnyOrder) {
  const Fed fed = feed({}, {node("n", "a"), node("m", "a"), site("a")});
  EXPECT_EQ(fed.counts, (UpsertCounts{.created = 3}));
  ASSERT_EQ(fed.events.size(), 3u);
  EXPECT_EQ(fed.events[0].facts_recorded().kind(), "site");
  EXPECT_EQ(fed.events[1].facts_recorded().id(), "n");
}

TEST(Upsert, OneProblemRefusesAllUnlessPartial) {
  std::vector<Row> rows{site("a"), node("n", "nowhere"), site("b", {{"tier", "cellar"}})};
  const Fed strict = feed({}, rows);
  EXPECT_TRUE(strict.events.empty());
  ASSERT_EQ(strict.problems.size(), 2u);
  EXPECT_EQ(strict.problems[0].row, 1u);
  EXPECT_EQ(strict.problems[0].attribute, "site");
  EXPECT_EQ(strict.problems[1].attribute, "tier");
  EXPECT_EQ(strict.counts, (UpsertCounts{.created = 1, .refused = 2}));
  const Fed partial = feed({}, rows, /*partial=*/true);
  EXPECT_EQ(partial.events.size(), 1u);
  EXPECT_TRUE(partial.after.has("site", "a"));
}

TEST(Upsert, NamesWhatIsWrongWithARow) {
  const auto problem = [](Row row) {
    const Fed fed = feed({}, {std::move(row)});
    EXPECT_EQ(fed.counts.refused, 1u);
    return fed.problems.empty() ? std::string() : fed.problems[0].message;
  };
  EXPECT_EQ(problem({"sit", "x", "", {}, {}}), "no kind 'sit'; did you mean 'site'?");
  EXPECT_NE(problem(site("not an id")).find("cannot be used"), std::string::npos);
  EXPECT_NE(problem({"site", "", "", {}, {}}).find("no id, no name and no external id"), std::string::npos);
  EXPECT_NE(problem(site("x", {{"towel", true}})).find("towel"), std::string::npos);
  const Fed twice = feed({}, {site("a"), site("a")});
  ASSERT_EQ(twice.problems.size(), 1u);
  EXPECT_EQ(twice.problems[0].row, 1u);
  EXPECT_EQ(twice.problems[0].fix, "the first is row 1; say all of an entity in one row");
}

TEST(Upsert, WhatAnotherSourceSaidIsConfirmed) {
  const Fed first = feed({}, {site("a"), site("b")});
  const Fed second = feed(first.after, {site("a"), site("b")}, false, {.source = "other"});
  EXPECT_EQ(second.counts, (UpsertCounts{.confirmed = 2}));
  EXPECT_EQ(second.events.size(), 2u);
  EXPECT_EQ(feed(second.after, {site("a"), site("b")}, false, {.source = "other"}).counts,
            (UpsertCounts{.unchanged = 2}));
  EXPECT_EQ(feed(second.after, {site("a"), site("b")}).counts, (UpsertCounts{.unchanged = 2}));
  const Fed intended = feed(second.after, {site("a")}, false, {.source = "other", .standing = Standing::intended});
  EXPECT_EQ(intended.counts, (UpsertCounts{.confirmed = 1}));
  EXPECT_EQ(intended.events[0].facts_recorded().standing(), v1::STANDING_INTENDED);
}

TEST(Upsert, AFullFeedSaysWhatIsNoLongerSeen) {
  const UpsertOptions full{.source = "test", .full = true};
  const Fed first = feed({}, {site("a"), site("b"), node("n", "a")});
  const Fed second = feed(first.after, {site("a")}, false, full);
  EXPECT_EQ(second.counts, (UpsertCounts{.unchanged = 1, .unseen = 1}));
  ASSERT_EQ(second.events.size(), 2u);
  EXPECT_EQ(second.events[0].entities_seen().ids(0), "a");
  EXPECT_EQ(second.events[1].entity_unseen().id(), "b");  // of sites; nodes are not in this feed
  EXPECT_TRUE(second.after.has("site", "b"));
  EXPECT_EQ(feed(second.after, {site("a")}, false, full).counts, (UpsertCounts{.unchanged = 1}));
  const Fed back = feed(second.after, {site("a"), site("b")}, false, full);
  EXPECT_EQ(back.events.size(), 1u);  // it is seen again
  EXPECT_EQ(feed(back.after, {site("a"), site("b")}, false, full).counts, (UpsertCounts{.unchanged = 2}));
  EXPECT_EQ(feed(first.after, {site("a"), site("c", {{"tier", "x"}})}, true, full).counts.unseen, 0u);
  EXPECT_EQ(feed(first.after, {site("a")}, false, {.source = "another", .full = true}).counts.unseen, 0u);
}

TEST(Upsert, WhatIsUnchangedIsSeen) {
  const Fed first = feed({}, {site("a"), site("b")}, false, {.source = "test", .observed_at_ns = 10});
  const auto seen = [](const Fed& fed, const char* id) { return fed.after.presences("site", id).at(0).last_seen.ns; };
  EXPECT_EQ(seen(first, "a"), 10);
  const Fed second = feed(first.after, {site("a"), site("b", {{"power_limit_kw", 12.0}})}, false,
                          {.source = "test", .observed_at_ns = 20});
  ASSERT_EQ(second.events.size(), 2u);
  EXPECT_EQ(second.events[1].entities_seen().ids_size(), 1);  // who says something of b sees it
  EXPECT_EQ(seen(second, "a"), 20);
  EXPECT_EQ(seen(second, "b"), 20);
  EXPECT_EQ(second.after.find("site", "a")->changed, first.after.find("site", "a")->changed);
  EXPECT_TRUE(feed(second.after, {site("a")}, false, {.source = "test", .observed_at_ns = 20}).events.empty());
  EXPECT_TRUE(feed(second.after, {site("a"), site("x", {{"tier", "y"}})}).events.empty());
  EXPECT_EQ(feed(second.after, {site("a"), site("x", {{"tier", "y"}})}, /*partial=*/true).events.size(), 1u);
  // Many to an event, however many there are.
  std::vector<Row> many;
  for (size_t i = 0; i < kSeenAtOnceMax + 1; ++i) many.push_back(site("s" + std::to_string(i)));
  const Fed made = feed({}, many);
  EXPECT_EQ(feed(made.after, many).events.size(), 2u);
}

TEST(Upsert, FindsByExternalIdAndAddsThemUp) {
  const Fed first = feed({}, {site("a", {{"external_ids", Json::Array{"netbox:dcim.site/1"}}})});
  Row renamed = site("", {{"name", "Anders"}, {"external_ids", Json::Array{"netbox:dcim.site/1", "erp:7"}}});
  const Fed second = feed(first.after, {renamed, node("n", "@erp:7")});
  EXPECT_EQ(second.ids[0], "a");
  EXPECT_EQ(to_json(second.after.attributes("site", "a")["external_ids"]), R"(["erp:7","netbox:dcim.site/1"])");
  EXPECT_EQ(second.after.find("node", "n")->find("site")->text(), "a");
  Row theirs = site("", {{"external_ids", Json::Array{"erp:7"}}});
  const Fed other = feed(second.after, {theirs}, false, {.source = "erp"});
  EXPECT_EQ(other.counts, (UpsertCounts{.confirmed = 1}));
  EXPECT_EQ(feed(other.after, {renamed}).counts, (UpsertCounts{.unchanged = 1}));
  const Fed clash = feed(second.after, {site("b", {{"external_ids", Json::Array{"erp:7"}}})});
  EXPECT_EQ(clash.problems.at(0).message, "'erp:7' is of site 'a'");
  EXPECT_NE(feed(second.after, {node("m", "@erp:8")}).problems.at(0).message.find("erp:8"), std::string::npos);
}

TEST(Upsert, CirclesAreSaidInTwoParts) {
  Row device{"device", "d", "", {{"chassis", "e"}}};
  Row chassis{"device", "e", "", {{"chassis", "d"}}};
  const Fed fed = feed({}, {device, chassis});
  EXPECT_EQ(fed.counts, (UpsertCounts{.created = 2}));
  EXPECT_EQ(fed.events.size(), 3u);
  EXPECT_EQ(fed.after.find("device", "d")->find("chassis")->text(), "e");
  EXPECT_EQ(feed(fed.after, {device, chassis}).counts, (UpsertCounts{.unchanged = 2}));
}

TEST(Upsert, MakesIdsOfNames) {
  Row first = site("");
  first.name = "München Süd";
  Row second = first;
  const Fed fed = feed({}, {first, second});
  EXPECT_EQ(fed.ids, (std::vector<std::string>{"muenchen-sued", "muenchen-sued-2"}));
}

// What a person is called stands in no id, for ids outlive an erasure.
TEST(Upsert, MakesNoIdsOfPeoplesNames) {
  const Row named{"contact", "", "Ada Lovelace", {{"name", "Ada Lovelace"}}, {}};
  const Fed refused = feed({}, {named});
  ASSERT_EQ(refused.problems.size(), 1u);
  EXPECT_EQ(refused.problems[0].attribute, "id");
  Row known = named;
  known.attributes["external_ids"] = Json::Array{"crm:person/12"};
  EXPECT_EQ(feed({}, {known}).ids, (std::vector<std::string>{"crm-person-12"}));
}

TEST(Upsert, RefusedRowsKeepTheirPlace) {
  Upsert upsert({}, {.source = "test", .actor = "operator:test"});
  upsert.add(site("a"));
  upsert.add_refused({0, "site", "b", "", "", "no cells", ""});
  upsert.also_wrong({0, "site", "b", "", "", "and more", ""});
  upsert.add(site("c"));
  upsert.finish();
  EXPECT_EQ(upsert.outcome(0), Outcome::created);
  EXPECT_EQ(upsert.outcome(1), Outcome::refused);
  EXPECT_EQ(upsert.id(1), "b");
  EXPECT_EQ(upsert.outcome(2), Outcome::created);
  ASSERT_EQ(upsert.problems().size(), 2u);
  EXPECT_EQ(upsert.problems()[1].row, 1u);
  EXPECT_FALSE(upsert.accepted());
}

}  // namespace
}  // namespace tandem::inventory
