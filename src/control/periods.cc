// The schedule in force, by the clock.
#include <fmt/format.h>

#include <algorithm>

#include "control/control.h"

namespace tandem::control {
namespace {

const v1::ScheduledPeriod& period_of(const v1::Schedule& schedule, const PeriodAt& at) {
  return schedule.periods(at.period);
}

// The plan in force is the one of that period, or was made for its hours since the schedule is in force.
bool has_begun(const State& state, const v1::PlannedHours& hours) {
  return state.plan && state.plan->has_hours() && state.plan_offset > state.schedule_offset &&
         planner::period_of(state.plan->hours()) == planner::period_of(hours);
}

// The replicas that the next period adds are to be started now.
bool is_preparing(const State& state, const PeriodAt& at, const PeriodAt& next, Instant clock) {
  constexpr Duration kLeadLeast = seconds(30);  // also where engines are quick: a step of the core, a probe, some luck
  const v1::ScheduledPeriod& period = period_of(*state.schedule, next);
  if (next.period == at.period || state.preparing == planner::period_of(period.plan().hours())) return false;
  const Duration lead = std::max(kLeadLeast, milliseconds(static_cast<int64_t>(period.lead_s() * 1e3)));
  return next.begins_at - clock <= lead;
}

std::string hours_text(const v1::PlannedHours& hours) {
  return fmt::format("{}:00 to {}:00 UTC", hours.from_hour(),
                     (hours.from_hour() + hours.hours() - 1) % planner::kPeriodsMax + 1);
}

log::Event by_core() {
  log::Event event;
  event.set_actor("core");
  return event;
}

log::Event prepared(const State& state, const v1::PlannedHours& hours, Instant clock) {
  log::Event event = by_core();
  v1::PeriodPrepared& prepared = *event.mutable_period_prepared();
  prepared.set_schedule_id(state.schedule->id());
  *prepared.mutable_hours() = hours;
  prepared.set_clock_ns(clock.ns);
  return event;
}

log::Event begun(const State& state, const v1::Plan& plan, Instant clock) {
  log::Event event = by_core();
  v1::PeriodBegun& begun = *event.mutable_period_begun();
  begun.set_schedule_id(state.schedule->id());
  *begun.mutable_hours() = plan.hours();
  begun.set_clock_ns(clock.ns);
  begun.set_plan_id(fmt::format("plan-{}", state.inventory.offset() + 1));
  begun.set_moves(state.plan ? planner::moves_between(*state.plan, plan) : 0);
  begun.set_reason(fmt::format("{} as {} has it", hours_text(plan.hours()), state.schedule->id()));
  return event;
}

// For a period whose plan the grid does not bear as it is.
log::Event asked(const State& state, const v1::PlannedHours& hours, const std::string& violation, uint64_t work_limit) {
  log::Event event = by_core();
  v1::PlanRequested& requested = *event.mutable_plan_requested();
  const log::Offset base = state.inventory.offset();
  requested.set_plan_id(fmt::format("plan-{}", base + 1));
  requested.set_base_offset(base);
  requested.set_seed(base);
  requested.set_work_limit(work_limit);
  *requested.mutable_hours() = hours;
  requested.set_reason(fmt::format("{} begins, and its plan no longer stands: {}", hours_text(hours), violation));
  return event;
}

}  // namespace

PeriodAt period_at(const v1::Schedule& schedule, Instant clock) {
  constexpr int64_t kHour = hours(1).ns, kDay = 24 * kHour;
  const int64_t of_day = ((clock.ns % kDay) + kDay) % kDay;
  const Instant midnight{clock.ns - of_day};
  for (int i = 0; i < schedule.periods_size(); ++i) {
    const planner::DayPeriod period = planner::period_of(schedule.periods(i).plan().hours());
    for (const int64_t day : {int64_t{0}, kDay}) {  // today's, and yesterday's that goes on over midnight
      const Instant begins = midnight + nanoseconds(period.from_hour * kHour - day);
      const Instant ends = begins + hours(period.hours);
      if (begins <= clock && clock < ends) return {i, begins, ends};
    }
  }
  return {0, midnight, midnight + hours(24)};
}

PeriodAt period_after(const v1::Schedule& schedule, const PeriodAt& at) {
  const int next = (at.period + 1) % schedule.periods_size();
  return {next, at.ends_at, at.ends_at + hours(schedule.periods(next).plan().hours().hours())};
}

const v1::Plan& plan_at(const v1::Schedule& schedule, Instant clock) {
  return period_of(schedule, period_at(schedule, clock)).plan();
}

bool is_turning(const State& state, Instant clock) {
  if (!state.schedule) return false;
  const PeriodAt at = period_at(*state.schedule, clock);
  return !has_begun(state, period_of(*state.schedule, at).plan().hours()) ||
         is_preparing(state, at, period_after(*state.schedule, at), clock);
}

std::vector<log::Event> turn(const State& state, Now now, const PlanningOptions& options) {
  if (!is_turning(state, now.clock)) return {};
  const PeriodAt at = period_at(*state.schedule, now.clock);
  const v1::Plan& plan = period_of(*state.schedule, at).plan();
  if (has_begun(state, plan.hours())) {
    const PeriodAt next = period_after(*state.schedule, at);
    return {prepared(state, period_of(*state.schedule, next).plan().hours(), now.clock)};
  }
  const bool is_made =
      state.pending && !state.pending->is_schedule() && state.pending->hours == planner::period_of(plan.hours());
  if (is_made || now.time < state.plan_not_before) return {};
  const auto violations = planner::violations(*planner::grid_of_plan(state.grid, &plan), plan);
  if (violations.empty()) return {begun(state, plan, now.clock)};
  // Where one is due anyway it is for these hours, and `due` knows what came of the last.
  if (!state.pending && (state.replan_after > 0 || state.refused_as_is)) return {};
  return {asked(state, plan.hours(), violations.front(), options.work_limit)};
}

JobInput input_of(const PendingPlan& pending, const State& state) {
  if (!pending.hours) return {state.grid, state.plan, state.schedule};
  const v1::PlannedHours hours = planner::to_message(*pending.hours);
  JobInput input{planner::grid_of_plan(state.grid, &hours), state.plan};
  const bool goes_on =
      state.plan && state.plan->has_hours() && planner::period_of(state.plan->hours()) == pending.hours;
  if (goes_on || !state.schedule) return input;
  for (const v1::ScheduledPeriod& period : state.schedule->periods())
    if (planner::period_of(period.plan().hours()) == pending.hours)
      input.incumbent = std::shared_ptr<const v1::Plan>(state.schedule, &period.plan());
  return input;
}

}  // namespace tandem::control
