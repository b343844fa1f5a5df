// Whether an event may be: parts of `step`.
#pragma once

#include "control/control.h"

namespace tandem::control {

// The facts with their values in canonical form, where an inventory may take them in.
Result<v1::FactsRecorded> admit_facts(const inventory::Snapshot& inventory, const v1::FactsRecorded& facts);
Result<void> admit_retraction(const inventory::Snapshot& inventory, const v1::EntityRetracted& retracted);

// An event about a branch, as it goes on the log.
Result<log::Event> step_branch(const State& state, const log::Event& event);

}  // namespace tandem::control
