#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/planner.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

using testing::HasSubstr;

const std::string kGrid = R"(
  a-b 2ms 10G cost=0.01
  a-c 30ms 10G cost=0.01
  site a DE
  site b DE
  site c DE
  region north a
  accelerator gpu 80GB idle=100W peak=700W price=2
  pool pb b gpu 8
  pool pc c gpu 2
  model m 16GB
  model k 16GB
  profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
  profile k gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000
  tenant t DE
  pin m pb 2
  pin m pc 1
  pin k pb 1
  demand hasty t north m 2/s ttft=60ms tpot=40ms in=200
  demand patient t north m 2/s ttft=900ms tpot=40ms
  demand lonely t north k 1/s ttft=900ms tpot=40ms
)";

grid::Snapshot with_site_down(const grid::Snapshot& s, std::string_view id) {
  const auto i = s.sites.find(id);
  grid::Site site = s.sites[i];
  site.state = grid::State::down;
  return grid::with_site(s, i, site, 2);
}

TEST(Compare, NothingChanged) {
  const auto s = test_support::drawn_grid(kGrid);
  const v1::Plan p = plan(s, nullptr, "p", 1, {}, {});
  const Verdict verdict = compare(s, p, s);
  EXPECT_TRUE(verdict.promises_broken.empty());
  EXPECT_EQ(verdict.promises_kept, 3u);
  EXPECT_DOUBLE_EQ(verdict.cost_delta_eur_per_hour, 0);
  EXPECT_EQ(verdict.worst_link, "a-b");
}

TEST(Compare, ASiteDownSendsItsDemandsToWhatIsLeft) {
  const auto s = test_support::drawn_grid(kGrid);
  const v1::Plan p = plan(s, nullptr, "p", 1, {}, {});
  const Verdict verdict = compare(s, p, with_site_down(s, "b"));
  ASSERT_EQ(verdict.promises_broken.size(), 2u);
  EXPECT_EQ(verdict.promises_broken[0].demand, "hasty");
  EXPECT_THAT(verdict.promises_broken[0].reason, HasSubstr("first token after"));
  EXPECT_EQ(verdict.promises_broken[1].demand, "lonely");
  EXPECT_THAT(verdict.promises_broken[1].reason, HasSubstr("down"));
  EXPECT_EQ(verdict.promises_kept, 1u);
  EXPECT_EQ(verdict.worst_link, "a-c");
  EXPECT_GT(verdict.cost_delta_eur_per_hour, 0) << "one request a second turned away";
}

TEST(Compare, TooMuchForWhatIsLeftIsAnOverload) {
  const auto s = test_support::drawn_grid(kGrid + "demand heavy t north m 8/s ttft=2s tpot=60ms");
  const v1::Plan p = plan(s, nullptr, "p", 1, {}, {});
  const Verdict verdict = compare(s, p, with_site_down(s, "b"));
  ASSERT_EQ(verdict.promises_broken.size(), 4u);
  for (const auto& broken : verdict.promises_broken)
    if (broken.demand != "lonely") {
      EXPECT_THAT(broken.reason, HasSubstr("overloaded")) << broken.demand;
    }
}

}  // namespace
}  // namespace tandem::planner
