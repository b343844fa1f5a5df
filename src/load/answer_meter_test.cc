#include "load/answer_meter.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/random.h"
#include "load/request_body.h"

namespace tandem::load {
namespace {

constexpr std::string_view kRole =
    R"(data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})"
    "\n\n";
constexpr std::string_view kText = R"(data: {"choices":[{"index":0,"delta":{"content":"four"},"finish_reason":null}]})"
                                   "\n\n";
constexpr std::string_view kFinish = R"(data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"
                                     "\n\n";
constexpr std::string_view kUsage =
    R"(data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":11,"total_tokens":18}})"
    "\n\n";
constexpr std::string_view kDone = "data: [DONE]\n\n";

TEST(AnswerMeter, MeasuresFromTheFirstTextToTheLast) {
  AnswerMeter meter;
  ASSERT_TRUE(meter.feed(kRole, milliseconds(5)));
  EXPECT_FALSE(meter.first_at());
  ASSERT_TRUE(meter.feed(kText, milliseconds(10)));
  ASSERT_TRUE(meter.feed(kText, milliseconds(15)));
  ASSERT_TRUE(meter.feed(kText, milliseconds(30)));
  ASSERT_TRUE(meter.feed(kFinish, milliseconds(40)));
  EXPECT_FALSE(meter.done());
  EXPECT_EQ(meter.output_tokens(), 3u);
  EXPECT_EQ(meter.per_token(), milliseconds(10));
  ASSERT_TRUE(meter.feed(kUsage, milliseconds(40)));
  ASSERT_TRUE(meter.feed(kDone, milliseconds(50)));
  EXPECT_TRUE(meter.done());
  EXPECT_EQ(meter.first_at(), milliseconds(10));
  EXPECT_EQ(meter.last_at(), milliseconds(30));
  EXPECT_EQ(meter.output_tokens(), 11u);
  EXPECT_EQ(meter.prompt_tokens(), 7u);
  EXPECT_EQ(meter.per_token(), milliseconds(2));
}

TEST(AnswerMeter, SeesAnErrorInTheStream) {
  for (const std::string_view event : {R"({"error":{"message":"the site is gone","type":"stream_cut","code":null}})",
                                       R"({"error":"the site is gone"})", "not JSON"}) {
    AnswerMeter meter;
    ASSERT_TRUE(meter.feed(kText, {}));
    ASSERT_TRUE(meter.feed("data: " + std::string(event) + "\n\n", {}));
    EXPECT_EQ(meter.error().has_value(), event != "not JSON");  // after the first text, plain events are not decoded
    EXPECT_FALSE(meter.done());
  }
  AnswerMeter meter;
  ASSERT_TRUE(meter.feed("data: not JSON\n\n", {}));
  EXPECT_TRUE(meter.error());
}

TEST(AnswerMeter, ReadsWholeAnswers) {
  AnswerMeter meter;
  EXPECT_TRUE(meter.feed_whole(
      R"({"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}})", seconds(2)));
  EXPECT_EQ(meter.output_tokens(), 4u);
  EXPECT_EQ(meter.first_at(), seconds(2));
  EXPECT_EQ(meter.per_token(), Duration{});
  EXPECT_FALSE(AnswerMeter().feed_whole("{}", {}));
  EXPECT_FALSE(AnswerMeter().feed_whole("", {}));
}

TEST(AnswerMeter, SurvivesMutatedStreams) {
  Random random(3);
  std::string good;
  for (const auto part : {kRole, kText, kText, kFinish, kUsage, kDone}) good += part;
  for (int round = 0; round < 10'000; ++round) {
    std::string bytes = good;
    for (uint64_t edits = 1 + random.below(8); edits > 0 && !bytes.empty(); --edits) {
      const size_t at = random.below(bytes.size());
      switch (random.below(4)) {
        case 0: bytes[at] = static_cast<char>(random.below(256)); break;
        case 1: bytes.erase(at, 1 + random.below(20)); break;
        case 2: bytes.insert(at, bytes.substr(at, 1 + random.below(60))); break;
        default: bytes.insert(at, 1, "{}[]\",:\n9-"[random.below(10)]);
      }
    }
    AnswerMeter meter;
    const size_t cut = random.below(bytes.size() + 1);
    if (meter.feed(std::string_view(bytes).substr(0, cut), seconds(1)) &&
        meter.feed(std::string_view(bytes).substr(cut), seconds(2))) {
      const auto per_token = meter.per_token();
      EXPECT_TRUE(!per_token || (per_token->ns >= 0 && *per_token <= seconds(1)));
      EXPECT_LE(meter.output_tokens(), uint64_t{1} << 32);
    }
    EXPECT_LE(read_server_error(bytes).message.size(), 310u);
  }
}

TEST(RequestBody, HasTheSizeThatWasPlanned) {
  for (const uint32_t tokens : {1u, 2u, 50u, 4'000u}) EXPECT_EQ(synthetic_text(9, tokens).size(), 4u * tokens);
  EXPECT_NE(synthetic_text(1, 50), synthetic_text(2, 50));
  LoadOptions options;
  options.models = {{"m \"x\"", 1}};
  options.regions = {{"north", 1}};
  options.key = "sk-demo";
  options.slo_tpot = Milliseconds(30);
  const auto request =
      make_request(options, {.number = 0, .at = {}, .prompt_tokens = 100, .output_tokens = 7}, "/base");
  EXPECT_EQ(request.target, "/base/v1/chat/completions");
  EXPECT_EQ(request.headers.value_or("authorization", ""), "Bearer sk-demo");
  EXPECT_EQ(request.headers.value_or("x-tandem-region", ""), "north");
  EXPECT_FALSE(request.headers.find("x-slo-ttft-ms")) << "it was not stated";
  EXPECT_EQ(request.headers.value_or("x-slo-tpot-ms", ""), "30");
  const Json body = parse_json(request.body).value();
  EXPECT_EQ(body["model"].text(), "m \"x\"");
  EXPECT_EQ(body["messages"].array()[0]["content"].text().size(), 400u);
  EXPECT_EQ(body["max_tokens"].integer(), 7);
  EXPECT_TRUE(body["stream"].boolean());
}

TEST(RequestBody, UrlsMayHaveAPath) {
  for (const std::string_view url :
       {"http://127.0.0.1:8080", "127.0.0.1:8080/", "http://127.0.0.1:8080/v1", "127.0.0.1:8080/v1/"})
    EXPECT_EQ(parse_url(url)->base_path, "") << url;
  EXPECT_EQ(parse_url("http://host:1/pools/a/v1")->base_path, "/pools/a");
  EXPECT_EQ(parse_url("http://host:1/pools/a/v1")->endpoint.port, 1);
  EXPECT_FALSE(parse_url("http://host:1")->is_tls);
  EXPECT_TRUE(parse_url("https://host")->is_tls);
  EXPECT_EQ(parse_url("https://host/v1")->endpoint.port, 443);
  EXPECT_EQ(parse_url("https://[::1]")->endpoint.port, 443);
  EXPECT_EQ(parse_url("https://[::1]:8443")->endpoint.port, 8443);
  EXPECT_FALSE(parse_url("https://").has_value());
  EXPECT_FALSE(parse_url("ftp://host").has_value());
  EXPECT_FALSE(parse_url("http://host/a b").has_value());
  EXPECT_FALSE(parse_url("").has_value());
}

}  // namespace
}  // namespace tandem::load
