#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "generate/generate.h"
#include "ingest/ingest.h"
#include "planner/planner.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

using test_support::drawn_grid;

// Two sites 8 ms apart: an edge pool that is dear, a core pool that is cheap.
const std::string kTwoSites = R"(
  edge-core 4ms 100G cost=0.001
  site edge DE price=0.3
  site core DE price=0.1
  region north edge access=2ms
  accelerator small 48GB idle=50W peak=300W price=3
  accelerator large 80GB idle=100W peak=700W price=2.5
  pool edge-small edge small 4
  pool core-large core large 8
  model m 16GB kv=131072
  profile m small 1:20ms/200W 8:25ms/280W prefill=5000 overhead=10ms kv=20GB
  profile m large 1:10ms/300W 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms kv=50GB
  tenant acme DE
)";

v1::Plan planned(const grid::Snapshot& s, const v1::Plan* incumbent = nullptr) {
  return plan(s, incumbent, "plan-1", 1, {}, {});
}

const v1::DemandPlan& demand_of(const v1::Plan& plan, std::string_view id) {
  for (const auto& demand : plan.demands())
    if (demand.demand() == id) return demand;
  ADD_FAILURE() << "no demand " << id;
  static const v1::DemandPlan none;
  return none;
}

void expect_sound(const grid::Snapshot& s, const v1::Plan& p) {
  EXPECT_THAT(violations(s, p), testing::IsEmpty());
  EXPECT_LE(p.bound_eur_per_hour(), p.cost_eur_per_hour());
}

TEST(Plan, CentralisesWhereThePromiseAllows) {
  const auto s = drawn_grid(kTwoSites + "demand d acme north m 2/s ttft=500ms tpot=50ms");
  const v1::Plan p = planned(s);
  expect_sound(s, p);
  ASSERT_EQ(demand_of(p, "d").splits_size(), 1);
  EXPECT_EQ(demand_of(p, "d").splits(0).deployment(), "m@core-large");
  EXPECT_EQ(demand_of(p, "d").alternatives(0).pool(), "edge-small");
}

TEST(Plan, GoesToTheEdgeWhereTheRoundTripForbidsTheCore) {
  std::string far = kTwoSites;
  far.replace(far.find("4ms"), 3, "20ms");
  // First token from the core 44 ms + 8 ms of prefill at p95, from the edge 4 ms + 22 ms.
  const auto s =
      drawn_grid(far + "demand patient acme north m 0.1/s in=100\ndemand hasty acme north m 0.03/s in=20 ttft=50ms");
  const v1::Plan p = planned(s);
  expect_sound(s, p);
  EXPECT_EQ(demand_of(p, "hasty").splits(0).deployment(), "m@edge-small");
  EXPECT_EQ(demand_of(p, "hasty").alternatives(0).ruled_out_by(), "promise_ttft");
  const auto neither = drawn_grid(far + "demand d acme north m 0.1/s in=100 ttft=30ms");
  EXPECT_EQ(demand_of(planned(neither), "d").blocked_by(), "promise_ttft");
}

TEST(Plan, KeepsDataInsideItsResidency) {
  const std::string text = kTwoSites + "site core FR price=0.1\ndemand d acme north m 1/s tpot=50ms ttft=1s";
  const auto s = drawn_grid(text);
  const v1::Plan p = planned(s);
  expect_sound(s, p);
  EXPECT_EQ(demand_of(p, "d").splits(0).deployment(), "m@edge-small");
  const auto& alternative = demand_of(p, "d").alternatives(0);
  EXPECT_EQ(alternative.ruled_out_by(), "residency");
  EXPECT_EQ(alternative.detail(), "the site is in FR");
}

TEST(Plan, ResidencyHoldsOnEveryEqualCostBranch) {
  const auto s = drawn_grid(R"(
    a-b 1ms 10G
    b-d 1ms 10G
    a-c 1ms 10G
    c-d 1ms 10G
    site a DE
    site b DE
    site c FR
    site d DE
    region r a
    accelerator x 80GB
    pool p d x 8
    model m 16GB
    profile m x 8:10ms/500W
    tenant t DE
    demand q t r m 1/s)");
  const v1::Plan p = planned(s);
  EXPECT_EQ(demand_of(p, "q").blocked_by(), "path_residency");
  EXPECT_EQ(demand_of(p, "q").rejected(), 1);
  expect_sound(s, p);
}

