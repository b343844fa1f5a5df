#include "planner/whatif.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/planner.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

// hasty can only be served at b in time; c is far and the way to it shares the link to b.
const std::string kWhatIfGrid = R"(
  a-b 2ms 10G
  b-c 30ms 10G
  a-c 40ms 10G metric=9
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

struct StillClock final : Clock {
  Instant now() const override { return {}; }
  Duration monotonic() const override { return {}; }
};

struct WhatIf : testing::Test {
  grid::Snapshot grid = test_support::drawn_grid(kWhatIfGrid + "traffic a b 6G");
  v1::Plan plan = planner::plan(grid, nullptr, "p", 1, {}, {});
  StillClock clock;

  Json sweep(FailureSweep asked) {
    const auto report = sweep_failures(grid, plan, asked, clock, {}, {});
    EXPECT_TRUE(report.has_value());
    return report ? *report : Json();
  }
  twin::Failure failure(const char* kind, const char* id) { return *find_failure(grid, kind, id); }
};

TEST_F(WhatIf, WatchesEveryKeptPromise) {
  const auto watched = watched_promises(grid, plan);
  ASSERT_EQ(watched.size(), 3u);
  for (const WatchedPromise& one : watched) {
    ASSERT_FALSE(one.watch.parts.empty());
    const double ttft_us = grid.demands[one.demand].promise.ttft.value() * 1e3;
    EXPECT_GT(one.watch.parts.front().round_trip_max.value(), 0);
    EXPECT_LT(one.watch.parts.front().round_trip_max.value(), ttft_us) << "prefill takes some of it";
  }
}

TEST_F(WhatIf, RanksByPromisesBrokenAndSaysWhatFailoverSaves) {
  const Json report = sweep({.fail = {twin::FailureKind::link, 1}, .verify = 3});
  EXPECT_EQ(report["scenarios"].integer(), 3);
  EXPECT_EQ(report["promises"].integer(), 3);
  EXPECT_EQ(report["verify"]["checked"].integer(), 3);
  EXPECT_EQ(report["verify"]["differences"].integer(), 0);
  const Json& worst = report["worst"].array().front();
  EXPECT_EQ(to_json(worst["failed"]), R"(["a-b"])");
  EXPECT_EQ(worst["promises_broken"].integer(), 1) << "over c, b is too far for hasty and near enough for the others";
  EXPECT_EQ(worst["after_failover"]["promises_broken"].array().size(), 1u);
  EXPECT_EQ(worst["after_failover"]["promises_broken"].array().front()["demand"].text(), "hasty");
  EXPECT_EQ(worst["after_failover"]["promises_broken"].array().front()["rate_per_s"].number(),
            worst["broken_at_once"].array().front()["rate_per_s"].number());
  EXPECT_GT(worst["broken_at_once"].array().front()["rate_per_s"].number(), 0);
  EXPECT_NEAR(worst["worst_link"]["utilization"].number(), 0.6, 0.01) << "a-c and b-c carry what a-b did";
}

TEST_F(WhatIf, SiteFailuresBreakWhatTheyServe) {
  const Json report = sweep({.fail = {twin::FailureKind::site, 1}, .verify = 3});
  EXPECT_EQ(report["verify"]["differences"].integer(), 0);
  const Json& worst = report["worst"].array().front();
  EXPECT_EQ(worst["promises_broken"].integer(), 3);
}

TEST_F(WhatIf, ShortlistsTheCapacityThatHelps) {
  grid = test_support::drawn_grid(kWhatIfGrid + "traffic a b 6G\ntraffic c b 5G");
  const Json report = sweep({.fail = {twin::FailureKind::link, 1}});
  ASSERT_FALSE(report["upgrades"].array().empty());
  EXPECT_EQ(report["upgrades"].array().front()["add_gbps"].number(), 10) << "11 Gbit/s over 10, in steps of 10";
}

TEST_F(WhatIf, OneScenarioStepByStep) {
  const Json report = *fail_together(grid, plan, {.failures = {failure("link", "a-b")}}, {});
  EXPECT_EQ(report["promises_broken"].integer(), 1);
  EXPECT_NEAR(report["undisturbed"]["utilization_max"].number(), 0.6, 0.01);
  EXPECT_NEAR(report["converged"]["utilization_max"].number(), 0.6, 0.01);
  EXPECT_TRUE(report["cascade"]["settled"].boolean());
  const Json dark = *fail_together(grid, plan, {.failures = {failure("site", "b"), failure("node", "c")}}, {});
  EXPECT_EQ(dark["promises_broken"].integer(), 3);
  EXPECT_NEAR(dark["converged"]["lost_gbps"].number(), 6, 0.01);
}

