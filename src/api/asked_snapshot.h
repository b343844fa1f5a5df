// Which inventory a request reads: now, on a branch, as it was. Internal to the module.
#pragma once

#include "api/call.h"
#include "inventory/branch.h"

namespace tandem::api {

// A branch by its name, what is personal in it still sealed. Errors: not_found, of `parameter`, with the nearest name.
using BranchPointer = std::shared_ptr<const inventory::Branch>;
Result<BranchPointer> branch_named(const Call& call, const std::string& name, const char* parameter);
// The branch of the query; null where none is named.
Result<BranchPointer> asked_branch(const Call& call);

struct Asked {
  inventory::Snapshot snapshot;
  Instant now;  // for what is counted from now: the time of what is read, where that is in the past
};

// By the parameters `branch` and `as_of` of the query: an offset of the log (what was believed then), a time or how
// long before `now` (what was true then, as known now), or OFFSET@TIME (what was believed then to have been true then).
// Errors: not_found (branch), invalid_argument.
Result<Asked> asked_snapshot(const Call& call, Instant now);

}  // namespace tandem::api
