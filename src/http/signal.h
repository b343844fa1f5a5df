// One coroutine waits, a callback on the same thread wakes it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

namespace tandem::http {

// Whoever keeps one alive beyond the coroutine must notify or abandon it at the end, or the coroutine is never freed.
class Signal {
 public:
  // Wakes at the next `notify`; what happened before is not remembered, so the caller looks first.
  boost::asio::awaitable<void> wait() {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
        [this]<class Handler>(Handler handler) { waiter_ = std::make_unique<Suspended<Handler>>(std::move(handler)); },
        boost::asio::use_awaitable);
  }

  void notify() {
    // Resumes here, on the caller's stack: everything runs on the one thread of the io_context.
    if (const auto waiter = std::move(waiter_)) waiter->wake();
  }

  // Gives the waiting coroutine up: it will not be resumed, and is destroyed.
  void abandon() { const auto waiter = std::move(waiter_); }

 private:
  // (Boost 1.81's any_completion_handler recurses without end when it is moved into.)
  struct Waiter {
    virtual ~Waiter() = default;
    virtual void wake() = 0;
  };
  template <class Handler>
  struct Suspended final : Waiter {
    explicit Suspended(Handler suspended) : handler(std::move(suspended)) {}
    void wake() override { std::move(handler)(); }
    Handler handler;
  };

  std::unique_ptr<Waiter> waiter_;
};

}  // namespace tandem::http
