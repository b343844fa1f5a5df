#include <algorithm>
#include <cmath>
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
  if (request.only_site && candidate.site != *request.only_site) return Gate::excluded;
  const double concurrency = candidate.concurrency_max;
  const double waiting_max = std::min(concurrency, std::max(1.0, concurrency * request.queue_per_concurrency));
  double most = std::min<double>(concurrency + waiting_max, live.in_flight_max);
  const bool promised = request.ttft.value() > 0 || request.tpot.value() > 0;
  if (promised && candidate.in_flight_kept > 0) most = std::min<double>(most, candidate.in_flight_kept);
  if (live.in_flight >= most) return Gate::capacity;
  return Gate::none;
}

Gate promise_gate(const RequestFacts& request, double ttft_us, double tpot_ms) {
  if (request.ttft.value() > 0 && ttft_us > to_microseconds(request.ttft).value()) return Gate::promise_ttft;
  if (request.tpot.value() > 0 && tpot_ms > request.tpot.value()) return Gate::promise_tpot;
  return Gate::none;
}

// Cached tokens cost nothing.
double euros_of(const Candidate& candidate, const Leg& leg, const RequestFacts& request, double cached_tokens = 0) {
  return (request.prompt_tokens - cached_tokens) * candidate.euros_per_prompt_token +
         request.output_tokens * candidate.euros_per_output_token + request.bytes * leg.euros_per_byte;
}

double prefill_us(const Candidate& candidate, const RequestFacts& request, double cached_tokens = 0) {
  return candidate.prefill_overhead_us + (request.prompt_tokens - cached_tokens) * candidate.prefill_us_per_token;
}

double wait_us(const Candidate& candidate, const RequestFacts& request, uint32_t in_flight) {
  if (in_flight < candidate.concurrency_max || candidate.concurrency_max == 0) return 0;
  const double service_us = prefill_us(candidate, request) + request.output_tokens * candidate.tpot_ms * 1e3;
  return service_us * (in_flight - candidate.concurrency_max + 1) / candidate.concurrency_max;
}

uint32_t cached_at(const RequestFacts& request, uint32_t target) {
  for (const PrefixHit& hit : request.hits.all())
    if (hit.target == target) return std::min(hit.tokens, static_cast<uint32_t>(request.prompt_tokens));
  return 0;
}

struct Assessment {
  Gate gate = Gate::none;
  double ttft_us = 0;
};

