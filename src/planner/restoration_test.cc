// Failures after which a plan must still fit the links.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "planner/planner.h"
#include "support/drawn_grid.h"
#include "twin/failures.h"

namespace tandem::planner {
namespace {

using test_support::drawn_grid;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// 8 Gbit/s down at 10 requests of 100 MB a second, over s-a-t while all is well.
const std::string kRestored = R"(
  region north s
  accelerator gpu 80GB idle=100W peak=700W price=2
  model m 16GB
  profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
  tenant acme *
  s-a 1ms 20G
  a-t 1ms 20G
  s-b 2ms 5G metric=2 group=west
  b-t 2ms 20G group=west
  pool pt t gpu 8
  demand d acme north m 10/s down=100000000
)";

v1::Plan restored_plan(const grid::Snapshot& s) { return plan(s, nullptr, "p", 1, {}, {}); }

TEST(Restoration, WhatDoesNotFitAfterACutIsTurnedAwayAndSaysWhy) {
  const auto without = drawn_grid(kRestored);
  const v1::Plan all = restored_plan(without);
  EXPECT_EQ(all.demands(0).rejected(), 0);
  const auto s = drawn_grid(kRestored + "policy restore=links:1");
  EXPECT_THAT(violations(s, all), testing::UnorderedElementsAre(
                                      "once s-a has failed, link s-b from b to s: 8.00 Gbit/s, headroom ends at 5.00",
                                      "once a-t has failed, link s-b from b to s: 8.00 Gbit/s, headroom ends at 5.00"));
  const v1::Plan p = restored_plan(s);
  EXPECT_THAT(violations(s, p), IsEmpty());
  EXPECT_NEAR(p.demands(0).rejected(), 1 - 5.0 / 8, 1.0 / 1024);
  EXPECT_EQ(p.demands(0).blocked_by(), "restoration");
  EXPECT_EQ(p.demands(0).reason(),
            "the nearest miss is pt: once s-a has failed, s-b from b to s is filled to its headroom; more capacity on "
            "s-b would admit it");
  EXPECT_LE(p.bound_eur_per_hour(), all.cost_eur_per_hour() * (1 + 1e-9)) << "without rows, so it holds with them";
}

TEST(Restoration, TrafficGoesWhereItFitsBeforeItIsTurnedAway) {
  // The pool at a is dearer, and no cut overfills the way from there.
  const auto s = drawn_grid(kRestored + "site a DE price=2\npool pa a gpu 8\ns-a 1ms 20G\npolicy restore=links:1");
  const v1::Plan p = restored_plan(s);
  EXPECT_THAT(violations(s, p), IsEmpty());
  EXPECT_EQ(p.demands(0).rejected(), 0);
  bool nearer = false;
  for (const v1::PlannedSplit& split : p.demands(0).splits()) nearer |= split.deployment() == "m@pa";
  EXPECT_TRUE(nearer);
}

TEST(Restoration, WhatIsCutOffLoadsNothing) {
  const auto s = drawn_grid(kRestored + "policy restore=srlgs:1");
  EXPECT_EQ(restored_plan(s).demands(0).rejected(), 0) << "the duct is not on its way";
  const auto nodes = drawn_grid(kRestored + "policy restore=nodes:1");
  const v1::Plan p = restored_plan(nodes);
  EXPECT_THAT(violations(nodes, p), IsEmpty());
  EXPECT_THAT(p.demands(0).reason(), HasSubstr("once a has failed, s-b from b to s"));
  const auto single = drawn_grid(R"(
    region north s
    accelerator gpu 80GB idle=100W peak=700W price=2
    model m 16GB
    profile m gpu 8:10ms/400W kv=40GB prefill=20000
    tenant acme *
    s-t 1ms 20G
    pool pt t gpu 8
    demand d acme north m 10/s down=100000000
    policy restore=links:1,nodes:1
  )");
  EXPECT_EQ(restored_plan(single).demands(0).rejected(), 0) << "asking for a way is diversity's";
}

TEST(Restoration, HeadroomAfterAFailureIsItsOwn) {
  const auto s = drawn_grid(kRestored + "policy restore=links:1 restore_headroom=0.5");
  const v1::Plan p = restored_plan(s);
  EXPECT_THAT(violations(s, p), IsEmpty());
  EXPECT_NEAR(p.demands(0).rejected(), 1 - 2.5 / 8, 1.0 / 1024);
}

TEST(Restoration, OverloadThatIsThereWithoutThePlanIsNotThePlans) {
  const auto s = drawn_grid(kRestored + "a-x 1ms 1G\na-y 1ms 4G\nx-y 1ms 10G\ntraffic a y 2G\npolicy restore=links:1");
  const v1::Plan p = restored_plan(s);  // once a-y has failed, a-x carries 2 of 1 Gbit/s
  EXPECT_THAT(violations(s, p), IsEmpty());
  EXPECT_NEAR(p.demands(0).rejected(), 1 - 5.0 / 8, 1.0 / 1024);
  // Background that moves takes room away.
  const auto moved = drawn_grid(kRestored + "traffic t s 2G\npolicy restore=links:1");
  const v1::Plan less = restored_plan(moved);
  EXPECT_THAT(violations(moved, less), IsEmpty());
  EXPECT_NEAR(less.demands(0).rejected(), 1 - 3.0 / 8, 1.0 / 1024);
}

TEST(Restoration, ARegionGoesToItsNextAnchor) {
  // Its first anchor hangs on one link; from the second the way to the pool is thin.
  const std::string text = R"(
    region north s anchor=u
    accelerator gpu 80GB idle=100W peak=700W price=2
    model m 16GB
    profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
    tenant acme *
    s-t 1ms 20G
    u-t 1ms 6G
    pool pt t gpu 8
    demand d acme north m 10/s down=100000000
    policy restore=links:1
  )";
  const auto s = drawn_grid(text);
  const v1::Plan p = restored_plan(s);
  EXPECT_THAT(violations(s, p), IsEmpty());
  EXPECT_NEAR(p.demands(0).rejected(), 1 - 6.0 / 8, 1.0 / 1024);
}

