// A good plan passes; each way to spoil it is found and named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "planner/planner.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kViolable = R"(
  a-b 2ms 10G
  a-c 2ms 10G
  site a DE
  site b DE power=4kW cooling=5kW
  site c FR
  region north a
  accelerator gpu 80GB idle=100W peak=700W price=2
  accelerator tiny 8GB idle=10W peak=70W price=1
  pool pb b gpu 6 reserve=1
  pool pc c gpu 8
  pool pt b tiny 4
  model m 16GB
  model k 16GB
  profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
  profile k gpu 8:10ms/400W kv=40GB
  profile m tiny 8:10ms/40W kv=4GB
  tenant de DE
  tenant one * model=k
  demand d de north m 12/s tpot=40ms ttft=500ms
  demand e one north k 3/s tpot=40ms
  pin k pc 2
)";

class Violations : public testing::Test {
 protected:
  Violations()
      : rows_(test_support::drawn_rows(kViolable)),
        snapshot_(grid::make_snapshot(rows_, 1)),
        plan_(plan(snapshot_, nullptr, "p", 1, {}, {})) {}

  std::vector<std::string> after(const std::function<void(v1::Plan&)>& spoil) const {
    v1::Plan spoiled = plan_;
    spoil(spoiled);
    return violations(snapshot_, spoiled);
  }
  std::vector<std::string> in_world(const std::function<void(grid::Rows&)>& spoil) const {
    grid::Rows rows = rows_;
    spoil(rows);
    return violations(grid::make_snapshot(rows, 2), plan_);
  }
  static v1::PlannedDeployment& deployment(v1::Plan& p, std::string_view id) {
    for (auto& row : *p.mutable_deployments())
      if (row.id() == id) return row;
    ADD_FAILURE() << "no deployment " << id;
    return *p.add_deployments();
  }
  static v1::DemandPlan& demand(v1::Plan& p, std::string_view id) {
    for (auto& row : *p.mutable_demands())
      if (row.demand() == id) return row;
    ADD_FAILURE() << "no demand " << id;
    return *p.add_demands();
  }

  grid::Rows rows_;
  grid::Snapshot snapshot_;
  v1::Plan plan_;
};

TEST_F(Violations, AGoodPlanHasNone) {
  EXPECT_THAT(violations(snapshot_, plan_), IsEmpty());
  for (const auto& d : plan_.demands()) EXPECT_EQ(d.rejected(), 0) << d.demand();
}

TEST_F(Violations, RowsThatAreNotInTheGrid) {
  EXPECT_THAT(after([](auto& p) { deployment(p, "m@pb").set_pool("x"); }), Contains(HasSubstr("pool 'x'")));
  EXPECT_THAT(after([](auto& p) { deployment(p, "m@pb").set_model("x"); }), Contains(HasSubstr("model 'x'")));
  EXPECT_THAT(after([](auto& p) { deployment(p, "m@pb").set_profile("x"); }), Contains(HasSubstr("profile 'x'")));
  EXPECT_THAT(after([](auto& p) { deployment(p, "m@pb").set_batch(9); }), Contains(HasSubstr("no point at batch 9")));
  EXPECT_THAT(after([](auto& p) { deployment(p, "m@pb").set_tensor_parallel(2); }),
              Contains(HasSubstr("another model, accelerator or parallelism")));
  EXPECT_THAT(after([](auto& p) { *p.add_deployments() = deployment(p, "m@pb"); }),
              Contains(HasSubstr("listed twice")));
  EXPECT_THAT(after([](auto& p) { deployment(p, "m@pb").set_replicas(0); }), Contains(HasSubstr("no replica")));
  EXPECT_THAT(after([](auto& p) { demand(p, "d").set_demand("x"); }),
              Contains(HasSubstr("demand 'x' is not in the grid")));
}

