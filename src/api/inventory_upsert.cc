#include "api/inventory_upsert.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/call.h"
#include "grid/schema.h"

namespace tandem::api {
namespace {

constexpr std::string_view kMembers[] = {"kind", "id", "name", "attributes", "weak"};
constexpr std::string_view kOfUpserts[] = {"feed", "standing", "observed_at", "full", "partial", "defaults"};
constexpr size_t kFeedNameBytesMax = 128;  // as an id: who says something may have an entity of kind `source`

tl::unexpected<Error> wrong_item(std::string place, std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::move(place));
}

Result<inventory::Row> read_row(const Json& item, const std::string& where) {
  if (!item.is_object()) return wrong_item(where, "an item must be an object");
  for (const auto& [name, value] : item.object())
    if (std::ranges::find(kMembers, name) == std::end(kMembers))
      return wrong_item(fmt::format("{}.{}", where, name.substr(0, 64)),
                        "an item of an upsert has only 'kind', 'id', 'name', 'attributes' and 'weak'");
  for (const char* name : {"id", "name"})
    if (!item[name].is_null() && !item[name].is_string())
      return wrong_item(fmt::format("{}.{}", where, name), "it must be text");
  if (!item["kind"].is_string() || !item["attributes"].is_object())
    return wrong_item(where, "an item needs 'kind', text, and 'attributes', an object");
  inventory::Row row;
  row.kind = item["kind"].text();
  row.id = item["id"].text();
  row.name = item["name"].text();
  row.attributes = item["attributes"].object();
  if (!item["weak"].is_null() && !item["weak"].is_array())
    return wrong_item(where + ".weak", "'weak' lists attributes");
  for (const Json& name : item["weak"].array()) row.weak.emplace_back(name.text());
  return row;
}

struct Voice {
  std::string source, actor;
};

// "feed" names the source as it is, "source" somebody at this interface.
Result<Voice> read_voice(const Json& body) {
  const Json& feed = body["feed"];
  TANDEM_ASSIGN(std::string source, read_source(body));
  if (feed.is_null()) return Voice{source, source};
  const bool named = feed.is_string() && !feed.text().empty() && feed.text().size() <= kFeedNameBytesMax;
  if (!named || !body["source"].is_null())
    return wrong_item("feed", "'feed' names the source that the rows are of, in place of 'source'");
  return Voice{std::string(feed.text()), fmt::format("api:{}", feed.text())};
}

inventory::Standing standing_of(v1::Standing standing) {
  if (standing == v1::STANDING_DISCOVERED) return inventory::Standing::discovered;
  return standing == v1::STANDING_INTENDED ? inventory::Standing::intended : inventory::Standing::observed;
}

Result<inventory::UpsertOptions> read_options(const Json& body) {
  inventory::UpsertOptions options;
  TANDEM_ASSIGN(Voice voice, read_voice(body));
  options.source = std::move(voice.source);
  options.actor = std::move(voice.actor);
  TANDEM_ASSIGN(const v1::FactsRecorded sense, read_sense(body, ""));
  options.standing = standing_of(sense.standing());
  options.observed_at_ns = sense.observed_at_ns();
  TANDEM_ASSIGN(options.full, read_flag(body, "full", ""));
  TANDEM_ASSIGN(options.partial, read_flag(body, "partial", ""));
  const Json& defaults = body["defaults"];
  if (!defaults.is_null() && !defaults.is_object()) return wrong_item("defaults", "'defaults' has attributes by kind");
  for (const auto& [kind, attributes] : defaults.object()) {
    if (!attributes.is_object())
      return wrong_item("defaults." + kind.substr(0, 64), "'defaults' has attributes by kind");
    options.defaults[kind] = attributes.object();
  }
  return options;
}

Result<std::string> read_id(const Json& body, std::string_view name) {
  if (body[name].is_null() || (body[name].is_string() && body[name].text().size() <= grid::kIdBytesMax))
    return std::string(body[name].text());
  return wrong_item(std::string(name), fmt::format("'{}' is an id", name));
}

Json problem_json(const inventory::RowProblem& problem) {
  return Json::Object{{"message", problem.message},
                      {"fix", problem.fix.empty() ? Json() : Json(problem.fix)},
                      {"param", problem.attribute.empty() ? Json() : Json(problem.attribute)},
                      {"code", "invalid_argument"},
                      {"type", describe(ErrorCode::invalid_argument).openai_type}};
}

}  // namespace

Result<UpsertBody> read_upsert(const Json& body) {
  UpsertBody upsert;
  TANDEM_ASSIGN(upsert.options, read_options(body));
  const Json::Array& items = body["items"].array();
  if (items.empty()) return wrong_item("items", "'items' must be an array with at least one item");
  if (items.size() > kEditsMax)
    return fail(ErrorCode::too_large, fmt::format("{} items at once; send at most {}", items.size(), kEditsMax),
                "items");
  for (size_t i = 0; i < items.size(); ++i) {
    TANDEM_ASSIGN(inventory::Row row, read_row(items[i], fmt::format("items[{}]", i)));
    upsert.rows.push_back(std::move(row));
  }
  return upsert;
}

