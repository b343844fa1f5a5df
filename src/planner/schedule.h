// A day planned in periods: one plan for each, chosen together, so that what their moves cost is in the sum.
//
// Problem. The day is cut into periods; x_p is a plan for the grid of period p (every demand at the rate of its busiest
// hour there, every pool's radio reserve at its largest), h_p its hours, n_p its replicas by deployment. Minimise
//
//   Σ_p h_p · cost(x_p) + move_penalty · Σ_p |n_p − n_(p−1)|        (the last period is before the first: each day is
//                                                                    like the other)
//
// Lower bound: Σ_p h_p · bound_p, each bound proven for its period alone (bound.h); valid since moves cost at least 0.
//
// Cutting the day. Hours are weighed by what the plan for the busiest of all hours pays for each demand, and by what an
// accelerator is worth there; the cut into at most N runs of hours that pays least for hours counted as busier than
// they are is found by dynamic programming over the circle of 24, and of those nearly as good the one with the fewest.
//
// Planning. Each period gets plans to choose from: its own, which serves at least what the busiest hours serve; that of
// the deployments of a plan for the busiest hours, kept, with its splits as they then serve best; likewise that of
// deployments grown over the periods from the dearest on, moved only for the radio reserve; and, sweep after sweep, its
// own again from each neighbour's as incumbent, a move counted as move_penalty / h_p an hour (and twice that in every
// other sweep, as where both neighbours agree). Which plans make the cheapest day is a shortest cycle through them,
// exact. Then, with every split as it stands, the replicas of each deployment over the day are decided by dynamic
// programming between the fewest that keep its promises and what its pool and site have left: exact for one deployment
// beside the others, so that a replica is kept through cheaper hours exactly where that is cheaper than stopping and
// starting it. It is the sum that lot sizing with start-up costs minimises (Wagner, Whitin, Management Science 5,
// 1958), solved on a circle. Stops when two sweeps in a row gain nothing; never ends dearer than those deployments kept
// all day, or than each period's own plans with the moves between them. Complexity: about 4 + 2 · sweeps plans a
// period, the rest is small. Fails by being a local search: two periods that should both change at once are not tried
// together.
//
// What is in force is not left for nothing: its cut stays while another wastes hardly less, its plans are offers, and
// see ScheduleOptions.
//
// Left out: the hours in which replicas start (both the old and the new run then), and that a period is as busy as its
// busiest hour all along: with 24 periods only hours are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "planner/planner.h"

