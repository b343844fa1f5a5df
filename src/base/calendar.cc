#include "base/calendar.h"

#include <chrono>

namespace tandem {
namespace {

std::chrono::year_month month_at(Instant at) {
  const auto since = std::chrono::floor<std::chrono::days>(std::chrono::nanoseconds(at.ns));
  const std::chrono::year_month_day date{std::chrono::sys_days{since}};
  return date.year() / date.month();
}

Instant begin_of(std::chrono::year_month month) {
  return Instant{hours(24).ns * std::chrono::sys_days(month / 1).time_since_epoch().count()};
}

}  // namespace

Instant begin_of_month(Instant at) { return begin_of(month_at(at)); }
Instant begin_of_next_month(Instant at) { return begin_of(month_at(at) + std::chrono::months{1}); }

}  // namespace tandem
