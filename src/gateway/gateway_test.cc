#include "gateway/gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

http::Headers with_header(std::string name, std::string value) {
  http::Headers headers;
  headers.add(std::move(name), std::move(value));
  return headers;
}

TEST(Gateway, AnswersWholeFromTheCheapestSiteAndSaysWhich) {
  TestWorld world(kThreeEngines, three_engines());
  const Reply reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, HasSubstr("from far"));
  EXPECT_EQ(reply.json()["usage"]["total_tokens"].integer(), 10);
  EXPECT_EQ(reply.header("x-tandem-site"), "iad");
  EXPECT_EQ(reply.header("x-tandem-region-source"), "default");
  EXPECT_EQ(reply.header("content-type"), "application/json");
  EXPECT_THAT(reply.header("x-tandem-decision"), StartsWith("d-"));
  EXPECT_EQ(reply.header("x-request-id"), reply.header("x-tandem-decision"));
  EXPECT_FALSE(reply.header("x-tandem-overhead-us").empty());
  const RequestRecord& record = world.last();
  EXPECT_EQ(record.outcome, Outcome::ok);
  EXPECT_EQ(record.tenant, "acme");
  EXPECT_EQ(record.region, "north");
  EXPECT_EQ(record.deployment, "far");
  EXPECT_EQ(record.prompt_tokens, 7u);
  EXPECT_EQ(record.output_tokens, 3u);
  EXPECT_TRUE(record.tokens_counted);
  EXPECT_TRUE(record.promise_kept);
  EXPECT_EQ(record.attempts, 1u);
  EXPECT_NEAR(record.cost.value(), (7 * 1 + 3 * 3) * 1e-6, 1e-12);
  EXPECT_EQ(record.ttft, std::nullopt);
}

TEST(Gateway, AccountsForTokensCostEnergyAndCarbon) {
  std::string drawing = kThreeEngines;
  const std::string dear = "prompt_cost=1 output_cost=3";
  drawing.replace(drawing.find(dear), dear.size(), dear + " prompt_joules=2 output_joules=10 carbon=360");
  TestWorld world(drawing, three_engines());
  world.engine("far").usage =
      R"({"prompt_tokens":100,"completion_tokens":3,"total_tokens":103,"prompt_tokens_details":{"cached_tokens":64}})";
  world.ask(chat(kWholeBody));
  EXPECT_EQ(world.last().prompt_tokens, 100u);
  EXPECT_EQ(world.last().cached_tokens, 64u);
  EXPECT_NEAR(world.last().cost.value(), (36 * 1 + 3 * 3) * 1e-6, 1e-12);
  EXPECT_DOUBLE_EQ(world.last().energy_j, 36 * 2 + 3 * 10);
  EXPECT_NEAR(world.last().carbon_g, (36 * 2 + 3 * 10) * 360 / 3.6e6, 1e-12);
  EXPECT_TRUE(world.last().was_served());
  world.engine("far").behaviour = Behaviour::forgets_usage;
  world.ask(chat(kStreamBody));
  EXPECT_FALSE(world.last().tokens_counted);
  EXPECT_GT(world.last().energy_j, 0);
  world.ask(chat(kWholeBody, with_header("x-tandem-residency", "XX")));
  EXPECT_FALSE(world.last().was_served());
  EXPECT_EQ(world.last().cost.value(), 0);
}

TEST(Gateway, EmbeddingsArePassedThroughAndCounted) {
  TestWorld world(kThreeEngines, three_engines());
  http::ClientRequest request = chat(R"({"model":"tiny","input":["one","two"],"dimensions":2})");
  request.target = "/v1/embeddings";
  const Reply reply = world.ask(request);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, kEmbedding);
  EXPECT_THAT(world.engine("far").requests.at(0).body, HasSubstr(R"("model":"small")"));
  EXPECT_EQ(world.last().prompt_tokens, 8u);
  EXPECT_EQ(world.last().output_tokens, 0u);
  EXPECT_TRUE(world.last().tokens_counted);
  EXPECT_TRUE(world.last().promise_kept);
  EXPECT_NEAR(world.last().cost.value(), 8e-6, 1e-12);
  request.method = "GET";
  EXPECT_EQ(world.ask(request).status, 405);
}

