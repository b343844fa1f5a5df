// For tests: whether an answer is as the OpenAPI document describes it, member by member.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "api/routes.h"
#include "base/check.h"
#include "base/text.h"

namespace tandem::api {

inline bool is_of_type(const Json& value, std::string_view type) {
  return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
         (type == "string" && value.is_string()) || (type == "boolean" && value.is_bool()) ||
         (type == "null" && value.is_null()) || (type == "integer" && value.is_integer()) ||
         (type == "number" && value.is_number());
}

// Where `value` first differs from the schema, and how: "events.0.body: nothing is said of its members". Empty:
// nowhere. Stricter than a validator: a member that is not described is one too many, arrays describe their items, and
// an object of any members says so by additionalProperties. The empty schema stands for a value of any kind.
inline std::string undescribed(const Json& value, const Json& given) {
  static const Json kShared = shared_schemas();
  constexpr std::string_view kReference = "#/components/schemas/";
  const std::string_view reference = given["$ref"].text();
  const Json& schema = reference.empty() ? given : kShared[reference.substr(kReference.size())];
  const auto inside = [](std::string_view name, const std::string& found) {
    return found.empty() ? found : fmt::format("{}{}{}", name, found.starts_with(':') ? "" : ".", found);
  };
  if (!schema.is_object()) return ": there is no description";
  if (schema.object().empty()) return {};
  if (const Json& constant = schema["const"]; !constant.is_null())
    return constant == value ? "" : ": is not the constant";
  if (const Json::Array& values = schema["enum"].array(); !values.empty())
    return std::ranges::find(values, value) == values.end() ? ": is none of the values" : "";
  if (const Json::Array& any = schema["anyOf"].array(); !any.empty()) {
    const auto fits = [&](const Json& one) { return undescribed(value, one).empty(); };
    return std::ranges::any_of(any, fits) ? "" : undescribed(value, any.front());
  }
  const Json& type = schema["type"];
  const auto fits = [&](const Json& one) { return is_of_type(value, one.text()); };
  if (type.is_string() ? !fits(type) : !std::ranges::any_of(type.array(), fits))
    return fmt::format(": is no {}: {}", to_json(type), to_json(value).substr(0, 80));
  if (value.is_array()) {
    if (schema["items"].is_null()) return ": nothing is said of its items";
    for (size_t i = 0; i < value.array().size(); ++i)
      if (auto found = undescribed(value.array()[i], schema["items"]); !found.empty())
        return inside(std::to_string(i), found);
  }
  if (!value.is_object()) return {};
  const Json::Object& properties = schema["properties"].object();
  const Json& others = schema["additionalProperties"];
  if (properties.empty() && others.is_null()) return ": nothing is said of its members";
  for (const Json& required : schema["required"].array())
    if (!value.object().contains(required.text())) return fmt::format(": has no '{}'", required.text());
  for (const auto& [name, member] : value.object()) {
    const auto described = properties.find(name);
    if (described == properties.end() && others.boolean()) continue;
    const Json& by = described == properties.end() ? others : described->second;
    if (!by.is_object()) return inside(name, ": is not described");
    if (auto found = undescribed(member, by); !found.empty()) return inside(name, found);
  }
  return {};
}

// The same of a whole answer: by its route's description, or as an error.
inline std::string undescribed_answer(std::string_view method, std::string_view target, int status, const Json& body) {
  if (status == 304) return {};  // nothing
  const Match found = match(method, target.substr(0, target.find('?')));
  const bool refused = status >= 400;
  if (found.route == nullptr) return refused ? undescribed(body, *parse_json(kError)) : "";
  const auto good = split(found.route->statuses, ' ');
  if (!refused && std::ranges::find(good, std::to_string(status)) == good.end())
    return fmt::format(": {} is no status of it", status);
  const auto schema = parse_json(refused ? found.route->refusal : found.route->answer);
  return schema ? undescribed(body, *schema) : ": there is no description";
}

}  // namespace tandem::api
