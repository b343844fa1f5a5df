#include "api/routes.h"

#include <array>

#include "base/check.h"
#include "base/text.h"
#include "http/http.h"

namespace tandem::api {
namespace {

constexpr std::string_view kStateSchema =
    R"({"type":"object","required":["state"],"additionalProperties":false,"properties":{"state":{"enum":["up","down"]}}})";
constexpr std::string_view kFactsSchema =
    R"({"type":"object","required":["source","facts"],"additionalProperties":false,"properties":{
    "source":{"type":"string","description":"who says so"},
    "facts":{"type":"array","minItems":1,"maxItems":4096,"items":{"type":"object","required":["kind","id","attributes"],
      "properties":{"kind":{"type":"string"},"id":{"type":"string"},"observed_at":{"type":"string","format":"date-time"},
      "attributes":{"type":"object","description":"attribute to value; null removes one"}}}}}})";

constexpr std::array kRoutes{
    Route{Operation::get_grid, "GET", "/api/v1/grid", "Sites, links and regions with their state and predicted load.", "", ""},
    Route{Operation::get_site, "GET", "/api/v1/sites/{id}", "One site with its pools, deployments, nodes and links.", "", ""},
    Route{Operation::get_link, "GET", "/api/v1/links/{id}", "One link with its load each way and what shares its ducts.", "", ""},
    Route{Operation::preview_site, "GET", "/api/v1/sites/{id}/preview", "What the twin predicts if the site went to that state.", "state", ""},
    Route{Operation::preview_link, "GET", "/api/v1/links/{id}/preview", "What the twin predicts if the link went to that state.", "state", ""},
    Route{Operation::set_site_state, "POST", "/api/v1/sites/{id}/state", "Powers a site down or up. Simulated grids only.", "", kStateSchema},
    Route{Operation::set_link_state, "POST", "/api/v1/links/{id}/state", "Cuts or restores a link. Simulated grids only.", "", kStateSchema},
    Route{Operation::post_facts, "POST", "/api/v1/facts", "Records facts, all of them or none; answers when they are durable.", "", kFactsSchema},
    Route{Operation::get_plan, "GET", "/api/v1/plan", "The accepted plan with its cost, bound and a reason for each demand.", "", ""},
    Route{Operation::get_decisions, "GET", "/api/v1/decisions", "The last routing decisions of the gateways, newest first.", "limit", ""},
    Route{Operation::get_decision, "GET", "/api/v1/decisions/{id}", "One decision: what was known, what was weighed, what ruled it out.", "", ""},
    Route{Operation::get_log, "GET", "/api/v1/log", "Events of the log from an offset on.", "from limit", ""},
    Route{Operation::get_stream, "GET", "/api/v1/stream", "Live updates as server-sent events: state, load, decision, plan, log.", "", ""},
    Route{Operation::get_usage, "GET", "/api/v1/usage", "Requests, tokens and cost by tenant, model and site.", "", ""},
    Route{Operation::get_ontology, "GET", "/api/v1/ontology", "Every kind of entity: attributes, relations both ways, constraints, mappings; or one kind.", "kind", ""},
    Route{Operation::get_openapi, "GET", "/api/v1/openapi.json", "This description.", "", ""},
    Route{Operation::get_health, "GET", "/healthz", "The process runs.", "", ""},
    Route{Operation::get_ready, "GET", "/readyz", "A routing table is published and valid.", "", ""},
    Route{Operation::get_metrics, "GET", "/metrics", "Metrics in the Prometheus text format.", "", ""},
};

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

Json::Object describe_operation(const Route& route) {
  Json::Array parameters;
  for (const std::string_view segment : split(route.pattern, '/')) {
    if (!is_parameter(segment)) continue;
    parameters.push_back(Json::Object{{"name", segment.substr(1, segment.size() - 2)},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", Json::Object{{"type", "string"}}}});
  }
  if (!route.query.empty()) {
    for (const std::string_view name : split(route.query, ' '))
      parameters.push_back(Json::Object{{"name", name}, {"in", "query"}, {"schema", Json::Object{{"type", "string"}}}});
  }
  Json::Object operation{{"summary", route.summary},
                         {"responses", Json::Object{{"200", Json::Object{{"description", "as described"}}},
                                                    {"default", Json::Object{{"description", "an error object"}}}}}};
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (!route.request_body.empty()) {
    auto schema = parse_json(route.request_body);
    CHECK(schema.has_value());
    Json::Object media{{"schema", std::move(*schema)}};
    Json::Object content{{"application/json", std::move(media)}};
    operation["requestBody"] = Json::Object{{"required", true}, {"content", std::move(content)}};
  }
  return operation;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Match match(std::string_view method, std::string_view path) {
  Match result;
  for (const Route& route : kRoutes) {
    if (!match_path(route.pattern, path, result.parameters)) continue;
    result.path_known = true;
    if (route.method == method || (method == "HEAD" && route.method == "GET")) {
      result.route = &route;
      return result;
    }
  }
  return result;
}

Json openapi_document() {
  Json::Object paths;
  for (const Route& route : kRoutes) {
    Json::Object path;
    if (const auto found = paths.find(route.pattern); found != paths.end()) path = found->second.object();
    path[to_lower(route.method)] = describe_operation(route);
    paths[std::string(route.pattern)] = std::move(path);
  }
  return Json::Object{
      {"openapi", "3.1.0"},
      {"info", Json::Object{{"title", "Tandem native API"},
                            {"version", "1"},
                            {"description", "Every answer names the log offset it was read at. The OpenAI API is under /v1."}}},
      {"paths", std::move(paths)}};
}

}  // namespace tandem::api
