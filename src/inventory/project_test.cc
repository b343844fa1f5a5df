#include <gtest/gtest.h>

#include "base/random.h"
#include "grid/decode.h"
#include "inventory/inventory.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using test_support::fact;
using test_support::retraction;
using test_support::small_world;

using GridPointer = std::shared_ptr<const grid::Snapshot>;

// An inventory with its projection, patched after each event and compared with one made anew.
class Projected {
 public:
  explicit Projected(const std::vector<log::Event>& events) {
    for (const log::Event& event : events) inventory_.fold(event, inventory_.offset() + 1, {});
    grid_ = project(inventory_, {}, nullptr);
  }
  const grid::Snapshot& fold(const log::Event& event) { return fold(std::vector{event}); }
  const grid::Snapshot& fold(const std::vector<log::Event>& events) {
    ChangeSet changes;
    for (const log::Event& event : events) inventory_.fold(event, inventory_.offset() + 1, {}, &changes);
    previous_ = grid_;
    grid_ = project(inventory_, changes, previous_);
    EXPECT_TRUE(*grid_ == *project(inventory_, {}, nullptr));
    return *grid_;
  }
  const Snapshot& inventory() const { return inventory_; }
  const grid::Snapshot& grid() const { return *grid_; }
  const grid::Snapshot& previous() const { return *previous_; }

 private:
  Snapshot inventory_;
  GridPointer grid_, previous_;
};

TEST(Project, AgreesWithTheRowsOfAGridFile) {
  const auto events = small_world(6);
  const Projected world(events);
  std::vector<grid::Entity> entities;
  for (const std::string& kind : world.inventory().kinds())
    world.inventory().for_each_json(kind, [&](const std::string& id, const Json::Object& attributes) {
      return entities.push_back({kind, id, attributes}), true;
    });
  grid::GridRows made = grid::make_rows(entities);
  ASSERT_TRUE(made.problems.empty()) << made.problems[0].problem.message;
  EXPECT_TRUE(world.grid() == grid::make_snapshot(std::move(made.rows), events.size()));
  EXPECT_EQ(world.grid().links.size(), 6u);
  EXPECT_EQ(world.grid().demands.size(), 6u);
}

TEST(Project, ACutLinkCopiesOneChunk) {
  Projected world(small_world(300));
  const auto before = world.grid();
  const auto& after = world.fold(fact("link", "link-7", {{"state", "down"}}));
  const auto index = after.links.find("link-7");
  EXPECT_EQ(after.links[index].state, grid::State::down);
  EXPECT_EQ(before.links[index].state, grid::State::up);
  EXPECT_FALSE(after.links.shares_chunk(before.links, index));
  const grid::LinkIndex far(index.value < 128 ? 200 : 0);
  EXPECT_TRUE(after.links.shares_chunk(before.links, far));
  EXPECT_TRUE(after.sites.shares_chunk(before.sites, grid::SiteIndex(0)));
  EXPECT_TRUE(after.demands.shares_chunk(before.demands, grid::DemandIndex(0)));
  EXPECT_EQ(after.adjacency, before.adjacency);
}

TEST(Project, AnyChangedValueOfOneRowIsPatched) {
  Projected world(small_world(10));
  const std::vector<std::pair<std::string, log::Event>> patches{
      {"site", fact("site", "site-1", {{"state", "down"}, {"pue", 1.4}})},
      {"node", fact("node", "node-1", {{"role", "bng"}})},
      {"pool", fact("pool", "pool-1", {{"count", int64_t{9}}})},
      {"demand", fact("demand", "bank-0", {{"rate_per_s", 9.0}})},
      {"grid", fact("grid", "grid", {{"name", "other"}, {"policy", Json::Object{{"link_headroom", 0.5}}}})},
      {"profile", fact("profile", "chat-gpu", {{"kv_memory_gb", 40.0}})},
  };
  for (const auto& [kind, event] : patches) {
    world.fold(event);
    EXPECT_EQ(world.grid().adjacency, world.previous().adjacency) << kind;  // a rebuild would make its own
  }
  EXPECT_EQ(world.grid().name, "other");
  EXPECT_EQ(world.grid().policy.link_headroom, 0.5);
}

TEST(Project, WhatMovesOtherRowsRebuilds) {
  Projected world(small_world(10));
  const std::vector<log::Event> rebuilds{
      fact("link", "link-1", {{"b", "node-5"}}),
      fact("site", "site-1", {{"jurisdiction", "CH"}}),
      fact("tenant", "public", {{"ttft_ms", 123.0}}),
      fact("site", "site-a",
           {{"tier", "core"},
            {"latitude_deg", 1.0},
            {"longitude_deg", 1.0},
            {"jurisdiction", "FR"},
            {"power_limit_kw", 1.0}}),
      retraction("demand", "bank-0"),
  };
  for (const log::Event& event : rebuilds) world.fold(event);
  EXPECT_EQ(world.grid().jurisdictions, (std::vector<std::string>{"AT", "CH", "DE", "FR"}));
  EXPECT_EQ(world.grid().demands[world.grid().demands.find("public-2")].promise.ttft, Milliseconds(123));
}

