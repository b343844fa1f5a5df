// An immutable table of rows with dense indices and lookup by id. Rows live in chunks behind shared pointers: a copy is
// O(1), a table with one row replaced copies one chunk and the spine of pointers and shares the rest.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/index.h"

namespace tandem::grid {

template <class Row>
class Table {
 public:
  static constexpr size_t kChunkRows = 128;  // ~10–40 KB a chunk: a patch is microseconds, a spine of 10⁶ rows 64 KB

  Table() : Table(std::vector<Row>{}) {}
  explicit Table(std::vector<Row> rows) : size_(rows.size()) {
    auto spine = std::make_shared<Spine>();
    auto ids = std::make_shared<Ids>();
    for (size_t start = 0; start < rows.size(); start += kChunkRows) {
      auto chunk = std::make_shared<std::vector<Row>>();
      for (size_t i = start; i < std::min(start + kChunkRows, rows.size()); ++i) {
        ids->emplace(rows[i].id, Index<Row>(i));
        chunk->push_back(std::move(rows[i]));
      }
      spine->push_back(std::move(chunk));
    }
    spine_ = std::move(spine);
    ids_ = std::move(ids);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  const Row& operator[](Index<Row> index) const { return (*this)[size_t{index.value}]; }
  const Row& operator[](size_t position) const {
    CHECK(position < size_);
    return (*(*spine_)[position / kChunkRows])[position % kChunkRows];
  }

  // The row of that id; an index that is not valid() when there is none.
  Index<Row> find(std::string_view id) const {
    const auto found = ids_->find(std::string(id));
    return found == ids_->end() ? Index<Row>() : found->second;
  }

  // This table with one row replaced; the id must stay the same.
  Table with(Index<Row> index, Row row) const {
    CHECK((*this)[index].id == row.id);
    auto spine = std::make_shared<Spine>(*spine_);
    auto chunk = std::make_shared<std::vector<Row>>(*(*spine)[index.value / kChunkRows]);
    (*chunk)[index.value % kChunkRows] = std::move(row);
    (*spine)[index.value / kChunkRows] = std::move(chunk);
    Table patched = *this;
    patched.spine_ = std::move(spine);
    return patched;
  }

  // True when the chunk holding `index` is the same memory in both: what a patch left alone.
  bool shares_chunk(const Table& other, Index<Row> index) const {
    return (*spine_)[index.value / kChunkRows] == (*other.spine_)[index.value / kChunkRows];
  }

  class Iterator {
   public:
    Iterator(const Table* table, size_t position) : table_(table), position_(position) {}
    const Row& operator*() const { return (*table_)[position_]; }
    Iterator& operator++() { return ++position_, *this; }
    bool operator==(const Iterator&) const = default;

   private:
    const Table* table_;
    size_t position_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size_}; }

  bool operator==(const Table& other) const {
    if (size_ != other.size_) return false;
    for (size_t i = 0; i < spine_->size(); ++i)
      if ((*spine_)[i] != (*other.spine_)[i] && *(*spine_)[i] != *(*other.spine_)[i]) return false;
    return true;
  }

 private:
  using Spine = std::vector<std::shared_ptr<const std::vector<Row>>>;
  using Ids = std::unordered_map<std::string, Index<Row>>;  // looked up, never iterated

  size_t size_;
  std::shared_ptr<const Spine> spine_;
  std::shared_ptr<const Ids> ids_;
};

}  // namespace tandem::grid
