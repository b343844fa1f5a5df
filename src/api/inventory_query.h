// What a caller asks of a list of entities, from the query of a URL, and the page that answers it. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "grid/schema.h"
#include "inventory/inventory.h"

namespace tandem::api {

inline constexpr size_t kPageDefault = 100;
inline constexpr size_t kPageMax = 1'000;     // ~1 MB of JSON
inline constexpr size_t kConditionsMax = 20;  // more than a person writes, and each costs a look at every entity
inline constexpr size_t kChoicesMax = 100;    // values of one condition
// Entities looked at for one page, ~20 ms: a rare value in a large kind takes several pages, some of them empty, and
// never the thread that serves others.
inline constexpr size_t kLookedAtMax = 10'000;

enum class Comparison : uint8_t { one_of, none_of, less, less_or_equal, greater, greater_or_equal, prefix, exists };

// One condition on an attribute, or on "id", "created" or "changed".
struct Condition {
  std::string attribute;
  const grid::Attribute* schema = nullptr;  // null for the three
  Comparison comparison = Comparison::one_of;
  std::vector<Json> values;  // one_of and none_of: any number; exists: a boolean; else one
};

struct ListQuery {
  size_t limit = kPageDefault;
  std::string after;                               // the last id of the page before; empty for the first
  std::vector<Condition> conditions;               // all must hold
  std::optional<std::vector<std::string>> fields;  // ascending; nothing: every attribute
  std::string digest;                              // of kind and conditions: a cursor goes with them
};

// Errors: invalid_argument, its context the parameter that is wrong.
Result<ListQuery> parse_list_query(const grid::Kind& kind, std::string_view query);
// The attributes that `fields=` names; nothing when it is not there. Errors: invalid_argument.
Result<std::optional<std::vector<std::string>>> parse_fields(const grid::Kind& kind, std::string_view query);

// {"offset","kind","items","next","total"}: `next` is the cursor of the page after it, null at the end. A page may hold
// fewer than were asked for, even none, where many had to be looked at.
Json list_page(const inventory::Snapshot& snapshot, const grid::Kind& kind, const ListQuery& query);

// {"id","attributes","created","changed"}.
Json::Object entity_json(const inventory::Entity& entity, const std::optional<std::vector<std::string>>& fields);

bool holds(const Condition& condition, const inventory::Entity& entity);

}  // namespace tandem::api
