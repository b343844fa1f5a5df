// How far long work is, for a person who waits.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

namespace tandem::app {

// One line on standard error, written over a few times a second with the seconds that have passed, for as long as this
// lives; nothing where standard error is no terminal. What is printed meanwhile must wait for `end`.
class Progress {
 public:
  explicit Progress(std::string doing);
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool shown() const { return thread_.joinable(); }
  void tell(std::string doing);  // from any thread
  void end();                    // takes the line away; nothing is shown any more

 private:
  void run(const std::stop_token& over);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::string doing_;
  std::jthread thread_;  // joinable: it shows
};

}  // namespace tandem::app
