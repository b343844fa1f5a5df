#include "planner/day.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <utility>

#include "base/check.h"
#include "planner/problem.h"

namespace tandem::planner {
namespace {

constexpr size_t kHours = grid::kHoursOfDay;
// What a further period must save, of the day's worth: below that the figures of a forecast say nothing.
constexpr double kWorthAPeriod = 1e-3;

// Of its busiest hour's rate, what a demand is planned for at the least: somebody may ask at any hour, and a share, a
// batch and a bound are of some work. Of its rate_per_s where its profile has no hour at all.
constexpr double kQuietest = 0.01;

using HourLevels = std::array<double, kHours>;  // by hour, UTC

// An hour by UTC meets two of a clock that is not whole hours off; then the busier counts.
HourLevels rate_levels(const grid::DayProfile& profile, double utc_offset_hour) {
  HourLevels levels{};
  const double whole = std::floor(utc_offset_hour);
  const auto shift = static_cast<size_t>(static_cast<int>(whole) + 2 * static_cast<int>(kHours)) % kHours;
  for (size_t hour = 0; hour < kHours; ++hour) {
    const size_t local = (hour + shift) % kHours;
    levels[hour] = profile.rate_fraction[local];
    if (whole < utc_offset_hour) levels[hour] = std::max(levels[hour], profile.rate_fraction[(local + 1) % kHours]);
  }
  return levels;
}

HourLevels reserve_levels(const grid::Pool& pool) {
  HourLevels levels{};
  for (size_t hour = 0; hour < kHours; ++hour) {
    grid::Pool within;
    const auto clip = [&](double from, double to, uint32_t accelerators) {
      const auto start = static_cast<double>(hour);
      from = std::max(from, start);
      to = std::min(to, start + 1);
      if (from < to) within.radio_reserve.push_back({from, to, accelerators});
    };
    for (const grid::RadioReserve& reserve : pool.radio_reserve) {
      if (reserve.from_hour <= reserve.to_hour) {
        clip(reserve.from_hour, reserve.to_hour, reserve.accelerators);
      } else {
        clip(reserve.from_hour, kHours, reserve.accelerators);
        clip(0, reserve.to_hour, reserve.accelerators);
      }
    }
    levels[hour] = radio_reserve_max(within);
  }
  return levels;
}

double most_in(const HourLevels& levels, const DayPeriod& period) {
  double most = 0;
  for (uint32_t i = 0; i < period.hours; ++i) most = std::max(most, levels[(period.from_hour + i) % kHours]);
  return most;
}

struct DayChanges {
  std::map<HourLevels, double> worth;  // of one unit of it, €/h
  double all = 0;                      // of the day, €
};

DayChanges changes_of(const grid::Snapshot& snapshot, const DayWorth& worth) {
  DayChanges changes;
  const auto add = [&](const HourLevels& levels, double eur) {
    for (const double level : levels) changes.all += level * eur;
    const auto [least, most] = std::minmax_element(levels.begin(), levels.end());
    if (*least < *most && eur > 0) changes.worth[levels] += eur;
  };
  HourLevels level{};
  level.fill(1);
  for (size_t d = 0; d < snapshot.demands.size(); ++d) {
    const grid::Demand& demand = snapshot.demands[d];
    add(demand.day_profile.valid()
            ? rate_levels(snapshot.day_profiles[demand.day_profile], snapshot.regions[demand.region].utc_offset_hour)
            : level,
        worth.demand[d]);
  }
  for (size_t p = 0; p < snapshot.pools.size(); ++p)
    if (!snapshot.pools[p].radio_reserve.empty()) add(reserve_levels(snapshot.pools[p]), worth.pool[p]);
  return changes;
}

// By first hour and hours − 1: what it costs to take all of them for the busiest, €.
using Waste = std::array<std::array<double, kHours>, kHours>;

Waste waste_of(const DayChanges& changes) {
  Waste waste{};
  for (const auto& [levels, eur] : changes.worth) {
    for (size_t from = 0; from < kHours; ++from) {
      double most = 0, sum = 0;
      for (size_t i = 0; i < kHours; ++i) {
        const double level = levels[(from + i) % kHours];
        most = std::max(most, level);
        sum += level;
        waste[from][i] += eur * (most * static_cast<double>(i + 1) - sum);
      }
    }
  }
  return waste;
}

struct DayCut {
  double waste = std::numeric_limits<double>::infinity();
  std::vector<DayPeriod> periods;
};

// The best cut into exactly 1, 2, … periods whose first begins at that hour.
std::vector<DayCut> cuts_from(const Waste& waste, uint32_t start, uint32_t periods_max) {
  constexpr double kNoDay = std::numeric_limits<double>::infinity();
  // best[k][i]: the first i hours in k periods; taken[k][i]: where the last of them begins.
  std::vector<std::vector<double>> best(periods_max + 1, std::vector<double>(kHours + 1, kNoDay));
  std::vector<std::vector<uint32_t>> taken(periods_max + 1, std::vector<uint32_t>(kHours + 1, 0));
  best[0][0] = 0;
  for (uint32_t k = 1; k <= periods_max; ++k)
    for (uint32_t end = 1; end <= kHours; ++end)
      for (uint32_t from = 0; from < end; ++from)
        if (const double eur = best[k - 1][from] + waste[(start + from) % kHours][end - from - 1]; eur < best[k][end])
          best[k][end] = eur, taken[k][end] = from;
  std::vector<DayCut> cuts;
  for (uint32_t k = 1; k <= periods_max; ++k) {
    DayCut cut{best[k][kHours], {}};
    for (uint32_t end = kHours, left = k; left > 0; --left) {
      const uint32_t from = taken[left][end];
      cut.periods.push_back({(start + from) % static_cast<uint32_t>(kHours), end - from});
      end = from;
    }
    cuts.push_back(std::move(cut));
  }
  return cuts;
}

}  // namespace

grid::Snapshot grid_of_hours(const grid::Snapshot& snapshot, const DayPeriod& period) {
  grid::Snapshot result = snapshot;
  std::vector<grid::Demand> demands;
  std::vector<grid::DayProfile> profiles;
  struct Level {
    double rate = 0;  // of the busiest hour's
    grid::DayProfileIndex profile;
  };
  std::map<std::pair<uint32_t, double>, Level> levels;  // by profile and UTC offset
  for (grid::Demand demand : snapshot.demands) {
    if (demand.day_profile.valid()) {
      const double offset = snapshot.regions[demand.region].utc_offset_hour;
      const auto [entry, fresh] = levels.try_emplace({demand.day_profile.value, offset});
      Level& level = entry->second;
      if (fresh) {
        const HourLevels of_day = rate_levels(snapshot.day_profiles[demand.day_profile], offset);
        const double busiest = *std::max_element(of_day.begin(), of_day.end());
        level.rate = std::max(most_in(of_day, period), kQuietest * (busiest > 0 ? busiest : 1));
        if (level.rate < busiest) {
          level.profile = grid::DayProfileIndex(profiles.size());
          profiles.push_back({std::to_string(profiles.size()), "", {}});
          profiles.back().rate_fraction.fill(busiest / level.rate);
        }
      }
      demand.rate_per_s *= level.rate;
      demand.day_profile = level.profile;
    }
    demands.push_back(std::move(demand));
  }
  result.day_profiles = grid::Table(std::move(profiles));
  std::vector<grid::Pool> pools;
  for (grid::Pool pool : snapshot.pools) {
    if (!pool.radio_reserve.empty()) {
      const auto kept = static_cast<uint32_t>(most_in(reserve_levels(pool), period));
      pool.radio_reserve.clear();
      if (kept > 0) pool.radio_reserve.push_back({0, kHours, kept});
    }
    pools.push_back(std::move(pool));
  }
  result.demands = grid::Table(std::move(demands));
  result.pools = grid::Table(std::move(pools));
  return result;
}

bool varies_over_day(const grid::Snapshot& snapshot) {
  const auto varies = [](const HourLevels& levels) {
    return std::adjacent_find(levels.begin(), levels.end(), std::not_equal_to<>()) != levels.end();
  };
  std::vector<bool> profile_varies;
  for (const grid::DayProfile& profile : snapshot.day_profiles)
    profile_varies.push_back(varies(rate_levels(profile, 0)));
  for (const grid::Demand& demand : snapshot.demands)
    if (demand.day_profile.valid() && profile_varies[demand.day_profile.value]) return true;
  for (const grid::Pool& pool : snapshot.pools)
    if (!pool.radio_reserve.empty() && varies(reserve_levels(pool))) return true;
  return false;
}

v1::PlannedHours to_message(const DayPeriod& period) {
  v1::PlannedHours hours;
  hours.set_from_hour(period.from_hour);
  hours.set_hours(period.hours);
  return hours;
}

DayPeriod period_of(const v1::PlannedHours& hours) { return {hours.from_hour(), hours.hours()}; }

std::shared_ptr<const grid::Snapshot> grid_of_plan(std::shared_ptr<const grid::Snapshot> snapshot,
                                                   const v1::PlannedHours* hours) {
  if (hours == nullptr || !snapshot) return snapshot;
  return std::make_shared<const grid::Snapshot>(grid_of_hours(*snapshot, period_of(*hours)));
}

std::shared_ptr<const grid::Snapshot> grid_of_plan(std::shared_ptr<const grid::Snapshot> snapshot,
                                                   const v1::Plan* plan) {
  return grid_of_plan(std::move(snapshot), plan != nullptr && plan->has_hours() ? &plan->hours() : nullptr);
}

std::vector<DayPeriod> cut_day(const grid::Snapshot& snapshot, const DayWorth& worth, uint32_t periods_max,
                               std::span<const DayPeriod> standing) {
  CHECK(periods_max >= 1 && periods_max <= kPeriodsMax);
  const DayChanges changes = changes_of(snapshot, worth);
  if (changes.worth.empty()) return {{0, kHours}};
  const Waste waste = waste_of(changes);
  std::vector<DayCut> best(periods_max);
  for (uint32_t start = 0; start < kHours; ++start) {
    std::vector<DayCut> cuts = cuts_from(waste, start, periods_max);
    for (size_t k = 0; k < cuts.size(); ++k)
      if (cuts[k].waste < best[k].waste) best[k] = std::move(cuts[k]);
  }
  const auto enough = std::find_if(best.begin(), best.end(), [&](const DayCut& cut) {
    return cut.waste <= best.back().waste + kWorthAPeriod * changes.all;
  });
  if (!standing.empty() && standing.size() <= periods_max) {
    double wasted = 0;
    for (const DayPeriod& period : standing) wasted += waste[period.from_hour][period.hours - 1];
    if (wasted <= enough->waste + kWorthAPeriod * changes.all) return {standing.begin(), standing.end()};
  }
  std::vector<DayPeriod> periods = enough->periods;
  if (periods.size() == 1) return {{0, kHours}};
  std::sort(periods.begin(), periods.end(),
            [](const DayPeriod& a, const DayPeriod& b) { return a.from_hour < b.from_hour; });
  return periods;
}

}  // namespace tandem::planner
