#include "routing/baseline.h"

#include <gtest/gtest.h>

#include <array>

#include "routing/drawn_table.h"

namespace tandem::routing {
namespace {

// Berlin is near and dear, Paris a little further, Iowa far, cheapest and across a border.
struct Three {
  enum : uint32_t { kBer, kPar, kIad };
  Three() {
    request.prompt_tokens = 1'000;
    request.output_tokens = 100;
  }
  RoutingTable table = RoutingTable(draw_table(R"(
    jurisdiction DE FR US
    region north
    site ber DE
    site par FR
    site iad US
    model small
    tenant acme
    target ber-small ber small concurrency=4 replicas=1 prompt_cost=3 output_cost=9
    target par-small par small concurrency=4 replicas=3 prompt_cost=2 output_cost=6
    target iad-small iad small concurrency=4 replicas=1 prompt_cost=1 output_cost=3
    leg north ber rtt=2
    leg north par rtt=20
    leg north iad rtt=90
  )"));
  std::vector<TargetLive> live = std::vector<TargetLive>(3);
  std::vector<uint32_t> excluded;
  RequestFacts request;
};

std::optional<uint32_t> choose(Three& world, BaselineRouter& router, std::optional<uint64_t> prefix = {}) {
  return router.choose(world.request, world.live, world.excluded, prefix).target;
}

TEST(Baseline, TheNearestOrCheapestWithAPlaceFreeThenWithRoomInItsQueue) {
  Three world;
  BaselineRouter nearest(world.table, Baseline::nearest, 1), cheapest(world.table, Baseline::cheapest, 1);
  EXPECT_EQ(choose(world, nearest), Three::kBer);
  EXPECT_EQ(choose(world, cheapest), Three::kIad);
  world.live[Three::kBer].in_flight = 4;
  EXPECT_EQ(choose(world, nearest), Three::kPar);
  world.live[Three::kPar].in_flight = world.live[Three::kIad].in_flight = 4;
  EXPECT_EQ(choose(world, nearest), Three::kBer) << "all have a queue";
  for (TargetLive& one : world.live) one.in_flight = 8;
  const Decision none = nearest.choose(world.request, world.live, {}, {});
  EXPECT_EQ(none.reason, Reason::rejected);
  EXPECT_EQ(none.blocking, Gate::capacity);
}

TEST(Baseline, ForgetsWhoseTurnItIsWhereClientsNameTooManyJurisdictions) {
  Three world;
  BaselineRouter router(world.table, Baseline::round_robin, 1);
  const auto all = world.request.allowed;
  const auto first = choose(world, router);
  for (size_t i = 0; i + 1 < BaselineRouter::kGroupsMax; ++i) {
    world.request.allowed.bits = i << 3 | 7;  // each another group of the same three
    EXPECT_EQ(choose(world, router), first);
  }
  world.request.allowed = all;
  EXPECT_NE(choose(world, router), first) << "as many are kept";
  world.request.allowed.bits = uint64_t{1} << 40 | 7;
  EXPECT_EQ(choose(world, router), first);
  world.request.allowed = all;
  EXPECT_EQ(choose(world, router), first) << "it begins anew";
}

TEST(Baseline, KeepsToTheJurisdictionOfSitesAndPassesWhatIsDown) {
  Three world;
  BaselineRouter router(world.table, Baseline::cheapest, 1);
  world.request.allowed = {0b011};
  EXPECT_EQ(choose(world, router), Three::kPar);
  world.live[Three::kPar].healthy = false;
  EXPECT_EQ(choose(world, router), Three::kBer);
  world.excluded = {Three::kBer};
  EXPECT_EQ(choose(world, router), std::nullopt);
  world.request.allowed = {};
  EXPECT_EQ(router.choose(world.request, world.live, {}, {}).blocking, Gate::model);
}

TEST(Baseline, LeastLoadLooksAtPlacesAndRoundRobinAtReplicas) {
  Three world;
  BaselineRouter least(world.table, Baseline::least_load, 1), turns(world.table, Baseline::round_robin, 1);
  world.live[Three::kBer].in_flight = 2;
  world.live[Three::kIad].in_flight = 1;
  EXPECT_EQ(choose(world, least), Three::kPar);
  std::array<int, 3> times{};
  for (int i = 0; i < 50; ++i) ++times[*choose(world, turns)];
  EXPECT_EQ(times, (std::array{10, 30, 10}));
}

TEST(Baseline, PrefixHashSendsTheSameBeginningToTheSameTarget) {
  Three world;
  BaselineRouter router(world.table, Baseline::prefix_hash, 1);
  std::array<int, 3> times{};
  for (uint64_t prefix = 0; prefix < 500; ++prefix) {
    const auto target = choose(world, router, prefix);
    EXPECT_EQ(choose(world, router, prefix), target);
    ++times[*target];
  }
  EXPECT_NEAR(times[Three::kPar], 300, 50) << "by its replicas";
  EXPECT_NEAR(times[Three::kBer], 100, 40);
}

TEST(Baseline, HasANameForEach) {
  for (const Baseline baseline :
       {Baseline::nearest, Baseline::cheapest, Baseline::least_load, Baseline::round_robin, Baseline::prefix_hash})
    EXPECT_EQ(baseline_named(to_string(baseline)), baseline);
  EXPECT_EQ(baseline_named("tandem"), std::nullopt);
}

}  // namespace
}  // namespace tandem::routing
