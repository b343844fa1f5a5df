#include "query/catalogue.h"

#include "base/text.h"
#include "grid/schema.h"
#include "ontology/ontology.h"
#include "query/discrepancy_table.h"
#include "query/entity_tables.h"
#include "query/kind_table.h"
#include "query/relations.h"
#include "query/walk.h"

namespace tandem::query {
namespace {

class TablesTable final : public VirtualTable {
 public:
  explicit TablesTable(const Catalogue& catalogue)
      : VirtualTable("schema_tables", "Every table."), catalogue_(catalogue) {
    add({"name", ColumnType::text, "Its name.", {}, false});
    add({"rows", ColumnType::integer, "How many rows it has; null where that is only known by reading.", {}, false});
    add({"description", ColumnType::text, "What a row of it is.", {}, false});
    set_key({0});
  }
  std::vector<AccessPath> paths(const Context&) const override { return {{0, {}, {}, {}, 100, false}}; }
  std::optional<size_t> size(const Context&) const override { return catalogue_.tables().size(); }
  Result<std::unique_ptr<Source>> open(const Context& context, Access access) const override;

 private:
  const Catalogue& catalogue_;
};

class ColumnsTable final : public VirtualTable {
 public:
  explicit ColumnsTable(const Catalogue& catalogue)
      : VirtualTable("schema_columns", "Every column of every table."), catalogue_(catalogue) {
    add({"table_name", ColumnType::text, "Its table.", {}, false});
    add({"name", ColumnType::text, "Its name; a number's unit is the end of it.", {}, false});
    add({"type", ColumnType::text, "text, integer, number, boolean (0 or 1), json or any.", {}, false});
    add({"unit", ColumnType::text, "Of its numbers.", {}, false});
    add({"refers_to", ColumnType::text, "The kind whose ids it holds.", {}, false});
    add({"description", ColumnType::text, "What it says.", {}, false});
    set_key({0, 1});
  }
  std::vector<AccessPath> paths(const Context&) const override {
    return {{0, {}, {}, {}, 1'000, false}, {1, {0}, {}, {}, 15, false}};
  }
  std::optional<size_t> size(const Context&) const override { return std::nullopt; }
  Result<std::unique_ptr<Source>> open(const Context& context, Access access) const override;

 private:
  const Catalogue& catalogue_;
};

// A source that has all its rows at once.
template <class Add>
class AtOnce final : public Source {
 public:
  explicit AtOnce(Add add) : add_(std::move(add)) {}
  Result<void> fill(Rows& rows, size_t) override {
    if (!std::exchange(done_, true)) add_(rows);
    return {};
  }

 private:
  Add add_;
  bool done_ = false;
};

Result<std::unique_ptr<Source>> TablesTable::open(const Context& context, Access) const {
  return std::make_unique<AtOnce<std::function<void(Rows&)>>>([this, &context](Rows& rows) {
    for (const auto& table : catalogue_.tables()) {
      rows.add();
      rows.set(0, std::string_view(table->name()));
      if (const auto size = table->size(context)) rows.set(1, uint64_t{*size});
      rows.set(2, std::string_view(table->description()));
    }
  });
}

void add_columns(const VirtualTable& table, Rows& rows) {
  for (const ColumnDescription& column : table.columns()) {
    rows.add();
    rows.set(0, std::string_view(table.name()));
    rows.set(1, std::string_view(column.name));
    rows.set(2, to_string(column.type));
    if (column.type == ColumnType::number || column.type == ColumnType::integer)
      if (const std::string_view unit = grid::unit_of(column.name); !unit.empty()) rows.set(3, unit);
    if (!column.refers_to.empty()) rows.set(4, std::string_view(column.refers_to));
    rows.set(5, std::string_view(column.description));
  }
}

Result<std::unique_ptr<Source>> ColumnsTable::open(const Context&, Access access) const {
  return std::make_unique<AtOnce<std::function<void(Rows&)>>>([this, access = std::move(access)](Rows& rows) {
    for (const auto& table : catalogue_.tables())
      if (access.path == 0 || table->name() == access.equal.front()) add_columns(*table, rows);
  });
}

}  // namespace

Catalogue::Catalogue() {
  for (const ontology::Kind& kind : ontology::Ontology::built_in().kinds()) tables_.push_back(kind_table(kind));
  tables_.push_back(entities_table());
  tables_.push_back(facts_table());
  tables_.push_back(history_table());
  tables_.push_back(relations_table());
  tables_.push_back(discrepancies_table());
  for (const Walk walk : {Walk::impact_of, Walk::path_of, Walk::located_in, Walk::location_of})
    tables_.push_back(walk_table(walk));
  tables_.push_back(std::make_unique<TablesTable>(*this));
  tables_.push_back(std::make_unique<ColumnsTable>(*this));
}

const VirtualTable* Catalogue::find(std::string_view name) const {
  const auto found =
      std::find_if(tables_.begin(), tables_.end(), [&](const auto& table) { return iequals(table->name(), name); });
  return found == tables_.end() ? nullptr : found->get();
}

std::vector<std::string> Catalogue::names() const {
  std::vector<std::string> names;
  for (const auto& table : tables_) names.push_back(table->name());
  return names;
}

const Catalogue& catalogue() {
  static const Catalogue kCatalogue;
  return kCatalogue;
}

}  // namespace tandem::query
