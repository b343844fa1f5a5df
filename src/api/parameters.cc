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
    Parameter{"brief", "query", "Without bodies.", R"({"type":"boolean","default":false})"},
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
    "next":{"$ref":"#/components/schemas/Period"}}},
  "Period":{"type":["object","null"],"description":"as the next null where the day has one period","properties":{"from_hour":{"type":"integer","description":"UTC, as all hours"},
    "to_hour":{"type":"integer","description":"not above from_hour where it goes on over midnight"},"hours":{"type":"integer"},
    "begins_at":{"type":"string","format":"date-time"},"ends_at":{"type":"string","format":"date-time"},
    "moves":{"type":"integer","description":"of the next: replicas that it will start or stop"},
    "prepared":{"type":"boolean","description":"of the next: what it adds is being started"}}},
  "Hours":{"type":["object","null"],"description":"of the day, UTC, that are spoken of: those of the plan; null: any, which is the busiest","properties":{
    "from_hour":{"type":"integer"},"to_hour":{"type":"integer","description":"not above from_hour where they go on over midnight"},"hours":{"type":"integer"}}},
  "Offset":{"type":"integer","minimum":0,"description":"of an event of the log: the state this was read at, or what was recorded"},
  "ErrorObject":{"type":"object","required":["message","type","code"],"properties":{"message":{"type":"string","description":"what is wrong and what would be right"},
    "type":{"type":"string"},"fix":{"type":["string","null"],"description":"of a row of a feed: what would be right"},"param":{"type":["string","null"],"description":"the parameter, member or entity that is wrong"},"code":{"type":"string"}}},
  "Error":{"type":"object","required":["error"],"properties":{"error":{"$ref":"#/components/schemas/ErrorObject"}}},
  "Entity":{"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"kind":{"type":"string"},"id":{"type":"string"},
    "attributes":{"type":"object","additionalProperties":true,"description":"as believed"},"created":{"$ref":"#/components/schemas/Offset"},"changed":{"$ref":"#/components/schemas/Offset"}}},
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
  "Decision":{"type":"object","description":"a request and what came of it","properties":{"id":{"type":"string"},"request_id":{"type":"string"},
    "at":{"type":"string","format":"date-time"},"offset":{"$ref":"#/components/schemas/Offset"},"tenant":{"type":"string"},"region":{"type":"string"},
    "asked_model":{"type":"string"},"model":{"type":"string","description":"that served: the one asked for, or its fallback"},
    "deployment":{"type":"string"},"site":{"type":"string"},"reason":{"type":"string","description":"plan_split, cheapest, rejected…"},
    "gate":{"type":"string","description":"what stood in the way, of this model or of the asked one; none: nothing"},
    "outcome":{"enum":["ok","client_error","rejected","upstream_error","cut","cancelled"]},
    "refused":{"type":"string","description":"the code of the refusal; empty: none"},"error":{"type":"string","description":"what the engine said; empty: nothing"},
    "status":{"type":"integer"},"streamed":{"type":"boolean"},"attempts":{"type":"integer","description":"engines that were asked"},
    "hedge":{"type":["object","null"],"properties":{"first":{"type":"string"},"second":{"type":"string"},"after_us":{"type":"number"},"won":{"enum":["first","second"]}}},
    "trials":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"side":{"type":"string"}}}},
    "prompt_tokens":{"type":"integer"},"output_tokens":{"type":"integer"},"cached_tokens":{"type":"integer","description":"of prompt_tokens, found in a prefix cache"},
    "tokens_counted":{"type":"boolean","description":"by the engine; false: estimated"},"overhead_us":{"type":"number","description":"in the gateway itself"},
    "queued_us":{"type":"number","description":"in its line"},"duration_us":{"type":"number"},"predicted_ttft_us":{"type":"number"},
    "predicted_cached_tokens":{"type":"integer"},"ttft_us":{"type":["number","null"],"description":"of a stream"},"tpot_us":{"type":["number","null"],"description":"of a stream"},
    "cost_euros":{"type":"number"},"energy_j":{"type":"number"},"carbon_g":{"type":"number"},
    "promise_ttft_ms":{"type":"number","description":"0: nothing was promised"},"promise_tpot_ms":{"type":"number"},"promise_kept":{"type":"boolean"},
    "path":{"type":"string","description":"that was asked"},"request_bytes":{"type":"integer"},"answer_bytes":{"type":"integer"},"trace_id":{"type":"string"}}},
  "Hurt":{"type":"object","description":"a demand whose promise breaks","properties":{"demand":{"type":"string"},"tenant":{"type":"string"},"region":{"type":"string"},
    "model":{"type":"string"},"rate_per_s":{"type":"number"},"reason":{"type":"string"},"fraction":{"type":"number","description":"of the demand"}}},
  "AfterFailover":{"type":"object","description":"once requests have gone elsewhere","properties":{"cost_eur_per_hour_delta":{"type":"number"},
    "promises_broken":{"type":"array","items":{"$ref":"#/components/schemas/Hurt"}}}},
  "FullLink":{"type":["object","null"],"description":"the fullest; null: none is loaded","properties":{"id":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"},
    "utilization":{"type":"number","description":"load over capacity"}}},
  "Phase":{"type":"object","properties":{"utilization_max":{"type":"number"},"lost_gbps":{"type":"number","description":"without any path"},
    "worst_link":{"$ref":"#/components/schemas/FullLink"}}},
  "Policy":{"type":"object","properties":{"demand":{"type":"string"},"fraction":{"type":"number"},"flex_algo":{"type":"string"},
    "segments":{"type":"array","description":"routers, and links where adjacency was asked for","items":{"type":["string","object"],"properties":{
      "link":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"}}}},
    "links":{"type":"array","items":{"$ref":"#/components/schemas/LinkPart"}}}},
  "LinkPart":{"type":"object","properties":{"link":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"},
    "part":{"type":"number","description":"of the traffic"}}},
  "Times":{"type":["object","null"],"additionalProperties":{"type":"number"},"description":"mean, p50, p90, p95, p99, max"},
  "Tally":{"type":"object","properties":{"requests":{"type":"integer"},"served":{"type":"integer"},"good":{"type":"integer","description":"within their promise"},
    "late_first_token":{"type":"integer"},"slow_tokens":{"type":"integer"},"goodput":{"type":"number","description":"good over requests"},
    "ttft_ms":{"$ref":"#/components/schemas/Times"},"tpot_ms":{"$ref":"#/components/schemas/Times"},"promise":{"type":"object","properties":{
      "ttft_ms":{"type":"number"},"tpot_ms":{"type":"number"},"quantile":{"type":"number"}}}}},
  "DayCost":{"type":"object","properties":{"cost_eur_per_day":{"type":"number"},"energy_kwh":{"type":"number"},"moves":{"type":"integer"},"replicas_max":{"type":"integer"}}},
  "PlannedPeriod":{"type":"object","properties":{"from_hour":{"type":"integer"},"to_hour":{"type":"integer"},
    "hours":{"type":"integer"},"moves":{"type":"integer"},"replicas":{"type":"integer"},"power_kw":{"type":"number"},
    "cost_eur_per_hour":{"type":"number"},"bound_eur_per_hour":{"type":"number"},"deployments":{"type":"array","items":{"type":"object","properties":{
      "id":{"type":"string"},"model":{"type":"string"},"pool":{"type":"string"},"site":{"type":"string"},"replicas":{"type":"integer"}}}},
    "demands":{"type":"integer"},"demands_missed":{"type":"integer"},"missed":{"type":"array","description":"at most 200","items":{"type":"object","properties":{
      "demand":{"type":"string"},"rejected":{"type":"number"},"blocked_by":{"type":"string"}}}},
    "plan":{"$ref":"#/components/schemas/Plan"}}},
  "Price":{"type":"object","properties":{"id":{"type":"string"},"eur_per_hour":{"type":"number"}}},
  "Tensor":{"type":"object","properties":{"name":{"type":"string"},"datatype":{"type":"string"},"shape":{"type":"array","items":{"type":"integer"},"description":"-1: any"}}},
  "TrialSide":{"type":"object","description":"base: as served without the trial; candidate: as the trial served, or its copies","properties":{
    "requests":{"type":"integer"},"ok":{"type":"integer"},"failed":{"type":"integer"},"dropped":{"type":"integer","description":"copies for which there was no place"},
    "ttft_ms":{"$ref":"#/components/schemas/Times"},"tpot_ms":{"$ref":"#/components/schemas/Times"},"prompt_tokens":{"type":"integer"},"output_tokens":{"type":"integer"},
    "output_tokens_per_answer":{"type":["number","null"]},"cost_eur":{"type":"number"},"eur_per_answer":{"type":["number","null"]}}},
  "Name":{"type":"object","properties":{"kind":{"type":"string"},"id":{"type":"string"}}},
  "Branch":{"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"name":{"type":"string"},"parent":{"type":["string","null"]},
    "purpose":{"type":"string"},"author":{"type":"string"},"created":{"$ref":"#/components/schemas/Offset"},"created_at":{"type":"string","format":"date-time"},
    "base_offset":{"$ref":"#/components/schemas/Offset"},"changed":{"$ref":"#/components/schemas/Offset"},"edits":{"type":"integer"},
    "children":{"type":"array","items":{"type":"string"}}}},
  "Webhook":{"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"id":{"type":"string"},"url":{"type":"string"},"kinds":{"type":"array","items":{"type":"string"}},
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
  Json::Object all = schemas->object();
  auto plan = parse_json(plan_schema());
  CHECK(plan.has_value());
  all["Plan"] = std::move(*plan);
  return all;
}

}  // namespace tandem::api
