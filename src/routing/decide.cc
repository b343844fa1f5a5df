#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <tuple>

#include "base/check.h"
#include "routing/live_at.h"
#include "routing/routing.h"
#include "routing/sieve.h"

namespace tandem::routing {
namespace {

using Candidate = RoutingTable::Candidate;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Sums of products differ in their last bits by the order they were made in; a bound is taken this much lower.
constexpr double kRoundingSlack = 1 - 1e-12;

template <class Live>
const TargetLive& at(const RoutingTable& table, Live live, const Candidate& candidate) {
  return live_at(table, live, static_cast<uint32_t>(&candidate - &table.candidate_at(0)));
}
size_t size_of(std::span<const TargetLive> live) { return live.size(); }
size_t size_of(LivePointers live) { return live.rows.size(); }

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

bool is_allowed_anywhere(const RoutingTable& table, const RequestFacts& request) {
  return std::ranges::any_of(table.sieve_index().model(request.model).jurisdictions,
                             [&](grid::JurisdictionSet site) { return request.allowed.contains(site); });
}

Gate live_gate(const RequestFacts& request, const Candidate& candidate, const TargetLive& live,
               std::span<const uint32_t> excluded) {
  if (!live.healthy) return Gate::unhealthy;
  if (std::find(excluded.begin(), excluded.end(), candidate.target) != excluded.end()) return Gate::excluded;
  if (request.only_site && candidate.site != *request.only_site) return Gate::excluded;
  const Room room = room_of(candidate, request.queue_per_concurrency);
  const uint32_t most = request.is_promised() ? room.promised : room.any;
  if (live.in_flight >= std::min<uint32_t>(most, live.in_flight_max)) return Gate::capacity;
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

double wait_for_place_us(const Candidate& candidate, const RequestFacts& request, uint32_t in_flight) {
  if (in_flight < candidate.concurrency_max || candidate.concurrency_max == 0) return 0;
  const double service_us = prefill_us(candidate, request) + request.output_tokens * candidate.tpot_ms * 1e3;
  return service_us * (in_flight - candidate.concurrency_max + 1) / candidate.concurrency_max;
}

double wait_us(const Candidate& candidate, const RequestFacts& request, const TargetLive& live) {
  return std::max(wait_for_place_us(candidate, request, live.in_flight), wait_for_prefills_us(candidate, live));
}

uint32_t cached_at(const RequestFacts& request, uint32_t target) {
  for (const PrefixHit& hit : request.hits.all())
    if (hit.target == target) return std::min(hit.tokens, static_cast<uint32_t>(request.prompt_tokens));
  return 0;
}

struct Assessment {
  Gate gate = Gate::none;
  double ttft_us = 0;
  double wait_us = 0;  // of it
};

// `cached_tokens`: of the prompt, taken to be in its cache.
template <class Live>
Assessment assess(const RoutingTable& table, const RequestFacts& request, const Candidate& candidate, Live live,
                  std::span<const uint32_t> excluded, double cached_tokens = 0) {
  const Leg& leg = table.leg(request.region, candidate.site, request.paths);
  const TargetLive& state = at(table, live, candidate);
  Assessment result;
  result.wait_us = wait_us(candidate, request, state);
  if (leg.reachable)
    result.ttft_us = leg.round_trip.value() + prefill_us(candidate, request, cached_tokens) + result.wait_us;
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

// A share of the plan among those open, in proportion; where a request waits there, of two drawn the one where it waits
// less (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 2001), so that long prompts
// do not pile up by chance. What one draw leaves of its share is a fair draw again. `planned`: those that are too late
// count as open where the plan has counted with it; null: they do not.
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
  double least_wait_us = kInfinity;
  for (int draws = 0; draws < 2 && least_wait_us > 0; ++draws) {
    Decision drawn;
    double drawn_wait_us = 0;
    double left = draw * open;
    for (const RoutingTable::Share& share : shares) {
      const Candidate& candidate = table.candidate_at(share.candidate);
      const Assessment found = assess(table, request, candidate, live, excluded);
      if (gate_of(candidate, found) != Gate::none) continue;
      drawn = {Reason::plan_split, candidate.target, Gate::none, Microseconds(found.ttft_us)};
      drawn_wait_us = found.wait_us;
      if (left < share.fraction) {
        draw = left / share.fraction;
        break;
      }
      left -= share.fraction;
    }
    if (drawn_wait_us >= least_wait_us) break;
    decision = drawn;
    least_wait_us = drawn_wait_us;
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

// The cheapest that keeps the promise, else the fastest.
template <class Live>
class Search {
 public:
  Search(const RoutingTable& table, const RequestFacts& request, Live live, std::span<const uint32_t> excluded)
      : table_(table),
        request_(request),
        live_(live),
        excluded_(excluded),
        candidates_(table.candidates(request.model)),
        least_transport_(request.bytes * table.least_euros_per_byte(request.region, request.paths)) {}

  // Candidates come in the order of a usual request's cost. Most searches end among the first. Where they do not, those
  // that can keep the promise are weighed: found by their sites where these are few, else block by block. Where none
  // keeps it, sites are gone through from the nearest on until none can answer sooner than the best so far; where waits
  // matter more than ways, soon all candidates by these.
  Decision run() {
    if (request_.only_site) return run_at(*request_.only_site);
    const size_t count = candidates_.rows.size();
    const uint64_t open = count > 0 ? open_in(0) : 0;
    for (size_t i = 0; i < std::min(kPlain, count); ++i) {
      if (none_cheaper_from(i)) return best();
      // Where prompts wait for longer than was promised there is nothing to weigh yet: it may be the fastest, later.
      const bool may_end_here = count <= kPlain || least_wait_us(static_cast<uint32_t>(i)) <= promise_us();
      if ((open >> i & 1) != 0 && may_end_here) weigh(candidates_.rows[i]);
    }
    if (count <= kPlain || !is_any_open() || !is_allowed_anywhere(table_, request_)) return best();
    const Sieve sieve(table_, request_);
    const bool at_few_sites = blocks() <= kFewBlocks;
    if (at_few_sites || !weigh_near(sieve) || (!kept() && !weigh_by_distance(sieve))) weigh_by_block(sieve);
    return best();
  }

 private:
  static constexpr size_t kRows = Sieve::kRows;
  static constexpr size_t kPlain = 8;              // weighed one by one at once: what a look at a block costs
  static constexpr size_t kNear = 128, kFew = 32;  // sites and candidates: what a look at a thousand candidates costs
  static constexpr size_t kFewBlocks = 2;  // that cost less than to find their sites among all, from the nearest on
  static constexpr size_t kFar = 64;       // sites, after which blocks cost less
  static constexpr size_t kAhead = 2;      // blocks: what memory takes for one is more than the work on one

  bool kept() const { return cheapest_.candidate != nullptr; }

  Decision run_at(uint32_t site) {
    table_.sieve_index().model(request_.model).for_each_at(site, [&](uint32_t row) { weigh(candidates_.rows[row]); });
    return best();
  }

  // No candidate from there on can cost less than the best found.
  bool none_cheaper_from(size_t i) const {
    const RoutingTable::LeastPrices& least = candidates_.least[i];
    return kept() && (request_.prompt_tokens * least.euros_per_prompt_token +
                      request_.output_tokens * least.euros_per_output_token + least_transport_) *
                             kRoundingSlack >
                         cheapest_.euros;
  }

  double promise_us() const { return request_.ttft.value() > 0 ? to_microseconds(request_.ttft).value() : kInfinity; }
  float least_wait_us(uint32_t row) const {
    return least_wait_us_at(live_, static_cast<uint32_t>(candidates_.first_block * kRows + row));
  }

  // Of a block, those that may have room.
  uint64_t open_in(size_t block) const {
    const size_t count = candidates_.rows.size() - block * kRows;
    const uint64_t rows = count < kRows ? (uint64_t{1} << count) - 1 : UINT64_MAX;
    return rows & open_at(live_, candidates_.first_block + block, request_);
  }
  bool is_open(uint32_t row) const { return (open_in(row / kRows) >> row % kRows & 1) != 0; }
  size_t blocks() const { return (candidates_.rows.size() + kRows - 1) / kRows; }
  bool is_any_open() const {
    for (size_t block = 0; block < blocks(); ++block)
      if (open_in(block) != 0) return true;
    return false;
  }

  // All that can keep the promise, where they are few, and at a few sites; else false.
  bool weigh_near(const Sieve& sieve) {
    const auto nearest = sieve.nearest();
    if (nearest.size() > kNear && !sieve.none_can_keep(sieve.way(nearest[kNear]))) return false;
    std::array<uint32_t, kFew> rows;
    size_t count = 0;
    for (const uint32_t site : nearest) {
      const uint32_t way = sieve.way(site);
      if (sieve.none_can_keep(way)) break;
      if (!sieve.is_allowed(way)) continue;
      sieve.for_each_at(site, [&](uint32_t row) {
        if (!sieve.can_keep(row, way) || !is_open(row)) return;
        if (count < kFew) rows[count] = row;
        ++count;
      });
      if (count > kFew) return false;
    }
    // In the order of cost.
    const auto heap = std::span(rows).first(count);
    std::ranges::make_heap(heap, std::greater());
    for (; count > 0 && !none_cheaper_from(rows.front()); --count) {
      weigh(candidates_.rows[rows.front()]);
      std::ranges::pop_heap(heap.first(count), std::greater());
    }
    return true;
  }

  // Where none keeps it, all that come sooner than the best so far; false where many sites show no end of it.
  bool weigh_by_distance(const Sieve& sieve) {
    const auto nearest = sieve.nearest();
    for (size_t i = 0; i < nearest.size(); ++i) {
      const uint32_t way = sieve.way(nearest[i]);
      if (sieve.least_alone_us(way) > fastest_.ttft_us * Sieve::kSlack) return true;
      if (i == kFar) return false;
      if (!sieve.is_allowed(way)) continue;
      sieve.for_each_at(nearest[i], [&](uint32_t row) {
        if (is_open(row) && comes_by(sieve, row, way, fastest_.ttft_us)) weigh(candidates_.rows[row]);
      });
    }
    return true;
  }

  // As far as the cheapest tell: at none of them a prompt waits so little that the promise could be kept.
  bool is_waited_everywhere(const Sieve& sieve) const {
    return waiting_at_most(live_, candidates_.first_block, promise_us() * Sieve::kSlack - sieve.least_alone_us()) == 0;
  }

  // The one that seems soonest by kept waits, if it is sooner than the best so far. Each that is weighed is read from
  // somewhere in memory, and after this one only those are that come sooner still.
  void weigh_soonest(const Sieve& sieve) {
    const Candidate* soonest = nullptr;
    double soonest_us = fastest_.ttft_us;
    for (size_t block = 0; block < blocks(); ++block) {
      if (block + kAhead < blocks()) sieve.prefetch(block + kAhead);
      uint64_t lanes = open_in(block) & waiting_at_most(live_, candidates_.first_block + block,
                                                        soonest_us * Sieve::kSlack - sieve.least_alone_us());
      for (; lanes != 0; lanes &= lanes - 1) {
        const auto row = static_cast<uint32_t>(block * kRows + static_cast<size_t>(std::countr_zero(lanes)));
        if (least_wait_us(row) + sieve.least_alone_us() > soonest_us) continue;
        const uint32_t way = sieve.way(sieve.site(row));
        const double us = sieve.alone_us(row, way) + least_wait_us(row);
        if (!(us < soonest_us) || !sieve.is_allowed(way)) continue;  // no number where there is no way
        soonest_us = us;
        soonest = &candidates_.rows[row];
      }
    }
    if (soonest != nullptr) weigh(*soonest);
  }

  // All that can keep the promise, but what is dearer than one that does; until one does, all that come sooner than the
  // best so far as well.
  void weigh_by_block(const Sieve& sieve) {
    if (!kept() && is_waited_everywhere(sieve)) weigh_soonest(sieve);
    for (size_t block = 0; block < blocks() && !none_cheaper_from(block * kRows); ++block) {
      if (block + kAhead < blocks()) sieve.prefetch(block + kAhead);
      uint64_t lanes = open_in(block);
      if (kept()) lanes = sieve.that_cost(cheapest_.euros, least_transport_, block, lanes);
      if (lanes == 0) continue;
      const double latest_us = kept() ? promise_us() : std::max(promise_us(), fastest_.ttft_us);
      lanes &=
          waiting_at_most(live_, candidates_.first_block + block, latest_us * Sieve::kSlack - sieve.least_alone_us());
      if (kept() && lanes != 0) lanes = sieve.that_can_keep(block, lanes);
      for (; lanes != 0; lanes &= lanes - 1) {
        const auto row = static_cast<uint32_t>(block * kRows + static_cast<size_t>(std::countr_zero(lanes)));
        if (none_cheaper_from(row)) return;
        const uint32_t way = sieve.way(sieve.site(row));
        if (!sieve.is_allowed(way)) continue;
        const bool can_keep = sieve.can_keep(row, way) && comes_by(sieve, row, way, promise_us());
        if (!can_keep && (kept() || !comes_by(sieve, row, way, fastest_.ttft_us))) continue;
        weigh(candidates_.rows[row]);
      }
    }
  }

  // The first token of that row, at the end of that way, can come by then.
  bool comes_by(const Sieve& sieve, uint32_t row, uint32_t way, double us) const {
    return sieve.alone_us(row, way) + least_wait_us(row) <= us * Sieve::kSlack;
  }

  // Live state, which other threads write, is read only where it can still matter.
  void weigh(const Candidate& candidate) {
    const Leg& leg = table_.leg(request_.region, candidate.site, request_.paths);
    if (place_gate(candidate, leg, request_.allowed) != Gate::none) return;
    Choice choice{&candidate, euros_of(candidate, leg, request_),
                  leg.round_trip.value() + prefill_us(candidate, request_)};
    const bool can_keep = promise_gate(request_, choice.ttft_us, candidate.tpot_ms) == Gate::none;
    if (kept() && (!can_keep || !is_cheaper(choice, cheapest_))) return;
    if (!can_keep && fastest_.candidate != nullptr && !is_faster(choice, fastest_)) return;
    const TargetLive& state = at(table_, live_, candidate);
    if (live_gate(request_, candidate, state, excluded_) != Gate::none) return;
    choice.ttft_us += wait_us(candidate, request_, state);
    const bool keeps = can_keep && promise_gate(request_, choice.ttft_us, candidate.tpot_ms) == Gate::none;
    if (keeps && (!kept() || is_cheaper(choice, cheapest_))) cheapest_ = choice;
    if (!keeps && (fastest_.candidate == nullptr || is_faster(choice, fastest_))) fastest_ = choice;
  }

  Decision best() const {
    const Choice& best = kept() ? cheapest_ : fastest_;
    if (best.candidate == nullptr) return {};
    return {kept() ? Reason::cheapest : Reason::promise_at_risk, best.candidate->target, Gate::none,
            Microseconds(best.ttft_us)};
  }

  const RoutingTable& table_;
  const RequestFacts& request_;
  const Live live_;
  const std::span<const uint32_t> excluded_;
  const RoutingTable::Candidates candidates_;
  const double least_transport_;
  Choice cheapest_;
  Choice fastest_;
};

// The gate that stopped the target which came furthest, where none was chosen: none came further than `capacity`. One
// that does now has got room since it was looked at, or is not yet shown to have it (room.h).
template <class Live>
Gate furthest_gate(const RoutingTable& table, const RequestFacts& request, Live live,
                   std::span<const uint32_t> excluded) {
  const auto rows = table.candidates(request.model).rows;
  if (rows.empty()) return Gate::model;
  if (const Gate gate = tenant_gate(table, request); gate != Gate::none) return gate;
  if (!is_allowed_anywhere(table, request)) return Gate::residency;
  Gate furthest = Gate::residency;
  for (const Candidate& candidate : rows) {
    Gate gate = place_gate(candidate, table.leg(request.region, candidate.site, request.paths), request.allowed);
    if (gate == Gate::none) gate = live_gate(request, candidate, at(table, live, candidate), excluded);
    if (gate == Gate::none || gate == Gate::capacity) return Gate::capacity;
    furthest = std::max(furthest, gate);
  }
  return furthest;
}

// The target with the earliest first token among those that hold the beginning of the
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
  Decision warm = cold;
  double earliest_us = cold.predicted_ttft.value();
  for (const PrefixHit& hit : request.hits.all()) {
    const Candidate& candidate = table.candidate(hit.target);
    if (table.targets()[hit.target].model != request.model) continue;
    const uint32_t cached = cached_at(request, hit.target);
    const Assessment found = assess(table, request, candidate, live, excluded, cached);
    if (found.ttft_us > earliest_us) continue;
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
    earliest_us = found.ttft_us;
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
  CHECK(size_of(live) == table.targets().size());
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
    if (const Decision found = Search(table, request, live, excluded).run(); found.target) return warmed(found);
  }
  return {Reason::rejected, std::nullopt, furthest_gate(table, request, live, excluded), Microseconds()};
}

}  // namespace

Microseconds predict_ttft(const RoutingTable& table, const RequestFacts& request, uint32_t target,
                          const TargetLive& live) {
  const Candidate& candidate = table.candidate(target);
  return table.leg(request.region, candidate.site, request.paths).round_trip +
         Microseconds(prefill_us(candidate, request) + wait_us(candidate, request, live));
}

std::optional<Microseconds> soonest_ttft(const RoutingTable& table, const RequestFacts& request) {
  std::optional<Microseconds> soonest;
  if (tenant_gate(table, request) != Gate::none) return soonest;
  const auto rows = table.candidates(request.model).rows;
  const Sieve sieve(table, request);
  for (const uint32_t site : sieve.nearest()) {
    const uint32_t way = sieve.way(site);
    if (soonest && sieve.least_alone_us(way) > soonest->value() * Sieve::kSlack) break;
    if (!sieve.is_allowed(way)) continue;
    sieve.for_each_at(site, [&](uint32_t row) {
      const Candidate& candidate = rows[row];
      const Leg& leg = table.leg(request.region, site, request.paths);
      if (candidate.concurrency_max == 0 || place_gate(candidate, leg, request.allowed) != Gate::none) return;
      const Microseconds alone = leg.round_trip + Microseconds(prefill_us(candidate, request));
      soonest = std::min(soonest.value_or(alone), alone);
    });
  }
  return soonest;
}

Decision decide(const RoutingTable& table, const RequestFacts& request, std::span<const TargetLive> live,
                std::span<const uint32_t> excluded, double draw) {
  return decide_with(table, request, live, excluded, draw);
}

Decision decide(const RoutingTable& table, const RequestFacts& request, LivePointers live,
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
    case Reason::baseline: return "baseline";
  }
  CHECK(false);
}

}  // namespace tandem::routing
