#include "inventory/held_edits.h"

#include <algorithm>

#include "base/check.h"

namespace tandem::inventory {

SharedBytes encode_held(const v1::HeldEdits& held) {
  return SharedBytes(held.SerializeAsString());
}  // no maps: one order

v1::HeldEdits parse_held(const SharedBytes& bytes) {
  v1::HeldEdits held;
  CHECK(held.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.view().size())));
  return held;
}

size_t count_of(const v1::HeldEdits& held) {
  return static_cast<size_t>(
      std::ranges::count_if(held.edits(), [](const v1::HeldEdit& said) { return !said.edit().has_taken_back(); }));
}

void apply_edit(const v1::BranchEdit& edit, log::Offset offset, Instant at, Snapshot& snapshot, ChangeSet* changes) {
  log::Event event;
  if (edit.has_facts())
    *event.mutable_facts_recorded() = edit.facts();
  else if (edit.has_retraction())
    *event.mutable_entity_retracted() = edit.retraction();
  snapshot.fold(event, offset, at, changes);
}

}  // namespace tandem::inventory
