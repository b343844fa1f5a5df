// Ctrl-C, for work that has something to show for it.
#pragma once

#include <stop_token>
#include <thread>

namespace tandem::app {

// While this lives the first SIGINT asks for a stop, after which the work gives what it has; the second ends the
// process, as it does where none of this lives. One at a time. Where SIGINT is ignored it stays so.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  bool asked() const { return stop_.stop_requested(); }

 private:
  std::stop_source stop_;
  int wake_ = -1;        // an eventfd: the handler of a signal may do little more than write to it
  std::jthread thread_;  // turns it into the stop
};

// What the shell knows as "ended by Ctrl-C".
inline constexpr int kInterrupted = 130;

}  // namespace tandem::app