TEST(Gateway, WhatThePlanTurnsAwayIsRefusedAsThePlans) {
  const std::string drawing = kThreeEngines + "  admission_by_plan\n  split acme north small turned_away=1\n";
  TestWorld world(drawing, three_engines());
  Reply reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.error_code(), "plan");
  EXPECT_EQ(world.last().outcome, Outcome::rejected);
  EXPECT_EQ(world.last().gate, routing::Gate::plan);
  EXPECT_EQ(world.last().refused, "plan");
  world.publish(kThreeEngines + "  admission_by_plan\n  split acme north small b=0.1 turned_away=0.9\n");
  std::set<int> statuses;
  for (int i = 0; i < 200; ++i) {
    reply = world.ask(chat(kWholeBody));
    statuses.insert(reply.status);
    if (reply.status == 429) {
      EXPECT_EQ(reply.error_code(), "plan");
      EXPECT_EQ(reply.header("retry-after"), "1");
    }
  }
  EXPECT_EQ(statuses, (std::set<int>{200, 429}));
}

TEST(Gateway, TakesABodyThatIsSaidToBeJsonOrOfWhichNothingIsSaid) {
  TestWorld world(kThreeEngines, three_engines());
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"})
    EXPECT_EQ(world.ask(chat(kWholeBody, with_header("content-type", type))).status, 200) << type;
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
  for (const char* type : {"application/x-www-form-urlencoded", "text/plain", "application/jsonl", "json", ""}) {
    const Reply reply = world.ask(chat(kWholeBody, with_header("content-type", type)));
    EXPECT_EQ(reply.status, 415) << type;
    EXPECT_EQ(reply.error_code(), "unsupported_content_type");
    EXPECT_THAT(reply.body, HasSubstr("'Content-Type: application/json'")) << "what to send";
    EXPECT_EQ(world.last().status, 415);
    EXPECT_EQ(world.last().outcome, Outcome::client_error);
  }
}

TEST(Gateway, ForwardsTheClientsBytesAndNeverItsKey) {
  TestWorld world(kThreeEngines, three_engines());
  http::Headers headers;
  headers.add("authorization", "Bearer sk-acme");
  headers.add("cookie", "secret");
  headers.add("x-request-id", "mine-1");
  headers.add("traceparent", "00-1-2-01");
  headers.add("x-gateway-inference-objective", "chat");
  headers.add("x-gateway-inference-fairness-id", "somebody-else");
  headers.add("x-gateway-destination-endpoint", "192.0.2.1:22");
  const Reply reply = world.ask(chat(kWholeBody, headers));
  EXPECT_EQ(reply.header("x-request-id"), "mine-1");
  EXPECT_EQ(world.last().request_id, "mine-1");
  ASSERT_EQ(world.engine("far").requests.size(), 1u);
  const http::Request& seen = world.engine("far").requests[0];
  EXPECT_EQ(seen.body, kWholeBody);
  EXPECT_EQ(seen.headers.find("authorization"), std::nullopt);
  EXPECT_EQ(seen.headers.find("cookie"), std::nullopt);
  EXPECT_EQ(seen.headers.value_or("x-request-id", ""), "mine-1");
  EXPECT_EQ(seen.headers.value_or("traceparent", ""), "00-1-2-01");
  EXPECT_EQ(seen.headers.find("x-tandem-path-rtt-us"), std::nullopt);
  EXPECT_EQ(seen.headers.value_or("x-gateway-inference-objective", ""), "chat");
  EXPECT_EQ(seen.headers.value_or("x-gateway-inference-fairness-id", ""), "acme");
  EXPECT_FALSE(seen.headers.find("x-gateway-destination-endpoint"));
}

