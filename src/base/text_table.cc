#include "base/text_table.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/text.h"

namespace tandem {
namespace {

constexpr size_t kApart = 2;
constexpr size_t kNameMin = 12;      // of a name that is cut: enough to tell most apart
constexpr size_t kSentenceMin = 24;  // of a column of sentences: a few words a line

// Where the code point after `columns` of them begins.
size_t byte_after(std::string_view text, size_t columns) {
  size_t at = 0;
  for (; columns > 0 && at < text.size(); --columns) at += std::max<size_t>(1, utf8_sequence_length(text.substr(at)));
  return std::min(at, text.size());
}

// "bloom-176b@h…80gb/tp8": both ends of an id tell what it is.
std::string without_middle(std::string_view text, size_t width) {
  const size_t all = display_width(text);
  if (all <= width || width == 0) return std::string(text);
  const size_t front = width / 2, back = width - 1 - front;
  return std::string(text.substr(0, byte_after(text, front))) + "…" +
         std::string(text.substr(byte_after(text, all - back)));
}

std::string padded(std::string text, size_t width, TextTable::Align align) {
  const size_t own = display_width(text);
  const std::string space(width - std::min(own, width), ' ');
  return align == TextTable::Align::right ? space + text : text + space;
}

void end_line(std::string& out, std::string_view line) {
  out.append(line.substr(0, line.find_last_not_of(' ') + 1)).append("\n");
}

}  // namespace

size_t display_width(std::string_view text) {
  size_t columns = 0;
  for (size_t at = 0; at < text.size(); ++columns) at += std::max<size_t>(1, utf8_sequence_length(text.substr(at)));
  return columns;
}

std::string_view first_columns(std::string_view text, size_t columns) {
  return text.substr(0, byte_after(text, columns));
}

std::string wrapped(std::string_view text, size_t width, size_t indent) {
  std::string out;
  const std::string margin(indent, ' ');
  for (const std::string_view line : split(text, '\n')) {
    if (!out.empty() || line.data() != text.data()) out += "\n" + margin;
    size_t at = indent;
    bool first = true;
    for (const std::string_view word : split(line, ' ')) {
      const size_t columns = display_width(word);
      if (!first && width > 0 && at + 1 + columns > width) {
        out += "\n" + margin;
        at = indent;
        first = true;
      }
      if (!first) out += " ", ++at;
      out += word;
      at += columns;
      first = false;
    }
  }
  return out;
}

TextTable::TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {
  CHECK(!columns_.empty());
  for (size_t c = 0; c < columns_.size(); ++c) {
    CHECK(columns_[c].align != Align::sentence || c + 1 == columns_.size());
    const auto lines = split(columns_[c].heading, '\n');
    if (lines.size() > headings_.size()) headings_.resize(lines.size(), std::vector<std::string>(columns_.size()));
    for (size_t l = 0; l < lines.size(); ++l) headings_[l][c] = lines[l];
  }
}

void TextTable::add(std::vector<std::string> cells) {
  CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

TextTable::Layout TextTable::layout(size_t width) const {
  std::vector<size_t> wide(columns_.size(), 0), least(columns_.size(), 0);
  for (size_t c = 0; c < columns_.size(); ++c) {
    for (const auto& line : headings_) least[c] = std::max(least[c], display_width(line[c]));
    wide[c] = least[c];
    for (const auto& row : rows_) wide[c] = std::max(wide[c], display_width(row[c]));
    const Align align = columns_[c].align;
    least[c] = align == Align::right
                   ? wide[c]
                   : std::min(wide[c], std::max(least[c], align == Align::left ? kNameMin : kSentenceMin));
  }
  const size_t gaps = columns_.size() - 1;
  if (width == 0) return {wide, kApart};
  const size_t apart = std::accumulate(least.begin(), least.end(), kApart * gaps) <= width ? kApart : 1;
  const auto all = [&] { return std::accumulate(wide.begin(), wide.end(), apart * gaps); };
  // Sentences give first, for nothing of them is lost; then the widest of the names, one column after the other.
  if (columns_.back().align == Align::sentence && all() > width)
    wide.back() = std::max(least.back(), wide.back() - std::min(wide.back(), all() - width));
  while (all() > width) {
    size_t widest = columns_.size();
    for (size_t c = 0; c < columns_.size(); ++c)
      if (wide[c] > least[c] && (widest == columns_.size() || wide[c] > wide[widest])) widest = c;
    if (widest == columns_.size()) break;
    --wide[widest];
  }
  return {wide, apart};
}

std::string TextTable::text(size_t width) const {
  const auto [wide, apart] = layout(width);
  const size_t before_last = std::accumulate(wide.begin(), wide.end() - 1, apart * (wide.size() - 1));
  std::string out;
  const auto write = [&, &wide = wide, &apart = apart](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t c = 0; c < cells.size(); ++c) {
      if (c > 0) line.append(apart, ' ');
      if (columns_[c].align == Align::sentence)
        line += wrapped(cells[c], width == 0 ? 0 : before_last + wide[c], before_last);
      else
        line += padded(columns_[c].align == Align::left ? without_middle(cells[c], wide[c]) : cells[c], wide[c],
                       columns_[c].align);
    }
    end_line(out, line);
  };
  for (const auto& line : headings_) write(line);
  for (const auto& row : rows_) write(row);
  return out;
}

}  // namespace tandem
