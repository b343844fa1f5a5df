// Tells those who follow the log that it has grown.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <mutex>

#include "base/time.h"
#include "log/log.h"

namespace tandem::api {

// Thread-safe; each waiter waits on its own executor.
class LogSignal {
 public:
  // One follower. `end` wakes it for good; call it on the waiter's executor.
  class Waiter {
   public:
    explicit Waiter(boost::asio::any_io_executor executor) : timer_(executor) {}
    bool ended() const { return ended_; }
    void end() {
      ended_ = true;
      timer_.cancel();
    }

   private:
    friend class LogSignal;
    boost::asio::steady_timer timer_;
    bool ended_ = false;
  };

  void grew(log::Offset last);  // durable up to there
  log::Offset last() const { return last_; }
  size_t waiters() const;

  // A waiter that is told of growth for as long as the pointer is held.
  std::shared_ptr<Waiter> join(boost::asio::any_io_executor executor);
  // Until the log has come to `offset`, or `longest` has passed, or the waiter has ended. True for the first.
  boost::asio::awaitable<bool> wait(Waiter& waiter, log::Offset offset, Duration longest) const;

 private:
  std::atomic<log::Offset> last_ = 0;
  mutable std::mutex mutex_;  // guards the list; held for posts, never across a wait
  std::list<std::weak_ptr<Waiter>> waiters_;
};

}  // namespace tandem::api