TEST(Gateway, TellsAnEmulatedEngineTheRoundTripAndReachesItAtItsPath) {
  TestWorld world(kThreeEngines, three_engines());
  world.ask(chat(kWholeBody, with_header("x-tandem-residency", "DE")));
  ASSERT_EQ(world.engine("a").requests.size(), 1u);
  EXPECT_EQ(world.engine("a").requests[0].target, "/pools/a/v1/chat/completions");
  EXPECT_EQ(world.engine("a").requests[0].headers.value_or("x-tandem-path-rtt-us", ""), "2000");
}

TEST(Gateway, StreamsAndKeepsTheUsageItAskedForToItself) {
  TestWorld world(kThreeEngines, three_engines());
  const Reply reply = world.ask(chat(kStreamBody));
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.complete);
  EXPECT_THAT(reply.header("content-type"), StartsWith("text/event-stream"));
  EXPECT_THAT(reply.body, HasSubstr("from far"));
  EXPECT_THAT(reply.body, Not(HasSubstr("usage")));
  EXPECT_THAT(reply.body, EndsWith("data: [DONE]\n\n"));
  EXPECT_THAT(world.engine("far").requests[0].body, HasSubstr(R"("stream_options":{"include_usage":true})"));
  const RequestRecord& record = world.last();
  EXPECT_EQ(record.outcome, Outcome::ok);
  EXPECT_EQ(record.prompt_tokens, 7u);
  EXPECT_EQ(record.output_tokens, 2u);
  ASSERT_TRUE(record.ttft.has_value());
  ASSERT_TRUE(record.tpot.has_value());
  EXPECT_GT(record.ttft->value(), 0);
  EXPECT_LE(record.ttft->value(), record.duration.value());
}

// All of it is one message, not a head with a chunk and an end behind it.
TEST(Gateway, AStreamThatCameInOnePieceGoesOnInOne) {
  TestWorld world(kThreeEngines, three_engines());
  const Reply whole = world.ask(chat(kStreamBody));
  EXPECT_TRUE(whole.complete);
  EXPECT_EQ(whole.header("content-length"), std::to_string(whole.body.size()));
  EXPECT_EQ(whole.header("cache-control"), "no-cache");
  EXPECT_EQ(world.last().answer_bytes, whole.body.size());
  EXPECT_EQ(world.last().status, 200);
  world.engine("far").behaviour = Behaviour::endless;  // its first events are handed on, not kept for what follows
  const Reply first = world.ask_and_leave(chat(kStreamBody));
  EXPECT_EQ(first.header("content-length"), "");
  EXPECT_EQ(first.header("transfer-encoding"), "chunked");
}

TEST(Gateway, HandsTheUsageOnWhereItWasAskedFor) {
  TestWorld world(kThreeEngines, three_engines());
  const std::string body =
      R"({"model":"small","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]})";
  EXPECT_THAT(world.ask(chat(body)).body, HasSubstr(R"("total_tokens":9)"));
  EXPECT_EQ(world.engine("far").requests[0].body, body);
  world.engine("far").behaviour = Behaviour::forgets_usage;
  const Reply reply = world.ask(chat(body));
  EXPECT_THAT(reply.body,
              HasSubstr(R"("choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3})"));
  EXPECT_THAT(reply.body, EndsWith("data: [DONE]\n\n"));
  EXPECT_FALSE(world.last().tokens_counted);
}

TEST(Gateway, EnsuresUsageInAWholeAnswer) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::forgets_usage;
  const Reply reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.json()["usage"]["prompt_tokens"].integer(), 2);
  EXPECT_EQ(reply.json()["usage"]["completion_tokens"].integer(), 2);
  EXPECT_EQ(reply.json()["choices"].array().size(), 1u);
}

TEST(Gateway, TurnsAnAliasIntoTheModelsId) {
  TestWorld world(kThreeEngines, three_engines());
  const Reply reply =
      world.ask(chat(R"({"messages":[{"role":"user","content":"\"model\":\"tiny\""}], "model" : "tiny" ,"x":1})"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(world.engine("far").requests[0].body,
            R"({"messages":[{"role":"user","content":"\"model\":\"tiny\""}], "model" : "small" ,"x":1})");
  EXPECT_EQ(world.last().model, "small");
}

