// What every operation needs of a request, and how it is answered. Internal to the module.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "api/api.h"
#include "http/http.h"

namespace tandem::api {

struct Call {
  const http::Request& request;
  std::vector<std::string> parameters;  // of the path, decoded
  std::shared_ptr<const Published> published;
};

// Changes come from this machine, and not from a page of another site that a browser on it has open.
// Errors: permission_denied.
Result<void> may_change(const http::Request& request);

// A whole number from the query, cut to `count_max`. Errors: invalid_argument.
Result<size_t> read_count(const http::Request& request, std::string_view name, size_t fallback, size_t count_max);

// "true" or "false" from the query; false where it is not given. Errors: invalid_argument.
Result<bool> read_flag(const http::Request& request, std::string_view name);

// The body as a JSON object with no other members than these. Errors: invalid_argument naming the member.
Result<Json> read_object(const http::Request& request, std::initializer_list<std::string_view> members);

// Gives the events to the core and waits until they are durable or refused.
boost::asio::awaitable<Result<log::Offset>> submit(CorePort& core, std::vector<log::Event> events,
                                                   CorePort::Guard guard = {});

// Runs what takes milliseconds on the pool, so that the thread that serves others has its time, and comes back.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work>> run_aside(boost::asio::thread_pool& pool, Work work) {
  auto on_pool = [work = std::move(work)]() -> boost::asio::awaitable<std::invoke_result_t<Work>> { co_return work(); };
  co_return co_await boost::asio::co_spawn(pool, std::move(on_pool), boost::asio::use_awaitable);
}

boost::asio::awaitable<void> respond_result(Result<Json> result, http::ResponseWriter& writer);
boost::asio::awaitable<void> respond_failure(const Error& error, http::ResponseWriter& writer);

// A conflict with what the caller said it had read: answered with 412 in place of 409.
tl::unexpected<Error> fail_precondition(std::string message, std::string_view where);
int status_of(const Error& error);

// {"error":{"message","type","param","code"}}: `param` is the error's context, which here names a parameter, a member
// of the body or an entity; null where there is none.
Json error_json(const Error& error);

}  // namespace tandem::api
