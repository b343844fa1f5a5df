// /v1/responses, from the request's items to the stream's events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "gateway/openai_request.h"
#include "gateway/responses_reply.h"
#include "gateway/responses_request.h"
#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Json chat_of(std::string_view body) {
  const auto request = read_responses_request(body);
  EXPECT_TRUE(request) << request.error().message;
  if (!request) return {};
  const auto echo = parse_json('{' + request->echo + '}');
  EXPECT_TRUE(echo) << request->echo;
  const auto chat = parse_json(request->chat_body);
  EXPECT_TRUE(chat) << request->chat_body;
  return chat.value_or(Json());
}

TEST(ResponsesRequest, IsAChatCompletion) {
  EXPECT_EQ(to_json(chat_of(R"({"input":"hi \"you\"","model":"small"})")),
            R"({"messages":[{"content":"hi \"you\"","role":"user"}],"model":"small"})");
  const Json chat = chat_of(R"({"model":"m","instructions":"be brief","max_output_tokens":50,"stream":true,
      "temperature":0.5,"top_p":null,"reasoning":{"effort":"low","summary":"auto"},"store":false,"metadata":{"a":"b"},
      "truncation":"disabled","include":["reasoning.encrypted_content"],"min_tokens":3,
      "input":[{"role":"developer","content":[{"type":"input_text","text":"d"}]},
               {"role":"user","content":[{"type":"input_text","text":"look"},
                 {"type":"input_image","image_url":"data:x","detail":"low"},
                 {"type":"input_file","file_data":"data:y","filename":"f"}]}]})");
  EXPECT_EQ(
      to_json(chat["messages"]),
      R"([{"content":"be brief","role":"system"},{"content":"d","role":"system"},)"
      R"({"content":[{"text":"look","type":"text"},{"image_url":{"detail":"low","url":"data:x"},"type":"image_url"},)"
      R"({"file":{"file_data":"data:y","filename":"f"},"type":"file"}],"role":"user"}])");
  EXPECT_EQ(chat["max_tokens"].integer(), 50);
  EXPECT_TRUE(chat["stream"].boolean());
  EXPECT_EQ(chat["temperature"].number(), 0.5);
  EXPECT_EQ(chat["reasoning_effort"].text(), "low");
  EXPECT_EQ(chat["min_tokens"].integer(), 3) << "what is not of this API is the engine's own";
  for (const char* gone : {"store", "metadata", "truncation", "include", "top_p", "tools", "instructions"})
    EXPECT_TRUE(chat[gone].is_null()) << gone;
}

TEST(ResponsesRequest, FunctionsAndTheirOutcomesAreMessages) {
  const Json chat =
      chat_of(R"({"model":"m","tools":[{"type":"function","name":"f","parameters":{"z":1,"a":2},"strict":true}],
      "tool_choice":{"type":"function","name":"f"},
      "input":[{"role":"user","content":"go"},
               {"type":"reasoning","id":"rs","summary":[]},
               {"type":"message","role":"assistant","id":"msg","status":"completed",
                "content":[{"type":"output_text","text":"I call.","annotations":[]}]},
               {"type":"function_call","call_id":"c1","name":"f","arguments":"{\"x\":1}"},
               {"type":"function_call","call_id":"c2","name":"f","arguments":"{}"},
               {"type":"function_call_output","call_id":"c1","output":"one"},
               {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]}]})");
  const Json::Array& messages = chat["messages"].array();
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[1]["content"].text(), "I call.");
  EXPECT_EQ(to_json(messages[1]["tool_calls"]),
            R"([{"function":{"arguments":"{\"x\":1}","name":"f"},"id":"c1","type":"function"},)"
            R"({"function":{"arguments":"{}","name":"f"},"id":"c2","type":"function"}])");
  EXPECT_EQ(to_json(messages[3]), R"({"content":"two","role":"tool","tool_call_id":"c2"})");
  EXPECT_EQ(to_json(chat["tool_choice"]), R"({"function":{"name":"f"},"type":"function"})");
  // The members of a schema keep their order: guided engines write in it.
  EXPECT_THAT(read_responses_request(
                  R"({"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":{"z":1,"a":2}}]})")
                  ->chat_body,
              HasSubstr(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"z":1,"a":2}}}])"));
}

