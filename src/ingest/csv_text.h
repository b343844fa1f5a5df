// CSV as RFC 4180 has it, in pieces of any size: records of cells with their lines.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::ingest {

struct CsvRecord {
  uint32_t line = 1;                    // of its first byte
  std::vector<std::string_view> cells;  // without their quotes; valid during the call
  std::string_view fault;               // why it cannot be read; empty when it can
  size_t fault_cell = 0;                // where, from 0
};

// Takes a byte order mark off, lines end with LF or CR LF, blank lines are passed over. Bytes that are no UTF-8 or no
// text are a fault of their record, and so is a quote that opens or closes within a cell; reading goes on in the next
// line. The separator is the one of tab, comma and semicolon that the first line holds most often outside quotes.
class CsvSplitter {
 public:
  using Take = std::function<void(const CsvRecord&)>;
  CsvSplitter(size_t record_bytes_max, size_t cells_max, Take take)
      : record_bytes_max_(record_bytes_max), cells_max_(cells_max), take_(std::move(take)) {}

  void push(std::string_view bytes);
  void finish();
  char separator() const { return separator_; }

 private:
  void scan(std::string_view bytes);
  void line_ends();
  void split();
  void choose_separator();
  size_t take_cell(size_t at);
  size_t take_quoted(size_t at);

  size_t record_bytes_max_;
  size_t cells_max_;
  Take take_;
  std::string record_;    // bytes of the record so far
  std::string unquoted_;  // cells whose doubled quotes were undone
  CsvRecord current_;
  char separator_ = '\0';  // not yet chosen
  uint32_t line_ = 1;
  uint32_t record_line_ = 1;
  bool quoted_ = false;  // within quotes at the end of what was scanned
  bool too_long_ = false;
  bool first_ = true;
};

// Appends a cell, in quotes where it needs them.
void append_csv_cell(std::string& out, std::string_view text);

}  // namespace tandem::ingest
