// The hours of a day: what varies over them, and where to cut.
#pragma once

#include <span>
#include <vector>

#include "planner/schedule.h"

namespace tandem::planner {

// What serving is worth in a plan for the busiest hours.
struct DayWorth {
  std::vector<double> demand;  // €/h for all of it at its rate_per_s
  std::vector<double> pool;    // €/h for an accelerator
};

// The cut of the day into at most so many periods that loses least by taking every hour for the busiest of its period;
// fewer where that loses hardly more; and `standing`, a cut by from_hour or nothing, where it does. By from_hour.
// O(what varies · 24² + periods · 24³).
std::vector<DayPeriod> cut_day(const grid::Snapshot& snapshot, const DayWorth& worth, uint32_t periods_max,
                               std::span<const DayPeriod> standing = {});

}  // namespace tandem::planner
