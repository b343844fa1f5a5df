// Models that share what is scarce: to whom it goes, and that what they put in place keeps what no price says.
#include "planner/sharing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "planner/terrain.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

// One fast accelerator that two models want: it spares the first 0.5 €/h and the second, which needs two slow ones, 2.
const std::string kOneFast = R"(
  site hub DE
  region r hub
  tenant t DE
  accelerator fast 48GB idle=50W peak=300W price=1
  accelerator slow 48GB idle=50W peak=300W price=1.5
  model a 10GB
  model b 10GB
  profile a fast 1:10ms/100W 8:12ms/200W prefill=20000 kv=20GB
  profile a slow 1:10ms/100W 8:12ms/200W prefill=20000 kv=20GB
  profile b fast 1:10ms/100W 8:12ms/200W prefill=20000 kv=20GB
  profile b slow 1:10ms/100W 8:12ms/200W prefill=20000 kv=20GB tp=2
  site near DE
  site far DE
  site c DE
  pool quick near fast 1
  pool tardy far slow 4
)";
const std::string kWideLinks = "hub-near 1ms 10G\nhub-far 2ms 10G\n";
const std::string kDemands = "demand x t r a 0.01/s\ndemand y t r b 0.01/s\n";

const std::vector<uint32_t> kModels{0, 1};
constexpr Sharing::Effort kByAllMet{.rounds_max = 6}, kOneByOne{.rounds_max = 6, .one_by_one = true};

// The plan that gives the fast one to the wrong model, and what sharing makes of it.
struct Shared {
  explicit Shared(const std::string& text, const std::string& policy = "", const v1::Plan* incumbent = nullptr)
      : snapshot(test_support::drawn_grid(kOneFast + text + "policy penalty=1 " + policy)),
        problem(snapshot, std::make_shared<Terrain>(snapshot, nullptr), incumbent),
        search((problem.add_all_options(), problem), 1, 1'000, {}) {
    search.count(Energy::drawn);
    search.replace({0, 1}, {{0, candidate("a@quick"), kWhole}, {1, candidate("b@tardy/tp2"), kWhole}});
    EXPECT_TRUE(stands("a@quick"));
    EXPECT_TRUE(stands("b@tardy/tp2"));
  }

