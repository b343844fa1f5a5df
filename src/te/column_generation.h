// Brings columns into a simplex until the level is proven close to the least.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "te/columns.h"
#include "te/grouped_simplex.h"

namespace tandem::te {

struct GenerationLimits {
  double gap = 0;           // level / bound − 1 that is close enough
  uint64_t pivots_max = 0;  // of the simplex, in all
  std::stop_token stop;

  bool reached(const GroupedSimplex& simplex) const { return stop.stop_requested() || simplex.pivots() >= pivots_max; }
};

inline bool dearer_first(const Offer& a, const Offer& b) {
  return a.saving != b.saving ? a.saving > b.saving : a.group < b.group;
}

// What is known so far; carried from one stage to the next.
struct Generation {
  double bound = 0;            // of the level, whatever steering costs
  std::vector<double> prices;  // by row, ≥ 0, sum 1: at which it was found
  uint64_t rounds = 0;         // of pricing
  bool stopped = false;        // by a limit
};

// Columns that were on offer, and may be cheap again: looked through before all is priced anew.
class ColumnPool {
 public:
  void add(GroupedSimplex::Column column) {
    if (columns_.size() < kColumnsMax) return columns_.push_back(std::move(column));
    columns_[next_] = std::move(column);  // the oldest
    next_ = (next_ + 1) % kColumnsMax;
  }

  // Brings in what saves, the best first, again until nothing does. Returns how many came in; `limits` may stop it.
  size_t bring_in(GroupedSimplex& simplex, const GenerationLimits& limits) {
    size_t came_in = 0;
    for (int pass = 0; pass < kPassesMax; ++pass) {
      worth_.clear();
      for (uint32_t i = 0; i < columns_.size(); ++i) {
        const double saving = simplex.saving(columns_[i]);
        if (saving > GroupedSimplex::kPriceTolerance) worth_.emplace_back(-saving, i);
      }
      if (worth_.empty()) break;
      std::sort(worth_.begin(), worth_.end());
      for (const auto& [minus_saving, i] : worth_) {
        if (limits.reached(simplex)) return came_in;
        came_in += simplex.bring_in(columns_[i], limits.pivots_max);
      }
    }
    return came_in;
  }

 private:
  static constexpr size_t kColumnsMax = 600;  // a look at all of them is a small part of pricing everything
  static constexpr int kPassesMax = 10;
  std::vector<GroupedSimplex::Column> columns_;
  std::vector<std::pair<double, uint32_t>> worth_;
  size_t next_ = 0;
};

// Delayed column generation, smoothed: columns are priced between the simplex's own prices, which jump, and the best so
// far (Wentges, "Weighted Dantzig–Wolfe decomposition", 1997; the weight of the best is kCentre). Where that brings
// nothing in, at the simplex's own, and the stage ends when nothing is on offer there. `cost` is that of steering a
// whole group. Returns whether the level is close enough.
template <class Columns>
bool generate(GroupedSimplex& simplex, Columns& columns, double cost, const GenerationLimits& limits,
              Generation& known) {
  constexpr double kCentre = 0.7;
  constexpr size_t kOffersMax = 150;  // of a round; the rest come again if they are still good
  std::vector<Offer> offers;
  std::vector<double> prices(simplex.prices().size());
  ColumnPool pool;
  double weight = known.prices.empty() ? 0 : kCentre;
  for (;;) {
    double sum = 0;
    for (size_t r = 0; r < prices.size(); ++r) {
      const double own = std::max(0.0, simplex.prices()[r]);
      prices[r] = weight > 0 ? weight * known.prices[r] + (1 - weight) * own : own;
      sum += prices[r];
    }
    for (double& price : prices) price /= sum;  // 1 but for rounding: the bound is worth what this is exact
    const double bound = columns.offers(simplex, prices, cost, offers);
    ++known.rounds;
    if (bound > known.bound) {
      known.bound = bound;
      known.prices = prices;
    }
    if (simplex.level() <= known.bound * (1 + limits.gap)) return true;
    if (limits.reached(simplex)) {
      known.stopped = true;
      return false;
    }
    const size_t taken = std::min(offers.size(), kOffersMax);
    std::partial_sort(offers.begin(), offers.begin() + static_cast<ptrdiff_t>(taken), offers.end(), dearer_first);
    for (size_t i = 0; i < taken; ++i) pool.add(columns.make(offers[i].group, offers[i].tag, cost));
    const size_t came_in = pool.bring_in(simplex, limits);
    if (came_in == 0 && weight == 0) return false;
    weight = came_in == 0 || known.prices.empty() ? 0 : kCentre;
  }
}

}  // namespace tandem::te
