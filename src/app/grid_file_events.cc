#include "app/grid_file_events.h"

#include <algorithm>
#include <optional>
#include <set>

#include "grid/schema.h"
#include "inventory/constraints.h"

namespace tandem::app {
namespace {

constexpr std::string_view kSource = "grid-file";

v1::FactsRecorded& add_facts(std::vector<log::Event>& events, const grid::Entity& entity) {
  log::Event& event = events.emplace_back();
  event.set_actor("operator:grid-file");
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source(std::string(kSource));
  facts.set_kind(entity.kind);
  facts.set_id(entity.id);
  return facts;
}

// Attributes that the file has given a value, which still holds.
std::set<std::string> said_by_file(const inventory::Snapshot& believed, const grid::Entity& entity) {
  std::set<std::string> names;
  for (const inventory::Claim& claim :
       believed.claims(entity.kind, entity.id))  // the last of an attribute that holds counts
    if (claim.source == kSource && claim.holds && !inventory::to_json_value(claim.value).is_null())
      names.insert(claim.attribute);
  return names;
}

bool is_of_file(const inventory::Snapshot& believed, const inventory::Entity& entity) {
  const std::vector<inventory::Presence> presences = believed.presences(entity.kind, entity.id);
  return std::ranges::find(presences, kSource, &inventory::Presence::source) != presences.end();
}

void add_differences(std::vector<log::Event>& events, const grid::Entity& entity, const inventory::Snapshot& snapshot) {
  const auto believed = snapshot.find(entity.kind, entity.id);
  if (!believed) {
    v1::FactsRecorded& facts = add_facts(events, entity);
    for (const auto& [name, value] : entity.attributes) inventory::add_attribute(facts, name, value);
    return;
  }
  Json::Object differences;
  for (const auto& [name, value] : entity.attributes) {
    const v1::Value* old = believed->find(name);
    if (old == nullptr || inventory::to_json_value(*old) != value) differences[name] = value;
  }
  const grid::Kind& kind = *grid::find_kind(entity.kind);
  std::optional<std::set<std::string>> own;
  for (const inventory::Attribute& attribute : believed->attributes) {
    const bool in_files = kind.find(attribute.name) && attribute.name != "state";  // the rest others say
    if (!in_files || entity.attributes.contains(attribute.name)) continue;
    if (!own) own = said_by_file(snapshot, entity);
    if (own->contains(attribute.name)) differences[attribute.name] = nullptr;
  }
  if (differences.empty()) return;
  v1::FactsRecorded& facts = add_facts(events, entity);
  for (const auto& [name, value] : differences) inventory::add_attribute(facts, name, value);
}

}  // namespace

std::vector<log::Event> grid_file_events(std::span<const grid::Entity> entities, const inventory::Snapshot& believed) {
  std::vector<log::Event> events;
  std::set<std::pair<std::string, std::string>> named;
  for (const grid::Kind& kind : grid::kinds()) {  // in an order in which a kind refers to those before it
    for (const grid::Entity& entity : entities) {
      if (entity.kind != kind.name) continue;
      named.emplace(entity.kind, entity.id);
      add_differences(events, entity, believed);
    }
  }
  // What the file no longer names goes as far as the file brought it, and nothing that stays refers to it.
  inventory::Snapshot left = believed;
  const auto fold = [&](const log::Event& event) { left.fold(event, left.offset() + 1, left.time()); };
  std::ranges::for_each(events, fold);
  const auto kinds = grid::kinds();
  for (auto kind = kinds.rbegin(); kind != kinds.rend(); ++kind) {
    believed.for_each(kind->name, [&](const inventory::Entity& entity) {
      if (named.contains({entity.kind, entity.id}) || !is_of_file(believed, entity)) return true;
      if (inventory::strong_referrer(left, entity.kind, entity.id)) return true;
      log::Event& event = events.emplace_back();
      event.set_actor("operator:grid-file");
      v1::EntityRetracted& retracted = *event.mutable_entity_retracted();
      retracted.set_source(std::string(kSource));
      retracted.set_kind(entity.kind);
      retracted.set_id(entity.id);
      fold(event);
      return true;
    });
  }
  return events;
}

}  // namespace tandem::app
