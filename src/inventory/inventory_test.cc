#include "inventory/inventory.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "inventory/testing.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using test_support::fact;
using test_support::retraction;
using test_support::small_world;

TEST(Snapshot, TakesInFacts) {
  Snapshot snapshot;
  snapshot.fold(fact("link", "x", {{"delay_us", 5.0}, {"a", "n1"}}), 1, {});
  snapshot.fold(fact("link", "x", {{"delay_us", 6.0}}), 2, {});
  snapshot.fold(fact("link", "x", {{"a", "n1"}}), 3, {});
  const auto link = snapshot.find("link", "x");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->created, 1u);
  EXPECT_EQ(link->changed, 2u);
  ASSERT_EQ(link->attributes.size(), 2u);
  EXPECT_EQ(link->attributes[0].name, "a");
  EXPECT_EQ(link->attributes[0].offset, 1u);  // said again at 3, which is no news
  EXPECT_EQ(link->find("delay_us")->number(), 6.0);
  EXPECT_EQ(link->find("nothing"), nullptr);
  EXPECT_EQ(snapshot.offset(), 3u);
  EXPECT_EQ(snapshot.changed("link"), 2u);
  EXPECT_EQ(snapshot.size(), 1u);
}

TEST(Snapshot, NullTakesAnAttributeBackAndTheLastOfANameCounts) {
  Snapshot snapshot;
  snapshot.fold(fact("site", "x", {{"name", "X"}, {"tier", "core"}}), 1, {});
  log::Event twice = fact("site", "x", {{"name", nullptr}});
  v1::Attribute& again = *twice.mutable_facts_recorded()->add_attributes();
  again.set_name("tier");
  again.mutable_value()->set_text("cloud");
  *twice.mutable_facts_recorded()->add_attributes() = again;
  twice.mutable_facts_recorded()->mutable_attributes(2)->mutable_value()->set_text("far_edge");
  ChangeSet changes;
  snapshot.fold(twice, 2, {}, &changes);
  EXPECT_EQ(to_json(snapshot.attributes("site", "x")), R"({"tier":"far_edge"})");
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].attributes, (std::vector<std::string>{"name", "tier"}));
}

TEST(Snapshot, CopiesStayAsTheyAre) {
  Snapshot snapshot = folded(small_world(5));
  const Snapshot before = snapshot;
  const Digest hash = before.hash();
  snapshot.fold(fact("link", "link-1", {{"state", "down"}}), snapshot.offset() + 1, {});
  snapshot.fold(retraction("demand", "bank-0"), snapshot.offset() + 1, {});
  EXPECT_EQ(before.hash(), hash);
  EXPECT_NE(snapshot.hash(), hash);
  EXPECT_TRUE(before.has("demand", "bank-0"));
  EXPECT_FALSE(snapshot.has("demand", "bank-0"));
  EXPECT_EQ(before.find("link", "link-1")->find("state"), nullptr);
}