TEST(Plan, SplitsWhatNoPoolHoldsAloneAndRejectsTheRest) {
  const auto s = drawn_grid(kTwoSites + "demand d acme north m 200/s ttft=1s tpot=60ms");
  const v1::Plan p = planned(s);
  expect_sound(s, p);
  const auto& d = demand_of(p, "d");
  EXPECT_EQ(d.splits_size(), 2);
  EXPECT_GT(d.rejected(), 0);
  EXPECT_EQ(d.blocked_by(), "accelerators");
}

TEST(Plan, HigherPriorityIsPlacedFirst) {
  const auto s = drawn_grid(kTwoSites + R"(
    demand low acme north m 40/s ttft=1s tpot=60ms
    demand high acme north m 40/s ttft=1s tpot=60ms priority=5
    demand middle acme north m 8/s ttft=1s tpot=60ms priority=2)");
  const v1::Plan p = planned(s);
  expect_sound(s, p);
  EXPECT_EQ(demand_of(p, "high").rejected(), 0);
  EXPECT_GE(demand_of(p, "low").rejected(), demand_of(p, "middle").rejected());
}

TEST(Plan, LeavesTheRadioReserveAndTheHeadroomAlone) {
  const auto reserved = drawn_grid(kTwoSites + "pool far core large 2 reserve=2\ndemand d acme north m 1/s");
  const v1::Plan beside = planned(reserved);
  for (const auto& deployment : beside.deployments()) EXPECT_NE(deployment.pool(), "far");
  // 1 Gbit/s of a 1.25 Gbit/s link may be filled; 0.9 is background; the demand's answers need 0.4.
  const auto full = drawn_grid(R"(
    edge-core 1ms 1.25G
    region r edge
    accelerator x 80GB
    pool p core x 8
    model m 16GB
    profile m x 8:10ms/500W
    tenant t *
    traffic core edge 0.9G
    demand q t r m 10/s down=5000000 ttft=5s)");
  const v1::Plan p = planned(full);
  expect_sound(full, p);
  EXPECT_NEAR(demand_of(p, "q").rejected(), 0.75, 0.01);
  EXPECT_EQ(demand_of(p, "q").blocked_by(), "link_capacity");
}

TEST(Plan, PowerLimitsReplicasAtWorstCase) {
  const auto s = drawn_grid(R"(
    a-b 1ms 10G
    site b XX power=2.5kW
    region r a
    accelerator x 80GB peak=1000W
    pool p b x 8
    model m 16GB
    profile m x 8:20ms/500W
    tenant t *
    demand q t r m 100/s ttft=5s)");
  const v1::Plan p = planned(s);
  expect_sound(s, p);
  ASSERT_EQ(p.deployments_size(), 1);
  EXPECT_EQ(p.deployments(0).replicas(), 2u);
  EXPECT_EQ(demand_of(p, "q").blocked_by(), "power");
}

TEST(Plan, NamesWhatBlocks) {
  const auto blocked = [](const std::string& more) {
    const auto s = drawn_grid(kTwoSites + more);
    const v1::Plan p = planned(s);
    EXPECT_THAT(violations(s, p), testing::IsEmpty());
    EXPECT_EQ(demand_of(p, "d").rejected(), 1);
    EXPECT_FALSE(demand_of(p, "d").reason().empty());
    return demand_of(p, "d").blocked_by();
  };
  EXPECT_EQ(blocked("model n 16GB\ndemand d acme north n 1/s"), "model");
  EXPECT_EQ(blocked("model n 900GB\nprofile n large 8:10ms/400W\ndemand d acme north n 1/s"), "memory");
  EXPECT_EQ(blocked("demand d acme north m 1/s in=90000"), "context");
  EXPECT_EQ(blocked("tenant strict FR\ndemand d strict north m 1/s"), "residency");
  EXPECT_EQ(blocked("demand d acme north m 1/s tpot=5ms"), "promise_tpot");
  EXPECT_EQ(blocked("demand d acme north m 1/s ttft=10ms"), "promise_ttft");
  EXPECT_EQ(blocked("region south lost\nsite lost DE down\ndemand d acme south m 1/s"), "anchor");
  EXPECT_EQ(blocked("x-y 1ms 1G\nregion island x\ndemand d acme island m 1/s"), "unreachable");
  EXPECT_EQ(blocked("model n 16GB\ntenant one * model=m\ndemand d one north n 1/s"), "tenant_model");
  EXPECT_EQ(blocked("policy penalty=0.0000001\ndemand d acme north m 1/s"), "cost");
}

