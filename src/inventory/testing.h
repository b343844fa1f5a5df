// What the tests of this module share.
#pragma once

#include <vector>

#include "inventory/inventory.h"

namespace tandem::inventory {

inline Snapshot folded(const std::vector<log::Event>& events) {
  Snapshot snapshot;
  for (const log::Event& event : events) snapshot.fold(event, snapshot.offset() + 1, {});
  return snapshot;
}

}  // namespace tandem::inventory
