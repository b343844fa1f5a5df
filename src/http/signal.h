// One coroutine waits, a callback on the same thread wakes it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

namespace tandem::http {

// Whoever keeps one alive beyond the coroutine must notify or abandon it at the end, or the coroutine is never freed.
class Signal {
 public:
  // Wakes at the next `notify`; what happened before is not remembered, so the caller looks first.
  boost::asio::awaitable<void> wait() {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
        [this](Handler handler) { waiter_.emplace(std::move(handler)); }, boost::asio::use_awaitable);
  }

  bool is_waited_for() const { return waiter_.has_value(); }

  void notify() {
    // Resumes here, on the caller's stack: everything runs on the one thread of the io_context.
    if (auto waiter = take()) std::move (*waiter)();
  }

  // Wakes as well, but from the context's loop: the caller's stack need not bear what the coroutine does next.
  template <class Executor>
  void notify_later(const Executor& executor) {
    if (auto waiter = take()) boost::asio::post(executor, std::move(*waiter));
  }

  // Gives the waiting coroutine up: it will not be resumed, and is destroyed.
  void abandon() { const auto waiter = take(); }

 private:
  using Handler = boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;

  std::optional<Handler> take() {
    std::optional<Handler> taken = std::move(waiter_);
    waiter_.reset();
    return taken;
  }

  std::optional<Handler> waiter_;
};

}  // namespace tandem::http
