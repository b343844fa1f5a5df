#include "api/desk.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "api/call.h"

namespace tandem::api {

boost::asio::steady_timer limited(const boost::asio::any_io_executor& executor, Duration limit, std::stop_source stop) {
  boost::asio::steady_timer timer(executor, std::chrono::nanoseconds(limit.ns));
  timer.async_wait([stop = std::move(stop)](const boost::system::error_code& error) mutable {
    if (!error) stop.request_stop();
  });
  return timer;
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

boost::asio::awaitable<void> respond_table(Result<std::string> table, bool as_csv, http::ResponseWriter& writer) {
  if (!table) {
    co_await respond_failure(table.error(), writer);
    co_return;
  }
  http::Headers headers = http::content_type(as_csv ? "text/csv; charset=utf-8" : "application/json");
  std::string text = std::move(*table);
  co_await writer.respond(200, std::move(headers), std::move(text));
}

}  // namespace tandem::api
