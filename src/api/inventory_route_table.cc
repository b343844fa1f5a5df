// The routes of the living inventory: entities, search, the change feed, webhooks.
#include <array>

#include "api/routes.h"

namespace tandem::api {
namespace {

constexpr std::string_view kOneBody =
    R"({"type":"object","required":["attributes"],"additionalProperties":false,"properties":{
    "source":{"type":"string","description":"who says so; recorded as api:<source>","default":"operator"},
    "standing":{"enum":["observed","discovered","intended"],"default":"observed"},"confidence":{"type":"number","exclusiveMinimum":0,"maximum":1},
    "observed_at":{"type":"string","format":"date-time"},"valid_from":{"type":"string","format":"date-time"},"valid_to":{"type":"string","format":"date-time"},
    "attributes":{"type":"object","description":"attribute to value; null takes one back"}}})";
constexpr std::string_view kBulkBody =
    R"({"type":"object","required":["items"],"additionalProperties":false,"properties":{
    "source":{"type":"string","description":"who says so; recorded as api:<source>","default":"operator"},
    "upsert":{"type":"boolean","description":"items are rows of a feed: kind, attributes, and id or external_ids by which the entity is found, or else made"},
    "feed":{"type":"string","description":"of an upsert: the source that the rows are of, recorded as it is, in place of source"},
    "standing":{"enum":["observed","discovered","intended"],"description":"of an upsert, of all its rows"},
    "observed_at":{"type":"string","format":"date-time","description":"of an upsert, of all its rows"},
    "full":{"type":"boolean","description":"of an upsert: the rows are all that the source sees of their kinds; what it saw before is no longer seen"},
    "partial":{"type":"boolean","description":"of an upsert: good rows are taken in though others are refused"},
    "defaults":{"type":"object","description":"of an upsert: by kind, attributes of new entities whose row does not say them"},
    "items":{"type":"array","minItems":1,"maxItems":2000,"items":{"type":"object","required":["kind"],"additionalProperties":false,"properties":{
      "kind":{"type":"string"},"id":{"type":"string"},"name":{"type":"string","description":"of an upsert: what a new id is made of"},
      "attributes":{"type":"object","description":"attribute to value; null takes one back"},
      "weak":{"type":"array","items":{"type":"string"},"description":"of an upsert: references that are left out where their target is not there"},
      "standing":{"enum":["observed","discovered","intended"],"default":"observed"},"confidence":{"type":"number","exclusiveMinimum":0,"maximum":1},
      "observed_at":{"type":"string","format":"date-time"},"valid_from":{"type":"string","format":"date-time"},"valid_to":{"type":"string","format":"date-time"},
      "replace":{"type":"boolean","description":"attributes not named are taken back"},
      "delete":{"type":"boolean","description":"the entity is gone; stands in place of attributes"},
      "expected":{"type":"integer","minimum":0,"description":"refused unless the entity last changed at this offset; 0: unless it is new"}}}}}})";
constexpr std::string_view kListedBody =
    R"({"type":"object","required":["ids"],"additionalProperties":false,"properties":{
    "source":{"type":"string","default":"operator"},"feed":{"type":"string","description":"the source as it is named, in place of source"},
    "ids":{"type":"array","maxItems":10000,"items":{"type":"string"},"description":"all that the source sees of the kind in the range"},
    "after":{"type":"string","description":"the range begins past this id; left out: at the first"},
    "up_to":{"type":"string","description":"the range ends with this id; left out: with the last"},
    "observed_at":{"type":"string","format":"date-time"}}})";
constexpr std::string_view kListedAnswer =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "dry_run":{"type":"boolean"},"accepted":{"type":"boolean"},"unseen":{"type":"integer","description":"entities no longer seen"},
    "error":{"$ref":"#/components/schemas/ErrorObject"},
    "next":{"type":["string","null"],"description":"send the same again with this as `after`; null at the end"}}})";
