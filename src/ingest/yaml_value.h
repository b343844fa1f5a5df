// Values in YAML, by the attribute they are of.
#pragma once

#include <string>

#include "base/json.h"
#include "base/yaml_tree.h"
#include "grid/schema.h"

namespace tandem::ingest {

// The value of a node where `attribute` (null: not known) is expected: texts stay texts even when they look like
// numbers.
Json yaml_value(const YamlNode& node, const grid::Attribute* attribute);

// A scalar, in quotes where it would not be read as itself.
void append_yaml_scalar(std::string& out, const Json& value);

// Appends "key: value" parts of one entity within braces, wrapped between parts at ~120 columns, with a final newline.
void append_yaml_entity(std::string& out, const std::string& id, const std::vector<grid::Attribute>& attributes,
                        const Json::Object& values);
// "key: value" of an attribute on its own line.
void append_yaml_attribute(std::string& out, const grid::Attribute& attribute, const Json& value);

}  // namespace tandem::ingest
