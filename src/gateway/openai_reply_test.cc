#include "gateway/openai_reply.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/random.h"

namespace tandem::gateway {
namespace {

const std::string kRole = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const std::string kToken = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\n\n";
const std::string kUsage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
const std::string kDone = "data: [DONE]\n\n";

TEST(StreamReader, PassesEventsOnUnchangedAndCountsThem) {
  StreamReader reader(false);
  const std::string text =
      ": hello\n\n" + kRole + kToken + "event: x\r\ndata: {\"choices\":[{\"text\":\"a\"}]}\r\n\r\n" + kUsage;
  const StreamReader::Step step = reader.feed(text + kDone + "data: late\n\n");
  EXPECT_EQ(step.forward, text);
  EXPECT_TRUE(step.has_data);
  EXPECT_EQ(step.tokens, 2u);
  EXPECT_EQ(step.error, std::nullopt);
  EXPECT_TRUE(reader.ended());
  EXPECT_EQ(reader.usage(), (Usage{5, 2}));
  EXPECT_EQ(reader.feed(kToken).forward, "");
}

TEST(StreamReader, KeepsTheUsageChunkBackWhereTold) {
  StreamReader reader(true);
  EXPECT_EQ(reader.feed(kToken + kUsage + kToken).forward, kToken + kToken);
  EXPECT_EQ(reader.usage(), (Usage{5, 2}));
  // One that carries output too is passed on.
  const std::string both =
      "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":6,\"completion_tokens\":3}}\n\n";
  EXPECT_EQ(reader.feed(both).forward, both);
  EXPECT_EQ(reader.usage(), (Usage{6, 3}));
}

TEST(WholeReply, CachedTokensArePartOfThePrompts) {
  const auto cached = [](const char* details) {
    const auto reply =
        read_whole_reply(std::string(R"({"usage":{"prompt_tokens":10,"completion_tokens":1)") + details + "}}");
    return reply->usage->cached_tokens;
  };
  EXPECT_EQ(cached(R"(,"prompt_tokens_details":{"cached_tokens":8})"), 8u);
  EXPECT_EQ(cached(R"(,"prompt_tokens_details":{"cached_tokens":80})"), 10u) << "no more than there are";
  for (const char* none : {"", R"(,"prompt_tokens_details":null)", R"(,"prompt_tokens_details":{"cached_tokens":-1})",
                           R"(,"prompt_tokens_details":[])"})
    EXPECT_EQ(cached(none), 0u) << none;
}

TEST(StreamReader, HoldsAnIncompleteEventBack) {
  StreamReader reader(false);
  EXPECT_EQ(reader.feed(kToken.substr(0, 20)).forward, "");
  EXPECT_FALSE(reader.feed(kToken.substr(20, 10)).has_data);
  EXPECT_EQ(reader.feed(kToken.substr(30)).forward, kToken);
}

TEST(StreamReader, TheDataLinesOfAnEventAreOne) {
  StreamReader reader(false);
  const std::string text =
      "event: message\r\ndata: {\"choices\":\r\ndata:[{\"delta\":\r\ndata: {\"content\":\"a\"}}]}\r\n\r\n";
  const StreamReader::Step step = reader.feed(text + "data:\ndata:  [DONE]\n\n");
  EXPECT_FALSE(step.error);
  EXPECT_EQ(step.forward, text);
  EXPECT_EQ(step.tokens, 1u);
  EXPECT_TRUE(reader.ended());
}

TEST(StreamReader, ToolCallsAndReasoningAreOutput) {
  StreamReader reader(false);
  EXPECT_EQ(reader.feed("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n").tokens, 1u);
  EXPECT_EQ(reader.feed("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n").tokens, 1u);
  EXPECT_EQ(reader.feed("data: {\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}\n\n").tokens, 0u);
}

TEST(StreamReader, RefusesWhatIsNoStreamOfChunks) {
  for (const char* bad : {"data: hello\n\n", "data: [1]\n\n", "data: {\"a\":\n\n", "data:\n\n", "data: {}{}\n\n"}) {
    StreamReader reader(false);
    const StreamReader::Step step = reader.feed(kToken + bad + kToken);
    ASSERT_TRUE(step.error.has_value()) << bad;
    EXPECT_EQ(step.error->code, ErrorCode::corrupt);
    EXPECT_EQ(step.forward, kToken);
    EXPECT_EQ(reader.feed(kToken).forward, "");
  }
}

TEST(StreamReader, AnErrorFirstIsAFailureAndLaterIsHandedOn) {
  const std::string error = "data: {\"error\":{\"message\":\"no memory\"}}\n\n";
  StreamReader first(false);
  EXPECT_EQ(first.feed(error).error->message, "no memory");
  StreamReader later(false);
  EXPECT_EQ(later.feed(kToken + error).forward, kToken + error);
  EXPECT_TRUE(later.engine_error());
}

TEST(StreamReader, AnEventIsBounded) {
  StreamReader reader(false);
  const std::string piece(100'000, 'a');
  std::optional<Error> error;
  for (int i = 0; i < 20 && !error; ++i) error = reader.feed(piece).error;
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, ErrorCode::too_large);
}

TEST(StreamReaderProperty, CutsOfTheBytesDoNotMatter) {
  Random random(4);
  const std::vector<std::string> parts{
      kRole,  kToken,        kUsage, ": c\n\n",    "data: {\"choices\":\r\ndata: []}\r\n\r\n",
      "\n\n", "data: x\n\n", kDone,  "retry: 1\n", "\r\n\r\n"};
  for (int round = 0; round < 5'000; ++round) {
    std::string text;
    for (uint64_t i = 1 + random.below(8); i > 0; --i) text += parts[random.below(parts.size())];
    const bool strip = random.chance(0.5);
    StreamReader whole(strip);
    const StreamReader::Step expected = whole.feed(text);
    StreamReader cut(strip);
    std::string forward;
    bool failed = false;
    for (size_t at = 0; at < text.size() && !failed;) {
      const size_t size = 1 + random.below(9);
      const StreamReader::Step step = cut.feed(std::string_view(text).substr(at, size));
      forward += step.forward;
      failed = step.error.has_value();
      at += size;
    }
    ASSERT_EQ(forward, expected.forward) << text;
    EXPECT_EQ(failed, expected.error.has_value());
    EXPECT_EQ(cut.tokens(), whole.tokens());
    EXPECT_EQ(cut.ended(), whole.ended());
    EXPECT_EQ(cut.usage(), whole.usage());
  }
}

TEST(StreamReaderProperty, AChunkLikeTheOneBeforeReadsAsByItself) {
  Random random(6);
  const std::vector<std::string> pieces{"a",
                                        " token",
                                        "\"",
                                        "\\",
                                        "\\n",
                                        "\n",
                                        "\r",
                                        "\t",
                                        "é",
                                        "\x80",
                                        "\xED\xA0\x80",
                                        "}",
                                        "]",
                                        ",",
                                        R"(","error":"x)",
                                        R"(","refusal":"no)",
                                        R"(\u00e9)",
                                        ":",
                                        "😀"};
  const std::vector<std::string> frames{R"({"choices":[{"index":0,"delta":{"content":"@"},"finish_reason":null}]})",
                                        R"({"choices":[{"delta":{"content":"@","tool_calls":[]}}],"usage":null})",
                                        R"({"a\"content":"@","choices":[{"delta":{"content":"b"}}]})",
                                        R"({"choices":[{"delta":{"content" : "@"}}]})"};
  const auto event = [](std::string frame, const std::string& content) {
    return "data: " + frame.replace(frame.find('@'), 1, content) + "\n\n";
  };
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string content;
    for (uint64_t i = random.below(4); i > 0; --i) content += pieces[random.below(pieces.size())];
    const std::string& frame = frames[random.below(frames.size())];
    const std::string chunk = event(frame, content);
    StreamReader alone(true);
    StreamReader after(true);
    ASSERT_FALSE(alone.feed(kRole).error);
    ASSERT_EQ(after.feed(event(frame, "first")).tokens, 1u);
    const StreamReader::Step expected = alone.feed(chunk);
    const StreamReader::Step step = after.feed(chunk);
    ASSERT_EQ(step.forward, expected.forward) << chunk;
    EXPECT_EQ(step.tokens, expected.tokens) << chunk;
    EXPECT_EQ(step.has_data, expected.has_data) << chunk;
    EXPECT_EQ(step.error.has_value(), expected.error.has_value()) << chunk;
    EXPECT_EQ(after.engine_error(), alone.engine_error()) << chunk;
    read += step.error ? 0 : 1;
  }
  EXPECT_GT(read, 1'000);
  EXPECT_LT(read, 19'000);
}

TEST(StreamReaderMutation, AnyBytesAreReadOrRefused) {
  Random random(5);
  const std::string seed = kRole + kToken + kToken + kUsage + kDone;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seed;
    for (uint64_t edits = 1 + random.below(5); edits > 0; --edits) {
      const size_t at = random.below(text.size());
      if (random.chance(0.6))
        text[at] = static_cast<char>(random.below(256));
      else
        text.erase(at, 1 + random.below(8));
    }
    StreamReader reader(true);
    const StreamReader::Step step = reader.feed(text);
    EXPECT_LE(step.forward.size(), text.size());
    if (step.error) {
      EXPECT_FALSE(step.error->message.empty());
    }
  }
}

TEST(WholeReply, IsReadForUsageAndText) {
  const auto reply = read_whole_reply(
      R"({"choices":[{"message":{"content":"1234"}},{"text":"12"}],"usage":{"prompt_tokens":1,"completion_tokens":2}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->usage, (Usage{1, 2}));
  EXPECT_EQ(reply->text_bytes, 6u);
  EXPECT_EQ(read_whole_reply(R"({"usage":{"prompt_tokens":-1,"completion_tokens":2}})")->usage, std::nullopt);
  EXPECT_EQ(read_whole_reply(R"({"usage":7})")->usage, std::nullopt);
  for (const char* bad : {"", "[]", "null", "{", "{}x", "<html>"}) EXPECT_FALSE(read_whole_reply(bad)) << bad;
}

TEST(WholeReply, CanBeGivenItsUsage) {
  EXPECT_EQ(with_usage("{ } ", {1, 2}), R"({ "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}} )");
  const std::string given = with_usage(R"({"a":"}"})", {1, 2});
  EXPECT_EQ(read_whole_reply(given)->usage, (Usage{1, 2}));
  EXPECT_EQ((*parse_json(given))["a"].text(), "}");
}

}  // namespace
}  // namespace tandem::gateway
