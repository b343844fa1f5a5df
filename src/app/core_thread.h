// The core's thread: takes intake from a bounded queue, lets the sequencer order it, and publishes what follows.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "api/api.h"
#include "base/time.h"
#include "control/control.h"
#include "planner/planner.h"

namespace tandem::app {

struct CoreThreadOptions {
  planner::EngineEndpoint emulator;        // of pools without a server of their own
  Duration table_validity = seconds(120);  // gateways serve residency-bound traffic this long on their last table
  Duration tick = milliseconds(100);
  std::shared_ptr<const inventory::Opener> opener;  // of what is personal in what is published; null: it stays sealed
};

// What follows from a commit, told on the core's thread. Must not wait.
struct CoreObserver {
  virtual ~CoreObserver() = default;
  // Before the table is published: engines that a new plan needs are started here.
  virtual void before_publish(const control::State& state) = 0;
  virtual void published(const api::Published* before, const std::shared_ptr<const api::Published>& now) = 0;
  virtual void committed(log::Offset first, log::Offset last) = 0;  // durable, and on the log to be read
  virtual void plan_wanted(const control::PendingPlan& wanted, const control::State& state) = 0;
};

class CoreThread final : public api::CorePort {
 public:
  static constexpr size_t kIntakeEventsMax =
      65'536;  // ~0.5 s of the log's measured rate; beyond it callers wait or shed

  CoreThread(std::unique_ptr<control::Core> core, const Clock& clock, CoreThreadOptions options,
             CoreObserver& observer);
  ~CoreThread() override;

  void start();
  // Ends the thread, which calls the observer until then; what is queued, and what comes, is refused as `unavailable`.
  void stop();
  std::shared_ptr<const api::Published> published() const override;
  void submit(std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) override;
  void submit_if(Guard guard, std::vector<log::Event> events, std::function<void(Result<log::Offset>)> done) override;
  // The same, waiting. Not from the core's own thread.
  Result<log::Offset> submit_and_wait(std::vector<log::Event> events);
  // As long as one of these is kept no plan is asked for: what its owner submits belongs together. It must not outlive
  // this.
  [[nodiscard]] std::shared_ptr<void> hold_plans();

 private:
  struct Group {
    std::vector<log::Event> events;
    std::function<void(Result<log::Offset>)> done;
    Guard guard;  // empty: none
  };

  void run();
  void refuse_outdated(std::vector<Group>& groups);
  std::vector<Group> take_groups();
  void process(std::vector<Group> groups);
  void publish_if_changed();
  void tell_committed(log::Offset after);

  std::unique_ptr<control::Core> core_;
  const Clock& clock_;
  CoreThreadOptions options_;
  CoreObserver& observer_;

  std::mutex mutex_;  // guards intake and stopping
  std::condition_variable wake_;
  std::deque<Group> intake_;
  size_t intake_events_ = 0;
  bool stopping_ = false;

  std::atomic<std::shared_ptr<const api::Published>> published_;
  std::atomic<int> plan_holds_ = 0;
  std::string wanted_plan_;  // the last job asked for
  std::thread thread_;
};

}  // namespace tandem::app
