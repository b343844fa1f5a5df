// Which entities a value refers to, by the schema.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "inventory/record.h"

namespace tandem::inventory {

struct Reference {
  std::string_view kind;  // in the schema, or kJurisdiction
  std::string id;
  auto operator<=>(const Reference&) const = default;
};

// True when an entity of this kind may refer to others.
bool may_refer(std::string_view kind);

// What the record of an entity of that kind refers to, sorted, as often as it does.
std::vector<Reference> references_of(std::string_view kind, std::string_view record);
// The same of its attributes as JSON.
std::vector<Reference> references_of(std::string_view kind, const Json::Object& attributes);

}  // namespace tandem::inventory
