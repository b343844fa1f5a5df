// A search's plan in the form in which it stands on the log.
#pragma once

#include "planner/search.h"
#include "tandem/v1/plan.pb.h"

namespace tandem::planner {

// With its cost, moves and reasons; without a name, a bound and how it was made. `is_mended`: what stands as before
// keeps its reasons. The search is asked what else there was, for which the problem may get options, and left as it is.
v1::Plan written(Problem& problem, Search& search, bool is_mended);

}  // namespace tandem::planner
