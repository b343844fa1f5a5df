// The emulated engines that an accepted plan calls for.
#pragma once

#include <vector>

#include "control/control.h"
#include "runtime/emulator.h"

namespace tandem::app {

// One engine for each planned deployment whose pool names no server of its own.
std::vector<runtime::EngineSpec> emulated_engines(const grid::Snapshot& grid, const v1::Plan& plan);

}  // namespace tandem::app
