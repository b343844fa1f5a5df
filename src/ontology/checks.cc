// What constraints ask of one entity alone, and the keys it claims.
#include <fmt/format.h>

#include <algorithm>

#include "base/time.h"
#include "ontology/ontology.h"

namespace tandem::ontology {
namespace {

using grid::Format;

const Json& value_of(const Json::Object& attributes, std::string_view name) {
  static const Json kNull;
  const auto found = attributes.find(name);
  return found == attributes.end() ? kNull : found->second;
}

void check_ordered(const Ordered& rule, const Kind& kind, const Json::Object& attributes,
                   std::vector<grid::Problem>& problems) {
  const Json& lower = value_of(attributes, rule.lower);
  const Json& upper = value_of(attributes, rule.upper);
  if (lower.is_null() || upper.is_null()) return;
  // Dates and instants in their canonical forms ascend as text.
  const bool wrong = lower.is_number() ? lower.number() > upper.number() : lower.text() > upper.text();
  if (!wrong) return;
  problems.push_back({{std::string(rule.upper)},
                      fmt::format("{} of the {} is before {}", rule.upper, kind.name, rule.lower),
                      fmt::format("write at least {}", to_json(lower))});
}

// A value as a key compares it.
Json key_part(const grid::Attribute& attribute, const Json& value) {
  if (attribute.format == Format::address) return value.text().substr(0, value.text().find('/'));
  return value;
}

}  // namespace

void check_entity(const Kind& kind, const Json::Object& attributes, std::vector<grid::Problem>& problems) {
  grid::check_entity(kind, attributes, problems);
  for (const Constraint& constraint : kind.constraints)
    if (const auto* ordered = std::get_if<Ordered>(&constraint)) check_ordered(*ordered, kind, attributes, problems);
}

bool asks_only_what_is_required(const Kind& kind) {
  return !kind.noun && std::ranges::none_of(kind.constraints, [](const Constraint& constraint) {
    return std::holds_alternative<Ordered>(constraint);
  });
}

std::vector<std::string> unique_values(const Kind& kind, const Unique& unique, const Json::Object& attributes) {
  Json::Array scope;
  for (const std::string_view name : unique.within) scope.push_back(value_of(attributes, name));
  std::vector<Json::Array> tuples{std::move(scope)};
  for (const std::string_view name : unique.attributes) {
    const grid::Attribute* attribute = kind.find(name);
    const Json& value = value_of(attributes, name);
    if (!attribute || value.is_null()) return {};
    const Json::Array items = value.is_array() ? value.array() : Json::Array{value};
    std::vector<Json::Array> longer;
    for (const Json::Array& tuple : tuples)
      for (const Json& item : items) {
        longer.push_back(tuple);
        longer.back().push_back(key_part(*attribute, item));
      }
    tuples = std::move(longer);
  }
  std::vector<std::string> values;
  for (const Json::Array& tuple : tuples) values.push_back(to_json(Json(tuple)));
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace tandem::ontology
