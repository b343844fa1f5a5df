// Tables as JSON, CSV and aligned text.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
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

// What a terminal shows as it stands: no control characters, which could be orders to it, and at most so many
// characters.
struct Shown {
  std::string text;
  size_t width = 0;  // in characters
};

Shown shown(std::string_view text, size_t width_max) {
  Shown shown;
  while (!text.empty()) {
    const size_t length = utf8_sequence_length(text);
    if (shown.width == width_max) {  // the last one makes room for the sign that there was more
      while ((static_cast<unsigned char>(shown.text.back()) & 0xC0) == 0x80) shown.text.pop_back();
      shown.text.pop_back();
      shown.text += "…";
      return shown;
    }
    const bool control = length == 1 && (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7f);
    const bool late_control = length == 2 && text[0] == '\xC2' && static_cast<unsigned char>(text[1]) < 0xA0;
    if (control || late_control || length == 0)
      shown.text += text[0] == '\n' ? "⏎" : "�";
    else
      shown.text += text.substr(0, length);
    text.remove_prefix(std::max<size_t>(1, length));
    ++shown.width;
  }
  return shown;
}

void put_aligned(std::string& line, const Shown& cell, size_t width, bool right, bool last) {
  const std::string space(width - cell.width, ' ');
  if (right) line += space;
  line += cell.text;
  if (!right && !last) line += space;
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

std::string as_text(const Table& table, size_t cell_width_max) {
  cell_width_max = std::max<size_t>(1, cell_width_max);
  const size_t columns = table.columns.size();
  std::vector<std::vector<Shown>> lines(1);
  for (const Column& column : table.columns) lines[0].push_back(shown(column.name, cell_width_max));
  for (const Json::Array& row : table.rows) {
    auto& line = lines.emplace_back();
    for (const Json& value : row) line.push_back(shown(plain(value), cell_width_max));
  }
  std::vector<size_t> widths(columns);
  for (const auto& line : lines)
    for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], line[i].width);
  std::string out;
  for (size_t number = 0; number < lines.size(); ++number) {
    for (size_t i = 0; i < columns; ++i) {
      if (i > 0) out += "  ";
      put_aligned(out, lines[number][i], widths[i], table.columns[i].number, i + 1 == columns);
    }
    out += '\n';
    if (number > 0) continue;
    for (size_t i = 0; i < columns; ++i) out += (i > 0 ? "  " : "") + std::string(widths[i], '-');
    out += '\n';
  }
  out += fmt::format("({} row{}{} at offset {})\n", table.rows.size(), table.rows.size() == 1 ? "" : "s",
                     table.truncated ? ", and more" : "", table.offset);
  return out;
}

}  // namespace tandem::query
