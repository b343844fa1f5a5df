#include "planner/sharing.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

namespace tandem::planner {
namespace {

constexpr double kAsGoodAsWhole = 1 - 1e-6;  // of a mixture
constexpr double kKilowattsLost = 1e-9;      // in rounding
constexpr size_t kOpenForEachKept = 4;       // models, before the others are planned again
constexpr size_t kChoicesKept = 4'000;       // of plans that stand together: some ten milliseconds

PlannedAlone as_it_stands(const Problem& problem, const Search& plan, uint32_t model) {
  PlannedAlone planned{{}, plan.spent_on(model), plan.taken_by(model)};
  for (const uint32_t d : problem.demands_of(model))
    for (const Member& member : plan.placement(d).members)
      planned.shares.push_back({d, problem.options[member.option].candidate, member.share});
  return planned;
}

}  // namespace

Sharing::Sharing(const Problem& problem, const Bound& bound, uint64_t iterations, std::stop_token stop, Master& master)
    : problem_(problem),
      bound_(bound),
      iterations_(iterations),
      stop_(std::move(stop)),
      master_(master),
      alone_(problem.candidates_of_model.size()) {}

// At the prices there are.
std::vector<PlannedAlone> Sharing::plan_each(Models models, const Search::Spare& spare) {
  std::vector<PlannedAlone> planned(models.size());
  for_each_on_two_threads(models.size(), [&](size_t i) {
    std::unique_ptr<AloneAtPrices>& alone = alone_[models[i]];
    if (!alone) alone = std::make_unique<AloneAtPrices>(problem_, bound_, models[i]);
    planned[i] = alone->plan(spare, master_.prices(), iterations_, stop_);
  });
  for (const PlannedAlone& one : planned) planned_iterations_ += one.iterations;
  return planned;
}

// True where some plan was.
bool Sharing::add_wanted(Models models, std::vector<PlannedAlone> planned) {
  bool wanted = false;
  for (size_t i = 0; i < models.size(); ++i) {
    if (!master_.is_wanted(i, planned[i])) continue;
    master_.add(models[i], std::move(planned[i]));
    wanted = true;
  }
  return wanted;
}

// Of each model a column, after the program was solved; none where it comes to nothing that fits.
std::vector<size_t> Sharing::keep_one_by_one(Models models, Search::Spare left) {
  std::map<uint32_t, size_t> kept;
  std::vector<uint32_t> open(models.begin(), models.end());
  while (!stop_.stop_requested()) {
    std::vector<std::pair<double, size_t>> order;  // less part of the mixture, position
    for (size_t i = 0; i < open.size(); ++i) order.emplace_back(-master_.largest(i).part, i);
    std::ranges::sort(order);
    std::vector<double> room = left.all();
    const size_t most = std::max<size_t>(1, open.size() / kOpenForEachKept);  // beside those that are whole
    for (size_t n = 0; n < order.size() && (n < most || -order[n].first > kAsGoodAsWhole); ++n) {
      const size_t k = master_.largest(order[n].second).column;
      const std::vector<Search::Taken>& takes = master_.column(k).planned.takes;
      const auto fits = [&](const Search::Taken& taken) {
        return taken.amount <= room[taken.resource] + kKilowattsLost;
      };
      if (!std::ranges::all_of(takes, fits)) continue;
      for (const auto& [resource, amount] : takes) room[resource] -= amount;
      kept[open[order[n].second]] = k;
    }
    const size_t erased = std::erase_if(open, [&](uint32_t model) { return kept.contains(model); });
    if (open.empty() || erased == 0) break;
    const size_t pools = left.accelerators.size();
    for (size_t p = 0; p < pools; ++p) left.accelerators[p] = static_cast<uint32_t>(std::lround(room[p]));
    for (size_t s = 0; s < left.kilowatts.size(); ++s) left.kilowatts[s] = std::max(0.0, room[pools + s]);
    std::vector<PlannedAlone> planned = plan_each(open, left);
    for (size_t i = 0; i < open.size(); ++i) master_.add(open[i], std::move(planned[i]));
    if (!master_.solve(open, left.all())) break;
  }
  if (!open.empty()) return {};
  std::vector<size_t> columns;
  for (const uint32_t model : models) columns.push_back(kept[model]);
  return columns;
}

SharedOut Sharing::share(const Search& plan, Models models, Effort effort) {
  SharedOut shared;
  if (models.empty()) return shared;
  const Search::Spare spare = plan.spare_beside(models);
  const auto eur_of = [&](const std::vector<size_t>& columns) {
    double eur = 0;
    for (const size_t k : columns) eur += master_.column(k).planned.eur_per_hour;
    return eur;
  };
  std::vector<size_t> standing;
  for (const uint32_t m : models) standing.push_back(master_.add(m, as_it_stands(problem_, plan, m)));
  shared.is_solved = master_.solve(models, spare.all());
  for (uint32_t round = 0; round < effort.rounds_max && shared.is_solved && !stop_.stop_requested(); ++round) {
    const bool wanted = add_wanted(models, plan_each(models, spare));
    shared.is_solved = master_.solve(models, spare.all());
    if (!wanted) break;
  }
  if (!shared.is_solved || stop_.stop_requested()) return shared;
  std::vector<size_t> known = standing;
  if (effort.one_by_one) {
    if (std::vector<size_t> kept = keep_one_by_one(models, spare); !kept.empty() && eur_of(kept) < eur_of(known))
      known = std::move(kept);
    shared.is_solved = master_.solve(models, spare.all());
    if (!shared.is_solved) return shared;
  }
  const std::vector<size_t> chosen = master_.decide(known, kChoicesKept, stop_);
  for (size_t i = 0; i < models.size(); ++i) {
    if (chosen[i] == standing[i]) continue;
    std::ranges::copy(problem_.demands_of(models[i]), std::back_inserter(shared.demands));
    std::ranges::copy(master_.column(chosen[i]).planned.shares, std::back_inserter(shared.shares));
  }
  shared.iterations = std::exchange(planned_iterations_, 0);
  return shared;
}

}  // namespace tandem::planner
