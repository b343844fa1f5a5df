// Which targets have room, a bit each, and how long prompts wait there.
//
// Problem: under overload a decision would read the live state of every target of the model to find the few that have
// room, or the one where a prompt waits least: hundreds of cache lines that other threads write to.
// Method: who changes a live state, and by that comes to have room or no more, or another wait, says so here: two words
// for 64 candidates, so that a thousand take four cache lines, and 16 bits for each one's wait. What has room and waits
// little enough is looked at; the rest is believed, and may for a moment be of before: right in the end, not at every
// instant.
// Internal to routing and to who keeps live states.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
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

// How long a prompt waits for a replica of a target that prefills nothing: see predict_ttft.
inline double wait_for_prefills_us(const RoutingTable::Candidate& candidate, const TargetLive& live) {
  const double prefills = live.prefills, replicas = candidate.replicas;
  if (prefills < replicas) return 0;
  const double work_us =
      prefills * candidate.prefill_overhead_us + live.prefill_tokens * candidate.prefill_us_per_token;
  return work_us / prefills * ((prefills - replicas) / replicas + 1 / (replicas + 1));
}

// Of one table. Any thread may read it; of each lane one thread at a time may write.
class RoomBits {
 public:
  // All have room, and nobody waits. Of requests for which more may wait than `queue_per_concurrency` at a target the
  // bits say nothing.
  RoomBits(const RoutingTable& table, double queue_per_concurrency)
      : queue_per_concurrency_(queue_per_concurrency), words_(table.blocks()), waits_(table.blocks()) {}

  double queue_per_concurrency() const { return queue_per_concurrency_; }
  // `lane` as RoutingTable::lane_of.
  void set(uint32_t lane, bool any, bool promised) {
    Words& words = words_[lane / kLanes];
    const uint64_t bit = uint64_t{1} << lane % kLanes;
    set(words.any.atomic(), bit, any);
    set(words.promised.atomic(), bit, promised);
  }
  // By wait_for_prefills_us, ≥ 0.
  void set_wait(uint32_t lane, double us) {
    std::atomic<uint64_t>& word = wait_word(lane).atomic();
    const uint64_t changed = (word.load(std::memory_order_relaxed) >> shift_of(lane) & kWait) ^ wait_bits(us);
    if (changed != 0) word.fetch_xor(changed << shift_of(lane), std::memory_order_relaxed);
  }
  // Of the candidates of a block, the first lowest, those that may have room for the request.
  uint64_t open(size_t block, const RequestFacts& request) const {
    if (request.queue_per_concurrency > queue_per_concurrency_) return UINT64_MAX;
    return request.is_promised() ? words_[block].promised : words_[block].any;
  }
  // How long a prompt waits there, or up to a hundredth less.
  float least_wait_us(uint32_t lane) const {
    const uint64_t bits = wait_word(lane).load() >> shift_of(lane) & kWait;
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
  // Of the candidates of a block, the first lowest, those where it may be so little.
  uint64_t waiting_at_most(size_t block, double us) const {
    constexpr uint64_t kOnes = 0x0001'0001'0001'0001, kHighest = kOnes << 15;
    if (us < 0) return 0;
    // Of each part the highest bit stays set where what is taken from it is no more than the limit.
    const uint64_t most = wait_bits(us) * kOnes | kHighest;
    uint64_t result = 0;
#pragma GCC unroll 16
    for (size_t i = 0; i < kWaitWords; ++i)
      result |= ((most - waits_[block][i].load()) & kHighest) >> (kWaitWords - 1 - i);
    return result;
  }

 private:
  static constexpr uint32_t kLanes = RoutingTable::kBlockRows;
  struct Words {
    Relaxed<uint64_t> any = UINT64_MAX, promised = UINT64_MAX;
  };
  // The upper halves of floats ≥ 0, whose order is that of whole numbers. Four a word, of lanes that lie as many apart
  // as there are words: so the bits that comparing words gives fall into the order of lanes.
  static constexpr uint64_t kWait = 0xFFFF;
  static constexpr size_t kWaitWords = kLanes / 4;
  using Waits = std::array<Relaxed<uint64_t>, kWaitWords>;
  static uint64_t wait_bits(double us) {
    constexpr double kEver = 1e30;
    return std::bit_cast<uint32_t>(static_cast<float>(std::min(us, kEver))) >> 16;
  }
  static uint32_t shift_of(uint32_t lane) { return lane % kLanes / kWaitWords * 16; }
  Relaxed<uint64_t>& wait_word(uint32_t lane) { return waits_[lane / kLanes][lane % kWaitWords]; }
  const Relaxed<uint64_t>& wait_word(uint32_t lane) const { return waits_[lane / kLanes][lane % kWaitWords]; }
  static void set(std::atomic<uint64_t>& word, uint64_t bit, bool value) {
    if (((word.load(std::memory_order_relaxed) & bit) != 0) == value) return;
    value ? word.fetch_or(bit, std::memory_order_relaxed) : word.fetch_and(~bit, std::memory_order_relaxed);
  }

  const double queue_per_concurrency_;
  std::vector<Words> words_;  // by block of candidates
  std::vector<Waits> waits_;  // likewise
};

}  // namespace tandem::routing
