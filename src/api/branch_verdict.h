// What the twin says of a branch. Pure functions.
#pragma once

#include "api/call.h"
#include "base/json.h"
#include "inventory/branch.h"

namespace tandem::api {

inline constexpr size_t kVerdictRowsMax = 200;  // of promises and demands each: more is read demand by demand

// What becomes of the accepted plan's promises, of the fullest link and of the running cost if the branch were merged
// into its parent as that is now, before anything is planned anew. Where a day is planned in periods, of the plan of
// those hours in which it breaks most. O(periods · regions · links · log nodes), ~100 ms a period for a grid of 2,000
// sites: never on a thread that serves others. Errors: not_found where the parent is gone.
Result<Json> branch_verdict(const Published& published, const inventory::Branch& branch);

}  // namespace tandem::api
