// The ontology as people and programs read it.
#include <fmt/format.h>

#include <algorithm>

#include "ontology/ontology.h"

namespace tandem::ontology {
namespace {

using grid::Attribute;
using grid::Format;
using grid::Type;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

Json::Array list(const std::vector<std::string_view>& names) { return Json::Array(names.begin(), names.end()); }

std::string_view name_of(Type type) {
  switch (type) {
    case Type::boolean: return "boolean";
    case Type::integer: return "integer";
    case Type::number: return "number";
    case Type::text: return "text";
    case Type::choice: return "choice";
    case Type::reference: return "reference";
    case Type::record: return "record";
  }
  return {};
}

std::string_view name_of(Format format) {
  switch (format) {
    case Format::any: return {};
    case Format::jurisdiction: return "jurisdiction";
    case Format::sha256: return "sha256";
    case Format::prefix: return "prefix";
    case Format::url: return "url";
    case Format::country: return "country";
    case Format::address: return "address";
    case Format::mac_address: return "mac_address";
    case Format::date: return "date";
    case Format::instant: return "instant";
    case Format::email: return "email";
    case Format::external_id: return "external_id";
  }
  return {};
}

std::string_view name_of(Impact impact) {
  switch (impact) {
    case Impact::none: return "none";
    case Impact::on_holder: return "on_holder";
    case Impact::on_target: return "on_target";
  }
  return {};
}

Json attribute_json(const Attribute& attribute) {
  Json::Object json{{"name", attribute.name},
                    {"type", name_of(attribute.type)},
                    {"list", attribute.list},
                    {"required", attribute.required},
                    {"description", attribute.description}};
  const bool is_number = attribute.type == Type::number || attribute.type == Type::integer;
  if (const auto unit = grid::unit_of(attribute.name); is_number && !unit.empty()) json["unit"] = unit;
  if (attribute.minimum) json[attribute.exclusive_minimum ? "above" : "minimum"] = *attribute.minimum;
  if (attribute.maximum) json[attribute.exclusive_maximum ? "below" : "maximum"] = *attribute.maximum;
  if (attribute.format != Format::any) json["format"] = name_of(attribute.format);
  if (!attribute.choices.empty()) json["choices"] = list(attribute.choices);
  if (!attribute.absent.is_null()) json["absent"] = attribute.absent;
  if (attribute.personal) json["personal"] = true;
  if (!attribute.fields.empty()) {
    Json::Array fields;
    for (const Attribute& field : attribute.fields) fields.push_back(attribute_json(field));
    json["fields"] = std::move(fields);
  }
  return json;
}

// True when a target is named by at most one entity through this relation.
bool is_exclusive(const Kind& kind, const Relation& relation) {
  return std::ranges::any_of(kind.constraints, [&](const Constraint& constraint) {
    const auto* exclusive = std::get_if<Exclusive>(&constraint);
    return exclusive && exclusive->targets.empty() &&
           std::ranges::find(exclusive->relations, relation.attribute) != exclusive->relations.end();
  });
}

Json relation_json(const Kind& kind, const Relation& relation) {
  Json::Object json{{"attribute", relation.attribute},
                    {"name", relation.name},
                    {"inverse", relation.inverse},
                    {"targets", relation.any_target ? Json(Json::Array{"any"}) : Json(list(relation.targets))},
                    {"many", relation.many},
                    {"many_inverse", !is_exclusive(kind, relation)},
                    {"required", relation.required},
                    {"located_in", relation.located_in},
                    {"weak", relation.weak},
                    {"impact", name_of(relation.impact)},
                    {"description", relation.description}};
  if (!relation.field.empty()) json["field"] = relation.field;
  return json;
}

Json incoming_json(const Incoming& incoming) {
  return Json::Object{{"kind", incoming.kind->name},
                      {"attribute", incoming.relation->attribute},
                      {"name", incoming.relation->inverse},
                      {"many", !is_exclusive(*incoming.kind, *incoming.relation)}};
}

Json::Object rule_json(const Constraint& constraint) {
  return std::visit(
      Overloaded{
          [](const Unique& r) -> Json::Object {
            return {{"rule", "unique"}, {"attributes", list(r.attributes)}, {"within", list(r.within)}};
          },
          [](const NoOverlap& r) -> Json::Object {
            return {{"rule", "no_overlap"}, {"relation", r.relation}, {"first", r.first},
                    {"size", r.size},       {"side", r.side},         {"limit", r.limit}};
          },
          [](const Exclusive& r) -> Json::Object {
            return {{"rule", "exclusive"}, {"relations", list(r.relations)}, {"targets", list(r.targets)}};
          },
          [](const SumAtMost& r) -> Json::Object {
            return {{"rule", "sum_at_most"}, {"relation", r.relation}, {"attribute", r.attribute}, {"limit", r.limit}};
          },
          [](const Inside& r) -> Json::Object {
            return {{"rule", "inside"}, {"attribute", r.attribute}, {"relation", r.relation}, {"of", r.of}};
          },
          [](const Ordered& r) -> Json::Object {
            return {{"rule", "ordered"}, {"lower", r.lower}, {"upper", r.upper}};
          },
          [](const Acyclic& r) -> Json::Object {
            return {{"rule", "acyclic"}, {"relation", r.relation}};
          }},
      constraint);
}

Json mapping_json(const Mapping& mapping) {
  Json::Object json;
  if (!mapping.sid.empty()) json["sid"] = mapping.sid;
  if (!mapping.tmf_api.empty()) json["tmf"] = Json::Object{{"api", mapping.tmf_api}, {"type", mapping.tmf_type}};
  if (!mapping.netbox.empty()) json["netbox"] = mapping.netbox;
  if (!mapping.yang.empty()) json["yang"] = list(mapping.yang);
  return json;
}

}  // namespace

std::string name_of(const Constraint& constraint) {
  const auto joined = [](const std::vector<std::string_view>& names) {
    return fmt::format("{}", fmt::join(names, ", "));
  };
  return std::visit(
      Overloaded{[&](const Unique& r) {
                   return fmt::format("unique {}{}{}", joined(r.attributes), r.within.empty() ? "" : " in ",
                                      joined(r.within));
                 },
                 [&](const NoOverlap& r) { return fmt::format("no_overlap in {}", r.relation); },
                 [&](const Exclusive& r) { return fmt::format("exclusive {}", joined(r.relations)); },
                 [&](const SumAtMost& r) { return fmt::format("sum_at_most {} in {}", r.limit, r.relation); },
                 [&](const Inside& r) { return fmt::format("{} inside {}", r.attribute, r.relation); },
                 [&](const Ordered& r) { return fmt::format("ordered {}, {}", r.lower, r.upper); },
                 [&](const Acyclic& r) { return fmt::format("acyclic {}", r.relation); }},
      constraint);
}

std::string describe(const Constraint& constraint, const Kind& kind) {
  const auto joined = [](const std::vector<std::string_view>& names) {
    return fmt::format("{}", fmt::join(names, " and "));
  };
  return std::visit(
      Overloaded{
          [&](const Unique& r) {
            const std::string within = r.within.empty() ? "" : fmt::format(" of the same {}", joined(r.within));
            return fmt::format("no two of kind {}{} have the same {}", kind.name, within, joined(r.attributes));
          },
          [&](const NoOverlap& r) {
            const std::string side = r.side.empty() ? "" : fmt::format(" on the same {}", r.side);
            return fmt::format("no two of kind {} in one {} overlap{}, from {} over {}, nor reach past its {}",
                               kind.name, r.relation, side, r.first, r.size, r.limit);
          },
          [&](const Exclusive& r) {
            const std::string what = r.targets.empty() ? "nothing" : fmt::format("no {}", fmt::join(r.targets, " or "));
            return fmt::format("{} is named twice by {} of any {}", what, joined(r.relations), kind.name);
          },
          [&](const SumAtMost& r) {
            const std::string what = r.attribute.empty() ? "the number" : fmt::format("the sum of {}", r.attribute);
            return fmt::format("{} of kind {} with one {} is at most its {}", what, kind.name, r.relation, r.limit);
          },
          [&](const Inside& r) { return fmt::format("{} lies within {} of its {}", r.attribute, r.of, r.relation); },
          [&](const Ordered& r) { return fmt::format("{} is not above {}", r.lower, r.upper); },
          [&](const Acyclic& r) { return fmt::format("following {} never comes back", r.relation); }},
      constraint);
}

Json to_json(const Ontology& ontology, const Kind& kind) {
  Json::Array attributes, relations, incoming, constraints;
  for (const Attribute& attribute : kind.attributes) attributes.push_back(attribute_json(attribute));
  for (const Relation& relation : kind.relations) relations.push_back(relation_json(kind, relation));
  for (const Incoming& in : ontology.incoming(kind.name)) incoming.push_back(incoming_json(in));
  for (const Constraint& constraint : kind.constraints) {
    Json::Object json = rule_json(constraint);
    json["name"] = name_of(constraint);
    json["text"] = describe(constraint, kind);
    constraints.push_back(std::move(json));
  }
  Json::Object json{{"kind", kind.name},
                    {"group", kind.group},
                    {"noun", kind.noun},
                    {"description", kind.description},
                    {"attributes", std::move(attributes)},
                    {"relations", std::move(relations)},
                    {"incoming", std::move(incoming)},
                    {"constraints", std::move(constraints)},
                    {"mappings", mapping_json(kind.mapping)}};
  if (kind.retain_past_days) json["retain_past_days"] = static_cast<uint64_t>(*kind.retain_past_days);
  return json;
}

Json to_json(const Ontology& ontology) {
  Json::Array kinds;
  for (const Kind& kind : ontology.kinds()) kinds.push_back(to_json(ontology, kind));
  return Json::Object{{"kinds", std::move(kinds)}};
}

}  // namespace tandem::ontology
