#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "ontology/fields.h"

namespace tandem::ontology {

Fields::Fields(const YamlNode& node, std::string what, Reports& reports)
    : line_(node.line), what_(std::move(what)), reports_(reports) {
  if (node.type == YamlNode::Type::map)
    map_ = &node;
  else
    reports_.error(line_, fmt::format("{} is no mapping", what_), "write key: value");
}

Fields::~Fields() {
  if (!map_) return;
  for (size_t i = 0; i < map_->keys.size(); ++i) {
    const std::string& key = map_->keys[i];
    if (std::ranges::find(known_, key) != known_.end()) continue;
    const auto meant = nearest(key, known_);
    reports_.error(
        map_->key_lines[i], fmt::format("{} has no key '{}'", what_, key),
        meant ? fmt::format("did you mean '{}'?", *meant) : fmt::format("its keys are {}", fmt::join(known_, ", ")));
  }
}

void Fields::wrong(const YamlNode& node, std::string_view key, std::string_view what_is_right) {
  reports_.error(node.line, fmt::format("{} of {} is wrong", key, what_), std::string(what_is_right));
}

const YamlNode* Fields::take(std::string_view key) {
  known_.emplace_back(key);
  return map_ ? map_->find(key) : nullptr;
}

std::string Fields::text(std::string_view key, bool required) {
  const YamlNode* node = take(key);
  if (!node) {
    if (required && map_)
      reports_.error(line_, fmt::format("{} lacks {}", what_, key), fmt::format("write {}: …", key));
    return {};
  }
  if (node->type == YamlNode::Type::scalar && !node->text.empty()) return node->text;
  wrong(*node, key, "write a text");
  return {};
}

std::vector<std::string> Fields::texts(std::string_view key) {
  const YamlNode* node = take(key);
  if (!node) return {};
  if (node->type == YamlNode::Type::scalar && !node->text.empty()) return {node->text};
  std::vector<std::string> list;
  if (node->type == YamlNode::Type::list && !node->items.empty()) {
    for (const YamlNode& item : node->items)
      if (item.type == YamlNode::Type::scalar && !item.text.empty())
        list.push_back(item.text);
      else
        wrong(item, key, "write a text");
    return list;
  }
  wrong(*node, key, "write a text, or a list of texts");
  return {};
}

bool Fields::boolean(std::string_view key) {
  const YamlNode* node = take(key);
  if (!node) return false;
  if (node->type == YamlNode::Type::scalar && node->plain && (node->text == "true" || node->text == "false"))
    return node->text == "true";
  wrong(*node, key, "write true or false");
  return false;
}

std::optional<double> Fields::number(std::string_view key) {
  const YamlNode* node = take(key);
  if (!node) return std::nullopt;
  if (node->type == YamlNode::Type::scalar && node->plain)
    if (const auto value = parse_number(node->text)) return value;
  wrong(*node, key, "write a number");
  return std::nullopt;
}

std::optional<int64_t> Fields::count(std::string_view key, int64_t most) {
  const YamlNode* node = take(key);
  if (!node) return std::nullopt;
  if (node->type == YamlNode::Type::scalar && node->plain)
    if (const auto value = parse_integer(node->text); value && *value >= 0 && *value <= most) return value;
  wrong(*node, key, fmt::format("write a whole number from 0 to {}", most));
  return std::nullopt;
}

size_t Fields::choice(std::string_view key, const std::vector<std::string>& choices, size_t absent) {
  const YamlNode* node = take(key);
  if (!node) return absent;
  if (node->type == YamlNode::Type::scalar)
    if (const auto found = std::ranges::find(choices, node->text); found != choices.end())
      return static_cast<size_t>(found - choices.begin());
  wrong(*node, key, fmt::format("write one of {}", fmt::join(choices, ", ")));
  return absent;
}

}  // namespace tandem::ontology
