// A stop asked for when so much time has passed.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace tandem::app {

// Asks for a stop after so many seconds; 0 never does. And where another is asked for.
class TimeLimit {
 public:
  explicit TimeLimit(double seconds, std::stop_token other = {})
      : on_other_(std::move(other), [this] { stop_.request_stop(); }) {
    if (seconds <= 0) return;
    thread_ = std::jthread([this, seconds](const std::stop_token& over) {
      std::mutex mutex;
      std::unique_lock lock(mutex);
      std::condition_variable_any wake;
      wake.wait_for(lock, over, std::chrono::duration<double>(seconds), [] { return false; });
      stop_.request_stop();
    });
  }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> on_other_;
  std::jthread thread_;
};

}  // namespace tandem::app
