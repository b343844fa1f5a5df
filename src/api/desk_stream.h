// An answer in pieces: what a desk's thread says and a connection's coroutine sends, as server-sent events. Internal to
// the module.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "http/http.h"

namespace tandem::api {

inline constexpr Duration kToldEvery = milliseconds(100);  // as often as a person sees a bar move

class DeskStream : public std::enable_shared_from_this<DeskStream> {
 public:
  explicit DeskStream(const boost::asio::any_io_executor& executor) : executor_(executor), wake_(executor) {}

  // On the desk's thread. A `progress` takes the place of one that was not sent yet; the last is `report`, or `error`.
  void say_progress(const Json& progress);
  void end(const Result<Json>& answer);
  std::stop_source& stop() { return stop_; }  // asked to when nobody listens any more

  // On the connection's thread: sends what is said until it has ended. Ends before only where the caller leaves, which
  // the desk's thread is told.
  static boost::asio::awaitable<void> send(std::shared_ptr<DeskStream> stream, http::ResponseWriter& writer);

 private:
  boost::asio::awaitable<std::string> next();

  boost::asio::any_io_executor executor_;
  std::mutex mutex_;  // guards the two below
  std::string pending_;
  bool ended_ = false;
  std::stop_source stop_;
  boost::asio::steady_timer wake_;  // only on the executor
};

}  // namespace tandem::api
