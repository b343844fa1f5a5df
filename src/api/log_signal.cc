#include "api/log_signal.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace tandem::api {

namespace asio = boost::asio;

void LogSignal::grew(log::Offset last) {
  last_ = last;
  const std::lock_guard lock(mutex_);
  for (auto i = waiters_.begin(); i != waiters_.end();) {
    if (const auto waiter = i->lock()) {
      asio::post(waiter->timer_.get_executor(), [waiter] { waiter->timer_.cancel(); });
      ++i;
    } else {
      i = waiters_.erase(i);
    }
  }
}

size_t LogSignal::waiters() const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& waiter : waiters_) count += !waiter.expired();
  return count;
}

std::shared_ptr<LogSignal::Waiter> LogSignal::join(asio::any_io_executor executor) {
  auto waiter = std::make_shared<Waiter>(std::move(executor));
  const std::lock_guard lock(mutex_);
  std::erase_if(waiters_, [](const auto& one) { return one.expired(); });
  waiters_.push_back(waiter);
  return waiter;
}

asio::awaitable<bool> LogSignal::wait(Waiter& waiter, log::Offset offset, Duration longest) const {
  // `grew` posts its cancellation after the offset is set, so what is missed here comes while the timer waits.
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(longest.ns);
  while (!waiter.ended_ && last_ < offset && std::chrono::steady_clock::now() < end) {
    waiter.timer_.expires_at(end);
    if (last_ >= offset) break;
    boost::system::error_code cancelled;
    co_await waiter.timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  co_return !waiter.ended_ && last_ >= offset;
}

}  // namespace tandem::api
