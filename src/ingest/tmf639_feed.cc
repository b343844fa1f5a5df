// TMF639 Resource Inventory Management v4: resources in. The mapping stands in docs/IMPORT.md.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ingest/feed_kind.h"
#include "ingest/feed_readers.h"
#include "ingest/foreign_json.h"
#include "ingest/tmf639.h"
#include "ontology/ontology.h"

namespace tandem::ingest {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

class Tmf639Reader final : public FeedReader {
 public:
  Tmf639Reader(const FeedOptions& options, FeedSink& sink)
      : options_(options),
        sink_(sink),
        items_({[](std::string_view name) { return name == "results" || name == "resource" || name == "resources"; },
                [this](const JsonItems::Item& item) { take(item); },
                [this](const FeedPlace& place, std::string message, std::string fix) {
                  sink_.fault({place, "", "", items_.pointer(place), std::move(message), std::move(fix)}, true);
                }}) {}

  void push(std::string_view bytes) override { items_.push(bytes); }
  void finish() override { items_.finish(); }
  std::string column(const FeedPlace& place, std::string_view, std::string_view attribute) const override {
    const std::string pointer = items_.pointer(place);
    return attribute.empty() ? pointer : fmt::format("{} ({})", pointer, attribute);
  }
  std::vector<std::string> notes() const override { return passed_over_.sentences(); }

 private:
  void take(const JsonItems::Item& item) {
    std::string reason;
    const auto resource = parser_.parse(item, reason);
    if (!resource)
      return sink_.fault({item.place, "", "", items_.pointer(item.place), reason, "give a resource: { … }"}, true);
    const std::string_view id = text_member(*resource, "id");
    const auto fault = [&](std::string_view member, std::string message, std::string fix) {
      sink_.fault({item.place, "", std::string(id), fmt::format("{}/{}", items_.pointer(item.place), member),
                   std::move(message), std::move(fix)},
                  true);
    };
    if (id.empty()) return fault("id", "the resource has no id", "give the id that its own system knows it by");
    const grid::Kind* kind = kind_of_resource(*resource);
    if (kind == nullptr)
      return fault(
          "@type",
          fmt::format("no kind stands for @type '{}', category '{}'", text_member(*resource, "@type").substr(0, 60),
                      text_member(*resource, "category").substr(0, 60)),
          "name the kind as the resource's category");
    inventory::Row row;
    row.kind = kind->name;
    identify(*kind, id, row);
    read_members(*kind, *resource, row);
    if (const auto wrong = read_characteristics(*kind, *resource, row))
      return fault("resourceCharacteristic", *wrong, "give a list of {name, value}");
    if (const auto wrong = read_relationships(*kind, *resource, row))
      return fault("resourceRelationship", *wrong, "give a list of {relationshipType, resource: {id}}");
    if (const auto wrong = read_place(*kind, *resource, row)) return fault("place", *wrong, "give {id, @referredType}");
    if (const auto wrong = read_parties(*kind, *resource, row))
      return fault("relatedParty", *wrong, "give a list of {id, role}");
    sink_.row(std::move(row), item.place);
  }

  // By its category, then its @type, then the name of its specification.
  static const grid::Kind* kind_of_resource(const object& resource) {
    for (const char* member : {"category", "@type"})
      if (const grid::Kind* kind = feed_kind(snake_case(text_member(resource, member)))) return kind;
    element specification;
    object inner;
    if (resource["resourceSpecification"].get(specification) || specification.get(inner)) return nullptr;
    return feed_kind(snake_case(text_member(inner, "name")));
  }

  void identify(const grid::Kind& kind, std::string_view id, inventory::Row& row) const {
    const std::string own = tmf639_id(kind.name, "");
    if (id.starts_with(own) && id.size() > own.size())
      row.id = id.substr(own.size());
    else
      row.attributes.emplace(inventory::kExternalIds, Json::Array{fmt::format("{}:{}", options_.system, id)});
  }

