// Which candidates a search must weigh.
//
// Problem: where nothing keeps a promise, or little does, a search would weigh every target of the model, and for each
// read a row, a leg and a live state from somewhere in memory: 20 ns, 20 µs for a thousand.
// Method: of each speed at which engines read, how long a way leaves the promise kept is worked out once; that a target
// cannot keep it is then one comparison of whole numbers. Price, and what waits at each where many are left, are
// bounded over columns that lie side by side. All in single precision, taken sooner and cheaper rather than later and
// dearer; room and ways are judged as by `live_gate` and `place_gate`. What is left is weighed exactly, so that a
// choice is never the sieve's.
// Complexity: O(candidates), some 0.6 ns and 4 bytes each, as much again for the price; live states, some 4 ns each,
// are read only of those that would be soon enough. From the nearest site on it is a few ns a site. Fails by: where
// ways touch more than kZonesMax different sets of jurisdictions, engines read and write in more than kSpeedsMax ways,
// or millions of requests are in flight at one target, more is weighed than need be. Internal.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "routing/routing.h"
#include "routing/sieve_index.h"

namespace tandem::routing {

class Sieve {
 public:
  static constexpr size_t kRows = SieveIndex::kRows;
  // Limits are taken this much later, for what single precision loses in a few products and sums.
  static constexpr float kSlack = 1 + 1e-5F;

  Sieve(const RoutingTable& table, const RequestFacts& request);

  // Sites there is a way to, the nearest first, and the way to each.
  std::span<const uint32_t> nearest() const { return region_.nearest; }
  uint32_t way(uint32_t site) const { return region_.ways[site]; }
  bool is_allowed(uint32_t way) const { return zone_allowed_[SieveIndex::zone_of(way)] != 0; }
  // Visits the rows of candidates at a site.
  template <class Visit>
  void for_each_at(uint32_t site, Visit visit) const {
    model_.for_each_at(site, visit);
  }

  // Whether the engine of that row, at the end of that way, keeps the promise where nothing waits there; and how soon
  // the first token comes then, at the earliest.
  bool can_keep(uint32_t row, uint32_t way) const { return way <= limits_[speed_at(row)]; }
  float alone_us(uint32_t row, uint32_t way) const {
    return SieveIndex::round_trip_us(way) + prefill_us_[speed_at(row)];
  }
  // Of no site from that way on does a first token come sooner.
  float least_alone_us(uint32_t way) const {
    return SieveIndex::least_round_trip_us(SieveIndex::order_of(way)) + least_prefill_us_;
  }
  // Whether none from that way on can keep the promise.
  bool none_can_keep(uint32_t way) const { return SieveIndex::order_of(way) > SieveIndex::order_of(longest_); }
  // Of the nearest, how many keep the promise at any engine that is there, were nothing waiting; a few less, maybe.
  size_t count_that_all_keep() const;

  // The lanes of a block, the first candidate lowest, that can keep the promise.
  uint64_t that_can_keep(size_t block, uint64_t lanes) const;
  // Those that may cost no more than that, were transport the cheapest there is.
  uint64_t that_cost(double euros_max, double transport_euros, size_t block, uint64_t lanes) const;
  // With what waits there, of some lanes; `live_at` gives the live state of each.
  template <class LiveAt>
  void wait(size_t block, uint64_t lanes, LiveAt live_at) {
    waiting_ = lanes;
    in_flight_.fill(kNever);
    for (uint64_t left = lanes; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(left));
      const uint32_t engine = model_.blocks[block].engines[i], speed = SieveIndex::speed_of(engine);
      const uint32_t way = this->way(SieveIndex::site_of(engine));
      const TargetLive& live = live_at(i);
      const uint32_t in_flight = live.in_flight;
      const auto prefills = static_cast<float>(live.prefills), tokens = static_cast<float>(live.prefill_tokens);
      const bool open = (way != SieveIndex::kNoWay) & is_allowed(way) & live.healthy & (in_flight < live.in_flight_max);
      in_flight_[i] = open ? static_cast<float>(in_flight) : kNever;
      prefills_[i] = prefills;
      work_us_[i] =
          prefills * model_.speeds[speed].prefill_overhead_us + tokens * model_.speeds[speed].prefill_us_per_token;
      service_us_[i] = prefill_us_[speed] + output_us_per_ms_ * model_.speeds[speed].tpot_ms;
      ttft_us_[i] = SieveIndex::round_trip_us(way) + prefill_us_[speed];
    }
    add_waits(model_.blocks[block]);
  }
  size_t soonest() const;            // of those, of which there is one
  uint64_t within(double us) const;  // of those, whose first token may come so soon
  // The block is about to be looked at.
  void prefetch(size_t block) const {
    const uint32_t* engines = model_.blocks[block].engines.data();
    for (size_t row = 0; row < kRows; row += 16) __builtin_prefetch(engines + row);
  }
  uint32_t site(size_t row) const { return SieveIndex::site_of(model_.engine(row)); }

 private:
  using Column = SieveIndex::Column<float>;
  static constexpr float kNever = std::numeric_limits<float>::infinity();

  uint32_t speed_at(uint32_t row) const { return SieveIndex::speed_of(model_.engine(row)); }
  void add_waits(const SieveIndex::Block& block);

  const SieveIndex::Model model_;
  const SieveIndex::Region region_;
  const float prompt_tokens_, output_tokens_;
  const float output_us_per_ms_;  // of time per token
  const float queue_;
  const float kept_least_;  // 0: a target holds back what it cannot keep its promises with
  float least_prefill_us_ = kNever;
  uint32_t longest_ = 0, shortest_ = UINT32_MAX;                 // of limits_
  std::array<float, SieveIndex::kSpeedsMax> prefill_us_;         // by speed, as many as there are
  std::array<uint32_t, SieveIndex::kSpeedsMax> limits_;          // likewise: the longest way that keeps the promise
  std::array<uint8_t, SieveIndex::kZonesMax + 1> zone_allowed_;  // by zone, likewise
  uint64_t waiting_ = 0;
  float soonest_us_ = 0;                                                      // of those waiting
  alignas(64) Column ttft_us_, service_us_, in_flight_, prefills_, work_us_;  // of those waiting
};

}  // namespace tandem::routing