TEST(Plan, PinnedReplicasStayAndArePaidFor) {
  const auto s = drawn_grid(kTwoSites + "pin m edge-small 2");
  const v1::Plan p = planned(s);
  expect_sound(s, p);
  ASSERT_EQ(p.deployments_size(), 1);
  EXPECT_EQ(p.deployments(0).id(), "m@edge-small");
  EXPECT_EQ(p.deployments(0).replicas(), 2u);
  EXPECT_NEAR(p.cost_eur_per_hour(), 2 * (3 + 0.05 * 0.3), 1e-9);
  EXPECT_NEAR(p.bound_eur_per_hour(), p.cost_eur_per_hour(), 1e-6);
}

TEST(Plan, SameArgumentsSameBytes) {
  const auto s = drawn_grid(kTwoSites + "demand d acme north m 20/s\ndemand e acme north m 3/s tpot=40ms ttft=200ms");
  EXPECT_EQ(planned(s).SerializeAsString(), planned(s).SerializeAsString());
  const auto many = generate::generate_grid(
      {.sites = 20, .demands = 80, .models = 5, .load = 0.5});  // models are planned by two threads
  ASSERT_TRUE(many.has_value());
  const auto read = ingest::read_grid(ingest::write_grid_file(*many), "many.yaml");
  ASSERT_TRUE(read.snapshot.has_value());
  EXPECT_EQ(planned(*read.snapshot).SerializeAsString(), planned(*read.snapshot).SerializeAsString());
}

TEST(Plan, EmptyGridAndStopRequest) {
  const auto empty = drawn_grid("");
  EXPECT_EQ(planned(empty).cost_eur_per_hour(), 0);
  const auto s = drawn_grid(kTwoSites + "demand d acme north m 20/s");
  std::stop_source stop;
  stop.request_stop();
  const v1::Plan p = plan(s, nullptr, "p", 1, {}, stop.get_token());
  expect_sound(s, p);
  EXPECT_EQ(p.work(), 0u);
}

// ---- After a failure ----------------------------------------------------------------------------------------------

const std::string kThreeSites = R"(
  a-b 2ms 100G
  b-c 2ms 100G
  c-a 2ms 100G
  region north a anchor=c
  region south b anchor=c
  accelerator x 80GB idle=100W peak=700W price=2
  pool pa a x 8
  pool pb b x 8
  pool pc c x 8
  model m 16GB
  model k 30GB
  profile m x 8:10ms/400W 32:20ms/600W kv=40GB
  profile k x 8:15ms/400W 32:30ms/600W kv=40GB
  tenant t *
  demand d1 t north m 30/s tpot=40ms
  demand d2 t south m 30/s tpot=40ms
  demand d3 t south k 10/s tpot=40ms
)";

TEST(Replan, SameWorldMovesNothing) {
  const auto s = drawn_grid(kThreeSites);
  const v1::Plan first = planned(s);
  const v1::Plan second = planned(s, &first);
  expect_sound(s, second);
  EXPECT_EQ(second.moves(), 0u);
  EXPECT_EQ(second.deployments_size(), first.deployments_size());
  EXPECT_NEAR(second.cost_eur_per_hour(), first.cost_eur_per_hour(), 1e-9);
}

TEST(Replan, ASiteDownMovesOnlyWhatWasThere) {
  const auto s = drawn_grid(kThreeSites);
  const v1::Plan first = planned(s);
  const auto lost_site = s.pools[s.pools.find(first.deployments(0).pool())].site;
  grid::Site dark = s.sites[lost_site];
  dark.state = grid::State::down;
  const auto after = grid::with_site(s, lost_site, dark, 2);
  EXPECT_THAT(violations(after, first), testing::Not(testing::IsEmpty()));
  const v1::Plan second = planned(after, &first);
  expect_sound(after, second);
  for (const auto& demand : second.demands()) EXPECT_EQ(demand.rejected(), 0) << demand.demand();
  EXPECT_GT(second.moves(), 0u);
}

