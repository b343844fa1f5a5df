// TMF639 Resource Inventory Management v4: resources out, a list with a resource a line.
#include <fmt/format.h>

#include "ingest/feed_kind.h"
#include "ingest/feed_writers.h"
#include "ingest/tmf639.h"

namespace tandem::ingest {
namespace {

constexpr std::string_view kBase = "/tmf-api/resourceInventoryManagement/v4/resource/";

std::string_view value_type(const grid::Attribute& attribute) {
  if (attribute.list) return "array";
  switch (attribute.type) {
    case grid::Type::boolean: return "boolean";
    case grid::Type::integer: return "integer";
    case grid::Type::number: return "number";
    case grid::Type::record: return "object";
    default: return "string";
  }
}

Json::Object reference_to(const grid::Attribute& attribute, std::string_view reference) {
  const auto [target_kind, target_id] = grid::target_of(attribute, reference);
  const std::string id = tmf639_id(target_kind, target_id);
  return {{"id", id}, {"href", std::string(kBase) + id}, {"@referredType", tmf639_type(target_kind)}};
}

// What an entity names goes where TMF639 has it: all as relationships, parties and the site also as such.
struct Named {
  Json::Array relationships, parties;
  Json place;

  void add(const grid::Kind& kind, const grid::Attribute& attribute, std::string_view reference) {
    Json::Object resource = reference_to(attribute, reference);
    if (tmf639_names_party(attribute)) {
      Json::Object party = resource;
      party["role"] = attribute.name;
      parties.push_back(std::move(party));
    }
    if (tmf639_place(kind.name, "site") == &attribute && grid::target_of(attribute, reference).kind == "site") {
      Json::Object site = resource;
      site["role"] = "located in";
      place = std::move(site);
    }
    relationships.push_back(Json::Object{{"relationshipType", attribute.name}, {"resource", std::move(resource)}});
  }
};

Json::Object resource_of(const grid::Kind& kind, const std::string& id, const Json::Object& values) {
  const std::string own = tmf639_id(kind.name, id);
  const std::string type = tmf639_type(kind.name);
  Json::Object resource{{"id", own},
                        {"href", std::string(kBase) + own},
                        {"category", kind.name},
                        {"@type", type},
                        {"@baseType", "Resource"}};
  Json::Array characteristics;
  Named named;
  for (const auto& [name, value] : values) {
    const grid::Attribute* attribute = kind.find(name);
    if (attribute == nullptr) continue;
    if (attribute->type == grid::Type::reference) {
      if (attribute->list) {
        for (const Json& item : value.array()) named.add(kind, *attribute, item.text());
        if (value.array().empty())
          characteristics.push_back(Json::Object{{"name", name}, {"valueType", "array"}, {"value", value}});
      } else {
        named.add(kind, *attribute, value.text());
      }
      continue;
    }
    bool is_member = false;
    for (const auto& [member, own_attribute] : kTmf639Members)
      if (name == own_attribute && value.is_string() && !value.text().empty()) {
        resource[std::string(member)] = value;
        is_member = true;
      }
    if (is_member) continue;
    if (name == "status")
      for (const Tmf639Status& status : kTmf639Statuses)
        if (status.ours == value.text()) resource["resourceStatus"] = status.theirs;
    if (name == "state") resource["operationalState"] = value.text() == "down" ? "disable" : "enable";
    if (name == "enabled") resource["administrativeState"] = value.boolean() ? "unlocked" : "locked";
    characteristics.push_back(Json::Object{{"name", name}, {"valueType", value_type(*attribute)}, {"value", value}});
  }
  if (!characteristics.empty()) resource["resourceCharacteristic"] = std::move(characteristics);
  if (!named.relationships.empty()) resource["resourceRelationship"] = std::move(named.relationships);
  if (!named.parties.empty()) resource["relatedParty"] = std::move(named.parties);
  if (!named.place.is_null()) resource["place"] = std::move(named.place);
  return resource;
}

}  // namespace

std::vector<std::string> export_tmf639(const std::vector<const grid::Kind*>& kinds,
                                       const inventory::Snapshot& inventory, FeedOutput& out) {
  bool first = true;
  for (const grid::Kind* kind : kinds) {
    inventory.for_each_json(kind->name, [&](const std::string& id, const Json::Object& values) {
      out.add(std::exchange(first, false) ? "[\n" : ",\n");
      out.add(to_json(resource_of(*kind, id, values)));
      return true;
    });
  }
  out.add(first ? "[]\n" : "\n]\n");
  return {};
}

}  // namespace tandem::ingest
