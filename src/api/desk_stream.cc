#include "api/desk_stream.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "api/call.h"

namespace tandem::api {

namespace asio = boost::asio;

void DeskStream::say_progress(const Json& progress) {
  const std::lock_guard lock(mutex_);
  pending_ = http::format_sse("progress", {}, to_json(progress));
}

void DeskStream::end(const Result<Json>& answer) {
  const std::lock_guard lock(mutex_);
  pending_ += answer ? http::format_sse("report", {}, to_json(*answer))
                     : http::format_sse("error", {}, to_json(error_json(answer.error())));
  ended_ = true;
  asio::post(executor_, [self = shared_from_this()] { self->wake_.cancel(); });
}

// The next events; empty when they have ended.
asio::awaitable<std::string> DeskStream::next() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (!pending_.empty()) co_return std::exchange(pending_, {});
      if (ended_) co_return std::string();
    }
    wake_.expires_after(std::chrono::nanoseconds(kToldEvery.ns));  // a wake before the wait below would be missed
    boost::system::error_code woken;
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

asio::awaitable<void> DeskStream::send(std::shared_ptr<DeskStream> stream, http::ResponseWriter& writer) {
  writer.on_disconnect([stream] { stream->stop_.request_stop(); });
  http::Headers headers = http::content_type("text/event-stream");
  headers.set("cache-control", "no-store");
  auto sent = co_await writer.start(200, std::move(headers));
  for (std::string events = co_await stream->next(); !events.empty(); events = co_await stream->next()) {
    if (sent) sent = co_await writer.write(events);
    if (!sent) stream->stop_.request_stop();
  }
  if (sent) co_await writer.finish();
}

}  // namespace tandem::api
