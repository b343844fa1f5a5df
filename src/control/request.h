// How a plan or a schedule is asked for, whatever makes it due.
#pragma once

#include "control/control.h"

namespace tandem::control {

// Of no pool, or for no demand, there is nothing to plan.
bool can_plan(const State& state);

// With its id, seed and base, of the state as it is; what is wanted besides stands in it.
log::Event plan_requested(const State& state, v1::PlanRequested wanted);

}  // namespace tandem::control
