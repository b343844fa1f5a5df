#include "ingest/feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingest/feed_testing.h"

namespace tandem::ingest {
namespace {

using inventory::UpsertCounts;
using testing::HasSubstr;

const inventory::Snapshot& sample() {
  static const inventory::Snapshot snapshot = [] {
    FeedResult result = read_feed(FeedFormat::yaml, kSampleInventory);
    EXPECT_TRUE(result.accepted) << (result.problems.empty() ? "" : result.problems[0].message);
    return result.after;
  }();
  return snapshot;
}

std::string exported(FeedFormat format, const inventory::Snapshot& inventory,
                     std::vector<std::string>* notes = nullptr) {
  std::string text;
  const auto done = export_feed(format, inventory, {}, [&](std::string_view piece) { text += piece; });
  EXPECT_TRUE(done.has_value());
  if (notes) *notes = *done;
  return text;
}

std::string all_of(const inventory::Snapshot& inventory) {
  std::string text;
  for (const std::string& kind : inventory.kinds())
    inventory.for_each_json(kind, [&](const std::string& id, Json::Object attributes) {
      text += kind + " " + id + " " + to_json(std::move(attributes)) + "\n";
      return true;
    });
  return text;
}

TEST(Feed, DetectsFormats) {
  EXPECT_EQ(detect_feed_format("a/racks.CSV", ""), FeedFormat::csv);
  EXPECT_EQ(detect_feed_format("x.yml", ""), FeedFormat::yaml);
  EXPECT_EQ(detect_feed_format("x.json", R"({"count":1,"next":null,"previous":null,"results":[]})"),
            FeedFormat::netbox);
  EXPECT_EQ(detect_feed_format("x.json", R"([{"id":"1","@type":"PhysicalResource"}])"), FeedFormat::tmf639);
  EXPECT_EQ(detect_feed_format("x.json", R"({"a":1})"), FeedFormat::automatic);
  EXPECT_EQ(feed_format("netbox"), FeedFormat::netbox);
  EXPECT_FALSE(feed_format("xml"));
}

TEST(Feed, WhatIsExportedAndImportedAgainChangesNothing) {
  for (const FeedFormat format : {FeedFormat::csv, FeedFormat::yaml, FeedFormat::netbox, FeedFormat::tmf639}) {
    const std::string text = exported(format, sample());
    const FeedResult again = read_feed(format, text, sample());
    EXPECT_TRUE(again.accepted) << to_string(format);
    for (size_t i = 0; i < again.problems.size(); ++i)
      ADD_FAILURE() << to_string(format) << ": " << again.columns[i] << ": " << again.problems[i].kind << " "
                    << again.problems[i].id << ": " << again.problems[i].message;
    EXPECT_EQ(again.counts.changed, 0u) << to_string(format);
    EXPECT_EQ(again.counts.created, 0u) << to_string(format);
    EXPECT_EQ(again.events, 0u) << to_string(format);
    EXPECT_EQ(again.counts.unchanged, sample().size()) << to_string(format);
    // And into nothing it makes the same, whatever way the bytes are cut.
    FeedSettings pieces;
    pieces.piece_bytes = 7;
    const FeedResult anew = read_feed(format, text, {}, pieces);
    EXPECT_EQ(all_of(anew.after), all_of(sample())) << to_string(format);
  }
}

TEST(CsvFeed, NamesRowAndColumnOfEveryProblem) {
  const FeedResult result = read_feed(FeedFormat::csv,
                                      "kind,id,name,site,height_u\n"
                                      "rack,r1,R1,nowhere,42\n"
                                      "rck,r2,R2,par,42\n"
                                      "rack,r3,R3,par,tall\n"
                                      "rack,r4,R4\n"
                                      "rack,r5,\"R5,par,42\n",
                                      sample());
  EXPECT_FALSE(result.accepted);
  EXPECT_EQ(result.events, 0u);
  ASSERT_EQ(result.problems.size(), 5u);
  EXPECT_EQ(result.columns, (std::vector<std::string>{"column 4 'site'", "column 1 'kind'", "column 5 'height_u'", "",
                                                      "column 1 'kind'"}));
  EXPECT_EQ(result.places[result.problems[2].row].line, 4u);
  EXPECT_EQ(result.problems[1].message, "no kind 'rck'; did you mean 'rack'?");
  EXPECT_EQ(result.problems[3].message, "the row has 3 cells where the first row names 5 columns");
}

TEST(CsvFeed, ReadsCellsByTheirAttribute) {
  const FeedResult result = read_feed(FeedFormat::csv,
                                      "kind;id;name;site;tags;external_ids;height_u;description\n"
                                      "rack;r9;007;par;\"x;y\";\"[\"\"a:1\"\"]\";40;\n"
                                      "rack;par:r1;\\N;;;;;\\E\n",
                                      sample());
  ASSERT_TRUE(result.accepted) << result.problems[0].message;
  EXPECT_EQ(to_json(result.after.attributes("rack", "r9")),
            R"({"external_ids":["a:1"],"height_u":40.0,"name":"007","site":"par","tags":["x","y"]})");
  EXPECT_EQ(result.after.find("rack", "par:r1")->find("name"), nullptr);
}

TEST(CsvFeed, RefusesAHeaderThatSaysNothing) {
  EXPECT_THAT(read_feed(FeedFormat::csv, "id,name\nx,y\n").problems.at(0).message, HasSubstr("no column 'kind'"));
  EXPECT_THAT(read_feed(FeedFormat::csv, "").problems.at(0).message, HasSubstr("empty"));
  EXPECT_THAT(read_feed(FeedFormat::csv, "kind,id,id\n").problems.at(0).message, HasSubstr("two columns"));
  FeedSettings settings;
  settings.options.kind = "rack";
  const FeedResult result = read_feed(FeedFormat::csv, "id,hight_u\nx,1\n", {}, settings);
  EXPECT_EQ(result.problems.at(0).fix, "did you mean 'height_u'?");
  EXPECT_EQ(result.columns.at(0), "column 2 'hight_u'");
}

TEST(YamlFeed, NamesLineAndKey) {
  const FeedResult result = read_feed(
      FeedFormat::yaml, "rack:\n  - {id: a, site: par}\n  - {id: b, site: pa}\nrak:\n  - {id: c}\n", sample());
  ASSERT_EQ(result.problems.size(), 2u);
  EXPECT_EQ(result.columns[0], "key 'site'");
  EXPECT_EQ(result.places[result.problems[0].row].line, 3u);
  EXPECT_EQ(result.problems[0].fix, "did you mean 'par'?");
  EXPECT_EQ(result.places[result.problems[1].row].line, 4u);
}

}  // namespace
}  // namespace tandem::ingest