TEST(Restoration, TheLessPreciousGiveWayFirst) {
  auto text = kRestored;
  text.replace(text.find("10/s"), 4, "5/s");
  const auto s = drawn_grid(text + R"(
    tenant first *
    demand urgent first north m 5/s down=100000000 priority=3
    policy restore=links:1
  )");
  const v1::Plan p = restored_plan(s);
  EXPECT_THAT(violations(s, p), IsEmpty());
  ASSERT_EQ(p.demands(1).demand(), "urgent");
  EXPECT_EQ(p.demands(1).rejected(), 0);
  EXPECT_NEAR(p.demands(0).rejected(), 1 - 1.0 / 4, 1.0 / 512);
}

TEST(Restoration, DemandsWithTwoWaysCountAsBooked) {
  const auto s = drawn_grid(kRestored + R"(
    tenant two *
    demand e two north m 2/s down=100000000 diversity=link priority=1
    policy restore=links:1
  )");
  const v1::Plan p = restored_plan(s);  // 1.6 Gbit/s are booked over b, which leaves 3.4 after a cut
  EXPECT_THAT(violations(s, p), IsEmpty());
  EXPECT_EQ(p.demands(1).rejected(), 0);
  EXPECT_NEAR(p.demands(0).rejected(), 1 - 3.4 / 8, 1.0 / 512);
}

TEST(Restoration, APlanInServiceIsMendedToo) {
  const auto before = drawn_grid(kRestored);
  const v1::Plan all = restored_plan(before);
  const auto s = drawn_grid(kRestored + "policy restore=links:1");
  const v1::Plan p = plan(s, &all, "q", 1, {}, {});
  EXPECT_THAT(violations(s, p), IsEmpty());
  EXPECT_NEAR(p.demands(0).rejected(), 1 - 5.0 / 8, 1.0 / 1024);
}

// One demand and one pool on a random graph: it is served to exactly what the worst case leaves, as found by routing
// every case from scratch.
double servable(const grid::Snapshot& s) {
  double most = 1;
  const twin::Assignment whole{{{grid::DemandIndex(0), grid::PoolIndex(0), 1}}};
  const auto narrow = [&](const grid::Snapshot& world, double headroom) {
    const twin::Forecast with = twin::forecast(world, whole), without = twin::forecast(world, {});
    const auto direction = [&](Gbps total, Gbps background, Gbps capacity) {
      const double use = (total - background).value();
      if (use > 1e-6) most = std::min(most, std::max(0.0, headroom * capacity.value() - background.value()) / use);
    };
    for (size_t l = 0; l < s.links.size(); ++l) {
      direction(with.links[l].ab, without.links[l].ab, s.links[l].capacity_ab);
      direction(with.links[l].ba, without.links[l].ba, s.links[l].capacity_ba);
    }
  };
  narrow(s, s.policy.link_headroom);
  const auto fail = [&](twin::FailureKind kind, size_t rows) {
    for (uint32_t row = 0; row < rows; ++row) {
      const twin::Failure failure{kind, row};
      narrow(twin::with_failures(s, std::span(&failure, 1)), s.policy.restoration.link_headroom);
    }
  };
  fail(twin::FailureKind::link, s.links.size());
  fail(twin::FailureKind::shared_risk_group, s.shared_risk_groups.size());
  fail(twin::FailureKind::node, s.nodes.size());
  return most;
}

