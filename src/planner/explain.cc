#include "planner/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace tandem::planner {
namespace {

std::string codes(const grid::Snapshot& snapshot, grid::JurisdictionSet set) {
  std::string text;
  for (size_t i = 0; i < snapshot.jurisdictions.size(); ++i)
    if (set.bits >> i & 1) text += (text.empty() ? "" : ", ") + snapshot.jurisdictions[i];
  return text;
}

std::string no_two_ways(const Problem& problem, const DemandRow& demand, uint32_t pool) {
  const grid::Snapshot& s = problem.snapshot;
  const grid::NodeIndex from = problem.terrain->anchors[demand.row->region.value]->node,
                        to = s.pools[size_t{pool}].node;
  const auto ways_within = [&](grid::JurisdictionSet allowed) {
    return twin::DiverseWays(s, problem.terrain->views[demand.view]->tree->network(), from, demand.row->diversity,
                             allowed);
  };
  if (demand.residency != grid::JurisdictionSet::all().bits && ways_within(grid::JurisdictionSet::all()).pair(to))
    return "of any two ways apart one leaves the residency";
  return fmt::format("no two ways apart: {}", ways_within(grid::JurisdictionSet::all()).obstacle(to));
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
    case Gate::tenant_model:
      return fmt::format("{} may not use {}", s.tenants[demand.row->tenant].id, s.models[demand.row->model].id);
    case Gate::context:
      return fmt::format("{:.0f} tokens, the context holds {}", demand.row->prompt_tokens + demand.row->output_tokens,
                         s.models[demand.row->model].context_tokens);
    case Gate::anchor: return fmt::format("every anchor of {} is down", s.regions[demand.row->region].id);
    case Gate::model: return fmt::format("no profile on {}", s.accelerators[pool.accelerator].id);
    case Gate::memory: return fmt::format("weights and KV do not fit {}", s.accelerators[pool.accelerator].id);
    case Gate::down: return fmt::format("{} is down", s.sites[pool.site].id);
    case Gate::unreachable: return "no path" + twin::in_algorithm(s, demand.row->flex_algo);
    case Gate::residency: return fmt::format("the site is in {}", codes(s, s.jurisdiction_of(pool.site)));
    case Gate::path_residency:
      return fmt::format("a path{} passes {}", twin::in_algorithm(s, demand.row->flex_algo),
                         outside({problem.network_leg_of(demand, at.pool)->jurisdictions}));
    case Gate::repair_residency:
      return fmt::format("what a failure of one link or node diverts{} would pass {}",
                         twin::in_algorithm(s, demand.row->flex_algo),
                         outside({(*problem.repairs[demand.repairs])[at.pool]}));
    case Gate::diversity: return no_two_ways(problem, demand, at.pool);
    case Gate::promise_tpot: return fmt::format("{:.1f} ms a token, promised {:.1f} ms", v.measured, v.allowed);
    case Gate::promise_ttft:
      return fmt::format("first token after {:.0f} ms{}, promised {:.0f} ms", v.measured,
                         demand.ways == UINT32_MAX ? "" : " over the longer of its ways", v.allowed);
    case Gate::accelerators:
      return fmt::format("{} of {} accelerators beside the radio reserve are free", at.accelerators_free,
                         problem.pool_spare[at.pool]);
    case Gate::power: return fmt::format("{} has no power or cooling left at worst case", s.sites[pool.site].id);
    case Gate::link_capacity: return "a link on the way is filled to its headroom";
    case Gate::restoration:
      return fmt::format("{} is filled to its headroom",
                         problem.restoration.text(problem, at.arc - problem.arc_spare_gbps.size()));
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
  for (const uint32_t c : problem.candidates_of_model[demand.row->model.value]) {
    PoolVerdict found;
    found.pool = problem.candidates[c].pool;
    found.candidate = c;
    Option option;
    found.verdict = problem.judge(d, c, &option);
    if (found.verdict.gate == Gate::none) {
      found.verdict.gate = Gate::cost;
      found.passes = true;
      found.fractional_eur = option.fractional_eur_per_hour;
    }
    PoolVerdict& best = pools[found.pool];
    if (best.candidate == UINT32_MAX ||
        std::tuple(best.verdict.gate, -best.fractional_eur) < std::tuple(found.verdict.gate, -found.fractional_eur))
      best = found;
  }
  return pools;
}

// Replaces "cost" by what stands in the way now, or by what it would add. The demand must be taken out.
void price(const Problem& problem, Search& search, uint32_t d, double chosen_eur, PoolVerdict* at) {
  const uint32_t o = *problem.find_option(d, at->candidate);
  const Search::Quote offer = search.quote(o, kWhole);
  if (offer.fit.blocked != Gate::none) {
    at->verdict.gate = offer.fit.blocked;
    at->arc = offer.arc;
    if (offer.fit.blocked == Gate::promise_tpot)  // what already runs there runs at another operating point
      at->verdict.measured = at->verdict.allowed = problem.demands[d].row->promise.tpot.value();
    return;
  }
  at->eur_per_hour = offer.added_eur_per_hour - chosen_eur;
}

std::string served_reason(const DemandRow& demand, const v1::DemandPlan& planned, size_t passing) {
  double ttft_ms = 0;
  for (const v1::PlannedSplit& split : planned.splits()) ttft_ms = std::max(ttft_ms, split.ttft_ms());
  const char* sites = planned.splits_size() > 1 ? "split over the least added cost" : "the least added cost";
  return fmt::format("{} of {} pools that pass every gate; first token within {:.0f} ms of {:.0f} ms promised at {:g}",
                     sites, passing, ttft_ms, demand.row->promise.ttft.value(), demand.row->promise.quantile);
}

// Of the pools, the one that came nearest to taking more of the demand than it has.
PoolVerdict nearest_miss(const Problem& problem, Search& search, uint32_t d, const std::vector<PoolVerdict>& pools) {
  PoolVerdict nearest;
  nearest.verdict.gate = problem.demands[d].blocked != Gate::none ? problem.demands[d].blocked : Gate::model;
  for (PoolVerdict v : pools) {
    v.accelerators_free = search.accelerators_free(v.pool);
    if (const auto o = v.passes ? problem.find_option(d, v.candidate) : std::nullopt) {
      const Search::Quote offer = search.quote(*o, kLeastPart);  // of the smallest part
      const Gate in_the_way = offer.fit.blocked;
      v.arc = offer.arc;
      v.verdict.gate = in_the_way == Gate::none ? Gate::cost : in_the_way;
    }
    const auto rank = [](const PoolVerdict& at) {  // later gates, then those missed by less
      return std::pair(at.verdict.gate, at.verdict.allowed > 0 ? -at.verdict.measured / at.verdict.allowed : 0.0);
    };
    if (nearest.candidate == UINT32_MAX || rank(v) > rank(nearest)) nearest = v;
  }
  return nearest;
}

// The least change of the world, or of what was promised, that opens the nearest pool to the demand.
std::string relaxation_of(const Problem& problem, const DemandRow& demand, const PoolVerdict& at) {
  const grid::Snapshot& s = problem.snapshot;
  const grid::Pool& pool = s.pools[size_t{at.pool}];
  const grid::JurisdictionSet residency = s.tenants[demand.row->tenant].residency;
  const std::string& model = s.models[demand.row->model].id;
  const auto beyond = [&](uint64_t bits) { return codes(s, {bits & ~residency.bits}); };
  switch (at.verdict.gate) {
    case Gate::none:
    case Gate::cost: return "";
    case Gate::tenant_model: return fmt::format("letting {} use {}", s.tenants[demand.row->tenant].id, model);
    case Gate::context:
      return fmt::format("a context of {:.0f} tokens", demand.row->prompt_tokens + demand.row->output_tokens);
    case Gate::anchor: return fmt::format("an anchor of {} that is up", s.regions[demand.row->region].id);
    case Gate::model: return fmt::format("a profile of {} on {}", model, s.accelerators[pool.accelerator].id);
    case Gate::memory:
      return fmt::format("more memory than a replica has there, or a profile of {} over more accelerators", model);
    case Gate::down: return fmt::format("{} up again", s.sites[pool.site].id);
    case Gate::unreachable:
      return fmt::format("a path from {} to {}{}", s.regions[demand.row->region].id, pool.id,
                         twin::in_algorithm(s, demand.row->flex_algo));
    case Gate::residency:
      return fmt::format("letting its data be processed in {}", beyond(s.jurisdiction_of(pool.site).bits));
    case Gate::path_residency:
      return fmt::format("letting its data pass {}", beyond(problem.network_leg_of(demand, at.pool)->jurisdictions));
    case Gate::repair_residency:
      return fmt::format("letting its data pass {} after a failure",
                         beyond((*problem.repairs[demand.repairs])[at.pool]));
    case Gate::diversity:
      return fmt::format("another way from {} to {} beside that", s.regions[demand.row->region].id, pool.id);
    case Gate::promise_tpot: return fmt::format("a promise of {:.1f} ms a token", at.verdict.measured);
    case Gate::promise_ttft:
      return fmt::format("a promise of {:.0f} ms to the first token", std::ceil(at.verdict.measured));
    case Gate::accelerators: {
      const uint32_t each = at.candidate == UINT32_MAX ? 1 : problem.candidates[at.candidate].accelerators;
      return fmt::format("{} accelerators more", each - std::min(each - 1, at.accelerators_free));
    }
    case Gate::power: {
      const Candidate& candidate = problem.candidates[at.candidate];
      return fmt::format("{:.2f} kW more power and cooling at {}",
                         std::max(candidate.worst_kw - std::max(0.0, problem.site_kw[candidate.site]), 0.01),
                         s.sites[pool.site].id);
    }
    case Gate::link_capacity: return fmt::format("more capacity on the way to {}", pool.id);
    case Gate::restoration: {
      const uint32_t row = at.arc - static_cast<uint32_t>(problem.arc_spare_gbps.size());
      return fmt::format("more capacity on {}", s.links[size_t{problem.restoration.rows()[row].arc / 2}].id);
    }
  }
  return "";
}

std::string rejected_reason(const Problem& problem, const DemandRow& demand, const PoolVerdict& nearest) {
  if (nearest.verdict.gate == Gate::cost) return "serving it costs more than turning it away";
  if (problem.snapshot.pools.empty()) return "the grid has no pool";
  return fmt::format("the nearest miss is {}: {}; {} would admit it", problem.snapshot.pools[size_t{nearest.pool}].id,
                     detail_of(problem, demand, nearest), relaxation_of(problem, demand, nearest));
}

}  // namespace