constexpr std::string_view kBulkAnswer =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "unseen":{"type":"integer","description":"of a full feed: entities that are no longer seen"},
    "notes":{"type":"array","items":{"type":"string"},"description":"what was left out of good rows"},
    "dry_run":{"type":"boolean"},"accepted":{"type":"boolean"},"error":{"$ref":"#/components/schemas/ErrorObject"},
    "rows":{"type":"array","items":{"type":"object","properties":{"row":{"type":"integer"},"kind":{"type":"string"},"id":{"type":"string"},
      "outcome":{"enum":["created","changed","confirmed","unchanged","deleted","refused"]},"error":{"$ref":"#/components/schemas/ErrorObject"}}}}}})";
constexpr std::string_view kEntity = R"({"$ref":"#/components/schemas/Entity"})";
constexpr std::string_view kPage =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"kind":{"type":"string"},
    "items":{"type":"array","items":{"$ref":"#/components/schemas/Entity"}},
    "next":{"type":["string","null"],"description":"the cursor of the page after this one; null at the end"},
    "total":{"type":"integer","description":"entities of the kind, whatever the conditions"}}})";
constexpr std::string_view kKinds =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"entities":{"type":"integer"},
    "kinds":{"type":"array","items":{"type":"object","properties":{"kind":{"type":"string"},"description":{"type":"string"},
      "entities":{"type":"integer"},"changed":{"$ref":"#/components/schemas/Offset"},
      "history_begins":{"type":"integer","description":"offset from which the past of the kind is kept; 0: all of it"}}}}}})";
constexpr std::string_view kRelations =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "kind":{"type":"string"},"id":{"type":"string"},"truncated":{"type":"boolean"},
    "refers_to":{"type":"array","items":{"type":"object","properties":{"attribute":{"type":"string"},"kind":{"type":"string"},"id":{"type":"string"}}}},
    "referred_by":{"type":"array","items":{"type":"object","properties":{"attribute":{"type":"string","description":"of what refers to it"},"kind":{"type":"string"},"id":{"type":"string"}}}}}})";
constexpr std::string_view kClaims =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"kind":{"type":"string"},
    "history_begins":{"type":"integer","description":"offset from which the past of the kind is kept; 0: all of it"},"id":{"type":"string"},"next":{"type":["string","null"]},
    "claims":{"type":"array","items":{"type":"object","properties":{"attribute":{"type":"string"},"value":{},"source":{"type":"string"},
      "standing":{"enum":["observed","discovered","intended"]},"confidence":{"type":["number","null"]},
      "valid_from":{"type":"string","format":"date-time"},"valid_to":{"type":["string","null"],"format":"date-time"},
      "offset":{"$ref":"#/components/schemas/Offset"},"recorded_at":{"type":"string","format":"date-time"},"holds":{"type":"boolean"},"believed":{"type":"boolean"}}}},
    "presences":{"type":"array","items":{"type":"object","properties":{"source":{"type":"string"},"first_seen":{"type":"string","format":"date-time"},
      "last_seen":{"type":"string","format":"date-time"},"unseen_since":{"type":["string","null"],"format":"date-time"}}}}}})";
constexpr std::string_view kTimeline =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"kind":{"type":"string"},
    "history_begins":{"type":"integer","description":"offset from which the past of the kind is kept; 0: all of it"},"id":{"type":"string"},"next":{"type":["integer","null"],"description":"give it as `before` for what is older"},
    "events":{"type":"array","items":{"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
      "at":{"type":"string","format":"date-time"},"what":{"enum":["created","said","retracted","erased"]},"source":{"type":["string","null"]},
      "standing":{"type":["string","null"]},"attributes":{"type":"object","additionalProperties":true}}}}}})";
constexpr std::string_view kErased =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"kind":{"type":"string"},
    "id":{"type":"string"},"known":{"type":"boolean","description":"false: neither the inventory nor a branch has ever had it; is the id right?"}}})";
constexpr std::string_view kFound = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "complete":{"type":"boolean","description":"false while the index is first being made"},"truncated":{"type":"boolean"},
    "results":{"type":"array","items":{"type":"object","properties":{"kind":{"type":"string"},"id":{"type":"string"},
      "name":{"type":"string"},"matched":{"type":"string","description":"the attribute that matched"}}}}}})";
