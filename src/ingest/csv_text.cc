#include "ingest/csv_text.h"

#include <algorithm>

#include "base/text.h"

namespace tandem::ingest {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_text(std::string_view bytes) {
  const bool control = std::any_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7F;
  });
  return !control && is_utf8(bytes);
}

}  // namespace

void CsvSplitter::push(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end == std::string_view::npos ? bytes.size() : end + 1);
    scan(part);
    bytes.remove_prefix(part.size());
    if (end != std::string_view::npos) line_ends();
  }
}

// Takes in bytes of one line and keeps track of whether a quote is open.
void CsvSplitter::scan(std::string_view bytes) {
  if (record_.size() + bytes.size() > record_bytes_max_) too_long_ = true;
  // A record that is too long ends with its line: within quotes that are never closed it would be the whole file.
  if (too_long_) return record_.clear();
  quoted_ ^= std::count(bytes.begin(), bytes.end(), '"') % 2 != 0;
  record_ += bytes;
}

void CsvSplitter::line_ends() {
  ++line_;
  if (quoted_ && !too_long_) return;
  split();
}

void CsvSplitter::finish() {
  if (!record_.empty() || too_long_) split();
}

void CsvSplitter::choose_separator() {
  size_t commas = 0, semicolons = 0, tabs = 0;
  bool quoted = false;
  for (const char c : record_) {
    quoted ^= c == '"';
    if (quoted) continue;
    commas += c == ',';
    semicolons += c == ';';
    tabs += c == '\t';
  }
  separator_ = tabs > 0 && tabs >= commas && tabs >= semicolons ? '\t' : semicolons > commas ? ';' : ',';
}

void CsvSplitter::split() {
  current_ = {};
  current_.line = record_line_;
  if (first_ && record_.starts_with(kByteOrderMark)) record_.erase(0, kByteOrderMark.size());
  while (!record_.empty() && (record_.back() == '\n' || record_.back() == '\r')) record_.pop_back();
  if (first_ && !record_.empty()) choose_separator();
  unquoted_.clear();
  unquoted_.reserve(record_.size());  // so that views into it stay good
  if (too_long_)
    current_.fault = "the row is too long";
  else if (quoted_)
    current_.fault = "a quote is opened and never closed";
  if (current_.fault.empty() && !record_.empty()) {
    size_t at = 0;
    do at = take_cell(at);
    while (at <= record_.size() && current_.fault.empty());
  }
  if (!record_.empty()) first_ = false;
  if (!record_.empty() || !current_.fault.empty()) take_(current_);
  record_.clear();
  record_line_ = line_;
  quoted_ = too_long_ = false;
}

// Takes the cell that begins at `at`; returns where the next begins, past the end when there is none.
size_t CsvSplitter::take_cell(size_t at) {
  if (current_.cells.size() == cells_max_) {
    current_.fault = "the row has too many cells";
    current_.fault_cell = cells_max_;
    return record_.size() + 1;
  }
  if (at < record_.size() && record_[at] == '"') return take_quoted(at);
  const size_t end = std::min(record_.find(separator_, at), record_.size());
  const std::string_view cell = std::string_view(record_).substr(at, end - at);
  if (cell.find('"') != std::string_view::npos) {
    current_.fault = "a quote stands within a cell that does not begin with one";
    current_.fault_cell = current_.cells.size();
  } else if (!is_text(cell)) {
    current_.fault = "the bytes are not text in UTF-8";
    current_.fault_cell = current_.cells.size();
  }
  current_.cells.push_back(cell);
  return end + 1;
}

size_t CsvSplitter::take_quoted(size_t at) {
  const size_t start = unquoted_.size();
  size_t i = at + 1;
  for (;; ++i) {
    const size_t quote = record_.find('"', i);  // there is one: quotes come in pairs when a record is complete
    unquoted_.append(record_, i, quote - i);
    i = quote + 1;
    if (i >= record_.size() || record_[i] != '"') break;
    unquoted_ += '"';
  }
  const std::string_view cell = std::string_view(unquoted_).substr(start);
  if (i < record_.size() && record_[i] != separator_) {
    current_.fault = "after the closing quote of a cell there is more";
    current_.fault_cell = current_.cells.size();
  } else if (!is_text(cell)) {
    current_.fault = "the bytes are not text in UTF-8";
    current_.fault_cell = current_.cells.size();
  }
  current_.cells.push_back(cell);
  return i + 1;
}

void append_csv_cell(std::string& out, std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of("\",;\t\r\n") == std::string_view::npos &&
                     text.front() != ' ' && text.back() != ' ';
  if (plain || text.empty()) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace tandem::ingest
