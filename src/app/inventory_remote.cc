#include "app/inventory_remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>

#include "app/import_groups.h"
#include "base/json.h"
#include "http/http.h"

namespace tandem::app {
namespace {

namespace asio = boost::asio;

constexpr size_t kRemoteIdsMax = 5'000;  // of one request: half of what the grid takes
constexpr size_t kReportBytesMax = 16u << 20;
constexpr auto kPatience = std::chrono::seconds(120);  // for one request: thousands of rows behind others' writes

asio::awaitable<void> ask(http::Client& client, const std::string& url, http::ClientRequest request,
                          Result<Json>& answer) {
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

// One request for rows and its answer.
Result<Json> post(const RemoteOptions& options, std::string target, const Json& body) {
  if (options.dry_run) target += "?dry_run=true";
  auto answer = ask_grid(options.url, "POST", target, to_json(body));
  if (answer) return answer;
  return fail(answer.error().code, fmt::format("{} does not take the rows: {}", options.url, answer.error().message));
}

Json body_of(const std::vector<inventory::Row>& rows, const inventory::UpsertOptions& upsert) {
  Json::Array items;
  for (const inventory::Row& row : rows) {
    Json::Object item{{"kind", row.kind}, {"attributes", row.attributes}};
    if (!row.id.empty()) item["id"] = row.id;
    if (!row.name.empty()) item["name"] = row.name;
    if (!row.weak.empty()) item["weak"] = Json::Array(row.weak.begin(), row.weak.end());
    items.push_back(std::move(item));
  }
  Json::Object defaults;
  for (const auto& [kind, attributes] : upsert.defaults) defaults[kind] = attributes;
  return Json::Object{{"feed", upsert.source},
                      {"upsert", true},
                      {"standing", inventory::to_text(upsert.standing)},
                      {"partial", upsert.partial},
                      {"defaults", std::move(defaults)},
                      {"items", std::move(items)}};
}

}  // namespace

Result<Json> ask_grid(const std::string& url, const std::string& method, const std::string& target,
                      const std::string& body) {
  asio::io_context context{1};
  http::Client client(context);
  http::ClientRequest request;
  request.method = method;
  request.target = target;
  request.headers.set("content-type", "application/json");
  request.body = body;
  Result<Json> answer = fail(ErrorCode::deadline_exceeded, "no answer came");
  // The connection is kept for another request until the server closes it: nobody waits for that.
  asio::co_spawn(context, ask(client, url, std::move(request), answer),
                 [&context](std::exception_ptr) { context.stop(); });
  context.run_for(kPatience);
  if (answer) return answer;
  return fail(answer.error().code, fmt::format("{}; is a grid running there?", answer.error().message));
}

Result<std::optional<log::Offset>> find_import(const std::string& source, const RemoteOptions& options) {
  const std::string target =
      fmt::format("/api/v1/inventory/{}/{}", kImportKind, http::percent_encode(import_id(source)));
  TANDEM_ASSIGN(const Json answer, ask_grid(options.url, "GET", target, {}));
  if (answer["attributes"]["state"].text() != "running") return std::optional<log::Offset>();
  return std::optional(static_cast<log::Offset>(answer["changed"].integer()));
}

Result<void> post_mark(const inventory::Row& mark, const RemoteOptions& options) {
  if (options.dry_run) return {};
  RemoteOptions plain;
  plain.url = options.url;
  plain.upsert.source = kImportSource;
  TANDEM_ASSIGN(const RemoteRows said, post_rows({mark}, plain));
  if (said.rows.front().problems.empty()) return {};
  return fail(ErrorCode::conflict, said.rows.front().problems.front().message, options.url);
}

Result<RemoteRows> post_rows(const std::vector<inventory::Row>& rows, const RemoteOptions& options) {
  TANDEM_ASSIGN(const Json answer, post(options, "/api/v1/inventory", body_of(rows, options.upsert)));
  const Json::Array& said = answer["rows"].array();
  if (said.size() != rows.size())
    return fail(ErrorCode::invalid_argument, fmt::format("{} does not take the rows: {}", options.url,
                                                         answer["error"]["message"].text("no reason given")));
  RemoteRows results;
  for (size_t i = 0; i < said.size(); ++i) {
    RemoteRow& row = results.rows.emplace_back();
    row.outcome = outcome_of(said[i]["outcome"].text());
    row.id = said[i]["id"].text();
    const Json& error = said[i]["error"];
    if (!error.is_null())
      row.problems.push_back({i,
                              rows[i].kind,
                              row.id,
                              std::string(error["param"].text()),
                              {},
                              std::string(error["message"].text()),
                              std::string(error["fix"].text())});
  }
  for (const Json& note : answer["notes"].array()) results.notes.emplace_back(note.text());
  const bool named = std::ranges::any_of(results.rows, [](const RemoteRow& row) { return !row.problems.empty(); });
  if (!answer["accepted"].boolean() && !named)
    return fail(ErrorCode::conflict, std::string(answer["error"]["message"].text("the grid refused the rows")));
  return results;
}

Result<size_t> post_listed(const std::string& kind, std::vector<std::string> ids, const RemoteOptions& options) {
  std::ranges::sort(ids);
  size_t unseen = 0;
  std::string after;
  for (size_t first = 0; first < ids.size();) {
    const size_t end = std::min(ids.size(), first + kRemoteIdsMax);
    Json::Object body{
        {"feed", options.upsert.source},
        {"ids", Json::Array(ids.begin() + static_cast<ptrdiff_t>(first), ids.begin() + static_cast<ptrdiff_t>(end))}};
    if (!after.empty()) body["after"] = after;
    if (end < ids.size()) body["up_to"] = ids[end - 1];
    TANDEM_ASSIGN(const Json answer, post(options, fmt::format("/api/v1/inventory/{}/unseen", kind), body));
    if (!answer["accepted"].boolean())
      return fail(ErrorCode::conflict, fmt::format("{} does not take what is no longer seen: {}", options.url,
                                                   answer["error"]["message"].text("no reason given")));
    unseen += static_cast<size_t>(answer["unseen"].integer());
    if (answer["next"].is_string()) {
      after = answer["next"].text();
      continue;
    }
    after = ids[end - 1];
    first = end;
  }
  return unseen;
}

}  // namespace tandem::app