constexpr std::string_view kDiscrepancies =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "found":{"type":"integer","description":"with those past the limit"},"accepted":{"type":"integer","description":"by a deviation that still holds"},
    "discrepancies":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},
      "type":{"type":"string","description":"value_conflict, moved, swapped, ghost, unplanned, stale, silent…"},
      "about":{"$ref":"#/components/schemas/Name"},"also":{"type":"array","items":{"$ref":"#/components/schemas/Name"}},
      "attribute":{"type":["string","null"]},"summary":{"type":"string"},"since":{"type":"string","format":"date-time"},
      "offset":{"$ref":"#/components/schemas/Offset"},"accepted_as":{"type":["string","null"],"description":"id of the deviation"},
      "evidence":{"type":"array","items":{"type":"object","properties":{"source":{"type":"string"},
        "standing":{"enum":["observed","discovered","intended"]},"attribute":{"type":["string","null"],"description":"null: whether it is there"},
        "value":{},"since":{"type":"string","format":"date-time"},"offset":{"$ref":"#/components/schemas/Offset"},"believed":{"type":"boolean"}}}},
      "verification":{"type":"object","properties":{"who":{"type":"string"},"action":{"type":"string"},"place":{"type":"string"},
        "site":{"type":["string","null"]},"latitude_deg":{"type":["number","null"]},"longitude_deg":{"type":["number","null"]}}}}}}}})";
constexpr std::string_view kQueryBody =
    R"({"type":"object","required":["sql"],"additionalProperties":false,"properties":{
    "sql":{"type":"string","maxLength":100000,"description":"one SELECT; SELECT * FROM schema_tables tells what there is"},
    "parameters":{"type":"array","maxItems":1000,"description":"values of ?, ?2 and so on"},
    "limit":{"type":"integer","minimum":1,"maximum":100000,"default":10000,"description":"rows at most"},
    "time_limit_ms":{"type":"integer","minimum":1,"maximum":30000,"default":5000}}})";
constexpr std::string_view kTable = R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "columns":{"type":"array","items":{"type":"string"}},"rows":{"type":"array","items":{"type":"array","items":{}}},
    "truncated":{"type":"boolean","description":"there were more rows than the limit"}}})";
constexpr std::string_view kWebhookBody =
    R"({"type":"object","required":["url"],"additionalProperties":false,"properties":{
    "id":{"type":"string"},"url":{"type":"string","format":"uri","description":"https, or http to this machine itself"},
    "kinds":{"type":"array","maxItems":64,"items":{"type":"string"},"description":"of entities; left out: all"},
    "from":{"type":"integer","minimum":1,"description":"offset of the first event to deliver; left out: what comes from now on"},
    "secret":{"type":"string","minLength":16,"maxLength":256,"description":"signs what is delivered; left out: one is made"}}})";
constexpr std::string_view kWebhookPatch = R"({"type":"object","additionalProperties":false,"properties":{
    "url":{"type":"string","format":"uri"},"kinds":{"type":"array","maxItems":64,"items":{"type":"string"}},
    "from":{"type":"integer","minimum":1,"description":"deliver again from this offset; left out: go on"},
    "secret":{"type":"string","minLength":16,"maxLength":256}}})";
constexpr std::string_view kWebhook = R"({"$ref":"#/components/schemas/Webhook"})";
constexpr std::string_view kWebhooks =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},
    "webhooks":{"type":"array","items":{"$ref":"#/components/schemas/Webhook"}}}})";
constexpr std::string_view kRemoved =
    R"({"type":"object","properties":{"offset":{"$ref":"#/components/schemas/Offset"},"kind":{"type":"string"},"id":{"type":"string"}}})";

