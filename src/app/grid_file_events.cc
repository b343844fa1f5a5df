#include "app/grid_file_events.h"

#include <set>

#include "grid/schema.h"

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

void add_attribute(v1::FactsRecorded& facts, const std::string& name, const Json& value) {
  v1::Attribute& attribute = *facts.add_attributes();
  attribute.set_name(name);
  *attribute.mutable_value() = inventory::from_json_value(value);
}

void add_differences(std::vector<log::Event>& events, const grid::Entity& entity, const inventory::Entity* believed) {
  if (believed == nullptr) {
    v1::FactsRecorded& facts = add_facts(events, entity);
    for (const auto& [name, value] : entity.attributes) add_attribute(facts, name, value);
    return;
  }
  Json::Object differences;
  for (const auto& [name, value] : entity.attributes) {
    const v1::Value* old = believed->find(name);
    if (old == nullptr || inventory::to_json_value(*old) != value) differences[name] = value;
  }
  const grid::Kind& kind = *grid::find_kind(entity.kind);
  for (const inventory::Attribute& attribute : believed->attributes) {
    const bool in_files = kind.find(attribute.name) && attribute.name != "state";  // the rest others say
    if (in_files && !entity.attributes.contains(attribute.name)) differences[attribute.name] = nullptr;
  }
  if (differences.empty()) return;
  v1::FactsRecorded& facts = add_facts(events, entity);
  for (const auto& [name, value] : differences) add_attribute(facts, name, value);
}

}  // namespace

std::vector<log::Event> grid_file_events(std::span<const grid::Entity> entities, const inventory::Snapshot& believed) {
  std::vector<log::Event> events;
  std::set<std::pair<std::string, std::string>> named;
  for (const grid::Kind& kind : grid::kinds()) {  // in an order in which a kind refers to those before it
    for (const grid::Entity& entity : entities) {
      if (entity.kind != kind.name) continue;
      named.emplace(entity.kind, entity.id);
      const auto known = believed.find(entity.kind, entity.id);
      add_differences(events, entity, known ? &*known : nullptr);
    }
  }
  const auto kinds = grid::kinds();
  for (auto kind = kinds.rbegin(); kind != kinds.rend(); ++kind) {
    believed.for_each(kind->name, [&](const inventory::Entity& entity) {
      if (named.contains({entity.kind, entity.id})) return true;
      log::Event& event = events.emplace_back();
      event.set_actor("operator:grid-file");
      v1::EntityRetracted& retracted = *event.mutable_entity_retracted();
      retracted.set_source(std::string(kSource));
      retracted.set_kind(entity.kind);
      retracted.set_id(entity.id);
      return true;
    });
  }
  return events;
}

}  // namespace tandem::app
