// Why: the constraint that blocks a demand, and the best pools it was not sent to.
#pragma once

#include "planner/search.h"

namespace tandem::planner {

inline constexpr int kAlternativesMax = 5;  // what a person reads; every pool would be ~100 rows a demand

// Fills `blocked_by` (where part of the demand is rejected), `reason` and `alternatives` of a demand whose splits are
// set. O(candidates of the model + quotes of kAlternativesMax pools).
void explain(Problem& problem, Search& search, uint32_t demand, v1::DemandPlan* planned);

}  // namespace tandem::planner