// After a failure the plan is mended where it was torn, and keeps what is dear by now; searched anew it does not.
TEST(Replan, SearchedAnewItIsNeverDearerAndPaysItsMoves) {
  const auto s = drawn_grid(kThreeSites);
  const v1::Plan first = planned(s);
  EXPECT_FALSE(first.mended());
  const auto lost_site = s.pools[s.pools.find(first.deployments(0).pool())].site;
  grid::Site dark = s.sites[lost_site];
  dark.state = grid::State::down;
  const v1::Plan away = planned(grid::with_site(s, lost_site, dark, 2), &first);
  EXPECT_TRUE(away.mended());

  const v1::Plan mended = planned(s, &away);  // the site is back
  const v1::Plan anew = plan(s, &mended, "p", 1, {.anew = true}, {});
  expect_sound(s, anew);
  EXPECT_FALSE(anew.mended());
  EXPECT_LE(anew.cost_eur_per_hour(), mended.cost_eur_per_hour());
  const double moves = anew.moves() * s.policy.move_penalty.value();
  EXPECT_GE(anew.cost_eur_per_hour() - moves, anew.bound_eur_per_hour() * (1 - 1e-9));

  const v1::Plan again = plan(s, &anew, "q", 7, {.anew = true}, {});
  EXPECT_EQ(again.moves(), 0u) << "nothing cheaper is left";
}

// One pool that holds one of two demands and part of the other. Requests of the first are long: as many accelerators
// serve fewer of them, so that what it gains costs more in penalties of the second than it spares.
std::string of_priorities(uint32_t of_long, uint32_t of_short) {
  return fmt::format(R"(
    edge-core 4ms 100G
    site core DE price=0.1
    region north edge access=2ms
    accelerator large 80GB idle=100W peak=700W price=2.5
    pool core-large core large 6
    model m 16GB kv=131072
    profile m large 1:10ms/300W 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms kv=50GB
    tenant acme *
    policy penalty=0.05 move=0.5
    demand long acme north m 16/s in=500 out=800 ttft=2s tpot=60ms priority={}
    demand short acme north m 60/s in=100 out=100 ttft=2s tpot=60ms priority={})",
                     of_long, of_short);
}

double cost_as_it_stands(const grid::Snapshot& s, const v1::Plan& plan) {
  return plan.cost_eur_per_hour() - plan.moves() * s.policy.move_penalty.value();
}

// What is served of `long` is what `short` leaves, until the priorities are turned round.
TEST(Replan, SearchedAnewItIsNeverDearerWhereverItEnds) {
  const v1::Plan incumbent = planned(drawn_grid(of_priorities(1, 5)));
  ASSERT_EQ(demand_of(incumbent, "short").rejected(), 0);
  ASSERT_GT(demand_of(incumbent, "long").rejected(), 0.1);
  ASSERT_LT(demand_of(incumbent, "long").rejected(), 1);
  const auto s = drawn_grid(of_priorities(9, 1));
  const auto expect_no_dearer = [&](const v1::Plan& anew) {
    expect_sound(s, anew);
    EXPECT_LE(anew.cost_eur_per_hour(), cost_as_it_stands(s, incumbent) * (1 + 1e-9));
    EXPECT_EQ(demand_of(anew, "short").rejected(), 0) << "what was served is not given up for what was not";
  };
  for (const uint64_t iterations : {1, 2, 5, 20, 100, 1'000, 10'000})
    expect_no_dearer(plan(s, &incumbent, "p", 1, {.iterations = iterations, .anew = true}, {}));
  // And stopped each time that it says how far it has come.
  bool stopped = true;
  for (size_t last = 0; stopped; ++last) {
    std::stop_source stop;
    size_t said = 0;
    expect_no_dearer(Planner().plan(s, &incumbent, "p", 1, {.anew = true}, stop.get_token(), [&](const Progress&) {
      if (said++ == last) stop.request_stop();
    }));
    stopped = said > last;
  }
}

