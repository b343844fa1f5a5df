// Demands that ask for two ways: what they are given, what they are refused, and what a plan may not say of them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/random.h"
#include "base/time.h"
#include "planner/planner.h"
#include "planner/testing.h"
#include "planner/whatif.h"
#include "support/drawn_grid.h"
#include "twin/failures.h"
#include "twin/traffic.h"

namespace tandem::planner {
namespace {

using test_support::drawn_grid;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kServing = R"(
  region north s
  accelerator gpu 80GB idle=100W peak=700W price=2
  model m 16GB
  profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
  tenant acme *
)";

// The shortest way s-a-b-t takes a link of every other: both ways must leave it.
const std::string kTrapped = kServing + R"(
  s-a 1ms 10G cost=0.01
  a-b 1ms 10G cost=0.01
  b-t 1ms 10G cost=0.01
  s-b 3ms 10G cost=0.01
  a-t 3ms 10G cost=0.01
  pool pt t gpu 8
)";

v1::Plan diverse_plan(const grid::Snapshot& s) { return plan(s, nullptr, "p", 1, {}, {}); }

const v1::DemandPlan& only_demand(const v1::Plan& plan) {
  EXPECT_EQ(plan.demands_size(), 1);
  return plan.demands(0);
}

std::string links_text(const v1::PlannedWay& way) {
  std::string text;
  for (const std::string& link : way.links()) text += (text.empty() ? "" : " ") + link;
  return text;
}

TEST(Diversity, ATrapIsServedOverTwoWays) {
  const auto s = drawn_grid(kTrapped + "demand d acme north m 2/s diversity=node");
  const v1::Plan p = checked_plan(s);
  ASSERT_EQ(only_demand(p).splits_size(), 1) << only_demand(p).reason();
  const v1::PlannedSplit& split = only_demand(p).splits(0);
  EXPECT_EQ(links_text(split.primary()), "s-a a-t");
  EXPECT_EQ(links_text(split.second()), "s-b b-t");
  EXPECT_DOUBLE_EQ(split.round_trip_us(), 8000);
  const Json json = plan_to_json(p, s);
  EXPECT_EQ(json["demands"].array()[0]["splits"].array()[0]["second"].array()[1].text(), "b-t");
  const auto without = drawn_grid(kTrapped + "demand d acme north m 2/s");
  EXPECT_FALSE(only_demand(diverse_plan(without)).splits(0).has_primary());
}

TEST(Diversity, ATenantMayAskForAllItsDemands) {
  auto rows = test_support::drawn_rows(kTrapped + "demand d acme north m 2/s");
  rows.demands[0].diversity = rows.tenants[0].diversity = grid::Diversity::link;
  EXPECT_TRUE(only_demand(diverse_plan(grid::make_snapshot(rows, 1))).splits(0).has_second());
}

TEST(Diversity, ASharedDuctOnARingBlocksAndIsNamed) {
  const std::string ring = kServing + R"(
    s-a 1ms 10G group=west
    a-t 1ms 10G
    s-b 2ms 10G
    b-t 2ms 10G group=west
    pool pt t gpu 8
  )";
  const auto s = drawn_grid(ring + "demand d acme north m 2/s diversity=shared_risk");
  const v1::Plan p = checked_plan(s);
  EXPECT_EQ(only_demand(p).splits_size(), 0);
  EXPECT_EQ(only_demand(p).blocked_by(), "diversity");
  EXPECT_EQ(only_demand(p).reason(),
            "the nearest miss is pt: no two ways apart: every way rides west; another way from north to pt beside that "
            "would admit it");
  EXPECT_EQ(only_demand(diverse_plan(drawn_grid(ring + "demand d acme north m 2/s diversity=link"))).rejected(), 0);
  // A pool where the traffic surfaces needs no way at all, however dear it is.
  const auto here =
      drawn_grid(ring + "site s DE price=3\npool ps s gpu 2\ndemand d acme north m 2/s diversity=shared_risk");
  const v1::Plan at_home = checked_plan(here);
  ASSERT_EQ(only_demand(at_home).splits_size(), 1);
  EXPECT_EQ(only_demand(at_home).splits(0).deployment(), "m@ps");
  EXPECT_EQ(only_demand(at_home).alternatives(0).ruled_out_by(), "diversity");
}

