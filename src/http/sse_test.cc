#include "http/sse.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tandem::http {
namespace {

std::vector<SseEvent> parse_stream(std::string_view text, size_t piece_bytes = SIZE_MAX) {
  SseParser parser;
  std::vector<SseEvent> events;
  while (!text.empty()) {
    const size_t count = std::min(piece_bytes, text.size());
    auto some = parser.feed(text.substr(0, count));
    EXPECT_TRUE(some);
    for (SseEvent& event : *some) events.push_back(std::move(event));
    text.remove_prefix(count);
  }
  return events;
}

TEST(Sse, ReadsEventsAsTheStandardSays) {
  const std::vector<SseEvent> expected{{"", "", "one"}, {"", "", "two\nlines"}, {"add", "7", " spaced"}, {"", "7", ""}};
  const std::string_view text =
      "\xEF\xBB\xBF: a comment\ndata: one\n\ndata: two\r\ndata:lines\r\n\r\nevent: add\rid: 7\rdata:  "
      "spaced\r\rdata\n\n"
      "event: without data\n\nretry: 5\nunknown: x\n\ndata: unfinished\n";
  for (const size_t piece_bytes : {SIZE_MAX, size_t{1}, size_t{2}, size_t{3}, size_t{7}}) {
    EXPECT_EQ(parse_stream(text, piece_bytes), expected) << piece_bytes;
  }
}

TEST(Sse, WhatIsWrittenIsRead) {
  EXPECT_EQ(format_sse("", "", "[DONE]"), "data: [DONE]\n\n");
  EXPECT_EQ(format_sse("e\nx: y", "1\r2", "a\nb\r\nc\rd"), "event: e\nid: 1\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(parse_stream(format_sse("e", "1", "")), (std::vector<SseEvent>{{"e", "1", ""}}));
  EXPECT_EQ(parse_stream(format_sse("e", "1", "a\n\nb\n")), (std::vector<SseEvent>{{"e", "1", "a\n\nb\n"}}));
}

TEST(Sse, RefusesAnEventBeyondItsLimitAndStaysFailed) {
  SseParser parser(100);
  EXPECT_TRUE(parser.feed("data: " + std::string(90, 'x') + "\n\n"));
  EXPECT_TRUE(parser.feed("data: " + std::string(50, 'x') + "\n"));
  const auto failed = parser.feed("data: " + std::string(50, 'x') + "\n");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::too_large);
  EXPECT_FALSE(parser.feed("\n\n"));
}

// Any bytes give the same events however they are cut, and never more than the limit.
TEST(SseMutation, TheCutOfTheBytesDoesNotMatter) {
  Random random(17);
  const std::string_view seed = "event: add\r\nid: 7\r\ndata: {\"a\":1}\ndata: more\n\n: ping\n\ndata: [DONE]\r\r";
  for (int round = 0; round < 20'000; ++round) {
    std::string text(seed);
    const uint64_t edits = 1 + random.below(8);
    for (uint64_t i = 0; i < edits; ++i) {
      const size_t at = random.below(text.size());
      constexpr std::string_view kBytes("\r\n: dataid\0\xff", 13);
      if (random.chance(0.3)) {
        text.erase(at, 1 + random.below(3));
      } else {
        text.insert(at, 1, kBytes[random.below(kBytes.size())]);
      }
      if (text.empty()) text = "\n";
    }
    ASSERT_EQ(parse_stream(text), parse_stream(text, 1 + random.below(5))) << round;
  }
}

}  // namespace
}  // namespace tandem::http
