#include "planner/master.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>

#include "planner/clp_columns.h"

namespace tandem::planner {
namespace {

constexpr double kUnbounded = std::numeric_limits<double>::max();  // what Clp takes for infinite
constexpr double kGainMin = 1e-3;                                  // €/h: less is not looked for
constexpr double kFirstStep = 0.5;  // €/h above the least, then twice as much each time
constexpr double kRounding = 1e-9;  // of kilowatts

}  // namespace

size_t Master::add(uint32_t model, PlannedAlone planned) {
  columns_.push_back({model, std::move(planned)});
  return columns_.size() - 1;
}

bool Master::solve(std::span<const uint32_t> models, std::vector<double> room) {
  room_ = std::move(room);
  of_model_.assign(models.size(), {});
  ClpEntries entries;
  std::vector<double> cost;
  for (size_t i = 0; i < models.size(); ++i) {
    for (size_t k = 0; k < columns_.size(); ++k) {
      if (columns_[k].model != models[i]) continue;
      of_model_[i].push_back(k);
      const PlannedAlone& planned = columns_[k].planned;
      cost.push_back(planned.eur_per_hour);
      auto& rows = entries.emplace_back();
      rows.emplace_back(static_cast<int>(i), 1);
      for (const auto& [resource, amount] : planned.takes)
        rows.emplace_back(static_cast<int>(models.size() + resource), amount);
    }
  }
  std::vector<double> row_low(models.size(), 1), row_high(models.size(), 1);
  row_low.resize(models.size() + room_.size(), -kUnbounded);
  row_high.insert(row_high.end(), room_.begin(), room_.end());
  ClpSimplex lp;
  const std::vector<double> low(cost.size(), 0), high(cost.size(), kUnbounded);  // else worth is not the models' alone
  load_columns(entries, low, high, cost, row_low, row_high, lp);
  lp.initialDualSolve();
  if (lp.status() != 0) return false;
  prices_.clear();
  for (size_t r = 0; r < room_.size(); ++r) prices_.push_back(std::max(0.0, -lp.dualRowSolution()[models.size() + r]));
  worth_eur_.assign(lp.dualRowSolution(), lp.dualRowSolution() + models.size());
  return true;
}

double Master::priced(const PlannedAlone& planned) const { return planned.eur_per_hour + planned.paid(prices_); }

bool Master::is_wanted(size_t model, const PlannedAlone& planned) const {
  return priced(planned) < worth_eur_[model] - kGainMin;
}

std::vector<std::vector<Master::Way>> Master::ways() const {
  std::vector<double> left = room_;  // were each model to take the most of everything
  for (const std::vector<size_t>& columns : of_model_) {
    std::map<uint32_t, double> most;
    for (const size_t k : columns)
      for (const auto& [resource, amount] : columns_[k].planned.takes)
        most[resource] = std::max(most[resource], amount);
    for (const auto& [resource, amount] : most) left[resource] -= amount;
  }
  std::vector<std::vector<Way>> ways(of_model_.size());
  for (size_t i = 0; i < ways.size(); ++i) {
    for (const size_t k : of_model_[i]) {
      const PlannedAlone& planned = columns_[k].planned;
      Way& way = ways[i].emplace_back(k, std::max(0.0, priced(planned) - worth_eur_[i]));
      std::ranges::copy_if(planned.takes, std::back_inserter(way.contested),
                           [&](const Search::Taken& taken) { return left[taken.resource] < 0; });
    }
    std::ranges::stable_sort(ways[i], {}, &Way::above_eur);
  }
  return ways;
}

std::vector<size_t> Master::decide(std::vector<size_t> known, uint32_t nodes_max, const std::stop_token& stop) const {
  const std::vector<std::vector<Way>> ways = this->ways();
  const double least = std::accumulate(worth_eur_.begin(), worth_eur_.end(), 0.0) -
                       std::inner_product(prices_.begin(), prices_.end(), room_.begin(), 0.0);
  double best = 0;
  for (const size_t k : known) best += columns_[k].planned.eur_per_hour;
  std::vector<double> left = room_;
  std::vector<size_t> chosen;
  uint32_t nodes = 0;
  double above_max = 0;
  const auto search = [&](const auto& self, double above, double eur) -> void {
    const size_t model = chosen.size();
    if (model == ways.size()) {
      if (eur >= best - kGainMin) return;
      known = chosen;
      best = eur;
      above_max = std::min(above_max, best - least);
      return;
    }
    for (const auto& [k, way_above, contested] : ways[model]) {
      if (above + way_above > above_max || ++nodes > nodes_max) return;
      const auto fits = [&](const Search::Taken& taken) { return taken.amount <= left[taken.resource] + kRounding; };
      if (!std::ranges::all_of(contested, fits)) continue;
      for (const auto& [resource, amount] : contested) left[resource] -= amount;
      chosen.push_back(k);
      self(self, above + way_above, eur + columns_[k].planned.eur_per_hour);
      chosen.pop_back();
      for (const auto& [resource, amount] : contested) left[resource] += amount;
    }
  };
  for (double step = kFirstStep; nodes <= nodes_max && !stop.stop_requested(); step *= 2) {
    above_max = std::min(step, best - least);
    search(search, 0, 0);
    if (least + step >= best) break;
  }
  return known;
}

}  // namespace tandem::planner
