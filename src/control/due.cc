#include <fmt/format.h>

#include <algorithm>

#include "control/request.h"

namespace tandem::control {
namespace {

struct Asked {
  uint64_t work_limit = 0;
  bool anew = false;
  std::string reason;
  uint32_t periods_max = 0;   // above 0: a schedule
  bool for_any_hour = false;  // whatever the schedule says
};

// The schedule that is due once all else is done; or a plan for any hour, where the days are alike no more.
std::optional<Asked> schedule_asked_for(const State& state, Instant now, const PlanningOptions& options) {
  if (!state.plan || !state.grid || now < state.schedule_not_before || now - state.plan_at < kQuiet)
    return std::nullopt;
  const bool has_too_many =
      state.schedule && static_cast<uint32_t>(state.schedule->periods_size()) > std::max(1u, options.periods_max);
  if (state.schedule && !state.schedule_stale && !has_too_many && options.periods_max > 1) return std::nullopt;
  const uint32_t periods = std::min(options.periods_max, periods_fitting(*state.grid));
  const bool planned_in_periods = periods > 1 && planner::varies_over_day(*state.grid);
  if (!planned_in_periods && !state.schedule && !state.pending) return std::nullopt;
  if (!planned_in_periods) return Asked{options.work_limit, true, "the day is no longer planned in periods", 0, true};
  return Asked{options.work_limit, true,
               has_too_many     ? "the schedule has more periods than are wanted"
               : state.schedule ? "the schedule is made again after the grid was quiet"
                                : "demand or radio reserve changes over the day",
               periods};
}

// The plan that is due now, where one is.
std::optional<Asked> asked_for(const State& state, Instant now, const PlanningOptions& options) {
  const uint64_t whole = options.work_limit;
  constexpr size_t kWholeAtOnce = 2'000;  // demands: a whole plan of more takes too long to be without one meanwhile
  const size_t demands = state.inventory.size("demand");
  // A job that has not come back after this long is lost. Plans take a second, and of nations minutes on a busy
  // machine. A search that nobody waits for has longer: asking for it again begins it anew; and a schedule is about
  // eight plans a period.
  const int64_t plans = state.pending ? std::max<int64_t>(1, 8 * int64_t{state.pending->periods_max}) : 1;
  const Duration overdue_after = seconds(state.pending && state.pending->anew ? 180 : 60) +
                                 milliseconds(60 * plans * static_cast<int64_t>(demands));
  const bool changed = state.replan_after > 0;
  const bool lost = state.pending && now - state.pending->requested_at > overdue_after;
  // Where nothing is in force a draft, which comes in a moment, will do until the machine has time for a whole plan.
  const uint64_t work_limit =
      state.pending && (state.plan || state.pending->is_schedule()) ? state.pending->work_limit : 0;
  if (lost && !(state.pending->anew && changed))
    return Asked{work_limit, state.pending->anew, fmt::format("{} has not come back", state.pending->plan_id),
                 state.pending->periods_max, !state.pending->hours};

  const bool postponed = state.unsearched_since && now - *state.unsearched_since >= kPostponedMax;
  const bool is_unwanted = state.pending && state.pending->periods_max > options.periods_max;
  const bool gives_way =
      is_unwanted ||
      (state.pending && changed && (state.pending->is_schedule() || (state.pending->anew && (!postponed || lost))));
  if (now < state.plan_not_before || (state.pending && !gives_way)) return std::nullopt;

  const bool has_draft = state.plan && state.plan->draft();
  const bool drafts = state.plan ? has_draft : demands > kWholeAtOnce;
  if (whole > 0 && state.refused_as_is)
    return Asked{whole, true, "the last plan was refused, and the grid is as it was: a quick one would be the same"};
  if (whole > 0 && postponed && !lost)
    return Asked{whole, true,
                 fmt::format("searched again after {:.0f} min of quick plans", kPostponedMax.seconds() / 60)};
  if (changed)
    return Asked{drafts ? 0 : whole, false, fmt::format("the grid changed at offset {}", state.replan_after)};
  if (whole == 0) return std::nullopt;
  const bool in_vain = state.unsearched_since && *state.unsearched_since > state.plan_at;  // and all is as it was
  // A schedule that is to be made again plans these hours as well.
  const bool is_remade = state.schedule_stale && options.periods_max > 1 && now >= state.schedule_not_before;
  if (!state.unsearched_since || ((in_vain || is_remade) && !has_draft)) return schedule_asked_for(state, now, options);
  if (in_vain) return std::nullopt;
  if (has_draft) return Asked{whole, true, fmt::format("{} is a draft", state.plan->id())};
  if (now - state.plan_at < kQuiet) return std::nullopt;
  return Asked{whole, true, "searched again after the grid was quiet"};
}

}  // namespace

uint32_t periods_fitting(const grid::Snapshot& grid) {
  const size_t fitting = grid.demands.empty() ? 0 : kScheduledDemandsMax / grid.demands.size();
  return static_cast<uint32_t>(std::min<size_t>(fitting, planner::kPeriodsMax));
}

std::string why_few_periods(const grid::Snapshot& grid, uint32_t periods_wanted) {
  const uint32_t fitting = periods_fitting(grid);
  if (periods_wanted < 2 || fitting >= periods_wanted || grid.demands.empty() || !planner::varies_over_day(grid))
    return "";
  const std::string room = fmt::format(
      "a schedule is one event of the log, which has room for {} demands times periods", kScheduledDemandsMax);
  if (fitting < 2)
    return fmt::format(
        "{} demands are too many to plan the day in periods: one plan, for the busiest hours, holds all "
        "day; {}",
        grid.demands.size(), room);
  return fmt::format("{} demands have {} periods of the day at most; {}", grid.demands.size(), fitting, room);
}

bool can_plan(const State& state) { return state.inventory.size("pool") > 0 && state.inventory.size("demand") > 0; }

log::Event plan_requested(const State& state, v1::PlanRequested wanted) {
  const log::Offset base = state.inventory.offset();
  wanted.set_plan_id(fmt::format("plan-{}", base + 1));
  wanted.set_base_offset(base);
  wanted.set_seed(base);
  log::Event event;
  event.set_actor("core");
  *event.mutable_plan_requested() = std::move(wanted);
  return event;
}

std::vector<log::Event> due(const State& state, Now now, const PlanningOptions& options) {
  if (!can_plan(state)) return {};
  std::optional<Asked> asked = asked_for(state, now.time, options);
  if (!asked) return {};
  v1::PlanRequested wanted;
  wanted.set_work_limit(asked->work_limit);
  wanted.set_anew(asked->anew);
  wanted.set_reason(std::move(asked->reason));
  wanted.set_periods_max(asked->periods_max);
  if (state.schedule && asked->periods_max == 0 && !asked->for_any_hour)
    *wanted.mutable_hours() = plan_at(*state.schedule, now.clock).hours();
  return {plan_requested(state, std::move(wanted))};
}

}  // namespace tandem::control
