// Has the past of kinds dropped that the ontology keeps for some time only.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "api/api.h"
#include "base/time.h"

namespace tandem::app {

// What is due at a time: of each kind at most once a day, and only where something would be dropped. O(entities of the
// kinds that have a limit) where nothing would.
std::vector<log::Event> history_due(const inventory::Snapshot& inventory, Instant now);

class HistoryKeeper {
 public:
  static constexpr Duration kEvery = minutes(10);  // looks; what is due a day late or early is no matter

  HistoryKeeper(const Clock& clock, std::function<std::shared_ptr<const api::Published>()> published,
                std::function<void(std::vector<log::Event>)> submit);
  ~HistoryKeeper();

 private:
  void run();

  const Clock& clock_;
  std::function<std::shared_ptr<const api::Published>()> published_;
  std::function<void(std::vector<log::Event>)> submit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tandem::app
