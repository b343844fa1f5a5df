// A plan's certificate: what it says is confirmed from the grid and the prices alone; what was tampered with is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "planner/certificate.h"
#include "planner/planner.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const grid::Snapshot& certified_grid() {
  static const grid::Snapshot snapshot = test_support::drawn_grid(R"(
    edge-core 4ms 0.05G cost=0.01
    edge-far 6ms 10G cost=0.02
    site edge DE price=0.3 power=3kW
    site core DE price=0.1
    site far FR price=0.2
    region north edge access=2ms
    region south core access=2ms
    accelerator small 48GB idle=50W peak=300W price=3
    accelerator large 80GB idle=100W peak=700W price=2.5
    pool edge-small edge small 4
    pool core-large core large 3 reserve=1
    pool far-large far large 2
    model m 16GB kv=131072
    profile m small 1:20ms/200W 8:25ms/280W prefill=5000 overhead=10ms kv=20GB
    profile m large 1:10ms/300W 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms kv=50GB
    tenant acme DE
    tenant any *
    demand a acme north m 6/s ttft=900ms tpot=50ms up=2000000
    demand b any north m 4/s ttft=2s tpot=60ms up=2000000
    demand c any south m 9/s ttft=3s tpot=60ms
    demand d any south m 3/s ttft=400ms tpot=30ms in=900
  )");
  return snapshot;
}

PricedPlan priced_plan() {
  Planner planner;
  PricedPlan priced;
  priced.plan = planner.plan(certified_grid(), nullptr, "p", 1, {}, {});
  priced.prices = planner.prices();
  return priced;
}

TEST(Certificate, HoldsForAPlanThatWasNotTouchedAndSurvivesJson) {
  const PricedPlan priced = priced_plan();
  EXPECT_THAT(check_plan(certified_grid(), priced).faults, IsEmpty());
  const auto document = parse_json(to_json(plan_to_json(priced.plan, certified_grid(), &priced.prices)));
  ASSERT_TRUE(document.has_value());
  const auto read = plan_from_json(*document, certified_grid());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->prices, priced.prices);
  EXPECT_THAT(check_plan(certified_grid(), *read).faults, IsEmpty());
}

TEST(Certificate, FindsWhatWasTamperedWith) {
  PricedPlan bound = priced_plan();
  bound.plan.set_bound_eur_per_hour(bound.plan.bound_eur_per_hour() * 1.01 + 0.01);
  EXPECT_THAT(check_plan(certified_grid(), bound).faults, Contains(HasSubstr("its prices prove")));
  PricedPlan cost = priced_plan();
  cost.plan.set_cost_eur_per_hour(cost.plan.cost_eur_per_hour() * 0.99);
  EXPECT_THAT(check_plan(certified_grid(), cost).faults, Contains(HasSubstr("its rows cost")));
  PricedPlan prices = priced_plan();
  for (double& price : prices.prices.demand) price /= 2;
  EXPECT_THAT(check_plan(certified_grid(), prices).faults, Contains(HasSubstr("its prices prove")));
  PricedPlan split = priced_plan();
  split.plan.mutable_demands(0)->clear_splits();
  EXPECT_THAT(check_plan(certified_grid(), split).faults, Contains(HasSubstr("fractions sum to")));
}

TEST(Certificate, NoPricesProveMoreThanAPlanCosts) {
  const PricedPlan priced = priced_plan();
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    Prices prices = priced.prices;
    for (std::vector<double>* of : {&prices.demand, &prices.pool, &prices.site, &prices.arc})
      for (double& price : *of)
        price = random.chance(0.5)   ? price * (0.5 + random.uniform())
                : random.chance(0.2) ? 3 * random.uniform()
                                     : price;
    EXPECT_LE(proven_bound(certified_grid(), prices), priced.plan.cost_eur_per_hour() * (1 + 1e-9)) << seed;
  }
}

TEST(Certificate, ReadsHostileDocumentsWithoutHarm) {
  const PricedPlan priced = priced_plan();
  const std::string good = to_json(plan_to_json(priced.plan, certified_grid(), &priced.prices));
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    Random random(seed);
    std::string bytes = good;
    for (uint64_t i = 1 + random.below(4); i > 0; --i) {
      const size_t at = random.below(bytes.size());
      switch (random.below(3)) {
        case 0: bytes[at] = static_cast<char>(random.below(128)); break;
        case 1: bytes.erase(at, 1 + random.below(8)); break;
        default: bytes.insert(at, bytes.substr(random.below(bytes.size()), random.below(12)));
      }
    }
    const auto document = parse_json(bytes);
    if (!document) continue;
    const auto read = plan_from_json(*document, certified_grid());
    if (!read) {
      EXPECT_FALSE(read.error().message.empty());
    } else if (seed % 20 == 0) {
      EXPECT_LE(check_plan(certified_grid(), *read).bound_eur_per_hour, priced.plan.cost_eur_per_hour() * (1 + 1e-9));
    }
  }
}

}  // namespace
}  // namespace tandem::planner
