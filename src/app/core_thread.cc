#include "app/core_thread.h"

#include <fmt/format.h>
#include <pthread.h>

#include <future>
#include <utility>

#include "base/logging.h"
#include "planner/schedule.h"

namespace tandem::app {

CoreThread::CoreThread(std::unique_ptr<control::Core> core, const Clock& clock, CoreThreadOptions options,
                       CoreObserver& observer)
    : core_(std::move(core)), clock_(clock), options_(std::move(options)), observer_(observer) {}

CoreThread::~CoreThread() { stop(); }

void CoreThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (Group& group : std::exchange(intake_, {})) group.done(fail(ErrorCode::unavailable, "the grid is shutting down"));
}

void CoreThread::start() {
  publish_if_changed();
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "core");  // as `top -H` shows it
}

std::shared_ptr<const api::Published> CoreThread::published() const { return published_.load(); }

void CoreThread::submit(std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) {
  submit_if({}, std::move(events), std::move(done));
}

void CoreThread::submit_if(Guard guard, std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) {
  bool full = false;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    stopping = stopping_;
    full = intake_events_ + events.size() > kIntakeEventsMax;
    if (!full && !stopping) {
      intake_events_ += events.size();
      intake_.push_back({std::move(events), std::move(done), std::move(guard)});
    }
  }
  if (stopping)
    done(fail(ErrorCode::unavailable, "the grid is shutting down"));
  else if (full)
    done(fail(ErrorCode::resource_exhausted,
              fmt::format("{} events are waiting to be logged; try again in a second", kIntakeEventsMax)));
  else
    wake_.notify_one();
}

Result<log::Offset> CoreThread::submit_and_wait(std::vector<log::Event> events) {
  std::promise<Result<log::Offset>> promise;
  auto future = promise.get_future();
  submit(std::move(events), [&promise](Result<log::Offset> result) { promise.set_value(std::move(result)); });
  return future.get();
}

std::shared_ptr<void> CoreThread::hold_plans() {
  ++plan_holds_;
  return {nullptr, [this](void*) { --plan_holds_; }};
}

// As many whole groups as one batch of the log holds, at least one when there is one. A guarded group is the first: its
// guard asks about the state that it follows, which is the core's only while nothing goes before it.
std::vector<CoreThread::Group> CoreThread::take_groups() {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::nanoseconds(options_.tick.ns), [this] { return stopping_ || !intake_.empty(); });
  std::vector<Group> groups;
  size_t events = 0;
  while (!intake_.empty() && !stopping_) {
    const size_t size = intake_.front().events.size();
    if (!groups.empty() && (events + size > log::kBatchEventsMax / 2 || intake_.front().guard)) break;
    events += size;
    intake_events_ -= size;
    groups.push_back(std::move(intake_.front()));
    intake_.pop_front();
  }
  return groups;
}

void CoreThread::run() {
  for (;;) {
    std::vector<Group> groups = take_groups();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    const log::Offset before = core_->state().head.last();
    core_->hold_plans(plan_holds_ > 0);
    refuse_outdated(groups);
    if (!groups.empty()) process(std::move(groups));
    if (auto ticked = core_->tick(clock_.now()); !ticked)
      log_error("the core cannot go on: {}", to_string(ticked.error()));
    tell_committed(before);
    publish_if_changed();
  }
}

void CoreThread::refuse_outdated(std::vector<Group>& groups) {
  if (groups.empty() || !groups.front().guard) return;
  auto holds = groups.front().guard(core_->state());
  if (holds) return;
  groups.front().done(tl::unexpected(std::move(holds.error())));
  groups.erase(groups.begin());
}

void CoreThread::process(std::vector<Group> groups) {
  std::vector<std::vector<log::Event>> intake;
  intake.reserve(groups.size());
  for (Group& group : groups) intake.push_back(std::move(group.events));
  auto outcomes = core_->submit(std::move(intake), clock_.now());
  // Published before the callers are told, so that who was told reads a state with their change in it.
  publish_if_changed();
  for (size_t i = 0; i < groups.size(); ++i) {
    if (outcomes)
      groups[i].done(std::move((*outcomes)[i]));
    else
      groups[i].done(tl::unexpected(outcomes.error()));
  }
  if (!outcomes) log_error("nothing could be logged: {}", to_string(outcomes.error()));
}

void CoreThread::tell_committed(log::Offset after) {
  const log::Offset last = core_->state().head.last();
  if (last != after) observer_.committed(after + 1, last);
}

void CoreThread::publish_if_changed() {
  const control::State& state = core_->state();
  const auto before = published_.load();
  const Instant now = clock_.now();
  const bool grid_same = before && before->state.grid == state.grid && before->state.plan == state.plan;
  const bool lease_fresh =
      before && before->table && before->table->rows().valid_until - now > Duration{options_.table_validity.ns / 2};
  const bool held = plan_holds_ > 0;
  const bool hold_same = before && before->plans_held == held;
  if (grid_same && lease_fresh && hold_same && before->state.head.last() == state.head.last()) return;

  auto next = std::make_shared<api::Published>();
  next->state = state;
  next->plans_held = held;
  next->state.inventory = state.inventory.opened_by(options_.opener);
  const auto planned = grid_same && lease_fresh ? nullptr : planner::grid_of_plan(state.grid, state.plan.get());
  if (!grid_same || before->state.preparing != state.preparing) observer_.before_publish(state);
  if (grid_same) {
    next->forecast = before->forecast;
  } else {
    next->forecast =
        twin::forecast(*planned, state.plan ? planner::assignment_of(*planned, *state.plan) : twin::Assignment{});
  }
  if (grid_same && lease_fresh) {
    next->table = before->table;
  } else {
    const v1::Plan none;
    planner::TableOptions options;
    options.offset = state.head.last();
    options.published_at = now;
    options.valid_until = now + options_.table_validity;
    options.emulator = options_.emulator;
    options.model_known_at = [&inventory = state.inventory](const std::string& id) {
      const auto model = inventory.find("model", id);
      return model ? inventory.time_at(model->created) : Instant();
    };
    next->table = planner::make_routing_table(*planned, state.plan ? *state.plan : none, options);
  }
  published_.store(next);
  observer_.published(before.get(), next);
  if (state.pending && state.pending->plan_id != wanted_plan_) {
    wanted_plan_ = state.pending->plan_id;
    observer_.plan_wanted(*state.pending, state);
  }
}

}  // namespace tandem::app
