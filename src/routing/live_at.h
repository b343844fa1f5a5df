// Where a position's live state is, in either form that callers keep them. Internal.
#pragma once

#include "routing/routing.h"

namespace tandem::routing {

inline const TargetLive& live_at(const RoutingTable& table, std::span<const TargetLive> live, uint32_t position) {
  return live[table.candidate_at(position).target];
}
inline const TargetLive& live_at(const RoutingTable&, LivePointers live, uint32_t position) {
  return *live.rows[position];
}

}  // namespace tandem::routing
