// Which candidates a search must weigh.
//
// Problem: where nothing keeps a promise, or little does, a search would weigh every target of the model, and for each
// read a row, a leg and a live state from somewhere in memory: 20 ns, 20 µs for a thousand.
// Method: of each speed at which engines read, how long a way leaves the promise kept is worked out once; that a target
// cannot keep it is then one comparison of whole numbers. Prices are bounded over columns that lie side by side. All in
// single precision, taken sooner and cheaper rather than later and dearer; what waits at each is kept in room.h. What
// is left is weighed exactly, so that a choice is never the sieve's.
// Complexity: O(candidates), some 0.6 ns and 4 bytes each, as much again for the price. From the nearest site on it is
// a few ns a site. Fails by: where ways touch more than kZonesMax different sets of jurisdictions, or engines read and
// write in more than kSpeedsMax ways, more is weighed than need be. Internal.
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
  // Nowhere does a first token come sooner; nor, from that way on, than that.
  float least_alone_us() const { return nearest().empty() ? kNever : least_alone_us(way(nearest().front())); }
  float least_alone_us(uint32_t way) const {
    return SieveIndex::least_round_trip_us(SieveIndex::order_of(way)) + least_prefill_us_;
  }
  // Whether none from that way on can keep the promise.
  bool none_can_keep(uint32_t way) const { return SieveIndex::order_of(way) > SieveIndex::order_of(longest_); }

  // The lanes of a block, the first candidate lowest, that can keep the promise.
  uint64_t that_can_keep(size_t block, uint64_t lanes) const;
  // Those that may cost no more than that, were transport the cheapest there is.
  uint64_t that_cost(double euros_max, double transport_euros, size_t block, uint64_t lanes) const;
  // The block is about to be looked at.
  void prefetch(size_t block) const {
    const uint32_t* engines = model_.blocks[block].engines.data();
    for (size_t row = 0; row < kRows; row += 16) __builtin_prefetch(engines + row);
  }
  uint32_t site(size_t row) const { return SieveIndex::site_of(model_.engine(row)); }

 private:
  static constexpr float kNever = std::numeric_limits<float>::infinity();

  uint32_t speed_at(uint32_t row) const { return SieveIndex::speed_of(model_.engine(row)); }

  const SieveIndex::Model model_;
  const SieveIndex::Region region_;
  const float prompt_tokens_, output_tokens_;
  float least_prefill_us_ = kNever;
  uint32_t longest_ = 0;                                         // of limits_
  std::array<float, SieveIndex::kSpeedsMax> prefill_us_;         // by speed, as many as there are
  std::array<uint32_t, SieveIndex::kSpeedsMax> limits_;          // likewise: the longest way that keeps the promise
  std::array<uint8_t, SieveIndex::kZonesMax + 1> zone_allowed_;  // by zone, likewise
};

}  // namespace tandem::routing
