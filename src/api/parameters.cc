// Parameters mean the same wherever they stand, so they are described once.
#include <algorithm>
#include <array>

#include "api/routes.h"
#include "base/check.h"

namespace tandem::api {
namespace {

struct Parameter {
  std::string_view name;
  std::string_view in;  // "query" or "header"
  std::string_view description;
  std::string_view schema;
};

constexpr std::string_view kText = R"({"type":"string"})";
constexpr std::string_view kCount = R"({"type":"integer","minimum":0})";

constexpr std::array kParameters{
    Parameter{"accepted", "query", "Those too that a deviation accepts.", R"({"type":"boolean","default":false})"},
    Parameter{"as_of", "query",
              "Read as it was: an offset of the log (what was believed then), a time as 2026-11-21T08:00Z or '2 h ago' "
              "(what was "
              "true then, as known now), or OFFSET@TIME (what was believed then to have been true then).",
              kText},
    Parameter{"attribute", "query", "Only of this attribute.", kText},
    Parameter{"before", "query", "Only what is older than this offset.", kCount},
    Parameter{"branch", "query", "Read on this branch instead of what is believed by all.", kText},
    Parameter{"condition", "query",
              "Any attribute as a name, also `id`, `created` and `changed`: `tier=core`, `delay_us[gte]=5`, "
              "`name[prefix]=Ber`; "
              "in brackets eq, in (values after commas), ne, lt, lte, gt, gte, prefix or exists (true, false). All "
              "must hold, at most 20. "
              "In a list one item must. An attribute left out counts as its default.",
              R"({"type":"object","additionalProperties":{"type":"string"}})"},
    Parameter{"cursor", "query", "`next` of the page before. It goes with the same kind and conditions.", kText},
    Parameter{"dry_run", "query", "Only say what would happen.", R"({"type":"boolean","default":false})"},
    Parameter{"fields", "query", "Attributes to show, separated by commas; left out: all.", kText},
    Parameter{"from", "query", "The offset to begin at.", kCount},
    Parameter{
        "from_hour", "query",
        "From when on: a date or a whole hour, UTC, as 2026-11-21 or 2026-11-21T08:00:00Z; left out: as far back as "
        "is kept.",
        kText},
    Parameter{"group_by", "query",
              "What to tell apart, of tenant, model, site, hour, day and month, separated by commas; empty: nothing.",
              R"({"type":"string","default":"tenant,model,site"})"},
    Parameter{"holds", "query", "Only what holds at the time that is read.", R"({"type":"boolean","default":false})"},
    Parameter{"id", "query", "Only the entity of this id; it goes with `kind`.", kText},
    Parameter{"model", "query", "Only of this model.", kText},
    Parameter{"kind", "query", "Only entities of this kind.", kText},
    Parameter{"kinds", "query", "Only entities of these kinds, separated by commas; at most 64.", kText},
    Parameter{"limit", "query",
              "How many at most; 100 and no more than 1000, where the operation does not say otherwise.", kCount},
    Parameter{"minutes", "query", "How many of the last, with the open one.",
              R"({"type":"integer","minimum":1,"maximum":60,"default":60})"},
    Parameter{"q", "query",
              "What is searched for: words, or their beginnings, of which each must match; at most 200 bytes.", kText},
    Parameter{"reason", "query", "Why, for people: a request's number, never a name. At most 2000 bytes.", kText},
    Parameter{"site", "query", "Only of this site.", kText},
    Parameter{"tenant", "query", "Only of this tenant.", kText},
    Parameter{"to_hour", "query", "Up to before when: a date or a whole hour, UTC.", kText},
    Parameter{"state", "query", "The state that is tried.", R"({"enum":["up","down"],"default":"down"})"},
    Parameter{"type", "query", "Only discrepancies of this type.", kText},
    Parameter{"If-Match", "header", "The entity must still have this ETag (or, with *, be there); else 412.", kText},
    Parameter{"If-None-Match", "header",
              "Reading: 304 where the ETag is still this. Writing with *: only where the entity is new; else 412.",
              kText},
    Parameter{"Last-Event-ID", "header", "The id of the last event seen: the stream goes on with the one after it.",
              kCount},
};

constexpr std::string_view kShared = R"({
  "Turn":{"type":["object","null"],"description":"where the schedule in force stands by the clock; null: none is, a plan is for any hour","properties":{
    "schedule_id":{"type":"string"},"accepted_at_offset":{"$ref":"#/components/schemas/Offset"},
    "stale":{"type":"boolean","description":"the grid has changed since: it is made again once that is quiet"},
    "in_force":{"type":"boolean","description":"the plan in force is for this period; false: one is being made for it"},
    "period":{"$ref":"#/components/schemas/Period"},
    "next":{"description":"null: the day has one period","anyOf":[{"$ref":"#/components/schemas/Period"},{"type":"null"}]}}},
  "Period":{"type":"object","properties":{"from_hour":{"type":"integer","description":"UTC, as all hours"},
    "to_hour":{"type":"integer","description":"not above from_hour where it goes on over midnight"},"hours":{"type":"integer"},
    "begins_at":{"type":"string","format":"date-time"},"ends_at":{"type":"string","format":"date-time"},
    "moves":{"type":"integer","description":"of the next: replicas that it will start or stop"},
    "prepared":{"type":"boolean","description":"of the next: what it adds is being started"}}},
  "Offset":{"type":"integer","minimum":0,"description":"of an event of the log: the state this was read at, or what was recorded"},
  "ErrorObject":{"type":"object","required":["message","type","code"],"properties":{"message":{"type":"string","description":"what is wrong and what would be right"},
    "type":{"type":"string"},"param":{"type":["string","null"],"description":"the parameter, member or entity that is wrong"},"code":{"type":"string"}}},
  "Error":{"type":"object","required":["error"],"properties":{"error":{"$ref":"#/components/schemas/ErrorObject"}}},
  "Entity":{"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"kind":{"type":"string"},"id":{"type":"string"},
    "attributes":{"type":"object","description":"as believed"},"created":{"$ref":"#/components/schemas/Offset"},"changed":{"$ref":"#/components/schemas/Offset"}}},
  "Usage":{"type":"object","properties":{"tenant":{"type":"string"},"model":{"type":"string"},"site":{"type":"string","description":"empty: of requests that came to none"},
    "hour":{"type":"string","format":"date-time"},"day":{"type":"string","format":"date-time"},"month":{"type":"string","format":"date-time"},
    "requests":{"type":"integer"},"kept":{"type":"integer","description":"answered within their promise"},
    "prompt_tokens":{"type":"integer"},"cached_tokens":{"type":"integer","description":"of prompt_tokens, found in a prefix cache"},"output_tokens":{"type":"integer"},
    "estimated_requests":{"type":"integer","description":"whose engine gave no count; their tokens are in the above, and apart in the next two"},
    "estimated_prompt_tokens":{"type":"integer"},"estimated_output_tokens":{"type":"integer"},
    "cost_eur":{"type":"number"},"energy_j":{"type":"number"},"carbon_g":{"type":"number","description":"of CO2"}}},
  "Serving":{"type":"object","properties":{"requests":{"type":"integer","description":"of known tenants"},"requests_per_s":{"type":"number"},
    "goodput_fraction":{"type":["number","null"],"description":"answered within their promise; null: nobody asked"},
    "ttft_p50_ms":{"type":["number","null"],"description":"of streamed answers"},"ttft_p95_ms":{"type":["number","null"]},
    "prompt_tokens_per_s":{"type":"number"},"output_tokens_per_s":{"type":"number"},"cost_eur":{"type":"number"},
    "rejected":{"type":"integer","description":"answered with an error"},"at":{"type":"string","format":"date-time"},
    "site":{"type":"string"},"tenant":{"type":"string"}}},
  "Name":{"type":"object","properties":{"kind":{"type":"string"},"id":{"type":"string"}}},
  "Branch":{"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"name":{"type":"string"},"parent":{"type":["string","null"]},
    "purpose":{"type":"string"},"author":{"type":"string"},"created":{"$ref":"#/components/schemas/Offset"},"created_at":{"type":"string","format":"date-time"},
    "base_offset":{"$ref":"#/components/schemas/Offset"},"changed":{"$ref":"#/components/schemas/Offset"},"edits":{"type":"integer"},
    "children":{"type":"array","items":{"type":"string"}}}},
  "Webhook":{"type":"object","properties":{"id":{"type":"string"},"url":{"type":"string"},"kinds":{"type":"array","items":{"type":"string"}},
    "from":{"$ref":"#/components/schemas/Offset"},"delivered":{"type":"integer","description":"every event up to this offset has been acknowledged"},
    "behind":{"type":"integer","description":"events of the log after that"},"failures":{"type":"integer","description":"attempts in a row"},
    "last_error":{"type":["string","null"]},"last_attempt":{"type":["string","null"],"format":"date-time"},
    "has_secret":{"type":"boolean","description":"false: the secret is not on this machine, register it again"},
    "secret":{"type":"string","description":"only where it was set or made by this request"}}}})";

const Parameter& parameter_of(std::string_view name) {
  const auto found = std::ranges::find(kParameters, name, &Parameter::name);
  CHECK(found != kParameters.end());
  return *found;
}

}  // namespace

bool is_query_parameter(std::string_view name) { return parameter_of(name).in == "query"; }

std::string_view name_of_parameter(std::string_view name) {
  return name.ends_with("_hour") ? name.substr(0, name.find('_')) : name;
}

Json describe_parameter(std::string_view name) {
  const Parameter* found = &parameter_of(name);
  auto schema = parse_json(found->schema);
  CHECK(schema.has_value());
  Json::Object parameter{{"name", name_of_parameter(name)},
                         {"in", found->in},
                         {"description", found->description},
                         {"schema", std::move(*schema)}};
  if (name == "condition") {  // any names, as OpenAPI writes it
    parameter["style"] = "form";
    parameter["explode"] = true;
  }
  return parameter;
}

Json shared_schemas() {
  auto schemas = parse_json(kShared);
  CHECK(schemas.has_value());
  return std::move(*schemas);
}

}  // namespace tandem::api
