// The schema table as a JSON Schema, for editors and other programs.
#include <fmt/format.h>

#include <cmath>

#include "grid/schema.h"

namespace tandem::grid {
namespace {

constexpr std::string_view kIdPattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$";

Json::Object id_schema() { return {{"type", "string"}, {"pattern", kIdPattern}, {"maxLength", uint64_t{kIdBytesMax}}}; }

// A bound or default as people write it: 100, not 100.0.
Json plain(const Json& value) {
  if (!value.is_number() || value.number() != std::nearbyint(value.number()) || std::fabs(value.number()) > 9e15)
    return value;
  return static_cast<int64_t>(value.number());
}

Json record_schema(const std::vector<Attribute>& attributes, Json::Object properties, Json::Array required,
                   std::string_view description);

Json::Object item_schema(const Attribute& attribute) {
  Json::Object schema;
  switch (attribute.type) {
    case Type::boolean: schema["type"] = "boolean"; break;
    case Type::integer: schema["type"] = "integer"; break;
    case Type::number: schema["type"] = "number"; break;
    case Type::choice: {
      Json::Array choices;
      for (const std::string_view choice : attribute.choices) choices.emplace_back(choice);
      schema["enum"] = std::move(choices);
      break;
    }
    case Type::reference: schema = id_schema(); break;
    case Type::record: return record_schema(attribute.fields, {}, {}, "").object();
    case Type::text: schema["type"] = "string"; break;
  }
  if (attribute.minimum)
    schema[attribute.exclusive_minimum ? "exclusiveMinimum" : "minimum"] = plain(*attribute.minimum);
  if (attribute.maximum)
    schema[attribute.exclusive_maximum ? "exclusiveMaximum" : "maximum"] = plain(*attribute.maximum);
  switch (attribute.format) {
    case Format::any: break;
    case Format::jurisdiction:
    case Format::country: schema["pattern"] = "^[A-Z]{2}$"; break;
    case Format::sha256: schema["pattern"] = "^[0-9A-Fa-f]{64}$"; break;
    case Format::prefix: schema["pattern"] = "^[0-9A-Fa-f.:]+/[0-9]{1,3}$"; break;
    case Format::url: schema["pattern"] = "^(https?://.*)?$"; break;
    case Format::address: schema["pattern"] = "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"; break;
    case Format::mac_address: schema["pattern"] = "^[0-9A-Fa-f.:-]{12,17}$"; break;
    case Format::date: schema["format"] = "date"; break;
    case Format::instant: schema["format"] = "date-time"; break;
    case Format::email: schema["format"] = "email"; break;
    case Format::external_id: schema["pattern"] = "^[A-Za-z0-9._-]+:.+$"; break;
  }
  if (attribute.type == Type::text) schema["maxLength"] = uint64_t{kTextBytesMax};
  return schema;
}

Json attribute_schema(const Attribute& attribute) {
  Json::Object schema = item_schema(attribute);
  if (attribute.list) {
    schema = {{"type", "array"}, {"items", std::move(schema)}, {"maxItems", uint64_t{items_max(attribute)}}};
    if (attribute.items_min > 0) schema["minItems"] = uint64_t{attribute.items_min};
  }
  if (!attribute.absent.is_null()) schema["default"] = plain(attribute.absent);
  std::string description(attribute.description);
  if (attribute.type == Type::reference) {
    const bool vowel = std::string_view("aeio").find(attribute.refers_to.front()) != std::string_view::npos;
    description += fmt::format(" The id of {} {}.", vowel ? "an" : "a", attribute.refers_to);
  }
  schema["description"] = description;
  return schema;
}

Json record_schema(const std::vector<Attribute>& attributes, Json::Object properties, Json::Array required,
                   std::string_view description) {
  for (const Attribute& attribute : attributes) {
    properties[std::string(attribute.name)] = attribute_schema(attribute);
    if (attribute.required) required.emplace_back(attribute.name);
  }
  Json::Object schema{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  if (!description.empty()) schema["description"] = description;
  return schema;
}

}  // namespace

std::string json_schema() {
  Json::Object properties;
  properties["tandem"] = Json::Object{{"const", kFileFormat}, {"description", "The format of this file."}};
  for (const Kind& kind : kinds()) {
    if (kind.section.empty()) continue;
    Json::Object own{{"id", id_schema()}};
    properties[std::string(kind.section)] = Json::Object{
        {"type", "array"}, {"items", record_schema(kind.attributes, std::move(own), {"id"}, kind.description)}};
  }
  Json::Object schema = record_schema(find_kind(kGrid)->attributes, std::move(properties), {"tandem"}, "").object();
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = "Tandem grid file";
  return to_json_pretty(schema) + "\n";
}

}  // namespace tandem::grid
