// What a grid file changes of what is believed.
#pragma once

#include <span>
#include <vector>

#include "grid/decode.h"
#include "inventory/inventory.h"

namespace tandem::app {

// The events that bring `believed` to what the file says, in an order in which nothing refers to what is not there yet
// or any more. What the file once brought and does not name any more goes: an entity, unless what others brought refers
// to it, and an attribute, except `state`, which others report. What others alone have said stays.
std::vector<log::Event> grid_file_events(std::span<const grid::Entity> entities, const inventory::Snapshot& believed);

}  // namespace tandem::app