TEST(Replan, WhereMovesCostMoreThanTheySaveThePlanStays) {
  const auto s = drawn_grid(kThreeSites + "policy penalty=0.05 move=0");
  const v1::Plan dear = plan(s, nullptr, "p", 1, {.iterations = 0}, {});
  v1::Plan incumbent = dear;
  incumbent.set_draft(false);
  const auto heavy = drawn_grid(kThreeSites + "policy penalty=0.05 move=1000000");
  const v1::Plan anew = plan(heavy, &incumbent, "q", 1, {.anew = true}, {});
  expect_sound(heavy, anew);
  EXPECT_EQ(anew.moves(), 0u);
}

TEST(Replan, WhatWasServedIsNotGivenUpForCost) {
  const std::string cheap = kThreeSites + "policy penalty=0.05 move=0.5";
  const v1::Plan first = planned(drawn_grid(cheap));
  // The same world where turning requests away costs next to nothing: a new plan would reject all, a re-plan does not.
  const auto after = drawn_grid(kThreeSites + "policy penalty=0.0000001 move=0.5");
  EXPECT_EQ(demand_of(planned(after), "d1").rejected(), 1);
  const v1::Plan second = planned(after, &first);
  for (const auto& demand : second.demands()) EXPECT_EQ(demand.rejected(), 0) << demand.demand();
}

TEST(Draft, IsSoundAndSaysWhatItIs) {
  const auto s = drawn_grid(kThreeSites);
  const v1::Plan draft = plan(s, nullptr, "p", 1, {.iterations = 0}, {});
  expect_sound(s, draft);
  EXPECT_TRUE(draft.draft());
  const v1::Plan whole = planned(s);
  EXPECT_FALSE(whole.draft());
  EXPECT_GE(draft.cost_eur_per_hour(), whole.cost_eur_per_hour() * (1 - 1e-9));
  const v1::Plan mended = plan(s, &draft, "q", 1, {.iterations = 0}, {});
  expect_sound(s, mended);
  EXPECT_TRUE(mended.draft());
  EXPECT_EQ(mended.moves(), 0u) << "nothing was torn";
}

TEST(Replan, NobodyWaitsForAPlanThatWasStopped) {
  const auto s = drawn_grid(kThreeSites);
  std::stop_source overtaken;
  EXPECT_TRUE(Planner().plan_unless_stopped(s, nullptr, "p", 1, {}, overtaken.get_token()));
  overtaken.request_stop();
  EXPECT_FALSE(Planner().plan_unless_stopped(s, nullptr, "p", 1, {}, overtaken.get_token()));
  EXPECT_EQ(plan(s, nullptr, "p", 1, {}, overtaken.get_token()).demands_size(), 3) << "the best so far";
}

TEST(Replan, IncumbentOfAnotherGridIsHarmless) {
  v1::Plan strange;
  auto* deployment = strange.add_deployments();
  deployment->set_id("m@pa");
  deployment->set_replicas(UINT32_MAX);
  deployment->set_pool("nowhere");
  auto* demand = strange.add_demands();
  demand->set_demand("d1");
  for (const double fraction : {-1.0, 5.0, 0.0, std::nan("")}) {
    auto* split = demand->add_splits();
    split->set_deployment("m@pa");
    split->set_fraction(fraction);
  }
  const auto s = drawn_grid(kThreeSites);
  expect_sound(s, planned(s, &strange));
}

// What a made-up grid promises is narrow, and kept by the twin's own word.
TEST(MadeUpGrid, PromisesNobodyWhatNoDeploymentKeeps) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    const auto entities = generate::generate_grid({.sites = 40, .demands = 200, .models = 24, .seed = seed});
    ASSERT_TRUE(entities);
    const grid::Snapshot s = grid::make_snapshot(grid::make_rows(*entities).rows, 0);
    const v1::Plan p = plan(s, nullptr, "p", 1, {.iterations = 0}, {});
    ASSERT_EQ(p.demands_size(), 200);
    for (const v1::DemandPlan& demand : p.demands())
      EXPECT_THAT(demand.blocked_by(), testing::AnyOf("", "accelerators", "power", "link_capacity", "cost"))
          << demand.demand() << ": " << demand.reason();
  }
}

}  // namespace
}  // namespace tandem::planner