TEST(Diversity, BothWaysKeepThePromiseAndTheResidency) {
  const std::string ring = kServing + R"(
    s-t 1ms 10G
    s-b 30ms 10G
    b-t 30ms 10G
    pool pt t gpu 8
    tenant de DE
    site s DE
    site t DE
    site b FR
  )";
  const v1::Plan slow = diverse_plan(drawn_grid(ring + "demand d acme north m 0.1/s ttft=120ms in=100 diversity=link"));
  EXPECT_EQ(only_demand(slow).blocked_by(), "promise_ttft");
  EXPECT_THAT(only_demand(slow).reason(), HasSubstr("over the longer of its ways"));
  EXPECT_EQ(only_demand(diverse_plan(drawn_grid(ring + "demand d acme north m 0.1/s ttft=120ms in=100"))).rejected(),
            0);
  const v1::Plan abroad = diverse_plan(drawn_grid(ring + "demand d de north m 0.1/s diversity=link"));
  EXPECT_EQ(only_demand(abroad).blocked_by(), "diversity");
  EXPECT_THAT(only_demand(abroad).reason(), HasSubstr("of any two ways apart one leaves the residency"));
}

// 8 Gbit/s down at 10 requests of 100 MB a second.
TEST(Diversity, TheSecondWayIsBooked) {
  const std::string ring = kServing + R"(
    s-t 1ms 20G
    s-b 2ms 20G
    b-t 2ms 5G
    pool pt t gpu 8
    policy headroom=0.8
  )";
  const auto s = drawn_grid(ring + "demand d acme north m 10/s down=100000000 diversity=link");
  const v1::Plan p = checked_plan(s);
  EXPECT_NEAR(only_demand(p).rejected(), 0.5, 1.0 / 1024) << "half of it fits 80 % of 5 Gbit/s";
  EXPECT_EQ(only_demand(p).blocked_by(), "link_capacity");
  // The load that is there is the primary's alone.
  const twin::Forecast load = twin::forecast(s, assignment_of(s, p));
  EXPECT_NEAR(load.links[s.links.find("s-t").value].ba.value(), 4, 0.01);
  EXPECT_EQ(load.links[s.links.find("b-t").value].ba.value(), 0);
  // And when a link of the primary goes, the second carries it.
  const twin::Failure cut{twin::FailureKind::link, s.links.find("s-t").value};
  const auto after = twin::with_failures(s, std::span(&cut, 1));
  EXPECT_NEAR(twin::forecast(after, assignment_of(after, p)).links[s.links.find("b-t").value].ba.value(), 4, 0.01);
}

