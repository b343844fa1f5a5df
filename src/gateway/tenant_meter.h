// What a tenant has used of its limits, as all gateways of a process see it. Internal.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "grid/nouns.h"

namespace tandem::gateway {

// A limit of so much a minute, without a lock and without a queue: a bucket of one minute's worth that fills evenly,
// kept as the time at which it will be full again.
// Method: the virtual scheduling algorithm (GCRA: ITU-T Recommendation I.371, annex A), with a burst tolerance of one
// minute. One word and one compare-and-swap a request. A minute that begins with a full bucket can take twice the limit
// in all: what was saved up, and what comes in meanwhile.
class RateMeter {
 public:
  struct Standing {
    bool admitted = true;
    uint64_t remaining = 0;  // that could be taken now
    Duration reset;          // until all of it can
    Duration wait;           // refused: until as much could be taken, if nothing else is; INT64_MAX: never
  };
  // Takes `amount` of `per_minute` > 0, or nothing where there is not as much.
  Standing take(uint64_t per_minute, uint64_t amount, Duration now);
  // What was taken turns out to have been something else. Less is there at once; more is owed by those who come next.
  void settle(uint64_t per_minute, uint64_t taken, uint64_t used);

 private:
  std::atomic<int64_t> full_at_ns_{0};
};

// One tenant with limits, for as long as a table or a request refers to it.
class alignas(64) TenantMeter {
 public:
  RateMeter requests;
  RateMeter tokens;

  // What was spent in the month that `at` is in, as far as this process knows; 0 once a later one has begun.
  uint64_t spent_nano_eur(Instant at) const;
  // Each begins a month that is newer than any before it, with nothing spent; of a month that is over, each is let go.
  void spend(uint64_t nano_eur, Instant at);
  void note_spent(uint64_t nano_eur, Instant month_begin);  // what the accounts say of it: at least so much

 private:
  std::atomic<uint64_t>* spent_in(Instant month_begin);  // null: that month is over

  std::atomic<int64_t> month_{INT64_MIN};         // where the newest month begins, and which of the sums is its own
  std::array<std::atomic<uint64_t>, 2> spent_{};  // of the newest month and of the one before
};

}  // namespace tandem::gateway
