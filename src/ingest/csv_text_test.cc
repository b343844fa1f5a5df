#include "ingest/csv_text.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tandem::ingest {
namespace {

struct Read {
  std::vector<std::vector<std::string>> rows;
  std::vector<uint32_t> lines;
  std::vector<std::string> faults;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view text, size_t piece = SIZE_MAX, size_t record_max = 1'000, size_t cells_max = 20) {
  Read result;
  CsvSplitter splitter(record_max, cells_max, [&](const CsvRecord& record) {
    result.lines.push_back(record.line);
    result.faults.emplace_back(record.fault);
    auto& row = result.rows.emplace_back();
    for (const std::string_view cell : record.cells) row.emplace_back(cell);
  });
  while (!text.empty()) {
    splitter.push(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
  }
  splitter.finish();
  return result;
}

using Rows = std::vector<std::vector<std::string>>;

TEST(CsvSplitter, FollowsRfc4180) {
  EXPECT_EQ(read("a,b\r\n1,2\r\n").rows, (Rows{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(read("a,\"b,\"\"c\"\"\nd\",e\nf").rows, (Rows{{"a", "b,\"c\"\nd", "e"}, {"f"}}));
  EXPECT_EQ(read("\xEF\xBB\xBF"
                 "a,b\n\n,\n")
                .rows,
            (Rows{{"a", "b"}, {"", ""}}));
  EXPECT_EQ(read("a;b\n1;\"x;y\"\n").rows, (Rows{{"a", "b"}, {"1", "x;y"}}));
  EXPECT_EQ(read("a\tb,c\n1\t2,3").rows, (Rows{{"a", "b,c"}, {"1", "2,3"}}));
  EXPECT_EQ(read("a,\"b\nc\"\nd,e\n").lines, (std::vector<uint32_t>{1, 3}));
  EXPECT_TRUE(read("").rows.empty());
}

TEST(CsvSplitter, SaysWhatCannotBeReadAndGoesOn) {
  const auto faults = [](std::string_view text) { return read(text).faults; };
  EXPECT_EQ(faults("a,b\n\"x\"y,2\n3,4\n"),
            (std::vector<std::string>{"", "after the closing quote of a cell there is more", ""}));
  EXPECT_EQ(faults("a,b\nx\"y\"\"\",2\n3,4\n")[1], "a quote stands within a cell that does not begin with one");
  EXPECT_EQ(faults("a\n\"x\n")[1], "a quote is opened and never closed");
  EXPECT_EQ(faults("a\n\xff\nb\n"), (std::vector<std::string>{"", "the bytes are not text in UTF-8", ""}));
  EXPECT_EQ(faults("a\nx\x01y\n")[1], "the bytes are not text in UTF-8");
  const Read long_row = read("a\n" + std::string(2'000, 'x') + "\nb\n");
  EXPECT_EQ(long_row.faults, (std::vector<std::string>{"", "the row is too long", ""}));
  EXPECT_EQ(read("a\n" + std::string(30, ',') + "\nb\n").faults[1], "the row has too many cells");
}

TEST(CsvSplitter, HowTheFileIsCutDoesNotMatter) {
  Random random(7);
  constexpr std::string_view kPieces = "ab,;\"\n\r\t\xC3\xA9";
  for (int i = 0; i < 2'000; ++i) {
    std::string text;
    for (uint64_t n = random.below(60); n > 0; --n) text += kPieces[random.below(kPieces.size())];
    const Read whole = read(text, SIZE_MAX, 40, 5);
    EXPECT_EQ(whole, read(text, 1, 40, 5)) << text;
    EXPECT_EQ(whole, read(text, 1 + random.below(7), 40, 5)) << text;
  }
}

TEST(CsvSplitter, CellsComeBackAsTheyWere) {
  Random random(8);
  for (int i = 0; i < 2'000; ++i) {
    std::vector<std::string> cells(1 + random.below(4));
    std::string line = "x,y,z\n";
    for (size_t c = 0; c < cells.size(); ++c) {
      for (uint64_t n = random.below(6); n > 0; --n) cells[c] += "a\",;\n \t"[random.below(7)];
      if (c > 0) line += ',';
      append_csv_cell(line, cells[c]);
    }
    const Read back = read(line + "\nend\n");
    if (cells == std::vector<std::string>{""}) continue;  // a blank line is no row
    ASSERT_EQ(back.rows.size(), 3u) << line;
    EXPECT_EQ(back.rows[1], cells) << line;
  }
}

}  // namespace
}  // namespace tandem::ingest