TEST(Project, LeavesOutWhatIsUnsoundAndWhatRefersToIt) {
  Projected world(small_world(4));
  world.fold(fact("node", "node-1", {{"site", "nowhere"}}));
  EXPECT_FALSE(world.grid().nodes.find("node-1").valid());
  EXPECT_EQ(world.grid().links.size(), 2u);
  EXPECT_EQ(world.grid().pools.size(), 3u);
  std::vector<std::string> left_out;
  project(world.inventory(), {}, nullptr, &left_out);
  EXPECT_EQ(left_out.size(), 4u);
  EXPECT_NE(left_out[0].find("node 'node-1'"), std::string::npos) << left_out[0];
  world.fold(fact("node", "node-1", {{"site", "site-1"}}));
  EXPECT_EQ(world.grid().links.size(), 4u);
  world.fold(fact("link", "link-0", {{"capacity_gbps", "much"}}));
  EXPECT_EQ(world.grid().links.size(), 3u);
  world.fold(fact("grid", "grid", {{"policy", "none"}}));
  EXPECT_EQ(world.grid().policy, grid::Policy());
}

TEST(Project, WhatTheOntologyAddsToANounLeavesItsRowAlone) {
  Projected world(small_world(3));
  const auto before = world.grid();
  world.fold(fact("site", "site-1", {{"country", "DE"}, {"external_ids", Json::Array{"netbox:7"}}}));
  EXPECT_EQ(world.grid().sites, before.sites);
}

TEST(Project, WhatIsOnlyPlannedIsLeftOutWithWhatRefersToIt) {
  Projected world(small_world(3));
  world.fold(fact("link", "link-1", {{"status", "planned"}}));
  EXPECT_EQ(world.grid().links.size(), 2u);
  world.fold(fact("link", "link-1", {{"status", "active"}}));
  EXPECT_EQ(world.grid().links.size(), 3u);
  world.fold(fact("model", "chat", {{"status", "retired"}}));
  EXPECT_TRUE(world.grid().demands.empty());
}

TEST(Project, SixtyFourJurisdictionsAreTheLimit) {
  std::vector<log::Event> events;
  for (int i = 0; i < 66; ++i)
    events.push_back(
        fact("site", "site-" + std::to_string(i),
             {{"tier", "core"},
              {"latitude_deg", 1.0},
              {"longitude_deg", 1.0},
              {"power_limit_kw", 1.0},
              {"jurisdiction", std::string{static_cast<char>('A' + i / 26), static_cast<char>('A' + i % 26)}}}));
  const Projected world(events);
  EXPECT_EQ(world.grid().jurisdictions.size(), 64u);
  EXPECT_EQ(world.grid().sites.size(), 64u);
}

log::Event random_event(Random& random, size_t sites) {
  const size_t i = random.below(sites);
  const auto number = [&] { return static_cast<double>(1 + random.below(5)); };
  const char* state = random.chance(0.5) ? "down" : "up";
  switch (random.below(20)) {
    case 0: return test_support::site_fact(i);
    case 1: return fact("site", test_support::site_id(i), {{"jurisdiction", random.chance(0.5) ? "FR" : "DE"}});
    case 2:
    case 3: return fact("site", test_support::site_id(i), {{"state", state}, {"pue", number()}});
    case 4: return fact("node", test_support::node_id(i), {{"site", test_support::site_id(random.below(sites + 1))}});
    case 5:
    case 6: return fact("node", test_support::node_id(i), {{"state", state}});
    case 7: return test_support::link_fact(i, sites);
    case 8: return retraction("link", test_support::link_id(i));
    case 9: return fact("link", test_support::link_id(i), {{"b", test_support::node_id(random.below(sites))}});
    case 10:
      return fact("link", test_support::link_id(i), {{"capacity_gbps", random.chance(0.2) ? Json() : Json(number())}});
    case 11: return fact("tenant", "bank", {{"ttft_ms", 100 * number()}, {"residency", Json::Array{"DE", "FR"}}});
    case 12:
      return fact("demand", "bank-0",
                  {{"rate_per_s", number()}, {"ttft_ms", random.chance(0.5) ? Json() : Json(number())}});
    case 13: return retraction("site", test_support::site_id(i));
    case 14: return retraction("node", test_support::node_id(i));
    case 15: return fact("grid", "grid", {{"policy", Json::Object{{"link_headroom", 1 / number()}}}});
    default: return fact("link", test_support::link_id(i), {{"state", state}, {"delay_us", 100 * number()}});
  }
}

// Whatever happens, also what no step would admit: the patched projection is the one made anew.
void patched_equals_rebuilt(uint64_t seed, int rounds) {
  constexpr size_t kSites = 9;
  Random random(seed);
  Projected world(small_world(kSites));
  for (int round = 0; round < rounds; ++round) {
    std::vector<log::Event> events;
    for (uint64_t n = random.below(4) * random.below(3); events.size() <= n;)
      events.push_back(random_event(random, kSites));
    world.fold(events);
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << ", round " << round;
  }
}

TEST(Project, PatchedEqualsRebuilt) {
  for (uint64_t seed = 1; seed <= 10; ++seed) patched_equals_rebuilt(seed, 60);
}

TEST(ProjectSoak, PatchedEqualsRebuilt) {
  for (uint64_t seed = 100; seed <= 120; ++seed) patched_equals_rebuilt(seed, 200);
}

}  // namespace
}  // namespace tandem::inventory