Shortlist shortlist(const Problem& problem, const Search& search, uint32_t d) {
  Shortlist list;
  std::vector<PoolVerdict> passing, ruled_out;
  for (PoolVerdict& v : judge_pools(problem, d)) {
    list.passing += v.passes;
    const auto& members = search.placement(d).members;
    const bool taken = std::any_of(members.begin(), members.end(), [&](const Member& member) {
      return problem.candidates[problem.options[member.option].candidate].pool == v.pool;
    });
    if (!taken) (v.passes ? passing : ruled_out).push_back(v);
  }
  // Up to three that could serve it, the cheapest first; the rest of the places for the nearest that a gate rules out:
  // later gates, then the nearer site.
  const auto take = [&](std::vector<PoolVerdict>& from, size_t most) {
    const size_t count = std::min(most, from.size());
    std::partial_sort(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count), from.end(),
                      [](const PoolVerdict& a, const PoolVerdict& b) {
                        const auto rank = [](const PoolVerdict& v) {
                          return std::tuple(-static_cast<int>(v.verdict.gate), v.fractional_eur,
                                            v.verdict.round_trip_us, v.pool);
                        };
                        return rank(a) < rank(b);
                      });
    list.shown.insert(list.shown.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
  };
  take(passing, 3);
  take(ruled_out, kAlternativesMax - list.shown.size());
  return list;
}

