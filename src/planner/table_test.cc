#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/planner.h"
#include "planner/totals.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

using test_support::drawn_grid;
using test_support::drawn_rows;

const std::string kTableGrid = R"(
  a-b 2ms 100G cost=0.01
  b-c 3ms 100G
  site a DE
  site b FR
  site c DE
  region north a access=1ms
  region lonely x
  accelerator gpu 80GB idle=100W peak=700W price=2
  pool pb b gpu 8
  pool pc c gpu 8 url=http://10.0.0.7:9000/engine/v1/
  model m 16GB alias=m-chat
  profile m gpu 8:10ms/400W 32:20ms/600W kv=40GB prefill=20000 overhead=5ms
  tenant de DE
  tenant all * priority=3
  demand d all north m 20/s tpot=40ms
  pin m pc 1
)";

struct Made {
  grid::Snapshot snapshot;
  v1::Plan plan;
  std::shared_ptr<const routing::RoutingTable> table;
};
Made make(const std::string& text) {
  Made made{drawn_grid(text), {}, nullptr};
  made.plan = plan(made.snapshot, nullptr, "plan-7", 1, {200}, {});
  made.table = make_routing_table(
      made.snapshot, made.plan,
      {.offset = 9, .published_at = {1}, .valid_until = {2}, .emulator = {"127.0.0.1", 8090, "/e", true}});
  return made;
}

const routing::Target& target(const Made& made, std::string_view pool) {
  for (const auto& t : made.table->targets())
    if (t.pool == pool) return t;
  ADD_FAILURE() << "no target in " << pool;
  static const routing::Target none;
  return none;
}

