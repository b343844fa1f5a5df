// Runs plan jobs on a thread of their own, the newest wanted first; a job that a newer one overtakes is stopped.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "control/control.h"

namespace tandem::app {

class PlanWorker {
 public:
  struct Result {
    v1::Plan plan;
    double solve_ms = 0;
  };
  // `done` is called on the worker's thread with each plan that was not overtaken.
  explicit PlanWorker(const Clock& clock, std::function<void(Result)> done);
  ~PlanWorker();

  void want(const control::PendingPlan& wanted, std::shared_ptr<const grid::Snapshot> grid,
            std::shared_ptr<const v1::Plan> incumbent);

 private:
  struct Job {
    control::PendingPlan wanted;
    std::shared_ptr<const grid::Snapshot> grid;
    std::shared_ptr<const v1::Plan> incumbent;
    std::stop_source stop;
  };
  void run();

  const Clock& clock_;
  std::function<void(Result)> done_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::optional<Job> next_;
  std::stop_source running_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tandem::app
