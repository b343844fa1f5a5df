// A model planned by itself: what it takes where that has a price, and where moves from a plan before are paid.
#include "planner/alone.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "planner/planner.h"
#include "planner/terrain.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

constexpr size_t kQuick = 0, kTardy = 1;  // pools

// One model that two accelerators run alike, of which one is cheaper.
grid::Snapshot two_pools(const std::string& tardy_price, const std::string& move) {
  return test_support::drawn_grid(
      "site hub DE\nregion r hub\ntenant t DE\n"
      "accelerator fast 48GB idle=50W peak=300W price=1\naccelerator slow 48GB idle=50W peak=300W price=" +
      tardy_price + "\npolicy penalty=1 move=" + move +
      "\nhub-s 1ms 10G\nsite s DE\npool quick s fast 4\npool tardy s slow 4\nmodel m 10GB\n"
      "profile m fast 1:10ms/100W 8:12ms/200W prefill=20000 kv=20GB\n"
      "profile m slow 1:10ms/100W 8:12ms/200W prefill=20000 kv=20GB\n"
      "demand d t r m 0.01/s\n");
}

double taken(const PlannedAlone& planned, uint32_t pool) {
  const auto found = std::ranges::find(planned.takes, pool, &Search::Taken::resource);
  return found != planned.takes.end() ? found->amount : 0;
}

struct Planned {
  explicit Planned(const grid::Snapshot& snapshot, const v1::Plan* incumbent = nullptr)
      : problem(snapshot, std::make_shared<Terrain>(snapshot, nullptr), incumbent),
        bound(problem),
        spare(Search(problem, 1, 1'000, {}).spare_beside({&model, 1})) {
    problem.add_all_options();
  }

  PlannedAlone at_price(double quick_eur_per_hour) const {
    std::vector<double> prices(spare.all().size(), 0);
    prices[kQuick] = quick_eur_per_hour;
    return AloneAtPrices(problem, bound, model).plan(spare, prices, 1'000, {});
  }
  PlannedAlone anew() const { return plan_alone(problem, bound, model, spare, 1, 0, 1'000, {}); }

  uint32_t model = 0;
  Problem problem;
  Bound bound;
  Search::Spare spare;
};

TEST(PlanAtPrices, TakesWhatIsCheapestAtThem) {
  const grid::Snapshot snapshot = two_pools("1.5", "0");
  const Planned planned(snapshot);
  const PlannedAlone cheap = planned.at_price(0), dear = planned.at_price(1);
  EXPECT_EQ(taken(cheap, kQuick), 1);
  EXPECT_EQ(taken(cheap, kTardy), 0);
  EXPECT_EQ(taken(dear, kQuick), 0);
  EXPECT_EQ(taken(dear, kTardy), 1);
  EXPECT_NEAR(dear.eur_per_hour - cheap.eur_per_hour, 0.5, 1e-9);
  EXPECT_NEAR(planned.at_price(0.4).eur_per_hour, cheap.eur_per_hour, 1e-9);  // what it pays is no cost of the plan
}

TEST(PlanAtPrices, ForgetsPricesAndRoomOfBefore) {
  const grid::Snapshot snapshot = two_pools("1.5", "0");
  const Planned planned(snapshot);
  AloneAtPrices alone(planned.problem, planned.bound, planned.model);
  std::vector<double> prices(planned.spare.all().size(), 0);
  EXPECT_EQ(taken(alone.plan(planned.spare, prices, 1'000, {}), kQuick), 1);
  prices[kQuick] = 1;
  EXPECT_EQ(taken(alone.plan(planned.spare, prices, 1'000, {}), kTardy), 1);
  prices[kTardy] = 1;
  const PlannedAlone again = alone.plan(planned.spare, prices, 1'000, {});
  EXPECT_EQ(taken(again, kQuick), 1);
  EXPECT_NEAR(again.eur_per_hour, planned.at_price(0).eur_per_hour, 1e-9);
  Search::Spare full = planned.spare;
  full.accelerators[kQuick] = 0;
  EXPECT_EQ(taken(alone.plan(full, prices, 1'000, {}), kTardy), 1);
  EXPECT_EQ(taken(alone.plan(planned.spare, prices, 1'000, {}), kQuick), 1);
}

// 0.5 €/h are spared by two moves.
TEST(PlanAlone, PaysItsMoves) {
  const v1::Plan before = plan(two_pools("0.5", "0"), nullptr, "before", 1, {}, {});
  ASSERT_EQ(before.deployments(0).pool(), "tardy");
  const grid::Snapshot dear = two_pools("1.5", "0.3"), cheap = two_pools("1.5", "0.2");
  EXPECT_EQ(taken(Planned(dear, &before).anew(), kTardy), 1);
  const PlannedAlone moved = Planned(cheap, &before).anew();
  EXPECT_EQ(taken(moved, kQuick), 1);
  EXPECT_NEAR(moved.eur_per_hour, Planned(cheap).anew().eur_per_hour + 2 * 0.2, 1e-9);
}

}  // namespace
}  // namespace tandem::planner