  bool share(Sharing::Effort effort = kByAllMet) {
    const Bound bound(problem);
    Master master;
    SharedOut shared = Sharing(problem, bound, 1'000, {}, master).share(search, kModels, effort);
    EXPECT_TRUE(shared.is_solved);
    return search.replace(std::move(shared.demands), shared.shares);
  }
  // Every demand is served, and all that it takes is there, after every failure that has a row too.
  void expect_to_fit() const {
    std::vector<double> gbps(problem.arcs_and_rows(), 0);
    for (uint32_t d = 0; d < problem.demands.size(); ++d) {
      EXPECT_EQ(search.placement(d).unserved, 0u) << d;
      for (const Member& member : search.placement(d).members) {
        const uint32_t pool = problem.candidates[problem.options[member.option].candidate].pool;
        const DemandRow& demand = problem.demands[d];
        for (const ArcUse& use : problem.arc_uses(demand, pool))
          gbps[use.arc] += (demand.up_gbps * use.up + demand.back_gbps * use.back) * member.share / kWhole;
      }
    }
    for (uint32_t arc = 0; arc < gbps.size(); ++arc) EXPECT_LE(gbps[arc], problem.spare_gbps(arc) + 1e-9) << arc;
    for (const double left : search.spare_beside({}).all()) EXPECT_GE(left, 0);
  }

  uint32_t candidate(std::string_view id) const {
    const auto found = std::ranges::find(problem.candidates, id, &Candidate::id);
    EXPECT_NE(found, problem.candidates.end()) << id;
    return static_cast<uint32_t>(found - problem.candidates.begin());
  }
  bool stands(std::string_view id) const { return search.deployed(candidate(id)).fit.replicas > 0; }

  grid::Snapshot snapshot;
  Problem problem;
  Search search;
};

TEST(Sharing, GivesWhatIsScarceToWhomItSparesMost) {
  Shared shared(kWideLinks + kDemands);
  const double before = shared.search.objective();
  EXPECT_TRUE(shared.share());
  EXPECT_TRUE(shared.stands("b@quick"));
  EXPECT_TRUE(shared.stands("a@tardy"));
  EXPECT_NEAR(before - shared.search.objective(), 1.5, 0.01);
  shared.expect_to_fit();
}

TEST(Sharing, KeepsOnePlanAfterTheOther) {
  Shared shared(kWideLinks + kDemands);
  EXPECT_TRUE(shared.share(kOneByOne));
  EXPECT_TRUE(shared.stands("b@quick"));
  EXPECT_TRUE(shared.stands("a@tardy"));
  shared.expect_to_fit();
}

TEST(Sharing, LeavesAPlanThatIsStopped) {
  Shared shared(kWideLinks + kDemands);
  const Bound bound(shared.problem);
  Master master;
  std::stop_source over;
  over.request_stop();
  Sharing sharing(shared.problem, bound, 1'000, over.get_token(), master);
  EXPECT_TRUE(sharing.share(shared.search, kModels, kOneByOne).shares.empty());
}

// 0.08 Gbit/s down for each second request of the second model: too much for the way to the fast one.
TEST(Sharing, HeedsLinksThatBind) {
  const std::string demands = "demand x t r a 0.01/s\ndemand y t r b 0.01/s down=1000000000\n";
  Shared wide(kWideLinks + demands), thin("hub-near 1ms 0.05G\nhub-far 2ms 10G\n" + demands);
  EXPECT_TRUE(wide.share());
  EXPECT_TRUE(wide.stands("b@quick"));
  EXPECT_FALSE(thin.share());
  EXPECT_TRUE(thin.stands("a@quick"));
  thin.expect_to_fit();
}

// Two links to the fast one, over both of which demands ask to be led: the thin one is booked as well.
TEST(Sharing, BooksBothWaysOfDemandsThatAskForThem) {
  const std::string links = "hub-near 1ms 10G\nhub-c 1ms 10G\nc-far 1ms 10G\nhub-far 2ms 10G\n";
  const std::string demands = "demand x t r a 0.01/s\ndemand y t r b 0.01/s down=1000000000 diversity=link\n";
  Shared wide(links + "c-near 1ms 10G\n" + demands), thin(links + "c-near 1ms 0.05G\n" + demands);
  EXPECT_TRUE(wide.share());
  EXPECT_TRUE(wide.stands("b@quick"));
  wide.expect_to_fit();
  EXPECT_FALSE(thin.share());
  thin.expect_to_fit();
}

// What goes to the fast one has a thin second way when a link is cut.
TEST(Sharing, HeedsWhatMustFitAfterAFailure) {
  const std::string grid =
      "hub-near 1ms 10G\nhub-c 1ms 10G\nc-far 1ms 10G\nhub-far 2ms 10G\nc-near 1ms 0.05G metric=9\n"
      "demand x t r a 0.01/s\ndemand y t r b 0.01/s down=1000000000\n";
  Shared free(grid);
  EXPECT_TRUE(free.share());
  EXPECT_TRUE(free.stands("b@quick"));
  Shared restored(grid, "restore=links:1");
  EXPECT_TRUE(restored.share());  // no row says anything yet
  ASSERT_GT(
      restored.problem.restoration.add_overfilled(restored.problem, planned_traffic(restored.problem, restored.search)),
      0u);
  restored.search.heed_rows();
  restored.search.place_left_out();
  restored.expect_to_fit();
  restored.share();  // whose plans alone know of no row
  EXPECT_FALSE(restored.stands("b@quick"));
  restored.expect_to_fit();
}

v1::Plan wrong_way_round() {
  v1::Plan plan;
  const auto add = [&](const char* deployment, const char* pool, const char* demand) {
    v1::PlannedDeployment* row = plan.add_deployments();
    row->set_id(deployment);
    row->set_pool(pool);
    row->set_replicas(1);
    v1::DemandPlan* planned = plan.add_demands();
    planned->set_demand(demand);
    v1::PlannedSplit* split = planned->add_splits();
    split->set_deployment(deployment);
    split->set_fraction(1);
  };
  add("a@quick", "quick", "x");
  add("b@tardy/tp2", "tardy", "y");
  return plan;
}

// Each of four deployments starts or loses a replica.
TEST(Sharing, PaysTheMovesFromAPlanBefore) {
  const v1::Plan before = wrong_way_round();
  Shared cheap(kWideLinks + kDemands, "move=0.3", &before);
  const double eur = cheap.search.objective();
  EXPECT_TRUE(cheap.share());
  EXPECT_TRUE(cheap.stands("b@quick"));
  EXPECT_NEAR(eur - cheap.search.objective(), 1.5 - 4 * 0.3, 0.01);
  Shared dear(kWideLinks + kDemands, "move=0.5", &before);
  EXPECT_FALSE(dear.share());
  EXPECT_TRUE(dear.stands("a@quick"));
}

}  // namespace
}  // namespace tandem::planner
