// What each policy deploys.
#pragma once

#include "replay/replay.h"

namespace tandem::replay {

v1::Plan placement(const grid::Snapshot& snapshot, Policy policy, uint64_t seed, uint64_t work,
                   std::stop_token stop = {});

// The grid as it looks to who plans compute before network: no delay, no cost, no limit on any link or anchor.
grid::Snapshot without_network(const grid::Snapshot& snapshot);

// The grid with accelerators at core and cloud sites alone.
grid::Snapshot central_only(const grid::Snapshot& snapshot);

// Demand by demand, the important and large first, replicas at the nearest pool by anchor that may hold its data and
// has room, at the largest batch that keeps its promise per token; what finds no room is left out.
v1::Plan nearest_placement(const grid::Snapshot& snapshot);

}  // namespace tandem::replay