  void read_members(const grid::Kind& kind, const object& resource, inventory::Row& row) {
    const auto say = [&](std::string_view name, Json value) {
      const grid::Attribute* attribute = kind.find(name);
      const bool takes_it =
          attribute != nullptr && (attribute->type != grid::Type::choice ||
                                   std::count(attribute->choices.begin(), attribute->choices.end(), value.text()) > 0);
      if (takes_it) row.attributes.insert_or_assign(std::string(name), std::move(value));
    };
    for (const auto& [member, attribute] : kTmf639Members)
      if (const std::string_view text = text_member(resource, member); !text.empty()) say(attribute, text);
    if (const std::string_view status = tmf639_status(text_member(resource, "resourceStatus")); !status.empty())
      say("status", status);
    if (const std::string_view state = text_member(resource, "operationalState"); !state.empty())
      say("state", state == "disable" ? "down" : "up");
    if (const std::string_view state = text_member(resource, "administrativeState"); !state.empty())
      say("enabled", state == "unlocked");
  }

  std::optional<std::string> read_characteristics(const grid::Kind& kind, const object& resource, inventory::Row& row) {
    element member;
    if (resource["resourceCharacteristic"].get(member) || member.is_null()) return std::nullopt;
    array characteristics;
    if (member.get(characteristics)) return "it is not a list";
    for (const element item : characteristics) {
      object characteristic;
      element value;
      if (item.get(characteristic)) return "an item is no object";
      const std::string_view name = text_member(characteristic, "name");
      if (name.empty() || characteristic["value"].get(value)) return "an item has no name or no value";
      const std::string attribute = kind.find(name) ? std::string(name) : snake_case(name);
      if (kind.find(attribute) == nullptr) {
        passed_over_.add(fmt::format("characteristic '{}' is no attribute of {}", name.substr(0, 60), kind.name));
      } else if (attribute == inventory::kExternalIds && row.attributes.contains(attribute)) {
        Json::Array both = row.attributes[attribute].array();
        const Json also = to_json_value(value);
        both.insert(both.end(), also.array().begin(), also.array().end());
        row.attributes[attribute] = std::move(both);
      } else {
        row.attributes.insert_or_assign(attribute, to_json_value(value));
      }
    }
    return std::nullopt;
  }

  std::optional<std::string> read_relationships(const grid::Kind& kind, const object& resource, inventory::Row& row) {
    element member;
    if (resource["resourceRelationship"].get(member) || member.is_null()) return std::nullopt;
    array relationships;
    if (member.get(relationships)) return "it is not a list";
    for (const element item : relationships) {
      object relationship, target;
      if (item.get(relationship) || relationship["resource"].get(target)) return "an item has no resource";
      const std::string_view type = text_member(relationship, "relationshipType");
      const std::string_view id = text_member(target, "id");
      if (type.empty() || id.empty()) return "an item has no relationshipType or no resource id";
      const grid::Attribute* attribute = kind.find(type);
      if (attribute == nullptr) attribute = kind.find(snake_case(type));
      if (attribute == nullptr || attribute->type != grid::Type::reference) {
        passed_over_.add(fmt::format("relationship '{}' is no relation of {}", type.substr(0, 60), kind.name));
        continue;
      }
      Json& value = row.attributes[std::string(attribute->name)];
      const std::string reference = reference_to(*attribute, id);
      if (!attribute->list) {
        value = reference;
      } else {
        Json::Array all = value.array();
        all.push_back(reference);
        value = std::move(all);
      }
    }
    return std::nullopt;
  }

  // Where it is, said beside its relationships, which go before it. A place that nothing is known by is left out.
  std::optional<std::string> read_place(const grid::Kind& kind, const object& resource, inventory::Row& row) {
    element member;
    if (resource["place"].get(member) || member.is_null()) return std::nullopt;
    array places;
    object place;
    if (member.get(place) == simdjson::SUCCESS) return read_one_place(kind, place, row);
    if (member.get(places)) return "it is neither an object nor a list of them";
    for (const element item : places) {
      if (item.get(place)) return "an item is no object";
      if (auto wrong = read_one_place(kind, place, row)) return wrong;
    }
    return std::nullopt;
  }

