#include <algorithm>
#include <limits>
#include <tuple>

#include "base/check.h"
#include "routing/routing.h"

namespace tandem::routing {
namespace {

using Candidate = RoutingTable::Candidate;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Sums of products differ in their last bits by the order they were made in; a bound is taken this much lower.
constexpr double kRoundingSlack = 1 - 1e-12;

const TargetLive& at(std::span<const TargetLive> live, uint32_t target) { return live[target]; }
const TargetLive& at(std::span<const TargetLive* const> live, uint32_t target) { return *live[target]; }

// The gates. `decide` and `explain` have no others.
Gate tenant_gate(const RoutingTable& table, const RequestFacts& request) {
  return table.may_use(request.tenant, request.model) ? Gate::none : Gate::tenant_model;
}

Gate place_gate(const Candidate& candidate, const Leg& leg, grid::JurisdictionSet allowed) {
  if (!allowed.contains(candidate.jurisdiction)) return Gate::residency;
  if (!candidate.up) return Gate::down;
  if (!leg.reachable) return Gate::unreachable;
  if (!allowed.contains(leg.jurisdictions)) return Gate::path_residency;
  return Gate::none;
}

Gate live_gate(const RequestFacts& request, const Candidate& candidate, const TargetLive& live,
               std::span<const uint32_t> excluded) {
  if (!live.healthy) return Gate::unhealthy;
  if (std::find(excluded.begin(), excluded.end(), candidate.target) != excluded.end()) return Gate::excluded;
  const double concurrency = candidate.concurrency_max;
  const double waiting_max = std::min(concurrency, std::max(1.0, concurrency * request.queue_per_concurrency));
  if (live.in_flight >= concurrency + waiting_max) return Gate::capacity;
  return Gate::none;
}

Gate promise_gate(const RequestFacts& request, double ttft_us, double tpot_ms) {
  if (request.ttft.value() > 0 && ttft_us > to_microseconds(request.ttft).value()) return Gate::promise_ttft;
  if (request.tpot.value() > 0 && tpot_ms > request.tpot.value()) return Gate::promise_tpot;
  return Gate::none;
}

double euros_of(const Candidate& candidate, const Leg& leg, const RequestFacts& request) {
  return request.prompt_tokens * candidate.euros_per_prompt_token +
         request.output_tokens * candidate.euros_per_output_token + request.bytes * leg.euros_per_byte;
}

double prefill_us(const Candidate& candidate, const RequestFacts& request) {
  return candidate.prefill_overhead_us + request.prompt_tokens * candidate.prefill_us_per_token;
}

double wait_us(const Candidate& candidate, const RequestFacts& request, uint32_t in_flight) {
  if (in_flight < candidate.concurrency_max || candidate.concurrency_max == 0) return 0;
  const double service_us = prefill_us(candidate, request) + request.output_tokens * candidate.tpot_ms * 1e3;
  return service_us * (in_flight - candidate.concurrency_max + 1) / candidate.concurrency_max;
}

struct Assessment {
  Gate gate = Gate::none;
  double ttft_us = 0;
};

template <class Live>
Assessment assess(const RoutingTable& table, const RequestFacts& request, const Candidate& candidate, Live live,
                  std::span<const uint32_t> excluded) {
  const Leg& leg = table.leg(request.region, candidate.site, request.paths);
  const TargetLive& state = at(live, candidate.target);
  Assessment result;
  if (leg.reachable)
    result.ttft_us =
        leg.round_trip.value() + prefill_us(candidate, request) + wait_us(candidate, request, state.in_flight);
  result.gate = tenant_gate(table, request);
  if (result.gate == Gate::none) result.gate = place_gate(candidate, leg, request.allowed);
  if (result.gate == Gate::none) result.gate = live_gate(request, candidate, state, excluded);
  if (result.gate == Gate::none) result.gate = promise_gate(request, result.ttft_us, candidate.tpot_ms);
  return result;
}

// A request that comes too late even where nothing waits, by its own length, and under no stricter promise than the
// plan was made for: the plan has counted with it at its share, for a promise at a quantile lets a few be late.
// Anywhere else it would take, with the most work of all, what others were planned with.
bool counted_as_late(const TableRows::DemandSplit& planned, const RequestFacts& request, const Candidate& candidate,
                     const Leg& leg) {
  const double alone_us = leg.round_trip.value() + prefill_us(candidate, request);
  return planned.promise.ttft.value() > 0 && request.ttft >= planned.promise.ttft &&
         alone_us > to_microseconds(request.ttft).value() &&
         (request.tpot.value() <= 0 || candidate.tpot_ms <= request.tpot.value());
}

// A share of the plan among those open, in proportion. `planned`: those that are too late count as open where the plan
// has counted with it; null: they do not.
template <class Live>
Decision follow_plan(const RoutingTable& table, const RequestFacts& request, Live live,
                     std::span<const uint32_t> excluded, double draw, const TableRows::DemandSplit* planned) {
  const auto gate_of = [&](const Candidate& candidate, const Assessment& found) {
    if (found.gate != Gate::promise_ttft || planned == nullptr) return found.gate;
    const bool counted =
        counted_as_late(*planned, request, candidate, table.leg(request.region, candidate.site, request.paths));
    return counted ? Gate::none : found.gate;
  };
  const auto shares = table.shares(request.tenant, request.region, request.model);
  double open = 0;
  for (const RoutingTable::Share& share : shares) {
    const Candidate& candidate = table.candidate_at(share.candidate);
    if (gate_of(candidate, assess(table, request, candidate, live, excluded)) == Gate::none) open += share.fraction;
  }
  if (open == 0) return {};
  Decision decision;
  double left = draw * open;
  for (const RoutingTable::Share& share : shares) {
    const Candidate& candidate = table.candidate_at(share.candidate);
    const Assessment found = assess(table, request, candidate, live, excluded);
    if (gate_of(candidate, found) != Gate::none) continue;
    decision = {Reason::plan_split, candidate.target, Gate::none, Microseconds(found.ttft_us)};
    left -= share.fraction;
    if (left < 0) break;
  }
  return decision;
}

struct Choice {
  const Candidate* candidate = nullptr;
  double euros = kInfinity;
  double ttft_us = kInfinity;
};

bool is_cheaper(const Choice& a, const Choice& b) {
  return std::tuple(a.euros, a.ttft_us, a.candidate->target) < std::tuple(b.euros, b.ttft_us, b.candidate->target);
}
bool is_faster(const Choice& a, const Choice& b) {
  return std::tuple(a.ttft_us, a.euros, a.candidate->target) < std::tuple(b.ttft_us, b.euros, b.candidate->target);
}

// The cheapest that keeps the promise, else the fastest. Candidates come in the order of a usual request's cost, so the
// search ends when no later one can cost less than the best found; live state, which other threads write, is read only
// where it can still matter.
template <class Live>
Decision search(const RoutingTable& table, const RequestFacts& request, Live live, std::span<const uint32_t> excluded) {
  const auto [rows, least] = table.candidates(request.model);
  const double least_transport = request.bytes * table.least_euros_per_byte(request.region, request.paths);
  Choice cheapest;
  Choice fastest;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (cheapest.candidate != nullptr && (request.prompt_tokens * least[i].euros_per_prompt_token +
                                          request.output_tokens * least[i].euros_per_output_token + least_transport) *
                                                 kRoundingSlack >
                                             cheapest.euros)
      break;
    const Candidate& candidate = rows[i];
    const Leg& leg = table.leg(request.region, candidate.site, request.paths);
    if (place_gate(candidate, leg, request.allowed) != Gate::none) continue;
    Choice choice{&candidate, euros_of(candidate, leg, request),
                  leg.round_trip.value() + prefill_us(candidate, request)};
    const bool can_keep = promise_gate(request, choice.ttft_us, candidate.tpot_ms) == Gate::none;
    if (cheapest.candidate != nullptr && (!can_keep || !is_cheaper(choice, cheapest))) continue;
    if (!can_keep && fastest.candidate != nullptr && !is_faster(choice, fastest)) continue;
    const TargetLive& state = at(live, candidate.target);
    if (live_gate(request, candidate, state, excluded) != Gate::none) continue;
    choice.ttft_us += wait_us(candidate, request, state.in_flight);
    const bool keeps = can_keep && promise_gate(request, choice.ttft_us, candidate.tpot_ms) == Gate::none;
    if (keeps && (cheapest.candidate == nullptr || is_cheaper(choice, cheapest))) cheapest = choice;
    if (!keeps && (fastest.candidate == nullptr || is_faster(choice, fastest))) fastest = choice;
  }
  const bool kept = cheapest.candidate != nullptr;
  const Choice& best = kept ? cheapest : fastest;
  if (best.candidate == nullptr) return {};
  return {kept ? Reason::cheapest : Reason::promise_at_risk, best.candidate->target, Gate::none,
          Microseconds(best.ttft_us)};
}

// The gate that stopped the target which came furthest.
template <class Live>
Gate furthest_gate(const RoutingTable& table, const RequestFacts& request, Live live,
                   std::span<const uint32_t> excluded) {
  Gate furthest = Gate::model;
  for (const Candidate& candidate : table.candidates(request.model).rows)
    furthest = std::max(furthest, assess(table, request, candidate, live, excluded).gate);
  return furthest;
}

template <class Live>
Decision decide_with(const RoutingTable& table, const RequestFacts& request, Live live,
                     std::span<const uint32_t> excluded, double draw) {
  CHECK(request.tenant < table.rows().tenants.size() && request.region < table.rows().regions.size());
  CHECK(live.size() == table.targets().size());
  if (tenant_gate(table, request) == Gate::none) {
    const auto* planned = table.split(request.tenant, request.region, request.model);
    if (planned != nullptr && table.rows().admission_by_plan && excluded.empty()) {
      const double admitted = 1 - planned->turned_away;
      if (draw >= admitted) return {Reason::rejected, std::nullopt, Gate::plan, Microseconds()};
      draw /= admitted;
    }
    if (const Decision open = follow_plan(table, request, live, excluded, draw, nullptr); open.target) return open;
    if (planned != nullptr)
      if (const Decision late = follow_plan(table, request, live, excluded, draw, planned); late.target) return late;
    if (const Decision found = search(table, request, live, excluded); found.target) return found;
  }
  return {Reason::rejected, std::nullopt, furthest_gate(table, request, live, excluded), Microseconds()};
}

}  // namespace

