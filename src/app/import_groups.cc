#include "app/import_groups.h"

#include <fmt/format.h>

#include <utility>

#include "base/digest.h"
#include "grid/schema.h"

namespace tandem::app {
namespace {

log::Event mark(const ImportOf& import, const inventory::Row& row) {
  log::Event event;
  event.set_actor(import.actor);
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source(std::string(kImportSource));
  facts.set_kind(row.kind);
  facts.set_id(row.id);
  for (const auto& [name, value] : row.attributes) inventory::add_attribute(facts, name, value);
  return event;
}

inventory::Row in_state(const ImportOf& import, const char* state) {
  inventory::Row row;
  row.kind = kImportKind;
  row.id = import_id(import.source);
  row.attributes = {{"source", import.source}, {"state", state}, {"rows", import.rows}};
  return row;
}

}  // namespace

std::string import_id(const std::string& source) {
  if (!grid::check_id(source)) return source;
  return fmt::format("import-{}", to_hex(sha256(source)).substr(0, 16));
}

std::optional<log::Offset> open_import(const inventory::Snapshot& believed, const std::string& source) {
  const auto import = believed.find(kImportKind, import_id(source));
  if (!import) return std::nullopt;
  const v1::Value* state = import->find("state");
  return state != nullptr && state->text() == "running" ? std::optional(import->changed) : std::nullopt;
}

std::vector<std::string> open_imports(const inventory::Snapshot& believed) {
  std::vector<std::string> sources;
  believed.for_each_json(kImportKind, [&](const std::string&, const Json::Object& import) {
    if (import.at("state").text() == "running") sources.emplace_back(import.at("source").text());
    return true;
  });
  return sources;
}

inventory::Row import_begins(const ImportOf& import) { return in_state(import, "running"); }
inventory::Row import_ends(const ImportOf& import) { return in_state(import, "complete"); }

bool is_import_mark(const log::Event& event) {
  return event.has_facts_recorded() && event.facts_recorded().kind() == kImportKind &&
         event.facts_recorded().source() == kImportSource;
}

Result<void> ImportGroups::add(log::Event event) {
  if (group_.size() >= kImportGroupEvents || bytes_ >= kImportGroupBytes) TANDEM_TRY(flush(/*last=*/false));
  bytes_ += event.ByteSizeLong();
  if (group_.empty()) group_.reserve(kImportGroupEvents + 2);  // and two marks
  group_.push_back(std::move(event));
  return {};
}

Result<void> ImportGroups::finish() { return flush(/*last=*/true); }

// The first mark is recorded with the first group and the second with the last: there is no moment between.
Result<void> ImportGroups::flush(bool last) {
  const bool marked = begun_ || import_.open;
  if (!last && !begun_) {
    group_.insert(group_.begin(), mark(import_, import_begins(import_)));
    begun_ = true;
  }
  if (last && marked) group_.push_back(mark(import_, import_ends(import_)));
  bytes_ = 0;
  return group_.empty() ? Result<void>() : record_(std::exchange(group_, {}), last);
}

}  // namespace tandem::app