TEST(Gateway, ServesPlainCompletions) {
  TestWorld world(kThreeEngines, three_engines());
  http::ClientRequest request = chat(R"({"model":"small","prompt":["a","b"]})");
  request.target = "/v1/completions";
  EXPECT_EQ(world.ask(request).status, 200);
  EXPECT_EQ(world.engine("far").requests[0].target, "/v1/completions");
}

TEST(Gateway, ListsOnlyTheTenantsModels) {
  TestWorld world(kThreeEngines, three_engines());
  http::ClientRequest request = chat("");
  request.method = "GET";
  request.target = "/v1/models";
  Reply reply = world.ask(request);
  EXPECT_EQ(reply.body,
            R"({"object":"list","data":[{"id":"small","object":"model","created":0,"owned_by":"tandem"}]})");
  request.headers.set("authorization", "Bearer sk-strict");
  EXPECT_EQ(world.ask(request).json()["data"].array().size(), 2u);
  request.target = "/v1/models/tiny";
  EXPECT_EQ(world.ask(request).json()["id"].text(), "small");
  request.target = "/v1/models/none";
  EXPECT_EQ(world.ask(request).error_code(), "model_not_found");
  request.headers.set("authorization", "Bearer nobody");
  EXPECT_EQ(world.ask(request).status, 401);
}

TEST(Gateway, RefusesWhatItDoesNotServe) {
  TestWorld world(kThreeEngines, three_engines());
  http::ClientRequest request = chat(kWholeBody);
  request.target = "/v1/images/generations";
  Reply reply = world.ask(request);
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.error_code(), "unknown_url");
  request.target = "/v1/chat/completions";
  request.method = "GET";
  request.body.clear();
  reply = world.ask(request);
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.header("allow"), "POST");
  EXPECT_EQ(reply.error_code(), "method_not_allowed");
  request.method = "OPTIONS";
  reply = world.ask(request);
  EXPECT_EQ(reply.status, 204);
  EXPECT_EQ(reply.header("allow"), "POST");
}

// What OpenAI's clients show with an error, and a person quotes.
TEST(Gateway, EveryAnswerHasARequestId) {
  TestWorld world(kThreeEngines, three_engines());
  http::ClientRequest models = chat("");
  models.method = "GET";
  models.target = "/v1/models";
  http::ClientRequest nothing = models;
  nothing.target = "/v1/nothing";
  std::set<std::string> ids;
  for (const http::ClientRequest& request :
       {chat("{"), chat(kWholeBody, with_header("authorization", "Bearer no")),
        chat(R"({"model":"none","messages":[{"role":"user"}]})"), models, nothing}) {
    const std::string id = world.ask(request).header("x-request-id");
    EXPECT_THAT(id, StartsWith("d-"));
    EXPECT_TRUE(ids.insert(id).second) << "its own";
    if (request.method != "POST") continue;
    EXPECT_EQ(world.last().request_id, id) << "why it was refused is found by it";
  }
  nothing.headers.set("x-request-id", "mine-2");
  EXPECT_EQ(world.ask(nothing).header("x-request-id"), "mine-2");
}

TEST(Gateway, RefusesUnknownKeysModelsAndRegions) {
  TestWorld world(kThreeEngines, three_engines());
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("authorization", "Bearer no"))).error_code(), "invalid_api_key");
  EXPECT_EQ(world.last().outcome, Outcome::client_error);
  Reply reply = world.ask(chat(R"({"model":"smal","messages":[{"role":"user"}]})"));
  EXPECT_EQ(reply.status, 404);
  EXPECT_THAT(reply.body, HasSubstr("did you mean 'small'?"));
  EXPECT_EQ(world.ask(chat(R"({"model":"big","messages":[{"role":"user"}]})")).status, 404);  // not acme's
  reply = world.ask(chat(kWholeBody, with_header("x-tandem-region", "nort")));
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr("did you mean 'north'?"));
  reply = world.ask(chat(kWholeBody, with_header("x-slo-ttft-ms", "-1")));
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("x-tandem-region", "south"))).header("x-tandem-region-source"),
            "header");
}

