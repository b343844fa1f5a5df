// Which inventory a request reads: now, on a branch, as it was. Internal to the module.
#pragma once

#include "api/call.h"
#include "inventory/inventory.h"

namespace tandem::api {

struct Asked {
  inventory::Snapshot snapshot;
  Instant now;  // for what is counted from now: the time of what is read, where that is in the past
};

// By the parameters `branch` and `as_of` of the query: an offset of the log (what was believed then), a time or how
// long before `now` (what was true then, as known now), or OFFSET@TIME (what was believed then to have been true then).
// Errors: not_found (branch), invalid_argument.
Result<Asked> asked_snapshot(const Call& call, Instant now);

}  // namespace tandem::api