TEST(ResponsesRequest, TextFormatsAreResponseFormats) {
  const auto format = [](const std::string& text) {
    return to_json(chat_of(R"({"model":"m","input":"x","text":)" + text + "}")["response_format"]);
  };
  EXPECT_EQ(format(R"({"format":{"type":"text"}})"), "null");
  EXPECT_EQ(format(R"({"format":{"type":"json_object"}})"), R"({"type":"json_object"})");
  EXPECT_EQ(format(R"({"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object"}}})"),
            R"({"json_schema":{"name":"n","schema":{"type":"object"},"strict":true},"type":"json_schema"})");
}

TEST(ResponsesRequest, SaysWhatCannotBeDoneAndWhatToDo) {
  struct Refused {
    const char* members;
    const char* param;
    const char* says;
  };
  for (const Refused& refused : std::vector<Refused>{
           {R"("input":"x","previous_response_id":"resp_1")", "previous_response_id", "send the whole conversation"},
           {R"("input":"x","store":true)", "store", "send the whole conversation"},
           {R"("input":"x","background":true)", "background", "not kept"},
           {R"("input":"x","conversation":"c")", "conversation", "not kept"},
           {R"("input":"x","prompt":{"id":"p"})", "prompt", "instructions"},
           {R"("input":"x","truncation":"auto")", "truncation", "disabled"},
           {R"("input":"x","include":["message.output_text.logprobs"])", "include", "nothing but"},
           {R"("input":"x","messages":[])", "messages", "use input"},
           {R"("input":"x","response_format":{})", "response_format", "text.format"},
           {R"("input":"x","tools":[{"type":"web_search"}])", "tools[0].type", "only functions"},
           {R"("input":"x","max_output_tokens":0)", "max_output_tokens", "from 1"},
           {R"("input":"x","text":{"format":{"type":"xml"}})", "text.format.type", "json_schema"},
           {R"("input":[{"type":"item_reference","id":"msg"}])", "input[0]", "kept item"},
           {R"("input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}])", "input[0].content[0]",
            "data URL"},
           {R"("input":[{"role":"user"}])", "input[0].content", "Missing"},
           {R"("input":[{"role":"king","content":"x"}])", "input[0].role", "assistant"},
           {R"("input":[{"type":"function_call","call_id":"c"}])", "input[0].name", "Missing"},
           {R"("input":[])", "input", "empty"},
           {R"("input":7)", "input", "expected a string or an array"},
           {R"("input":"x","input":"y")", "input", "twice"},
           {R"("instructions":"x")", "input", "Missing"}}) {
    const auto request = read_responses_request(std::string(R"({"model":"m",)") + refused.members + "}");
    ASSERT_FALSE(request) << refused.members;
    EXPECT_EQ(status_of(request.error()), 400) << refused.members;
    EXPECT_EQ(request.error().param, refused.param) << refused.members;
    EXPECT_THAT(request.error().message, HasSubstr(refused.says)) << refused.members;
  }
}

ResponsesReply reply_of(size_t bytes_max = 1'000'000) {
  return ResponsesReply({"d-1", 17, "small", R"("tools":[])"}, bytes_max);
}

