// The native API as one table: what is routed, described and documented comes from the same rows.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tandem::api {

enum class Operation : uint8_t {
  get_grid, get_site, get_link, preview_site, preview_link, set_site_state, set_link_state, post_facts, get_plan,
  get_decisions, get_decision, get_log, get_stream, get_usage, get_ontology, get_openapi, get_health, get_ready, get_metrics,
};

struct Route {
  Operation operation;
  std::string_view method;
  std::string_view pattern;       // segments in braces match any one segment: "/api/v1/sites/{id}"
  std::string_view summary;       // a sentence for OpenAPI
  std::string_view query;         // names of query parameters, separated by spaces
  std::string_view request_body;  // a JSON Schema, for what is sent; empty where nothing is
};

std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;
  std::vector<std::string> parameters;  // decoded, in order
  bool path_known = false;              // the path exists with another method
};
Match match(std::string_view method, std::string_view path);

Json openapi_document();  // OpenAPI 3.1.0

}  // namespace tandem::api
