#include "gateway/openai_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/random.h"

namespace tandem::gateway {
namespace {

using testing::HasSubstr;

CompletionRequest read(std::string_view body, Surface surface = Surface::chat_completions) {
  RequestReader reader;
  auto request = reader.read(surface, body);
  EXPECT_TRUE(request) << request.error().message;
  return request.value_or(CompletionRequest{});
}

TEST(OpenAiRequest, ReadsWhatRoutingNeeds) {
  const CompletionRequest request = read(R"({
    "messages": [{"role": "system", "content": "12345678"},
                 {"role": "user", "content": [{"type": "text", "text": "1234"}, {"type": "image_url", "image_url": {"url": "x"}}]},
                 {"role": "assistant", "content": null, "tool_calls": []}],
    "model": "small", "stream": true, "max_tokens": 100, "max_completion_tokens": 50, "n": 2, "temperature": 0.5})");
  EXPECT_EQ(request.model, "small");
  EXPECT_TRUE(request.stream);
  EXPECT_FALSE(request.include_usage);
  EXPECT_EQ(request.output_tokens_max, 50u);
  EXPECT_EQ(request.choices, 2u);
  EXPECT_EQ(request.prompt_tokens, 3);
  EXPECT_EQ(
      read(R"({"model":"m","messages":[{"role":"user"}],"n":null,"stream":null,"max_tokens":null})").output_tokens_max,
      std::nullopt);
}

TEST(OpenAiRequest, CountsPromptsOfEveryForm) {
  const auto tokens = [](std::string_view prompt) {
    return read(R"({"model":"m","prompt":)" + std::string(prompt) + "}", Surface::completions).prompt_tokens;
  };
  EXPECT_EQ(tokens(R"("12345678")"), 2);
  EXPECT_EQ(tokens(R"(["1234","12345"])"), 3);
  EXPECT_EQ(tokens("[1,2,3]"), 3);
  EXPECT_EQ(tokens("[[1,2,3],[4]]"), 4);
}

TEST(OpenAiRequest, ToolsCountAsPrompt) {
  EXPECT_EQ(read(R"({"model":"m","messages":[{"role":"user","content":""}],"tools":[{"type":"x"}]})").prompt_tokens, 4);
}

struct Bad {
  const char* body;
  const char* message;
  const char* param;
  Surface surface = Surface::chat_completions;
};

TEST(OpenAiRequest, SaysWhatIsWrongWithABadBody) {
  const std::vector<Bad> table{
      {"", "empty", ""},
      {"{", "could not parse", ""},
      {"[]", "must be a JSON object", ""},
      {"7", "must be a JSON object", ""},
      {"\xFF", "could not parse", ""},
      {R"({"model":"m","messages":[{"role":"user","content":")"
       "\xC0\xAF"
       R"("}]})",
       "could not parse", ""},
      {R"({"model":"m","messages":[{"role":"user"}]} x)", "could not parse", ""},
      {R"({"messages":[{"role":"user"}]})", "Missing required parameter: 'model'", "model"},
      {R"({"model":7,"messages":[{"role":"user"}]})", "expected a string, but got an integer", "model"},
      {R"({"model":"","messages":[{"role":"user"}]})", "'model' is empty", "model"},
      {R"({"model":"m"})", "Missing required parameter: 'messages'", "messages"},
      {R"({"model":"m","messages":[]})", "at least one message", "messages"},
      {R"({"model":"m","messages":"hi"})", "an array of messages", "messages"},
      {R"({"model":"m","messages":["hi"]})", "expected an object", "messages[0]"},
      {R"({"model":"m","messages":[{"role":"user"},{"content":"x"}]})", "Missing required", "messages[1].role"},
      {R"({"model":"m","messages":[{"role":1}]})", "expected a string", "messages[0].role"},
      {R"({"model":"m","messages":[{"role":"user","content":3}]})", "array of parts", "messages[0].content"},
      {R"({"model":"m","messages":[{"role":"user","content":["x"]}]})", "expected an object", "messages[0].content[]"},
      {R"({"model":"m","messages":[{"role":"user"}],"stream":"yes"})", "expected a boolean", "stream"},
      {R"({"model":"m","messages":[{"role":"user"}],"stream_options":{}})", "only allowed when", "stream_options"},
      {R"({"model":"m","messages":[{"role":"user"}],"stream":true,"stream_options":1})", "an object", "stream_options"},
      {R"({"model":"m","messages":[{"role":"user"}],"max_tokens":0})", "from 1 to", "max_tokens"},
      {R"({"model":"m","messages":[{"role":"user"}],"max_tokens":-5})", "from 1 to", "max_tokens"},
      {R"({"model":"m","messages":[{"role":"user"}],"max_tokens":1.5})", "expected an integer", "max_tokens"},
      {R"({"model":"m","messages":[{"role":"user"}],"max_tokens":99999999999})", "from 1 to", "max_tokens"},
      {R"({"model":"m","messages":[{"role":"user"}],"max_tokens":18446744073709551615})", "above", "max_tokens"},
      {R"({"model":"m","messages":[{"role":"user"}],"n":1000})", "from 1 to 128", "n"},
      {R"({"model":"m","model":"n","messages":[{"role":"user"}]})", "occurs twice", "model"},
      {R"({"model":"m","mod\u0065l":"n","messages":[{"role":"user"}]})", "occurs twice", "model"},
      {R"({"model":"m","messages":[{"role":"user"}],"stream":false,"stream":true})", "occurs twice", "stream"},
      {R"({"model":"m","prompt":7})", "a string or an array", "prompt", Surface::completions},
      {R"({"model":"m"})", "Missing", "input", Surface::embeddings},
      {R"({"model":"m","input":[]})", "'input' is empty", "input", Surface::embeddings},
      {R"({"model":"m","input":"a","input":"b"})", "twice", "input", Surface::embeddings},
      {R"({"model":"m","prompt":[]})", "empty", "prompt", Surface::completions},
      {R"({"model":"m","prompt":[["a"]]})", "tokens", "prompt", Surface::completions},
      {R"({"model":"m","prompt":[1.5]})", "a string or an array", "prompt", Surface::completions},
      {R"({"model":"m","messages":[{"role":"user"}]})", "Missing required parameter: 'prompt'", "prompt",
       Surface::completions},
  };
  RequestReader reader;
  for (const Bad& bad : table) {
    const auto request = reader.read(bad.surface, bad.body);
    ASSERT_FALSE(request) << bad.body;
    EXPECT_EQ(status_of(request.error()), 400);
    EXPECT_THAT(request.error().message, HasSubstr(bad.message)) << bad.body;
    EXPECT_EQ(request.error().param, bad.param) << bad.body;
    const auto object = parse_json(body_of(request.error()));
    ASSERT_TRUE(object);
    EXPECT_EQ((*object)["error"]["type"].text(), "invalid_request_error");
  }
}

