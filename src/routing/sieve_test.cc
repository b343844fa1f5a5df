// Where a model runs at many sites a sieve passes over most: the choice must be that of weighing them all.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "base/random.h"
#include "routing/drawn_table.h"
#include "routing/room.h"
#include "routing/routing.h"

namespace tandem::routing {
namespace {

constexpr uint32_t kSites = 150;

// Two models at every site but some, twice at others, prices and speeds from few values so that ties occur.
TableRows many_targets(Random& random) {
  TableRows rows;
  rows.jurisdictions = {"A", "B", "C"};
  rows.models = {"m", "n"};
  rows.regions = {"r", "q"};
  rows.tenants.resize(1);
  for (uint32_t i = 0; i < kSites; ++i) rows.sites.push_back("s" + std::to_string(i));
  const auto of = [&](uint64_t values, double unit) { return static_cast<double>(random.below(values)) * unit; };
  const uint64_t speeds = 1 + random.below(20);
  const bool alike = random.chance(0.8);  // else no two engines are, and more of them than a sieve tells apart
  const uint32_t count = alike ? 400 : 700;
  for (uint32_t i = 0; i < count; ++i) {
    Target target;
    target.deployment = "d" + std::to_string(i);
    target.site_position = static_cast<uint32_t>(random.below(kSites));
    target.model = static_cast<uint32_t>(random.below(2));
    target.jurisdiction = {uint64_t{1} << target.site_position % 3};
    target.up = random.chance(0.95);
    target.concurrency_max = static_cast<uint32_t>(random.below(40));
    target.replicas = static_cast<uint32_t>(random.below(4));
    if (random.chance(0.5)) target.in_flight_kept = static_cast<uint32_t>(1 + random.below(40));
    target.prefill_tokens_per_s = alike ? 1'000 * of(speeds, 1) : 20'000 * random.uniform();
    target.prefill_overhead = Milliseconds(of(3, 10));
    target.tpot = Milliseconds(1 + of(4, 10));
    target.euros_per_prompt_token = of(7, 1e-6);
    target.euros_per_output_token = of(5, 1.1e-6);
    rows.targets.push_back(target);
  }
  for (size_t i = 0; i < rows.regions.size() * kSites; ++i) {
    const grid::JurisdictionSet on_the_way = random.chance(0.8) ? grid::JurisdictionSet{} : grid::JurisdictionSet{4};
    rows.legs.push_back({random.chance(0.95), Microseconds(of(random.chance(0.5) ? 4 : 100'000, 777.7)),
                         on_the_way | rows.targets[i % 400].jurisdiction, of(3, 1e-8)});
  }
  return rows;
}

RequestFacts drawn_request(Random& random) {
  RequestFacts request;
  request.region = static_cast<uint32_t>(random.below(2));
  request.model = static_cast<uint32_t>(random.below(2));
  request.prompt_tokens = static_cast<double>(random.below(3'000));
  request.output_tokens = static_cast<double>(random.below(500));
  request.bytes = request.prompt_tokens * 4;
  request.queue_per_concurrency = random.chance(0.5) ? 1 : 0.125;
  if (random.chance(0.5)) request.allowed = {random.below(8)};
  if (random.chance(0.7)) request.ttft = Milliseconds(std::exp(random.uniform() * 12));
  if (random.chance(0.4)) request.tpot = Milliseconds(static_cast<double>(random.below(40)));
  if (random.chance(0.1)) request.only_site = static_cast<uint32_t>(random.below(kSites));
  return request;
}

// The rule, on what `explain` says of each target; it looks at all of them.
Decision weigh_all(const RoutingTable& table, const RequestFacts& request, const std::vector<TargetLive>& live,
                   const std::vector<uint32_t>& excluded) {
  const CandidateVerdict *cheapest = nullptr, *fastest = nullptr;
  Gate furthest = Gate::model;
  const auto cost = [](const CandidateVerdict& v) { return std::tuple(v.euros, v.predicted_ttft, v.target); };
  const auto time = [](const CandidateVerdict& v) { return std::tuple(v.predicted_ttft, v.euros, v.target); };
  const auto verdicts = explain(table, request, live, excluded, 0);
  for (const CandidateVerdict& verdict : verdicts) {
    furthest = std::max(furthest, verdict.gate);
    if (verdict.gate == Gate::none && (cheapest == nullptr || cost(verdict) < cost(*cheapest))) cheapest = &verdict;
    const bool late = verdict.gate == Gate::promise_ttft || verdict.gate == Gate::promise_tpot;
    if (late && (fastest == nullptr || time(verdict) < time(*fastest))) fastest = &verdict;
  }
  if (cheapest != nullptr) return {Reason::cheapest, cheapest->target, Gate::none, cheapest->predicted_ttft};
  if (fastest != nullptr) return {Reason::promise_at_risk, fastest->target, Gate::none, fastest->predicted_ttft};
  return {Reason::rejected, std::nullopt, furthest, {}};
}

std::optional<double> soonest_of_all(const RoutingTable& table, const RequestFacts& request) {
  std::optional<double> soonest;
  for (const uint32_t target : table.targets_of_model(request.model)) {
    const Target& row = table.targets()[target];
    const Leg& leg = table.leg(request.region, row.site_position);
    const bool may = row.up && row.concurrency_max > 0 && leg.reachable && request.allowed.contains(row.jurisdiction) &&
                     request.allowed.contains(leg.jurisdictions);
    const double ttft_us = predict_ttft(table, request, target, TargetLive{}).value();
    if (may && (!soonest || ttft_us < *soonest)) soonest = ttft_us;
  }
  return soonest;
}

TEST(SieveProperty, ChoosesAsIfAllHadBeenWeighed) {
  Random random(15);
  std::array<int, 4> reasons{};
  for (int round = 0; round < 300; ++round) {
    const RoutingTable table(many_targets(random));
    for (int state = 0; state < 10; ++state) {
      std::vector<TargetLive> live(table.targets().size());
      std::vector<const TargetLive*> pointers(live.size());
      std::vector<uint32_t> excluded;
      const double busy = random.uniform() * 2.2;  // as a part of its places; from two on all are full
      for (uint32_t i = 0; i < live.size(); ++i) {
        const double most = busy * table.targets()[i].concurrency_max;
        live[i].in_flight = static_cast<uint32_t>(most * (random.chance(0.5) ? 1 : random.uniform()));
        live[i].healthy = random.chance(0.9);
        live[i].prefills = static_cast<uint32_t>(random.below(1 + live[i].in_flight));
        live[i].prefill_tokens = static_cast<uint32_t>(live[i].prefills * random.below(2'000));
        if (random.chance(0.05)) live[i].in_flight_max = static_cast<uint32_t>(random.below(4));
        if (random.chance(0.02)) excluded.push_back(i);
        pointers[table.position_of(i)] = &live[i];
      }
      const RequestFacts request = drawn_request(random);
      RoomBits room(table, random.chance(0.5) ? 1 : 0.125);
      for (uint32_t i = 0; i < live.size(); ++i) {
        const Room most = room_of(table.candidate(i), room.queue_per_concurrency());
        const bool is_in = live[i].healthy && live[i].in_flight < live[i].in_flight_max;
        room.set(table.lane_of(table.position_of(i)), is_in && live[i].in_flight < most.any,
                 is_in && live[i].in_flight < most.promised);
        room.set_wait(table.lane_of(table.position_of(i)), wait_for_prefills_us(table.candidate(i), live[i]));
      }
      const auto soonest = soonest_ttft(table, request);
      EXPECT_EQ(soonest ? std::optional(soonest->value()) : std::nullopt, soonest_of_all(table, request));
      const Decision expected = weigh_all(table, request, live, excluded);
      for (const Decision& found :
           {decide(table, request, live, excluded, 0), decide(table, request, LivePointers{pointers}, excluded, 0),
            decide(table, request, LivePointers{pointers, &room}, excluded, 0)}) {
        EXPECT_EQ(found.reason, expected.reason);
        EXPECT_EQ(found.target, expected.target);
        EXPECT_EQ(found.blocking, expected.blocking);
        EXPECT_EQ(found.predicted_ttft, expected.predicted_ttft);
      }
      ++reasons[static_cast<size_t>(expected.reason)];
    }
  }
  for (const Reason reason : {Reason::cheapest, Reason::promise_at_risk, Reason::rejected})
    EXPECT_GT(reasons[static_cast<size_t>(reason)], 300);
}

// Who shows that a place is free does so after it is.
TEST(Room, WhatIsNotYetShownToHaveRoomIsFull) {
  const RoutingTable table(draw_table(R"(
    jurisdiction DE
    region north 192.0.2.0/24
    site ber DE
    model small
    tenant acme
    target a ber small concurrency=1 prefill=1000
    leg north ber rtt=1
  )"));
  const TargetLive idle;
  const std::array<const TargetLive*, 1> live{&idle};
  RoomBits room(table, kQueuePerConcurrency);
  RequestFacts request;
  request.prompt_tokens = 100;
  for (const double promised_ms : {0.0, 50.0, 1'000.0}) {
    request.ttft = Milliseconds(promised_ms);
    room.set(table.lane_of(0), false, false);
    const Decision decision = decide(table, request, LivePointers{live, &room}, {}, 0.5);
    EXPECT_FALSE(decision.target);
    EXPECT_EQ(decision.blocking, Gate::capacity);
    room.set(table.lane_of(0), true, true);
    EXPECT_TRUE(decide(table, request, LivePointers{live, &room}, {}, 0.5).target);
  }
}

}  // namespace
}  // namespace tandem::routing
