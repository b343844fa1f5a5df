// What a look back at entities of many kinds can show.
#pragma once

#include <functional>

#include "base/result.h"
#include "inventory/inventory.h"
#include "ontology/ontology.h"

namespace tandem::inventory {

// `Snapshot::reaches` of every kind that is among those read; some keep their past for so many days only. Errors:
// not_found, naming the first such kind, where its history begins, and how to ask for others.
Result<void> reaches_all(const Snapshot& snapshot, const std::function<bool(const ontology::Kind&)>& is_read = {});

}  // namespace tandem::inventory