TEST(OpenAiRequest, NestingIsBounded) {
  const auto nested = [](size_t depth) {
    return R"({"model":"m","messages":[{"role":"user"}],"x":)" + std::string(depth, '[') + std::string(depth, ']') +
           "}";
  };
  RequestReader reader;
  EXPECT_TRUE(reader.read(Surface::chat_completions, nested(50)));
  EXPECT_FALSE(reader.read(Surface::chat_completions, nested(70)));
  EXPECT_FALSE(reader.read(Surface::chat_completions, nested(1'000'000)));
  EXPECT_TRUE(reader.read(Surface::chat_completions, nested(50)));
}

TEST(OpenAiRequest, BytesThatNeedNoChangeAreNotTouched) {
  const std::string body =
      "{ \"model\" : \"m\",\n\"messages\":[{\"role\":\"user\"}],\"big\":1234567890123456789.5e-3, \"e\":\"\\u00e9\" "
      "}\n";
  EXPECT_EQ(rewrite(body, read(body), "m"), std::nullopt);
}

TEST(OpenAiRequest, RewritesOnlyTheModelAndTheUsageOption) {
  const auto rewritten = [](std::string_view body) { return rewrite(body, read(body), "m"); };
  EXPECT_EQ(
      rewritten(R"({"messages":[{"role":"user","content":"{\"model\":\"a\"}"}],"model" : "a" , "x":[{"model":"a"}]})"),
      R"({"messages":[{"role":"user","content":"{\"model\":\"a\"}"}],"model" : "m" , "x":[{"model":"a"}]})");
  EXPECT_EQ(rewritten(R"({"model":"m","messages":[{"role":"user"}],"stream":true } )"),
            R"({"model":"m","messages":[{"role":"user"}],"stream":true ,"stream_options":{"include_usage":true}} )");
  EXPECT_EQ(
      rewritten(
          R"({"stream_options":{"a":[1,{"b":"}"}],"include_usage":false},"model":"a","messages":[{"role":"user"}],"stream":true})"),
      R"({"stream_options":{"a":[1,{"b":"}"}],"include_usage":true},"model":"m","messages":[{"role":"user"}],"stream":true})");
  EXPECT_EQ(rewritten(R"({"stream_options":null,"model":"m","messages":[{"role":"user"}],"stream":true})"),
            R"({"stream_options":{"include_usage":true},"model":"m","messages":[{"role":"user"}],"stream":true})");
  EXPECT_EQ(rewritten(R"({"n":1,"x":-1.5e3,"y":true,"model":"\u0061\"}","messages":[{"role":"user"}]})"),
            R"({"n":1,"x":-1.5e3,"y":true,"model":"m","messages":[{"role":"user"}]})");
}

