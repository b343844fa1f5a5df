// The edits of one entity as a branch holds them: bytes of v1::HeldEdits.
#pragma once

#include "base/shared_bytes.h"
#include "base/time.h"
#include "inventory/inventory.h"

namespace tandem::inventory {

SharedBytes encode_held(const v1::HeldEdits& held);  // the same bytes for the same message
v1::HeldEdits parse_held(const SharedBytes& bytes);  // of bytes that encode_held gives
size_t count_of(const v1::HeldEdits& held);          // what a merge would apply

// One edit taken into a snapshot at an event; of one that is neither facts nor a retraction only the offset.
void apply_edit(const v1::BranchEdit& edit, log::Offset offset, Instant at, Snapshot& snapshot,
                ChangeSet* changes = nullptr);

}  // namespace tandem::inventory
