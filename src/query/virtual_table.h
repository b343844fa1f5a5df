// A table of the semantic layer, as SQLite's virtual tables want it but without SQLite.
//
// A table states its access paths: which columns must be given by equality, which text column may then be bounded, how
// many rows that leaves and in which order they come. From these SQLite plans joins; the table opens the path chosen.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/reconcile.h"
#include "query/authorizer.h"
#include "query/budget.h"
#include "query/cells.h"

struct sqlite3;

namespace tandem::query {

// What every table of one query reads.
struct Context {
  const inventory::Snapshot& snapshot;
  const inventory::Snapshot& latest;  // of the same inventory, now: how many rows to expect is told at once only there
  Budget& budget;
  Authority& authority;
  // Found out once for a query that asks, however often its joins do; ascending by what they are about.
  std::optional<std::vector<inventory::Discrepancy>>& discrepancies;
  std::optional<Error>& failure;  // what a table could not do, for the answer; SQLite keeps only the message
};

enum class ColumnType : uint8_t { text, integer, number, boolean, json, any };
std::string_view to_string(ColumnType type);

struct ColumnDescription {
  std::string name;
  ColumnType type = ColumnType::text;
  std::string description;
  std::string refers_to;     // the kind whose ids it holds; empty for others
  bool is_argument = false;  // of a table-valued function: hidden from SELECT *
};

struct AccessPath {
  int number = 0;             // < 1,000; the table's own name for it
  std::vector<size_t> equal;  // columns whose values must be given, as text
  std::optional<size_t>
      bounded;                // the column that bounds may apply to, ascending in byte order once the others are given
  std::vector<size_t> order;  // columns by which rows ascend, bytewise, once those of `equal` are given
  double rows = 1;            // expected, without bounds
  bool unique = false;        // one row at most
};

// The bounds are those of a scan that gives every row wanted, and may give more: SQLite checks each again.
struct Access {
  int path = 0;
  std::vector<std::string> equal;  // in the order of AccessPath::equal
  std::string from;                // first value of the bounded column
  std::optional<std::string> to;   // last one
  std::string prefix;              // what it starts with
  uint64_t wanted = UINT64_MAX;    // columns that are read, by bit; the last bit stands for all from 63 on

  bool wants(size_t column) const { return (wanted >> std::min<size_t>(column, 63) & 1) != 0; }
  bool is_past(std::string_view value) const { return (to && value > *to) || !is_prefix_possible(value); }

 private:
  bool is_prefix_possible(std::string_view value) const {
    return prefix.empty() || value.substr(0, prefix.size()) <= prefix;
  }
};

// Rows of one opened path, in its order.
class Source {
 public:
  virtual ~Source() = default;
  // Adds about `count` rows, at least one, or none at the end.
  virtual Result<void> fill(Rows& rows, size_t count) = 0;
  // Begins again on the same path with the same columns wanted and other values, which spares a join's inner side the
  // opening of each look-up. False where it cannot: then the path is opened anew.
  virtual bool restart(const Access& access) { return static_cast<void>(access), false; }
};

class VirtualTable {
 public:
  VirtualTable(std::string name, std::string description)
      : name_(std::move(name)), description_(std::move(description)) {}
  virtual ~VirtualTable() = default;

  const std::string& name() const { return name_; }
  const std::string& description() const { return description_; }
  const std::vector<ColumnDescription>& columns() const { return columns_; }
  const std::vector<size_t>& key() const { return key_; }  // columns that tell its rows apart
  std::optional<size_t> column(std::string_view name) const;

  virtual std::vector<AccessPath> paths(const Context& context) const = 0;
  virtual std::optional<size_t> size(const Context& context) const = 0;  // rows; nothing where it takes arguments
  virtual Result<std::unique_ptr<Source>> open(const Context& context, Access access) const = 0;

 protected:
  size_t add(ColumnDescription column) { return columns_.push_back(std::move(column)), columns_.size() - 1; }
  void set_key(std::vector<size_t> columns) { key_ = std::move(columns); }

 private:
  std::string name_;
  std::string description_;
  std::vector<ColumnDescription> columns_;
  std::vector<size_t> key_;
};

// Makes the table known to the connection. Both must outlive it.
void register_table(sqlite3* database, const VirtualTable& table, const Context& context);

// The name as SQL text: in double quotes.
std::string sql_name(std::string_view name);

}  // namespace tandem::query