void explain(Problem& problem, Search& search, uint32_t d, Shortlist list, v1::DemandPlan* planned) {
  const DemandRow& demand = problem.demands[d];
  for (const PoolVerdict& v : list.shown)
    if (v.passes) problem.add_option(d, v.candidate);
  const double with = search.objective();
  search.without(d, [&] {
    const double chosen_eur = with - search.objective() + search.rejection_eur_per_hour(d);
    for (PoolVerdict& v : list.shown) v.accelerators_free = search.accelerators_free(v.pool);
    for (PoolVerdict& v : list.shown)
      if (v.passes) price(problem, search, d, chosen_eur, &v);
  });

  if (search.placement(d).unserved > 0) {
    const PoolVerdict nearest = nearest_miss(problem, search, d, judge_pools(problem, d));
    planned->set_blocked_by(std::string(to_string(nearest.verdict.gate)));
    planned->set_reason(rejected_reason(problem, demand, nearest));
  } else {
    planned->set_reason(served_reason(demand, *planned, list.passing));
  }
  double split_eur = 0;
  for (const v1::PlannedSplit& split : planned->splits()) split_eur += split.cost_eur_per_hour();
  for (const PoolVerdict& v : list.shown) {
    v1::PlannedAlternative* alternative = planned->add_alternatives();
    alternative->set_pool(problem.snapshot.pools[size_t{v.pool}].id);
    alternative->set_ruled_out_by(std::string(to_string(v.verdict.gate)));
    alternative->set_detail(detail_of(problem, demand, v));
    alternative->set_ttft_ms(v.verdict.ttft_ms);
    if (v.verdict.gate == Gate::cost) alternative->set_cost_eur_per_hour(split_eur + v.eur_per_hour);
  }
}

}  // namespace tandem::planner
