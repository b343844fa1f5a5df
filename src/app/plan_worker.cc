#include "app/plan_worker.h"

#include "planner/planner.h"

namespace tandem::app {

PlanWorker::PlanWorker(const Clock& clock, std::function<void(Result)> done) : clock_(clock), done_(std::move(done)) {
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

void PlanWorker::want(const control::PendingPlan& wanted, std::shared_ptr<const grid::Snapshot> grid,
                      std::shared_ptr<const v1::Plan> incumbent) {
  {
    const std::lock_guard lock(mutex_);
    running_.request_stop();
    next_ = Job{wanted, std::move(grid), std::move(incumbent), {}};
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
    std::optional<v1::Plan> plan = planner.plan_unless_stopped(
        *job->grid, job->incumbent.get(), job->wanted.plan_id, job->wanted.seed,
        {.iterations = job->wanted.work_limit, .anew = job->wanted.anew}, job->stop.get_token());
    const double solve_ms = (clock_.monotonic() - start).seconds() * 1e3;
    if (plan && !job->stop.stop_requested()) done_({std::move(*plan), solve_ms});
  }
}

}  // namespace tandem::app
