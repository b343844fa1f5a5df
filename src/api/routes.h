// The native API as tables: what is routed, described and documented comes from the same rows.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tandem::api {

enum class Operation : uint8_t {
  get_grid,
  get_site,
  get_link,
  preview_site,
  preview_link,
  set_site_state,
  set_link_state,
  post_facts,
  get_plan,
  get_predictive_models,
  post_whatif,
  get_decisions,
  get_trials,
  get_decision,
  get_log,
  get_stream,
  get_usage,
  get_serving,
  get_ontology,
  get_openapi,
  get_health,
  get_ready,
  get_metrics,
  get_kinds,
  get_entities,
  post_entities,
  post_listed,
  get_entity,
  put_entity,
  patch_entity,
  delete_entity,
  get_relations,
  get_claims,
  get_timeline,
  get_search,
  get_discrepancies,
  post_query,
  erase_personal_data,
  get_branches,
  post_branch,
  get_branch,
  delete_branch,
  post_branch_edits,
  get_branch_diff,
  get_branch_conflicts,
  merge_branch,
  rebase_branch,
  get_changes,
  get_webhooks,
  post_webhook,
  get_webhook,
  patch_webhook,
  delete_webhook,
  get_branch_verdict,
  post_replay,
  get_schedule,
  post_schedule,
  post_te,
};

inline constexpr std::string_view kError = R"({"$ref":"#/components/schemas/Error"})";

struct Route {
  Operation operation;
  std::string_view method;
  std::string_view pattern;           // segments in braces match any one segment: "/api/v1/sites/{id}"
  std::string_view summary;           // a sentence for OpenAPI
  std::string_view parameters;        // names from the table of parameters (parameters.cc), separated by spaces
  std::string_view request_body;      // a JSON Schema, for what is sent; empty where nothing is
  std::string_view answer;            // a JSON Schema of what comes back, empty where it is not JSON
  std::string_view statuses = "200";  // of an answer that is good, separated by spaces
  std::string_view refusal = kError;  // a JSON Schema of an answer that is not
};

// Each family in a file of its own.
std::span<const Route> grid_routes();
std::span<const Route> inventory_routes();
std::span<const Route> branch_routes();
std::vector<Route> routes();  // all of them

// What a parameter of that name means, everywhere: {"name","in","description","schema"}. The name is in the table.
Json describe_parameter(std::string_view name);
bool is_query_parameter(std::string_view name);  // else it is a header
std::string_view name_of_parameter(
    std::string_view name);      // as it is sent: several may mean different things by one name
std::string_view plan_schema();  // of a plan, which schedules have too
// What several answers share, as OpenAPI's components have it.
Json shared_schemas();

struct Match {
  const Route* route = nullptr;
  std::vector<std::string> parameters;  // decoded, in order
  std::string allowed;  // without a route: methods of that path, "GET, HEAD, POST"; empty: there is none
};
Match match(std::string_view method, std::string_view path);

// That the route takes every parameter of the query: one that is mistyped would be taken for one left out, and the
// answer for what was asked. Errors: invalid_argument with those that it takes, or with the pair that cannot be
// decoded.
Result<void> check_query(const Route& route, std::string_view query);

Json openapi_document();  // OpenAPI 3.1.0

}  // namespace tandem::api
