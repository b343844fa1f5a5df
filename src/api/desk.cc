#include "api/desk.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <utility>

#include "api/call.h"

namespace tandem::api {

namespace asio = boost::asio;

Desk::~Desk() {
  closing_.request_stop();
  thread_.join();
}

Result<Json> Desk::work(const DeskQuestion& question, const asio::any_io_executor& timers, std::stop_source left,
                        DeskStream* stream) const {
  std::stop_source over;
  const std::stop_callback close(closing_.get_token(), [&] { left.request_stop(); });
  const std::stop_callback leave(left.get_token(), [&] { over.request_stop(); });
  asio::steady_timer timer(timers);
  if (question.limit && question.limit->ns <= 0) over.request_stop();
  if (question.limit && question.limit->ns > 0) {
    timer.expires_after(std::chrono::nanoseconds(question.limit->ns));
    timer.async_wait([over](const boost::system::error_code& error) mutable {
      if (!error) over.request_stop();
    });
  }
  DeskTask task(clock_, left.get_token(), over.get_token(), stream);
  return question.work(task);
}

// The work goes on until it has ended, whoever leaves: it is told so, and uses what stands here.
asio::awaitable<void> Desk::answer_in_pieces(std::shared_ptr<const DeskQuestion> question,
                                             http::ResponseWriter& writer) {
  const asio::any_io_executor timers = co_await asio::this_coro::executor;
  const auto stream = std::make_shared<DeskStream>(timers);
  asio::post(thread_,
             [this, question, timers, stream] { stream->end(work(*question, timers, stream->stop(), stream.get())); });
  co_await DeskStream::send(stream, writer);
}

asio::awaitable<void> Desk::answer(Result<DeskQuestion> question, http::ResponseWriter& writer) {
  const DeskPlace place(held_, held_max_);
  if (question && !place.is_free()) question = fail(ErrorCode::resource_exhausted, refusal_);
  if (!question) {
    co_await respond_failure(question.error(), writer);
    co_return;
  }
  if (question->stream) {
    auto asked = std::make_shared<const DeskQuestion>(std::move(*question));
    co_await answer_in_pieces(std::move(asked), writer);
    co_return;
  }
  const asio::any_io_executor timers = co_await asio::this_coro::executor;
  const std::stop_source left;
  writer.on_disconnect([left]() mutable { left.request_stop(); });
  Result<Json> answer = co_await run_aside(thread_, [&] { return work(*question, timers, left, nullptr); });
  co_await respond_result(std::move(answer), writer);
}

Result<int64_t> read_whole(const Json& body, const char* name, int64_t fallback, int64_t least, int64_t most) {
  const Json& value = body[name];
  if (value.is_null()) return fallback;
  if (value.is_integer() && value.integer() >= least && value.integer() <= most) return value.integer();
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be a whole number from {} to {}", name, least, most),
              name);
}

Result<bool> read_flag(const Json& body, const char* name, bool fallback) {
  const Json& value = body[name];
  if (value.is_null()) return fallback;
  if (value.is_bool()) return value.boolean();
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be true or false", name), name);
}

Result<double> read_positive(const Json& body, const char* name, double fallback, double most) {
  const Json& value = body[name];
  if (value.is_null()) return fallback;
  if (value.is_number() && value.number() > 0 && value.number() <= most) return value.number();
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be a number above 0, at most {:g}", name, most),
              name);
}

bool asks_for_csv(const http::Request& request) {
  return request.headers.value_or("accept", "").starts_with("text/csv");
}

boost::asio::awaitable<void> respond_text(Result<std::string> made, bool as_csv, http::ResponseWriter& writer) {
  if (!made) {
    co_await respond_failure(made.error(), writer);
    co_return;
  }
  http::Headers headers = http::content_type(as_csv ? "text/csv; charset=utf-8" : "application/json");
  std::string text = std::move(*made);
  co_await writer.respond(200, std::move(headers), std::move(text));
}

}  // namespace tandem::api