constexpr std::array kInventoryRoutes{
    Route{Operation::get_kinds, "GET", "/api/v1/inventory",
          "Every kind of entity, with how many there are and when one last changed.", "as_of branch", "", kKinds},
    Route{Operation::post_entities, "POST", "/api/v1/inventory",
          "Edits up to 2000 entities, all of them or none, and reports on each row; with dry_run nothing is recorded.",
          "dry_run", kBulkBody, kBulkAnswer, "200", kBulkAnswer},
    Route{Operation::post_listed, "POST", "/api/v1/inventory/{kind}/unseen",
          "What a source saw of the kind in a range of ids, and does not list, is no longer seen; it stays until it is "
          "deleted.",
          "dry_run", kListedBody, kListedAnswer, "200", kListedAnswer},
    Route{Operation::get_entities, "GET", "/api/v1/inventory/{kind}",
          "Entities of one kind, ascending by id, a page at a time; an entity that is there all the while is on "
          "exactly one page.",
          "limit cursor fields condition as_of branch", "", kPage},
    Route{Operation::get_entity, "GET", "/api/v1/inventory/{kind}/{id}",
          "One entity; its ETag is the offset at which it last changed.", "fields as_of branch If-None-Match", "",
          kEntity},
    Route{Operation::put_entity, "PUT", "/api/v1/inventory/{kind}/{id}",
          "Makes an entity, or replaces what it says: attributes not named are taken back. 201 where it is new.",
          "If-Match If-None-Match", kOneBody, kEntity, "200 201"},
    Route{Operation::patch_entity, "PATCH", "/api/v1/inventory/{kind}/{id}",
          "Changes the attributes named; null takes one back.", "If-Match", kOneBody, kEntity},
    Route{Operation::delete_entity, "DELETE", "/api/v1/inventory/{kind}/{id}",
          "The entity is gone. Refused while another refers to it.", "If-Match", "", kRemoved},
    Route{Operation::get_relations, "GET", "/api/v1/inventory/{kind}/{id}/relations",
          "What an entity refers to, and what refers to it; 100 each way, at most 1000.", "limit as_of branch", "",
          kRelations},
    Route{Operation::get_claims, "GET", "/api/v1/inventory/{kind}/{id}/claims",
          "Who says what of an entity, in what sense and since when, and what of it is believed; 100, at most 1000.",
          "attribute holds limit cursor as_of branch", "", kClaims},
    Route{Operation::get_timeline, "GET", "/api/v1/inventory/{kind}/{id}/timeline",
          "What was said of an entity, and when it came and went, the newest first; 50, at most 500.",
          "before limit as_of branch", "", kTimeline},
    Route{Operation::get_search, "GET", "/api/v1/search",
          "Entities whose id, name, serial, address or external id begins a word like this; 20, at most 100. "
          "The past is not indexed: list it by conditions as of then, or ask in SQL.",
          "q kind limit branch", "", kFound},
    Route{Operation::get_discrepancies, "GET", "/api/v1/discrepancies",
          "Where sources disagree, what each says, and who would have to look at what; the youngest first; 100, at "
          "most 1000.",
          "kind id type accepted limit as_of branch", "", kDiscrepancies},
    Route{Operation::post_query, "POST", "/api/v1/query",
          "Read-only SQL over the inventory; with `Accept: text/csv` the answer is CSV.", "as_of branch", kQueryBody,
          kTable},
    Route{Operation::erase_personal_data, "DELETE", "/api/v1/personal-data/{kind}/{id}",
          "Erases all that was ever said of an entity's personal attributes, in every copy of the log: its keys are "
          "destroyed. There is no way back.",
          "reason", "", kErased},
    Route{Operation::get_changes, "GET", "/api/v1/changes",
          "What changes the inventory, as server-sent events named `change` whose id is the offset: in order, from any "
          "offset, and on from Last-Event-ID after a cut.",
          "from kinds Last-Event-ID", "", ""},
    Route{Operation::get_webhooks, "GET", "/api/v1/webhooks", "Who is told of changes, and how far each has come.", "",
          "", kWebhooks},
    Route{Operation::post_webhook, "POST", "/api/v1/webhooks",
          "Delivers changes to an address from now on, signed with the secret that this answer alone shows.", "",
          kWebhookBody, kWebhook, "201"},
    Route{Operation::get_webhook, "GET", "/api/v1/webhooks/{id}", "One webhook.", "", "", kWebhook},
    Route{Operation::patch_webhook, "PATCH", "/api/v1/webhooks/{id}",
          "Changes a webhook, or delivers again from an offset.", "", kWebhookPatch, kWebhook},
    Route{Operation::delete_webhook, "DELETE", "/api/v1/webhooks/{id}", "Delivers nothing more.", "", "", kRemoved},
};

}  // namespace

std::span<const Route> inventory_routes() { return kInventoryRoutes; }

}  // namespace tandem::api
