#include "gateway/tenant_meter.h"

#include <algorithm>

#include "base/calendar.h"
#include "base/check.h"

namespace tandem::gateway {
namespace {

constexpr int64_t kMinuteNs = minutes(1).ns;

// How long a bucket of `per_minute` takes to bring in as much. A double is exact to a nanosecond for a hundred days.
int64_t fill_ns(uint64_t per_minute, uint64_t amount) {
  constexpr double kLongest = 1e17;  // three years: no request is as large
  const double time_ns = static_cast<double>(amount) * static_cast<double>(kMinuteNs) / static_cast<double>(per_minute);
  return static_cast<int64_t>(std::min(time_ns, kLongest));
}

// A month begins at a whole second, so that the last bit of its instant is free: it says which sum is the month's.
constexpr int64_t kTurning = INT64_MAX;  // no month: one is being begun

int64_t begin_of(int64_t month) { return month & ~int64_t{1}; }
size_t slot_of(int64_t month) { return static_cast<size_t>(month & 1); }

}  // namespace

RateMeter::Standing RateMeter::take(uint64_t per_minute, uint64_t amount, Duration now) {
  CHECK(per_minute > 0);
  const int64_t cost_ns = fill_ns(per_minute, amount);
  int64_t full_at_ns = full_at_ns_.load(std::memory_order_relaxed);
  Standing standing;
  for (;;) {
    const int64_t after_ns = std::max(full_at_ns, now.ns) + cost_ns;
    standing.admitted = after_ns - now.ns <= kMinuteNs;
    if (!standing.admitted) {
      standing.wait = amount > per_minute ? Duration{INT64_MAX} : Duration{after_ns - now.ns - kMinuteNs};
      break;
    }
    if (full_at_ns_.compare_exchange_weak(full_at_ns, after_ns, std::memory_order_relaxed)) {
      full_at_ns = after_ns;
      break;
    }
  }
  const int64_t missing_ns = std::clamp<int64_t>(full_at_ns - now.ns, 0, kMinuteNs);
  standing.reset = Duration{std::max<int64_t>(full_at_ns - now.ns, 0)};
  standing.remaining = static_cast<uint64_t>(static_cast<double>(kMinuteNs - missing_ns) *
                                             static_cast<double>(per_minute) / static_cast<double>(kMinuteNs));
  return standing;
}

void RateMeter::settle(uint64_t per_minute, uint64_t taken, uint64_t used) {
  CHECK(per_minute > 0);
  const int64_t owed_ns = fill_ns(per_minute, used) - fill_ns(per_minute, taken);
  if (owed_ns != 0) full_at_ns_.fetch_add(owed_ns, std::memory_order_relaxed);
}

uint64_t TenantMeter::spent_nano_eur(Instant at) const {
  const int64_t month = month_.load(std::memory_order_acquire);
  return begin_of(month) == begin_of_month(at).ns ? spent_[slot_of(month)].load(std::memory_order_relaxed) : 0;
}

void TenantMeter::spend(uint64_t nano_eur, Instant at) {
  if (auto* const spent = spent_in(begin_of_month(at))) spent->fetch_add(nano_eur, std::memory_order_relaxed);
}

void TenantMeter::note_spent(uint64_t nano_eur, Instant month_begin) {
  auto* const spent = spent_in(month_begin);
  if (spent == nullptr) return;
  uint64_t known = spent->load(std::memory_order_relaxed);
  while (known < nano_eur && !spent->compare_exchange_weak(known, nano_eur, std::memory_order_relaxed)) {
  }
}

// Whoever sees the month first begins it; who comes in the two stores that this takes, waits for them. Whoever still
// adds to the month before adds to the other sum, which counts no more.
std::atomic<uint64_t>* TenantMeter::spent_in(Instant month_begin) {
  int64_t month = month_.load(std::memory_order_acquire);
  for (;;) {
    if (month == kTurning) {
      month_.wait(kTurning, std::memory_order_acquire);
      month = month_.load(std::memory_order_acquire);
      continue;
    }
    if (begin_of(month) == month_begin.ns) return &spent_[slot_of(month)];
    if (begin_of(month) > month_begin.ns) return nullptr;
    if (month_.compare_exchange_weak(month, kTurning, std::memory_order_acquire)) break;
  }
  const size_t slot = 1 - slot_of(month);
  spent_[slot].store(0, std::memory_order_relaxed);
  month_.store(month_begin.ns | static_cast<int64_t>(slot), std::memory_order_release);
  month_.notify_all();
  return &spent_[slot];
}

}  // namespace tandem::gateway
