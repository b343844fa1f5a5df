// Whether a plan's lower bound follows from its prices, worked out from the grid and the prices alone, one deployment
// and one number of replicas after the other: shares no code with the search for prices beyond the twin's physics. What
// is computed is described in bound.h.
#pragma once

#include "grid/snapshot.h"
#include "planner/planner.h"

namespace tandem::planner {

// The bound that prices prove, €/h. Prices out of range are taken at the nearest end. O(demands × pools × points).
double proven_bound(const grid::Snapshot& snapshot, const Prices& prices);

// What the plan costs by its own rows, €/h; moves are counted as it states them. Rows that the grid does not have count
// nothing (violations() names them).
double cost_of(const grid::Snapshot& snapshot, const v1::Plan& plan);

}  // namespace tandem::planner