std::vector<uint64_t> prefix_of(std::string_view body, Surface surface = Surface::chat_completions) {
  RequestReader reader;
  routing::PrefixHasher prefix;
  EXPECT_TRUE(reader.read(surface, body, &prefix));
  std::vector<uint64_t> hashes;
  for (const routing::PrefixPoint& point : prefix.points()) hashes.push_back(point.hash);
  return hashes;
}

TEST(OpenAiRequest, TheTextOfAPromptIsKnownWhateverItsForm) {
  const std::string text(4'000, 'x'), tools = R"("tools":[{"type":"function"}])";
  const std::string messages = R"("messages":[{"role":"user","content":")" + text + R"("}])", model = R"("model":"m")";
  const auto body = [](const std::string& a, const std::string& b, const std::string& c) {
    return "{" + a + "," + b + ", " + c + "}";
  };
  const auto known = prefix_of(body(tools, messages, model));
  EXPECT_EQ(known.size(), 3u);
  EXPECT_EQ(prefix_of(body(model, messages, tools)), known) << "templates put tools first";
  EXPECT_EQ(prefix_of(body(messages, R"("temperature":1,"n":2,"model":"n")", tools)), known);
  EXPECT_NE(prefix_of(body(messages, model, R"("seed":1)"))[0], known[0]) << "without tools";
  EXPECT_EQ(prefix_of(R"({"model":"m","prompt":")" + text + R"("})", Surface::completions).size(), 3u);
  EXPECT_EQ(prefix_of(R"({"model":"m","messages":[{"role":"user","content":"short"}]})").size(), 0u);
  // An escape is what it stands for.
  std::string escaped = text;
  escaped.replace(0, 1, "\\u0078");
  EXPECT_EQ(prefix_of(R"({"model":"m","prompt":")" + escaped + R"("})", Surface::completions),
            prefix_of(R"({"model":"m","prompt":")" + text + R"("})", Surface::completions));
}

TEST(OpenAiRequest, SaysWhoseItIs) {
  const auto user = [](std::string_view value) {
    return read(R"({"model":"m","messages":[{"role":"user"}],"user":)" + std::string(value) + "}").user;
  };
  EXPECT_EQ(user(R"("u-17")"), "u-17");
  EXPECT_EQ(user("7"), "");
  EXPECT_EQ(user('"' + std::string(9'999, 'u') + '"').size(), RequestReader::kUserBytesMax);
}

// Whatever a mutation leaves readable can be rewritten and reads the same; the rest is an error object.
TEST(OpenAiRequestMutation, EveryBodyIsReadOrRefused) {
  Random random(11);
  const std::vector<std::string> seeds{
      R"({"model":"tiny","messages":[{"role":"user","content":[{"type":"text","text":"h\u00e9 \"q\""}]}],"stream":true,"stream_options":{"include_usage":false,"k":[1,2]},"max_tokens":5,"n":1})",
      R"({"prompt":["a","b\\"],"stream":true,"model":"tiny","tools":[{"a":{}}],"messages":[{"role":"u","content":null}]})",
      R"({"model":"tiny","prompt":[[1,2],[3]],"messages":[{"role":"user","content":"x"}],"stream":false,"stream_options":null})"};
  const std::string alphabet = "{}[]\",:\\ \ntrue0123.-eu\xC3\xA9\xFF";
  RequestReader reader;
  int accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string body = seeds[random.below(seeds.size())];
    for (uint64_t edits = 1 + random.below(4); edits > 0 && !body.empty(); --edits) {
      const size_t at = random.below(body.size());
      const char byte = alphabet[random.below(alphabet.size())];
      switch (random.below(4)) {
        case 0: body[at] = byte; break;
        case 1: body.insert(at, 1, byte); break;
        case 2: body.erase(at, 1 + random.below(4)); break;
        default: body.insert(at, body.substr(random.below(body.size()), random.below(20))); break;
      }
    }
    const Surface surface = static_cast<Surface>(random.below(3));
    const auto request = reader.read(surface, body);
    if (!request) {
      EXPECT_TRUE(parse_json(body_of(request.error())));
      continue;
    }
    ++accepted;
    const auto again = reader.read(surface, rewrite(body, *request, "other").value_or(body));
    ASSERT_TRUE(again) << body;
    EXPECT_EQ(again->model, "other");
    EXPECT_EQ(again->stream, request->stream);
    EXPECT_EQ(again->prompt_tokens, request->prompt_tokens);
    EXPECT_EQ(again->include_usage, request->stream || request->include_usage) << body;
  }
  EXPECT_GT(accepted, 1'000);
}

}  // namespace
}  // namespace tandem::gateway
