#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/check.h"
#include "control/control.h"
#include "control/replay.h"

namespace tandem::control {
namespace {

constexpr size_t kReadBytes = 16u << 20;  // of the log at a time while replaying

void clear_pending(State& state, const std::string& plan_id) {
  if (state.pending && state.pending->plan_id == plan_id) state.pending.reset();
}

void fold_request(State& state, const v1::PlanRequested& requested, Instant at) {
  PendingPlan pending;
  pending.plan_id = requested.plan_id();
  pending.base = requested.base_offset();
  pending.seed = requested.seed();
  pending.work_limit = requested.work_limit();
  pending.anew = requested.anew();
  pending.reason = requested.reason();
  pending.requested_at = at;
  if (requested.has_hours()) pending.hours = planner::period_of(requested.hours());
  pending.periods_max = requested.periods_max();
  state.pending = std::move(pending);
  if (state.replan_after <= requested.base_offset()) state.replan_after = 0;
}

// A plan that came to nothing is asked for again after a moment, so that a planner that errs does not fill the log; a
// search beside a plan that stands is postponed instead, and so is a schedule.
void fold_no_plan(State& state, const std::string& plan_id, log::Offset offset, Instant at) {
  constexpr Duration kPause = seconds(1);
  if (state.pending && state.pending->is_schedule() && state.pending->plan_id == plan_id) {
    state.pending.reset();
    state.schedule_not_before = at + kPostponedMax;
    return;
  }
  const bool searched = state.pending && state.pending->anew && state.plan && state.unsearched_since;
  // Asked for while nothing had changed: not for want of another plan, nor instead of a quick one (step.cc).
  const bool in_quiet =
      searched && !state.refused_as_is && state.pending->requested_at - *state.unsearched_since < kPostponedMax;
  if (searched) state.unsearched_since = at;
  clear_pending(state, plan_id);
  if (!in_quiet) state.replan_after = offset;
  state.plan_not_before = at + kPause;
}

void end_schedule(State& state) {
  state.schedule.reset();
  state.schedule_offset = 0;
  state.schedule_stale = false;
  state.preparing.reset();
}

// A plan that is for any hour ends the schedule.
void put_in_force(State& state, std::shared_ptr<const v1::Plan> plan, log::Offset offset, Instant at) {
  if (!plan->has_hours()) end_schedule(state);
  const bool goes_on = state.plan && state.plan->has_hours() && plan->has_hours() &&
                       planner::period_of(state.plan->hours()) == planner::period_of(plan->hours());
  if (!goes_on) state.preparing.reset();  // also where the clock was set back
  state.plan = std::move(plan);
  state.plan_offset = offset;
  state.plan_at = at;
  state.refused_as_is = false;
}

void fold_acceptance(State& state, const v1::Plan& plan, log::Offset offset, Instant at) {
  put_in_force(state, std::make_shared<const v1::Plan>(plan), offset, at);
  clear_pending(state, plan.id());
  if (!plan.draft() && !plan.mended())
    state.unsearched_since.reset();
  else if (!state.unsearched_since)
    state.unsearched_since = at;
}

void fold_schedule(State& state, const v1::Schedule& schedule, log::Offset offset) {
  if (schedule.periods().empty()) return;
  state.schedule = std::make_shared<const v1::Schedule>(schedule);
  state.schedule_offset = offset;
  state.schedule_stale = state.replan_after > 0;
  state.schedule_not_before = {};
  state.preparing.reset();
  clear_pending(state, schedule.id());
}

// Of the hours that are in force nothing is to be started: what was for the next ones is not wanted yet.
void fold_preparation(State& state, const v1::PeriodPrepared& prepared) {
  if (!state.schedule || state.schedule->id() != prepared.schedule_id()) return;
  state.preparing = planner::period_of(prepared.hours());
  const bool has_begun =
      state.plan && state.plan->has_hours() && planner::period_of(state.plan->hours()) == state.preparing;
  if (has_begun) state.preparing.reset();
}

// What the grid has become since the schedule was made its plan does not know: it is mended at once. So it is where a
// plan was being made for hours that are over.
void fold_begin(State& state, const v1::PeriodBegun& begun, log::Offset offset, Instant at) {
  if (!state.schedule || state.schedule->id() != begun.schedule_id()) return;
  const planner::DayPeriod hours = planner::period_of(begun.hours());
  for (const v1::ScheduledPeriod& period : state.schedule->periods()) {
    if (planner::period_of(period.plan().hours()) != hours) continue;
    auto plan = std::make_shared<v1::Plan>(period.plan());
    plan->set_id(begun.plan_id());
    plan->set_reason(begun.reason());
    if (begun.has_moves_eur()) {
      plan->set_moves(begun.moves());
      plan->set_cost_eur_per_hour(plan->cost_eur_per_hour() + begun.moves_eur());
    }
    put_in_force(state, std::move(plan), offset, at);
    state.unsearched_since.reset();
    const bool is_over = state.pending && !state.pending->is_schedule() && state.pending->hours != hours;
    if (is_over) state.pending.reset();
    if (is_over || state.schedule_stale) state.replan_after = offset;
  }
}

// The same message gives the same bytes in every run of every version that knows its fields.
std::string deterministic_bytes(const google::protobuf::MessageLite& plan) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  CHECK(plan.SerializeToCodedStream(&coded));
  coded.Trim();
  return bytes;
}

}  // namespace

