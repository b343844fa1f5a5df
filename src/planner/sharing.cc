#include "planner/sharing.h"

#include <algorithm>
#include <iterator>

#include "planner/alone.h"

namespace tandem::planner {
namespace {

constexpr uint32_t kRounds = 6;            // of prices, and a plan of each model along them
constexpr uint32_t kNodesMax = 1'000'000;  // of the choice among those: a tenth of a second

PlannedAlone as_it_stands(const Problem& problem, const Search& plan, uint32_t model) {
  PlannedAlone planned{{}, plan.spent_on(model), plan.taken_by(model)};
  for (const uint32_t d : problem.demands_of(model))
    for (const Member& member : plan.placement(d).members)
      planned.shares.push_back({d, problem.options[member.option].candidate, member.share});
  return planned;
}

}  // namespace

SharedOut share_out(const Problem& problem, const Bound& bound, const Search& plan, const std::vector<uint32_t>& models,
                    uint64_t iterations, const std::stop_token& stop, Master& master) {
  SharedOut shared;
  const Search::Spare spare = plan.spare_beside(models);
  std::vector<size_t> standing;
  for (const uint32_t m : models) standing.push_back(master.add(m, as_it_stands(problem, plan, m)));
  std::vector<std::optional<AloneAtPrices>> alone(models.size());
  bool wanted = true;
  for (uint32_t round = 0; round < kRounds && wanted && !stop.stop_requested(); ++round) {
    if (!master.solve(models, spare.all())) return shared;
    std::vector<std::optional<PlannedAlone>> planned(models.size());
    for_each_on_two_threads(models.size(), [&](size_t i) {
      if (stop.stop_requested()) return;
      if (!alone[i]) alone[i].emplace(problem, bound, models[i], spare);
      planned[i] = alone[i]->plan(master.prices(), iterations, stop);
    });
    wanted = false;
    for (size_t i = 0; i < models.size(); ++i) {
      if (!planned[i]) continue;
      shared.iterations += planned[i]->iterations;
      if (!master.is_wanted(i, *planned[i])) continue;
      master.add(models[i], std::move(*planned[i]));
      wanted = true;
    }
  }
  shared.is_solved = master.solve(models, spare.all());
  if (!shared.is_solved) return shared;
  for (const size_t k : master.decide(standing, kNodesMax, stop)) {
    if (std::ranges::find(standing, k) != standing.end()) continue;
    const auto& [model, planned] = master.column(k);
    std::ranges::copy(problem.demands_of(model), std::back_inserter(shared.demands));
    std::ranges::copy(planned.shares, std::back_inserter(shared.shares));
  }
  return shared;
}

}  // namespace tandem::planner