TEST(ResponsesReply, AWholeAnswerHasItsItemsAndUsage) {
  const auto text = reply_of().whole(
      R"({"choices":[{"message":{"role":"assistant","reasoning_content":"hm","content":"yes","tool_calls":
          [{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})",
      {10, 5, 4, 2});
  ASSERT_TRUE(text);
  const Json response = parse_json(*text).value_or(Json());
  EXPECT_EQ(response["id"].text(), "resp_d-1");
  EXPECT_EQ(response["object"].text(), "response");
  EXPECT_EQ(response["status"].text(), "completed");
  EXPECT_EQ(response["created_at"].integer(), 17);
  const Json::Array& output = response["output"].array();
  ASSERT_EQ(output.size(), 3u);
  EXPECT_EQ(output[0]["content"].array().at(0)["text"].text(), "hm");
  EXPECT_EQ(output[1]["content"].array().at(0)["text"].text(), "yes");
  EXPECT_EQ(output[2]["call_id"].text(), "c1");
  EXPECT_EQ(output[2]["arguments"].text(), "{}");
  EXPECT_EQ(to_json(response["usage"]),
            R"({"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,)"
            R"("output_tokens_details":{"reasoning_tokens":2},"total_tokens":15})");
  const auto limited =
      reply_of().whole(R"({"choices":[{"message":{"content":"y"},"finish_reason":"length"}]})", {1, 1});
  EXPECT_EQ(parse_json(*limited).value_or(Json())["incomplete_details"]["reason"].text(), "max_output_tokens");
  EXPECT_EQ(reply_of().whole("{}", {}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(reply_of(600)
                .whole(R"({"choices":[{"message":{"content":")" + std::string(600, 'a') + R"("}}]})", {})
                .error()
                .code,
            ErrorCode::too_large);
}

// What a client that follows the stream has put together: each event's type, and the text of the deltas.
struct Heard {
  std::vector<std::string> types;
  std::string text, arguments;
  Json last;
};

Heard hear(std::string_view stream) {
  Heard heard;
  http::SseParser parser;
  const auto events = parser.feed(stream);
  EXPECT_TRUE(events);
  for (const http::SseEvent& event : *events) {
    const Json data = parse_json(event.data).value_or(Json());
    EXPECT_EQ(data["type"].text(), event.event);
    EXPECT_EQ(data["sequence_number"].integer(), static_cast<int64_t>(heard.types.size()));
    heard.types.push_back(event.event);
    if (event.event == "response.output_text.delta") heard.text += data["delta"].text();
    if (event.event == "response.function_call_arguments.delta") heard.arguments += data["delta"].text();
    heard.last = data["response"];
  }
  return heard;
}

TEST(ResponsesReply, AStreamTellsEachItemsBeginningPartsAndEnd) {
  ResponsesReply reply = reply_of();
  std::string out;
  for (const char* chunk :
       {R"({"choices":[{"delta":{"role":"assistant","content":""}}]})", R"({"choices":[{"delta":{"content":"he"}}]})",
        R"({"choices":[{"delta":{"content":"llo"}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]})",
        R"({"choices":[{"delta":{},"finish_reason":"tool_calls"}]})", R"({"choices":[]})"})
    ASSERT_TRUE(reply.add_events(http::format_sse({}, {}, chunk), out));
  reply.end({3, 4}, out);
  const Heard heard = hear(out);
  EXPECT_THAT(heard.types,
              ElementsAre("response.created", "response.in_progress", "response.output_item.added",
                          "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
                          "response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "response.output_item.added", "response.function_call_arguments.delta",
                          "response.function_call_arguments.delta", "response.function_call_arguments.done",
                          "response.output_item.done", "response.completed"));
  EXPECT_EQ(heard.text, "hello");
  EXPECT_EQ(heard.arguments, R"({"a":1})");
  EXPECT_EQ(heard.last["usage"]["total_tokens"].integer(), 7);
  EXPECT_EQ(heard.last["output"].array().at(1)["name"].text(), "f");
  EXPECT_EQ(heard.last["output"].array().at(0)["content"].array().at(0)["text"].text(), "hello");
}

TEST(ResponsesReply, AStreamIsBounded) {
  ResponsesReply reply = reply_of(600);
  std::string out;
  const std::string chunk =
      http::format_sse({}, {}, R"({"choices":[{"delta":{"content":")" + std::string(50, 'a') + R"("}}]})");
  EXPECT_TRUE(reply.add_events(chunk, out));
  const auto added = reply.add_events(chunk, out);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::too_large);
}

