#include "api/inventory_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/asked_snapshot.h"
#include "api/discrepancy_view.h"
#include "api/inventory_edit.h"
#include "api/inventory_history.h"
#include "api/inventory_query.h"
#include "api/inventory_upsert.h"
#include "base/text.h"
#include "ontology/ontology.h"

namespace tandem::api {

namespace asio = boost::asio;

namespace {

constexpr size_t kRelationsDefault = 100;
constexpr size_t kRelationsMax = 1'000;
constexpr size_t kResultsDefault = 20;
constexpr size_t kResultsMax = 100;        // of a search: more than anyone reads
constexpr size_t kQuestionBytesMax = 200;  // of a search: what a person types

const ontology::Ontology& known_kinds() { return ontology::Ontology::built_in(); }

Result<const ontology::Kind*> kind_named(std::string_view name) {
  if (const ontology::Kind* kind = known_kinds().find(name)) return kind;
  return fail(ErrorCode::not_found, known_kinds().unknown_kind(name), "kind");
}

Error no_such(std::string_view kind, std::string_view id) {
  return {ErrorCode::not_found, fmt::format("no {} '{}'", kind, id.substr(0, grid::kIdBytesMax)), "id"};
}

Result<inventory::Entity> entity_of(const Call& call, const inventory::Snapshot& snapshot) {
  TANDEM_ASSIGN(const ontology::Kind* kind, kind_named(call.parameters[0]));
  auto entity = snapshot.find(kind->name, call.parameters[1]);
  if (!entity) return tl::unexpected(no_such(kind->name, call.parameters[1]));
  return std::move(*entity);
}

Json::Object whole_entity(const inventory::Entity& entity, log::Offset offset,
                          const std::optional<std::vector<std::string>>& fields) {
  Json::Object json = entity_json(entity, fields);
  json["kind"] = entity.kind;
  json["offset"] = offset;
  return json;
}

http::Headers tagged(log::Offset changed) {
  http::Headers headers = http::json_headers();
  headers.set("etag", entity_tag(changed));
  headers.set("cache-control", "no-cache");
  return headers;
}

Json kinds_view(const inventory::Snapshot& snapshot) {
  Json::Array kinds;
  for (const ontology::Kind& kind : known_kinds().kinds())
    kinds.push_back(Json::Object{{"kind", kind.name},
                                 {"description", kind.description},
                                 {"entities", uint64_t{snapshot.size(kind.name)}},
                                 {"changed", snapshot.changed(kind.name)},
                                 {"history_begins", snapshot.history_begins(kind.name)}});
  return Json::Object{
      {"offset", snapshot.offset()}, {"kinds", std::move(kinds)}, {"entities", uint64_t{snapshot.size()}}};
}

// What a value names, by the schema: {"attribute","kind","id"} for each.
void collect_references(const grid::Attribute& attribute, const Json& value, const std::string& path,
                        Json::Array& out) {
  if (value.is_array()) {
    for (const Json& item : value.array()) collect_references(attribute, item, path, out);
  } else if (attribute.type == grid::Type::reference && value.is_string()) {
    const grid::Target target = grid::target_of(attribute, value.text());
    out.push_back(Json::Object{{"attribute", path}, {"kind", target.kind}, {"id", target.id}});
  } else if (attribute.type == grid::Type::record) {
    for (const grid::Attribute& field : attribute.fields)
      collect_references(field, value[field.name], fmt::format("{}.{}", path, field.name), out);
  }
}

Json::Array references_of(const inventory::Entity& entity) {
  Json::Array references;
  for (const grid::Attribute& attribute : known_kinds().find(entity.kind)->attributes)
    if (const v1::Value* value = entity.find(attribute.name))
      collect_references(attribute, inventory::to_json_value(*value), std::string(attribute.name), references);
  return references;
}

// By which attributes one entity names another: an entry for each.
void add_referrer(const inventory::Snapshot& snapshot, const inventory::Referrer& referrer,
                  const inventory::Entity& target, Json::Array& out) {
  const auto entity = snapshot.find(referrer.kind, referrer.id);
  if (!entity || !known_kinds().find(referrer.kind)) return;
  std::set<std::string_view> named;
  const Json::Array references = references_of(*entity);
  for (const Json& reference : references)
    if (reference["kind"].text() == target.kind && reference["id"].text() == target.id)
      named.insert(reference["attribute"].text());
  if (named.empty()) out.push_back(Json::Object{{"attribute", nullptr}, {"kind", referrer.kind}, {"id", referrer.id}});
  for (const std::string_view attribute : named)
    out.push_back(Json::Object{{"attribute", attribute}, {"kind", referrer.kind}, {"id", referrer.id}});
}

Result<Json> relations_view(const Call& call, const inventory::Snapshot& snapshot) {
  TANDEM_ASSIGN(const inventory::Entity entity, entity_of(call, snapshot));
  TANDEM_ASSIGN(const size_t limit, read_count(call.request, "limit", kRelationsDefault, kRelationsMax));
  Json::Array outward = references_of(entity), inward;
  const auto referrers = snapshot.referrers(entity.kind, entity.id, limit + 1);
  for (size_t i = 0; i < std::min(limit, referrers.size()); ++i) add_referrer(snapshot, referrers[i], entity, inward);
  const bool truncated = referrers.size() > limit || outward.size() > limit || inward.size() > limit;
  for (Json::Array* side : {&outward, &inward})
    if (side->size() > limit) side->resize(limit);
  return Json(Json::Object{{"offset", snapshot.offset()},
                           {"kind", entity.kind},
                           {"id", entity.id},
                           {"refers_to", std::move(outward)},
                           {"referred_by", std::move(inward)},
                           {"truncated", truncated}});
}

// Of an entity that is, or once was.
Result<Json> history(Operation operation, const Call& call, const inventory::Snapshot& snapshot) {
  TANDEM_ASSIGN(const ontology::Kind* kind, kind_named(call.parameters[0]));
  const std::string& id = call.parameters[1];
  if (!snapshot.has(kind->name, id) && snapshot.lives(kind->name, id).empty())
    return tl::unexpected(no_such(kind->name, id));
  return operation == Operation::get_claims ? claims_view(snapshot, kind->name, id, call.request)
                                            : timeline_view(snapshot, kind->name, id, call.request);
}

Edit::How how_of(Operation operation) {
  switch (operation) {
    case Operation::put_entity: return Edit::How::replace;
    case Operation::patch_entity: return Edit::How::merge;
    default: return Edit::How::remove;
  }
}

// The edit that a request for one entity asks for, with what it expects to find.
Result<Edits> one_edit(Operation operation, const Call& call) {
  TANDEM_TRY(may_change(call.request));
  TANDEM_ASSIGN(const ontology::Kind* kind, kind_named(call.parameters[0]));
  TANDEM_ASSIGN(Edits edits, parse_one(call.request, how_of(operation), std::string(kind->name), call.parameters[1]));
  const auto believed = call.published->state.inventory.find(kind->name, call.parameters[1]);
  if (!believed && operation != Operation::put_entity && !call.request.headers.find("if-match"))
    return tl::unexpected(no_such(kind->name, call.parameters[1]));
  TANDEM_ASSIGN(edits.rows.front().expected, read_expectation(call.request, believed ? believed->changed : 0));
  return edits;
}

Result<Trial> listed_trial(const Call& call) {
  TANDEM_ASSIGN(const ontology::Kind* kind, kind_named(call.parameters[0]));
  TANDEM_ASSIGN(const Json body, read_object(call.request, {"source", "feed", "ids", "after", "up_to", "observed_at"}));
  TANDEM_ASSIGN(const ListedBody listed, read_listed(body));
  return try_listed(call.published->state, std::string(kind->name), listed);
}

}  // namespace

bool InventoryRoutes::serves(Operation operation) {
  switch (operation) {
    case Operation::get_kinds:
    case Operation::get_entities:
    case Operation::post_entities:
    case Operation::post_listed:
    case Operation::get_entity:
    case Operation::put_entity:
    case Operation::patch_entity:
    case Operation::delete_entity:
    case Operation::get_relations:
    case Operation::get_claims:
    case Operation::get_timeline:
    case Operation::get_search:
    case Operation::get_discrepancies:
    case Operation::erase_personal_data: return true;
    default: return false;
  }
}

Result<Json> InventoryRoutes::search(const Call& call) const {
  const std::string question = http::query_value(call.request.query, "q").value_or("");
  if (trim(question).empty() || question.size() > kQuestionBytesMax)
    return fail(ErrorCode::invalid_argument,
                fmt::format("'q' must hold what is searched for, at most {} bytes", kQuestionBytesMax), "q");
  TANDEM_ASSIGN(const size_t limit, read_count(call.request, "limit", kResultsDefault, kResultsMax));
  std::string kind = http::query_value(call.request.query, "kind").value_or("");
  if (!kind.empty()) TANDEM_TRY(kind_named(kind));
  TANDEM_ASSIGN(const auto branch, asked_branch(call));
  const SearchOptions options{std::move(kind), limit};
  const SearchAnswer answer = branch ? search_.search(question, options, *branch) : search_.search(question, options);
  Json::Array results;
  for (const SearchResult& result : answer.results)
    results.push_back(
        Json::Object{{"kind", result.kind}, {"id", result.id}, {"name", result.name}, {"matched", result.matched}});
  return Json(Json::Object{{"offset", answer.applied},
                           {"complete", answer.complete},
                           {"results", std::move(results)},
                           {"truncated", answer.truncated}});
}

Result<Json> InventoryRoutes::read(Operation operation, const Call& call) const {
  if (operation == Operation::get_search) return search(call);
  TANDEM_ASSIGN(const Asked asked, asked_snapshot(call, clock_.now()));
  const inventory::Snapshot& snapshot = asked.snapshot;
  if (operation == Operation::get_kinds) return kinds_view(snapshot);
  if (operation == Operation::get_discrepancies) return discrepancies_view(snapshot, asked.now, call.request);
  TANDEM_TRY(snapshot.reaches(call.parameters[0]));
  if (operation == Operation::get_relations) return relations_view(call, snapshot);
  if (operation == Operation::get_claims || operation == Operation::get_timeline)
    return history(operation, call, snapshot);
  TANDEM_ASSIGN(const ontology::Kind* kind, kind_named(call.parameters[0]));
  TANDEM_ASSIGN(const ListQuery query, parse_list_query(*kind, call.request.query));
  return list_page(snapshot, *kind, query);
}

asio::awaitable<void> InventoryRoutes::get_entity(const Call& call, http::ResponseWriter& writer) const {
  const auto answer = [&]() -> Result<std::pair<log::Offset, std::string>> {
    TANDEM_ASSIGN(const Asked asked, asked_snapshot(call, clock_.now()));
    const inventory::Snapshot& snapshot = asked.snapshot;
    TANDEM_TRY(snapshot.reaches(call.parameters[0]));
    TANDEM_ASSIGN(const inventory::Entity entity, entity_of(call, snapshot));
    TANDEM_ASSIGN(const auto fields, parse_fields(*known_kinds().find(entity.kind), call.request.query));
    return std::pair(entity.changed, to_json(whole_entity(entity, snapshot.offset(), fields)));
  }();
  if (!answer) {
    co_await respond_failure(answer.error(), writer);
    co_return;
  }
  const bool known = is_known(call.request, answer->first);
  http::Headers headers = tagged(answer->first);
  std::string body = known ? std::string() : answer->second;
  co_await writer.respond(known ? 304 : 200, std::move(headers), std::move(body));
}

asio::awaitable<void> InventoryRoutes::edit_entity(Operation operation, const Call& call,
                                                   http::ResponseWriter& writer) const {
  Result<Edits> edits = one_edit(operation, call);
  Result<log::Offset> offset = log::Offset{0};
  bool is_new = false;
  if (!edits) {
    offset = tl::unexpected(edits.error());
  } else {
    is_new = !call.published->state.inventory.has(edits->rows.front().kind, edits->rows.front().id);
    Trial trial = try_edits(call.published->state, *edits, clock_.now());
    if (trial.refused)
      offset = tl::unexpected(*trial.refused);
    else
      offset = co_await submit(core_, std::move(trial.events), guard_of(*edits));
  }
  if (!offset) {
    co_await respond_failure(offset.error(), writer);
    co_return;
  }
  const auto now = core_.published();
  const auto entity = now->state.inventory.find(call.parameters[0], call.parameters[1]);
  http::Headers headers = entity ? tagged(entity->changed) : http::json_headers();
  Json::Object answer{{"offset", *offset}, {"kind", call.parameters[0]}, {"id", call.parameters[1]}};
  if (entity) answer = whole_entity(*entity, *offset, std::nullopt);
  std::string body = to_json(answer);
  co_await writer.respond(is_new ? 201 : 200, std::move(headers), std::move(body));
}

asio::awaitable<void> InventoryRoutes::edit_many(Operation operation, const Call& call,
                                                 http::ResponseWriter& writer) const {
  bool dry_run = false;
  Edits edits;
  auto tried = co_await run_aside(aside_, [&]() -> Result<Trial> {
    TANDEM_ASSIGN(dry_run, read_flag(call.request, "dry_run"));
    if (!dry_run) TANDEM_TRY(may_change(call.request));
    if (operation == Operation::post_listed) return listed_trial(call);
    TANDEM_ASSIGN(const Json body, read_object(call.request, {"source", "feed", "items", "upsert", "standing",
                                                              "observed_at", "full", "partial", "defaults"}));
    if (body["upsert"].boolean()) {
      TANDEM_ASSIGN(UpsertBody upsert, read_upsert(body));
      return try_upsert(call.published->state, std::move(upsert), clock_.now());
    }
    TANDEM_TRY(check_no_upsert(body));
    TANDEM_ASSIGN(edits, read_edits(body));
    return try_edits(call.published->state, edits, clock_.now());
  });
  if (!tried) {
    co_await respond_failure(tried.error(), writer);
    co_return;
  }
  Json::Object answer{
      {"dry_run", dry_run}, {"accepted", !tried->refused}, {"offset", call.published->state.head.last()}};
  answer.merge(tried->more);
  if (operation == Operation::post_entities) answer["rows"] = std::move(tried->rows);
  int status = 200;
  std::optional<Error> refused = dry_run ? std::nullopt : tried->refused;
  if (!dry_run && !refused && !tried->events.empty()) {  // what says nothing new is recorded nowhere
    const auto offset = co_await submit(core_, std::move(tried->events), guard_of(edits));
    if (offset)
      answer["offset"] = *offset;
    else
      refused = offset.error();
  }
  if (refused) {
    status = status_of(*refused);
    answer["accepted"] = false;
    answer["error"] = error_json(*refused);
  }
  std::string body = to_json(answer);
  co_await writer.respond_json(status, std::move(body));
}

asio::awaitable<void> InventoryRoutes::erase_personal_data(const Call& call, http::ResponseWriter& writer) const {
  const std::string& kind = call.parameters[0];
  const std::string& id = call.parameters[1];
  const control::State& state = call.published->state;
  const bool known =
      !state.inventory.lives(kind, id).empty() || std::ranges::any_of(state.branches.all(), [&](const auto& branch) {
        return branch->edits.find(inventory::EntityKey{kind, id}) != nullptr;
      });
  Result<log::Offset> offset = log::Offset{0};
  if (auto allowed = may_change(call.request); !allowed) {
    offset = tl::unexpected(allowed.error());
  } else {
    std::vector<log::Event> events(1);
    events.front().set_actor("operator:api");
    v1::PersonalDataErased& erased = *events.front().mutable_personal_data_erased();
    erased.set_kind(kind);
    erased.set_id(id);
    erased.set_reason(http::query_value(call.request.query, "reason").value_or(""));
    offset = co_await submit(core_, std::move(events));
  }
  if (!offset) {
    co_await respond_failure(offset.error(), writer);
    co_return;
  }
  std::string body = to_json(Json::Object{{"offset", *offset}, {"kind", kind}, {"id", id}, {"known", known}});
  co_await writer.respond_json(200, std::move(body));
}

asio::awaitable<void> InventoryRoutes::handle(Operation operation, const Call& call,
                                              http::ResponseWriter& writer) const {
  switch (operation) {
    case Operation::get_entity: co_await get_entity(call, writer); co_return;
    case Operation::put_entity:
    case Operation::patch_entity:
    case Operation::delete_entity: co_await edit_entity(operation, call, writer); co_return;
    case Operation::post_entities:
    case Operation::post_listed: co_await edit_many(operation, call, writer); co_return;
    case Operation::erase_personal_data: co_await erase_personal_data(call, writer); co_return;
    default: {
      auto answer = co_await run_aside(aside_, [&] { return read(operation, call); });
      co_await respond_result(std::move(answer), writer);
    }
  }
}

}  // namespace tandem::api
