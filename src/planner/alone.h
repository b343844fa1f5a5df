// One model planned by itself: over all its columns, in what the others leave it. Where models hardly compete, each is
// planned better alone: from many starts, and in a large grid not only over the best few columns of each demand, which
// are the same for many.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "planner/bound.h"
#include "planner/search.h"

namespace tandem::planner {

class Alone;

struct PlannedAlone {
  std::vector<ServedShare> shares;
  double eur_per_hour = 0;  // as the search's objective counts it, moves from an incumbent included
  std::vector<Search::Taken> takes;
  uint64_t iterations = 0;

  double paid(std::span<const double> prices) const;  // for what it takes, at €/h for one of each resource
};

// The best of a few plans that are each improved: one built by promises or, where `starts` is not 0, so many in a drawn
// order, the first of either from what the bound met (Bound::met) where that is better; `iterations` for each. Reads
// the whole only: several models may be planned at once. The same arguments give the same plan.
PlannedAlone plan_alone(const Problem& whole, const Bound& bound, uint32_t model, const Search::Spare& spare,
                        uint64_t seed, uint32_t starts, uint64_t iterations, const std::stop_token& stop);

// One model planned again and again, over the options that the whole has, where what it takes has a price.
class AloneAtPrices {
 public:
  AloneAtPrices(const Problem& whole, const Bound& bound, uint32_t model);
  ~AloneAtPrices();

  // Built by promises and improved, in so much. Prices: €/h for one of each resource, no part of what the plan says it
  // costs; they alone steer it, and not what the bound says of the same resources.
  PlannedAlone plan(const Search::Spare& spare, std::span<const double> prices, uint64_t iterations,
                    const std::stop_token& stop);

 private:
  std::unique_ptr<Alone> alone_;
};

}  // namespace tandem::planner
