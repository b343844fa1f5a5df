// Live states, in either form that callers keep them. Internal.
#pragma once

#include "routing/room.h"
#include "routing/routing.h"

namespace tandem::routing {

inline const TargetLive& live_at(const RoutingTable& table, std::span<const TargetLive> live, uint32_t position) {
  return live[table.candidate_at(position).target];
}
inline const TargetLive& live_at(const RoutingTable&, LivePointers live, uint32_t position) {
  return *live.rows[position];
}

// Of a block of candidates, those that may have room for the request.
inline uint64_t open_at(std::span<const TargetLive>, size_t, const RequestFacts&) { return UINT64_MAX; }
inline uint64_t open_at(LivePointers live, size_t block, const RequestFacts& request) {
  return live.room == nullptr ? UINT64_MAX : live.room->open(block, request);
}

}  // namespace tandem::routing
