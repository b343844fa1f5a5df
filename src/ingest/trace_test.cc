#include "ingest/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/random.h"

namespace tandem::ingest {
namespace {

using testing::HasSubstr;

std::string text_of(const Trace& trace) {
  std::string text;
  for (const Diagnostic& diagnostic : trace.diagnostics) text += to_string(diagnostic) + "\n";
  return text;
}

constexpr std::string_view kAzure = R"(TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,0
2023-11-16 18:17:04.5,110,27
)";

constexpr std::string_view kMooncake =
    R"({"timestamp": 100, "input_length": 1100, "output_length": 6, "hash_ids": [0, 1, 2]}
{"timestamp": 140, "input_length": 600, "output_length": 3, "hash_ids": [0, 7]}
)";

TEST(AzureTrace, ArrivalsCountFromTheFirst) {
  const Trace trace = parse_trace(kAzure, "a.csv");
  EXPECT_EQ(text_of(trace), "");
  ASSERT_EQ(trace.requests.size(), 3u);
  EXPECT_EQ(trace.requests[0], (TraceRequest{Duration{0}, 4808, 10, {}}));
  EXPECT_EQ(trace.requests[1].arrival, microseconds(52'000));
  EXPECT_EQ(trace.requests[1].output_tokens, 1u);
  EXPECT_EQ(trace.requests[2].arrival, Duration{520'040'000});
}

TEST(AzureTrace, OffsetsFromUtcAreRead) {
  const Trace trace = parse_azure_trace(
      "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,1,1\n2024-05-10 "
      "01:00:00.009930+01:00,1,1\n",
      "a.csv");
  EXPECT_EQ(text_of(trace), "");
  EXPECT_EQ(trace.requests[1].arrival, Duration{0});
}

TEST(AzureTrace, ErrorsHaveTheirLine) {
  const auto problems = [](std::string rows) {
    return text_of(parse_azure_trace("TIMESTAMP,ContextTokens,GeneratedTokens\n" + rows, "a.csv"));
  };
  EXPECT_THAT(problems("2023-11-16 18:17:03,1,1\nyesterday,1,1\n"),
              HasSubstr("a.csv:3: error: this request cannot be read"));
  EXPECT_THAT(problems("2023-11-16 18:17:03,-1,1\n"), HasSubstr("a.csv:2: error:"));
  EXPECT_THAT(problems("2023-11-16 18:17:03,1\n"), HasSubstr("a.csv:2: error:"));
  EXPECT_THAT(problems(""), HasSubstr("no request"));
  EXPECT_THAT(problems("2023-11-16 18:17:04,1,1\n2023-11-16 18:17:03,2,1\n"),
              HasSubstr("warning: the requests are not in order"));
  EXPECT_THAT(text_of(parse_azure_trace("a,b\n", "a.csv")), HasSubstr("a.csv:1: error: the names of the columns"));
}

TEST(MooncakeTrace, BlocksShowWhatPromptsShare) {
  const Trace trace = parse_trace(kMooncake, "m.jsonl");
  EXPECT_EQ(text_of(trace), "");
  EXPECT_EQ(trace.block_tokens, 512u);
  ASSERT_EQ(trace.requests.size(), 2u);
  EXPECT_EQ(trace.requests[1].arrival, milliseconds(40));
  EXPECT_EQ(trace.requests[0].prefix_blocks[0], trace.requests[1].prefix_blocks[0]);
  EXPECT_EQ(trace.requests[1].prefix_blocks, (std::vector<uint64_t>{0, 7}));
}

TEST(MooncakeTrace, ErrorsHaveTheirLine) {
  EXPECT_THAT(text_of(parse_mooncake_trace("{\"timestamp\": 1}\n{", "m.jsonl")), HasSubstr("m.jsonl:1: error:"));
  EXPECT_THAT(text_of(parse_mooncake_trace("{\"timestamp\": 1}\n{", "m.jsonl")), HasSubstr("m.jsonl:2: error:"));
  EXPECT_THAT(
      text_of(parse_mooncake_trace(R"({"timestamp": 1e300, "input_length": 1, "output_length": 1})", "m.jsonl")),
      HasSubstr("error"));
}

TEST(TraceMutations, EachIsReadOrExplained) {
  Random random(3);
  for (int round = 0; round < 4'000; ++round) {
    std::string text(round % 2 ? kAzure : kMooncake);
    for (uint64_t edits = 1 + random.below(4); edits > 0 && !text.empty(); --edits) {
      const size_t at = random.below(text.size());
      if (random.chance(0.5))
        text[at] = static_cast<char>(random.below(256));
      else
        text.erase(at, 1 + random.below(10));
    }
    const Trace trace = parse_trace(text, "t");
    EXPECT_TRUE(has_errors(trace.diagnostics) || !trace.requests.empty());
    for (const TraceRequest& request : trace.requests) ASSERT_GE(request.arrival.ns, 0);
  }
}

TEST(TracePublic, TheWholeTracesAreRead) {
  const char* set = std::getenv("TANDEM_DATA");
  const std::filesystem::path data = set != nullptr ? set : TANDEM_SOURCE_DIR "/../shared/data";
  if (!std::filesystem::exists(data / "traces")) GTEST_SKIP() << "skipped: no ../shared/data";
  const std::pair<const char*, size_t> files[] = {
      {"azure-llm-2023-conv.csv", 19'366}, {"azure-llm-2023-code.csv", 8'819}, {"mooncake-synthetic.jsonl", 1'000}};
  for (const auto& [name, at_least] : files) {
    std::ifstream stream(data / "traces" / name, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    const Trace trace = parse_trace(text.str(), name);
    EXPECT_EQ(text_of(trace), "");
    EXPECT_GE(trace.requests.size(), at_least) << name;
  }
}

}  // namespace
}  // namespace tandem::ingest
