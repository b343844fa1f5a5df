// What changes the inventory, event by event as the log has it: for listeners on a stream and for webhooks.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/log_signal.h"
#include "base/json.h"
#include "http/http.h"
#include "log/log.h"

namespace tandem::api {

// One event of the feed; nothing for one that does not change the inventory or is not of these kinds (ascending; empty:
// all). {"offset","at","actor","event", "kind","id","source","attributes"…}.
std::optional<Json> change_json(const log::Event& event, log::Offset offset, Instant at,
                                std::span<const std::string> kinds);

// "site,link" as `kinds=` takes it, ascending. Errors: invalid_argument (no such kind, too many).
Result<std::vector<std::string>> parse_kinds(std::span<const std::string> names);

// Streams of server-sent events read straight from the log: any number of listeners from any offset, each at its own
// pace, with no queue of its own to overflow. Thread-safe.
class ChangeFeed {
 public:
  static constexpr size_t kListenersMax = 200;  // each reads the log on its own

  ChangeFeed(const log::Log& log, LogSignal& signal) : log_(log), signal_(signal) {}

  // Answers GET /api/v1/changes until the listener leaves: from `from=`, or after the Last-Event-ID header, or what
  // comes from now on. `last` is the end of the log as the caller may know it from other answers.
  boost::asio::awaitable<void> serve(const http::Request& request, log::Offset last, http::ResponseWriter& writer);

 private:
  boost::asio::awaitable<void> stream(log::Offset next, std::vector<std::string> kinds, http::ResponseWriter& writer);

  const log::Log& log_;
  LogSignal& signal_;
  std::atomic<size_t> listeners_ = 0;
};

}  // namespace tandem::api