TEST_F(WhatIf, OneScenarioEndsWhenItsCallerLeaves) {
  std::stop_source left;
  left.request_stop();
  const auto ended = fail_together(grid, plan, {.failures = {failure("link", "a-b")}}, left.get_token());
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::unavailable);
}

// Two links of 5 Gbit/s as one. With one of them the bundle is still up and asked for 6: a sixth of that has to wait.
TEST_F(WhatIf, AMemberOfABundle) {
  const std::string bundle = "\n  x-y 1ms 10G members=2\n  traffic x y 6G\n  traffic y x 4G\n";
  grid = test_support::drawn_grid(kWhatIfGrid + bundle);
  const Json report = sweep({.fail = {twin::FailureKind::member, 1}, .verify = 1});
  EXPECT_EQ(report["scenarios"].integer(), 1);
  EXPECT_EQ(report["verify"]["differences"].integer(), 0);
  EXPECT_NEAR(report["worst"].array().front()["utilization_max"].number(), 1.2, 1e-6);
  EXPECT_EQ(report["worst"].array().front()["worst_link"]["id"].text(), "x-y");
  EXPECT_TRUE(report["worst"].array().front()["links_down"].array().empty());
  const Json one = *fail_together(grid, plan, {.failures = {failure("member", "x-y")}}, {});
  EXPECT_NEAR(one["converged"]["utilization_max"].number(), 1.2, 1e-6);
  EXPECT_NEAR(one["shared_fairly"]["asked_gbps"].number() - one["shared_fairly"]["carried_gbps"].number(), 1, 1e-5);
  EXPECT_EQ(one["shared_fairly"]["flows_held_back"].integer(), 1);
  EXPECT_NEAR(one["shared_fairly"]["least_share"].number(), 5.0 / 6, 1e-6);
}

TEST_F(WhatIf, NamesWhatIsNotThere) {
  const Error unknown = find_failure(grid, "link", "a-x").error();
  EXPECT_EQ(unknown.code, ErrorCode::not_found);
  EXPECT_EQ(unknown.message, "no link 'a-x'; did you mean 'a-b'?");
  EXPECT_EQ(find_failure(grid, "site", "elsewhere").error().message, "no site 'elsewhere'");
  EXPECT_THAT(find_failure(grid, "member", "a-b").error().message, testing::HasSubstr("link 'a-b' is no bundle"));
  EXPECT_EQ(find_failure(grid, "cable", "a-b").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(parse_traffic_choice("none").error().code, ErrorCode::invalid_argument);
}

TEST_F(WhatIf, SitesAndSharedRiskGroupsGoByTheirNamesToo) {
  auto rows = test_support::drawn_rows(kWhatIfGrid);
  rows.shared_risk_groups = {{"duct-7", "Harbour tunnel"}};
  rows.sites[0].name = "Aachen";
  rows.sites[1].name = rows.sites[2].name = "Berlin";
  const grid::Snapshot named = grid::make_snapshot(rows, 1);
  EXPECT_EQ(find_failure(named, "shared_risk_group", "harbour TUNNEL")->row, 0u);
  EXPECT_EQ(*find_failure(named, "site", "Aachen"), *find_failure(named, "site", rows.sites[0].id));
  EXPECT_EQ(find_failure(named, "site", "Berlin").error().message,
            "2 sites are called 'Berlin'; name one by its id, such as 'b'");
  EXPECT_EQ(find_failure(named, "shared_risk_group", "Harbor tunnel").error().message,
            "no shared-risk group 'Harbor tunnel'; did you mean 'Harbour tunnel'?");
}

TEST_F(WhatIf, WithoutTrafficOfItsOwnAGridIsJudgedByGravity) {
  grid = test_support::drawn_grid(kWhatIfGrid);
  const Json report = sweep({.fail = {twin::FailureKind::link, 2}, .verify = 3});
  EXPECT_NE(report["traffic"]["formula"].text().find("gravity"), std::string_view::npos);
  EXPECT_NEAR(report["undisturbed"]["utilization_max"].number(), 0.4, 0.01);
  EXPECT_EQ(report["verify"]["differences"].integer(), 0);
}

}  // namespace
}  // namespace tandem::planner
