#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/random.h"
#include "http/sse.h"
#include "runtime/completion_request.h"
#include "runtime/completion_writer.h"
#include "runtime/engine.h"

namespace tandem::runtime {
namespace {

constexpr std::string_view kChat =
    R"({"model":"m","messages":[{"role":"system","content":"12345678"},{"role":"user","content":[{"type":"text",)"
    R"("text":"abcd"},{"type":"image_url","image_url":{"url":"data:"}}]}],"max_tokens":12,"stream":true,)"
    R"("stream_options":{"include_usage":true},"temperature":0.5})";

Result<CompletionRequest> chat(std::string_view body) { return parse_completion_request(CompletionKind::chat, body); }
Result<CompletionRequest> text(std::string_view body) { return parse_completion_request(CompletionKind::text, body); }

TEST(CompletionRequest, ReadsChat) {
  const auto request = chat(kChat);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->model, "m");
  EXPECT_EQ(request->prompt_tokens, 3u);
  EXPECT_EQ(request->max_tokens, 12u);
  EXPECT_TRUE(request->stream);
  EXPECT_TRUE(request->include_usage);
  EXPECT_FALSE(request->ignore_eos);
}

TEST(CompletionRequest, ReadsTextPrompts) {
  EXPECT_EQ(text(R"({"model":"m","prompt":"12345"})")->prompt_tokens, 2u);
  EXPECT_EQ(text(R"({"model":"m","prompt":["12345"]})")->prompt_tokens, 2u);
  EXPECT_EQ(text(R"({"model":"m","prompt":[5,6,7]})")->prompt_tokens, 3u);
  EXPECT_EQ(text(R"({"model":"m","prompt":""})")->prompt_tokens, 1u);
}

TEST(CompletionRequest, TheNewerNameOfTheLimitWins) {
  EXPECT_EQ(text(R"({"model":"m","prompt":"x","max_tokens":5,"max_completion_tokens":7})")->max_tokens, 7u);
}

TEST(CompletionRequest, RefusesWhatItCannotServe) {
  for (const std::string_view body :
       {"", "[]", "{", R"({"prompt":"x"})", R"({"model":"","prompt":"x"})", R"({"model":"m"})",
        R"({"model":"m","prompt":["a","b"]})", R"({"model":"m","prompt":[[1]]})", R"({"model":"m","prompt":[]})",
        R"({"model":"m","prompt":"x","n":2})", R"({"model":"m","prompt":"x","max_tokens":0})",
        R"({"model":"m","prompt":"x","max_tokens":1.5})", R"({"model":"m","prompt":"x","max_tokens":1e30})",
        R"({"model":"m","prompt":"x","max_tokens":"7"})", R"({"model":"m","prompt":"x","stream":1})",
        R"({"model":"m","prompt":"x","stream_options":[]})"}) {
    const auto request = text(body);
    ASSERT_FALSE(request.has_value()) << body;
    EXPECT_EQ(request.error().code, ErrorCode::invalid_argument) << body;
    EXPECT_FALSE(request.error().message.empty());
  }
  for (const std::string_view body :
       {R"({"model":"m","messages":[]})", R"({"model":"m","messages":"x"})", R"({"model":"m","messages":[1]})",
        R"({"model":"m","messages":[{"content":"x"}]})", R"({"model":"m","messages":[{"role":"user","content":1}]})",
        R"({"model":"m","messages":[{"role":"user","content":["x"]}]})"})
    EXPECT_FALSE(chat(body).has_value()) << body;
}

// A client that works here works at OpenAI and at vLLM.
TEST(CompletionRequest, RefusesWhatRealEnginesRefuse) {
  for (const std::string_view wrong :
       {R"("temperature":-0.1)", R"("temperature":2.1)", R"("temperature":"hot")", R"("temperature":true)",
        R"("top_p":0)", R"("top_p":1.01)", R"("top_p":-1)", R"("presence_penalty":-2.5)", R"("frequency_penalty":3)",
        R"("seed":1.5)", R"("seed":"x")", R"("stop":1)", R"("stop":[1])", R"("max_tokens":-1)",
        R"("max_tokens":5,"min_tokens":6)"}) {
    const auto request = text(fmt::format(R"({{"model":"m","prompt":"x",{}}})", wrong));
    ASSERT_FALSE(request.has_value()) << wrong;
    EXPECT_EQ(request.error().code, ErrorCode::invalid_argument);
    const std::string_view field = wrong.substr(1, wrong.find('"', 1) - 1);
    EXPECT_NE(request.error().message.find(fmt::format("'{}'", field)), std::string::npos)
        << request.error().message;
  }
  for (const std::string_view fine :
       {R"("temperature":0)", R"("temperature":2)", R"("temperature":null)", R"("top_p":1)", R"("top_p":0.01)",
        R"("presence_penalty":-2)", R"("frequency_penalty":2.0)", R"("seed":-4)", R"("stop":"end")",
        R"("stop":["a","b"])", R"("stop":null)", R"("max_tokens":5,"min_tokens":5)", R"("logit_bias":{"7":1})"})
    EXPECT_TRUE(text(fmt::format(R"({{"model":"m","prompt":"x",{}}})", fine)).has_value()) << fine;
  for (const std::string_view role : {"system", "developer", "user", "assistant", "tool", "function"})
    EXPECT_TRUE(chat(fmt::format(R"({{"model":"m","messages":[{{"role":"{}","content":"x"}}]}})", role)).has_value());
  for (const std::string_view role : {"", "User", "robot"})
    EXPECT_FALSE(chat(fmt::format(R"({{"model":"m","messages":[{{"role":"{}","content":"x"}}]}})", role)).has_value());
}

TEST(CompletionRequest, TheAnswersLengthObeysItsLimits) {
  CompletionRequest request;
  request.prompt_tokens = 100;
  const auto choose = [&](uint32_t wanted) { return choose_output_length(request, 1'000, wanted).value(); };
  EXPECT_EQ(choose(50).tokens, 50u);
  EXPECT_FALSE(choose(50).limited);
  EXPECT_EQ(choose(5'000).tokens, 900u);
  EXPECT_TRUE(choose(5'000).limited);
  request.max_tokens = 60;
  EXPECT_FALSE(choose(60).limited);
  EXPECT_EQ(choose(61).tokens, 60u);
  EXPECT_TRUE(choose(61).limited);
  request.min_tokens = 40;
  EXPECT_EQ(choose(5).tokens, 40u);
  request.ignore_eos = true;
  EXPECT_EQ(choose(5).tokens, 60u);
  request.max_tokens = 901;
  EXPECT_FALSE(choose_output_length(request, 1'000, 5).has_value());
  request = {};
  request.prompt_tokens = 1'000;
  EXPECT_FALSE(choose_output_length(request, 1'000, 5).has_value());
}

TEST(CompletionWriter, TheTextSaysWhatItIs) {
  std::string all;
  append_emulated_text(all, 0, 500);
  EXPECT_EQ(all.size(), 2'000u);
  EXPECT_TRUE(all.starts_with("This answer comes from Tandem's emulated engine."));
  std::string pieces;
  for (uint64_t i = 0; i < 500; ++i) append_emulated_text(pieces, i, 1);
  EXPECT_EQ(pieces, all);
}

TEST(CompletionWriter, AStreamAndAWholeAnswerSayTheSame) {
  for (const auto kind : {CompletionKind::chat, CompletionKind::text}) {
    CompletionRequest request;
    request.kind = kind;
    request.prompt_tokens = 9;
    request.include_usage = true;
    const CompletionWriter writer(request, "id-1", "a \"model\"", 1'700'000'000);
    std::string stream;
    writer.append_tokens(stream, 0, 1);
    writer.append_tokens(stream, 1, 99);
    writer.append_end(stream, 100, true);
    http::SseParser parser;
    const auto events = parser.feed(stream).value();
    ASSERT_EQ(events.back().data, "[DONE]");
    std::string content, reason;
    Json usage;
    for (size_t i = 0; i + 1 < events.size(); ++i) {
      const Json chunk = parse_json(events[i].data).value();
      EXPECT_EQ(chunk["system_fingerprint"].text(), "tandem-emulator");
      EXPECT_EQ(chunk["model"].text(), "a \"model\"");
      if (!chunk["usage"].is_null()) usage = chunk["usage"];
      if (chunk["choices"].array().empty()) continue;
      const Json& choice = chunk["choices"].array()[0];
      content += kind == CompletionKind::chat ? choice["delta"]["content"].text() : choice["text"].text();
      if (choice["finish_reason"].is_string()) reason = choice["finish_reason"].text();
    }
    const Json whole = parse_json(writer.whole(100, true)).value();
    const Json& choice = whole["choices"].array()[0];
    EXPECT_EQ(content, kind == CompletionKind::chat ? choice["message"]["content"].text() : choice["text"].text());
    EXPECT_EQ(content.size(), 400u);
    EXPECT_EQ(reason, "length");
    EXPECT_EQ(choice["finish_reason"].text(), "length");
    EXPECT_EQ(usage, whole["usage"]);
    EXPECT_EQ(to_json(usage), R"({"completion_tokens":100,"prompt_tokens":9,"total_tokens":109})");
  }
}

// Bytes changed, lost, doubled and swapped in a good request: a request within its ranges or a clear error, never a
// crash.
TEST(CompletionRequest, SurvivesMutatedBodies) {
  Random random(11);
  size_t accepted = 0;
  for (int round = 0; round < 10'000; ++round) {
    std::string body(kChat);
    for (uint64_t edits = 1 + random.below(6); edits > 0 && !body.empty(); --edits) {
      const size_t at = random.below(body.size());
      switch (random.below(5)) {
        case 0: body[at] = static_cast<char>(random.below(256)); break;
        case 1: body.erase(at, 1 + random.below(8)); break;
        case 2: body.insert(at, body.substr(at, 1 + random.below(40))); break;
        case 3: body.insert(at, 1, "{}[]\",:0-e\\"[random.below(11)]); break;
        default: std::swap(body[at], body[random.below(body.size())]);
      }
    }
    for (const auto kind : {CompletionKind::chat, CompletionKind::text}) {
      const auto request = parse_completion_request(kind, body);
      if (!request) {
        EXPECT_FALSE(request.error().message.empty());
        continue;
      }
      ++accepted;
      EXPECT_GE(request->prompt_tokens, 1u);
      EXPECT_LE(request->prompt_tokens, EngineRequest::kTokensMax);
      const auto length = choose_output_length(*request, 8'192, 100);
      if (length) {
        EXPECT_LE(request->prompt_tokens + length->tokens, 8'192u);
      }
    }
  }
  EXPECT_GT(accepted, 100u);
}

}  // namespace
}  // namespace tandem::runtime
