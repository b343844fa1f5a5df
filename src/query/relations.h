// Who refers to whom, and what the ontology says of it: whom a failure takes down, what stands in what.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ontology/ontology.h"
#include "query/entity_tables.h"
#include "query/virtual_table.h"

namespace tandem::query {

struct Relation {
  std::string attribute;    // "anchors.node" within a record
  std::string_view name;    // as the ontology reads it, "surfaces_at"; empty where it has none
  bool located_in = false;  // the other is where the entity stands
  ontology::Impact impact = ontology::Impact::none;
  EntityKey to;  // of the kind "jurisdiction", too, which has no entities
};

// What the entity refers to, by attribute, in the order of its lists; each other entity once for each attribute.
std::vector<Relation> relations_of(const inventory::Snapshot& snapshot, const EntityKey& from);

std::unique_ptr<VirtualTable> relations_table();

}  // namespace tandem::query