http::ClientRequest responses(std::string body) {
  http::ClientRequest request = chat(std::move(body));
  request.target = "/v1/responses";
  return request;
}

TEST(Responses, AreAnsweredByEnginesThatKnowOnlyChat) {
  TestWorld world(kThreeEngines, three_engines());
  const Reply reply =
      world.ask(responses(R"({"model":"tiny","instructions":"be brief","input":"hi there","max_output_tokens":9})"));
  EXPECT_EQ(reply.status, 200);
  const Json response = reply.json();
  EXPECT_EQ(response["output"].array().at(0)["content"].array().at(0)["text"].text(), "from far");
  EXPECT_EQ(response["model"].text(), "small");
  EXPECT_EQ(response["instructions"].text(), "be brief");
  EXPECT_EQ(response["usage"]["input_tokens"].integer(), 7);
  EXPECT_EQ(response["usage"]["output_tokens"].integer(), 3);
  EXPECT_EQ(reply.header("x-tandem-site"), "iad");
  const http::Request& asked = world.engine("far").requests.at(0);
  EXPECT_EQ(asked.target, "/v1/chat/completions");
  EXPECT_THAT(asked.body, HasSubstr(R"("model":"small")"));
  EXPECT_EQ(world.last().output_tokens, 3u);
  EXPECT_TRUE(world.last().tokens_counted);
}

TEST(Responses, StreamWithTheEnginesOwnCount) {
  TestWorld world(kThreeEngines, three_engines());
  const Reply reply = world.ask(responses(R"({"model":"small","input":"hi","stream":true})"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_TRUE(reply.complete);
  const Heard heard = hear(reply.body);
  EXPECT_EQ(heard.types.back(), "response.completed");
  EXPECT_EQ(heard.text, "from farfrom far");
  EXPECT_EQ(heard.last["usage"]["input_tokens"].integer(), 7);
  EXPECT_EQ(heard.last["usage"]["output_tokens"].integer(), 2);
  EXPECT_EQ(world.last().output_tokens, 2u);
  EXPECT_THAT(reply.body, Not(HasSubstr("[DONE]")));
}

TEST(Responses, AnEngineThatCountsNothingIsEstimated) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::forgets_usage;
  EXPECT_EQ(world.ask(responses(R"({"model":"small","input":"12345678"})")).json()["usage"]["input_tokens"].integer(),
            2);
  const Heard heard = hear(world.ask(responses(R"({"model":"small","input":"12345678","stream":true})")).body);
  EXPECT_EQ(heard.last["usage"]["output_tokens"].integer(), 2);
  EXPECT_FALSE(world.last().tokens_counted);
}

TEST(Responses, ACutStreamEndsAsFailed) {
  for (const Behaviour behaviour : {Behaviour::cuts_midway, Behaviour::error_midway}) {
    TestWorld world(kThreeEngines, three_engines());
    world.engine("far").behaviour = behaviour;
    const Heard heard = hear(world.ask(responses(R"({"model":"small","input":"hi","stream":true})")).body);
    EXPECT_EQ(heard.types.back(), "response.failed");
    EXPECT_EQ(heard.last["error"]["code"].text(), "server_error");
    EXPECT_THAT(std::string(heard.last["output"].array().at(0)["content"].array().at(0)["text"].text()),
                HasSubstr("from far"));
    EXPECT_EQ(world.last().outcome, Outcome::cut);
  }
}

TEST(Responses, AnotherEngineIsTriedBeforeTheFirstEvent) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::error_first;
  const Heard heard = hear(world.ask(responses(R"({"model":"small","input":"hi","stream":true})")).body);
  EXPECT_EQ(heard.types.front(), "response.created");
  EXPECT_EQ(heard.text, "from bfrom b");
}

