// Tables as JSON, CSV and aligned text.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/text_table.h"
#include "query/query.h"

namespace tandem::query {
namespace {

std::string plain(const Json& value) {
  if (value.is_null()) return {};
  return value.is_string() ? std::string(value.text()) : tandem::to_json(value);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

// What a terminal shows as it stands, in one line: no control characters, which could be orders to it.
std::string shown(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const size_t length = utf8_sequence_length(text);
    const bool control = length == 1 && (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7f);
    const bool late_control = length == 2 && text[0] == '\xC2' && static_cast<unsigned char>(text[1]) < 0xA0;
    if (control || late_control || length == 0)
      shown += text[0] == '\n' ? "⏎" : "�";
    else
      shown += text.substr(0, length);
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return shown;
}

// Sentences in the last column go on below themselves.
TextTable::Align align_of(const Table& table, size_t column) {
  if (table.columns[column].number) return TextTable::Align::right;
  const bool words = column + 1 == table.columns.size() &&
                     std::any_of(table.rows.begin(), table.rows.end(), [&](const Json::Array& row) {
                       return row[column].text().find(' ') != std::string_view::npos;
                     });
  return words ? TextTable::Align::sentence : TextTable::Align::left;
}

}  // namespace

Json as_json(const Table& table) {
  Json::Array columns;
  for (const Column& column : table.columns) columns.emplace_back(column.name);
  Json::Array rows;
  rows.reserve(table.rows.size());
  for (const Json::Array& row : table.rows) rows.emplace_back(row);
  return Json::Object{{"columns", std::move(columns)},
                      {"rows", std::move(rows)},
                      {"offset", table.offset},
                      {"truncated", table.truncated}};
}

std::string as_csv(const Table& table) {
  std::string out;
  for (size_t i = 0; i < table.columns.size(); ++i) out += (i > 0 ? "," : "") + csv_field(table.columns[i].name);
  out += '\n';
  for (const Json::Array& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + csv_field(plain(row[i]));
    out += '\n';
  }
  return out;
}

namespace {

// A row after another, each value beside the name of its column; what is empty is left out.
std::string as_records(const Table& table, size_t width) {
  size_t widest = 0;
  for (const auto& column : table.columns) widest = std::max(widest, display_width(shown(column.name)));
  std::string out;
  for (const Json::Array& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string value = shown(plain(row[i])), name = shown(table.columns[i].name);
      if (value.empty()) continue;
      out += name + std::string(widest - display_width(name) + 2, ' ') + wrapped(value, width, widest + 2) + "\n";
    }
    out += "\n";
  }
  return out;
}

bool is_wider(std::string_view text, size_t width) {
  const auto lines = split(text, '\n');
  return std::ranges::any_of(lines, [&](std::string_view line) { return display_width(line) > width; });
}

}  // namespace

std::string as_text(const Table& table, size_t width) {
  std::vector<TextTable::Column> columns;
  for (size_t i = 0; i < table.columns.size(); ++i)
    columns.push_back({shown(table.columns[i].name), align_of(table, i)});
  TextTable lines(std::move(columns));
  for (const Json::Array& row : table.rows) {
    std::vector<std::string> cells;
    for (const Json& value : row) cells.push_back(shown(plain(value)));
    lines.add(std::move(cells));
  }
  std::string out = lines.text(width);
  if (width > 0 && table.columns.size() > 1 && is_wider(out, width)) out = as_records(table, width);
  out += fmt::format("({} row{}{} at offset {})\n", table.rows.size(), table.rows.size() == 1 ? "" : "s",
                     table.truncated ? ", and more" : "", table.offset);
  return out;
}

}  // namespace tandem::query
