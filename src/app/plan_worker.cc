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
    Result result;
    result.plan = planner.plan(*job->grid, job->incumbent.get(), job->wanted.plan_id, job->wanted.seed,
                               planner::WorkLimit{job->wanted.work_limit}, job->stop.get_token());
    result.solve_ms = (clock_.monotonic() - start).seconds() * 1e3;
    if (!job->stop.stop_requested()) done_(std::move(result));
  }
}

}  // namespace tandem::app