Trial try_upsert(const control::State& state, UpsertBody body, Instant now) {
  const bool partial = body.options.partial, full = body.options.full;
  inventory::Upsert upsert(state.inventory, std::move(body.options));
  std::vector<std::string> kinds;
  for (inventory::Row& row : body.rows) {
    kinds.push_back(row.kind);
    upsert.add(std::move(row));
  }
  upsert.finish();
  Trial trial;
  for (size_t i = 0; i < kinds.size(); ++i)
    trial.rows.push_back(Json::Object{{"row", uint64_t{i}},
                                      {"kind", kinds[i]},
                                      {"id", upsert.id(i)},
                                      {"outcome", inventory::to_string(upsert.outcome(i))}});
  const auto refuse = [&](size_t row, Json error, Error first) {
    Json::Object changed = trial.rows[row].object();
    changed["outcome"] = "refused";
    changed["error"] = std::move(error);
    trial.rows[row] = std::move(changed);
    if (!trial.refused && !partial) trial.refused = std::move(first);
  };
  for (const inventory::RowProblem& problem : upsert.problems())
    refuse(problem.row, problem_json(problem),
           {ErrorCode::invalid_argument, problem.message, fmt::format("items[{}]", problem.row)});
  control::State draft = state;
  inventory::ChangeSet changes;
  upsert.for_each_event([&](log::Event event, size_t row) {
    if (auto stepped = control::step(draft, event, now)) {
      for (const log::Event& admitted : *stepped)
        control::fold(draft, admitted, draft.inventory.offset() + 1, now, changes);
      trial.events.push_back(std::move(event));
    } else if (row != inventory::Upsert::kNoRow) {
      refuse(row, error_json(stepped.error()), stepped.error());
    } else if (!trial.refused) {
      trial.refused = stepped.error();
    }
    return true;
  });
  Json::Array notes;
  for (std::string& note : upsert.notes()) notes.push_back(std::move(note));
  if (!notes.empty()) trial.more["notes"] = std::move(notes);
  if (full) trial.more["unseen"] = uint64_t{upsert.counts().unseen};
  if (full && trial.events.size() > kEditsMax && !trial.refused)
    trial.refused = Error{ErrorCode::too_large,
                          fmt::format("{} entities would no longer be seen, too many at once; send the rows without "
                                      "'full', then what is listed to /api/v1/inventory/{{kind}}/unseen",
                                      upsert.counts().unseen),
                          "full"};
  return trial;
}

Result<void> check_no_upsert(const Json& body) {
  for (const std::string_view name : kOfUpserts)
    if (!body[name].is_null())
      return wrong_item(std::string(name), fmt::format("'{}' goes with \"upsert\": true alone", name));
  return {};
}

Result<ListedBody> read_listed(const Json& body) {
  ListedBody listed;
  TANDEM_ASSIGN(Voice voice, read_voice(body));
  listed.source = std::move(voice.source);
  listed.actor = std::move(voice.actor);
  TANDEM_ASSIGN(const v1::FactsRecorded sense, read_sense(body, ""));
  listed.observed_at_ns = sense.observed_at_ns();
  TANDEM_ASSIGN(listed.after, read_id(body, "after"));
  TANDEM_ASSIGN(std::string up_to, read_id(body, "up_to"));
  if (!up_to.empty()) listed.up_to = std::move(up_to);
  if (!body["ids"].is_array())
    return wrong_item("ids", "'ids' lists what the source sees of the kind, between 'after' and 'up_to'");
  if (body["ids"].array().size() > kListedMax)
    return fail(ErrorCode::too_large,
                fmt::format("{} ids at once; send at most {}, and the range that they are of in 'after' and 'up_to'",
                            body["ids"].array().size(), kListedMax),
                "ids");
  for (const Json& id : body["ids"].array()) {
    if (!id.is_string()) return wrong_item("ids", "ids are texts");
    listed.ids.emplace_back(id.text());
  }
  std::ranges::sort(listed.ids);
  return listed;
}

Trial try_listed(const control::State& state, const std::string& kind, const ListedBody& body) {
  Trial trial;
  size_t looked_at = 0;
  std::string last = body.after;
  Json next;
  state.inventory.for_each_id(
      kind,
      [&](const std::string& id) {
        if (id == body.after) return true;
        if (body.up_to && id > *body.up_to) return false;
        if (trial.events.size() == kEditsMax || looked_at == kPresencesReadMax) return next = last, false;
        ++looked_at;
        last = id;
        if (std::ranges::binary_search(body.ids, id)) return true;
        const auto presences = state.inventory.presences(kind, id);
        const auto presence = std::ranges::find(presences, body.source, &inventory::Presence::source);
        if (presence == presences.end() || presence->unseen_since) return true;
        log::Event& event = trial.events.emplace_back();
        event.set_actor(body.actor);
        v1::EntityUnseen& unseen = *event.mutable_entity_unseen();
        unseen.set_source(body.source);
        unseen.set_kind(kind);
        unseen.set_id(id);
        unseen.set_observed_at_ns(body.observed_at_ns);
        return true;
      },
      body.after);
  trial.more["unseen"] = uint64_t{trial.events.size()};
  trial.more["next"] = std::move(next);
  return trial;
}

}  // namespace tandem::api
