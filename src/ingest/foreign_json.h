// What the readers of foreign JSON share: parsing of items, and counting what is passed over.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_element.h"
#include "ingest/json_items.h"

namespace tandem::ingest {

// Parses one item after another with the same memory.
class ItemParser {
 public:
  // Nothing, with the reason in `fault`, when the item is no JSON object. The object is good until the next call.
  std::optional<simdjson::dom::object> parse(const JsonItems::Item& item, std::string& fault);

 private:
  simdjson::dom::parser parser_;
};

// Names of what was passed over, each with how often; the first of many.
class PassedOver {
 public:
  void add(std::string_view what);
  // "custom field 'x' has no attribute of rack: passed over 12 times"
  std::vector<std::string> sentences() const;

 private:
  static constexpr size_t kNamesMax = 200;
  std::map<std::string, size_t, std::less<>> counts_;
  size_t more_ = 0;
};

// A member that is a text; empty when it is none.
std::string_view text_member(const simdjson::dom::object& object, std::string_view name);

// "heightU" → "height_u"; names that are so already stay.
std::string snake_case(std::string_view name);

}  // namespace tandem::ingest
