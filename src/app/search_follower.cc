#include "app/search_follower.h"

namespace tandem::app {

SearchFollower::SearchFollower(api::SearchIndex& index) : index_(index) {
  thread_ = std::thread([this] { run(); });
}

SearchFollower::~SearchFollower() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void SearchFollower::offer(const inventory::Snapshot& now) {
  {
    const std::lock_guard lock(mutex_);
    next_ = now;
  }
  wake_.notify_one();
}

void SearchFollower::run() {
  for (;;) {
    std::optional<inventory::Snapshot> now;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || next_.has_value(); });
      if (stopping_) return;
      now = std::exchange(next_, std::nullopt);
    }
    index_.follow(*now);
  }
}

}  // namespace tandem::app
