#include "api/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/text.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

// What one of another user may do about it.
std::string of_another_user(const http::LocalPeer& peer) {
  const auto user = peer.user();
  if (!user)
    return "the grid is changed by root and the user that Tandem runs as, and the system does not say who made this "
           "connection; ask from the same container, as a user that it knows";
  return fmt::format(
      "the grid is changed by root and the user that Tandem runs as, and this connection is user {}'s; ask as one of "
      "them, as by sudo, or where that is a person and no proxy, start tandem with --local-user {}",
      *user, *user);
}

}  // namespace

Result<void> may_change(const http::Request& request) {
  if (!http::is_from_this_machine(request))
    return fail(
        ErrorCode::permission_denied,
        "the grid is changed from this machine only; connect to localhost over HTTP/1.1, and not through a proxy");
  if (!http::is_of_trusted_user(request))
    return fail(ErrorCode::permission_denied, of_another_user(*request.local_peer));
  const auto origin = request.headers.find("origin");
  if (!origin) return {};
  const std::string_view host = request.headers.value_or("host", "");
  if (*origin == fmt::format("http://{}", host) || *origin == fmt::format("https://{}", host)) return {};
  return fail(ErrorCode::permission_denied, "a page of another origin may not change the grid");
}

Result<size_t> read_count(const http::Request& request, std::string_view name, size_t fallback, size_t count_max) {
  const auto text = http::query_value(request.query, name);
  if (!text) return fallback;
  const auto value = parse_integer(*text);
  if (!value || *value < 0)
    return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be a whole number from 0 on", name),
                std::string(name));
  return std::min<size_t>(static_cast<size_t>(*value), count_max);
}

Result<bool> read_flag(const http::Request& request, std::string_view name) {
  const auto text = http::query_value(request.query, name);
  if (!text || *text == "false") return false;
  if (*text == "true") return true;
  return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be true or false", name), std::string(name));
}

Result<Json> read_object(const http::Request& request, std::initializer_list<std::string_view> members) {
  TANDEM_ASSIGN(Json body, parse_json(request.body));
  if (!body.is_object()) return fail(ErrorCode::invalid_argument, "the body must be a JSON object", "body");
  for (const auto& [name, value] : body.object()) {
    if (std::find(members.begin(), members.end(), name) != members.end()) continue;
    const std::vector<std::string> known(members.begin(), members.end());
    const auto meant = nearest(name, known);
    return fail(ErrorCode::invalid_argument,
                fmt::format("the body has no member '{}'{}", name.substr(0, 64),
                            meant ? fmt::format("; did you mean '{}'?", *meant) : ""),
                name.substr(0, 64));
  }
  return body;
}

asio::awaitable<Result<log::Offset>> submit(CorePort& core, std::vector<log::Event> events, CorePort::Guard guard) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(Result<log::Offset>)>(
      [&core](auto handler, std::vector<log::Event> intake, CorePort::Guard check) {
        const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        auto done = [shared](Result<log::Offset> result) {
          auto executor = asio::get_associated_executor(*shared);
          asio::post(executor, [shared, result = std::move(result)]() mutable { (*shared)(std::move(result)); });
        };
        if (check)
          core.submit_if(std::move(check), std::move(intake), std::move(done));
        else
          core.submit(std::move(intake), std::move(done));
      },
      asio::use_awaitable, std::move(events), std::move(guard));
}

namespace {

constexpr std::string_view kExpected = "expected by ";  // begins the context of such a conflict

bool is_precondition(const Error& error) {
  return error.code == ErrorCode::conflict && error.context.starts_with(kExpected);
}

}  // namespace

tl::unexpected<Error> fail_precondition(std::string message, std::string_view where) {
  return fail(ErrorCode::conflict, std::move(message), std::string(kExpected) + std::string(where));
}

int status_of(const Error& error) { return is_precondition(error) ? 412 : describe(error.code).http_status; }

Json error_json(const Error& error) {
  const ErrorDescription& description = describe(error.code);
  if (is_precondition(error))
    return Json::Object{{"message", error.message},
                        {"type", description.openai_type},
                        {"param", error.context.substr(kExpected.size())},
                        {"code", "precondition_failed"}};
  return Json::Object{{"message", error.message},
                      {"type", description.openai_type},
                      {"param", error.context.empty() ? Json() : Json(error.context)},
                      {"code", description.name}};
}

asio::awaitable<void> respond_failure(const Error& error, http::ResponseWriter& writer) {
  Json::Object answer;
  answer["error"] = error_json(error);
  std::string body = to_json(answer);
  co_await writer.respond_json(status_of(error), std::move(body));
}

asio::awaitable<void> respond_result(Result<Json> result, http::ResponseWriter& writer) {
  if (!result) {
    co_await respond_failure(result.error(), writer);
    co_return;
  }
  std::string body = to_json(*result);
  co_await writer.respond_json(200, std::move(body));
}

}  // namespace tandem::api