TEST(RestorationSoak, ServesWhatTheWorstCaseLeaves) {
  size_t limited = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const size_t nodes = 4 + random.below(4);
    std::string text = R"(
      accelerator gpu 80GB idle=100W peak=700W price=2
      model m 16GB
      profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
      tenant acme *
      policy restore=links:1,srlgs:1,nodes:1 restore_headroom=0.9
    )";
    for (size_t i = 0; i < nodes; ++i)
      for (size_t k = i + 1; k < nodes; ++k)
        if (k == i + 1 || random.chance(0.4))
          text += fmt::format("n{}-n{} 1ms {}G metric={} group=d{}\n", i, k, 4 + random.below(20), 1 + random.below(3),
                              random.below(5));
    text += fmt::format("region north n0 anchor=n1\npool p n{} gpu 8\ndemand d acme north m 10/s down=100000000\n",
                        nodes - 1);
    text += fmt::format("traffic n1 n{} {}G\n", nodes - 1, random.below(4));
    SCOPED_TRACE(text);
    const auto s = drawn_grid(text);
    const v1::Plan p = restored_plan(s);
    ASSERT_THAT(violations(s, p), IsEmpty());
    const double most = servable(s);
    limited += most < 0.999;
    EXPECT_NEAR(1 - p.demands(0).rejected(), most < 2.0 / 1024 ? 0 : most, 2.0 / 1024);
  }
  EXPECT_GT(limited, 20u);
}

TEST(RestorationSoak, RandomGridsOfManyDemandsHold) {
  size_t turned_away = 0;
  for (uint64_t seed = 100; seed < 125; ++seed) {
    Random random(seed);
    const size_t nodes = 6 + random.below(4);
    std::string text = R"(
      accelerator gpu 80GB idle=100W peak=700W price=2
      model m 16GB
      profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
    )";
    text += fmt::format("policy restore=links:1,srlgs:1 restore_headroom={}\n", random.chance(0.5) ? 0.95 : 0.4);
    for (size_t i = 0; i < nodes; ++i)
      for (size_t k = i + 1; k < nodes; ++k)
        if (k == i + 1 || random.chance(0.3))
          text += fmt::format("n{}-n{} 1ms {}G metric={} group=d{}\n", i, k, 4 + random.below(20), 1 + random.below(3),
                              random.below(8));
    for (size_t pool = 0; pool < 3; ++pool) text += fmt::format("pool p{} n{} gpu 4\n", pool, random.below(nodes));
    for (size_t region = 0; region < 3; ++region) {
      text += fmt::format("region r{} n{}\n", region, random.below(nodes));
      for (size_t t = 0; t < 3; ++t)
        text +=
            fmt::format("tenant t{0}{1} *\ndemand d{0}{1} t{0}{1} r{0} m {2}/s down={3} diversity={4}\n", region, t,
                        1 + random.below(5), 1'000'000 * (1 + random.below(90)), random.chance(0.2) ? "link" : "none");
    }
    SCOPED_TRACE(text);
    const auto s = drawn_grid(text);
    Planner planner;
    const v1::Plan p = planner.plan(s, nullptr, "p", seed, {}, {});
    EXPECT_THAT(check_plan(s, {p, planner.prices()}).faults, IsEmpty());
    for (const v1::DemandPlan& planned : p.demands()) turned_away += planned.blocked_by() == "restoration";
    EXPECT_EQ(planner.plan(s, nullptr, "p", seed, {}, {}).SerializeAsString(), p.SerializeAsString());
    const v1::Plan anew = planner.plan(s, &p, "q", seed + 1'000, {.anew = true}, {});
    EXPECT_THAT(violations(s, anew), IsEmpty());
    EXPECT_LE(anew.cost_eur_per_hour(), p.cost_eur_per_hour() * (1 + 1e-9));
  }
  EXPECT_GT(turned_away, 3u);
}

}  // namespace
}  // namespace tandem::planner
