#include "ingest/yaml_value.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tandem::ingest {
namespace {

using grid::Attribute;

constexpr size_t kColumnsMax = 118;

// Whether a text can stand in a flow mapping without quotes and still be read as that text.
bool is_plain(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto inner = [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '/';
  };
  if (text.empty() || !letter(text.front()) || !std::all_of(text.begin(), text.end(), inner)) return false;
  for (const char* special : {"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
    if (iequals(text, special)) return false;
  return true;
}

}  // namespace

Json yaml_value(const YamlNode& node, const Attribute* attribute) {
  using Type = YamlNode::Type;
  switch (node.type) {
    case Type::null: return nullptr;
    case Type::scalar: {
      const bool text_wanted =
          attribute != nullptr && (attribute->type == grid::Type::text || attribute->type == grid::Type::choice ||
                                   attribute->type == grid::Type::reference);
      return node.plain && !text_wanted ? yaml_scalar(node.text) : Json(node.text);
    }
    case Type::list: {
      Json::Array array;
      for (const YamlNode& item : node.items) array.push_back(yaml_value(item, attribute));
      return array;
    }
    case Type::map: {
      Json::Object object;
      for (size_t i = 0; i < node.keys.size(); ++i) {
        const Attribute* field = nullptr;
        if (attribute != nullptr)
          for (const Attribute& candidate : attribute->fields)
            if (candidate.name == node.keys[i]) field = &candidate;
        object[node.keys[i]] = yaml_value(node.items[i], field);
      }
      return object;
    }
  }
  return nullptr;
}

void append_yaml_scalar(std::string& out, const Json& value) {
  if (value.is_number() && !value.is_integer())
    out += fmt::format("{}", value.number());  // 100, not 100.0
  else if (!value.is_string())
    out += to_json(value);
  else if (is_plain(value.text()))
    out += value.text();
  else
    append_json_string(out, value.text());
}

namespace {

// Parts of a flow mapping, wrapped between parts.
class FlowWriter {
 public:
  FlowWriter(std::string& out, size_t indent) : out_(out), indent_(indent) {}

  void part(std::string_view text) {
    const size_t column = out_.size() - (out_.rfind('\n') + 1);
    if (column + text.size() > kColumnsMax && column > indent_) {
      while (out_.back() == ' ') out_.pop_back();
      out_ += '\n';
      out_.append(indent_, ' ');
    }
    out_ += text;
  }

 private:
  std::string& out_;
  size_t indent_;
};

void write_value(FlowWriter& writer, std::string prefix, const grid::Attribute& attribute, const Json& value,
                 std::string suffix);

void write_record(FlowWriter& writer, std::string prefix, const std::vector<grid::Attribute>& fields, const Json& value,
                  std::string suffix) {
  std::vector<const grid::Attribute*> present;
  for (const grid::Attribute& field : fields)
    if (!value[field.name].is_null()) present.push_back(&field);
  if (present.empty()) return writer.part(prefix + "{}" + suffix);
  for (size_t i = 0; i < present.size(); ++i)
    write_value(writer, (i == 0 ? prefix + "{" : std::string()) + std::string(present[i]->name) + ": ", *present[i],
                value[present[i]->name], i + 1 == present.size() ? "}" + suffix : ", ");
}

void write_one(FlowWriter& writer, std::string prefix, const grid::Attribute& attribute, const Json& value,
               std::string suffix) {
  if (attribute.type == grid::Type::record)
    return write_record(writer, std::move(prefix), attribute.fields, value, std::move(suffix));
  append_yaml_scalar(prefix, value);
  writer.part(prefix + suffix);
}

void write_value(FlowWriter& writer, std::string prefix, const grid::Attribute& attribute, const Json& value,
                 std::string suffix) {
  if (!attribute.list) return write_one(writer, std::move(prefix), attribute, value, std::move(suffix));
  const Json::Array& items = value.array();
  if (items.empty()) return writer.part(prefix + "[]" + suffix);
  for (size_t i = 0; i < items.size(); ++i)
    write_one(writer, i == 0 ? prefix + "[" : std::string(), attribute, items[i],
              i + 1 == items.size() ? "]" + suffix : ", ");
}

}  // namespace

void append_yaml_entity(std::string& out, const std::string& id, const std::vector<Attribute>& attributes,
                        const Json::Object& values) {
  FlowWriter writer(out, 4);
  std::string first = "  - {id: ";
  append_yaml_scalar(first, id);
  std::vector<const Attribute*> present;
  for (const Attribute& attribute : attributes)
    if (const auto found = values.find(attribute.name); found != values.end() && !found->second.is_null())
      present.push_back(&attribute);
  writer.part(first + (present.empty() ? "}" : ", "));
  for (size_t i = 0; i < present.size(); ++i)
    write_value(writer, std::string(present[i]->name) + ": ", *present[i], values.find(present[i]->name)->second,
                i + 1 == present.size() ? "}" : ", ");
  out += '\n';
}

void append_yaml_attribute(std::string& out, const Attribute& attribute, const Json& value) {
  FlowWriter writer(out, 4);
  write_value(writer, std::string(attribute.name) + ": ", attribute, value, "");
  out += '\n';
}

}  // namespace tandem::ingest
