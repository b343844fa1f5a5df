#include "planner/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace tandem::planner {
namespace {

struct PoolVerdict {
  uint32_t pool = 0;
  uint32_t candidate = UINT32_MAX;
  uint32_t option = UINT32_MAX;  // when every gate of its own was passed
  Problem::Verdict verdict;
  uint32_t accelerators_free = 0;
  double eur_per_hour = 0;       // more than now, if the demand went here; 0 when not known
};

std::string codes(const grid::Snapshot& snapshot, grid::JurisdictionSet set) {
  std::string text;
  for (size_t i = 0; i < snapshot.jurisdictions.size(); ++i)
    if (set.bits >> i & 1) text += (text.empty() ? "" : ", ") + snapshot.jurisdictions[i];
  return text;
}

// The figures of a gate, as a person would say them.
std::string detail_of(const Problem& problem, const DemandRow& demand, const PoolVerdict& at) {
  const grid::Snapshot& s = problem.snapshot;
  const grid::Pool& pool = s.pools[size_t{at.pool}];
  const Problem::Verdict& v = at.verdict;
  const grid::JurisdictionSet residency = s.tenants[demand.row->tenant].residency;
  const auto outside = [&](grid::JurisdictionSet set) { return codes(s, {set.bits & ~residency.bits}); };
  switch (v.gate) {
    case Gate::none: return "";
    case Gate::tenant_model: return fmt::format("{} may not use {}", s.tenants[demand.row->tenant].id, s.models[demand.row->model].id);
    case Gate::context:
      return fmt::format("{:.0f} tokens, the context holds {}", demand.row->prompt_tokens + demand.row->output_tokens,
                         s.models[demand.row->model].context_tokens);
    case Gate::anchor: return fmt::format("every anchor of {} is down", s.regions[demand.row->region].id);
    case Gate::model: return fmt::format("no profile on {}", s.accelerators[pool.accelerator].id);
    case Gate::memory: return fmt::format("weights and KV do not fit {}", s.accelerators[pool.accelerator].id);
    case Gate::down: return fmt::format("{} is down", s.sites[pool.site].id);
    case Gate::unreachable: return "no path";
    case Gate::residency: return fmt::format("the site is in {}", codes(s, s.jurisdiction_of(pool.site)));
    case Gate::path_residency:
      return fmt::format("a path passes {}", outside(problem.reaches[demand.row->region.value].tree->jurisdictions(pool.node)));
    case Gate::promise_tpot: return fmt::format("{:.1f} ms a token, promised {:.1f} ms", v.measured, v.allowed);
    case Gate::promise_ttft: return fmt::format("first token after {:.0f} ms, promised {:.0f} ms", v.measured, v.allowed);
    case Gate::accelerators:
      return fmt::format("{} of {} accelerators beside the radio reserve are free", at.accelerators_free, problem.pool_spare[at.pool]);
    case Gate::power: return fmt::format("{} has no power or cooling left at worst case", s.sites[pool.site].id);
    case Gate::link_capacity: return "a link on the way is filled to its headroom";
    case Gate::cost: return fmt::format("{:+.2f} €/h against this plan", at.eur_per_hour);
  }
  return "";
}

// One verdict a pool: of its candidates for the model, the one that got furthest, then the cheapest.
std::vector<PoolVerdict> judge_pools(const Problem& problem, uint32_t d) {
  const DemandRow& demand = problem.demands[d];
  std::vector<PoolVerdict> pools(problem.snapshot.pools.size());
  for (uint32_t p = 0; p < pools.size(); ++p) {
    pools[p].pool = p;
    pools[p].verdict.gate = demand.blocked != Gate::none ? demand.blocked : Gate::model;
  }
  uint32_t o = demand.option_first;
  for (const uint32_t c : problem.candidates_of_model[demand.row->model.value]) {
    PoolVerdict found;
    found.pool = problem.candidates[c].pool;
    found.candidate = c;
    if (o < demand.option_end && problem.options[o].candidate == c) {
      found.option = o++;
      found.verdict.gate = Gate::cost;
      found.verdict.round_trip_us = problem.options[found.option].round_trip_us;
      found.verdict.ttft_ms = problem.options[found.option].round_trip_us * 1e-3 + problem.options[found.option].prefill_ms;
    } else {
      found.verdict = problem.judge(d, c, nullptr);
    }
    PoolVerdict& best = pools[found.pool];
    const auto fractional = [&](const PoolVerdict& v) {
      return v.option == UINT32_MAX ? 0 : problem.options[v.option].fractional_eur_per_hour;
    };
    if (best.candidate == UINT32_MAX || std::tuple(best.verdict.gate, -fractional(best)) < std::tuple(found.verdict.gate, -fractional(found)))
      best = found;
  }
  return pools;
}

// Replaces "cost" by what stands in the way now, or by what it would add. The demand must be taken out.
void price(const Problem& problem, Search& search, double chosen_eur, PoolVerdict* at) {
  const Option& option = problem.options[at->option];
  const Search::Quote offer = search.quote(at->option, kWhole);
  if (offer.fit.blocked != Gate::none) {
    at->verdict.gate = offer.fit.blocked;
    if (offer.fit.blocked == Gate::promise_tpot)  // what already runs there runs at another operating point
      at->verdict.measured = at->verdict.allowed = problem.demands[option.demand].row->promise.tpot.value();
    return;
  }
  at->eur_per_hour = offer.added_eur_per_hour - chosen_eur;
}

std::string served_reason(const DemandRow& demand, const v1::DemandPlan& planned, size_t passing) {
  double ttft_ms = 0;
  for (const v1::PlannedSplit& split : planned.splits()) ttft_ms = std::max(ttft_ms, split.ttft_ms());
  const char* sites = planned.splits_size() > 1 ? "split over the least added cost" : "the least added cost";
  return fmt::format("{} of {} pools that pass every gate; first token within {:.0f} ms of {:.0f} ms promised at {:g}", sites,
                     passing, ttft_ms, demand.row->promise.ttft.value(), demand.row->promise.quantile);
}

// Of the pools, the one that came nearest to taking more of the demand than it has.
PoolVerdict nearest_miss(const Problem& problem, Search& search, uint32_t d, const std::vector<PoolVerdict>& pools) {
  PoolVerdict nearest;
  nearest.verdict.gate = problem.demands[d].blocked != Gate::none ? problem.demands[d].blocked : Gate::model;
  for (PoolVerdict v : pools) {
    v.accelerators_free = search.accelerators_free(v.pool);
    if (v.option != UINT32_MAX) {
      const Gate in_the_way = search.quote(v.option, 1).fit.blocked;  // of the smallest part
      v.verdict.gate = in_the_way == Gate::none ? Gate::cost : in_the_way;
    }
    if (nearest.candidate == UINT32_MAX || v.verdict.gate > nearest.verdict.gate) nearest = v;
  }
  return nearest;
}

std::string rejected_reason(const Problem& problem, const DemandRow& demand, const PoolVerdict& nearest) {
  if (nearest.verdict.gate == Gate::cost) return "serving it costs more than turning it away";
  if (problem.snapshot.pools.empty()) return "the grid has no pool";
  return fmt::format("the nearest miss is {}: {}", problem.snapshot.pools[size_t{nearest.pool}].id, detail_of(problem, demand, nearest));
}

}  // namespace

