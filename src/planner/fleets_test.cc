// What whole numbers of replicas prove of a model beyond what prices alone do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "planner/certificate.h"
#include "planner/fleets.h"
#include "planner/planner.h"
#include "planner/search.h"
#include "planner/testing.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// One replica holds five sixths of the demands: prices buy one here and a part of one there, a plan needs two.
const grid::Snapshot& grid_of_two_replicas() {
  static const grid::Snapshot snapshot = test_support::drawn_grid(R"(
    west-mid 1ms 10G
    mid-east 1ms 10G
    site west DE price=0.1
    site mid DE price=0.1
    site east DE price=0.1
    region north mid access=2ms
    accelerator card 80GB idle=100W peak=700W price=2.5
    pool a west card 2
    pool b mid card 2
    pool c east card 2
    model m 16GB kv=131072
    profile m card 1:10ms/300W 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms kv=50GB
    tenant acme DE
    demand one acme north m 2.2/s ttft=2s tpot=60ms
    demand two acme north m 2.2/s ttft=2s tpot=60ms
    demand three acme north m 2.2/s ttft=2s tpot=60ms
  )");
  return snapshot;
}

struct Planned {
  PricedPlan priced;
  double by_prices_alone = 0;  // proven
};

Planned planned() {
  Planner planner;
  Planned planned;
  planned.priced.plan = planner.plan(grid_of_two_replicas(), nullptr, "p", 1, {}, {});
  planned.priced.prices = planner.prices();
  Prices alone = planner.prices();
  alone.fleets.clear();
  planned.by_prices_alone = proven_bound(grid_of_two_replicas(), alone);
  return planned;
}

TEST(Fleets, ProveThatAPlanNeedsItsSecondReplica) {
  const Planned made = planned();
  const v1::Plan& plan = made.priced.plan;
  uint32_t replicas = 0;
  for (const auto& deployment : plan.deployments()) replicas += deployment.replicas();
  EXPECT_EQ(replicas, 2u);
  EXPECT_LT(made.by_prices_alone, 0.9 * plan.cost_eur_per_hour());
  ASSERT_EQ(made.priced.prices.fleets.size(), 1u);
  EXPECT_GT(plan.bound_eur_per_hour(), 0.99 * plan.cost_eur_per_hour());
  EXPECT_THAT(check_plan(grid_of_two_replicas(), made.priced).faults, IsEmpty());
}

TEST(Fleets, SurviveJson) {
  const Planned made = planned();
  const auto document =
      parse_json(to_json(plan_to_json(made.priced.plan, grid_of_two_replicas(), &made.priced.prices)));
  ASSERT_TRUE(document.has_value());
  const auto read = plan_from_json(*document, grid_of_two_replicas());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->prices, made.priced.prices);
}

TEST(Fleets, OfNoPricesProveMoreThanAPlanCosts) {
  const Planned made = planned();
  const double cost = made.priced.plan.cost_eur_per_hour();
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    Prices prices = made.priced.prices;
    prices.fleets.front().eur_per_hour *= 0.5 + 4 * random.uniform();
    for (std::vector<double>& set : prices.fleets.front().demand)
      for (double& price : set) price = random.chance(0.7) ? price * 2 * random.uniform() : 20 * random.uniform();
    for (double& price : prices.demand) price *= 2 * random.uniform();
    if (random.chance(0.3)) prices.pool.front() = random.uniform();
    EXPECT_LE(proven_bound(grid_of_two_replicas(), prices), cost * (1 + 1e-9)) << seed;
  }
}

TEST(Fleets, ProveNoMoreThanTheirPricesDo) {
  Planned made = planned();
  made.priced.prices.fleets.front().eur_per_hour *= 1.1;  // said, not proven
  made.priced.plan.set_bound_eur_per_hour(made.priced.plan.bound_eur_per_hour() * 1.05);
  EXPECT_THAT(check_plan(grid_of_two_replicas(), made.priced).faults, Contains(HasSubstr("its prices prove")));
}

// By what deployments hold of first tokens on average, one large and one small replica would do.
grid::Snapshot grid_of_large_and_small(double rate_per_s) {
  std::string rows = R"(
    west-mid 1ms 10G
    mid-east 1ms 10G
    site west DE price=0.1
    site mid DE price=0.1
    site east DE price=0.1
    region north mid access=2ms
    accelerator large 80GB idle=100W peak=700W price=2.5
    accelerator small 80GB idle=50W peak=300W price=0.7
    pool a west large 2
    pool b mid small 4
    pool c east large 2
    model m 16GB kv=131072
    profile m large 1:10ms/300W 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms kv=50GB
    profile m small 1:20ms/100W 8:24ms/200W 32:40ms/280W prefill=6000 overhead=5ms kv=50GB
    tenant acme DE
  )";
  for (const auto& [id, promise] :
       {std::pair("one", "ttft=120ms tpot=40ms"), {"two", "ttft=120ms tpot=60ms"}, {"three", "ttft=960ms tpot=90ms"}})
    rows += "demand " + std::string(id) + " acme north m " + std::to_string(rate_per_s) + "/s " + promise + "\n";
  return test_support::drawn_grid(rows);
}

TEST(Fleets, OfALargeAndASmallReplicaAreJudgedByAllSplits) {
  const v1::Plan both = checked_plan(grid_of_large_and_small(1.5));
  ASSERT_EQ(both.deployments_size(), 2);  // one of each
  EXPECT_LT(both.cost_eur_per_hour(), 3.4);
  EXPECT_GT(both.bound_eur_per_hour(), 0.99 * both.cost_eur_per_hour());
  const v1::Plan two = checked_plan(grid_of_large_and_small(2));  // they do no longer
  EXPECT_GT(two.cost_eur_per_hour(), 5);
  EXPECT_GT(two.bound_eur_per_hour(), 0.99 * two.cost_eur_per_hour());
}

// Towards what a dearer plan spends, it meets the cheaper one.
TEST(Fleets, CheaperThanThePlanKnownAreMetOnTheWay) {
  const grid::Snapshot snapshot = grid_of_large_and_small(1.5);
  Problem problem(snapshot, std::make_shared<const Terrain>(snapshot, nullptr), nullptr);
  Bound bound(problem);
  const Known dear{6, std::vector<double>(3, 2.0), std::vector<uint32_t>(problem.candidates.size(), 0)};
  bound.prove_by_fleets(dear, {});
  EXPECT_LT(bound.value(), 3.4);
  const std::vector<ServedShare>& met = bound.met(0);
  std::vector<uint32_t> served(3, 0), used;
  for (const ServedShare& share : met) {
    served[share.demand] += share.share;
    used.push_back(share.candidate);
  }
  EXPECT_THAT(served, testing::Each(kWhole));
  double eur = 0;
  std::ranges::sort(used);
  used.erase(std::ranges::unique(used).begin(), used.end());
  for (const uint32_t c : used) eur += problem.candidates[c].replica_eur_per_hour;
  EXPECT_LT(eur, 3.4);
  problem.add_all_options();
  Search search(problem, 1, 1'000, {});
  search.count(Energy::drawn);
  ASSERT_TRUE(search.replace(problem.demands_of(0), met));
  EXPECT_LT(search.cost(), 3.4);
}

}  // namespace
}  // namespace tandem::planner
