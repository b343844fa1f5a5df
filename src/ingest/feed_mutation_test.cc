// Damaged feeds: never a crash, never a part taken in, always a place and a reason.
#include <gtest/gtest.h>

#include <array>

#include "base/random.h"
#include "ingest/feed_testing.h"

namespace tandem::ingest {
namespace {

constexpr std::array kFormats{FeedFormat::csv, FeedFormat::yaml, FeedFormat::netbox, FeedFormat::tmf639};

const inventory::Snapshot& mutated_sample() {
  static const inventory::Snapshot snapshot = read_feed(FeedFormat::yaml, kSampleInventory).after;
  return snapshot;
}

// The sample in each format, cut to a few entities so that damage hits something.
std::string seed_of(FeedFormat format) {
  std::string text;
  ExportOptions options;
  options.kinds = {"site", "rack", "device", "interface", "cable"};
  EXPECT_TRUE(export_feed(format, mutated_sample(), options, [&](std::string_view piece) { text += piece; }));
  return text;
}

std::string mutate(std::string text, Random& random) {
  static constexpr std::array<std::string_view, 30> kPieces{"\"",
                                                            ",",
                                                            "\n",
                                                            "\r\n",
                                                            ";",
                                                            "{",
                                                            "}",
                                                            "[",
                                                            "]",
                                                            ":",
                                                            ": ",
                                                            "- ",
                                                            "null",
                                                            "true",
                                                            "1e999",
                                                            "-1",
                                                            "\\N",
                                                            "\\u0000",
                                                            "\xff",
                                                            "@x:y",
                                                            "@netbox:dcim.site/2",
                                                            "device/par-r1",
                                                            "\"\"",
                                                            "&a",
                                                            "*a",
                                                            "!t",
                                                            "#",
                                                            "id",
                                                            "external_ids",
                                                            "\xEF\xBB\xBF"};
  for (uint64_t edits = 1 + random.below(4); edits > 0 && !text.empty(); --edits) {
    const size_t at = random.below(text.size());
    switch (random.below(6)) {
      case 0: text[at] = static_cast<char>(random.below(256)); break;
      case 1: text.erase(at, 1 + random.below(8)); break;
      case 2: text.insert(at, kPieces[random.below(kPieces.size())]); break;
      case 3: text.insert(at, text.substr(random.below(text.size()), 1 + random.below(60))); break;
      case 4: text.resize(at); break;
      default: std::swap(text[at], text[random.below(text.size())]);
    }
  }
  return text;
}

void throw_mutations(size_t count, uint64_t seed) {
  Random random(seed);
  std::array<std::string, kFormats.size()> seeds;
  for (size_t f = 0; f < kFormats.size(); ++f) seeds[f] = seed_of(kFormats[f]);
  size_t refused = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t f = i % kFormats.size();
    const std::string text = mutate(seeds[f], random);
    FeedSettings settings;
    settings.piece_bytes = random.chance(0.5) ? SIZE_MAX : 1 + random.below(100);
    const FeedResult result = read_feed(kFormats[f], text, mutated_sample(), settings);
    refused += !result.accepted;
    ASSERT_EQ(result.accepted, result.problems.empty()) << text;
    ASSERT_TRUE(result.accepted || result.events == 0) << text;
    const inventory::UpsertCounts& counts = result.counts;
    ASSERT_EQ(counts.created + counts.changed + counts.confirmed + counts.unchanged + counts.refused,
              result.places.size());
    for (size_t p = 0; p < result.problems.size(); ++p) {
      ASSERT_FALSE(result.problems[p].message.empty()) << text;
      ASSERT_LT(result.problems[p].row, result.places.size()) << text;
      ASSERT_GE(result.places[result.problems[p].row].line, 1u) << text;
      ASSERT_LT(result.problems[p].message.size(), 1'000u) << text;
    }
  }
  EXPECT_GT(refused, count / 4);
}

TEST(FeedMutations, AreRefusedWholeWithAPlaceAndAReason) { throw_mutations(10'000, 1); }
TEST(FeedMutationsSoak, AreRefusedWholeWithAPlaceAndAReason) { throw_mutations(100'000, 2); }

}  // namespace
}  // namespace tandem::ingest
