// Keeps the search index following what is published, on a thread of its own.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "api/search_index.h"
#include "inventory/inventory.h"

namespace tandem::app {

class SearchFollower {
 public:
  explicit SearchFollower(api::SearchIndex& index);
  ~SearchFollower();

  // On any thread; never waits. Of several that come while it works the last one counts.
  void offer(const inventory::Snapshot& now);

 private:
  void run();

  api::SearchIndex& index_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::optional<inventory::Snapshot> next_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tandem::app
