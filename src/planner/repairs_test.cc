// Policies that ask that repairs stay resident: what plans refuse, what the checks find, what sweeps say.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/time.h"
#include "planner/planner.h"
#include "planner/testing.h"
#include "planner/whatif.h"
#include "support/detour.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

using test_support::drawn_grid;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// All German but f, which lies in France.
const std::string kGermanDetour = test_support::kDetour + R"(
  site a DE
  site b DE
  site c DE
  site d DE
  site e DE
  site f FR
  region north a
  accelerator gpu 80GB idle=100W peak=700W price=2
  model m 16GB
  profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
  pool pd d gpu 8
  tenant german DE
  tenant any *
)";

TEST(Repairs, AreHeldToTheResidencyWhereThePolicyAsksForIt) {
  const std::string demands = "demand d german north m 2/s\ndemand e any north m 2/s\n";
  const auto free = drawn_grid(kGermanDetour + demands);
  const v1::Plan p = plan(free, nullptr, "p", 1, {}, {});
  EXPECT_EQ(p.demands(0).rejected(), 0);
  const auto s = drawn_grid(kGermanDetour + demands + "policy repairs");
  const v1::Plan held = checked_plan(s);
  EXPECT_EQ(held.demands(0).blocked_by(), "repair_residency");
  EXPECT_EQ(
      held.demands(0).reason(),
      "the nearest miss is pd: what a failure of one link or node diverts would pass FR; letting its data pass FR "
      "after a failure would admit it");
  EXPECT_EQ(held.demands(1).rejected(), 0) << "is bound to nothing";
  EXPECT_THAT(violations(free, p), IsEmpty());
  const std::vector<std::string> found = violations(s, p);
  EXPECT_THAT(found, Contains("demand d: once c-d has failed, its traffic leaves the residency of german"));
  // A flex algorithm that keeps off those links serves it.
  auto rows = test_support::drawn_rows("algo 128 igp exclude=fr\n" + kGermanDetour +
                                       "demand d german north m 2/s flex=128\npolicy repairs");
  for (grid::Link& link : rows.links)
    if (link.id.find('f') != std::string::npos) link.admin_groups = {"fr"};
  const auto kept = grid::make_snapshot(rows, 1);
  EXPECT_EQ(checked_plan(kept).demands(0).rejected(), 0);
}

TEST(Repairs, TheNextAnchorCountsToo) {
  const std::string grid = R"(
    a-d 1ms 10G
    x-f 1ms 10G
    f-d 1ms 10G
    site a DE
    site d DE
    site x DE
    site f FR
    region north a anchor=x
    accelerator gpu 80GB price=2
    model m 16GB
    profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
    pool pd d gpu 8
    tenant german DE
    demand d german north m 2/s)";
  const auto s = drawn_grid(grid + "\npolicy repairs");
  EXPECT_EQ(checked_plan(s).demands(0).blocked_by(), "repair_residency");
  EXPECT_THAT(violations(s, plan(drawn_grid(grid), nullptr, "p", 1, {}, {})),
              Contains("demand d: once a has failed, its traffic leaves the residency of german"));
}

TEST(Repairs, SweepsRankAResidencyLeftAboveAll) {
  const auto s = drawn_grid(kGermanDetour + "demand d german north m 2/s\ndemand e any north m 2/s ttft=130ms\n");
  const v1::Plan p = plan(s, nullptr, "p", 1, {}, {});
  const Result<Json> report =
      sweep_failures(s, p, {.fail = {twin::FailureKind::link, 2}, .traffic = TrafficChoice::own, .verify = 100},
                     SystemClock(), {}, {});
  ASSERT_TRUE(report);
  EXPECT_EQ((*report)["verify"]["differences"].integer(), 0);
  EXPECT_GT((*report)["leaving"].integer(), 0);
  const Json& first = (*report)["worst"].array()[0];
  EXPECT_EQ(first["residencies_left"].integer(), 1);
  EXPECT_EQ(first["left_residency"].array()[0]["demand"].text(), "d");
  Scenario cut;
  cut.failures = {{twin::FailureKind::link, s.links.find("c-d").value}};
  cut.traffic = TrafficChoice::own;
  const Json together = *fail_together(s, p, cut, {});
  EXPECT_EQ(together["promises_broken"].integer(), 0);
  ASSERT_EQ(together["left_residency"].array().size(), 1u);
  EXPECT_EQ(together["left_residency"].array()[0].text(), "d");
}

// What the planner places, the check finds resident after every failure, also of regions with two anchors and of
// demands with two ways.
TEST(RepairsProperty, PlansHoldAgainstEveryFailure) {
  size_t refused = 0, served = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const size_t nodes = 5 + random.below(5);
    std::string text = "policy repairs\n";
    for (size_t i = 0; i < nodes; ++i) text += fmt::format("site n{} {}\n", i, random.chance(0.85) ? "DE" : "FR");
    for (size_t i = 0; i < nodes; ++i)
      for (size_t k = i + 1; k < nodes; ++k)
        if (k == i + 1 || random.chance(0.3))
          text += fmt::format("n{}-n{} {}ms 10G metric={}\n", i, k, 1 + random.below(4), 1 + random.below(3));
    text +=
        "accelerator gpu 80GB price=2\nmodel m 16GB\n"
        "profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000\ntenant de DE\n";
    for (size_t i = 0; i < 3; ++i) text += fmt::format("pool p{} n{} gpu 4\n", i, random.below(nodes));
    for (size_t i = 0; i < 3; ++i) {
      const uint64_t first = random.below(nodes), next = random.below(nodes);
      text += fmt::format("region r{} n{}{}\n", i, first, random.chance(0.3) ? fmt::format(" anchor=n{}", next) : "");
    }
    for (size_t i = 0; i < 4; ++i)
      text +=
          fmt::format("demand d{} de r{} m 2/s{}\n", i, random.below(3), random.chance(0.3) ? " diversity=link" : "");
    const auto s = drawn_grid(text);
    const v1::Plan p = checked_plan(s);
    for (const v1::DemandPlan& demand : p.demands()) {
      refused += demand.blocked_by() == "repair_residency";
      served += demand.rejected() == 0;
    }
  }
  EXPECT_GT(refused, 10u);
  EXPECT_GT(served, 30u);
}

}  // namespace
}  // namespace tandem::planner
