// One model planned by itself: over all its columns, in what the others leave it. Where models hardly compete, each is
// planned better alone: from many starts, and in a large grid not only over the best few columns of each demand, which
// are the same for many.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "planner/bound.h"
#include "planner/search.h"

namespace tandem::planner {

struct PlannedAlone {
  std::vector<ServedShare> shares;
  double eur_per_hour = 0;    // as the search's objective counts it, moves from an incumbent included
  std::vector<double> takes;  // as Search::Spare::all: accelerators of each pool, kW of each site
  uint64_t iterations = 0;
};

// The best of a few plans that are each improved: one built by promises or, where `starts` is not 0, so many in a drawn
// order, the first of either from what the bound met (Bound::met) where that is better; `iterations` for each. Reads
// the whole only: several models may be planned at once. The same arguments give the same plan.
PlannedAlone plan_alone(const Problem& whole, const Bound& bound, uint32_t model, const Search::Spare& spare,
                        uint64_t seed, uint32_t starts, uint64_t iterations, const std::stop_token& stop);

// One plan built by promises and improved, over the options that the whole has, where what it takes costs those prices
// (€/h, as `takes`), which are no part of what it says it costs.
PlannedAlone plan_at_prices(const Problem& whole, const Bound& bound, uint32_t model, const Search::Spare& spare,
                            std::span<const double> prices, uint64_t iterations, const std::stop_token& stop);

}  // namespace tandem::planner
