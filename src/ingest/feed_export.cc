// Entities out, as CSV and YAML; the JSON formats have their own files.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ingest/csv_text.h"
#include "ingest/feed_kind.h"
#include "ingest/feed_text.h"
#include "ingest/feed_writers.h"
#include "ingest/yaml_value.h"

namespace tandem::ingest {
namespace {

constexpr size_t kPieceBytes = 64u << 10;  // handed to `write` at a time

std::vector<std::string> export_csv(const std::vector<const grid::Kind*>& kinds, const inventory::Snapshot& inventory,
                                    FeedOutput& out) {
  std::vector<std::string> columns;  // of all kinds, in the order of the first that has each
  std::set<std::string_view> named;
  for (const grid::Kind* kind : kinds)
    for (const grid::Attribute& attribute : kind->attributes)
      if (named.insert(attribute.name).second) columns.emplace_back(attribute.name);
  std::string line = "kind,id";
  for (const std::string& column : columns) line += "," + column;
  out.add(line + "\n");
  for (const grid::Kind* kind : kinds) {
    std::vector<const grid::Attribute*> attributes;
    for (const std::string& column : columns) attributes.push_back(kind->find(column));
    inventory.for_each_json(kind->name, [&](const std::string& id, const Json::Object& values) {
      std::string row = fmt::format("{},{}", kind->name, id);
      for (const grid::Attribute* attribute : attributes) {
        row += ',';
        if (attribute == nullptr) continue;
        if (const auto found = values.find(attribute->name); found != values.end())
          append_csv_cell(row, cell_text(found->second, *attribute));
      }
      out.add(row + "\n");
      return true;
    });
  }
  return {};
}

std::vector<std::string> export_yaml(const std::vector<const grid::Kind*>& kinds, const inventory::Snapshot& inventory,
                                     FeedOutput& out) {
  for (const grid::Kind* kind : kinds) {
    if (inventory.size(kind->name) == 0) continue;
    out.add(fmt::format("{}:\n", kind->name));
    inventory.for_each_json(kind->name, [&](const std::string& id, const Json::Object& values) {
      std::string entity;
      append_yaml_entity(entity, id, kind->attributes, values);
      out.add(entity);
      return true;
    });
  }
  return {};
}

}  // namespace

void FeedOutput::add(std::string_view text) {
  held_ += text;
  if (held_.size() >= kPieceBytes) flush();
}

void FeedOutput::flush() {
  if (!held_.empty()) write_(held_);
  held_.clear();
}

Result<std::vector<std::string>> export_feed(FeedFormat format, const inventory::Snapshot& inventory,
                                             const ExportOptions& options,
                                             const std::function<void(std::string_view)>& write) {
  std::vector<const grid::Kind*> kinds;
  for (const std::string& name : options.kinds) {
    const grid::Kind* kind = feed_kind(name);
    if (kind == nullptr) return fail(ErrorCode::invalid_argument, no_such_kind(name));
    kinds.push_back(kind);
  }
  if (kinds.empty())
    for (const grid::Kind* kind : kinds_in_order())
      if (inventory.size(kind->name) > 0) kinds.push_back(kind);
  FeedOutput out(write);
  std::vector<std::string> notes;
  switch (format) {
    case FeedFormat::csv: notes = export_csv(kinds, inventory, out); break;
    case FeedFormat::yaml: notes = export_yaml(kinds, inventory, out); break;
    case FeedFormat::netbox: notes = export_netbox(kinds, inventory, options, out); break;
    case FeedFormat::tmf639: notes = export_tmf639(kinds, inventory, out); break;
    case FeedFormat::automatic:
      return fail(ErrorCode::invalid_argument, "name the format: csv, yaml, netbox or tmf639");
  }
  out.flush();
  return notes;
}

}  // namespace tandem::ingest
