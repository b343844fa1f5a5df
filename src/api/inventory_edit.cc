#include "api/inventory_edit.h"

#include <fmt/format.h>

#include "api/call.h"
#include "base/text.h"

namespace tandem::api {
namespace {

constexpr std::string_view kDefaultSource = "operator";

tl::unexpected<Error> wrong(std::string place, std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::move(place));
}

constexpr std::string_view kSense[] = {"standing", "confidence", "observed_at", "valid_from", "valid_to"};

Result<int64_t> read_time(const Json& body, std::string_view name, const std::string& where) {
  if (body[name].is_null()) return int64_t{0};
  const auto time = parse_rfc3339(body[name].text());
  if (!time) return wrong(where + std::string(name), fmt::format("'{}' must be a time as 2026-11-21T08:00:00Z", name));
  return time->ns;
}

}  // namespace

Result<bool> read_flag(const Json& item, std::string_view name, const std::string& where) {
  if (item[name].is_null() || item[name].is_bool()) return item[name].boolean();
  return wrong(fmt::format("{}{}{}", where, where.empty() ? "" : ".", name),
               fmt::format("'{}' must be true or false", name));
}

Result<v1::FactsRecorded> read_sense(const Json& body, const std::string& where) {
  v1::FactsRecorded sense;
  const std::string_view standing = body["standing"].text("observed");
  const bool known = standing == "observed" || standing == "discovered" || standing == "intended";
  if (!known || !(body["standing"].is_null() || body["standing"].is_string()))
    return wrong(where + "standing", "'standing' is observed, discovered or intended");
  if (standing == "discovered") sense.set_standing(v1::STANDING_DISCOVERED);
  if (standing == "intended") sense.set_standing(v1::STANDING_INTENDED);
  const Json& confidence = body["confidence"];
  if (!confidence.is_null() && !(confidence.is_number() && confidence.number() > 0 && confidence.number() <= 1))
    return wrong(where + "confidence", "'confidence' is above 0 and at most 1");
  sense.set_confidence(confidence.number());
  TANDEM_ASSIGN(const int64_t observed, read_time(body, "observed_at", where));
  TANDEM_ASSIGN(const int64_t from, read_time(body, "valid_from", where));
  TANDEM_ASSIGN(const int64_t to, read_time(body, "valid_to", where));
  sense.set_observed_at_ns(observed);
  sense.set_valid_from_ns(from);
  sense.set_valid_to_ns(to);
  return sense;
}

