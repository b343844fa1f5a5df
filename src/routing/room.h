// Which targets have room, a bit each.
//
// Problem: under overload a decision would read the live state of every target of the model to find the few that have
// room, or that none has: hundreds of cache lines that other threads write to.
// Method: who changes a live state, and by that comes to have room or no more, says so here: two words for 64
// candidates, so that a thousand take four cache lines. One that is set is looked at; one that is not set is believed,
// and may for a moment be of before: right in the end, not at every instant.
// Internal to routing and to who keeps live states.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "routing/routing.h"

namespace tandem::routing {

// In flight at a target when it takes no more.
struct Room {
  uint32_t any = 0;       // requests without a promise
  uint32_t promised = 0;  // requests with one, ≤ any
};
inline Room room_of(const RoutingTable::Candidate& candidate, double queue_per_concurrency) {
  const double concurrency = candidate.concurrency_max;
  const double waiting_max = std::min(concurrency, std::max(1.0, concurrency * queue_per_concurrency));
  const auto most = static_cast<uint32_t>(std::min<double>(UINT32_MAX, std::ceil(concurrency + waiting_max)));
  return {most, candidate.in_flight_kept > 0 ? std::min(most, candidate.in_flight_kept) : most};
}

// Of one table. Any thread may read it; of each lane one thread at a time may write.
class RoomBits {
 public:
  // All have room. Of requests for which more may wait than `queue_per_concurrency` at a target it says nothing.
  RoomBits(const RoutingTable& table, double queue_per_concurrency)
      : queue_per_concurrency_(queue_per_concurrency), words_(table.blocks()) {}

  double queue_per_concurrency() const { return queue_per_concurrency_; }
  // `lane` as RoutingTable::lane_of.
  void set(uint32_t lane, bool any, bool promised) {
    Words& words = words_[lane / kLanes];
    const uint64_t bit = uint64_t{1} << lane % kLanes;
    set(words.any.atomic(), bit, any);
    set(words.promised.atomic(), bit, promised);
  }
  // Of the candidates of a block, the first lowest, those that may have room for the request.
  uint64_t open(size_t block, const RequestFacts& request) const {
    if (request.queue_per_concurrency > queue_per_concurrency_) return UINT64_MAX;
    return request.is_promised() ? words_[block].promised : words_[block].any;
  }

 private:
  static constexpr uint32_t kLanes = RoutingTable::kBlockRows;
  struct Words {
    Relaxed<uint64_t> any = UINT64_MAX, promised = UINT64_MAX;
  };
  static void set(std::atomic<uint64_t>& word, uint64_t bit, bool value) {
    if (((word.load(std::memory_order_relaxed) & bit) != 0) == value) return;
    value ? word.fetch_or(bit, std::memory_order_relaxed) : word.fetch_and(~bit, std::memory_order_relaxed);
  }

  const double queue_per_concurrency_;
  std::vector<Words> words_;  // by block of candidates
};

}  // namespace tandem::routing
