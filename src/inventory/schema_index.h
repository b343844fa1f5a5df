// What the ontology makes of an entity's claims: whom it refers to, and by which unique values it is known.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/record.h"
#include "ontology/ontology.h"

namespace tandem::inventory {

struct Reference {
  std::string kind;  // of the ontology, or kJurisdiction
  std::string id;
  auto operator<=>(const Reference&) const = default;
};

// One value that no other entity of the kind should have, by one of its unique constraints.
struct UniqueValue {
  size_t constraint = 0;  // position among the kind's constraints
  std::string value;      // as ontology::unique_values gives it
  auto operator<=>(const UniqueValue&) const = default;
};

// What matters here of one kind; the same object for a kind each time, for as long as the program runs.
struct IndexedKind {
  struct Key {
    size_t constraint = 0;
    const ontology::Unique* unique = nullptr;
    bool concerns(std::string_view attribute) const;
  };
  const ontology::Kind* kind = nullptr;
  std::vector<const grid::Attribute*> references;  // attributes that name others, ascending by name
  std::vector<Key> keys;
  std::vector<std::string_view> attributes;  // that either of them is made of, ascending
};
const IndexedKind* indexed_kind(
    std::string_view kind);  // null where the ontology has none, or nothing of it is indexed

// Each ascending, each once.
std::vector<Reference> references_of(const IndexedKind& kind, std::span<const ClaimView> claims);
// Of an entity's attributes as JSON; none of a kind that the ontology does not have.
std::vector<Reference> references_of(std::string_view kind, const Json::Object& attributes);
// `believed` are one claim an attribute.
std::vector<UniqueValue> unique_values_of(const IndexedKind& kind, std::span<const ClaimView> believed);

}  // namespace tandem::inventory
