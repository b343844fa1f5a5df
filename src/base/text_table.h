// Tables and paragraphs for people at a terminal. Widths are columns: one a code point of UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

size_t display_width(std::string_view text);
// As much of it, from its beginning, as so many columns hold.
std::string_view first_columns(std::string_view text, size_t columns);

// The text with line ends in place of spaces, so that no line is longer than `width` unless one word is; 0: no limit.
// Its own line ends stay. Every line but the first begins with `indent` spaces, which count.
std::string wrapped(std::string_view text, size_t width, size_t indent = 0);

// Columns as wide as what stands in them, two apart. Where that is more than the width there is, a last column of
// sentences goes on below itself, names lose their middle ("bloom-176b@h…80gb/tp8"), the widest first, and at last
// columns are one apart. Figures are never cut: where nothing is left to give, lines are longer than asked.
class TextTable {
 public:
  enum class Align : uint8_t {
    left,      // a name; may be cut
    right,     // a figure
    sentence,  // the last column only: words that may go on in the next line
  };
  struct Column {
    std::string heading;  // of several lines where it has line ends
    Align align = Align::right;
  };
  explicit TextTable(std::vector<Column> columns);

  void add(std::vector<std::string> cells);  // as many as columns, each of one line
  bool empty() const { return rows_.empty(); }
  // Heading and rows, each line ended; 0: as wide as it is.
  std::string text(size_t width) const;

 private:
  struct Layout {
    std::vector<size_t> wide;  // by column
    size_t apart = 0;
  };
  Layout layout(size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> headings_;  // by line, as rows
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tandem
