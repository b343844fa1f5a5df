#include "replay/replay.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "replay/event_heap.h"
#include "replay/placement.h"
#include "replay/simulation.h"
#include "replay/workload.h"
#include "support/drawn_grid.h"

namespace tandem::replay {
namespace {

using test_support::drawn_grid;

// Two sites; the edge is near and small, the centre far and large.
constexpr std::string_view kTwoSites = R"(
  edge-core 5ms 10G cost=0.01
  site edge DE price=0.2
  site core DE price=0.2
  region north edge access=1ms backhaul=0ms
  accelerator gpu 80GB idle=100W peak=700W price=2
  pool near edge gpu 2
  pool far core gpu 8
  model m 16GB kv=131072 context=8192
  profile m gpu 1:10ms/300W 8:20ms/600W prefill=20000 overhead=5ms kv=40GB
  tenant acme DE
  demand d acme north m 4/s in=400 out=100 up=1000 down=20000 ttft=800ms tpot=60ms
)";

Options short_run(Policy policy) {
  Options options;
  options.policy = policy;
  options.workload.duration_s = 300;
  options.plan_work = 200;
  return options;
}

TEST(ReplayEvents, ComeInOrder) {
  Random random(1);
  EventHeap heap;
  std::vector<SimulatedEvent> all;
  for (uint32_t i = 0; i < 5'000; ++i) {
    const SimulatedEvent event{static_cast<int64_t>(random.below(1'000)), static_cast<uint32_t>(random.below(3)), i};
    heap.push(event);
    all.push_back(event);
    if (random.chance(0.3)) {  // takes the least of those there
      const auto least = std::min_element(all.begin(), all.end());
      EXPECT_EQ(heap.top().slot, least->slot);
      heap.pop();
      all.erase(least);
    }
  }
  std::sort(all.begin(), all.end());
  for (const SimulatedEvent& event : all) {
    ASSERT_EQ(heap.top().slot, event.slot);
    heap.pop();
  }
  EXPECT_TRUE(heap.empty());
}

TEST(ReplayWorkload, DrawsInProportionAndNeverWhatWeighsNothing) {
  const WeightedDraw draw({1, 0, 5, 0.25, 0});
  Random random(3);
  std::vector<double> counts(5, 0);
  constexpr int kDraws = 400'000;
  for (int i = 0; i < kDraws; ++i) ++counts[draw.draw(random)];
  EXPECT_EQ(counts[1], 0);
  EXPECT_EQ(counts[4], 0);
  EXPECT_NEAR(counts[0] / kDraws, 1 / 6.25, 0.003);
  EXPECT_NEAR(counts[2] / kDraws, 5 / 6.25, 0.003);
  EXPECT_NEAR(counts[3] / kDraws, 0.25 / 6.25, 0.002);
}

TEST(ReplayWorkload, ATraceKeepsItsShapeAtTheDemandsRateAndMeans) {
  ingest::Trace trace;
  for (int i = 0; i < 100; ++i)  // bursts of ten
    trace.requests.push_back({milliseconds(100 * (i / 10) + i % 10), i % 2 == 0 ? 100u : 300u, 50, {}});
  const grid::Snapshot grid = drawn_grid(kTwoSites);
  Workload workload;
  workload.trace = &trace;
  workload.duration_s = 1'000;
  Arrivals arrivals(grid, workload, 1);
  Arrival arrival;
  double prompts = 0, outputs = 0, count = 0;
  int64_t last = 0;
  while (arrivals.next(arrival)) {
    EXPECT_GE(arrival.at_ns, last);
    last = arrival.at_ns;
    prompts += arrival.prompt_tokens;
    outputs += arrival.output_tokens;
    ++count;
  }
  EXPECT_NEAR(count / 1'000, 4, 0.15);
  EXPECT_NEAR(prompts / count, 400, 4);
  EXPECT_NEAR(outputs / count, 100, 1);
}

// One replica that serves one request at a time: a queue of one server, its service time the output tokens.
double mean_wait_s(Sizes sizes, double rate_per_s, double duration_s, double* p95_s) {
  const grid::Snapshot grid = drawn_grid(R"(
    a-b 1ms 10G
    region north a access=0ms backhaul=0ms
    accelerator gpu 80GB
    pool p a gpu 1
    model m 16GB kv=1 context=2000000
    profile m gpu 1:1ms prefill=1000000000000 overhead=0ms kv=40GB
    tenant t *
    demand d t north m )" + std::to_string(rate_per_s) +
                                         "/s in=1 out=1001 ttft=3600000ms tpot=3600000ms");
  v1::Plan plan;
  v1::PlannedDeployment* row = plan.add_deployments();
  row->set_id("m@p");
  row->set_pool("p");
  row->set_model("m");
  row->set_profile(grid.profiles[size_t{0}].id);
  row->set_tensor_parallel(1);
  row->set_replicas(1);
  row->set_batch(1);
  v1::DemandPlan* demand = plan.add_demands();
  demand->set_demand("d");
  demand->add_splits()->set_deployment("m@p");
  demand->mutable_splits(0)->set_fraction(1);
  Options options;
  options.policy = Policy::compute_then_network;  // the one that never turns away
  options.workload.sizes = sizes;
  options.workload.duration_s = duration_s;
  options.warm_up_s = 1'000;
  const Report report = replay(grid, plan, options).value();
  EXPECT_EQ(report.all.served, report.all.requests);
  if (p95_s != nullptr) *p95_s = static_cast<double>(report.all.ttft_us.percentile(0.95)) * 1e-6;
  return report.all.ttft_sum_us * 1e-6 / static_cast<double>(report.all.served);
}

// Pollaczek–Khinchine: W = ρ·s·(1 + cv²) / (2·(1 − ρ)) (Kleinrock, Queueing Systems I, §5.6), here with s = 1 s.
TEST(ReplayTheory, OneServerWithExponentialServiceWaitsAsMM1) {
  double p95_s = 0;
  EXPECT_NEAR(mean_wait_s(Sizes::exponential, 0.5, 1'000'000, &p95_s), 1, 0.02);
  EXPECT_NEAR(p95_s, std::log(0.5 / 0.05) / 0.5, 0.02 * 4.6);  // P(W > t) = ρ·e^(−(1−ρ)t)
}

TEST(ReplayTheory, OneServerWithFixedServiceWaitsAsMD1) {
  EXPECT_NEAR(mean_wait_s(Sizes::fixed, 0.5, 1'000'000, nullptr), 0.5, 0.01);
}

TEST(ReplayTheorySoak, BusyServersWaitAsTheoryHasIt) {
  EXPECT_NEAR(mean_wait_s(Sizes::exponential, 0.8, 6'000'000, nullptr), 4, 0.08);
  EXPECT_NEAR(mean_wait_s(Sizes::fixed, 0.8, 6'000'000, nullptr), 2, 0.04);
}

TEST(Replay, AloneARequestTakesItsRoundTripAndItsPrefill) {
  grid::Snapshot grid = drawn_grid(std::string(kTwoSites) + "pin m near 1\n");
  Options options = short_run(Policy::nearest);
  options.workload.sizes = Sizes::fixed;
  options.workload.rate_factor = 0.002;  // one in two minutes
  options.workload.duration_s = 20'000;
  const Report report = replay(grid, options).value();
  ASSERT_GT(report.all.served, 50u);
  EXPECT_EQ(report.all.good, report.all.requests);
  EXPECT_NEAR(report.all.ttft_sum_us / static_cast<double>(report.all.served), 2'000 + 5'000 + 20'000, 1);
  EXPECT_NEAR(static_cast<double>(report.all.tpot_us.percentile(0.5)), 10'000, 160);  // a histogram's bucket
}

TEST(Replay, EveryRequestIsAccountedFor) {
  const grid::Snapshot grid = drawn_grid(kTwoSites);
  for (const Policy policy : all_policies()) {
    SCOPED_TRACE(to_string(policy));
    Options options = short_run(policy);
    options.workload.rate_factor = 20;  // more than there is room for
    const Report report = replay(grid, options).value();
    uint64_t rejected = 0;
    for (const auto& [why, count] : report.rejected) rejected += count;
    EXPECT_EQ(report.all.requests, report.all.served + rejected + report.unfinished);
    EXPECT_LE(report.all.good, report.all.served);
    uint64_t by_tenant = 0;
    for (const auto& [tenant, tally] : report.tenants) by_tenant += tally.requests;
    EXPECT_EQ(by_tenant, report.all.requests);
    EXPECT_EQ(report.residency_violations, 0u);
    EXPECT_GT(report.eur_per_hour(), 0);
    EXPECT_NEAR(report.measured_s, 270, 1);
    if (policy == Policy::tandem) {
      ASSERT_EQ(report.refuted.size(), report.planned_kept) << "what a plan kept of a twentieth of these";
      EXPECT_LT(report.refuted[0].in_time, report.refuted[0].requests);
    }
  }
}

// Whatever is asked beyond what promises bear is turned away, and the rest has what it was promised: of one replica a
// site, whose line is bounded by how far apart places become free, and of several.
TEST(Replay, UnderOverloadWhatIsServedIsServedInTime) {
  for (const std::string_view rate : {"4/s", "20/s"}) {
    SCOPED_TRACE(rate);
    std::string drawn(kTwoSites);
    drawn.replace(drawn.find("4/s"), 3, rate);
    const grid::Snapshot grid = drawn_grid(drawn);
    const auto run = [&](Policy policy, double factor) {
      Options options = short_run(policy);
      options.workload.rate_factor = factor;
      return replay(grid, options).value();
    };
    const auto in_time = [](const Report& report) {
      return static_cast<double>(report.all.good) / static_cast<double>(report.all.served);
    };
    const Report planned = run(Policy::tandem, 1);
    EXPECT_GT(in_time(planned), 0.95);
    const double carried = planned.goodput();
    for (const double factor : {1.5, 3.0, 10.0}) {
      const Report report = run(Policy::tandem, factor);
      EXPECT_GT(in_time(report), 0.9) << factor;
      EXPECT_GT(report.goodput(), 0.85 * carried / factor) << factor;
      EXPECT_GT(report.rejected.at("capacity"), 0u);
    }
    EXPECT_GT(run(Policy::tandem, 10).goodput(), run(Policy::least_load, 10).goodput() + 0.05);
  }
}

// Two equal sites, and forty-one conversations of five turns, each of which begins with all that was said before.
constexpr std::string_view kTwins = R"(
  west-east 1ms 10G
  site west DE price=0.2
  site east DE price=0.2
  region north west access=1ms backhaul=0ms
  accelerator gpu 80GB idle=100W peak=700W price=2
  pool w west gpu 1
  pool e east gpu 1
  model m 16GB kv=131072 context=32768
  profile m gpu 1:10ms/300W 8:12ms/600W prefill=10000 overhead=5ms kv=40GB
  tenant acme DE
  demand d acme north m 1.5/s in=6000 out=50 up=1000 down=20000 ttft=9000ms tpot=90ms
  pin m w 1
  pin m e 1
)";

ingest::Trace conversations() {
  ingest::Trace trace;
  trace.block_tokens = 512;
  for (int turn = 0; turn < 5; ++turn)
    for (uint64_t of = 0; of < 41; ++of) {
      ingest::TraceRequest request{milliseconds(27'060 * turn + 660 * static_cast<int64_t>(of)), 0, 50, {}};
      for (uint64_t block = 0; block < 6 + static_cast<uint64_t>(turn); ++block)
        request.prefix_blocks.push_back(of * 1'000 + block);
      request.prompt_tokens = 512 * static_cast<uint32_t>(request.prefix_blocks.size());
      trace.requests.push_back(std::move(request));
    }
  return trace;
}

TEST(Replay, TheGatewaysDecisionFindsWhatEnginesHoldWhereTurnsDoNot) {
  const grid::Snapshot grid = drawn_grid(kTwins);
  const ingest::Trace trace = conversations();
  Options options = short_run(Policy::tandem);
  options.workload.trace = &trace;
  options.workload.duration_s = 130;
  const auto reports = compare(grid, options, {Policy::tandem, Policy::round_robin, Policy::prefix_hash});
  ASSERT_TRUE(reports);
  const auto hit = [&](size_t i) {
    const Report& report = (*reports)[i];
    return static_cast<double>(report.cached_tokens) / (static_cast<double>(report.simulated) * 6'000);
  };
  EXPECT_GT(hit(0), 0.68);
  EXPECT_GT(hit(2), 0.6);
  EXPECT_LT(hit(1), hit(0) - 0.05);
  EXPECT_LT((*reports)[0].all.ttft_us.percentile(0.5), (*reports)[1].all.ttft_us.percentile(0.5));
  options.workload.trace = nullptr;
  EXPECT_EQ(compare(grid, options, {Policy::prefix_hash}).value()[0].cached_tokens, 0u);
}

TEST(ReplayWorkload, WhoGoesOnWithAPromptIsOfTheSameDemand) {
  const grid::Snapshot grid = drawn_grid(std::string(kTwins) + R"(  region south east access=1ms backhaul=0ms
  demand e acme south m 1.5/s in=6000 out=50 ttft=9000ms tpot=90ms
)");
  const ingest::Trace trace = conversations();
  Workload workload;
  workload.trace = &trace;
  Arrivals arrivals(grid, workload, 1);
  std::map<uint64_t, std::set<uint32_t>> demands;
  std::set<uint32_t> all;
  for (Arrival arrival; arrivals.next(arrival);) {
    demands[arrival.prefix_blocks.front()].insert(arrival.demand);
    all.insert(arrival.demand);
  }
  EXPECT_EQ(all.size(), 2u);
  EXPECT_EQ(demands.size(), 41u);
  for (const auto& [conversation, of] : demands) EXPECT_EQ(of.size(), 1u) << conversation;
}

TEST(Replay, ChanceOfAtMostIsTheBinomialsTail) {
  EXPECT_NEAR(chance_of_at_most(1, 3, 0.5), 0.5, 1e-12);
  EXPECT_NEAR(chance_of_at_most(0, 10, 0.9), 1e-10, 1e-20);
  EXPECT_NEAR(chance_of_at_most(9, 10, 0.9), 1 - std::pow(0.9, 10), 1e-9);
  EXPECT_DOUBLE_EQ(chance_of_at_most(7, 7, 0.99), 1);
  EXPECT_NEAR(chance_of_at_most(95'000, 100'000, 0.95), 0.5, 0.01);
  EXPECT_LT(chance_of_at_most(94'700, 100'000, 0.95), 1e-4);
}

TEST(Replay, TheSameSeedGivesTheSameBytes) {
  const grid::Snapshot grid = drawn_grid(kTwoSites);
  for (const Policy policy : {Policy::tandem, Policy::nearest, Policy::round_robin}) {
    const Options options = short_run(policy);
    const std::string first = to_json(to_json_report(replay(grid, options).value()));
    EXPECT_EQ(first, to_json(to_json_report(replay(grid, options).value())));
    Options other = options;
    other.seed = 2;
    EXPECT_NE(first, to_json(to_json_report(replay(grid, other).value())));
  }
}

TEST(Replay, PoliciesSeeTheSameRequests) {
  const auto reports = compare(drawn_grid(kTwoSites), short_run(Policy::tandem), all_policies()).value();
  ASSERT_EQ(reports.size(), all_policies().size());
  for (const Report& report : reports) EXPECT_EQ(report.all.requests, reports.front().all.requests);
  EXPECT_EQ(reports.front().moves, 0u);
}

TEST(Replay, AnIdleReplicaDrawsItsIdlePower) {
  const grid::Snapshot grid = drawn_grid(kTwoSites);
  Options options = short_run(Policy::nearest);
  options.workload.rate_factor = 1e-4;
  options.workload.duration_s = 36'000;
  options.warm_up_s = 0;
  const Report report = replay(grid, options).value();
  const double expected_kwh = report.replicas * 0.1 * report.measured_s / 3600;
  EXPECT_NEAR(report.energy_kwh, expected_kwh, expected_kwh * 0.02);
  EXPECT_NEAR(report.accelerators_eur_per_hour, 2.0 * report.accelerators, 1e-9);
}

// North's map neighbour is "close", but its traffic surfaces at the anchor far away, next to "hub".
TEST(ReplayPlacement, NearestIsByAnchorAndSpillsWhereThereIsNoRoom) {
  const grid::Snapshot grid = drawn_grid(R"(
    close-hub 20ms 10G
    region north hub access=1ms backhaul=8ms
    accelerator gpu 80GB
    pool p-close close gpu 4
    pool p-hub hub gpu 1
    model m 16GB
    profile m gpu 1:10ms 8:20ms prefill=20000 kv=40GB
    tenant t *
    demand small t north m 0.5/s in=400 out=100 ttft=900ms tpot=60ms
    demand large t north m 9/s in=400 out=100 ttft=900ms tpot=60ms priority=5
  )");
  const v1::Plan plan = nearest_placement(grid);
  std::map<std::string, uint32_t> replicas;
  for (const auto& row : plan.deployments()) replicas[row.pool()] += row.replicas();
  EXPECT_EQ(replicas["p-hub"], 1u);
  EXPECT_GE(replicas["p-close"], 1u);
  EXPECT_EQ(plan.demands(0).demand(), "large");  // the important one first
  EXPECT_EQ(plan.demands(0).splits(0).deployment().find("m@p-hub"), 0u);
}

TEST(ReplayPlacement, NearestStaysWithinResidencyAndPower) {
  const grid::Snapshot grid = drawn_grid(R"(
    a-b 1ms 10G
    b-c 1ms 10G
    site a US
    site b DE power=1.5kW
    site c DE
    region north a
    accelerator gpu 80GB idle=100W peak=700W price=2
    pool pa a gpu 8
    pool pb b gpu 8
    pool pc c gpu 8
    model m 16GB
    profile m gpu 8:20ms prefill=20000 kv=40GB
    tenant t DE
    demand d t north m 20/s in=400 out=100 ttft=900ms tpot=60ms
  )");
  std::map<std::string, uint32_t> replicas;
  const v1::Plan plan = nearest_placement(grid);
  for (const auto& row : plan.deployments()) replicas[row.pool()] += row.replicas();
  EXPECT_FALSE(replicas.contains("pa"));
  EXPECT_EQ(replicas["pb"], 2u);  // 1.4 kW
  EXPECT_GE(replicas["pc"], 1u);
}

TEST(ReplayPlacement, CentraliseUsesNoEdgeAndTheFlatNetworkCostsNothing) {
  grid::Rows rows = test_support::drawn_rows(kTwoSites);
  for (grid::Site& site : rows.sites) site.tier = site.id == "edge" ? grid::Tier::far_edge : grid::Tier::core;
  const grid::Snapshot grid = grid::make_snapshot(std::move(rows), 0);
  const v1::Plan plan = placement(grid, Policy::centralise, 1, 100);
  EXPECT_GT(plan.deployments_size(), 0);
  for (const auto& row : plan.deployments()) EXPECT_EQ(row.pool(), "far");
  const grid::Snapshot flat = without_network(grid);
  for (const grid::Link& link : flat.links) EXPECT_EQ(link.delay.value() + link.cost.value(), 0);
  EXPECT_EQ(flat.regions[size_t{0}].anchors[0].access_delay.value(), 0);
  EXPECT_GT(grid.links[size_t{0}].delay.value(), 0);
}

// A plan that ignores the network sends what must be quick across the sea where that is cheapest, and misses.
TEST(Replay, ComputeThenNetworkMissesWhatTheNetworkMakesLate) {
  const grid::Snapshot grid = drawn_grid(R"(
    edge-cloud 60ms 100G
    region north edge access=1ms backhaul=0ms
    accelerator gpu 80GB idle=100W peak=700W price=2
    accelerator thrifty 80GB idle=100W peak=700W price=1
    pool near edge gpu 4
    pool away cloud thrifty 4
    model m 16GB
    profile m gpu 8:20ms/600W prefill=20000 overhead=5ms kv=40GB
    profile m thrifty 8:20ms/600W prefill=20000 overhead=5ms kv=40GB
    tenant t *
    demand d t north m 4/s in=400 out=100 ttft=110ms tpot=60ms
  )");
  const auto reports = compare(grid, short_run(Policy::tandem), {Policy::tandem, Policy::compute_then_network}).value();
  EXPECT_GT(reports[0].goodput(), 0.9);
  EXPECT_EQ(reports[1].goodput(), 0);
  EXPECT_GT(reports[1].moves, 0u);
  EXPECT_NE(verdict(reports).find("tandem is best"), std::string::npos);
}

TEST(Replay, VerdictSaysWhereCentralisingWins) {
  Report tandem, centralise;
  tandem.policy = Policy::tandem;
  centralise.policy = Policy::centralise;
  for (Report* report : {&tandem, &centralise}) {
    report->all.requests = report->all.served = report->all.good = 1'000;
    report->measured_s = 3'600;
    report->good_output_tokens = 1'000'000;
    report->accelerators = 10;
  }
  tandem.accelerators_eur_per_hour = 10;
  centralise.accelerators_eur_per_hour = 8;
  EXPECT_NE(verdict({tandem, centralise}).find("centralising wins"), std::string::npos);
  centralise.all.good = 900;
  EXPECT_EQ(verdict({tandem, centralise}).find("centralising wins"), std::string::npos);
}

TEST(Replay, StopsWhenAskedTo) {
  std::stop_source source;
  source.request_stop();
  Options options = short_run(Policy::nearest);
  options.stop = source.get_token();
  const auto report = replay(drawn_grid(kTwoSites), options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::unavailable);
}

TEST(Replay, TellsHowFarItIs) {
  Options options = short_run(Policy::tandem);
  std::vector<Policy> planned;
  std::map<Policy, double> simulated;
  options.progress = [&](const Progress& at) {
    if (!at.simulated) return planned.push_back(at.policy);
    EXPECT_GE(*at.simulated, simulated[at.policy]);
    EXPECT_LE(*at.simulated, 1);
    simulated[at.policy] = *at.simulated;
  };
  ASSERT_TRUE(compare(drawn_grid(kTwoSites), options, {Policy::tandem, Policy::nearest, Policy::least_load}));
  EXPECT_EQ(planned, (std::vector{Policy::tandem, Policy::nearest})) << "the rest share the joint plan";
  EXPECT_EQ(simulated.size(), 3u);
}

TEST(Replay, NamesItsPolicies) {
  for (const Policy policy : all_policies()) EXPECT_EQ(policy_named(to_string(policy)), policy);
  EXPECT_FALSE(policy_named("best"));
}

TEST(Replay, RefusesWhatItCannotRun) {
  const grid::Snapshot grid = drawn_grid(kTwoSites);
  const auto code = [&](auto change) {
    Options options;
    change(options);
    const auto report = replay(grid, options);
    return report ? std::optional<ErrorCode>() : report.error().code;
  };
  EXPECT_EQ(code([](Options& o) { o.workload.duration_s = 0; }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](Options& o) { o.workload.rate_factor = -1; }), ErrorCode::invalid_argument);
  EXPECT_EQ(code([](Options& o) { o.warm_up_s = 600; }), ErrorCode::invalid_argument);
  const ingest::Trace empty;
  EXPECT_EQ(code([&](Options& o) { o.workload.trace = &empty; }), ErrorCode::invalid_argument);
  const auto silent = replay(drawn_grid("a-b 1ms 1G\nregion north a\n"), Options{});
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace tandem::replay
