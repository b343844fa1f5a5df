// Whether an event may be: parts of `step`.
#pragma once

#include "control/control.h"

namespace tandem::control {

// Where an inventory may take the facts in, puts their values in canonical form.
Result<void> admit_facts(const inventory::Snapshot& inventory, v1::FactsRecorded& facts);
Result<void> admit_retraction(const inventory::Snapshot& inventory, const v1::EntityRetracted& retracted);

// An event about a branch, as it goes on the log.
Result<log::Event> step_branch(const State& state, log::Event event);

}  // namespace tandem::control
