// What the desks, which answer questions that take seconds, have in common. Internal to the module.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <stop_token>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "http/http.h"

namespace tandem::api {

// A place at a desk, for as long as a request has it, among those that run and wait.
class DeskPlace {
 public:
  DeskPlace(std::atomic<int>& held, int held_max) : held_(held), is_free_(held.fetch_add(1) < held_max) {}
  ~DeskPlace() { --held_; }
  DeskPlace(const DeskPlace&) = delete;
  DeskPlace& operator=(const DeskPlace&) = delete;
  bool is_free() const { return is_free_; }

 private:
  std::atomic<int>& held_;
  bool is_free_;
};

// Asks the work to stop once the limit is over, for as long as it lives: made where the work begins, on the desk's
// thread, so that a wait for it takes nothing of the limit.
boost::asio::steady_timer limited(const boost::asio::any_io_executor& executor, Duration limit, std::stop_source stop);

// A field of a question's body; `fallback` where it is null or absent. Errors: invalid_argument, naming it.
Result<int64_t> read_whole(const Json& body, const char* name, int64_t fallback, int64_t least, int64_t most);
Result<bool> read_flag(const Json& body, const char* name, bool fallback);
Result<double> read_positive(const Json& body, const char* name, double fallback, double most);

// Tables go out as CSV where the client asks for it, else as JSON.
bool asks_for_csv(const http::Request& request);
boost::asio::awaitable<void> respond_table(Result<std::string> table, bool as_csv, http::ResponseWriter& writer);

}  // namespace tandem::api
