// Read-only SQL over a snapshot of the inventory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "inventory/inventory.h"

namespace tandem::query {

inline constexpr size_t kSqlBytesMax = 100'000;  // no person writes more, and a planner's time grows with it

struct Limits {
  size_t rows_max = 10'000;              // more are cut off, and `truncated` says so
  size_t result_bytes_max = 64u << 20;   // of texts and cells together; likewise
  size_t memory_bytes_max = 256u << 20;  // of SQLite, for sorting and grouping above all
  uint64_t steps_max = 2'000'000'000;    // of SQLite's virtual machine and rows visited; ~a minute
  std::function<bool()> stop;            // asked every few thousand steps; true ends the query. May be empty
  Instant now;                           // what `now` means in SQL
};

struct Column {
  std::string name;
  bool number = false;  // every value in it is a number or null, and one is a number
};

// Values are null, booleans, integers, numbers and text; lists and records where a column of that type was asked for.
struct Table {
  std::vector<Column> columns;
  std::vector<Json::Array> rows;
  bool truncated = false;  // there were more
  log::Offset offset = 0;  // of the snapshot
};

// Answers one statement: SELECT, VALUES, WITH or EXPLAIN. One and the same snapshot, statement and limits give one and
// the same answer, unless `stop` ends it. `parameters` are the values of ?, ?2 and so on.
// Errors: invalid_argument (with line and column where SQLite knows them, and the nearest name there is),
// permission_denied (more than a read), too_large (over memory, steps or length), deadline_exceeded (`stop`), not_found
// (an entity that a function was asked about).
Result<Table> run(const inventory::Snapshot& snapshot, std::string_view sql, const Limits& limits,
                  const Json::Array& parameters = {});

// {columns, rows, offset, truncated}: columns as names, rows as arrays.
Json as_json(const Table& table);
// RFC 4180 with a heading, lines ended by \n; null is empty, lists and records are JSON.
std::string as_csv(const Table& table);
// Aligned columns with a heading and, below, how many rows at which offset; numbers to the right. Fitted to `width`
// columns as TextTable does, with a last column of words going on below itself; where it is wider all the same, each
// row is a list of names and values. 0: as wide as it is.
std::string as_text(const Table& table, size_t width = 0);

}  // namespace tandem::query
