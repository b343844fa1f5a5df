// Rows between a source and SQLite: the values of many in one run of memory that is used again and again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "inventory/inventory.h"

namespace tandem::query {

struct Cell {
  enum class Type : uint8_t { null, integer, number, text };
  Type type = Type::null;
  uint32_t bytes = 0;  // of its text
  union {
    int64_t integer = 0;  // or where its text starts
    double number;
  };
};

class Rows {
 public:
  explicit Rows(size_t columns) : columns_(columns) {}

  size_t size() const { return cells_.size() / columns_; }
  void clear() {
    cells_.clear();
    texts_.clear();
  }

  void add() { cells_.resize(cells_.size() + columns_); }  // a row of nulls; the setters are about the last one
  void set(size_t column, int64_t value) { last(column) = {Cell::Type::integer, 0, {value}}; }
  void set(size_t column, uint64_t value) { set(column, static_cast<int64_t>(value)); }
  void set(size_t column, double value) { last(column) = {Cell::Type::number, 0, {.number = value}}; }
  void set(size_t column, std::string_view text) {  // of one entity: far below 4 GB
    last(column) = {Cell::Type::text, static_cast<uint32_t>(text.size()), {static_cast<int64_t>(texts_.size())}};
    texts_ += text;
  }
  // Truth becomes 0 or 1; lists and records become JSON text.
  void set_scalar(size_t column, const inventory::Scalar& value);
  void set_json(size_t column, const Json& value);

  const Cell& cell(size_t row, size_t column) const { return cells_[row * columns_ + column]; }
  std::string_view text(const Cell& cell) const {
    return std::string_view(texts_).substr(static_cast<size_t>(cell.integer), cell.bytes);
  }

 private:
  Cell& last(size_t column) { return cells_[cells_.size() - columns_ + column]; }

  size_t columns_;
  std::vector<Cell> cells_;
  std::string texts_;
};

}  // namespace tandem::query
