#include "inventory/schema_index.h"

#include <algorithm>
#include <map>

namespace tandem::inventory {
namespace {

bool refers(const grid::Attribute& attribute) {
  return attribute.type == grid::Type::reference || attribute.format == grid::Format::jurisdiction ||
         (attribute.type == grid::Type::record && std::ranges::any_of(attribute.fields, refers));
}

void collect(const grid::Attribute& attribute, std::string_view text, std::vector<Reference>& out) {
  const grid::Target target = grid::target_of(attribute, text);
  if (ontology::Ontology::built_in().find(target.kind))
    out.push_back({std::string(target.kind), std::string(target.id)});
}

void collect(const grid::Attribute& attribute, const Json& value, std::vector<Reference>& out) {
  if (value.is_array()) {
    for (const Json& item : value.array()) collect(attribute, item, out);
  } else if (attribute.type == grid::Type::reference) {
    if (value.is_string()) collect(attribute, value.text(), out);
  } else if (attribute.format == grid::Format::jurisdiction) {
    if (value.is_string()) out.push_back({std::string(kJurisdiction), std::string(value.text())});
  } else if (attribute.type == grid::Type::record) {
    for (const grid::Attribute& field : attribute.fields)
      if (refers(field)) collect(field, value[field.name], out);
  }
}

template <class Item>
void make_ascending(std::vector<Item>& items) {
  std::ranges::sort(items);
  items.erase(std::ranges::unique(items).begin(), items.end());
}

IndexedKind indexed(const ontology::Kind& kind) {
  IndexedKind made{&kind, {}, {}, {}};
  for (const grid::Attribute& attribute : kind.attributes)
    if (refers(attribute)) made.references.push_back(&attribute);
  std::ranges::sort(made.references, {}, &grid::Attribute::name);
  for (size_t i = 0; i < kind.constraints.size(); ++i)
    if (const auto* unique = std::get_if<ontology::Unique>(&kind.constraints[i])) made.keys.push_back({i, unique});
  for (const grid::Attribute* attribute : made.references) made.attributes.push_back(attribute->name);
  for (const IndexedKind::Key& key : made.keys) {
    made.attributes.insert(made.attributes.end(), key.unique->attributes.begin(), key.unique->attributes.end());
    made.attributes.insert(made.attributes.end(), key.unique->within.begin(), key.unique->within.end());
  }
  make_ascending(made.attributes);
  return made;
}

}  // namespace

bool IndexedKind::Key::concerns(std::string_view attribute) const {
  return std::ranges::find(unique->attributes, attribute) != unique->attributes.end() ||
         std::ranges::find(unique->within, attribute) != unique->within.end();
}

const IndexedKind* indexed_kind(std::string_view kind) {
  static const std::map<std::string_view, IndexedKind> kinds = [] {
    std::map<std::string_view, IndexedKind> made;
    for (const ontology::Kind& one : ontology::Ontology::built_in().kinds()) {
      IndexedKind of_one = indexed(one);
      if (!of_one.references.empty() || !of_one.keys.empty()) made.emplace(one.name, std::move(of_one));
    }
    return made;
  }();
  const auto found = kinds.find(kind);
  return found == kinds.end() ? nullptr : &found->second;
}

std::vector<Reference> references_of(const IndexedKind& kind, std::span<const ClaimView> claims) {
  std::vector<Reference> references;
  for (const ClaimView& claim : claims) {
    const auto found = std::ranges::lower_bound(kind.references, claim.attribute, {}, &grid::Attribute::name);
    if (found == kind.references.end() || (*found)->name != claim.attribute) continue;
    const Scalar value = scalar_of(claim.value);
    if (const auto* text = std::get_if<std::string_view>(&value); text && (*found)->type == grid::Type::reference)
      collect(**found, *text, references);
    else
      collect(**found, json_of(claim.value), references);
  }
  if (references.size() > 1) make_ascending(references);
  return references;
}

std::vector<Reference> references_of(std::string_view name, const Json::Object& attributes) {
  std::vector<Reference> references;
  const IndexedKind* kind = indexed_kind(name);
  if (!kind) return references;
  for (const grid::Attribute* attribute : kind->references)
    if (const auto value = attributes.find(attribute->name); value != attributes.end())
      collect(*attribute, value->second, references);
  make_ascending(references);
  return references;
}

namespace {

// Appends a part of a key as JSON. False where it is no scalar that can be read.
bool append_part(const grid::Attribute* attribute, std::string_view bytes, std::string& out) {
  const Scalar value = scalar_of(bytes);
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    const bool address = attribute && attribute->format == grid::Format::address;
    append_json_string(out, address ? text->substr(0, text->find('/')) : *text);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    out += to_json(Json(*integer));
  } else {
    return false;
  }
  return true;
}

// What ontology::unique_values gives where every part of the key is a text or a whole number, as in nearly all, or
// absent; false where one is not.
bool plain_unique_value(const IndexedKind& kind, const IndexedKind::Key& key, std::span<const ClaimView> believed,
                        std::optional<std::string>& value) {
  const auto find = [&](std::string_view name) {
    return std::ranges::find(believed, name, &ClaimView::attribute);  // a handful
  };
  std::string text = "[";
  for (const std::string_view name : key.unique->within) {
    const auto claim = find(name);
    if (claim == believed.end())
      text += "null";
    else if (!append_part(nullptr, claim->value, text))
      return false;
    text += ',';
  }
  for (const std::string_view name : key.unique->attributes) {
    const auto claim = find(name);
    if (claim == believed.end()) return true;  // it lacks one: it clashes with nobody
    if (!append_part(kind.kind->find(name), claim->value, text)) return false;
    text += ',';
  }
  text.back() = ']';
  value = std::move(text);
  return true;
}

}  // namespace

std::vector<UniqueValue> unique_values_of(const IndexedKind& kind, std::span<const ClaimView> believed) {
  std::vector<UniqueValue> values;
  for (const IndexedKind::Key& key : kind.keys) {
    if (std::optional<std::string> value; plain_unique_value(kind, key, believed, value)) {
      if (value) values.push_back({key.constraint, std::move(*value)});
      continue;
    }
    Json::Object attributes;
    for (const ClaimView& claim : believed)
      if (key.concerns(claim.attribute))
        attributes.emplace_hint(attributes.end(), claim.attribute, json_of(claim.value));
    if (attributes.empty()) continue;
    for (std::string& value : ontology::unique_values(*kind.kind, *key.unique, attributes))
      values.push_back({key.constraint, std::move(value)});
  }
  if (values.size() > 1) make_ascending(values);
  return values;
}

}  // namespace tandem::inventory