TEST_F(Violations, FractionsAndCover) {
  EXPECT_THAT(after([](auto& p) { demand(p, "d").mutable_splits(0)->set_fraction(0.5); }),
              Contains(HasSubstr("sum to 0.5")));
  EXPECT_THAT(after([](auto& p) { demand(p, "d").mutable_splits(0)->set_fraction(-1); }),
              Contains(HasSubstr("sum to")));
  EXPECT_THAT(after([](auto& p) { demand(p, "d").mutable_splits(0)->set_fraction(std::nan("")); }),
              Contains(HasSubstr("sum to")));
  EXPECT_THAT(after([](auto& p) { demand(p, "d").clear_splits(), demand(p, "d").set_rejected(1); }),
              Contains(HasSubstr("without a reason")));
  EXPECT_THAT(after([](auto& p) {
                demand(p, "d").mutable_splits(0)->set_fraction(0.5);
                *demand(p, "d").add_splits() = demand(p, "d").splits(0);
              }),
              Contains(HasSubstr("two shares of")));
  EXPECT_THAT(after([](auto& p) { p.mutable_demands()->RemoveLast(); }), Contains(HasSubstr("is not in the plan")));
  EXPECT_THAT(after([](auto& p) { *p.add_demands() = demand(p, "d"); }), Contains(HasSubstr("listed twice")));
  EXPECT_THAT(after([](auto& p) { demand(p, "d").mutable_splits(0)->set_deployment("x"); }),
              Contains(HasSubstr("not deployed")));
  EXPECT_THAT(after([](auto& p) { demand(p, "d").mutable_splits(0)->set_deployment("k@pc"); }),
              Contains(HasSubstr("another model")));
}

TEST_F(Violations, Capacities) {
  EXPECT_THAT(after([](auto& p) { deployment(p, "m@pb").set_replicas(6); }),
              Contains(HasSubstr("beside the radio reserve")));
  EXPECT_THAT(after([](auto& p) { deployment(p, "m@pb").set_replicas(5); }), Contains(HasSubstr("kW of power")))
      << "5 and the reserve";
  EXPECT_THAT(in_world([](auto& w) { w.sites[1].cooling_limit = Kilowatts(1); }), Contains(HasSubstr("of cooling")));
  EXPECT_THAT(after([](auto& p) { deployment(p, "k@pc").set_replicas(1); }), Contains(HasSubstr("are pinned")));
  EXPECT_THAT(in_world([](auto& w) { w.demands[0].rate_per_s *= 10; }), Contains(HasSubstr("overloaded")));
  EXPECT_THAT(in_world([](auto& w) { w.models[0].weights = Gigabytes(60); }),
              Contains(HasSubstr("does not fit the memory")));
  EXPECT_THAT(in_world([](auto& w) { w.models[0].kv_bytes_per_token = 1e7; }), Contains(HasSubstr("KV memory")));
  EXPECT_THAT(in_world([](auto& w) { w.models[0].context_tokens = 100; }), Contains(HasSubstr("exceeds the context")));
}

TEST_F(Violations, PlacesPathsAndPromises) {
  EXPECT_THAT(in_world([](auto& w) { w.sites[1].state = grid::State::down; }), Contains(HasSubstr("is down")));
  EXPECT_THAT(in_world([](auto& w) { w.links[0].state = grid::State::down; }), Contains(HasSubstr("no path")));
  EXPECT_THAT(in_world([](auto& w) { w.sites[1].jurisdiction = w.sites[2].jurisdiction; }),
              Contains(HasSubstr("outside the residency")));
  EXPECT_THAT(in_world([](auto& w) { w.sites[0].jurisdiction = w.sites[2].jurisdiction; }),
              Contains(HasSubstr("leaves the residency")));
  EXPECT_THAT(in_world([](auto& w) { w.tenants[1].models = {grid::ModelIndex(0)}; }),
              Contains(HasSubstr("may not use")));
  EXPECT_THAT(in_world([](auto& w) { w.demands[0].promise.ttft = Milliseconds(25); }),
              Contains(HasSubstr("first token after")));
  EXPECT_THAT(in_world([](auto& w) { w.demands[0].promise.tpot = Milliseconds(8); }),
              Contains(HasSubstr("ms a token")));
}

TEST_F(Violations, LinksWithinHeadroomUnlessTheBackgroundAlreadyBrokeIt) {
  // Answers of 12/s × 50 kB are 4.8 Mbit/s.
  EXPECT_THAT(in_world([](auto& w) { w.links[0].capacity_ba = Gbps(0.005); }), Contains(HasSubstr("headroom ends")));
  const auto background = [](grid::Rows& w, grid::NodeIndex from, grid::NodeIndex to) {
    w.traffic.push_back({"t", from, to, Gbps(9)});
  };
  EXPECT_THAT(in_world([&](auto& w) { background(w, w.links[0].b, w.links[0].a); }),
              Contains(HasSubstr("headroom ends")))
      << "the plan adds to an overload";
  EXPECT_THAT(in_world([&](auto& w) {
                w.demands.erase(w.demands.begin(), w.demands.end());
                background(w, w.links[0].b, w.links[0].a);
              }),
              testing::Not(Contains(HasSubstr("headroom ends"))));
}

}  // namespace
}  // namespace tandem::planner
