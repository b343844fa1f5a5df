#include "app/plan_worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "planner/planner.h"
#include "planner/schedule.h"

namespace tandem::app {
namespace {

// With what its acceptance adds: why it was asked for.
size_t bytes_of(const log::Event& event, const control::PendingPlan& wanted) {
  constexpr size_t kBeside = 1'024;  // times and tags
  return event.ByteSizeLong() + wanted.reason.size() + kBeside;
}

// Of as many periods as the log takes in one event.
std::optional<log::Event> scheduled(const control::PendingPlan& wanted, const control::JobInput& input,
                                    size_t event_bytes_max, const std::stop_token& stop) {
  log::Event event;
  for (uint32_t periods = wanted.periods_max;;) {
    const planner::ScheduleOptions options{
        periods, wanted.seed, {wanted.work_limit}, input.incumbent.get(), input.schedule.get()};
    const auto schedule = planner::schedule_unless_stopped(*input.grid, options, stop);
    if (!schedule) return std::nullopt;
    *event.mutable_schedule_proposed()->mutable_schedule() =
        planner::to_message(*schedule, wanted.plan_id, wanted.base);
    const size_t bytes = bytes_of(event, wanted), made = schedule->periods.size();
    if (bytes <= event_bytes_max || made == 1) return event;
    periods = static_cast<uint32_t>(std::clamp<size_t>(made * event_bytes_max / bytes, 1, made - 1));
  }
}

// What a job brings back; nothing where it was stopped.
std::optional<log::Event> result_of(const control::PendingPlan& wanted, const control::JobInput& input,
                                    planner::Planner& planner, size_t event_bytes_max, const std::stop_token& stop) {
  if (wanted.is_schedule()) return scheduled(wanted, input, event_bytes_max, stop);
  const planner::WorkLimit limit{.iterations = wanted.work_limit, .anew = wanted.anew};
  auto plan = planner.plan_unless_stopped(*input.grid, input.incumbent.get(), wanted.plan_id, wanted.seed, limit, stop);
  if (!plan) return std::nullopt;
  log::Event event;
  *event.mutable_plan_proposed()->mutable_plan() = *std::move(plan);
  return event;
}

// What the log would refuse is told as what it is: it would be awaited for ever.
log::Event fitting(log::Event event, const control::PendingPlan& wanted, size_t event_bytes_max) {
  const size_t bytes = bytes_of(event, wanted);
  if (bytes <= event_bytes_max) return event;
  event.mutable_plan_failed()->set_plan_id(wanted.plan_id);
  event.mutable_plan_failed()->set_error(
      fmt::format("its plan has {} bytes, and the log takes {} in one event", bytes, event_bytes_max));
  return event;
}

}  // namespace

PlanWorker::PlanWorker(const Clock& clock, std::function<void(log::Event)> done, size_t event_bytes_max)
    : clock_(clock), done_(std::move(done)), event_bytes_max_(event_bytes_max) {
  thread_ = std::thread([this] { run(); });
}

PlanWorker::~PlanWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    running_.request_stop();
  }
  wake_.notify_all();
  thread_.join();
}

void PlanWorker::want(const control::PendingPlan& wanted, control::JobInput input) {
  {
    const std::lock_guard lock(mutex_);
    running_.request_stop();
    next_ = Job{wanted, std::move(input), {}};
  }
  wake_.notify_one();
}

void PlanWorker::run() {
  planner::Planner planner;  // remembers what the network means for plans
  for (;;) {
    std::optional<Job> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || next_.has_value(); });
      if (stopping_) return;
      job = std::exchange(next_, std::nullopt);
      running_ = job->stop;
    }
    const Duration start = clock_.monotonic();
    std::optional<log::Event> event =
        result_of(job->wanted, job->input, planner, event_bytes_max_, job->stop.get_token());
    const double solve_ms = (clock_.monotonic() - start).seconds() * 1e3;
    if (!event || job->stop.stop_requested()) continue;
    if (event->has_plan_proposed()) event->mutable_plan_proposed()->set_solve_ms(solve_ms);
    if (event->has_schedule_proposed()) event->mutable_schedule_proposed()->set_solve_ms(solve_ms);
    event->set_actor("job:planner");
    done_(fitting(*std::move(event), job->wanted, event_bytes_max_));
  }
}

}  // namespace tandem::app