TEST(Gateway, AcceptsALoopbackKeyFromLoopback) {
  TestWorld world(kThreeEngines, three_engines());
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("authorization", "Bearer sk-demo"))).status, 200);
}

TEST(Gateway, ResidencyMayOnlyBeTightened) {
  TestWorld world(kThreeEngines, three_engines());
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("authorization", "Bearer sk-strict"))).header("x-tandem-site"),
            "par");
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("x-tandem-residency", " DE "))).header("x-tandem-site"), "ber");
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("x-tandem-residency", "DE,FR"))).header("x-tandem-site"), "par");
  http::Headers headers = with_header("authorization", "Bearer sk-strict");
  headers.add("x-tandem-residency", "US");  // does not widen it
  Reply reply = world.ask(chat(kWholeBody, headers));
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.error_code(), "residency");
  EXPECT_EQ(world.last().outcome, Outcome::rejected);
  EXPECT_EQ(world.last().gate, routing::Gate::residency);
  headers = with_header("x-tandem-residency", "DE");
  headers.add("x-tandem-residency", "US");
  EXPECT_EQ(world.ask(chat(kWholeBody, headers)).status, 400);
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("x-tandem-residency", "XX"))).error_code(), "unknown_jurisdiction");
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("x-tandem-residency", ""))).status, 400);
}

TEST(Gateway, WithoutAFreshTableOnlyWhatMayGoAnywhereIsServed) {
  TestWorld world("valid_until_s 2000\n" + kThreeEngines, three_engines());
  const http::Headers strict = with_header("authorization", "Bearer sk-strict");
  EXPECT_EQ(world.ask(chat(kWholeBody, strict)).status, 200);
  world.clock.date = Instant{seconds(2'001).ns};
  const Reply reply = world.ask(chat(kWholeBody, strict));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.error_code(), "residency_not_assured");
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("x-tandem-residency", "DE"))).status, 503);
}

TEST(Gateway, ThePromiseOfTheRequestDecides) {
  TestWorld world(kThreeEngines, three_engines());
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("x-slo-ttft-ms", "50"))).header("x-tandem-site"), "par");
  EXPECT_EQ(world.ask(chat(kWholeBody, with_header("x-llm-d-slo-ttft-ms", "5"))).header("x-tandem-site"), "ber");
  EXPECT_EQ(world.last().promise_ttft.value(), 5);
  const Reply told = world.ask(chat(kWholeBody, with_header("x-slo-ttft-ms", "12.5")));
  EXPECT_EQ(told.header("x-tandem-promise-ttft-ms"), "12.5");
  EXPECT_EQ(told.header("x-tandem-promise-tpot-ms"), "1000") << "the tenant's own";
  EXPECT_EQ(world.ask(chat(kStreamBody, with_header("x-slo-ttft-ms", "0.0001"))).header("x-tandem-site"), "ber");
  EXPECT_EQ(world.last().reason, routing::Reason::promise_at_risk);
  EXPECT_FALSE(world.last().promise_kept);
}

TEST(Gateway, WithoutATableItSaysSo) {
  asio::io_context context;
  TestWorld world(kThreeEngines, three_engines());
  SharedState empty;
  EXPECT_EQ(empty.table(), nullptr);
  Gateway gateway(world.context, empty, world.gateway_client, world.metrics, world.clock, world.records);
  auto server = http::Server::listen(
      world.context, {},
      [&](const http::Request& request, http::ResponseWriter& writer) { return gateway.handle(request, writer); });
  std::swap(world.server, *server);
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 503);
  std::swap(world.server, *server);
}

TEST(Gateway, ANewTableIsUsedFromTheNextRequestAndLiveStateStays) {
  TestWorld world(kThreeEngines, three_engines());
  EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-site"), "iad");
  std::string cut = kThreeEngines;
  cut.replace(cut.find("leg north iad rtt=90"), 20, "");
  world.publish(cut);
  EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-site"), "par");
  for (const DeploymentStatus& status : world.shared.deployments()) EXPECT_EQ(status.in_flight, 0u);
}