TEST(Responses, WhatIsKeptNowhereIsNotFound) {
  TestWorld world(kThreeEngines, three_engines());
  EXPECT_EQ(world.ask(responses(R"({"model":"small","input":"x","previous_response_id":"resp_1"})")).error_code(),
            "unsupported_parameter");
  http::ClientRequest read("GET", "/v1/responses/resp_1");
  const Reply reply = world.ask(std::move(read));
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.error_code(), "response_not_found");
}

// What chat clients ask beyond plain text reaches the engine as it was written.
TEST(Responses, ChatsOwnFormsPassUnchanged) {
  TestWorld world(kThreeEngines, three_engines());
  const std::string body =
      R"({"model":"small","n":2,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"z":1,"a":2}}},)"
      R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto","messages":[{"role":"user","content":)"
      R"([{"type":"text","text":"what is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
      R"({"role":"tool","tool_call_id":"c","content":"7"}]})";
  EXPECT_EQ(world.ask(chat(body)).status, 200);
  EXPECT_EQ(world.engine("far").requests.at(0).body, body);
}

std::string mutated(std::string text, Random& random) {
  const std::string alphabet = "{}[]\",:\\ \ntrue0123.-eu\xC3\xA9\xFF";
  for (uint64_t edits = 1 + random.below(4); edits > 0 && !text.empty(); --edits) {
    const size_t at = random.below(text.size());
    switch (random.below(4)) {
      case 0: text[at] = alphabet[random.below(alphabet.size())]; break;
      case 1: text.insert(at, 1, alphabet[random.below(alphabet.size())]); break;
      case 2: text.erase(at, 1 + random.below(4)); break;
      default: text.insert(at, text.substr(random.below(text.size()), random.below(20))); break;
    }
  }
  return text;
}

// Whatever a mutation leaves readable is a chat completion that the gateway reads too; the rest is an error object.
TEST(ResponsesMutation, EveryRequestIsTranslatedOrRefused) {
  Random random(17);
  const std::vector<std::string> seeds{
      R"({"model":"m","instructions":"h\u00e9","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"d"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"}],"stream":true})",
      R"({"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":{"a":[1]}}],"tool_choice":{"type":"function","name":"f"},"text":{"format":{"type":"json_schema","name":"n","schema":{}}},"reasoning":{"effort":"low"},"x":[{}]})"};
  RequestReader reader;
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    const auto request = read_responses_request(mutated(seeds[random.below(seeds.size())], random));
    if (!request) {
      EXPECT_TRUE(parse_json(body_of(request.error())));
      continue;
    }
    EXPECT_TRUE(parse_json('{' + request->echo + '}')) << request->echo;
    EXPECT_TRUE(parse_json(request->chat_body)) << request->chat_body;
    accepted += reader.read(Surface::chat_completions, request->chat_body) ? 1 : 0;
  }
  EXPECT_GT(accepted, 1'000);
}

// Whatever an engine sends becomes events that are JSON, up to an error.
TEST(ResponsesMutation, EveryAnswerBecomesEventsOrAnError) {
  Random random(19);
  const std::vector<std::string> seeds{
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\",\"refusal\":\"b\",\"reasoning\":\"c\"}}]}\n\n"
      "data: "
      "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":"
      "\"{\"}}]},"
      "\"finish_reason\":\"length\"}]}\n\n"};
  int translated = 0;
  for (int round = 0; round < 20'000; ++round) {
    ResponsesReply reply = reply_of(4'096);
    std::string out;
    if (reply.add_events(mutated(seeds[0], random), out)) {
      reply.end({1, 2}, out);
      ++translated;
    } else {
      reply.fail_with("cut", {1, 2}, out);
    }
    http::SseParser parser;
    const auto events = parser.feed(out);
    ASSERT_TRUE(events);
    for (const http::SseEvent& event : *events) EXPECT_TRUE(parse_json(event.data)) << event.data;
  }
  EXPECT_GT(translated, 1'000);
}

}  // namespace
}  // namespace tandem::gateway