TEST(Snapshot, AnEventItDoesNotKnowMovesOnlyTheOffset) {
  Snapshot snapshot = folded(small_world(3));
  const std::string before = to_json(snapshot.attributes("site", "site-0"));
  const size_t size = snapshot.size();
  ChangeSet changes;
  snapshot.fold(log::Event(), 1'000, {}, &changes);
  log::Event sealed;
  sealed.mutable_window_sealed()->set_table("requests");
  snapshot.fold(sealed, 1'001, {}, &changes);
  snapshot.fold(retraction("site", "no such"), 1'002, {}, &changes);
  snapshot.fold(retraction("no such", "x"), 1'003, {}, &changes);
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(snapshot.offset(), 1'003u);
  EXPECT_EQ(snapshot.size(), size);
  EXPECT_EQ(to_json(snapshot.attributes("site", "site-0")), before);
}

TEST(Snapshot, ListsByKindInOrderOfId) {
  const Snapshot snapshot = folded(small_world(12));
  std::vector<std::string> ids;
  snapshot.for_each("site", [&](const Entity& entity) { return ids.push_back(entity.id), true; });
  EXPECT_EQ(ids.size(), 12u);
  EXPECT_TRUE(std::ranges::is_sorted(ids));
  std::vector<std::string> page;
  snapshot.for_each(
      "site", [&](const Entity& entity) { return page.push_back(entity.id), page.size() < 2; }, "site-10");
  EXPECT_EQ(page, (std::vector<std::string>{"site-10", "site-11"}));
  std::vector<std::string> same;
  snapshot.for_each_id(
      "site", [&](const std::string& id) { return same.push_back(id), true; }, "site-2");
  EXPECT_EQ(same.size(), 8u);
  snapshot.for_each("nothing", [](const Entity&) -> bool { throw std::runtime_error("there is none"); });
  const auto kinds = snapshot.kinds();
  EXPECT_EQ(kinds.size(), 12u);  // no deployment, no traffic
  EXPECT_TRUE(std::ranges::is_sorted(kinds));
}

TEST(Snapshot, KnowsWhatRefersToWhat) {
  Snapshot snapshot = folded(small_world(4));
  EXPECT_EQ(snapshot.referrers("site", "site-1", 10), (std::vector<Referrer>{{"node", "node-1"}, {"pool", "pool-1"}}));
  EXPECT_EQ(snapshot.referrers("site", "site-1", 1), (std::vector<Referrer>{{"node", "node-1"}}));
  EXPECT_EQ(snapshot.referrers("site", "site", 10), std::vector<Referrer>());
  EXPECT_EQ(
      snapshot.referrers("node", "node-0", 10),
      (std::vector<Referrer>{{"link", "link-0"}, {"link", "link-3"}, {"pool", "pool-0"}, {"region", "region-0"}}));
  EXPECT_EQ(snapshot.referred("jurisdiction", 64), (std::vector<std::string>{"AT", "DE"}));
  EXPECT_EQ(snapshot.referred("jurisdiction", 1), (std::vector<std::string>{"AT"}));
  snapshot.fold(fact("pool", "pool-1", {{"site", "site-2"}}), snapshot.offset() + 1, {});
  EXPECT_EQ(snapshot.referrers("site", "site-1", 10), (std::vector<Referrer>{{"node", "node-1"}}));
  snapshot.fold(retraction("link", "link-0"), snapshot.offset() + 1, {});
  EXPECT_EQ(snapshot.referrers("shared_risk_group", "duct-0", 10), (std::vector<Referrer>{{"link", "link-1"}}));
  snapshot.fold(fact("link", "link-1", {{"shared_risk_groups", nullptr}}), snapshot.offset() + 1, {});
  EXPECT_EQ(snapshot.referrers("shared_risk_group", "duct-0", 10), std::vector<Referrer>());
}

TEST(ChangeSet, EachEntityOnceByWhatItComesTo) {
  Snapshot snapshot;
  ChangeSet changes;
  log::Offset offset = 0;
  const auto fold = [&](const log::Event& event) { snapshot.fold(event, ++offset, {}, &changes); };
  fold(fact("site", "a", {{"name", "A"}}));
  fold(fact("site", "a", {{"name", "B"}}));
  fold(fact("site", "a", {{"name", "B"}}));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0], (Change{"site", "a", Change::What::added, {}}));
  changes.clear();
  fold(fact("site", "a", {{"name", "B"}}));
  EXPECT_TRUE(changes.empty());
  fold(fact("site", "a", {{"tier", "core"}}));
  fold(fact("site", "b", {{"name", "B"}}));
  fold(fact("site", "a", {{"name", "C"}}));
  fold(retraction("site", "b"));
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0], (Change{"site", "a", Change::What::changed, {"name", "tier"}}));
  EXPECT_EQ(changes[1], (Change{"site", "b", Change::What::removed, {"name"}}));
  changes.clear();
  fold(retraction("site", "a"));
  fold(fact("site", "a", {{"pue", 1.2}}));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].what, Change::What::changed);
  EXPECT_EQ(changes[0].attributes, (std::vector<std::string>{"name", "tier"}));
}

// Random facts, any attribute of any type, against a map of maps of JSON.
TEST(Snapshot, AgreesWithAPlainFold) {
  Random random(7);
  const auto value = [&]() -> Json {
    switch (random.below(8)) {
      case 0: return nullptr;
      case 1: return random.chance(0.5);
      case 2: return static_cast<int64_t>(random.below(10)) - 5;
      case 3: return static_cast<double>(random.below(10)) / 4;
      case 4: return Json::Array{Json(int64_t{1}), Json("two")};
      case 5: return Json::Object{{"field", Json(random.uniform())}};
      default: return "text-" + std::to_string(random.below(4));
    }
  };
  Snapshot snapshot;
  std::map<std::string, std::map<std::string, Json::Object>> plain;
  for (log::Offset offset = 1; offset <= 20'000; ++offset) {
    const std::string kind = "kind-" + std::to_string(random.below(3));
    const std::string id = std::to_string(random.below(200));
    if (random.chance(0.2)) {
      snapshot.fold(retraction(kind, id), offset, {});
      plain[kind].erase(id);
      continue;
    }
    Json::Object attributes;
    for (uint64_t i = random.below(4); i > 0; --i) attributes["attribute-" + std::to_string(random.below(6))] = value();
    snapshot.fold(fact(kind, id, attributes), offset, {});
    Json::Object& entity = plain[kind][id];
    for (const auto& [name, item] : attributes)
      if (item.is_null())
        entity.erase(name);
      else
        entity[name] = item;
  }
  size_t size = 0;
  for (const auto& [kind, entities] : plain) {
    size += entities.size();
    auto expected = entities.begin();
    snapshot.for_each_json(kind, [&](const std::string& id, const Json::Object& attributes) {
      EXPECT_EQ(id, expected->first);
      EXPECT_EQ(Json(attributes), Json(expected->second));
      return ++expected, true;
    });
    EXPECT_EQ(expected, entities.end());
  }
  EXPECT_EQ(snapshot.size(), size);
}

TEST(Values, ToJsonAndBack) {
  const Json json =
      Json::Object{{"a", Json::Array{nullptr, true, int64_t{-3}, 2.0, "text"}}, {"b", Json::Object{{"c", 0.1}}}};
  const auto there_and_back = [](const Json& it) {
    v1::Value value;
    set_value(value, it);
    return to_json_value(value);
  };
  EXPECT_EQ(there_and_back(json), json);
  EXPECT_TRUE(there_and_back(2.0).is_number());
  EXPECT_FALSE(there_and_back(2.0).is_integer());
}

}  // namespace
}  // namespace tandem::inventory