TEST(Gateway, ExplainsADecisionAsThingsWere) {
  TestWorld world(kThreeEngines, three_engines());
  const Reply reply = world.ask(chat(kWholeBody, with_header("x-tandem-residency", "DE,FR")));
  world.publish(kThreeEngines);
  const auto story = world.gateway.explain_decision(reply.header("x-tandem-decision"));
  ASSERT_TRUE(story.has_value());
  ASSERT_EQ(story->verdicts.size(), 3u);
  EXPECT_TRUE(story->verdicts[0].chosen);
  EXPECT_EQ(story->record.site, "par");
  EXPECT_TRUE(story->live_as_then);
  const Json json = to_json(*story);
  EXPECT_EQ(json["candidates"].array()[0]["site"].text(), "par");
  EXPECT_EQ(json["candidates"].array()[1]["gate"].text(), "residency");
  EXPECT_EQ(json["request"]["outcome"].text(), "ok");
  EXPECT_EQ(world.gateway.explain_decision("d-0-0-0"), std::nullopt);
  EXPECT_EQ(world.gateway.recent(5).size(), 1u);
}

TEST(Gateway, ADecisionIsThereBeforeTheAnswerHasEnded) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::answers_at_length;
  const Reply begun = world.ask_and_leave(chat(kWholeBody), [&](const Reply& reply) {
    EXPECT_TRUE(world.records.all.empty());  // still being sent
    const auto story = world.gateway.explain_decision(reply.header("x-tandem-decision"));
    ASSERT_TRUE(story.has_value());
    EXPECT_EQ(story->record.outcome, Outcome::ok);
    EXPECT_EQ(story->record.output_tokens, 3u);
  });
  const std::string id = begun.header("x-tandem-decision");
  world.wait_until([&] { return !world.records.all.empty(); });
  EXPECT_EQ(world.gateway.explain_decision(id)->record.outcome, Outcome::cancelled);  // what came of it
  EXPECT_FALSE(world.gateway.explain_decision(id)->record.promise_kept);
}

TEST(Gateway, KeepsABoundedNumberOfDecisions) {
  GatewayOptions options;
  options.decisions_kept = 3;
  options.tables_kept = 1;
  TestWorld world(kThreeEngines, three_engines(), options);
  const std::string first = world.ask(chat(kWholeBody)).header("x-tandem-decision");
  for (int i = 0; i < 3; ++i) world.ask(chat(kWholeBody));
  EXPECT_EQ(world.gateway.recent(100).size(), 3u);
  EXPECT_EQ(world.gateway.explain_decision(first), std::nullopt);
  const std::string last = world.gateway.recent(1).at(0).id;
  EXPECT_TRUE(world.gateway.explain_decision(last).has_value());
  world.publish(kThreeEngines);
  world.ask(chat(kWholeBody));
  EXPECT_EQ(world.gateway.explain_decision(last), std::nullopt);  // its table has gone
}

TEST(Gateway, CountsWhatHappened) {
  TestWorld world(kThreeEngines, three_engines());
  world.ask(chat(kWholeBody));
  world.ask(chat(kStreamBody));
  world.ask(chat(kWholeBody, with_header("x-tandem-residency", "FR")));
  const std::string text = world.metrics.prometheus_text();
  EXPECT_THAT(text,
              HasSubstr(R"(tandem_gateway_requests_total{tenant="acme",model="small",site="iad",outcome="ok"} 2)"));
  EXPECT_THAT(text,
              HasSubstr(R"(tandem_gateway_requests_total{tenant="acme",model="small",site="par",outcome="ok"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(tandem_gateway_tokens_total{tenant="acme",model="small",kind="output"} 8)"));
  EXPECT_THAT(text, HasSubstr(R"(tandem_gateway_ttft_seconds_count{model="small",site="iad"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(tandem_gateway_decisions_total{reason="cheapest",gate="none"} 3)"));
  EXPECT_THAT(text, HasSubstr("tandem_gateway_requests_in_flight 0"));
}

}  // namespace
}  // namespace tandem::gateway
