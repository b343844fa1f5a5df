#include "simulation/invariants.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "planner/planner.h"

namespace tandem::simulation {
namespace {

// A request may replace a pending one only when that is overdue, or for hours that are over; the core waits this long.
constexpr Duration kPlanOverdue = seconds(60);

template <class Message>  // a plan, or a request for one
std::optional<planner::DayPeriod> hours_of(const Message& message) {
  return message.has_hours() ? std::optional(planner::period_of(message.hours())) : std::nullopt;
}

}  // namespace

Witness::Witness() : state_(control::empty_state()), states_{control::whole_hash(state_)}, actors_(1) {}

Broken Witness::follow(const log::Log& log) {
  if (last() > 0) {
    const auto tail = log.read(last(), 1);
    if (!tail) return fmt::format("the log cannot be read at {}: {}", last(), to_string(tail.error()));
    if (tail->empty() || tail->front().header.hash != headers_.back())
      return fmt::format("the batch that ended at {} is no longer there", last());
  }
  for (;;) {
    const auto batches = log.read(last() + 1, 1u << 20);
    if (!batches) return fmt::format("the log cannot be read after {}: {}", last(), to_string(batches.error()));
    if (batches->empty()) return std::nullopt;
    for (const log::Batch& batch : *batches)
      if (auto broken = follow_batch(batch)) return broken;
  }
}

Broken Witness::follow_batch(const log::Batch& batch) {
  const log::BatchHeader& header = batch.header;
  const log::BatchHeader& before = state_.head;
  if (header.first != last() + 1) return fmt::format("a batch begins at {} after {}", header.first, last());
  if (header.count != batch.events.size() || header.count == 0)
    return fmt::format("the batch at {} counts {} events and holds {}", header.first, header.count,
                       batch.events.size());
  if (header.previous != before.hash)
    return fmt::format("the batch at {} is not chained to the one before", header.first);
  if (log::hash_of(header) != header.hash) return fmt::format("the header at {} does not match its hash", header.first);
  if (sha256(log::encode_events(batch.events)) != header.body_sha256)
    return fmt::format("the events at {} do not match their digest", header.first);
  if (before.count > 0 && header.at < before.at) return fmt::format("time goes back at {}", header.first);
  if (header.epoch < before.epoch) return fmt::format("an earlier writer wrote at {}", header.first);
  for (size_t i = 0; i < batch.events.size(); ++i) {
    const log::Offset offset = header.first + i;
    if (auto broken = follow_event(batch.events[i], offset, header.at)) return broken;
    if (i + 1 == batch.events.size()) state_.head = header;
    states_.push_back(control::whole_hash(state_));
    actors_.push_back(batch.events[i].actor());
  }
  headers_.push_back(header.hash);
  return std::nullopt;
}

Broken Witness::follow_event(const log::Event& event, log::Offset offset, Instant at) {
  const auto wait_for = [&](const std::string& plan_id) -> Broken {
    if (state_.pending && state_.pending->plan_id == plan_id) return std::nullopt;
    return fmt::format("'{}' is settled at {} and was not pending", plan_id, offset);
  };
  Broken broken;
  switch (event.body_case()) {
    case log::Event::kPlanRequested:
      ++plans_.requested;
      if (state_.pending && !state_.pending->anew && state_.pending->hours == hours_of(event.plan_requested()) &&
          at - state_.pending->requested_at < kPlanOverdue)
        broken = fmt::format("two plans are pending at {}", offset);
      break;
    case log::Event::kPlanAccepted:
      ++plans_.accepted;
      broken = wait_for(event.plan_accepted().plan().id());
      if (!broken && state_.pending->hours != hours_of(event.plan_accepted().plan()))
        broken = fmt::format("the plan accepted at {} is for other hours than were asked for", offset);
      if (!broken) broken = check_acceptance(event.plan_accepted().plan(), offset);
      break;
    case log::Event::kPlanRejected:
      ++plans_.rejected;
      broken = wait_for(event.plan_rejected().plan_id());
      break;
    case log::Event::kPlanFailed:
      ++plans_.failed;
      broken = wait_for(event.plan_failed().plan_id());
      break;
    case log::Event::kScheduleAccepted:
      ++plans_.schedules;
      broken = wait_for(event.schedule_accepted().schedule().id());
      if (!broken && !state_.pending->is_schedule()) broken = fmt::format("no schedule was asked for at {}", offset);
      if (!broken) broken = check_schedule(event.schedule_accepted().schedule(), offset);
      break;
    case log::Event::kPeriodBegun:
      ++plans_.periods;
      broken = check_begin(event.period_begun(), offset);
      break;
    case log::Event::kPeriodPrepared: broken = check_preparation(event.period_prepared(), offset); break;
    default: break;
  }
  const auto merged = state_.branches.find(event.branch_merged().name());
  const control::State before = state_;
  control::fold(state_, event, offset, at, unprojected_);
  if (state_.plan && state_.plan->has_hours() && !state_.schedule && !broken)
    broken = fmt::format("the plan in force at {} is for some hours, and nothing says what follows", offset);
  if (event.has_branch_merged() && !broken) {
    ++merges_;
    if (!merged) return fmt::format("a branch that is not there is merged at {}", offset);
    const inventory::Snapshot* onto = before.branches.head(merged->parent, before.inventory);
    const inventory::Snapshot* now = state_.branches.head(merged->parent, state_.inventory);
    if (!onto || !now) return fmt::format("a branch is merged into nothing at {}", offset);
    if (const auto outcome = inventory::try_merge(*merged, *onto, 1); !outcome.clean())
      return fmt::format("a merge at {} was admitted although {}", offset,
                         outcome.conflicts.empty() ? outcome.violations[0].message : outcome.conflicts[0].message);
    broken = check_merge(*merged, *onto, *now);
  }
  return broken ? broken : check_branches();
}

Broken Witness::check_branches() const {
  for (const auto& branch : state_.branches.all()) {
    const inventory::Snapshot* parent = state_.branches.head(branch->parent, state_.inventory);
    if (!parent) return fmt::format("branch '{}' stands on nothing", branch->name);
    if (branch->edit_count > inventory::kBranchEditsMax)
      return fmt::format("branch '{}' holds too many edits", branch->name);
  }
  return std::nullopt;
}

Broken check_merge(const inventory::Branch& branch, const inventory::Snapshot& before,
                   const inventory::Snapshot& after) {
  Broken broken;
  inventory::Snapshot::for_each_difference(before, after, [&](const inventory::EntityKey& entity) {
    if (!branch.edits.find(entity))
      broken =
          fmt::format("merging '{}' changed {} '{}', which it does not touch", branch.name, entity.kind, entity.id);
    return !broken;
  });
  for (const auto& [entity, edits] : branch.edits) {
    if (broken || inventory::edit_count(branch, entity) == 0) continue;
    if (after.has(entity.kind, entity.id) != branch.head.has(entity.kind, entity.id))
      broken = fmt::format("after merging '{}', {} '{}' is not there or away as in the branch", branch.name,
                           entity.kind, entity.id);
  }
  inventory::for_each_edit(branch, [&](const inventory::EntityKey& entity, const v1::HeldEdit& edit) {
    const Json::Object values = after.attributes(entity.kind, entity.id),
                       ours = branch.head.attributes(entity.kind, entity.id);
    for (const v1::Attribute& said : edit.edit().facts().attributes()) {
      const auto value = values.find(said.name()), own = ours.find(said.name());
      if ((value == values.end() ? Json() : value->second) != (own == ours.end() ? Json() : own->second))
        broken = fmt::format("after merging '{}', {} of {} '{}' is not as in the branch", branch.name, said.name(),
                             entity.kind, entity.id);
    }
    return !broken;
  });
  return broken;
}

Broken Witness::check_acceptance(const v1::Plan& plan, log::Offset offset) const {
  const auto grid = planner::grid_of_plan(inventory::project(state_.inventory, {}, nullptr), &plan);
  if (const auto violations = planner::violations(*grid, plan); !violations.empty())
    return fmt::format("the plan accepted at {} breaks a constraint: {}", offset, violations.front());
  return check_residency(*grid, plan);
}

// Every hour of the day has one period, and every period a plan that stands.
Broken Witness::check_schedule(const v1::Schedule& schedule, log::Offset offset) const {
  std::array<int, planner::kPeriodsMax> periods_at{};
  for (const v1::ScheduledPeriod& period : schedule.periods()) {
    if (!period.plan().has_hours()) return fmt::format("a period of the schedule accepted at {} has no hours", offset);
    const planner::DayPeriod hours = planner::period_of(period.plan().hours());
    for (uint32_t i = 0; i < hours.hours; ++i) ++periods_at[(hours.from_hour + i) % planner::kPeriodsMax];
    if (auto broken = check_acceptance(period.plan(), offset)) return broken;
  }
  for (size_t hour = 0; hour < periods_at.size(); ++hour)
    if (periods_at[hour] != 1)
      return fmt::format("{} periods of the schedule accepted at {} have the hour {}", periods_at[hour], offset, hour);
  return std::nullopt;
}

// A period begins once, when the clock shows one of its hours, and with a plan that stands.
Broken Witness::check_begin(const v1::PeriodBegun& begun, log::Offset offset) const {
  if (!state_.schedule || state_.schedule->id() != begun.schedule_id())
    return fmt::format("a period of '{}' begins at {}, which is not in force", begun.schedule_id(), offset);
  const v1::Plan& plan = control::plan_at(*state_.schedule, {begun.clock_ns()});
  if (planner::period_of(plan.hours()) != planner::period_of(begun.hours()))
    return fmt::format("the period from {}:00 begins at {}, when the clock shows {}", begun.hours().from_hour(), offset,
                       format_rfc3339({begun.clock_ns()}));
  if (state_.plan_offset > state_.schedule_offset && hours_of(*state_.plan) == hours_of(plan))
    return fmt::format("the period from {}:00 begins again at {}", begun.hours().from_hour(), offset);
  return check_acceptance(plan, offset);
}

// What is started is of the period that comes next, and once; or no longer, where the clock was set back.
Broken Witness::check_preparation(const v1::PeriodPrepared& prepared, log::Offset offset) const {
  if (!state_.schedule || state_.schedule->id() != prepared.schedule_id())
    return fmt::format("a period of '{}' is prepared at {}, which is not in force", prepared.schedule_id(), offset);
  const control::PeriodAt now = control::period_at(*state_.schedule, {prepared.clock_ns()});
  const v1::Plan& next = state_.schedule->periods(control::period_after(*state_.schedule, now).period).plan();
  const bool is_of_now =
      planner::period_of(prepared.hours()) == planner::period_of(state_.schedule->periods(now.period).plan().hours());
  if (is_of_now && state_.preparing && state_.preparing != planner::period_of(prepared.hours())) return std::nullopt;
  if (planner::period_of(next.hours()) != planner::period_of(prepared.hours()))
    return fmt::format("the period from {}:00 is prepared at {}, and is not the next", prepared.hours().from_hour(),
                       offset);
  if (state_.preparing == planner::period_of(prepared.hours()))
    return fmt::format("the period from {}:00 is prepared twice, at {}", prepared.hours().from_hour(), offset);
  return std::nullopt;
}

Broken check_residency(const grid::Snapshot& grid, const v1::Plan& plan) {
  std::map<std::string, std::string> pools;
  for (const v1::PlannedDeployment& deployment : plan.deployments()) pools[deployment.id()] = deployment.pool();
  for (const v1::DemandPlan& planned : plan.demands()) {
    const auto demand = grid.demands.find(planned.demand());
    if (!demand.valid()) continue;
    const grid::Tenant& tenant = grid.tenants[grid.demands[demand].tenant];
    for (const v1::PlannedSplit& split : planned.splits()) {
      const auto pool = grid.pools.find(pools[split.deployment()]);
      if (!pool.valid())
        return fmt::format("'{}' is served by '{}', which is nowhere", planned.demand(), split.deployment());
      if (!tenant.residency.contains(grid.jurisdiction_of(grid.pools[pool].site)))
        return fmt::format("'{}' is served outside its residency by '{}'", planned.demand(), split.deployment());
    }
  }
  return std::nullopt;
}

Broken Witness::check_whole(const log::Log& log) const {
  size_t position = 0;
  for (log::Offset next = 1; next <= last();) {
    const auto batches = log.read(next, 1u << 20);
    if (!batches) return fmt::format("the log cannot be read at {}: {}", next, to_string(batches.error()));
    if (batches->empty()) return fmt::format("the log ends at {} and went to {}", next - 1, last());
    for (const log::Batch& batch : *batches) {
      if (position >= headers_.size()) break;
      if (batch.header.hash != headers_[position++])
        return fmt::format("the batch at {} is another now", batch.header.first);
      next = batch.header.last() + 1;
    }
  }
  const auto replayed = control::replay(log);
  if (!replayed) return fmt::format("the log does not replay: {}", to_string(replayed.error()));
  if (replayed->inventory.offset() == last() && control::whole_hash(*replayed) != states_.back())
    return fmt::format("replay to {} gives another state", last());
  for (const auto& branch : state_.branches.all())
    if (const auto again = replayed->branches.find(branch->name);
        replayed->inventory.offset() == last() && (!again || again->head.hash() != branch->head.hash()))
      return fmt::format("replay to {} gives another head of branch '{}'", last(), branch->name);
  return std::nullopt;
}

Broken Witness::acknowledged(log::Offset offset, const std::string& actor) const {
  if (offset >= actors_.size())
    return fmt::format("{} was acknowledged at {}, which the log does not reach", actor, offset);
  if (actors_[offset] != actor)
    return fmt::format("{} was acknowledged at {}, where '{}' stands", actor, offset, actors_[offset]);
  return std::nullopt;
}

Broken Witness::check_live(const control::State& state) const {
  if (state.inventory.offset() != last())
    return fmt::format("the core is at {}, its log at {}", state.inventory.offset(), last());
  if (control::whole_hash(state) != states_.back())
    return fmt::format("the core's state at {} is not what its log says", last());
  return check_projection(state);
}

Broken check_projection(const control::State& state) {
  if (!state.grid) return "the core shows no grid";
  std::vector<std::string> left_out;
  grid::Snapshot anew = *inventory::project(state.inventory, {}, nullptr, &left_out);
  if (!left_out.empty()) return fmt::format("something unsound was admitted: {}", left_out.front());
  anew.offset = state.grid->offset;
  if (!(*state.grid == anew))
    return fmt::format("the patched projection at {} is not the one made anew", state.inventory.offset());
  return std::nullopt;
}

Broken Witness::check_past(log::Offset offset, const control::State& state) const {
  if (offset >= states_.size()) return fmt::format("a state is given for {}, which the log does not reach", offset);
  if (control::whole_hash(state) != states_[offset])
    return fmt::format("the state given for {} is not what replay gives", offset);
  return check_projection(state);
}

Broken Witness::check_settled(Instant clock) const {
  if (state_.pending) return fmt::format("'{}' is still pending", state_.pending->plan_id);
  if (!state_.plan) return "no plan was ever accepted";
  const bool in_vain =
      state_.unsearched_since && *state_.unsearched_since > state_.plan_at;  // is not tried at once again
  if (state_.unsearched_since && !in_vain) return "the plan was never searched again";
  if (state_.replan_after != 0) return fmt::format("the change at {} is in no plan", state_.replan_after);
  const auto whole_day = inventory::project(state_.inventory, {}, nullptr);
  const auto grid = planner::grid_of_plan(whole_day, state_.plan.get());
  const bool is_postponed = state_.schedule_not_before > state_.head.at;
  if (planner::varies_over_day(*whole_day) && !is_postponed && (!state_.schedule || state_.schedule_stale))
    return "the day is in no schedule";
  if (!planner::varies_over_day(*whole_day) && state_.schedule)
    return "every hour is like the other, and they are scheduled";
  if (state_.schedule && hours_of(*state_.plan) != hours_of(control::plan_at(*state_.schedule, clock)))
    return "the plan in force is of other hours";
  const auto violations = planner::violations(*grid, *state_.plan);
  if (!violations.empty())
    return fmt::format("the plan breaks a constraint of the latest state: {}", violations.front());
  return std::nullopt;
}

}  // namespace tandem::simulation