TEST(Diversity, WhatAPlanSaysOfWaysIsChecked) {
  auto rows = test_support::drawn_rows(kTrapped + R"(
    s-c 1ms 10G group=d
    c-t 1ms 10G
    a-c 1ms 10G
    demand d acme north m 2/s diversity=node_and_shared_risk
  )");
  const auto s = grid::make_snapshot(rows, 1);
  const v1::Plan good = diverse_plan(s);
  ASSERT_THAT(violations(s, good), IsEmpty());
  const auto after = [&](const std::function<void(v1::PlannedSplit&)>& spoil) {
    v1::Plan spoiled = good;
    spoil(*spoiled.mutable_demands(0)->mutable_splits(0));
    return violations(s, spoiled);
  };
  const auto ways = [&](std::vector<std::string> primary, std::vector<std::string> second) {
    return after([&](v1::PlannedSplit& split) {
      split.mutable_primary()->clear_links();
      split.mutable_second()->clear_links();
      for (const auto& link : primary) split.mutable_primary()->add_links(link);
      for (const auto& link : second) split.mutable_second()->add_links(link);
    });
  };
  EXPECT_THAT(ways({"s-a", "a-t"}, {"s-b", "b-t"}), IsEmpty());
  EXPECT_THAT(ways({"s-a", "a-t"}, {"s-a", "a-b", "b-t"}), Contains(HasSubstr("its two ways share s-a")));
  EXPECT_THAT(ways({"s-a", "a-t"}, {"s-c", "a-c", "a-b", "b-t"}), Contains(HasSubstr("its two ways share a")));
  EXPECT_THAT(ways({"s-a"}, {"s-b", "b-t"}), Contains(HasSubstr("its primary way ends at a")));
  EXPECT_THAT(ways({"s-a", "b-t"}, {"s-c", "c-t"}),
              Contains(HasSubstr("its primary way does not hang together at b-t")));
  EXPECT_THAT(ways({"s-a", "a-t"}, {"s-x"}),
              Contains(HasSubstr("its second way takes 's-x', which is not in the grid")));
  EXPECT_THAT(ways({"s-a", "s-a", "s-a", "a-t"}, {"s-c", "c-t"}),
              Contains(HasSubstr("its primary way passes s twice")));
  EXPECT_THAT(after([](v1::PlannedSplit& split) { split.clear_second(); }),
              Contains(HasSubstr("asks for two ways, and the plan names none")));
  rows.demands[0].promise.ttft = Milliseconds(5);
  EXPECT_THAT(violations(grid::make_snapshot(rows, 1), good), Contains(HasSubstr("first token after")));
  rows.demands[0].diversity = grid::Diversity::none;
  EXPECT_THAT(violations(grid::make_snapshot(rows, 1), good), Contains(HasSubstr("names ways, and asks for none")));
  auto joined = test_support::drawn_rows(kTrapped + R"(
    s-c 1ms 10G group=d
    c-t 1ms 10G
    a-c 1ms 10G
    demand d acme north m 2/s diversity=node_and_shared_risk
  )");
  for (grid::Link& link : joined.links)
    if (link.shared_risk_groups.empty()) link.shared_risk_groups.push_back(grid::SharedRiskGroupIndex(0));
  EXPECT_THAT(violations(grid::make_snapshot(joined, 1), good), Contains(HasSubstr("its two ways share d")));
  for (grid::Node& node : joined.nodes) node.overload = node.id == "a";
  EXPECT_THAT(violations(grid::make_snapshot(joined, 1), good),
              Contains(HasSubstr("goes through a, which is overloaded")));
}

