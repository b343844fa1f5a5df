#include "app/inventory_remote.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>

#include "base/json.h"
#include "http/http.h"

namespace tandem::app {
namespace {

namespace asio = boost::asio;

constexpr size_t kReportBytesMax = 16u << 20;
constexpr auto kPatience = std::chrono::seconds(120);  // for one request: thousands of rows behind others' writes

asio::awaitable<void> ask(http::Client& client, const std::string& url, http::ClientRequest request, Result<Json>& answer) {
  auto endpoint = http::parse_endpoint(url);
  if (!endpoint) {
    answer = tl::unexpected(endpoint.error());
    co_return;
  }
  auto exchange = co_await client.send(*endpoint, std::move(request), {});
  if (!exchange) {
    answer = tl::unexpected(exchange.error());
    co_return;
  }
  auto text = co_await exchange->read_all(kReportBytesMax);
  if (!text) {
    answer = tl::unexpected(text.error());
    co_return;
  }
  answer = parse_json(*text);
}

inventory::Outcome outcome_of(std::string_view name) {
  using inventory::Outcome;
  for (const Outcome outcome : {Outcome::created, Outcome::changed, Outcome::confirmed, Outcome::unchanged})
    if (inventory::to_string(outcome) == name) return outcome;
  return Outcome::refused;
}

}  // namespace

Result<Json> ask_grid(const std::string& url, const std::string& method, const std::string& target, const std::string& body) {
  asio::io_context context{1};
  http::Client client(context);
  http::ClientRequest request;
  request.method = method;
  request.target = target;
  request.headers.set("content-type", "application/json");
  request.body = body;
  Result<Json> answer = fail(ErrorCode::deadline_exceeded, "no answer came");
  // The connection is kept for another request until the server closes it: nobody waits for that.
  asio::co_spawn(context, ask(client, url, std::move(request), answer), [&context](std::exception_ptr) { context.stop(); });
  context.run_for(kPatience);
  return answer;
}

Result<std::vector<RemoteRow>> post_rows(const std::vector<inventory::Row>& rows, const RemoteOptions& options) {
  Json::Array items;
  for (const inventory::Row& row : rows) {
    Json::Object item{{"kind", row.kind}, {"attributes", row.attributes}};
    if (!row.id.empty()) item["id"] = row.id;
    if (!row.name.empty()) item["name"] = row.name;
    items.push_back(std::move(item));
  }
  const Json::Object body{{"source", options.source}, {"upsert", true}, {"items", std::move(items)}};
  const auto answer = ask_grid(options.url, "POST", options.dry_run ? "/api/v1/inventory?dry_run=true" : "/api/v1/inventory", to_json(body));
  if (!answer) return fail(answer.error().code, fmt::format("{} does not take the rows: {}; is a grid running there?", options.url, answer.error().message));
  const Json::Array& said = (*answer)["rows"].array();
  if (said.size() != rows.size())
    return fail(ErrorCode::invalid_argument, fmt::format("{} does not take the rows: {}", options.url, (*answer)["error"]["message"].text("no reason given")));
  const bool accepted = (*answer)["accepted"].boolean();
  std::vector<RemoteRow> results;
  for (size_t i = 0; i < said.size(); ++i) {
    RemoteRow& row = results.emplace_back();
    row.outcome = outcome_of(said[i]["outcome"].text());
    row.id = said[i]["id"].text();
    const Json& error = said[i]["error"];
    if (!error.is_null())
      row.problems.push_back({i, rows[i].kind, row.id, std::string(error["param"].text()), {}, std::string(error["message"].text()), std::string(error["fix"].text())});
  }
  if (!accepted && !results.empty() && (*answer)["error"].is_object()) {
    bool named = false;
    for (const RemoteRow& row : results) named |= !row.problems.empty();
    if (!named) return fail(ErrorCode::conflict, std::string((*answer)["error"]["message"].text("the grid refused the rows")));
  }
  return results;
}

}  // namespace tandem::app