void explain(Problem& problem, Search& search, uint32_t d, v1::DemandPlan* planned) {
  const DemandRow& demand = problem.demands[d];
  std::vector<PoolVerdict> pools = judge_pools(problem, d);
  const size_t passing = static_cast<size_t>(
      std::count_if(pools.begin(), pools.end(), [](const PoolVerdict& v) { return v.option != UINT32_MAX; }));
  for (const v1::PlannedSplit& split : planned->splits())
    std::erase_if(pools, [&](const PoolVerdict& v) {
      return problem.candidates[*problem.find_candidate(split.deployment())].pool == v.pool;
    });
  // The nearest misses first: later gates, then lower cost, then the nearer site.
  const auto rank = [&](const PoolVerdict& v) {
    const double eur = v.option == UINT32_MAX ? 0 : problem.options[v.option].fractional_eur_per_hour;
    return std::tuple(-static_cast<int>(v.verdict.gate), eur, v.verdict.round_trip_us, v.pool);
  };
  std::sort(pools.begin(), pools.end(), [&](const PoolVerdict& a, const PoolVerdict& b) { return rank(a) < rank(b); });

  // Up to three that could serve it, the rest of the places for the nearest that a gate rules out.
  std::vector<PoolVerdict> shown;
  for (const PoolVerdict& v : pools)
    if (v.option != UINT32_MAX && shown.size() < 3) shown.push_back(v);
  std::stable_sort(pools.begin(), pools.end(), [](const PoolVerdict& a, const PoolVerdict& b) {
    return (a.option == UINT32_MAX) > (b.option == UINT32_MAX);
  });
  for (const PoolVerdict& v : pools)
    if (v.option == UINT32_MAX && shown.size() < kAlternativesMax) shown.push_back(v);

  const double with = search.objective();
  search.without(d, [&] {
    const double chosen_eur = with - search.objective() + search.rejection_eur_per_hour(d);
    for (PoolVerdict& v : shown) v.accelerators_free = search.accelerators_free(v.pool);
    for (PoolVerdict& v : shown)
      if (v.option != UINT32_MAX) price(problem, search, chosen_eur, &v);
  });

  if (search.placement(d).unserved > 0) {
    const PoolVerdict nearest = nearest_miss(problem, search, d, judge_pools(problem, d));
    planned->set_blocked_by(std::string(to_string(nearest.verdict.gate)));
    planned->set_reason(rejected_reason(problem, demand, nearest));
  } else {
    planned->set_reason(served_reason(demand, *planned, passing));
  }
  double split_eur = 0;
  for (const v1::PlannedSplit& split : planned->splits()) split_eur += split.cost_eur_per_hour();
  for (const PoolVerdict& v : shown) {
    v1::PlannedAlternative* alternative = planned->add_alternatives();
    alternative->set_pool(problem.snapshot.pools[size_t{v.pool}].id);
    alternative->set_ruled_out_by(std::string(to_string(v.verdict.gate)));
    alternative->set_detail(detail_of(problem, demand, v));
    alternative->set_ttft_ms(v.verdict.ttft_ms);
    if (v.verdict.gate == Gate::cost) alternative->set_cost_eur_per_hour(split_eur + v.eur_per_hour);
  }
}

}  // namespace tandem::planner
