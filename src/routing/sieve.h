// Which candidates of a block a search must weigh.
//
// Problem: where nothing keeps a promise, or little does, a search would weigh every target of the model, and for each
// read a row, a leg and a live state from somewhere in memory: 20 ns, 20 µs for a thousand.
// Method: bounds on 64 candidates at once, over columns that lie side by side. The first token comes no sooner than by
// way, prefill and wait, in single precision and taken sooner rather than later; room and ways are judged as by
// `live_gate` and `place_gate`. What is left is weighed exactly, so that a choice is never the sieve's.
// Complexity: O(candidates), some 1 ns and 12 bytes each; live states, some 3 ns each, are read only of those that
// would be soon enough. Fails by: where ways touch more than kZonesMax different sets of jurisdictions, or millions of
// requests are in flight at one target, more is weighed than need be. Internal.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "routing/routing.h"

namespace tandem::routing {

class Sieve {
 public:
  using Bounds = RoutingTable::Bounds;
  // Limits are taken this much later, for what single precision loses in a few products and sums.
  static constexpr float kSlack = 1 + 1e-5F;

  Sieve(const RoutingTable& table, const RequestFacts& request);

  // Takes a block of candidates, of which those `open` are asked for. One passes whose first token comes within
  // `keeps_us` where its time per token keeps the promise, within `any_us` where it does not, were nothing waiting
  // there. Whether any does.
  bool take(const Bounds& block, uint64_t open, double keeps_us, double any_us);
  // With what waits there, of those that passed; `live_at` gives the live state of each.
  template <class LiveAt>
  bool wait(double keeps_us, double any_us, LiveAt live_at) {
    in_flight_.fill(kNever);
    for (uint64_t left = passed_; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(left));
      const TargetLive& live = live_at(i);
      const uint32_t in_flight = live.in_flight;
      const bool open = static_cast<int>(live.healthy) & static_cast<int>(in_flight < live.in_flight_max);
      in_flight_[i] = open ? static_cast<float>(in_flight) : kNever;
      prefills_[i] = static_cast<float>(live.prefills);
      prefill_tokens_[i] = static_cast<float>(live.prefill_tokens);
    }
    add_waits();
    return narrow(keeps_us, any_us);
  }
  // The block is about to be taken: what is first read of it is asked for from memory.
  static void prefetch(const Bounds& block) {
    for (size_t byte = 0; byte < offsetof(Bounds, tpot_ms); byte += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(&block) + byte);
  }
  // The same block by other limits.
  bool narrow(double keeps_us, double any_us);

  uint64_t passed() const { return passed_; }       // of the block, the first candidate lowest
  size_t soonest() const;                           // of those that passed, of which there is one
  float soonest_us() const { return soonest_us_; }  // no first token of the block comes sooner, by way and prefill

 private:
  static constexpr float kNever = std::numeric_limits<float>::infinity();

  struct Limits {
    Limits(double keeps, double any) : keeps_us(rounded(keeps)), any_us(rounded(any)) {}
    static float rounded(double us) {
      constexpr double kEver = 1e30;  // later than anything, sooner than never
      return static_cast<float>(std::min(us, kEver)) * kSlack;
    }
    float keeps_us, any_us;
  };

  void approach(uint64_t open);
  void add_waits();

  const RoutingTable::Reach reach_;
  const float prompt_tokens_;
  const float output_us_per_ms_;  // of time per token
  const float queue_;
  const float kept_least_;  // 0: a target holds back what it cannot keep its promises with
  const float tpot_ms_max_;
  const Bounds* block_ = nullptr;
  uint64_t passed_ = 0;
  float soonest_us_ = 0;
  alignas(64) Bounds::Column<float> ttft_us_;
  alignas(64) Bounds::Column<float> prefill_us_;
  alignas(64) Bounds::Column<float> in_flight_;
  alignas(64) Bounds::Column<float> prefills_, prefill_tokens_;  // of those that passed
  std::array<float, RoutingTable::kZonesMax + 1> detours_us_;  // by zone: never, where it may not be passed
};

}  // namespace tandem::routing
