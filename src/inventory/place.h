// Where an entity stands, by the relations that locate.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/inventory.h"
#include "ontology/ontology.h"

namespace tandem::inventory {

// The entity that a relation's value names; nothing where the value is no reference.
std::optional<Referrer> target_of(const ontology::Relation& relation, const Json& value);

struct Place {
  std::string site;                        // id; empty where none is known
  std::optional<double> latitude_deg, longitude_deg;
  std::string path;                        // "slot 3 of device r-1, unit 7 of rack k-2, site Hamburg"
};

// Following what locates it upward, at most 16 steps; of a line that stands nowhere, where its first known end is.
Place place_of(const Snapshot& snapshot, const Referrer& entity);

}  // namespace tandem::inventory
