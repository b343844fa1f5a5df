// Demands whose traffic takes a flex algorithm: plans, checks and failures see its topology and no other.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/time.h"
#include "planner/planner.h"
#include "planner/testing.h"
#include "planner/whatif.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

using test_support::drawn_grid;
using testing::Contains;
using testing::HasSubstr;

// Over the sea one hop through another jurisdiction, over land two within.
const std::string kCoast = R"(
  a-b 2ms 10G cost=0.01
  b-t 2ms 10G cost=0.01
  a-x 1ms 10G admin=submarine
  x-t 1ms 10G admin=submarine metric=0.5
  site a DE
  site b DE
  site t DE
  site x XX
  algo 128 igp exclude=submarine
  algo 129 igp any=submarine nodes=a,x
  region west a
  accelerator gpu 80GB idle=100W peak=700W price=2
  model m 16GB
  profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
  pool pt t gpu 8
  tenant acme DE
  tenant any *
)";

TEST(FlexAlgoPlan, KeepsWithinTheResidencyWhatTheIgpDoesNot) {
  const auto refused = drawn_grid(kCoast + "demand d acme west m 2/s");
  const v1::Plan without = checked_plan(refused);
  EXPECT_EQ(without.demands(0).blocked_by(), "path_residency");
  const auto s = drawn_grid(kCoast + "demand d acme west m 2/s up=2000 down=50000 flex=128");
  const v1::Plan p = checked_plan(s);
  ASSERT_EQ(p.demands(0).splits_size(), 1) << p.demands(0).reason();
  EXPECT_DOUBLE_EQ(p.demands(0).splits(0).round_trip_us(), 8000);
  EXPECT_EQ(plan_to_json(p, s)["demands"].array()[0]["flex_algo"].text(), "128");
  // Transport is that of its own links: 52 kB over two links of 1 ct/GB.
  const twin::Forecast carried = twin::forecast(s, assignment_of(s, p));
  EXPECT_NEAR(carried.links[s.links.find("a-b").value].ab.value(), 2 * 2000 * 8e-9, 1e-12);
  EXPECT_EQ(carried.links[s.links.find("a-x").value].ab.value(), 0);
}

TEST(FlexAlgoPlan, WhatItDoesNotReachIsBlockedAndNamed) {
  const auto s = drawn_grid(kCoast + "demand d any west m 2/s flex=129");
  const v1::Plan p = checked_plan(s);
  EXPECT_EQ(p.demands(0).blocked_by(), "unreachable");
  EXPECT_EQ(p.demands(0).reason(),
            "the nearest miss is pt: no path in flex algorithm 129; a path from west to pt in flex algorithm 129 would "
            "admit it");
  // A plan of the IGP's world says too much of this one.
  const v1::Plan other = plan(drawn_grid(kCoast + "demand d any west m 2/s"), nullptr, "p", 1, {}, {});
  EXPECT_THAT(violations(s, other), Contains(HasSubstr("no path from west to pt in flex algorithm 129")));
}

TEST(FlexAlgoPlan, LinksOfItsOwnTopologyBoundIt) {
  const std::string narrow = R"(
    a-b 2ms 0.01G
    b-t 2ms 10G
    a-t 1ms 10G admin=red
    algo 128 igp exclude=red
    region west a
    accelerator gpu 80GB price=2
    model m 16GB
    profile m gpu 32:20ms/600W kv=40GB prefill=20000
    pool pt t gpu 8
    tenant any *
    demand d any west m 10/s up=200000 down=50000
  )";
  EXPECT_EQ(checked_plan(drawn_grid(narrow)).demands(0).rejected(), 0);
  const v1::Plan p = checked_plan(drawn_grid(narrow + "demand e any west m 10/s up=200000 down=50000 flex=128"));
  EXPECT_NEAR(p.demands(1).rejected(), 0.5, 0.01) << "16 Mbit/s asked, 8 of headroom";
  EXPECT_EQ(p.demands(1).blocked_by(), "link_capacity");
}

TEST(FlexAlgoPlan, AFailureMovesItWithinItsTopology) {
  const auto s = drawn_grid(kCoast + "demand d acme west m 2/s flex=128\ndemand e any west m 2/s");
  const v1::Plan p = checked_plan(s);
  const Result<Json> report = sweep_failures(
      s, p, {.fail = {twin::FailureKind::link, 1}, .traffic = TrafficChoice::own, .verify = 10}, SystemClock(), {}, {});
  ASSERT_TRUE(report);
  EXPECT_EQ((*report)["verify"]["differences"].integer(), 0);
  EXPECT_EQ((*report)["promises"].integer(), 2);
  EXPECT_EQ((*report)["breaking"].integer(), 2) << "a-b and b-t break what may not go over the sea";
  grid::Link cut = s.links[s.links.find("a-b")];
  cut.state = grid::State::down;
  const grid::Snapshot after = grid::with_link(s, s.links.find("a-b"), cut, 2);
  const Verdict verdict = compare(s, p, after);
  ASSERT_EQ(verdict.promises_broken.size(), 1u);
  EXPECT_EQ(verdict.promises_broken[0].demand, "d");
  EXPECT_EQ(verdict.promises_broken[0].reason, "no deployment left that may serve it: unreachable");
  // Planned anew with what is known, the same as planned from nothing.
  Planner planner;
  (void)planner.plan(s, nullptr, "p", 1, {}, {});
  v1::Plan warm = planner.plan(after, &p, "q", 1, {}, {}), cold = plan(after, &p, "q", 1, {}, {});
  warm.clear_bound_eur_per_hour();  // of prices learnt before
  cold.clear_bound_eur_per_hour();
  EXPECT_EQ(warm.SerializeAsString(), cold.SerializeAsString());
}