State empty_state() {
  State state;
  state.head.first = 1;
  state.head.count = 0;
  state.grid = inventory::project(state.inventory, {}, nullptr);
  return state;
}

void fold(State& state, const log::Event& event, log::Offset offset, Instant at, inventory::ChangeSet& changes) {
  inventory::ChangeSet all;
  state.inventory.fold(event, offset, at, &all);
  state.branches.fold(event, offset, at, state.inventory, &all);
  // Most of an inventory is no noun: a load of it must neither make the grid anew nor ask for a plan.
  for (const inventory::Change& change : all) {
    if (!inventory::concerns_rows(change)) continue;
    changes.add(change);
    state.replan_after = offset;
    state.refused_as_is = false;
    state.schedule_stale = state.schedule != nullptr;
  }
  switch (event.body_case()) {
    case log::Event::kPlanRequested: fold_request(state, event.plan_requested(), at); break;
    case log::Event::kPlanAccepted: fold_acceptance(state, event.plan_accepted().plan(), offset, at); break;
    case log::Event::kPlanRejected: {
      const bool as_is = state.replan_after == 0 && !(state.pending && state.pending->anew);
      fold_no_plan(state, event.plan_rejected().plan_id(), offset, at);
      state.refused_as_is = as_is;
      break;
    }
    case log::Event::kPlanFailed: fold_no_plan(state, event.plan_failed().plan_id(), offset, at); break;
    case log::Event::kScheduleAccepted: fold_schedule(state, event.schedule_accepted().schedule(), offset); break;
    case log::Event::kPeriodPrepared: fold_preparation(state, event.period_prepared()); break;
    case log::Event::kPeriodBegun: fold_begin(state, event.period_begun(), offset, at); break;
    case log::Event::kWindowSealed: state.accounts.fold(event.window_sealed()); break;
    default: break;  // facts are the inventory's; the rest is kept for people and checks, and changes nothing here
  }
}

void refresh(State& state, const inventory::ChangeSet& changes) {
  if (!state.grid || !changes.empty()) state.grid = inventory::project(state.inventory, changes, state.grid);
}

Digest state_hash(const State& state) {
  Hasher hasher;
  hasher.update(state.inventory.hash().view());
  hasher.update(state.branches.hash(state.inventory).view());
  hasher.update(state.accounts.hash().view());
  hasher.update(state.head.hash.view());
  hasher.update(state.plan_offset).update(state.replan_after).update(static_cast<uint64_t>(state.plan_not_before.ns));
  hasher.update(uint64_t{state.plan != nullptr});
  if (state.plan) hasher.update(sha256(deterministic_bytes(*state.plan)).view());
  hasher.update(uint64_t{state.pending.has_value()});
  if (state.pending) {
    hasher.update(sha256(state.pending->plan_id).view());
    hasher.update(state.pending->base).update(state.pending->seed).update(state.pending->work_limit);
    hasher.update(static_cast<uint64_t>(state.pending->requested_at.ns));
  }
  if (state.schedule) hasher.update(sha256(deterministic_bytes(*state.schedule)).view()).update(state.schedule_offset);
  return hasher.finish();
}

Digest whole_hash(const State& state) {
  Hasher hasher;
  hasher.update(state_hash(state).view()).update(static_cast<uint64_t>(state.plan_at.ns));
  hasher.update(uint64_t{state.refused_as_is}).update(uint64_t{state.unsearched_since.has_value()});
  if (state.unsearched_since) hasher.update(static_cast<uint64_t>(state.unsearched_since->ns));
  if (state.pending) hasher.update(sha256(state.pending->reason).view()).update(uint64_t{state.pending->anew});
  // What a grid that is the same all day never has leaves no trace: checkpoints of earlier versions stay good.
  const auto hash_hours = [&](uint64_t name, const std::optional<planner::DayPeriod>& hours) {
    if (hours) hasher.update(name).update(uint64_t{hours->from_hour}).update(uint64_t{hours->hours});
  };
  hash_hours(1, state.preparing);
  if (state.pending) hash_hours(2, state.pending->hours);
  if (state.pending && state.pending->is_schedule()) hasher.update(uint64_t{state.pending->periods_max});
  if (state.schedule_stale) hasher.update(uint64_t{3});
  if (state.schedule_not_before.ns != 0) hasher.update(static_cast<uint64_t>(state.schedule_not_before.ns));
  return hasher.finish();
}

Result<void> replay_onto(State& state, const log::Log& log, log::Offset to) {
  inventory::ChangeSet changes;
  while (state.inventory.offset() < to) {
    TANDEM_ASSIGN(const std::vector<log::Batch> batches, log.read(state.inventory.offset() + 1, kReadBytes));
    if (batches.empty()) break;
    for (const log::Batch& batch : batches) {
      for (size_t i = 0; i < batch.events.size(); ++i) {
        const log::Offset offset = batch.header.first + i;
        if (offset <= state.inventory.offset()) continue;
        if (offset > to) break;
        fold(state, batch.events[i], offset, batch.header.at, changes);
      }
      if (batch.header.last() <= to) state.head = batch.header;
    }
  }
  refresh(state, changes);
  return {};
}

Result<State> replay(const log::Log& log) {
  State state = empty_state();
  TANDEM_TRY(replay_onto(state, log, UINT64_MAX));
  return state;
}

}  // namespace tandem::control
