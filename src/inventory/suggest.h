// What a person is told of a discrepancy: a sentence, and who should look at what.
#pragma once

#include "inventory/reconcile.h"

namespace tandem::inventory {

// Fills `summary` and `verification`.
void suggest(const Snapshot& snapshot, Discrepancy& discrepancy);

}  // namespace tandem::inventory