Microseconds predict_ttft(const RoutingTable& table, const RequestFacts& request, uint32_t target, uint32_t in_flight) {
  const Candidate& candidate = table.candidate(target);
  return table.leg(request.region, candidate.site, request.paths).round_trip +
         Microseconds(prefill_us(candidate, request) + wait_us(candidate, request, in_flight));
}

std::optional<Microseconds> soonest_ttft(const RoutingTable& table, const RequestFacts& request) {
  std::optional<Microseconds> soonest;
  if (tenant_gate(table, request) != Gate::none) return soonest;
  for (const Candidate& candidate : table.candidates(request.model).rows) {
    const Leg& leg = table.leg(request.region, candidate.site, request.paths);
    if (candidate.concurrency_max == 0 || place_gate(candidate, leg, request.allowed) != Gate::none) continue;
    const Microseconds alone = leg.round_trip + Microseconds(prefill_us(candidate, request));
    soonest = std::min(soonest.value_or(alone), alone);
  }
  return soonest;
}

Decision decide(const RoutingTable& table, const RequestFacts& request, std::span<const TargetLive> live,
                std::span<const uint32_t> excluded, double draw) {
  return decide_with(table, request, live, excluded, draw);
}

Decision decide(const RoutingTable& table, const RequestFacts& request, std::span<const TargetLive* const> live,
                std::span<const uint32_t> excluded, double draw) {
  return decide_with(table, request, live, excluded, draw);
}

