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
  const bool this_month = month_ns_.load(std::memory_order_acquire) == begin_of_month(at).ns;
  return this_month ? spent_.load(std::memory_order_relaxed) : 0;
}

void TenantMeter::spend(uint64_t nano_eur, Instant at) {
  begin_month(begin_of_month(at).ns);
  spent_.fetch_add(nano_eur, std::memory_order_relaxed);
}

void TenantMeter::note_spent(uint64_t nano_eur, Instant month_begin) {
  begin_month(month_begin.ns);
  uint64_t spent = spent_.load(std::memory_order_relaxed);
  while (spent < nano_eur && !spent_.compare_exchange_weak(spent, nano_eur, std::memory_order_relaxed)) {
  }
}

// Whoever sees the month first begins it. What another thread spends in the same moment may count in either month.
void TenantMeter::begin_month(int64_t month_ns) {
  int64_t known_ns = month_ns_.load(std::memory_order_acquire);
  while (known_ns < month_ns) {
    if (!month_ns_.compare_exchange_weak(known_ns, month_ns, std::memory_order_acq_rel)) continue;
    spent_.store(0, std::memory_order_relaxed);
    return;
  }
}

}  // namespace tandem::gateway