  std::optional<std::string> read_one_place(const grid::Kind& kind, const object& place, inventory::Row& row) {
    const std::string_view id = text_member(place, "id"), type = text_member(place, "@referredType");
    const grid::Kind* named = feed_kind(id.substr(0, id.find(':')));
    if (named == nullptr) named = feed_kind(type.empty() || type.starts_with("Geographic") ? "site" : snake_case(type));
    const grid::Attribute* attribute = named == nullptr ? nullptr : tmf639_place(kind.name, named->name);
    if (id.empty() || attribute == nullptr) {
      passed_over_.add(fmt::format("place of type '{}'{} is no place of {}", type.substr(0, 60),
                                   id.empty() ? " without an id" : "", kind.name));
      return std::nullopt;
    }
    if (row.attributes.contains(attribute->name)) return std::nullopt;
    row.attributes.emplace(attribute->name, reference_to(*attribute, id));
    row.weak.emplace_back(attribute->name);
    return std::nullopt;
  }

  // Who has to do with it, by role.
  std::optional<std::string> read_parties(const grid::Kind& kind, const object& resource, inventory::Row& row) {
    element member;
    if (resource["relatedParty"].get(member) || member.is_null()) return std::nullopt;
    array parties;
    if (member.get(parties)) return "it is not a list";
    std::vector<std::string_view> said;  // as parties
    for (const element item : parties) {
      object party;
      if (item.get(party)) return "an item is no object";
      const std::string_view id = text_member(party, "id"), role = text_member(party, "role");
      const grid::Attribute* attribute = party_attribute(kind, snake_case(role));
      if (id.empty() || attribute == nullptr) {
        passed_over_.add(fmt::format("related party with the role '{}'{} is no relation of {}", role.substr(0, 60),
                                     id.empty() ? " and no id" : "", kind.name));
        continue;
      }
      const bool is_own = std::ranges::find(said, attribute->name) != said.end();
      if (row.attributes.contains(attribute->name) && !(is_own && attribute->list)) continue;
      if (!is_own) row.weak.emplace_back(said.emplace_back(attribute->name));
      Json& value = row.attributes[std::string(attribute->name)];
      Json::Array all = attribute->list ? value.array() : Json::Array();
      all.push_back(reference_to(*attribute, id));
      value = attribute->list ? Json(std::move(all)) : all.front();
    }
    return std::nullopt;
  }

  // "contact" is one of `contacts`.
  static const grid::Attribute* party_attribute(const grid::Kind& kind, const std::string& role) {
    for (const std::string& name : {role, role + "s"})
      if (const grid::Attribute* attribute = kind.find(name); attribute != nullptr && tmf639_names_party(*attribute))
        return attribute;
    return nullptr;
  }

  // "rack:par1-r1" is ours; any other id is the other system's.
  std::string reference_to(const grid::Attribute& attribute, std::string_view id) const {
    const size_t colon = id.find(':');
    const std::string_view named = id.substr(0, colon);
    if (colon != std::string_view::npos && colon + 1 < id.size() && feed_kind(named) != nullptr)
      return names_kind(attribute) ? fmt::format("{}/{}", named, id.substr(colon + 1))
                                   : std::string(id.substr(colon + 1));
    return fmt::format("{}{}:{}", inventory::kByExternalId, options_.system, id);
  }

  FeedOptions options_;
  FeedSink& sink_;
  ItemParser parser_;
  PassedOver passed_over_;
  JsonItems items_;
};

}  // namespace

const grid::Attribute* tmf639_place(std::string_view kind, std::string_view place) {
  const ontology::Kind* known = ontology::Ontology::built_in().find(kind);
  if (known == nullptr) return nullptr;
  const ontology::Relation* found = nullptr;
  for (const ontology::Relation& relation : known->relations) {
    const bool may_be = relation.located_in && relation.field.empty() && !relation.many && !relation.any_target &&
                        relation.may_name(place);
    if (may_be && (found == nullptr || relation.attribute == place)) found = &relation;
  }
  return found == nullptr ? nullptr : known->find(found->attribute);
}

std::unique_ptr<FeedReader> make_tmf639_reader(const FeedOptions& options, FeedSink& sink) {
  return std::make_unique<Tmf639Reader>(options, sink);
}

}  // namespace tandem::ingest