std::vector<CandidateVerdict> explain(const RoutingTable& table, const RequestFacts& request,
                                      std::span<const TargetLive> live, std::span<const uint32_t> excluded,
                                      double draw) {
  const Decision decision = decide(table, request, live, excluded, draw);
  const TableRows::DemandSplit* demand = table.split(request.tenant, request.region, request.model);
  std::vector<CandidateVerdict> verdicts;
  for (const Candidate& candidate : table.candidates(request.model).rows) {
    const Leg& leg = table.leg(request.region, candidate.site, request.paths);
    const Assessment found = assess(table, request, candidate, live, excluded);
    CandidateVerdict verdict{candidate.target,
                             decision.target == candidate.target,
                             found.gate,
                             leg.round_trip,
                             Microseconds(found.ttft_us),
                             euros_of(candidate, leg, request),
                             0};
    if (demand != nullptr)
      for (const Split& split : demand->splits)
        if (split.target == candidate.target) verdict.plan_fraction += split.fraction;
    verdicts.push_back(verdict);
  }
  std::sort(verdicts.begin(), verdicts.end(), [](const CandidateVerdict& a, const CandidateVerdict& b) {
    return std::tuple(!a.chosen, a.euros, a.target) < std::tuple(!b.chosen, b.euros, b.target);
  });
  return verdicts;
}

double estimate_tokens(size_t text_bytes) { return static_cast<double>((text_bytes + 3) / 4); }

std::string_view to_string(Gate gate) {
  switch (gate) {
    case Gate::none: return "none";
    case Gate::model: return "model";
    case Gate::tenant_model: return "tenant_model";
    case Gate::residency: return "residency";
    case Gate::down: return "down";
    case Gate::unreachable: return "unreachable";
    case Gate::path_residency: return "path_residency";
    case Gate::unhealthy: return "unhealthy";
    case Gate::excluded: return "excluded";
    case Gate::capacity: return "capacity";
    case Gate::promise_ttft: return "promise_ttft";
    case Gate::promise_tpot: return "promise_tpot";
    case Gate::plan: return "plan";
  }
  CHECK(false);
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::plan_split: return "plan_split";
    case Reason::cheapest: return "cheapest";
    case Reason::promise_at_risk: return "promise_at_risk";
    case Reason::rejected: return "rejected";
  }
  CHECK(false);
}

}  // namespace tandem::routing