// `cached_tokens`: of the prompt, taken to be in its cache.
template <class Live>
Assessment assess(const RoutingTable& table, const RequestFacts& request, const Candidate& candidate, Live live,
                  std::span<const uint32_t> excluded, double cached_tokens = 0) {
  const Leg& leg = table.leg(request.region, candidate.site, request.paths);
  const TargetLive& state = at(live, candidate.target);
  Assessment result;
  if (leg.reachable)
    result.ttft_us = leg.round_trip.value() + prefill_us(candidate, request, cached_tokens) +
                     wait_us(candidate, request, state.in_flight);
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

// The prefills that a request finds before its own at a replica. Of `in_flight` requests like this one each is in its
// prefill for that part of its stay, and then it is all to come: what is left of one under way is taken to make up for
// those that are cached.
double prefills_before_us(const RoutingTable& table, const RequestFacts& request, const Candidate& candidate,
                          uint32_t in_flight) {
  const double alone_us = prefill_us(candidate, request);
  const double stay_us = alone_us + request.output_tokens * candidate.tpot_ms * 1e3;
  const uint32_t replicas = std::max(1u, table.targets()[candidate.target].replicas);
  return stay_us <= 0 ? 0 : in_flight * alone_us / replicas * alone_us / stay_us;
}

// The target with the earliest first token, prefills before it counted, among those that hold the beginning of the
// prompt, where that is no later than at `cold`, which was decided without a look at caches. So a prefix that many
// share stays at one engine until that is loaded, and then spreads. The plan's shares come first here too.
template <class Live>
Decision prefer_warm(const RoutingTable& table, const RequestFacts& request, Live live,
                     std::span<const uint32_t> excluded, const Decision& cold) {
  if (!cold.target) return cold;
  const auto shares = table.shares(request.tenant, request.region, request.model);
  const auto has_share = [&](uint32_t target) {
    return std::any_of(shares.begin(), shares.end(), [&](const RoutingTable::Share& share) {
      return table.candidate_at(share.candidate).target == target;
    });
  };
  const Candidate& chosen = table.candidate(*cold.target);
  const double cold_euros = euros_of(chosen, table.leg(request.region, chosen.site, request.paths), request);
  const auto expected_us = [&](const Candidate& candidate, double ttft_us) {
    return ttft_us + prefills_before_us(table, request, candidate, at(live, candidate.target).in_flight);
  };
  Decision warm = cold;
  double earliest_us = expected_us(chosen, cold.predicted_ttft.value());
  for (const PrefixHit& hit : request.hits.all()) {
    const Candidate& candidate = table.candidate(hit.target);
    if (table.targets()[hit.target].model != request.model) continue;
    const uint32_t cached = cached_at(request, hit.target);
    const Assessment found = assess(table, request, candidate, live, excluded, cached);
    const double expected = expected_us(candidate, found.ttft_us);
    if (expected > earliest_us) continue;
    const bool same = hit.target == *cold.target;
    const bool at_risk = cold.reason == Reason::promise_at_risk && found.gate == Gate::promise_ttft;
    if (found.gate != Gate::none && !at_risk && !same) continue;
    const double euros = euros_of(candidate, table.leg(request.region, candidate.site, request.paths), request, cached);
    const bool allowed = same || has_share(hit.target) || cold.reason == Reason::promise_at_risk ||
                         (cold.reason == Reason::cheapest && euros <= cold_euros);
    if (!allowed) continue;
    const bool stays = found.gate != Gate::none || (same && cold.reason != Reason::promise_at_risk);
    const Reason reason = stays ? cold.reason : Reason::warm_prefix;
    warm = {reason, hit.target, Gate::none, Microseconds(found.ttft_us), cached};
    earliest_us = expected;
  }
  return warm;
}

template <class Live>
Decision decide_model(const RoutingTable& table, const RequestFacts& request, Live live,
                      std::span<const uint32_t> excluded, double draw);

bool keeps_promise(const RoutingTable& table, const RequestFacts& request, const Decision& decision) {
  return decision.target && promise_gate(request, decision.predicted_ttft.value(),
                                         table.candidate(*decision.target).tpot_ms) == Gate::none;
}

// The models that may serve the request in place of the one it asks, the nearest first.
template <class Visit>
void for_each_fallback(const RoutingTable& table, const RequestFacts& request, Visit visit) {
  if (!request.fallbacks || !table.may_use(request.tenant, request.model)) return;
  for (auto next = table.traits(request.model).fallback; next; next = table.traits(*next).fallback) {
    const uint32_t context = table.traits(*next).context_tokens;
    if (context > 0 && request.prompt_tokens + request.output_tokens > context) continue;
    RequestFacts instead = request;
    instead.model = *next;
    instead.paths = table.paths_of(instead.tenant, instead.region, instead.model);
    if (!visit(instead)) return;
  }
}

template <class Live>
Decision decide_with(const RoutingTable& table, const RequestFacts& request, Live live,
                     std::span<const uint32_t> excluded, double draw) {
  CHECK(request.tenant < table.rows().tenants.size() && request.region < table.rows().regions.size());
  CHECK(live.size() == table.targets().size());
  Decision best = decide_model(table, request, live, excluded, draw);
  if (!request.fallbacks || keeps_promise(table, request, best)) return best;
  Gate why = best.blocking;
  if (best.target) why = promise_gate(request, best.predicted_ttft.value(), table.candidate(*best.target).tpot_ms);
  if (why == Gate::plan) {  // the draw fell on what is turned away; of that it is a fair draw again
    const double turned_away = table.split(request.tenant, request.region, request.model)->turned_away;
    draw = std::clamp((draw - (1 - turned_away)) / turned_away, 0.0, std::nextafter(1.0, 0.0));
  }
  for_each_fallback(table, request, [&](const RequestFacts& instead) {
    Decision found = decide_model(table, instead, live, excluded, draw);
    if (!found.target) return true;
    const bool kept = keeps_promise(table, instead, found);
    if (!kept && best.target) return true;
    found.reason = Reason::fallback;
    found.blocking = why;
    best = found;
    return !kept;
  });
  return best;
}

template <class Live>
Decision decide_model(const RoutingTable& table, const RequestFacts& request, Live live,
                      std::span<const uint32_t> excluded, double draw) {
  const auto warmed = [&](const Decision& cold) {
    return request.hits.count == 0 ? cold : prefer_warm(table, request, live, excluded, cold);
  };
  if (tenant_gate(table, request) == Gate::none) {
    const auto* planned = table.split(request.tenant, request.region, request.model);
    if (planned != nullptr && table.rows().admission_by_plan && excluded.empty()) {
      const double admitted = 1 - planned->turned_away;
      if (draw >= admitted) return {Reason::rejected, std::nullopt, Gate::plan, Microseconds()};
      draw /= admitted;
    }
    if (const Decision open = follow_plan(table, request, live, excluded, draw, nullptr); open.target)
      return warmed(open);
    if (planned != nullptr)
      if (const Decision late = follow_plan(table, request, live, excluded, draw, planned); late.target)
        return warmed(late);
    if (const Decision found = search(table, request, live, excluded); found.target) return warmed(found);
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
  std::vector<CandidateVerdict> verdicts;
  const auto add_model = [&](const RequestFacts& facts) {
    const TableRows::DemandSplit* demand = table.split(facts.tenant, facts.region, facts.model);
    for (const Candidate& candidate : table.candidates(facts.model).rows) {
      const Leg& leg = table.leg(facts.region, candidate.site, facts.paths);
      const uint32_t cached = cached_at(facts, candidate.target);
      const Assessment found = assess(table, facts, candidate, live, excluded, cached);
      CandidateVerdict verdict{candidate.target,
                               decision.target == candidate.target,
                               found.gate,
                               leg.round_trip,
                               Microseconds(found.ttft_us),
                               cached,
                               euros_of(candidate, leg, facts, cached),
                               0};
      if (demand != nullptr)
        for (const Split& split : demand->splits)
          if (split.target == candidate.target) verdict.plan_fraction += split.fraction;
      verdicts.push_back(verdict);
    }
    return true;
  };
  add_model(request);
  for_each_fallback(table, request, add_model);
  std::sort(verdicts.begin(), verdicts.end(), [](const CandidateVerdict& a, const CandidateVerdict& b) {
    return std::tuple(!a.chosen, a.euros, a.target) < std::tuple(!b.chosen, b.euros, b.target);
  });
  return verdicts;
}

void PrefixHits::offer(PrefixHit hit) {
  const auto fewer = [](const PrefixHit& a, const PrefixHit& b) { return a.tokens < b.tokens; };
  for (PrefixHit& row : std::span(rows).first(count))
    if (row.target == hit.target) {
      row.tokens = std::max(row.tokens, hit.tokens);
      return;
    }
  if (count < kMax) {
    rows[count++] = hit;
    return;
  }
  PrefixHit& least = *std::min_element(rows.begin(), rows.end(), fewer);
  if (fewer(least, hit)) least = hit;
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
    case Reason::warm_prefix: return "warm_prefix";
    case Reason::fallback: return "fallback";
  }
  CHECK(false);
}

}  // namespace tandem::routing
