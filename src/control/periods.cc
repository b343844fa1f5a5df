// The schedule in force, by the clock.
#include <fmt/format.h>

#include <algorithm>

#include "control/control.h"
#include "control/request.h"
#include "log/print.h"

namespace tandem::control {
namespace {

// The plan in force is the one of that period, or was made for its hours since the schedule is in force.
bool has_begun(const State& state, const v1::PlannedHours& hours) {
  return state.plan && state.plan->has_hours() && state.plan_offset > state.schedule_offset &&
         planner::period_of(state.plan->hours()) == planner::period_of(hours);
}

// The hours whose replicas are to be started now: the next period's, by its lead; or the present one's, and nothing
// more, where the clock was set back after the next was prepared. Nothing where all is as it should be.
std::optional<v1::PlannedHours> to_prepare(const State& state, const PeriodAt& at, Instant clock) {
  constexpr Duration kLeadLeast = seconds(30);  // also where engines are quick: a step of the core, a probe, some luck
  const PeriodAt next = period_after(*state.schedule, at);
  const v1::ScheduledPeriod& period = state.schedule->periods(next.period);
  const Duration lead = std::max(kLeadLeast, milliseconds(static_cast<int64_t>(period.lead_s() * 1e3)));
  const bool is_near = next.period != at.period && next.begins_at - clock <= lead;
  const bool is_prepared = state.preparing == planner::period_of(period.plan().hours());
  if (is_near == is_prepared) return std::nullopt;
  return state.schedule->periods(is_near ? next.period : at.period).plan().hours();
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
  const uint32_t moves = state.plan ? planner::moves_between(*state.plan, plan) : 0;
  begun.set_moves(moves);
  begun.set_moves_eur(moves * state.grid->policy.move_penalty.value());
  begun.set_reason(fmt::format("{} as {} has it", log::hours_text(plan.hours()), state.schedule->id()));
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
  return schedule.periods(period_at(schedule, clock).period).plan();
}

bool is_turning(const State& state, Instant clock) {
  if (!state.schedule) return false;
  const PeriodAt at = period_at(*state.schedule, clock);
  return !has_begun(state, state.schedule->periods(at.period).plan().hours()) ||
         to_prepare(state, at, clock).has_value();
}

std::vector<log::Event> turn(const State& state, Now now, const PlanningOptions& options) {
  if (!is_turning(state, now.clock) || !can_plan(state)) return {};
  const PeriodAt at = period_at(*state.schedule, now.clock);
  const v1::Plan& plan = state.schedule->periods(at.period).plan();
  if (has_begun(state, plan.hours())) return {prepared(state, *to_prepare(state, at, now.clock), now.clock)};
  const bool is_made =
      state.pending && !state.pending->is_schedule() && state.pending->hours == planner::period_of(plan.hours());
  if (is_made || now.time < state.plan_not_before) return {};
  const auto violations = planner::violations(*planner::grid_of_plan(state.grid, &plan), plan);
  if (violations.empty()) return {begun(state, plan, now.clock)};
  // Where one is due anyway it is for these hours, and `due` knows what came of the last.
  if (!state.pending && (state.replan_after > 0 || state.refused_as_is)) return {};
  v1::PlanRequested wanted;
  wanted.set_work_limit(options.work_limit);
  *wanted.mutable_hours() = plan.hours();
  wanted.set_reason(
      fmt::format("{} begins, and its plan no longer stands: {}", log::hours_text(plan.hours()), violations.front()));
  return {plan_requested(state, std::move(wanted))};
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
