// Runs the jobs that make plans and schedules on a thread of their own, the newest wanted first; a job that a newer one
// overtakes is stopped.
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
  // `done` is called on the worker's thread with the event that each job which was not overtaken brings back. It has at
  // most so many bytes, with what its acceptance adds: a schedule has fewer periods then, and a plan has failed.
  PlanWorker(const Clock& clock, std::function<void(log::Event)> done, size_t event_bytes_max = log::kEventBytesMax);
  ~PlanWorker();

  void want(const control::PendingPlan& wanted, control::JobInput input);

 private:
  struct Job {
    control::PendingPlan wanted;
    control::JobInput input;
    std::stop_source stop;
  };
  void run();

  const Clock& clock_;
  std::function<void(log::Event)> done_;
  const size_t event_bytes_max_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::optional<Job> next_;
  std::stop_source running_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tandem::app