namespace {

Result<Edit> read_item(const Json& item, const std::string& where) {
  constexpr std::string_view kMembers[] = {"kind", "id", "attributes", "delete", "replace", "expected"};
  if (!item.is_object()) return wrong(where, "an item must be an object");
  for (const auto& [name, value] : item.object())
    if (std::ranges::find(kMembers, name) == std::end(kMembers) && std::ranges::find(kSense, name) == std::end(kSense))
      return wrong(fmt::format("{}.{}", where, name.substr(0, 64)),
                   "an item has only 'kind', 'id', 'attributes', 'delete', 'replace', 'expected', and how its facts "
                   "are meant: 'standing', "
                   "'confidence', 'observed_at', 'valid_from', 'valid_to'");
  if (!item["kind"].is_string() || !item["id"].is_string())
    return wrong(where, "an item needs 'kind' and 'id', both text");
  Edit edit;
  edit.place = where + ".expected";
  edit.kind = item["kind"].text();
  edit.id = item["id"].text();
  TANDEM_ASSIGN(const bool remove, read_flag(item, "delete", where));
  TANDEM_ASSIGN(const bool replace, read_flag(item, "replace", where));
  if (remove == item["attributes"].is_object())
    return wrong(where, "an item needs either 'attributes', an object, or 'delete': true");
  edit.how = remove ? Edit::How::remove : replace ? Edit::How::replace : Edit::How::merge;
  edit.attributes = item["attributes"].object();
  TANDEM_ASSIGN(edit.sense, read_sense(item, where + "."));
  const Json& expected = item["expected"];
  if (!expected.is_null()) {
    if (!expected.is_integer() || expected.integer() < 0)
      return wrong(where + ".expected",
                   "'expected' is the offset at which the entity last changed, or 0 where it is to be new");
    edit.expected = static_cast<log::Offset>(expected.integer());
  }
  return edit;
}

std::string_view outcome_of(const Edit& edit, const std::optional<inventory::Entity>& before,
                            const inventory::Snapshot& after) {
  if (edit.how == Edit::How::remove) return "deleted";
  if (!before) return "created";
  return after.find(edit.kind, edit.id)->changed == before->changed ? "unchanged" : "changed";
}

// The tags of an If-Match or If-None-Match header. A weak tag is nobody's.
struct Tags {
  bool any = false;
  std::vector<log::Offset> offsets;
};

Result<Tags> read_tags(std::string_view name, std::string_view header) {
  constexpr size_t kTagsMax = 100;
  Tags tags;
  tags.any = trim(header) == "*";
  if (tags.any) return tags;
  for (std::string_view part : split(header, ',')) {
    part = trim(part);
    if (part.starts_with("W/")) continue;
    const bool quoted = part.size() > 2 && part.front() == '"' && part.back() == '"';
    const auto offset = quoted ? parse_integer(part.substr(1, part.size() - 2)) : std::nullopt;
    if (!offset || *offset < 1 || tags.offsets.size() == kTagsMax)
      return wrong(std::string(name),
                   fmt::format("'{}' takes *, or entity tags as the ETag header gives them, in quotes", name));
    tags.offsets.push_back(static_cast<log::Offset>(*offset));
  }
  return tags;
}

bool contains(const Tags& tags, log::Offset changed) {
  return changed != 0 &&
         (tags.any || std::find(tags.offsets.begin(), tags.offsets.end(), changed) != tags.offsets.end());
}

// What the writer had read is still so.
Result<void> check_expected(const inventory::Snapshot& believed, const std::string& kind, const std::string& id,
                            log::Offset expected, std::string_view where) {
  const auto entity = believed.find(kind, id);
  const log::Offset changed = entity ? entity->changed : 0;
  if (changed == expected) return {};
  const std::string now = changed == 0 ? "it is not there" : fmt::format("it last changed at offset {}", changed);
  const std::string then = expected == 0 ? "it was to be new" : fmt::format("it was read as of {}", expected);
  return fail_precondition(fmt::format("{}, but {}; read it again and decide anew", now, then), where);
}

}  // namespace

std::function<Result<void>(const control::State&)> guard_of(const Edits& edits) {
  struct Expected {
    std::string kind, id;
    log::Offset changed;
    std::string where;
  };
  std::vector<Expected> all;
  for (size_t i = 0; i < edits.rows.size(); ++i)
    if (const Edit& edit = edits.rows[i]; edit.expected)
      all.push_back({edit.kind, edit.id, *edit.expected, edit.place});
  if (all.empty()) return {};
  return [all = std::move(all)](const control::State& state) -> Result<void> {
    for (const Expected& one : all)
      TANDEM_TRY(check_expected(state.inventory, one.kind, one.id, one.changed, one.where));
    return {};
  };
}

log::Event event_of(const Edit& edit, const std::string& source, const inventory::Snapshot& believed) {
  log::Event event;
  event.set_actor(source);
  if (edit.how == Edit::How::remove) {
    v1::EntityRetracted& retracted = *event.mutable_entity_retracted();
    retracted.set_source(source);
    retracted.set_kind(edit.kind);
    retracted.set_id(edit.id);
    return event;
  }
  Json::Object attributes = edit.attributes;
  if (edit.how == Edit::How::replace)
    for (const auto& [name, value] : believed.attributes(edit.kind, edit.id)) attributes.try_emplace(name, nullptr);
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts = edit.sense;
  facts.set_source(source);
  facts.set_kind(edit.kind);
  facts.set_id(edit.id);
  for (const auto& [name, value] : attributes) inventory::add_attribute(facts, name, value);
  return event;
}

Result<std::string> read_source(const Json& body) {
  const Json& source = body["source"];
  if (!source.is_null() && (!source.is_string() || source.text().empty()))
    return wrong("source", "'source' must name who says so");
  return fmt::format("api:{}", source.is_null() ? kDefaultSource : source.text());
}

Result<Edits> parse_bulk(const http::Request& request) {
  TANDEM_ASSIGN(const Json body, read_object(request, {"source", "items", "upsert"}));
  return read_edits(body);
}

