#include "api/feed.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

namespace tandem::api {

namespace asio = boost::asio;

struct Feed::Listener {
  explicit Listener(asio::any_io_executor executor_in) : executor(executor_in), wake(executor_in) {}

  asio::any_io_executor executor;
  std::mutex mutex;  // guards what follows
  std::deque<std::shared_ptr<const std::string>> queue;
  bool closed = false;
  asio::steady_timer wake;  // only on the executor

  void close() {
    const std::lock_guard lock(mutex);
    closed = true;
  }
};

namespace {

constexpr auto kHeartbeat = std::chrono::seconds(15);  // under the 30 to 60 s after which proxies drop silent streams

}  // namespace

Feed::Feed() = default;
Feed::~Feed() = default;

size_t Feed::listeners() const {
  const std::lock_guard lock(mutex_);
  return listeners_.size();
}

void Feed::publish(std::string_view event, std::string data) {
  const auto message = std::make_shared<const std::string>(http::format_sse(event, {}, data));
  const std::lock_guard lock(mutex_);
  for (const auto& listener : listeners_) {
    {
      const std::lock_guard listener_lock(listener->mutex);
      if (listener->queue.size() >= kQueueMax)
        listener->closed = true;
      else
        listener->queue.push_back(message);
    }
    asio::post(listener->executor, [listener] { listener->wake.cancel(); });
  }
}

asio::awaitable<void> Feed::serve(http::ResponseWriter& writer) {
  auto executor = co_await asio::this_coro::executor;
  auto listener = std::make_shared<Listener>(executor);
  bool room = false;
  {
    const std::lock_guard lock(mutex_);
    room = listeners_.size() < kListenersMax;
    if (room) listeners_.push_back(listener);
  }
  if (!room) {
    const Error full{ErrorCode::resource_exhausted, "too many listeners on this stream; close one and try again", ""};
    co_await writer.respond_error(full);
    co_return;
  }
  writer.on_disconnect([listener] {
    listener->close();
    listener->wake.cancel();
  });
  http::Headers headers = http::content_type("text/event-stream");
  headers.set("cache-control", "no-store");
  auto sent = co_await writer.start(200, std::move(headers));
  while (sent) {
    std::string pending;
    bool closed = false;
    {
      const std::lock_guard lock(listener->mutex);
      for (const auto& message : listener->queue) pending += *message;
      listener->queue.clear();
      closed = listener->closed;
    }
    if (closed) break;
    if (!pending.empty()) {
      sent = co_await writer.write(pending);
      continue;
    }
    listener->wake.expires_after(kHeartbeat);
    {
      // A message that came between the look above and here would otherwise wait for the next.
      const std::lock_guard lock(listener->mutex);
      if (!listener->queue.empty() || listener->closed) continue;
    }
    boost::system::error_code timer_error;
    co_await listener->wake.async_wait(asio::redirect_error(asio::use_awaitable, timer_error));
    if (!timer_error) sent = co_await writer.write(": alive\n\n");
  }
  const std::lock_guard lock(mutex_);
  listeners_.remove(listener);
}

}  // namespace tandem::api
