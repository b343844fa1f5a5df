// YAML as a tree that keeps the line of everything, within bounds.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"

namespace tandem::ingest {

struct YamlNode {
  enum class Type : uint8_t { null, scalar, list, map };

  Type type = Type::null;
  bool plain = false;             // a scalar without quotes, which may be a number or a boolean
  int line = 0;                   // from 1
  std::string text;               // of a scalar
  std::vector<YamlNode> items;    // of a list, or the values of a map
  std::vector<std::string> keys;  // of a map, one for each item, unique
  std::vector<int> key_lines;
};

// One document; nothing when it cannot be read to its end. Adds an error for everything wrong.
std::optional<YamlNode> parse_yaml(std::string_view bytes, std::string_view file_name,
                                   std::vector<Diagnostic>& diagnostics);

}  // namespace tandem::ingest