TEST(RoutingTable, CarriesNamesTenantsAndPlan) {
  const Made made = make(kTableGrid);
  const auto& t = *made.table;
  EXPECT_EQ(t.offset(), 9u);
  EXPECT_EQ(t.rows().plan_id, "plan-7");
  EXPECT_EQ(t.find_model("m-chat"), t.find_model("m"));
  ASSERT_TRUE(t.find_region("north").has_value());
  EXPECT_EQ(t.rows().tenants[1].id, "all");
  EXPECT_EQ(t.rows().tenants[1].priority, 3u);
  const auto* split = t.split(1, *t.find_region("north"), *t.find_model("m"));
  ASSERT_NE(split, nullptr);
  double sum = 0;
  for (const auto& share : split->splits) sum += share.fraction;
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(RoutingTable, LegsHaveRoundTripJurisdictionsAndCost) {
  const Made made = make(kTableGrid);
  const auto& s = made.snapshot;
  const auto north = s.regions.find("north").value;
  const auto& leg = made.table->leg(north, s.sites.find("c").value);
  EXPECT_TRUE(leg.reachable);
  EXPECT_DOUBLE_EQ(leg.round_trip.value(), 2 * (1000 + 2000 + 3000));
  EXPECT_EQ(leg.jurisdictions, s.jurisdiction_of(s.sites.find("a")) | s.jurisdiction_of(s.sites.find("b")));
  EXPECT_NEAR(leg.euros_per_byte, 0.01e-9, 1e-20);
  EXPECT_FALSE(made.table->leg(s.regions.find("lonely").value, s.sites.find("c").value).reachable);
  // The cut of a link reaches the table with the same plan.
  const auto cut = drawn_grid(kTableGrid + "a-c 1ms 1G\n");
  const auto after = make_routing_table(cut, made.plan, {});
  EXPECT_DOUBLE_EQ(after->leg(north, cut.sites.find("c").value).round_trip.value(), 2 * (1000 + 1000));
}

TEST(RoutingTable, TargetsKnowTheirEngineAndState) {
  const Made made = make(kTableGrid);
  const auto& real = target(made, "pc");
  EXPECT_EQ(real.host, "10.0.0.7");
  EXPECT_EQ(real.port, 9000);
  EXPECT_EQ(real.base_path, "/engine");
  EXPECT_FALSE(real.emulated);
  EXPECT_TRUE(real.up);
  EXPECT_EQ(real.concurrency_max, real.replicas * made.plan.deployments(made.plan.deployments_size() - 1).batch());
  const auto dark = make_routing_table(drawn_grid(kTableGrid + "site c DE down"), made.plan, {});
  for (const auto& t : dark->targets()) EXPECT_EQ(t.up, t.pool != "pc");
  const Made emulated = make(kTableGrid + "pin m pb 1\n");
  EXPECT_EQ(target(emulated, "pb").base_path, "/e/pools/pb");
  EXPECT_EQ(target(emulated, "pb").port, 8090);
  EXPECT_TRUE(target(emulated, "pb").emulated);
}

TEST(RoutingTable, AnEngineUrlThatIsNoneIsDown) {
  for (const std::string_view url :
       {"https://x", "http://", "http://h:0", "http://h:99999", "http://h:8x", "http://[::1", "x"}) {
    auto rows = drawn_rows(kTableGrid);
    const auto p = plan(grid::make_snapshot(rows, 1), nullptr, "p", 1, {0}, {});
    rows.pools[1].engine_url = url;
    const auto table = make_routing_table(grid::make_snapshot(rows, 1), p, {});
    for (const auto& t : table->targets()) EXPECT_EQ(t.up, t.pool != "pc") << url;
  }
  auto rows = drawn_rows(kTableGrid);
  rows.pools[1].engine_url = "http://[::1]:81";
  const auto table = make_routing_table(grid::make_snapshot(rows, 1),
                                        plan(grid::make_snapshot(rows, 1), nullptr, "p", 1, {0}, {}), {});
  for (const auto& t : table->targets()) {
    if (t.pool != "pc") continue;
    EXPECT_EQ(t.host, "::1");
    EXPECT_EQ(t.port, 81);
  }
}

TEST(RoutingTable, CarriesFallbacksTrialsAndWhatEnginesKeep) {
  const Made made = make(kTableGrid);
  auto rows = drawn_rows(kTableGrid);
  for (const char* id : {"n", "o"}) {
    rows.models.push_back(rows.models[0]);
    rows.models.back().id = id;
    rows.models.back().aliases.clear();
  }
  rows.models[0].fallback = "n";
  rows.models[1].fallback = "o";
  rows.tenants[1].fallbacks = true;
  rows.tenants[1].hedge_quantile = 0.9;
  rows.trials.push_back({"t", "", grid::TrialMode::canary, grid::ModelIndex(0), {}, grid::SiteIndex(1), 0.25});
  rows.trials.push_back({"off", "", grid::TrialMode::shadow, grid::ModelIndex(0), grid::ModelIndex(1), {}, 0});
  const auto table_of = [&] { return make_routing_table(grid::make_snapshot(rows, 1), made.plan, {}); };
  const auto table = table_of();
  EXPECT_EQ(table->traits(0).fallback, 1u);
  EXPECT_EQ(table->traits(1).fallback, 2u);
  EXPECT_EQ(table->traits(0).context_tokens, rows.models[0].context_tokens);
  EXPECT_TRUE(table->rows().tenants[1].fallbacks);
  EXPECT_FALSE(table->rows().tenants[0].fallbacks);
  EXPECT_EQ(table->rows().tenants[1].hedge_quantile, 0.9);
  ASSERT_EQ(table->rows().trials.size(), 1u) << "a trial of nothing is none";
  EXPECT_EQ(table->rows().trials[0].to_model, 0u);
  EXPECT_EQ(table->rows().trials[0].to_site, 1u);
  for (const auto& target : table->targets()) EXPECT_GT(target.kv_tokens, 0) << target.deployment;
  rows.models[2].fallback = "m";  // as facts may say, one after the other
  const auto circle = table_of();
  EXPECT_FALSE(circle->traits(0).fallback) << "it would close the circle";
  EXPECT_EQ(circle->traits(1).fallback, 2u);
}

TEST(RoutingTable, SaysWhatThePlanTurnsAwayAndWhatTokensDraw) {
  Made made = make(kTableGrid);
  auto rows = drawn_rows(kTableGrid);
  rows.policy.admission_by_plan = true;
  rows.tenants[1].limits = {.requests_per_minute = 9, .tokens_per_minute = 8, .budget_per_month = Euros(7)};
  for (grid::Site& site : rows.sites) site.carbon = GramsPerKilowattHour(360);
  ASSERT_EQ(made.plan.demands_size(), 1);
  made.plan.mutable_demands(0)->set_rejected(0.25);
  for (auto& split : *made.plan.mutable_demands(0)->mutable_splits()) split.set_fraction(split.fraction() * 0.75);
  made.snapshot = grid::make_snapshot(rows, 1);
  made.table = make_routing_table(made.snapshot, made.plan, {});
  const auto& t = *made.table;
  EXPECT_TRUE(t.rows().admission_by_plan);
  EXPECT_DOUBLE_EQ(t.split(1, *t.find_region("north"), *t.find_model("m"))->turned_away, 0.25);
  EXPECT_EQ(t.rows().tenants[1].limits, rows.tenants[1].limits);
  for (const auto& each : t.targets()) {
    EXPECT_DOUBLE_EQ(each.carbon_g_per_joule, 360 / 3.6e6);
    EXPECT_GT(each.joules_per_prompt_token, 0);
    EXPECT_LT(each.joules_per_prompt_token, each.joules_per_output_token);
  }
}

TEST(RoutingTable, TokenPricesAddUpToTheDeploymentsCost) {
  const Made made = make(kTableGrid);
  for (const v1::PlannedDeployment& row : made.plan.deployments()) {
    if (row.utilization() < 0.1) continue;
    const auto& t = target(made, row.pool());
    const auto& demand = made.snapshot.demands[size_t{0}];
    // Work alone is priced: the fixed part of a prefill is not per token, so a little less than all comes back.
    const double eur =
        demand.rate_per_s * 3600 *
        (demand.prompt_tokens * t.euros_per_prompt_token + demand.output_tokens * t.euros_per_output_token);
    EXPECT_LE(eur, row.cost_eur_per_hour() * 1.001);
    EXPECT_GT(eur, row.cost_eur_per_hour() * 0.8);
  }
}

TEST(PlanJson, HasWhatThePagesRead) {
  const Made made = make(kTableGrid);
  const Json json = plan_to_json(made.plan, made.snapshot);
  EXPECT_EQ(json["plan_id"].text(), "plan-7");
  EXPECT_GE(json["gap"].number(), 0);
  EXPECT_LE(json["gap"].number(), 1);
  const Json& demand = json["demands"].array().at(0);
  EXPECT_EQ(demand["tenant"].text(), "all");
  EXPECT_EQ(demand["splits"].array().at(0)["site"].text().size(), 1u);
  EXPECT_GT(demand["ttft_promise_ms"].number(), demand["ttft_ms"].number());
  EXPECT_EQ(demand["alternatives"].array().at(0)["ruled_out_by"].text(), "cost");
  EXPECT_GT(demand["alternatives"].array().at(0)["cost_eur_per_hour"].number(), 0);
  EXPECT_EQ(json["deployments"].array().at(0)["accelerator"].text(), "gpu");
  EXPECT_TRUE(parse_json(to_json(json)).has_value());
  EXPECT_EQ(json["deployments"].array().at(0)["cold_start_s"]["transfer"].number(), 0);
  EXPECT_GT(json["deployments"].array().at(0)["cold_start_s"]["load"].number(), 0);
  EXPECT_TRUE(plan_to_json(made.plan, drawn_grid(""))["demands"].is_array()) << "a plan outlives its rows";
}

TEST(PlanTotals, AreTheSumsOfItsRows) {
  Made made = make(kTableGrid);
  for (auto& demand : *made.plan.mutable_demands()) demand.set_rejected(0);
  const double before = totals_of(made.snapshot, made.plan).output_tokens_per_s;
  made.plan.mutable_demands(0)->set_rejected(0.5);
  const grid::Demand& turned_away = made.snapshot.demands[made.snapshot.demands.find(made.plan.demands(0).demand())];
  made.plan.set_cost_eur_per_hour(10'000);
  const Totals totals = totals_of(made.snapshot, made.plan);
  EXPECT_NEAR(totals.output_tokens_per_s, before - turned_away.rate_per_s * turned_away.output_tokens / 2, 1e-9);
  EXPECT_DOUBLE_EQ(totals.penalties_eur_per_hour,
                   turned_away.rate_per_s * 1800 * made.snapshot.policy.rejection_penalty.value());
  double deployments = 0;
  for (const v1::PlannedDeployment& row : made.plan.deployments()) deployments += row.cost_eur_per_hour();
  EXPECT_NEAR(totals.accelerators_eur_per_hour + totals.energy_eur_per_hour, deployments, 1e-9);
  EXPECT_NEAR(totals.transport_eur_per_hour,
              10'000 - deployments - totals.penalties_eur_per_hour - totals.moves_eur_per_hour, 1e-9);
  EXPECT_DOUBLE_EQ(totals.joules_per_token() * totals.output_tokens_per_s, totals.power_kw * 1e3);
  EXPECT_EQ(Totals{}.eur_per_million_tokens(), 0);
}

TEST(RoutingTableOfPlan, WhoTakesAFlexAlgorithmIsLedOverItsPaths) {
  const auto s = test_support::drawn_grid(R"(
    a-b 2ms 10G cost=0.01
    b-t 2ms 10G cost=0.01
    a-t 1ms 10G admin=submarine
    site b DE
    algo 128 igp exclude=submarine
    region west a
    accelerator gpu 80GB price=2
    model m 16GB
    model k 16GB
    profile m gpu 32:20ms/600W kv=40GB prefill=20000
    pool pt t gpu 8
    tenant any *
    demand d any west m 1/s flex=128
  )");
  const v1::Plan p = plan(s, nullptr, "p", 1, {}, {});
  const auto table = make_routing_table(s, p, {});
  const uint32_t site = s.sites.find("t").value, m = s.models.find("m").value, k = s.models.find("k").value;
  EXPECT_EQ(table->paths_of(0, 0, m), 1u);
  EXPECT_EQ(table->paths_of(0, 0, k), 0u) << "what the plan does not know of takes the tenant's";
  EXPECT_DOUBLE_EQ(table->leg(0, site, 0).round_trip.value(), 2000);
  EXPECT_DOUBLE_EQ(table->leg(0, site, 1).round_trip.value(), 8000);
  EXPECT_EQ(table->leg(0, site, 1).jurisdictions.bits, 0b11u);
  routing::RequestFacts facts;
  facts.model = m;
  facts.paths = 1;
  const std::vector<routing::TargetLive> live(1);
  const routing::Decision decision = routing::decide(*table, facts, live, {}, 0.5);
  EXPECT_EQ(decision.reason, routing::Reason::plan_split);
  EXPECT_DOUBLE_EQ(decision.predicted_ttft.value(), 8000);
  facts.allowed = s.jurisdiction_of(s.sites.find("a"));
  EXPECT_EQ(routing::decide(*table, facts, live, {}, 0.5).blocking, routing::Gate::path_residency);
  facts.paths = 0;
  EXPECT_EQ(routing::decide(*table, facts, live, {}, 0.5).reason, routing::Reason::plan_split);
}

}  // namespace
}  // namespace tandem::planner
