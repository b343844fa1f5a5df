#include "app/engine_handover.h"

#include <utility>

#include "planner/schedule.h"

namespace tandem::app {
namespace {

// The plan in force, and what the next period adds where that is prepared.
v1::Plan wanted_plan(const control::State& state, const grid::Snapshot& grid) {
  if (state.schedule && state.preparing)
    for (const v1::ScheduledPeriod& period : state.schedule->periods())
      if (planner::period_of(period.plan().hours()) == state.preparing)
        return planner::with_replicas_of(grid, *state.plan, period.plan());
  return *state.plan;
}

}  // namespace

void EngineHandover::before_publish(const control::State& state) {
  if (!state.plan) return;
  const auto grid = planner::grid_of_plan(state.grid, state.plan.get());
  v1::Plan wanted = wanted_plan(state, *grid);
  is_handing_over_ = running_.has_value();
  run_(*grid, running_ ? planner::with_replicas_of(*grid, *running_, wanted) : wanted);
  running_ = std::move(wanted);
}

void EngineHandover::published(const grid::Snapshot& grid) {
  if (std::exchange(is_handing_over_, false)) run_(grid, *running_);
}

}  // namespace tandem::app
