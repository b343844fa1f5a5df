#include "api/routes.h"

#include <fmt/format.h>

#include <iterator>

#include "base/check.h"
#include "base/text.h"
#include "http/http.h"

namespace tandem::api {
namespace {

constexpr size_t kShownBytes = 128;  // of what a caller sent, in an error

const std::vector<Route>& all_routes() {
  static const std::vector<Route> kAll = routes();
  return kAll;
}

Json schema_of(std::string_view text) {
  auto schema = parse_json(text);
  CHECK(schema.has_value());
  return std::move(*schema);
}

Json json_content(Json schema) {
  Json::Object media{{"schema", std::move(schema)}};
  return Json::Object{{"application/json", std::move(media)}};
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }

// The parameters of `path` under `pattern`, when it matches.
bool match_path(std::string_view pattern, std::string_view path, std::vector<std::string>& parameters) {
  const auto wanted = split(pattern, '/');
  const auto given = split(path, '/');
  if (wanted.size() != given.size()) return false;
  parameters.clear();
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!is_parameter(wanted[i])) {
      if (wanted[i] != given[i]) return false;
      continue;
    }
    auto decoded = http::percent_decode(given[i]);
    if (!decoded || decoded->empty()) return false;
    parameters.push_back(std::move(*decoded));
  }
  return true;
}

// A name for those who make a client of the description: get_sites_id_preview of GET /api/v1/sites/{id}/preview.
std::string operation_id(const Route& route) {
  std::string id = to_lower(route.method);
  std::string_view path = route.pattern;
  if (path.starts_with("/api/v1")) path.remove_prefix(std::string_view("/api/v1").size());
  for (const char c : path) {
    if (c == '{' || c == '}') continue;
    id += c == '/' || c == '-' || c == '.' ? '_' : c;
  }
  return id;
}

Json::Object describe_operation(const Route& route) {
  Json::Array parameters;
  for (const std::string_view segment : split(route.pattern, '/')) {
    if (!is_parameter(segment)) continue;
    parameters.push_back(Json::Object{{"name", segment.substr(1, segment.size() - 2)},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", Json::Object{{"type", "string"}}}});
  }
  if (!route.parameters.empty())
    for (const std::string_view name : split(route.parameters, ' ')) parameters.push_back(describe_parameter(name));
  Json::Object good{{"description", "as described"}};
  if (!route.answer.empty()) good["content"] = json_content(schema_of(route.answer));
  Json::Object bad{{"description", "what is wrong and what would be right"},
                   {"content", json_content(schema_of(route.refusal))}};
  Json::Object responses{{"default", std::move(bad)}};
  for (const std::string_view status : split(route.statuses, ' ')) responses[std::string(status)] = good;
  if (route.method == "GET" && route.parameters.find("If-None-Match") != std::string_view::npos)
    responses["304"] = Json::Object{{"description", "it is as it was"}};
  Json::Object operation{
      {"operationId", operation_id(route)}, {"summary", route.summary}, {"responses", std::move(responses)}};
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (!route.request_body.empty()) {
    operation["requestBody"] =
        Json::Object{{"required", true}, {"content", json_content(schema_of(route.request_body))}};
  }
  return operation;
}

// A pair that cannot be decoded, or is past what is read, would be taken for one left out.
Result<void> check_pairs(std::string_view query) {
  const auto pairs = split(query, '&');
  if (pairs.size() > http::kQueryPairsMax)
    return fail(ErrorCode::invalid_argument, fmt::format("a query has at most {} parameters", http::kQueryPairsMax));
  for (const std::string_view pair : pairs) {
    if (http::percent_decode(pair)) continue;
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("'{}' in the query cannot be read: after a % come two hexadecimal digits other than 00; a % "
                    "itself is written %25",
                    pair.substr(0, kShownBytes)),
        std::string(pair.substr(0, std::min(pair.find('='), kShownBytes))));
  }
  return {};
}

}  // namespace

std::vector<Route> routes() {
  std::vector<Route> all;
  for (const auto& family : {grid_routes(), inventory_routes(), branch_routes()})
    all.insert(all.end(), family.begin(), family.end());
  return all;
}

Match match(std::string_view method, std::string_view path) {
  Match result;
  for (const Route& route : all_routes()) {
    if (!match_path(route.pattern, path, result.parameters)) continue;
    if (route.method == method || (method == "HEAD" && route.method == "GET")) {
      result.route = &route;
      result.allowed.clear();
      return result;
    }
    if (!result.allowed.empty()) result.allowed += ", ";
    result.allowed += route.method;
    if (route.method == "GET") result.allowed += ", HEAD";
  }
  return result;
}

Result<void> check_query(const Route& route, std::string_view query) {
  if (auto readable = check_pairs(query); !readable) return readable;
  std::string takes;
  const auto takes_it = [&](const std::string& wanted) {
    takes.clear();
    for (const std::string_view declared : split(route.parameters, ' ')) {
      if (declared == "condition") return true;  // any name: whether it is an attribute, the operation says
      if (declared.empty() || !is_query_parameter(declared)) continue;
      const std::string_view name = name_of_parameter(declared);
      if (name == wanted) return true;
      fmt::format_to(std::back_inserter(takes), "{}'{}'", takes.empty() ? "" : ", ", name);
    }
    return false;
  };
  for (const auto& [name, value] : http::parse_query(query)) {
    const bool stream = route.operation == Operation::get_stream || route.operation == Operation::get_changes;
    if (takes_it(name) || (stream && name == "lastEventId")) continue;  // as stand-ins of EventSource reconnect
    return fail(ErrorCode::invalid_argument,
                takes.empty() ? fmt::format("'{}' is no parameter of {}, which takes none", name, route.pattern)
                              : fmt::format("'{}' is no parameter of {}, which takes {}", name, route.pattern, takes),
                name);
  }
  return {};
}

Json openapi_document() {
  Json::Object paths;
  for (const Route& route : all_routes()) {
    Json::Object path;
    if (const auto found = paths.find(route.pattern); found != paths.end()) path = found->second.object();
    path[to_lower(route.method)] = describe_operation(route);
    paths[std::string(route.pattern)] = std::move(path);
  }
  return Json::Object{
      {"openapi", "3.1.0"},
      {"info",
       Json::Object{{"title", "Tandem native API"},
                    {"version", "1"},
                    {"description", "Every answer names the log offset it was read at. The OpenAI API is under /v1."}}},
      {"components", Json::Object{{"schemas", shared_schemas()}}},
      {"paths", std::move(paths)}};
}

}  // namespace tandem::api
