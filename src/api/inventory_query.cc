#include "api/inventory_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/digest.h"
#include "base/text.h"
#include "http/message.h"

namespace tandem::api {
namespace {

constexpr std::array<std::string_view, 5> kReserved{"limit", "cursor", "fields", "as_of", "branch"};
constexpr std::array<std::string_view, 3> kOwn{"id", "created", "changed"};  // of an entity beside its attributes
constexpr size_t kNameBytesShown = 64;

constexpr std::array<std::pair<std::string_view, Comparison>, 9> kComparisons{{
    {"eq", Comparison::one_of},
    {"in", Comparison::one_of},
    {"ne", Comparison::none_of},
    {"lt", Comparison::less},
    {"lte", Comparison::less_or_equal},
    {"gt", Comparison::greater},
    {"gte", Comparison::greater_or_equal},
    {"prefix", Comparison::prefix},
    {"exists", Comparison::exists},
}};

template <class Range>
bool contains(const Range& range, std::string_view name) {
  return std::find(range.begin(), range.end(), name) != range.end();
}

tl::unexpected<Error> wrong_parameter(std::string_view parameter, std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::string(parameter.substr(0, kNameBytesShown)));
}

Result<const grid::Attribute*> attribute_named(const grid::Kind& kind, std::string_view name) {
  if (const grid::Attribute* attribute = kind.find(name)) return attribute;
  std::vector<std::string> known(kOwn.begin(), kOwn.end());
  for (const grid::Attribute& attribute : kind.attributes) known.emplace_back(attribute.name);
  const auto meant = nearest(name, known);
  return wrong_parameter(name, fmt::format("a {} has no attribute '{}'{}", kind.name, name.substr(0, kNameBytesShown),
                                           meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
}

// "delay_us[gte]" into the name and the comparison.
Result<std::pair<std::string_view, Comparison>> split_key(std::string_view key) {
  const size_t open = key.find('[');
  if (open == std::string_view::npos) return std::pair(key, Comparison::one_of);
  const std::string_view word = key.ends_with(']') ? key.substr(open + 1, key.size() - open - 2) : std::string_view();
  for (const auto& [name, comparison] : kComparisons)
    if (name == word) return std::pair(key.substr(0, open), comparison);
  return wrong_parameter(
      key,
      fmt::format("'{}' is no condition; write one of eq, in, ne, lt, lte, gt, gte, prefix, exists in the brackets",
                  key.substr(0, kNameBytesShown)));
}

Result<Json> read_value(std::string_view key, grid::Type type, std::string_view text) {
  switch (type) {
    case grid::Type::boolean:
      if (text == "true" || text == "false") return Json(text == "true");
      return wrong_parameter(key, "the value must be true or false");
    case grid::Type::integer:
    case grid::Type::number:
      if (const auto number = parse_number(text)) return Json(*number);
      return wrong_parameter(key, "the value must be a number");
    case grid::Type::record: return wrong_parameter(key, "records are not compared; only [exists] asks about one");
    default: return Json(text);
  }
}

Result<Condition> read_condition(const grid::Kind& kind, const std::string& key, const std::string& text) {
  TANDEM_ASSIGN(const auto split_up, split_key(key));
  Condition condition;
  condition.attribute = split_up.first;
  condition.comparison = split_up.second;
  grid::Type type = condition.attribute == "id" ? grid::Type::text : grid::Type::integer;
  if (!contains(kOwn, condition.attribute)) {
    TANDEM_ASSIGN(condition.schema, attribute_named(kind, condition.attribute));
    type = condition.schema->type;
  }
  if (condition.comparison == Comparison::exists) {
    TANDEM_ASSIGN(Json flag, read_value(key, grid::Type::boolean, text));
    condition.values.push_back(std::move(flag));
    return condition;
  }
  const bool is_text = type != grid::Type::boolean && type != grid::Type::integer && type != grid::Type::number &&
                       type != grid::Type::record;
  if (condition.comparison == Comparison::prefix && !is_text) return wrong_parameter(key, "only text has a prefix");
  const bool several = key.ends_with("[in]");
  for (const std::string_view part : several ? split(text, ',') : std::vector<std::string_view>{text}) {
    TANDEM_ASSIGN(Json value, read_value(key, type, part));
    const bool whole = condition.comparison == Comparison::one_of || condition.comparison == Comparison::none_of;
    if (whole && condition.schema != nullptr && !condition.schema->choices.empty() &&
        !contains(condition.schema->choices, value.text()))
      return wrong_parameter(key, fmt::format("'{}' is no {}; one of {}", part.substr(0, kNameBytesShown),
                                              condition.attribute, fmt::join(condition.schema->choices, ", ")));
    condition.values.push_back(std::move(value));
  }
  if (condition.values.size() > kChoicesMax)
    return wrong_parameter(key, fmt::format("at most {} values are compared with", kChoicesMax));
  return condition;
}

// What pages of one list have in common, so that a cursor of another list is seen.
std::string digest_of(const grid::Kind& kind, std::vector<std::pair<std::string, std::string>> pairs) {
  std::erase_if(pairs, [](const auto& pair) {
    return contains(kReserved, pair.first) && pair.first != "as_of" && pair.first != "branch";
  });
  std::ranges::sort(pairs);
  Hasher hasher;
  hasher.update(kind.name);
  for (const auto& [key, value] : pairs)
    hasher.update(uint64_t{key.size()}).update(key).update(uint64_t{value.size()}).update(value);
  return to_hex(hasher.finish()).substr(0, 8);
}

std::string make_cursor(const ListQuery& query, std::string_view last_id) {
  return fmt::format("{}.{}", query.digest, last_id);
}

Result<std::string> read_cursor(const ListQuery& query, std::string_view cursor) {
  constexpr size_t kDigestBytes = 8;
  const bool whole = cursor.size() > kDigestBytes + 1 && cursor[kDigestBytes] == '.' &&
                     !grid::check_id(cursor.substr(kDigestBytes + 1));
  if (!whole)
    return wrong_parameter("cursor",
                           "this is no cursor; take `next` of the page before, or leave it out for the first page");
  if (cursor.substr(0, kDigestBytes) != query.digest)
    return wrong_parameter("cursor", "this cursor is of a list with other conditions; start again without one");
  return std::string(cursor.substr(kDigestBytes + 1));
}

Json::Object own_values(const inventory::Entity& entity) {
  return {{"id", entity.id}, {"created", entity.created}, {"changed", entity.changed}};
}

Json value_of(const Condition& condition, const inventory::Entity& entity) {
  if (condition.schema == nullptr) return own_values(entity)[condition.attribute];
  const v1::Value* value = entity.find(condition.attribute);
  return value != nullptr ? inventory::to_json_value(*value) : condition.schema->absent;
}

bool is_equal(const Json& value, const Json& wanted) {
  return value.is_number() && wanted.is_number() ? value.number() == wanted.number() : value == wanted;
}

bool compares(const Json& value, Comparison comparison, const std::vector<Json>& wanted) {
  if (comparison == Comparison::one_of || comparison == Comparison::none_of)
    return std::ranges::any_of(wanted, [&](const Json& one) { return is_equal(value, one); });
  if (comparison == Comparison::prefix) return value.is_string() && value.text().starts_with(wanted.front().text());
  if (value.is_number() != wanted.front().is_number() || value.is_string() != wanted.front().is_string()) return false;
  const auto order = value.is_number() ? std::partial_ordering(value.number() <=> wanted.front().number())
                                       : std::partial_ordering(value.text() <=> wanted.front().text());
  switch (comparison) {
    case Comparison::less: return order < 0;
    case Comparison::less_or_equal: return order <= 0;
    case Comparison::greater: return order > 0;
    default: return order >= 0;
  }
}

// Ids of the kind that can meet the conditions, where one names them, or the entity that few refer to; else nothing.
std::optional<std::vector<std::string>> candidates(const inventory::Snapshot& snapshot, const grid::Kind& kind,
                                                   const ListQuery& query) {
  for (const Condition& condition : query.conditions) {
    if (condition.attribute == "id" && condition.schema == nullptr && condition.comparison == Comparison::one_of) {
      std::set<std::string> ids;
      for (const Json& id : condition.values)
        if (id.text() > query.after) ids.emplace(id.text());
      return std::vector<std::string>(ids.begin(), ids.end());
    }
    const bool direct = condition.schema != nullptr && condition.schema->type == grid::Type::reference &&
                        condition.comparison == Comparison::one_of && condition.values.size() == 1;
    if (!direct) continue;
    const grid::Target target = grid::target_of(*condition.schema, condition.values.front().text());
    const auto referrers = snapshot.referrers(target.kind, target.id, kLookedAtMax);
    if (referrers.size() == kLookedAtMax) continue;
    std::vector<std::string> ids;
    for (const inventory::Referrer& referrer : referrers)
      if (referrer.kind == kind.name && referrer.id > query.after) ids.push_back(referrer.id);
    return ids;
  }
  return std::nullopt;
}

// The page in the making.
struct Page {
  const ListQuery& query;
  Json::Array items;
  size_t looked_at = 0;
  std::string last;
  bool more = false;

  // False when the page is full.
  bool take(const inventory::Entity& entity) {
    if (entity.id == query.after) return true;
    if (items.size() == query.limit || looked_at == kLookedAtMax) {
      more = true;
      return false;
    }
    ++looked_at;
    last = entity.id;
    if (std::ranges::all_of(query.conditions, [&](const Condition& condition) { return holds(condition, entity); }))
      items.push_back(entity_json(entity, query.fields));
    return true;
  }
};

// Where the first entity that the conditions on the id allow may stand.
std::string first_id(const ListQuery& query) {
  std::string first = query.after;
  for (const Condition& condition : query.conditions) {
    const bool bounds = condition.attribute == "id" && condition.schema == nullptr &&
                        (condition.comparison == Comparison::prefix || condition.comparison == Comparison::greater ||
                         condition.comparison == Comparison::greater_or_equal);
    if (bounds) first = std::max(first, std::string(condition.values.front().text()));
  }
  return first;
}

// True once no later id can meet the conditions.
bool is_past(const ListQuery& query, const std::string& id) {
  return std::ranges::any_of(query.conditions, [&](const Condition& condition) {
    if (condition.attribute != "id" || condition.schema != nullptr) return false;
    const std::string_view wanted = condition.values.front().text();
    if (condition.comparison == Comparison::prefix) return id.substr(0, wanted.size()) > wanted;
    return (condition.comparison == Comparison::less && id >= wanted) ||
           (condition.comparison == Comparison::less_or_equal && id > wanted);
  });
}

}  // namespace

bool holds(const Condition& condition, const inventory::Entity& entity) {
  if (condition.comparison == Comparison::exists)
    return (condition.schema == nullptr || entity.find(condition.attribute) != nullptr) ==
           condition.values.front().boolean();
  const Json value = value_of(condition, entity);
  const bool any =
      value.is_array()
          ? std::ranges::any_of(
                value.array(), [&](const Json& item) { return compares(item, condition.comparison, condition.values); })
          : compares(value, condition.comparison, condition.values);
  return condition.comparison == Comparison::none_of ? !any : any;
}

Result<std::optional<std::vector<std::string>>> parse_fields(const grid::Kind& kind, std::string_view query) {
  const auto text = http::query_value(query, "fields");
  if (!text) return std::optional<std::vector<std::string>>();
  std::set<std::string> fields;
  for (const std::string_view name : split(*text, ',')) {
    if (contains(kOwn, name) || name.empty()) continue;  // they are always there
    if (auto known = attribute_named(kind, name); !known) return wrong_parameter("fields", known.error().message);
    fields.emplace(name);
  }
  return std::optional(std::vector<std::string>(fields.begin(), fields.end()));
}

Result<ListQuery> parse_list_query(const grid::Kind& kind, std::string_view query) {
  ListQuery list;
  TANDEM_ASSIGN(list.fields, parse_fields(kind, query));
  const auto pairs = http::parse_query(query);
  list.digest = digest_of(kind, pairs);
  for (const auto& [key, value] : pairs) {
    if (key == "limit") {
      const auto limit = parse_integer(value);
      if (!limit || *limit < 1)
        return wrong_parameter(key, fmt::format("'limit' must be a whole number from 1 to {}", kPageMax));
      list.limit = std::min<size_t>(static_cast<size_t>(*limit), kPageMax);
    } else if (key == "cursor") {
      TANDEM_ASSIGN(list.after, read_cursor(list, value));
    } else if (!contains(kReserved, key)) {
      if (list.conditions.size() == kConditionsMax)
        return wrong_parameter(key, fmt::format("at most {} conditions are taken", kConditionsMax));
      TANDEM_ASSIGN(Condition condition, read_condition(kind, key, value));
      list.conditions.push_back(std::move(condition));
    }
  }
  return list;
}

Json::Object entity_json(const inventory::Entity& entity, const std::optional<std::vector<std::string>>& fields) {
  Json::Object attributes;
  for (const inventory::Attribute& attribute : entity.attributes)
    if (!fields || std::ranges::binary_search(*fields, attribute.name))
      attributes.emplace_hint(attributes.end(), attribute.name, inventory::to_json_value(attribute.value));
  Json::Object json = own_values(entity);
  json["attributes"] = std::move(attributes);
  return json;
}

Json list_page(const inventory::Snapshot& snapshot, const grid::Kind& kind, const ListQuery& query) {
  Page page{query, {}, 0, {}, false};
  if (const auto ids = candidates(snapshot, kind, query)) {
    for (const std::string& id : *ids)
      if (const auto entity = snapshot.find(kind.name, id); entity && !page.take(*entity)) break;
  } else {
    const auto visit = [&](const inventory::Entity& entity) { return !is_past(query, entity.id) && page.take(entity); };
    snapshot.for_each(kind.name, visit, first_id(query));
  }
  return Json::Object{{"offset", snapshot.offset()},
                      {"kind", kind.name},
                      {"items", std::move(page.items)},
                      {"next", page.more ? Json(make_cursor(query, page.last)) : Json()},
                      {"total", uint64_t{snapshot.size(kind.name)}}};
}

}  // namespace tandem::api
