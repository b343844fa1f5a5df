#include "planner/master.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "planner/clp_columns.h"

namespace tandem::planner {
namespace {

constexpr double kUnbounded = std::numeric_limits<double>::max();  // what Clp takes for infinite
constexpr double kGainMin = 1e-3;                                  // €/h: less is not looked for
constexpr double kRounding = 1e-9;                                 // of kilowatts

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
      const PlannedAlone& planned = columns_[k].planned;
      const auto fits = [&](const Search::Taken& taken) { return taken.amount <= room_[taken.resource] + kRounding; };
      if (columns_[k].model != models[i] || !std::ranges::all_of(planned.takes, fits)) continue;
      of_model_[i].push_back(k);
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
  largest_.assign(models.size(), {});
  const double* part = lp.primalColumnSolution();
  for (size_t i = 0; i < models.size(); ++i)
    for (const size_t k : of_model_[i])
      if (const double mixed = *part++; mixed > largest_[i].part) largest_[i] = {k, mixed};
  return true;
}

double Master::priced(const PlannedAlone& planned) const { return planned.eur_per_hour + planned.paid(prices_); }

bool Master::is_wanted(size_t model, const PlannedAlone& planned) const {
  return priced(planned) < worth_eur_[model] - kGainMin;
}

Master::Ways Master::ways() const {
  std::vector<double> left = room_;  // were each model to take the most of everything
  for (const std::vector<size_t>& columns : of_model_) {
    std::map<uint32_t, double> most;
    for (const size_t k : columns)
      for (const auto& [resource, amount] : columns_[k].planned.takes)
        most[resource] = std::max(most[resource], amount);
    for (const auto& [resource, amount] : most) left[resource] -= amount;
  }
  Ways ways;
  std::vector<uint32_t> position(room_.size(), 0);
  for (size_t r = 0; r < room_.size(); ++r) {
    position[r] = static_cast<uint32_t>(ways.room.size());
    if (left[r] < 0) ways.room.push_back(room_[r]);
  }
  ways.of_model.resize(of_model_.size());
  for (size_t i = 0; i < ways.of_model.size(); ++i) {
    for (const size_t k : of_model_[i]) {
      const PlannedAlone& planned = columns_[k].planned;
      Way& way = ways.of_model[i].emplace_back(k, std::max(0.0, priced(planned) - worth_eur_[i]));
      for (const auto& [resource, amount] : planned.takes)
        if (left[resource] < 0) way.contested.push_back({position[resource], amount});
    }
    std::ranges::stable_sort(ways.of_model[i], {}, &Way::above_eur);
  }
  return ways;
}

struct Master::Choice {
  double above_eur = 0, eur_per_hour = 0;
  std::vector<size_t> columns;  // of each model so far
  std::vector<double> left;     // of what is contested
};

// Each choice with each of the ways of one more model that fit: the least above the program's value of all.
std::vector<Master::Choice> Master::extended(const std::vector<Choice>& choices, const std::vector<Way>& ways,
                                             double above_max, size_t kept_max) const {
  struct Further {
    double above_eur = 0;
    const Choice* choice = nullptr;
    const Way* way = nullptr;
  };
  std::vector<Further> all;
  for (const Choice& choice : choices) {
    const auto fits = [&](const Search::Taken& taken) {
      return taken.amount <= choice.left[taken.resource] + kRounding;
    };
    for (const Way& way : ways) {
      const double above = choice.above_eur + way.above_eur;
      if (above > above_max) break;
      if (std::ranges::all_of(way.contested, fits)) all.push_back({above, &choice, &way});
    }
  }
  std::ranges::stable_sort(all, {}, &Further::above_eur);
  if (all.size() > kept_max) all.resize(kept_max);
  std::vector<Choice> extended;
  for (const auto& [above, choice, way] : all) {
    Choice& one = extended.emplace_back(*choice);
    one.above_eur = above;
    one.eur_per_hour += columns_[way->column].planned.eur_per_hour;
    one.columns.push_back(way->column);
    for (const auto& [resource, amount] : way->contested) one.left[resource] -= amount;
  }
  return extended;
}

std::vector<size_t> Master::decide(std::vector<size_t> known, size_t kept_max, const std::stop_token& stop) const {
  const Ways ways = this->ways();
  const double least = std::accumulate(worth_eur_.begin(), worth_eur_.end(), 0.0) -
                       std::inner_product(prices_.begin(), prices_.end(), room_.begin(), 0.0);
  double eur = 0;
  for (const size_t k : known) eur += columns_[k].planned.eur_per_hour;
  std::vector<size_t> order(ways.of_model.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) {
    return ways.of_model[i].size() > 1 ? ways.of_model[i][1].above_eur : std::numeric_limits<double>::infinity();
  });
  std::vector<Choice> choices{{0, 0, {}, ways.room}};
  for (const size_t i : order) {
    if (stop.stop_requested()) return known;
    choices = extended(choices, ways.of_model[i], eur - least, kept_max);
  }
  const auto best = std::ranges::min_element(choices, {}, &Choice::eur_per_hour);
  if (best == choices.end() || best->eur_per_hour > eur - kGainMin) return known;
  for (size_t i = 0; i < order.size(); ++i) known[order[i]] = best->columns[i];
  return known;
}

}  // namespace tandem::planner
