#include "app/plan_worker.h"

#include <fmt/format.h>

#include "planner/planner.h"
#include "planner/schedule.h"

namespace tandem::app {
namespace {

// What a job brings back; nothing where it was stopped.
std::optional<log::Event> result_of(const control::PendingPlan& wanted, const control::JobInput& input,
                                    planner::Planner& planner, const std::stop_token& stop) {
  log::Event event;
  event.set_actor("job:planner");
  const planner::WorkLimit limit{.iterations = wanted.work_limit, .anew = wanted.anew};
  if (wanted.is_schedule()) {
    const planner::ScheduleOptions options{
        wanted.periods_max, wanted.seed, {wanted.work_limit}, input.incumbent.get(), input.schedule.get()};
    const auto schedule = planner::schedule_unless_stopped(*input.grid, options, stop);
    if (!schedule) return std::nullopt;
    *event.mutable_schedule_proposed()->mutable_schedule() =
        planner::to_message(*schedule, wanted.plan_id, wanted.base);
  } else {
    auto plan =
        planner.plan_unless_stopped(*input.grid, input.incumbent.get(), wanted.plan_id, wanted.seed, limit, stop);
    if (!plan) return std::nullopt;
    *event.mutable_plan_proposed()->mutable_plan() = *std::move(plan);
  }
  return event;
}

// What the log would refuse is told as what it is: it would be awaited for ever.
log::Event fitting(log::Event event, const std::string& plan_id) {
  const size_t bytes = event.ByteSizeLong();
  if (bytes <= log::kEventBytesMax) return event;
  event.mutable_plan_failed()->set_plan_id(plan_id);
  event.mutable_plan_failed()->set_error(
      fmt::format("it has {} bytes, the log takes {}: plan a day in fewer periods", bytes, log::kEventBytesMax));
  return event;
}

}  // namespace

PlanWorker::PlanWorker(const Clock& clock, std::function<void(log::Event)> done)
    : clock_(clock), done_(std::move(done)) {
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
    std::optional<log::Event> event = result_of(job->wanted, job->input, planner, job->stop.get_token());
    const double solve_ms = (clock_.monotonic() - start).seconds() * 1e3;
    if (!event || job->stop.stop_requested()) continue;
    if (event->has_plan_proposed()) event->mutable_plan_proposed()->set_solve_ms(solve_ms);
    if (event->has_schedule_proposed()) event->mutable_schedule_proposed()->set_solve_ms(solve_ms);
    done_(fitting(*std::move(event), job->wanted.plan_id));
  }
}

}  // namespace tandem::app
