// How many replicas of each deployment run in each period of a day, the splits as they are.
#pragma once

#include <span>

#include "planner/schedule.h"

namespace tandem::planner {

// A period and its plan for the grid of its hours.
struct KeptPeriod {
  const grid::Snapshot* grid = nullptr;
  double hours = 0;
  v1::Plan* plan = nullptr;
};

// Sets the replicas of every deployment, one after the other, to those that cost least over the day, moves included:
// between the fewest that keep what is asked of it and what its pool and site have left beside the others. One may run
// idle through a period that has no use for it. Figures of rows that change are worked out anew. The periods follow
// each other, the first the last. O(deployments · periods² · different numbers of replicas²).
void keep_replicas(std::span<KeptPeriod> day, double move_penalty_eur);

}  // namespace tandem::planner
