// CSV: a row an entity, a column an attribute, named in the first row.
#include "ingest/feed_readers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "ingest/csv_text.h"
#include "ingest/feed_kind.h"
#include "ingest/feed_text.h"

namespace tandem::ingest {
namespace {

constexpr size_t kShownBytesMax = 60;  // of a wrong name repeated in a message

class CsvReader final : public FeedReader {
 public:
  CsvReader(const FeedOptions& options, FeedSink& sink)
      : options_(options),
        sink_(sink),
        splitter_(kFeedItemBytesMax, kFeedColumnsMax, [this](const CsvRecord& r) { take(r); }) {}

  void push(std::string_view bytes) override { splitter_.push(bytes); }
  void finish() override {
    splitter_.finish();
    if (!header_seen_) fault({}, {}, {}, "", "the file is empty", "begin with a row of column names: kind,id,name");
  }

  std::string column(const FeedPlace&, std::string_view, std::string_view attribute) const override {
    const std::string_view name = attribute.substr(0, attribute.find_first_of(".["));
    const auto found = std::find(columns_.begin(), columns_.end(), name);
    return found == columns_.end() ? std::string() : column_name(static_cast<size_t>(found - columns_.begin()));
  }

  std::vector<std::string> notes() const override { return {}; }

 private:
  struct KindColumns {
    const grid::Kind* kind = nullptr;                // null: there is no such kind
    std::vector<const grid::Attribute*> attributes;  // of each column; null where the kind has none of that name
  };

  std::string column_name(size_t position) const {
    return fmt::format("column {} '{}'", position + 1, columns_[position].substr(0, kShownBytesMax));
  }

  void fault(const FeedPlace& place, std::string_view kind, std::string_view id, std::string column,
             std::string message, std::string fix) {
    sink_.fault({place, std::string(kind), std::string(id), std::move(column), std::move(message), std::move(fix)},
                std::exchange(row_is_good_, false));
  }

  void take(const CsvRecord& record) {
    row_is_good_ = true;
    if (!header_seen_) return take_header(record);
    if (!header_good_) return;
    const FeedPlace place{record.line, 0, rows_++, 0};
    if (!record.fault.empty()) {
      const std::string column = record.fault_cell < columns_.size() ? column_name(record.fault_cell) : std::string();
      return fault(place, "", "", column, std::string(record.fault),
                   "write quotes around the whole cell and double those within");
    }
    if (record.cells.size() != columns_.size())
      return fault(place, "", "", "",
                   fmt::format("the row has {} cells where the first row names {} columns", record.cells.size(),
                               columns_.size()),
                   "write quotes around a cell that holds the separator");
    take_row(record, place);
  }

  void take_header(const CsvRecord& record) {
    header_seen_ = true;
    FeedPlace place{record.line, 0, 0, 0};
    header_good_ = record.fault.empty();
    if (!header_good_) return fault(place, "", "", "", std::string(record.fault), "name each column in the first row");
    for (const std::string_view cell : record.cells) columns_.emplace_back(trim(cell));
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].empty())
        header_fault(place, i, "the column has no name", "name it in the first row, or leave it out");
      else if (std::find(columns_.begin(), columns_.begin() + static_cast<ptrdiff_t>(i), columns_[i]) !=
               columns_.begin() + static_cast<ptrdiff_t>(i))
        header_fault(place, i, "two columns have this name", "name each attribute once");
    }
    kind_column_ = position_of("kind");
    id_column_ = position_of("id");
    if (kind_column_ == columns_.size() && options_.kind.empty()) {
      header_good_ = false;
      fault(place, "", "", "", "there is no column 'kind'", "add one, or name the kind of all rows with --kind");
    }
    if (!options_.kind.empty()) check_columns(place, options_.kind);
  }

  void header_fault(const FeedPlace& place, size_t column, std::string message, std::string fix) {
    header_good_ = false;
    fault(place, "", "", column_name(column), std::move(message), std::move(fix));
  }

  void check_columns(const FeedPlace& place, const std::string& kind_name) {
    const KindColumns& known = columns_of(kind_name);
    if (known.kind == nullptr) {
      header_good_ = false;
      return fault(place, "", "", "", no_such_kind(kind_name), "name a kind of the ontology with --kind");
    }
    for (size_t i = 0; i < columns_.size(); ++i)
      if (known.attributes[i] == nullptr && i != kind_column_ && i != id_column_)
        header_fault(place, i, fmt::format("a {} has no attribute of this name", kind_name),
                     attribute_meant(*known.kind, columns_[i]));
  }

  size_t position_of(std::string_view name) const {
    return static_cast<size_t>(std::find(columns_.begin(), columns_.end(), name) - columns_.begin());
  }

  const KindColumns& columns_of(std::string_view kind_name) {
    const auto found = kinds_.find(kind_name);
    if (found != kinds_.end()) return found->second;
    KindColumns made;
    made.kind = feed_kind(kind_name);
    for (const std::string& column : columns_) made.attributes.push_back(made.kind ? made.kind->find(column) : nullptr);
    return kinds_.emplace(std::string(kind_name), std::move(made)).first->second;
  }

  void take_row(const CsvRecord& record, const FeedPlace& place) {
    inventory::Row row;
    row.kind = kind_column_ < columns_.size() ? trim(record.cells[kind_column_]) : std::string_view();
    if (row.kind.empty()) row.kind = options_.kind;
    if (id_column_ < columns_.size()) row.id = trim(record.cells[id_column_]);
    if (kinds_.size() >= kKindsMax && !kinds_.contains(row.kind)) kinds_.clear();
    const KindColumns& known = columns_of(row.kind);
    if (known.kind == nullptr)
      return fault(place, row.kind, row.id, kind_column_ < columns_.size() ? column_name(kind_column_) : "",
                   no_such_kind(row.kind), "write the name of a kind, such as rack");
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i == kind_column_ || i == id_column_ || record.cells[i].empty()) continue;
      if (known.attributes[i] == nullptr) {
        fault(place, row.kind, row.id, column_name(i), fmt::format("a {} has no attribute of this name", row.kind),
              attribute_meant(*known.kind, columns_[i]));
        continue;
      }
      std::string reason;
      if (auto value = cell_value(record.cells[i], *known.attributes[i], reason))
        row.attributes.insert_or_assign(columns_[i], std::move(*value));
      else
        fault(place, row.kind, row.id, column_name(i), reason, "write a JSON array or object");
    }
    if (row_is_good_) sink_.row(std::move(row), place);
  }

  static constexpr size_t kKindsMax = 1'000;  // remembered: an ontology has ~60; names of a damaged file are many

  FeedOptions options_;
  FeedSink& sink_;
  CsvSplitter splitter_;
  std::vector<std::string> columns_;
  size_t kind_column_ = 0, id_column_ = 0;
  std::map<std::string, KindColumns, std::less<>> kinds_;
  uint32_t rows_ = 0;
  bool header_seen_ = false, header_good_ = true, row_is_good_ = true;
};

}  // namespace

std::unique_ptr<FeedReader> make_csv_reader(const FeedOptions& options, FeedSink& sink) {
  return std::make_unique<CsvReader>(options, sink);
}

}  // namespace tandem::ingest
