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
// How long prompts wait at a candidate, at least; of a block, those that may wait so little. None is known to wait
// where nobody keeps count of it.
inline float least_wait_us_at(std::span<const TargetLive>, uint32_t) { return 0; }
inline float least_wait_us_at(LivePointers live, uint32_t lane) {
  return live.room == nullptr ? 0 : live.room->least_wait_us(lane);
}
inline uint64_t waiting_at_most(std::span<const TargetLive>, size_t, double us) { return us < 0 ? 0 : UINT64_MAX; }
inline uint64_t waiting_at_most(LivePointers live, size_t block, double us) {
  return live.room == nullptr ? UINT64_MAX : live.room->waiting_at_most(block, us);
}

}  // namespace tandem::routing