namespace tandem::planner {

struct DayPeriod {
  uint32_t from_hour = 0;  // [0, 23], UTC
  uint32_t hours = 24;     // [1, 24]; it may go on over midnight
  uint32_t to_hour() const { return (from_hour + hours - 1) % 24 + 1; }  // [1, 24]
  bool operator==(const DayPeriod&) const = default;
};

// The grid that a plan for those hours must hold for: each demand at its largest rate of them, at least 1 % of its
// busiest hour's, or of its rate_per_s where its profile is 0 at every hour; each pool's largest radio reserve of them; neither varies any more. A demand's day profile says there
// how many times that rate its busiest hour has, all day: turning it away costs as much at every hour. Of all 24: what
// a plan for all day must hold for. Not to be taken of a grid that is of some hours already.
grid::Snapshot grid_of_hours(const grid::Snapshot& snapshot, const DayPeriod& period);

// Whether hours differ: a demand's rate or a pool's radio reserve changes over the day. O(demands + pools).
bool varies_over_day(const grid::Snapshot& snapshot);

// As plans carry them. A plan that says none is for any hour: for the busiest.
v1::PlannedHours to_message(const DayPeriod& period);
DayPeriod period_of(const v1::PlannedHours& hours);

// The grid that a plan for those hours must hold for: `snapshot` itself where there are none.
std::shared_ptr<const grid::Snapshot> grid_of_plan(std::shared_ptr<const grid::Snapshot> snapshot,
                                                   const v1::PlannedHours* hours);
std::shared_ptr<const grid::Snapshot> grid_of_plan(std::shared_ptr<const grid::Snapshot> snapshot,
                                                   const v1::Plan* plan);

struct PlannedPeriod {
  DayPeriod period;
  v1::Plan plan;        // of grid_of_hours; its cost is without moves
  Prices prices;        // that prove its bound
  uint32_t moves = 0;   // replicas started or stopped when it begins
  double power_kw = 0;  // of its deployments, PUE included
  double lead_s = 0;    // the longest cold start of the replicas that it adds, beside what links carry before it
};

struct DayCost {
  double eur = 0;  // of a day, moves included
  uint32_t moves = 0;
  double energy_kwh = 0;
  uint32_t replicas_max = 0;  // at once
};

struct Schedule {
  std::vector<PlannedPeriod> periods;  // by from_hour
  DayCost day;
  double bound_eur = 0;    // no schedule of these periods costs less in a day
  DayCost peak_all_day;    // the deployments of one plan for the busiest hours of every demand, kept all day
  DayCost kept_all_day;    // the same, or those grown over the periods and moved only for the reserve: the cheaper
  DayCost ignoring_moves;  // each period's own plan, moves paid
};

inline constexpr uint32_t kPeriodsMax = 24;

struct ScheduleOptions {
  uint32_t periods_max = 6;  // [1, kPeriodsMax]
  uint64_t seed = 1;
  WorkLimit limit;  // of each plan
  // What is in force, null where nothing is. The schedule stays, mended where it no longer stands, unless another day
  // is cheaper by more than it costs to get there: the moves from the plan in force, paid by the first day.
  const v1::Plan* plan = nullptr;
  const v1::Schedule* schedule = nullptr;
};

// The same arguments give the same schedule, bit for bit, unless it was stopped. `progress` is told of every plan made.
// Stops early when asked, with the best so far: at least one plan for each period.
struct ScheduleProgress {
  std::string_view doing;
  double eur_per_day = 0;  // of the best schedule so far; 0 until there is one
};
Schedule schedule(const grid::Snapshot& snapshot, const ScheduleOptions& options, std::stop_token stop,
                  const std::function<void(const ScheduleProgress&)>& progress = {});

// The same; nothing where it was asked to stop, and then at once: what else would be planned nobody waits for.
std::optional<Schedule> schedule_unless_stopped(const grid::Snapshot& snapshot, const ScheduleOptions& options,
                                                std::stop_token stop);

// Σ |a − b| of the replicas of each deployment; both plans ascending by id, as they are made.
uint32_t moves_between(const v1::Plan& a, const v1::Plan& b);

// What runs from before a period begins until after: the replicas of `plan`, and of those that `other` has beyond them
// as many as pools and sites have room for beside them. Only rows and replicas of it mean anything.
v1::Plan with_replicas_of(const grid::Snapshot& snapshot, v1::Plan plan, const v1::Plan& other);

// As it stands on the log, its prices aside, and back.
v1::Schedule to_message(const Schedule& schedule, std::string id, uint64_t base_offset);
Schedule schedule_of(const v1::Schedule& message);

inline constexpr size_t kMissedNamedMax = 200;  // demands of one period: what a person reads

// {"periods":[{"from_hour","to_hour","hours","moves","replicas","power_kw","cost_eur_per_hour","bound_eur_per_hour",
// "deployments":[{"id","model","pool","site","replicas"}],"demands","demands_missed" (in part or whole, at most
// kMissedNamedMax of them in "missed"),"plan":{…}}],"cost_eur_per_day",
// "bound_eur_per_day","gap","moves","energy_kwh","replicas_max","peak_all_day":{…},"kept_all_day":{…},"ignoring_moves":{…}}:
// each plan as plan_to_json has it, with the prices that prove its bound, for the grid of its hours.
// Without `plans` the periods have all but theirs.
Json schedule_to_json(const Schedule& schedule, const grid::Snapshot& snapshot, bool plans = true);

// What check_plan says of every plan of a schedule's JSON, against the grid of its hours, and of the sum of the day;
// costs and bound are the day's mean of an hour. Errors: invalid_argument.
Result<CheckedPlan> check_schedule(const Json& document, const grid::Snapshot& snapshot);

}  // namespace tandem::planner