// Several regions, pools and demands on random graphs: what is planned holds, what is said to cost least is proven, and
// a demand that only lacks two ways is turned away.
TEST(DiversitySoak, RandomGridsArePlannedSoundly) {
  size_t with_ways = 0, blocked = 0;
  for (uint64_t seed = 0; seed < 25; ++seed) {
    Random random(seed);
    std::string text = kServing;
    const size_t nodes = 5 + random.below(3);
    for (size_t i = 0; i < nodes; ++i)
      for (size_t k = i + 1; k < nodes; ++k)
        if (k == i + 1 || random.chance(0.3))
          text += fmt::format("{}-{} {}ms {}G cost=0.0{} group=d{}\n", i == 0 ? "s" : fmt::format("n{}", i),
                              fmt::format("n{}", k), 1 + random.below(9), 2 + random.below(9), random.below(9),
                              random.below(6));
    text += fmt::format("region south n{}\n", nodes / 2);
    text +=
        fmt::format("pool p0 n{} gpu 4\npool p1 n{} gpu 3\npool p2 s gpu 1\n", nodes - 1, 1 + random.below(nodes - 1));
    static constexpr const char* kAsked[] = {"none", "link", "node", "shared_risk", "node_and_shared_risk"};
    for (const char* region : {"north", "south"})
      for (int tenant = 0; tenant < 3; ++tenant)
        text += fmt::format("tenant {}{} *\ndemand {}{} {}{} {} m {}/s down={} diversity={}\n", region, tenant, region,
                            tenant, region, tenant, region, 1 + random.below(6), 1000 * (1 + random.below(60'000)),
                            kAsked[random.below(5)]);
    SCOPED_TRACE(text);
    const auto s = drawn_grid(text);
    const v1::Plan p = checked_plan(s);
    for (const v1::DemandPlan& planned : p.demands()) {
      for (const v1::PlannedSplit& split : planned.splits()) with_ways += split.has_second();
      blocked += planned.blocked_by() == "diversity";
    }
  }
  EXPECT_GT(with_ways, 30u);
  EXPECT_GT(blocked, 0u);
}

// Cut the primary and it goes over the second, though the network's own branch is shorter; cut both and it takes that.
TEST(Diversity, FailuresAreSeenOverThePlannedWays) {
  const auto s = drawn_grid(kServing + R"(
    s-t 1ms 10G group=d
    s-a 2ms 10G metric=9
    a-t 2ms 10G metric=9
    s-c 4ms 10G metric=3
    c-t 4ms 10G metric=3 group=d
    pool pt t gpu 8
    demand d acme north m 2/s diversity=shared_risk)");
  const v1::Plan p = diverse_plan(s);
  ASSERT_EQ(links_text(only_demand(p).splits(0).second()), "s-a a-t");
  const auto without = [&](std::initializer_list<const char*> cut) {
    std::vector<twin::Failure> failures;
    for (const char* id : cut) failures.push_back({twin::FailureKind::link, s.links.find(id).value});
    return twin::with_failures(s, failures);
  };
  const auto carries = [&](const grid::Snapshot& after, const char* link) {
    const twin::PlainLoads loads = plain_loads(after, twin::own_traffic(s, assignment_of(s, p)));
    return loads.gbps[2 * s.links.find(link).value] > 0;
  };
  EXPECT_TRUE(carries(without({}), "s-t"));
  EXPECT_TRUE(carries(without({"s-t"}), "s-a"));
  EXPECT_FALSE(carries(without({"s-t"}), "s-c"));
  EXPECT_TRUE(carries(without({"s-t", "a-t"}), "s-c"));
  for (const auto kind : {twin::FailureKind::link, twin::FailureKind::node}) {
    const Result<Json> report =
        sweep_failures(s, p, {.fail = {kind, 2}, .traffic = TrafficChoice::own, .verify = 100}, SystemClock(), {}, {});
    ASSERT_TRUE(report);
    EXPECT_EQ((*report)["verify"]["differences"].integer(), 0);
  }
}

// The promise is judged over the way in use: where the network's own branch would break it, the second way keeps it.
TEST(Diversity, ThePromiseIsJudgedOverTheWayInUse) {
  const auto s = drawn_grid(kServing + R"(
    s-t 1ms 10G
    s-a 2ms 10G metric=9
    a-t 2ms 10G metric=9
    s-c 300ms 10G metric=3
    c-t 300ms 10G metric=3
    pool pt t gpu 8
    demand d acme north m 2/s diversity=link ttft=200ms)");
  const v1::Plan p = diverse_plan(s);
  ASSERT_EQ(only_demand(p).splits_size(), 1) << only_demand(p).reason();
  const auto cut = [&](std::initializer_list<const char*> links) {
    std::vector<twin::Failure> failures;
    for (const char* id : links) failures.push_back({twin::FailureKind::link, s.links.find(id).value});
    return compare(s, p, twin::with_failures(s, failures));
  };
  EXPECT_TRUE(cut({"s-t"}).promises_broken.empty());
  EXPECT_EQ(cut({"s-t"}).worst_link, "s-a");
  EXPECT_EQ(cut({"s-t", "s-a"}).promises_broken.size(), 1u);
}

TEST(Diversity, WaysAreKeptBetweenPlansAndGoWithTheWorld) {
  const auto s = drawn_grid(kTrapped + "demand d acme north m 2/s diversity=node");
  Planner planner;
  const v1::Plan first = planner.plan(s, nullptr, "p", 1, {}, {});
  auto rows = test_support::drawn_rows(kTrapped + "demand d acme north m 3/s diversity=node");
  const auto more = grid::make_snapshot(rows, 1);
  v1::Plan warm = planner.plan(more, &first, "q", 1, {}, {}), cold = plan(more, &first, "q", 1, {}, {});
  warm.clear_bound_eur_per_hour();  // of prices learnt before
  cold.clear_bound_eur_per_hour();
  EXPECT_EQ(warm.SerializeAsString(), cold.SerializeAsString());
  rows.links[0].state = grid::State::down;
  const auto cut = grid::make_snapshot(rows, 1);
  EXPECT_EQ(only_demand(planner.plan(cut, &first, "r", 1, {}, {})).blocked_by(), "diversity");
}

}  // namespace
}  // namespace tandem::planner
