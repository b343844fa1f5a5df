#include "inventory/references.h"

#include <algorithm>

#include "inventory/inventory.h"
#include "ontology/ontology.h"

namespace tandem::inventory {
namespace {

bool refers(const grid::Attribute& attribute) {
  return attribute.type == grid::Type::reference || attribute.format == grid::Format::jurisdiction ||
         (attribute.type == grid::Type::record && std::ranges::any_of(attribute.fields, refers));
}

void collect(const grid::Attribute& attribute, const Json& value, std::vector<Reference>& out) {
  if (value.is_array()) {
    for (const Json& item : value.array()) collect(attribute, item, out);
  } else if (attribute.type == grid::Type::reference) {
    if (!value.is_string()) return;
    const grid::Target target = grid::target_of(attribute, value.text());
    if (const auto* kind = ontology::Ontology::built_in().find(target.kind)) out.push_back({kind->name, std::string(target.id)});
  } else if (attribute.format == grid::Format::jurisdiction) {
    if (value.is_string()) out.push_back({kJurisdiction, std::string(value.text())});
  } else if (attribute.type == grid::Type::record) {
    for (const grid::Attribute& field : attribute.fields)
      if (refers(field)) collect(field, value[field.name], out);
  }
}

}  // namespace

bool may_refer(std::string_view name) {
  const ontology::Kind* kind = ontology::Ontology::built_in().find(name);
  return kind && std::ranges::any_of(kind->attributes, refers);
}

std::vector<Reference> references_of(std::string_view name, std::string_view record) {
  std::vector<Reference> references;
  const ontology::Kind* kind = ontology::Ontology::built_in().find(name);
  if (!kind || record.empty()) return references;
  for (const AttributeView& view : view_of(record).attributes) {
    const grid::Attribute* attribute = kind->find(view.name);
    if (attribute && refers(*attribute)) collect(*attribute, json_of(view.value), references);
  }
  std::ranges::sort(references);
  return references;
}

std::vector<Reference> references_of(std::string_view name, const Json::Object& attributes) {
  std::vector<Reference> references;
  const ontology::Kind* kind = ontology::Ontology::built_in().find(name);
  if (!kind) return references;
  for (const auto& [known, value] : attributes) {
    const grid::Attribute* attribute = kind->find(known);
    if (attribute && refers(*attribute)) collect(*attribute, value, references);
  }
  std::ranges::sort(references);
  return references;
}

}  // namespace tandem::inventory