TEST(FlexAlgoPlan, RestorationHoldsInItsTopology) {
  const std::string ring = R"(
    a-b 1ms 1G
    b-t 1ms 1G
    a-c 2ms 0.001G
    c-t 2ms 0.001G
    a-t 1ms 10G admin=red
    algo 128 delay exclude=red
    region west a
    accelerator gpu 80GB price=2
    model m 16GB
    profile m gpu 32:20ms/600W kv=40GB prefill=20000
    pool pt t gpu 8
    tenant any *
    demand d any west m 1/s up=200000 down=50000)";
  const auto free = drawn_grid(ring + " flex=128\npolicy headroom=0.8");
  EXPECT_EQ(checked_plan(free).demands(0).rejected(), 0);
  const auto igp = drawn_grid(ring + "\npolicy headroom=0.8 restore=links:1");
  EXPECT_EQ(checked_plan(igp).demands(0).rejected(), 0) << "the IGP goes round over a-b";
  const auto s = drawn_grid(ring + " flex=128\npolicy headroom=0.8 restore=links:1");
  const v1::Plan p = checked_plan(s);
  EXPECT_NEAR(p.demands(0).rejected(), 1 - 1 / 1.6, 1e-3) << "1.6 Mbit/s, and 1 the long way round";
  EXPECT_EQ(p.demands(0).blocked_by(), "restoration");
  EXPECT_THAT(violations(s, plan(free, nullptr, "p", 1, {}, {})), Contains(HasSubstr("once a-b has failed")));
}

// A grid in which every demand takes one algorithm is planned as the grid that this algorithm sees.
TEST(FlexAlgoPlanProperty, IsThePlanOfTheTopologyItSees) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::string text = "algo 128 delay exclude=red\n";
    const size_t nodes = 4 + random.below(5);
    for (size_t i = 0; i < nodes; ++i) text += fmt::format("site n{} {}\n", i, random.chance(0.7) ? "DE" : "FR");
    std::string hidden, seen;
    for (size_t i = 0; i < nodes; ++i) {
      for (size_t k = i + 1; k < nodes; ++k) {
        if (k > i + 1 && !random.chance(0.4)) continue;
        const uint64_t ms = 1 + random.below(6), metric = 1 + random.below(3);
        const bool red = random.chance(0.3);
        const std::string link = fmt::format("n{}-n{} {}ms {}G cost=0.0{}", i, k, ms,
                                             random.chance(0.3) ? "0.002" : "1", 1 + random.below(9));
        hidden += fmt::format("{} metric={}{}\n", link, metric, red ? " admin=red" : "");
        seen += fmt::format("{} metric={}{}\n", link, ms * 1000, red ? " down" : "");
      }
    }
    text +=
        "accelerator gpu 80GB idle=100W peak=700W price=2\nmodel m 16GB\n"
        "profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000\ntenant de DE\ntenant all *\n";
    for (size_t p = 0; p < 3; ++p)
      text += fmt::format("pool p{} n{} gpu {}\n", p, random.below(nodes), 1 + random.below(3));
    for (size_t r = 0; r < 3; ++r) text += fmt::format("region r{} n{}\n", r, random.below(nodes));
    std::string asked;
    for (size_t d = 0; d < 4; ++d)
      asked += fmt::format("demand d{} {} r{} m {}/s ttft={}ms", d, random.chance(0.5) ? "de" : "all", random.below(3),
                           1 + random.below(6), 60 + random.below(300)) +
               "%\n";
    const auto with = [&](std::string links, std::string_view flex) {
      std::string all = asked;
      for (size_t at = all.find('%'); at != std::string::npos; at = all.find('%')) all.replace(at, 1, flex);
      const size_t sites = text.find("accelerator");
      return drawn_grid(text.substr(0, sites) + links + text.substr(sites) + all);
    };
    const grid::Snapshot own = with(hidden, " flex=128"), plain = with(seen, "");
    v1::Plan p = checked_plan(own);
    const v1::Plan expected = checked_plan(plain);
    ASSERT_NEAR(p.cost_eur_per_hour(), expected.cost_eur_per_hour(), 1e-6 * (1 + expected.cost_eur_per_hour()));
    for (int d = 0; d < p.demands_size(); ++d) {
      ASSERT_NEAR(p.demands(d).rejected(), expected.demands(d).rejected(), 1e-9);
      ASSERT_EQ(p.demands(d).blocked_by(), expected.demands(d).blocked_by());
    }
  }
}

}  // namespace
}  // namespace tandem::planner
