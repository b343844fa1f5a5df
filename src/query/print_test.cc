#include <gtest/gtest.h>

#include "query/query.h"

namespace tandem::query {
namespace {

Table table_of(std::vector<Column> columns, std::vector<Json::Array> rows) {
  return {std::move(columns), std::move(rows), false, 42};
}

TEST(Print, TextIsAlignedWithNumbersToTheRight) {
  Table table = table_of({{"id", false}, {"length_km", true}, {"tags", false}},
                         {{"ber-ham", 288.5, Json::Array{"a"}}, {"München", int64_t{7}, nullptr}});
  EXPECT_EQ(as_text(table),
            "id       length_km  tags\n"
            "ber-ham      288.5  [\"a\"]\n"
            "München          7\n"
            "(2 rows at offset 42)\n");
  table.truncated = true;
  table.rows.pop_back();
  EXPECT_TRUE(as_text(table).ends_with("(1 row, and more at offset 42)\n"));
}

TEST(Print, TextHidesWhatWouldCommandATerminal) {
  EXPECT_EQ(as_text(table_of({{"x", false}}, {{"a\x1b[2Jb\n\xc2\x9b\xff"}})), "x\na�[2Jb⏎��\n(1 row at offset 42)\n");
}

TEST(Print, TextFitsTheWidthThereIs) {
  const Table table = table_of(
      {{"id", false}, {"km", true}, {"what", false}},
      {{"straßburg-münchen-ost-2", 1234.5, "a span over two hills and a river"}, {"a-b", 1, "one that is bare"}});
  EXPECT_EQ(as_text(table, 52),
            "id                      km  what\n"
            "straßburg…en-ost-2  1234.5  a span over two hills\n"
            "                            and a river\n"
            "a-b                      1  one that is bare\n"
            "(2 rows at offset 42)\n");
  EXPECT_EQ(as_text(table),
            "id                           km  what\n"
            "straßburg-münchen-ost-2  1234.5  a span over two hills and a river\n"
            "a-b                           1  one that is bare\n"
            "(2 rows at offset 42)\n");
  const Table wide = table_of({{"id", false}}, {{std::string(1'000'000, 'x')}});
  EXPECT_EQ(as_text(wide, 20), "id\nxxxxxxxxxx…xxxxxxxxx\n(1 row at offset 42)\n");
}

TEST(Print, ATableThatDoesNotFitIsARecordForEachRow) {
  const Table table = table_of({{"id", false}, {"capacity_gbps", true}, {"length_km", true}, {"state", false}},
                               {{"ber-ham", 100, 288.5, "up"}, {"a-b", 40, nullptr, "down since a spring tide"}});
  EXPECT_EQ(as_text(table, 30),
            "id             ber-ham\n"
            "capacity_gbps  100\n"
            "length_km      288.5\n"
            "state          up\n"
            "\n"
            "id             a-b\n"
            "capacity_gbps  40\n"
            "state          down since a\n"
            "               spring tide\n"
            "\n"
            "(2 rows at offset 42)\n");
}

TEST(Print, CsvIsQuotedWhereItMustBe) {
  EXPECT_EQ(as_csv(table_of({{"a", false}, {"b,c", false}},
                            {{"say \"x\"", nullptr}, {"two\nlines", 1.5}, {true, Json::Array{1, 2}}})),
            "a,\"b,c\"\n\"say \"\"x\"\"\",\n\"two\nlines\",1.5\ntrue,\"[1,2]\"\n");
}

TEST(Print, JsonNamesOffsetAndTruncation) {
  EXPECT_EQ(tandem::to_json(as_json(table_of({{"a", true}}, {{1}, {nullptr}}))),
            R"({"columns":["a"],"offset":42,"rows":[[1],[null]],"truncated":false})");
}

TEST(Print, NoColumnsAndNoRowsAreShown) {
  EXPECT_EQ(as_text(table_of({{"a", false}}, {})), "a\n(0 rows at offset 42)\n");
}

}  // namespace
}  // namespace tandem::query
