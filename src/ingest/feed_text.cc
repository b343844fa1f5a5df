#include "ingest/feed_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ingest/feed.h"
#include "ingest/feed_kind.h"

namespace tandem::ingest {
namespace {

using grid::Attribute;
using grid::Type;

constexpr char kBetweenItems = ';';

bool is_textual(const Attribute& attribute) {
  return attribute.type == Type::text || attribute.type == Type::choice || attribute.type == Type::reference;
}

Json scalar(std::string_view text, const Attribute& attribute) {
  if (attribute.type == Type::text) return text;
  const std::string_view trimmed = trim(text);
  switch (attribute.type) {
    case Type::boolean:
      if (iequals(trimmed, "true")) return true;
      if (iequals(trimmed, "false")) return false;
      return trimmed;
    case Type::integer:
    case Type::number:
      if (const auto integer = parse_integer(trimmed)) return *integer;
      if (const auto number = parse_number(trimmed)) return *number;
      return trimmed;
    default: return trimmed;
  }
}

std::string scalar_text(const Json& value) {
  if (value.is_string()) return std::string(value.text());
  return to_json(value);
}

std::optional<Json> json_value(std::string_view cell, std::string& fault) {
  auto parsed = parse_json(cell);
  if (parsed) return std::move(*parsed);
  fault = parsed.error().message;
  return std::nullopt;
}

// Whether an item can stand between semicolons and be read as itself.
bool is_plain_item(const Json& item, const Attribute& attribute) {
  if (!item.is_string()) return !is_textual(attribute) && !item.is_object() && !item.is_array() && !item.is_null();
  const std::string_view text = item.text();
  return is_textual(attribute) && !text.empty() && text == trim(text) &&
         text.find(kBetweenItems) == std::string_view::npos && text.find_first_of("[{\\") != 0;
}

}  // namespace

std::optional<Json> cell_value(std::string_view cell, const Attribute& attribute, std::string& fault) {
  if (cell == "\\N") return Json();
  const std::string_view trimmed = trim(cell);
  if (attribute.list) {
    if (trimmed.starts_with('[')) return json_value(trimmed, fault);
    Json::Array items;
    for (const std::string_view item : split(cell, kBetweenItems))
      if (const std::string_view text = trim(item); !text.empty()) items.push_back(scalar(text, attribute));
    return items;
  }
  if (attribute.type == Type::record) return json_value(trimmed, fault);
  if (attribute.type == Type::text) {
    if (cell == "\\E") return Json("");
    if (cell.starts_with("\\\\")) return Json(cell.substr(1));
  }
  return scalar(cell, attribute);
}

Result<Json> feed_value(std::string_view kind, std::string_view attribute, std::string_view text) {
  const grid::Kind* known = feed_kind(kind);
  if (known == nullptr) return fail(ErrorCode::invalid_argument, no_such_kind(kind));
  const Attribute* found = known->find(attribute);
  if (found == nullptr)
    return fail(ErrorCode::invalid_argument,
                fmt::format("a {} has no attribute '{}'; {}", kind, attribute, attribute_meant(*known, attribute)));
  std::string fault;
  auto value = cell_value(text, *found, fault);
  if (!value) return fail(ErrorCode::invalid_argument, fault);
  return std::move(*value);
}

std::string cell_text(const Json& value, const Attribute& attribute) {
  if (value.is_null()) return "\\N";
  if (attribute.list) {
    const Json::Array& items = value.array();
    const bool plain = !items.empty() && std::all_of(items.begin(), items.end(),
                                                     [&](const Json& item) { return is_plain_item(item, attribute); });
    if (!plain) return to_json(value);
    std::string text;
    for (const Json& item : items) {
      if (!text.empty()) text += kBetweenItems;
      text += scalar_text(item);
    }
    return text;
  }
  if (attribute.type == Type::text && value.is_string()) {
    if (value.text().empty()) return "\\E";
    if (value.text().starts_with('\\')) return "\\" + std::string(value.text());
  }
  return scalar_text(value);
}

}  // namespace tandem::ingest
