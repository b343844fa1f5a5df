#include "inventory/place.h"

#include <fmt/format.h>

#include "grid/schema.h"
#include "ontology/ontology.h"

namespace tandem::inventory {
namespace {

constexpr int kStepsMax = 16;  // port, card, chassis, rack, row, room, building, campus, and as much again

// The attribute that says where in its holder an entity is, for people.
std::string position_in_holder(const Json::Object& attributes) {
  for (const auto& [name, word] :
       {std::pair{"position_u", "unit"}, std::pair{"slot", "slot"}, std::pair{"number", "number"}}) {
    const auto found = attributes.find(name);
    if (found == attributes.end()) continue;
    if (found->second.is_string()) return fmt::format("{} {} of ", word, found->second.text());
    if (found->second.is_number()) return fmt::format("{} {:g} of ", word, found->second.number());
  }
  return {};
}

// The entity that the value of a relation names; nothing where it is no reference.
std::optional<Referrer> named_by(const ontology::Kind& kind, const ontology::Relation& relation, const Json& value) {
  const grid::Attribute* attribute = kind.find(relation.attribute);
  if (attribute == nullptr || !value.is_string()) return std::nullopt;
  const grid::Target target = grid::target_of(*attribute, value.text());
  if (target.kind.empty()) return std::nullopt;
  return Referrer{std::string(target.kind), std::string(target.id)};
}

// The innermost holder counts: a device in a rack names its site too.
std::optional<Referrer> innermost_holder(const ontology::Kind& kind, const Json::Object& attributes) {
  std::optional<Referrer> wide;  // a room, or else a site
  for (const ontology::Relation& relation : kind.relations) {
    if (!relation.located_in || !relation.field.empty()) continue;
    const auto found = attributes.find(relation.attribute);
    if (found == attributes.end()) continue;
    const bool is_list = found->second.is_array() && !found->second.array().empty();
    auto target = named_by(kind, relation, is_list ? found->second.array().front() : found->second);
    if (!target) continue;
    if (target->kind != "site" && target->kind != "room") return target;
    if (!wide || target->kind == "room") wide = std::move(target);
  }
  return wide;
}

Place place_upward(const Snapshot& snapshot, const Referrer& entity) {
  Place place;
  Referrer at = entity;
  for (int step = 0; step < kStepsMax; ++step) {
    const Json::Object attributes = snapshot.attributes(at.kind, at.id);
    if (at.kind == "site") {
      place.site = at.id;
      const auto number = [&](const char* name) {
        const auto found = attributes.find(name);
        return found != attributes.end() && found->second.is_number() ? std::optional(found->second.number())
                                                                      : std::nullopt;
      };
      place.latitude_deg = number("latitude_deg");
      place.longitude_deg = number("longitude_deg");
    }
    const ontology::Kind* kind = ontology::Ontology::built_in().find(at.kind);
    if (kind == nullptr) break;
    auto holder = innermost_holder(*kind, attributes);
    if (!holder) break;
    if (!place.path.empty()) place.path += ", ";
    place.path += fmt::format("{}{} {}", position_in_holder(attributes), holder->kind, holder->id);
    at = std::move(*holder);
  }
  return place;
}

}  // namespace

Place place_of(const Snapshot& snapshot, const Referrer& entity) {
  Place place = place_upward(snapshot, entity);
  const ontology::Kind* kind = ontology::Ontology::built_in().find(entity.kind);
  if (!place.site.empty() || kind == nullptr) return place;
  // A line that stands nowhere itself is looked for at an end of it.
  const Json::Object attributes = snapshot.attributes(entity.kind, entity.id);
  for (const ontology::Relation& relation : kind->relations) {
    const auto found = attributes.find(relation.attribute);
    if (relation.located_in || relation.impact != ontology::Impact::on_target || found == attributes.end()) continue;
    const auto end = named_by(*kind, relation, found->second);
    if (!end) continue;
    Place at_end = place_upward(snapshot, *end);
    if (at_end.site.empty()) continue;
    at_end.path = fmt::format("{} {}, {}", end->kind, end->id, at_end.path);
    return at_end;
  }
  return place;
}

}  // namespace tandem::inventory
