// Entities as a grid file that people can go on editing.
#include <algorithm>
#include <string>

#include "ingest/ingest.h"
#include "ingest/yaml_value.h"

namespace tandem::ingest {
namespace {

void write_grid_attributes(std::string& out, const grid::Kind& kind, const grid::Entity& entity) {
  for (const grid::Attribute& attribute : kind.attributes) {
    const auto found = entity.attributes.find(attribute.name);
    if (found == entity.attributes.end() || found->second.is_null()) continue;
    append_yaml_attribute(out, attribute, found->second);
  }
}

}  // namespace

std::string write_grid_file(std::span<const grid::Entity> entities) {
  std::string out = "tandem: " + std::to_string(grid::kFileFormat) + "\n";
  for (const grid::Kind& kind : grid::kinds()) {
    std::vector<const grid::Entity*> own;
    for (const grid::Entity& entity : entities)
      if (entity.kind == kind.name) own.push_back(&entity);
    std::stable_sort(own.begin(), own.end(),
                     [](const grid::Entity* a, const grid::Entity* b) { return a->id < b->id; });
    if (own.empty()) continue;
    if (kind.section.empty()) {
      write_grid_attributes(out, kind, *own.front());
      continue;
    }
    out += "\n" + std::string(kind.section) + ":\n";
    for (const grid::Entity* entity : own) append_yaml_entity(out, entity->id, kind.attributes, entity->attributes);
  }
  return out;
}

}  // namespace tandem::ingest
