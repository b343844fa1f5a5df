// What a grid file changes of what is believed.
#pragma once

#include <span>
#include <vector>

#include "grid/decode.h"
#include "inventory/inventory.h"

namespace tandem::app {

// The events that bring `believed` to what the file says, in an order in which nothing refers to what is not there yet
// or any more. An attribute that the file does not name is removed, except `state`, which others report.
std::vector<log::Event> grid_file_events(std::span<const grid::Entity> entities, const inventory::Snapshot& believed);

}  // namespace tandem::app
