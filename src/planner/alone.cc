#include "planner/alone.h"

#include <algorithm>
#include <optional>

namespace tandem::planner {
namespace {

constexpr std::pair<double, bool> kFirstPlans[] = {
    {1, true}, {0.5, false}, {0.1, false}};  // plan.cc's, but one: there are many models

grid::Snapshot only_model(const Problem& whole, const std::vector<uint32_t>& demands) {
  grid::Snapshot snapshot = whole.snapshot;
  std::vector<grid::Demand> rows;
  for (const uint32_t d : demands) rows.push_back(*whole.demands[d].row);
  snapshot.demands = grid::Table(std::move(rows));
  return snapshot;
}

// What the others leave, and what steers the search of the whole.
void narrow(const Problem& whole, const Search::Spare& spare, uint32_t model, Problem& problem) {
  problem.pool_spare = spare.accelerators;
  problem.site_kw = spare.kilowatts;
  problem.arc_spare_gbps = spare.arc_gbps;
  for (uint32_t c = 0; c < problem.candidates.size(); ++c) {
    Candidate& candidate = problem.candidates[c];
    candidate.replicas_max = spare.accelerators[candidate.pool] / candidate.accelerators;
    candidate.servable =
        candidate.servable && candidate.replicas_max > 0 && candidate.worst_kw <= spare.kilowatts[candidate.site];
    candidate.pinned = candidate.model == model ? std::min(candidate.pinned, candidate.replicas_max) : 0;
    candidate.guide_eur_per_hour = whole.candidates[c].guide_eur_per_hour;
    candidate.doubt = whole.candidates[c].doubt;
  }
}

}  // namespace

PlannedAlone plan_alone(const Problem& whole, const Bound& bound, uint32_t model, const Search::Spare& spare,
                        uint64_t seed, uint32_t starts, uint64_t iterations, const std::stop_token& stop) {
  std::vector<uint32_t> demands;
  for (uint32_t d = 0; d < whole.demands.size(); ++d)
    if (whole.demands[d].row->model.value == model) demands.push_back(d);
  const grid::Snapshot snapshot = only_model(whole, demands);
  Problem problem(snapshot, whole.terrain, nullptr);
  narrow(whole, spare, model, problem);
  for (size_t i = 0; i < demands.size(); ++i) problem.demands[i].precedence = whole.demands[demands[i]].precedence;
  problem.add_all_options();
  for (Option& option : problem.options) {
    Option of_whole = option;
    of_whole.use = whole.demands[demands[option.demand]].use_first + problem.candidates[option.candidate].slot;
    bound.set_fractions(of_whole);
    option.fractional_eur_per_hour = of_whole.fractional_eur_per_hour;
    option.replicas_in_fractions = of_whole.replicas_in_fractions;
  }
  std::vector<ServedShare> met = bound.met(model);
  for (ServedShare& share : met)
    share.demand = static_cast<uint32_t>(std::ranges::lower_bound(demands, share.demand) - demands.begin());
  const size_t plans = starts > 0 ? starts : std::size(kFirstPlans);
  Search search(problem, seed, iterations * plans, stop);
  std::optional<Search::State> best;
  for (size_t i = 0; i < plans && !(best && stop.stop_requested()); ++i) {
    search.count(Energy::full_batches);
    if (starts > 0)
      search.construct_at_random();
    else
      search.construct(kFirstPlans[i].first, kFirstPlans[i].second);
    if (i == 0) {
      search.count(Energy::drawn);
      search.replace(model, met);
    }
    search.improve_in_turns();
    if (!best || search.objective() < best->objective) best = search.state();
  }
  search.set_state(*best);
  PlannedAlone planned{{}, search.objective(), search.iterations()};
  for (uint32_t i = 0; i < demands.size(); ++i)
    for (const Member& member : search.placement(i).members)
      planned.shares.push_back({demands[i], problem.options[member.option].candidate, member.share});
  return planned;
}

}  // namespace tandem::planner
