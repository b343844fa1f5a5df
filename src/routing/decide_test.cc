#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "base/random.h"
#include "routing/drawn_table.h"
#include "routing/routing.h"

namespace {
thread_local uint64_t allocations = 0;
}
// Weak: where a sanitizer brings its own, those stand, and nothing is counted.
[[gnu::weak]] void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::weak]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace tandem::routing {
namespace {

// Berlin is near and dear, Paris a little further and cheap, Iowa far and cheapest.
constexpr std::string_view kWorld = R"(
  jurisdiction DE FR US NL
  region north
  region island
  site ber DE
  site par FR
  site iad US
  model small
  model rare
  tenant acme
  tenant strict residency=DE,FR
  tenant few models=rare
  target ber-small ber small concurrency=4 prefill=10000 overhead=5 tpot=20 prompt_cost=3 output_cost=9
  target par-small par small concurrency=4 prefill=10000 overhead=5 tpot=30 prompt_cost=2 output_cost=6
  target iad-small iad small concurrency=4 prefill=10000 overhead=5 tpot=10 prompt_cost=1 output_cost=3
  leg north ber rtt=2
  leg north par rtt=20 via=NL
  leg north iad rtt=90 via=NL
)";
enum : uint32_t { kBer, kPar, kIad };

struct World {
  explicit World(std::string_view more = "") : table(draw_table(std::string(kWorld) + std::string(more))) {
    live.resize(table.targets().size());
    request.prompt_tokens = 1'000;  // 100 ms of prefill
    request.output_tokens = 100;
  }
  Decision decide(double draw = 0) const { return routing::decide(table, request, live, excluded, draw); }
  std::vector<CandidateVerdict> explain() const { return routing::explain(table, request, live, excluded, 0); }
  Gate gate_of(uint32_t target) const {
    for (const CandidateVerdict& verdict : explain())
      if (verdict.target == target) return verdict.gate;
    return Gate::model;
  }
  RoutingTable table;
  RequestFacts request;
  std::vector<TargetLive> live;
  std::vector<uint32_t> excluded;
};

TEST(Decide, TakesTheCheapestThatKeepsThePromise) {
  World world;
  EXPECT_EQ(world.decide().target, kIad);
  EXPECT_EQ(world.decide().reason, Reason::cheapest);
  EXPECT_DOUBLE_EQ(world.decide().predicted_ttft.value(), 90'000 + 5'000 + 100'000);
  world.request.ttft = Milliseconds(150);
  EXPECT_EQ(world.decide().target, kPar);
  EXPECT_EQ(world.gate_of(kIad), Gate::promise_ttft);
  world.request.tpot = Milliseconds(25);
  EXPECT_EQ(world.decide().target, kBer);
  EXPECT_EQ(world.gate_of(kPar), Gate::promise_tpot);
}

TEST(Decide, WhatThePlanTurnsAwayIsRefusedWhereTheGridAsksForIt) {
  constexpr const char* kSplit = "  split acme north small ber-small=0.3 par-small=0.2 turned_away=0.5\n";
  World served(kSplit);
  EXPECT_EQ(served.decide(0.99).reason, Reason::plan_split) << "there is room just now";
  World asked(std::string(kSplit) + "  admission_by_plan\n");
  EXPECT_EQ(asked.decide(0.0).target, kBer);
  EXPECT_EQ(asked.decide(0.29).target, kBer);
  EXPECT_EQ(asked.decide(0.31).target, kPar);
  EXPECT_EQ(asked.decide(0.49).target, kPar);
  for (const double draw : {0.5, 0.75, 0.999}) {
    EXPECT_EQ(asked.decide(draw).reason, Reason::rejected);
    EXPECT_EQ(asked.decide(draw).blocking, Gate::plan);
  }
  asked.excluded = {kBer};
  EXPECT_EQ(asked.decide(0.9).target, kPar) << "it was admitted, and an engine failed";
  World none("  split acme north small turned_away=1\n  admission_by_plan\n");
  EXPECT_EQ(none.decide(0.0).blocking, Gate::plan);
  none.request.tenant = 1;  // of whom the plan says nothing
  EXPECT_EQ(none.decide(0.9).reason, Reason::cheapest);
}

TEST(Decide, AShorterQueueAtTheEngineIsFullSooner) {
  World world;
  world.request.allowed.bits = 0b001;  // Berlin alone, four at once
  const auto full_at = [&](double queue) {
    world.request.queue_per_concurrency = queue;
    for (uint32_t n = 0;; ++n) {
      world.live[kBer].in_flight = n;
      if (!world.decide().target) return n;
    }
  };
  EXPECT_EQ(full_at(1), 8u);
  EXPECT_EQ(full_at(0.5), 6u);
  EXPECT_EQ(full_at(0), 5u) << "one is on its way when another ends";
  EXPECT_EQ(world.decide().blocking, Gate::capacity);
}

// One more would break the promises of all that it serves, so the next site takes it, or nobody does.
TEST(Decide, ATargetTakesNoMoreThanItKeepsPromisesWith) {
  World world;
  world.request.allowed.bits = 0b001;  // Berlin alone
  TableRows rows = world.table.rows();
  rows.targets[kBer].in_flight_kept = 3;
  world.table = RoutingTable(rows);
  world.live[kBer].in_flight = 2;
  EXPECT_EQ(world.decide().target, kBer);
  world.live[kBer].in_flight = 3;
  EXPECT_EQ(world.decide().target, kBer) << "nothing was promised";
  world.request.ttft = Milliseconds(500);
  EXPECT_EQ(world.decide().blocking, Gate::capacity);
  EXPECT_EQ(world.gate_of(kBer), Gate::capacity);
  world.request.allowed = grid::JurisdictionSet::all();
  EXPECT_NE(world.decide().target, kBer);
  EXPECT_TRUE(world.decide().target.has_value());
}

TEST(Decide, APromptWaitsForThoseThatAreToBePrefilled) {
  World world;
  world.live[kIad].prefills = 1;
  world.live[kIad].prefill_tokens = 1'000;
  EXPECT_DOUBLE_EQ(world.decide().predicted_ttft.value(), 195'000 + 105'000 / 2.0) << "half done, most likely";
  world.live[kIad].prefills = 2;
  world.live[kIad].prefill_tokens = 2'000;
  EXPECT_DOUBLE_EQ(world.decide().predicted_ttft.value(), 195'000 + 105'000 * 1.5);
  world.request.ttft = Milliseconds(300);
  EXPECT_EQ(world.decide().target, kPar);
  EXPECT_EQ(world.gate_of(kIad), Gate::promise_ttft);
  TableRows rows = world.table.rows();
  rows.targets[kIad].replicas = 3;
  world.table = RoutingTable(rows);
  EXPECT_DOUBLE_EQ(world.decide().predicted_ttft.value(), 195'000) << "one of three replicas prefills nothing";
}

// So prefills do not pile up by chance; without them the plan's fractions are kept.
TEST(Decide, OfTwoSharesDrawnTakesTheOneWithTheShorterWait) {
  World world("  split acme north small ber-small=0.5 par-small=0.5\n");
  const auto to_berlin = [&] {
    int count = 0;
    for (int i = 0; i < 1'000; ++i) count += world.decide((i + 0.5) / 1'000).target == kBer;
    return count;
  };
  EXPECT_EQ(to_berlin(), 500);
  world.live[kBer].prefills = 1;
  world.live[kBer].prefill_tokens = 5'000;
  EXPECT_EQ(to_berlin(), 250) << "where both draws fall on it";
  world.live[kPar].prefills = 2;
  world.live[kPar].prefill_tokens = 10'000;
  EXPECT_EQ(to_berlin(), 750);
  world.request.ttft = Milliseconds(500);
  EXPECT_EQ(to_berlin(), 1'000) << "too late in Paris";
}

TEST(Decide, KnowsTheSoonestFirstToken) {
  World world;
  EXPECT_DOUBLE_EQ(soonest_ttft(world.table, world.request)->value(), 2'000 + 5'000 + 100'000);
  world.live[kBer].in_flight = 100;
  EXPECT_DOUBLE_EQ(soonest_ttft(world.table, world.request)->value(), 2'000 + 5'000 + 100'000);
  world.request.allowed.bits = 0b1110;
  EXPECT_DOUBLE_EQ(soonest_ttft(world.table, world.request)->value(), 20'000 + 5'000 + 100'000);
  world.request.tenant = 2;
  EXPECT_FALSE(soonest_ttft(world.table, world.request));
}

TEST(Decide, TakesTheFastestAndSaysSoWhereNothingKeepsThePromise) {
  World world;
  world.request.ttft = Milliseconds(50);
  EXPECT_EQ(world.decide().target, kBer);
  EXPECT_EQ(world.decide().reason, Reason::promise_at_risk);
  world.live[kBer].healthy = false;
  EXPECT_EQ(world.decide().target, kPar);
  EXPECT_EQ(world.decide().reason, Reason::promise_at_risk);
}

TEST(Decide, OfEqualCostsTheFasterWins) {
  World world(
      "target ber-b ber small prompt_cost=1 output_cost=3\n target par-b par small prompt_cost=1 output_cost=3\n");
  EXPECT_EQ(world.decide().target, 3u);
}

TEST(Decide, ResidencyOfTheSiteAndOfEveryPathIsAGate) {
  World world;
  world.request.allowed = world.table.rows().tenants[1].residency;  // DE, FR: the way to Paris touches NL
  EXPECT_EQ(world.gate_of(kIad), Gate::residency);
  EXPECT_EQ(world.gate_of(kPar), Gate::path_residency);
  EXPECT_EQ(world.decide().target, kBer);
  world.request.allowed = world.request.allowed & grid::JurisdictionSet{0b0010};  // tightened to FR
  EXPECT_EQ(world.decide().target, std::nullopt);
  EXPECT_EQ(world.decide().reason, Reason::rejected);
  EXPECT_EQ(world.decide().blocking, Gate::path_residency);
  world.request.allowed = {};
  EXPECT_EQ(world.decide().blocking, Gate::residency);
}

TEST(Decide, AModelWithoutTargetsOrNotTheTenantsIsRejected) {
  World world;
  world.request.model = 1;
  EXPECT_EQ(world.decide().blocking, Gate::model);
  world.request.model = 0;
  world.request.tenant = 2;
  EXPECT_EQ(world.decide().blocking, Gate::tenant_model);
  EXPECT_EQ(world.gate_of(kBer), Gate::tenant_model);
}

TEST(Decide, NothingIsReachedFromACutOffRegion) {
  World world;
  world.request.region = 1;
  EXPECT_EQ(world.decide().blocking, Gate::unreachable);
  EXPECT_EQ(world.gate_of(kBer), Gate::unreachable);
}

TEST(Decide, DownUnhealthyAndTriedTargetsAreLeftOut) {
  World world("target iad-down iad small down prompt_cost=0 output_cost=0\n");
  EXPECT_EQ(world.gate_of(3), Gate::down);
  world.live[kIad].healthy = false;
  EXPECT_EQ(world.gate_of(kIad), Gate::unhealthy);
  EXPECT_EQ(world.decide().target, kPar);
  world.excluded = {kPar};
  EXPECT_EQ(world.gate_of(kPar), Gate::excluded);
  EXPECT_EQ(world.decide().target, kBer);
  world.excluded = {kPar, kBer};
  EXPECT_EQ(world.decide().target, std::nullopt);
  EXPECT_EQ(world.decide().blocking, Gate::excluded);
}

TEST(Decide, AFullQueueIsAGateAndAQueueIsWaitedFor) {
  World world;
  world.live[kIad].in_flight = 3;
  EXPECT_DOUBLE_EQ(world.decide().predicted_ttft.value(), 195'000);
  world.live[kIad].in_flight = 5;  // two departures at four servers of 105 ms + 100 × 10 ms
  EXPECT_DOUBLE_EQ(world.decide().predicted_ttft.value(), 195'000 + 1'105'000 * 2 / 4.0);
  world.live[kIad].in_flight = 8;
  EXPECT_EQ(world.gate_of(kIad), Gate::capacity);
  EXPECT_EQ(world.decide().target, kPar);
  world.live[kPar].in_flight = 8;
  world.live[kBer].in_flight = 100;
  EXPECT_EQ(world.decide().blocking, Gate::capacity);
}

TEST(Decide, AWaitThatBreaksThePromiseMovesTheRequest) {
  World world;
  world.request.ttft = Milliseconds(500);
  world.live[kIad].in_flight = 5;
  EXPECT_EQ(world.gate_of(kIad), Gate::promise_ttft);
  EXPECT_EQ(world.decide().target, kPar);
}

TEST(Decide, FollowsThePlansSharesInProportion) {
  World world("split acme north small ber-small=0.6 par-small=0.2 iad-small=0.2\n");
  Random random(1);
  std::array<int, 3> counts{};
  for (int i = 0; i < 30'000; ++i) {
    const Decision decision = world.decide(random.uniform());
    ASSERT_EQ(decision.reason, Reason::plan_split);
    ++counts[*decision.target];
  }
  EXPECT_NEAR(counts[kBer], 18'000, 400);
  EXPECT_NEAR(counts[kPar], 6'000, 400);
  EXPECT_NEAR(counts[kIad], 6'000, 400);
  world.live[kBer].healthy = false;  // the open shares keep their proportion
  counts = {};
  for (int i = 0; i < 30'000; ++i) ++counts[*world.decide(random.uniform()).target];
  EXPECT_EQ(counts[kBer], 0);
  EXPECT_NEAR(counts[kPar], 15'000, 400);
}

TEST(Decide, LeavesThePlanWhereNoneOfItsSharesIsOpen) {
  World world("split acme north small ber-small=1\n");
  EXPECT_EQ(world.decide().target, kBer);
  world.live[kBer].in_flight = 8;
  EXPECT_EQ(world.decide().target, kIad);
  EXPECT_EQ(world.decide().reason, Reason::cheapest);
}

// A promise at a quantile lets the longest prompts be late; the plan has counted with them where it sends the rest.
TEST(Decide, WhatItsOwnLengthMakesLateStaysWithThePlan) {
  TableRows rows = World("split acme north small par-small=1\n").table.rows();
  rows.demand_splits.at(0).promise.ttft = Milliseconds(400);
  World world;
  world.table = RoutingTable(std::move(rows));
  world.request.ttft = Milliseconds(400);
  world.request.prompt_tokens = 3'790;  // 20 + 5 + 379 ms at Paris, 2 + 5 + 379 in Berlin
  EXPECT_EQ(world.decide().target, kPar);
  EXPECT_EQ(world.decide().reason, Reason::plan_split);
  EXPECT_EQ(world.gate_of(kPar), Gate::promise_ttft);
  world.request.ttft = Milliseconds(390);  // stricter than the plan was made for
  EXPECT_EQ(world.decide().target, kBer);
  world.request.ttft = Milliseconds(400);
  world.request.prompt_tokens = 1'000;
  world.live[kPar].in_flight = 5;  // late by what waits there, not by itself
  EXPECT_NE(world.decide().target, kPar);
  world.request.prompt_tokens = 3'790;
  world.live[kPar].healthy = false;
  EXPECT_EQ(world.decide().target, kBer);
}

TEST(Decide, ExplainsEveryTargetTheChosenFirst) {
  World world("split acme north small par-small=0.5\n");
  const std::vector<CandidateVerdict> verdicts = world.explain();
  ASSERT_EQ(verdicts.size(), 3u);
  EXPECT_EQ(verdicts[0].target, kPar);
  EXPECT_TRUE(verdicts[0].chosen);
  EXPECT_EQ(verdicts[0].plan_fraction, 0.5);
  EXPECT_DOUBLE_EQ(verdicts[0].euros, (1'000 * 2 + 100 * 6) * 1e-6);
  EXPECT_EQ(verdicts[1].target, kIad);
  EXPECT_EQ(verdicts[2].target, kBer);
}

TEST(Decide, AllocatesNothing) {
  World world("split acme north small ber-small=1\n");
  const auto without_allocation = [&] {
    const uint64_t before = allocations;
    const Decision decision = world.decide(0.5);
    EXPECT_EQ(allocations, before);
    return decision.reason;
  };
  EXPECT_EQ(without_allocation(), Reason::plan_split);
  world.live[kBer].healthy = false;
  EXPECT_EQ(without_allocation(), Reason::cheapest);
  world.request.ttft = Milliseconds(1);
  EXPECT_EQ(without_allocation(), Reason::promise_at_risk);
  world.request.allowed = {};
  EXPECT_EQ(without_allocation(), Reason::rejected);
}

TEST(Decide, EstimatesFourBytesAToken) {
  EXPECT_EQ(estimate_tokens(0), 0);
  EXPECT_EQ(estimate_tokens(1), 1);
  EXPECT_EQ(estimate_tokens(400), 100);
}

// A table of a few sites, models and prices, so that ties and every gate occur.
TableRows random_rows(Random& random) {
  TableRows rows;
  rows.jurisdictions = {"A", "B", "C"};
  const auto name = [](const char* kind, uint64_t i) { return kind + std::to_string(i); };
  const auto set = [&] { return grid::JurisdictionSet{1 + random.below(7)}; };
  for (uint64_t i = 0; i < 1 + random.below(8); ++i) rows.sites.push_back(name("s", i));
  for (uint64_t i = 0; i < 1 + random.below(3); ++i) rows.regions.push_back(name("r", i));
  for (uint64_t i = 0; i < 1 + random.below(3); ++i) rows.models.push_back(name("m", i));
  rows.tenants.resize(2);
  rows.tenants[1].models = {0};
  for (uint64_t i = 0; i < random.below(24); ++i) {
    Target target;
    target.deployment = name("d", i);
    target.site_position = static_cast<uint32_t>(random.below(rows.sites.size()));
    target.model = static_cast<uint32_t>(random.below(rows.models.size()));
    target.jurisdiction = {uint64_t{1} << random.below(3)};
    target.up = random.chance(0.9);
    target.concurrency_max = static_cast<uint32_t>(random.below(5));
    if (random.chance(0.3)) target.in_flight_kept = static_cast<uint32_t>(random.below(6));
    target.prefill_tokens_per_s = 1'000 * static_cast<double>(random.below(4));
    target.prefill_overhead = Milliseconds(static_cast<double>(random.below(3) * 10));
    target.tpot = Milliseconds(static_cast<double>(1 + random.below(4) * 10));
    target.euros_per_prompt_token = static_cast<double>(random.below(4)) * 1e-6;
    target.euros_per_output_token = static_cast<double>(random.below(4)) * 1.1e-6;
    rows.targets.push_back(target);
  }
  for (size_t i = 0; i < rows.sites.size() * rows.regions.size(); ++i)
    rows.legs.push_back({random.chance(0.9), Microseconds(static_cast<double>(random.below(5) * 10'000)),
                         random.chance(0.7) ? grid::JurisdictionSet{} : set(),
                         static_cast<double>(random.below(3)) * 1e-8});
  for (uint32_t tenant = 0; tenant < 2; ++tenant) {
    TableRows::DemandSplit demand{tenant, 0, 0, {}, {}};
    for (uint32_t i = 0; i < rows.targets.size(); ++i)
      if (rows.targets[i].model == 0 && random.chance(0.3)) demand.splits.push_back({i, 1.0 / 32});
    rows.demand_splits.push_back(demand);
  }
  return rows;
}

RequestFacts random_request(const RoutingTable& table, Random& random) {
  RequestFacts request;
  request.tenant = static_cast<uint32_t>(random.below(2));
  request.region = static_cast<uint32_t>(random.below(table.rows().regions.size()));
  request.model = static_cast<uint32_t>(random.below(table.rows().models.size()));
  request.prompt_tokens = static_cast<double>(random.below(2'000));
  request.output_tokens = static_cast<double>(random.below(500));
  request.bytes = request.prompt_tokens * 4;
  if (random.chance(0.5)) request.allowed = {random.below(8)};
  if (random.chance(0.6)) request.ttft = Milliseconds(static_cast<double>(1 + random.below(1'000)));
  if (random.chance(0.4)) request.tpot = Milliseconds(static_cast<double>(1 + random.below(40)));
  return request;
}

// The rule in its plainest words, without order, bounds or shared code.
struct PlainVerdict {
  bool passes_hard_gates = false;
  bool keeps_promise = false;
  double euros = 0;
  double ttft_us = 0;
};

PlainVerdict plain_verdict(const RoutingTable& table, const RequestFacts& request, const TargetLive& live,
                           uint32_t index, const std::vector<uint32_t>& excluded) {
  const Target& target = table.targets()[index];
  const Leg& leg = table.leg(request.region, target.site_position);
  const double rate = target.prefill_tokens_per_s;
  const double prefill = target.prefill_overhead.value() * 1e3 + (rate > 0 ? request.prompt_tokens * 1e6 / rate : 0);
  const uint32_t slots = target.concurrency_max;
  PlainVerdict verdict;
  verdict.ttft_us = leg.round_trip.value() + prefill;
  if (slots > 0 && live.in_flight >= slots)
    verdict.ttft_us +=
        (prefill + request.output_tokens * target.tpot.value() * 1e3) * (live.in_flight - slots + 1) / slots;
  verdict.euros = request.prompt_tokens * target.euros_per_prompt_token +
                  request.output_tokens * target.euros_per_output_token + request.bytes * leg.euros_per_byte;
  const uint64_t touched = target.jurisdiction.bits | leg.jurisdictions.bits;
  const bool promised = request.ttft.value() > 0 || request.tpot.value() > 0;
  const bool would_break = promised && target.in_flight_kept > 0 && live.in_flight >= target.in_flight_kept;
  verdict.passes_hard_gates = target.up && leg.reachable && (touched & ~request.allowed.bits) == 0 && live.healthy &&
                              live.in_flight < 2 * slots && !would_break && std::ranges::count(excluded, index) == 0 &&
                              (request.tenant == 0 || request.model == 0);
  verdict.keeps_promise = (request.ttft.value() == 0 || verdict.ttft_us <= request.ttft.value() * 1e3 * (1 + 1e-12)) &&
                          (request.tpot.value() == 0 || target.tpot <= request.tpot);
  return verdict;
}

TEST(DecideProperty, AgreesWithThePlainRuleAndWithItsOwnExplanation) {
  Random random(2'026);
  std::array<int, 4> reasons{};
  for (int round = 0; round < 4'000; ++round) {
    const RoutingTable table(random_rows(random));
    const RequestFacts request = random_request(table, random);
    std::vector<TargetLive> live(table.targets().size());
    std::vector<const TargetLive*> pointers(live.size());
    std::vector<uint32_t> excluded;
    for (uint32_t i = 0; i < live.size(); ++i) {
      live[i].in_flight = static_cast<uint32_t>(random.below(6));
      live[i].healthy = random.chance(0.9);
      if (random.chance(0.1)) excluded.push_back(i);
      pointers[table.position_of(i)] = &live[i];
    }
    const double draw = random.uniform();
    const Decision decision = decide(table, request, live, excluded, draw);
    ++reasons[static_cast<size_t>(decision.reason)];

    double open_share = 0, least_euros = 1e9, least_ttft = 1e18;
    bool any_keeps = false;
    for (const uint32_t i : table.targets_of_model(request.model)) {
      const PlainVerdict verdict = plain_verdict(table, request, live[i], i, excluded);
      if (!verdict.passes_hard_gates) continue;
      least_ttft = std::min(least_ttft, verdict.ttft_us);
      if (!verdict.keeps_promise) continue;
      any_keeps = true;
      least_euros = std::min(least_euros, verdict.euros);
      const TableRows::DemandSplit* demand = table.split(request.tenant, request.region, request.model);
      if (demand == nullptr) continue;
      for (const Split& split : demand->splits)
        if (split.target == i) open_share += split.fraction;
    }
    if (decision.target) {
      const PlainVerdict chosen = plain_verdict(table, request, live[*decision.target], *decision.target, excluded);
      EXPECT_TRUE(chosen.passes_hard_gates);
      EXPECT_NEAR(decision.predicted_ttft.value(), chosen.ttft_us, 1e-3);
      EXPECT_EQ(chosen.keeps_promise, decision.reason != Reason::promise_at_risk);
      EXPECT_EQ(decision.reason == Reason::plan_split, open_share > 0);
      if (decision.reason == Reason::cheapest) {
        EXPECT_NEAR(chosen.euros, least_euros, 1e-15);
      }
      if (decision.reason == Reason::promise_at_risk) {
        EXPECT_FALSE(any_keeps);
        EXPECT_NEAR(chosen.ttft_us, least_ttft, 1e-3);
      }
    } else {
      EXPECT_EQ(least_ttft, 1e18);
      EXPECT_NE(decision.blocking, Gate::none);
    }

    EXPECT_EQ(decide(table, request, LivePointers{pointers}, excluded, draw).target, decision.target);
    const std::vector<CandidateVerdict> verdicts = explain(table, request, live, excluded, draw);
    EXPECT_EQ(verdicts.size(), table.targets_of_model(request.model).size());
    for (const CandidateVerdict& verdict : verdicts) {
      EXPECT_EQ(verdict.chosen, decision.target == verdict.target);
      const PlainVerdict plain = plain_verdict(table, request, live[verdict.target], verdict.target, excluded);
      EXPECT_EQ(verdict.gate == Gate::none, plain.passes_hard_gates && plain.keeps_promise);
    }
  }
  for (const int count : reasons) EXPECT_GT(count, 100);  // every outcome was met
}

}  // namespace
}  // namespace tandem::routing
