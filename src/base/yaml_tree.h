// YAML as a tree that keeps the line of everything, within bounds.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/json.h"

namespace tandem {

struct YamlNode {
  enum class Type : uint8_t { null, scalar, list, map };

  Type type = Type::null;
  bool plain = false;             // a scalar without quotes, which may be a number or a boolean
  int line = 0;                   // from 1
  std::string text;               // of a scalar
  std::vector<YamlNode> items;    // of a list, or the values of a map
  std::vector<std::string> keys;  // of a map, one for each item, unique
  std::vector<int> key_lines;

  const YamlNode* find(std::string_view key) const;  // of a map; null when it has no such key
};

// A plain scalar as YAML's core schema takes it, without its rarer spellings (hexadecimal, .inf, True): a boolean, a
// number or a text.
Json yaml_scalar(std::string_view text);

// One document; nothing when it cannot be read to its end. Adds an error for everything wrong.
std::optional<YamlNode> parse_yaml(std::string_view bytes, std::string_view file_name,
                                   std::vector<Diagnostic>& diagnostics);

}  // namespace tandem
