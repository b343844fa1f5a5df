// Entities as a grid file that people can go on editing.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/text.h"
#include "ingest/ingest.h"

namespace tandem::ingest {
namespace {

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

void append_scalar(std::string& out, const Json& value) {
  if (value.is_number() && !value.is_integer())
    out += fmt::format("{}", value.number());  // 100, not 100.0
  else if (!value.is_string())
    out += to_json(value);
  else if (is_plain(value.text()))
    out += value.text();
  else
    append_json_string(out, value.text());
}

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
  append_scalar(prefix, value);
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

void write_entity(std::string& out, const grid::Kind& kind, const grid::Entity& entity) {
  FlowWriter writer(out, 4);
  std::string first = "  - {id: ";
  append_scalar(first, entity.id);
  std::vector<const grid::Attribute*> present;
  for (const grid::Attribute& attribute : kind.attributes)
    if (const auto found = entity.attributes.find(attribute.name);
        found != entity.attributes.end() && !found->second.is_null())
      present.push_back(&attribute);
  writer.part(first + (present.empty() ? "}" : ", "));
  for (size_t i = 0; i < present.size(); ++i)
    write_value(writer, std::string(present[i]->name) + ": ", *present[i],
                entity.attributes.find(present[i]->name)->second, i + 1 == present.size() ? "}" : ", ");
  out += '\n';
}

void write_grid_attributes(std::string& out, const grid::Kind& kind, const grid::Entity& entity) {
  for (const grid::Attribute& attribute : kind.attributes) {
    const auto found = entity.attributes.find(attribute.name);
    if (found == entity.attributes.end() || found->second.is_null()) continue;
    FlowWriter writer(out, 4);
    write_value(writer, std::string(attribute.name) + ": ", attribute, found->second, "");
    out += '\n';
  }
}

}  // namespace

std::string write_grid_file(std::span<const grid::Entity> entities) {
  std::string out = "tandem: " + std::to_string(grid::kFileFormat) + "\n";
  for (const grid::Kind& kind : grid::kinds()) {
    std::vector<const grid::Entity*> own;
    for (const grid::Entity& entity : entities)
      if (entity.kind == kind.name) own.push_back(&entity);
    std::stable_sort(own.begin(), own.end(),
                     [](const grid::Entity* a, const grid::Entity* b) { return a->id < b->id; });
    if (own.empty()) continue;
    if (kind.section.empty()) {
      write_grid_attributes(out, kind, *own.front());
      continue;
    }
    out += "\n" + std::string(kind.section) + ":\n";
    for (const grid::Entity* entity : own) write_entity(out, kind, *entity);
  }
  return out;
}

}  // namespace tandem::ingest
