// Which model and engine a request gets, as its client and its record see it.
#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

// The world of kThreeEngines, where small's fallback is tiny, at engine c, and two tenants allow it.
const std::string kWithFallback = R"(
  jurisdiction DE FR
  region north
  site ber DE
  site par FR
  model small fallback=tiny
  model tiny
  tenant acme key=sk-acme fallbacks
  tenant plain key=sk-plain
  target a ber small port=$a prompt_cost=3 output_cost=9 concurrency=1 prefill=10
  target c par tiny port=$c prompt_cost=1 output_cost=3
  leg north ber rtt=2
  leg north par rtt=2
)";

http::ClientRequest promised(std::string body, std::string ttft_ms, std::string key = "sk-acme") {
  http::Headers headers;
  headers.add("authorization", "Bearer " + key);
  headers.add("x-slo-ttft-ms", std::move(ttft_ms));
  return chat(std::move(body), std::move(headers));
}

TEST(Fallback, AnswersInPlaceOfAModelThatWouldBeLateAndSaysSo) {
  TestWorld world(kWithFallback, {"a", "c"});
  const Reply reply = world.ask(promised(kWholeBody, "50"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("x-tandem-model"), "tiny");
  EXPECT_EQ(reply.header("x-tandem-site"), "par");
  ASSERT_EQ(world.engine("c").requests.size(), 1u);
  const Json sent = parse_json(world.engine("c").requests[0].body).value_or(Json());
  EXPECT_EQ(sent["model"].text(), "tiny");
  const RequestRecord& record = world.last();
  EXPECT_EQ(record.asked_model, "small");
  EXPECT_EQ(record.model, "tiny");
  EXPECT_EQ(record.reason, routing::Reason::fallback);
  EXPECT_EQ(record.gate, routing::Gate::promise_ttft);
  EXPECT_NEAR(record.cost.value(), 7 * 1e-6 + 3 * 3e-6, 1e-12) << "at the prices of the model that served";

  const auto story = world.gateway.explain_decision(record.id);
  ASSERT_TRUE(story);
  EXPECT_EQ(story->verdicts.size(), 2u);
  EXPECT_TRUE(story->live_as_then);
  const Json json = to_json(*story);
  EXPECT_EQ(json["request"]["asked_model"].text(), "small");
  EXPECT_EQ(json["candidates"].array()[0]["model"].text(), "tiny");
}

TEST(Fallback, IsForTenantsThatAllowItAndNotForVectors) {
  TestWorld world(kWithFallback, {"a", "c"});
  EXPECT_EQ(world.ask(promised(kWholeBody, "50", "sk-plain")).header("x-tandem-model"), "small");
  EXPECT_EQ(world.last().reason, routing::Reason::promise_at_risk);
  EXPECT_EQ(world.last().asked_model, "small");
  http::ClientRequest embeddings = promised(R"({"model":"small","input":"hi there"})", "50");
  embeddings.target = "/v1/embeddings";
  EXPECT_EQ(world.ask(std::move(embeddings)).header("x-tandem-model"), "small");
  EXPECT_EQ(world.engine("c").requests.size(), 0u);
}

TEST(Fallback, ServesWhenEveryEngineOfTheModelHasFailed) {
  TestWorld world(kWithFallback, {"a", "c"});
  world.engine("a").behaviour = Behaviour::fails;
  const Reply reply = world.ask(chat(kStreamBody));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("x-tandem-model"), "tiny");
  EXPECT_EQ(world.last().attempts, 2u);
  EXPECT_EQ(world.last().gate, routing::Gate::excluded);
}

TEST(Fallback, ServesAtOnceWhereTheModelIsFull) {
  TestWorld world(kWithFallback, {"a", "c"});
  world.engine("a").behaviour = Behaviour::takes_turns;
  Reply first, second;
  world.start(promised(kWholeBody, "100000", "sk-plain"), first);
  world.start(promised(kWholeBody, "100000", "sk-plain"), second);
  world.wait_until([&] { return world.engine("a").requests.size() == 2; });
  EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-model"), "tiny");
  EXPECT_EQ(world.last().gate, routing::Gate::capacity);
  world.engine("a").turns = 2;
  world.wait_until([&] { return second.status == 200; });
}

}  // namespace
}  // namespace tandem::gateway