Result<Edits> read_edits(const Json& body) {
  Edits edits;
  TANDEM_ASSIGN(edits.source, read_source(body));
  const Json::Array& items = body["items"].array();
  if (items.empty()) return wrong("items", "'items' must be an array with at least one item");
  if (items.size() > kEditsMax)
    return fail(ErrorCode::too_large, fmt::format("{} items at once; send at most {}", items.size(), kEditsMax),
                "items");
  edits.rows.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    TANDEM_ASSIGN(Edit edit, read_item(items[i], fmt::format("items[{}]", i)));
    edits.rows.push_back(std::move(edit));
  }
  return edits;
}

Result<Edits> parse_one(const http::Request& request, Edit::How how, std::string kind, std::string id) {
  Edits edits;
  Edit edit;
  edit.how = how;
  edit.place = request.headers.find("if-match") ? "if-match" : "if-none-match";
  edit.kind = std::move(kind);
  edit.id = std::move(id);
  Json body = Json::Object{};
  if (how != Edit::How::remove) {
    TANDEM_ASSIGN(body, read_object(request, {"source", "attributes", "standing", "confidence", "observed_at",
                                              "valid_from", "valid_to"}));
    TANDEM_ASSIGN(edit.sense, read_sense(body, ""));
    if (!body["attributes"].is_object())
      return wrong("attributes", "'attributes' must be an object: attribute to value, null takes one back");
    edit.attributes = body["attributes"].object();
  }
  TANDEM_ASSIGN(edits.source, read_source(body));
  edits.rows.push_back(std::move(edit));
  return edits;
}

std::string entity_tag(log::Offset changed) { return fmt::format("\"{}\"", changed); }

Result<std::optional<log::Offset>> read_expectation(const http::Request& request, log::Offset changed) {
  const auto if_match = request.headers.find("if-match");
  const auto if_none_match = request.headers.find("if-none-match");
  if (!if_match && !if_none_match) return std::optional<log::Offset>();
  if (if_match) {
    TANDEM_ASSIGN(const Tags tags, read_tags("if-match", *if_match));
    if (!contains(tags, changed))
      return fail_precondition(
          changed == 0 ? "the entity is not there (any more)"
                       : fmt::format("the entity changed meanwhile: its tag is now {}; read it again and decide anew",
                                     entity_tag(changed)),
          "if-match");
  }
  if (if_none_match) {
    TANDEM_ASSIGN(const Tags tags, read_tags("if-none-match", *if_none_match));
    if (contains(tags, changed)) return fail_precondition("the entity is there already", "if-none-match");
  }
  return std::optional(changed);
}

bool is_known(const http::Request& request, log::Offset changed) {
  const auto header = request.headers.find("if-none-match");
  if (!header) return false;
  const auto tags = read_tags("if-none-match", *header);
  return tags && contains(*tags, changed);
}

Trial try_edits(const control::State& state, const Edits& edits, Instant now) {
  Trial trial;
  control::State draft = state;
  inventory::ChangeSet changes;
  for (size_t i = 0; i < edits.rows.size(); ++i) {
    const Edit& edit = edits.rows[i];
    Json::Object row{{"row", uint64_t{i}}, {"kind", edit.kind}, {"id", edit.id}};
    log::Event event = event_of(edit, edits.source, draft.inventory);
    auto expected = edit.expected ? check_expected(state.inventory, edit.kind, edit.id, *edit.expected, edit.place)
                                  : Result<void>();
    auto stepped = expected ? control::step(draft, event, now) : tl::unexpected(std::move(expected.error()));
    if (!stepped) {
      row["outcome"] = "refused";
      row["error"] = error_json(stepped.error());
      if (!trial.refused) trial.refused = stepped.error();
    } else {
      const auto before = draft.inventory.find(edit.kind, edit.id);
      for (const log::Event& admitted : *stepped)
        control::fold(draft, admitted, draft.inventory.offset() + 1, now, changes);
      row["outcome"] = outcome_of(edit, before, draft.inventory);
      trial.events.push_back(std::move(event));
    }
    trial.rows.push_back(std::move(row));
  }
  return trial;
}

}  // namespace tandem::api
