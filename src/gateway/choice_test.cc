// Which model and engine a request gets, as its client and its record see it.
#include <map>
#include <set>

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

TEST(Baseline, IsFollowedWhereItIsToldToAndSaidSo) {
  GatewayOptions options;
  options.baseline = routing::Baseline::round_robin;
  TestWorld world(kThreeEngines, three_engines(), options);
  std::set<std::string> served;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
    served.insert(world.last().deployment);
    EXPECT_EQ(world.last().reason, routing::Reason::baseline);
    const auto story = world.gateway.explain_decision(world.last().id);
    ASSERT_TRUE(story);
    EXPECT_TRUE(story->verdicts.front().chosen);
    EXPECT_EQ(story->table->targets()[story->verdicts.front().target].deployment, world.last().deployment);
  }
  EXPECT_EQ(served.size(), 3u);
}

TEST(Choice, APromptThatAnEngineStillReadsIsWaitedForOrPassedBy) {
  TestWorld world(R"(
  jurisdiction DE FR
  region north
  site ber DE
  site par FR
  model small
  tenant acme key=sk-acme
  target a ber small port=$a prompt_cost=1 output_cost=1 prefill=100
  target c par small port=$c prompt_cost=2 output_cost=2 prefill=100
  leg north ber rtt=2
  leg north par rtt=2
)",
                  {"a", "c"});
  const std::string prompt(80, 'x');  // 20 tokens, 200 ms
  const std::string messages = R"("messages":[{"role":"user","content":")" + prompt + R"("}]})";
  const std::string whole = R"({"model":"small",)" + messages;
  EXPECT_EQ(world.ask(promised(whole, "290")).header("x-tandem-site"), "ber");
  world.engine("a").behaviour = Behaviour::hangs;
  Reply reply;
  http::Cancellation reading = world.start(chat(R"({"model":"small","stream":true,)" + messages), reply);
  world.wait_until([&] { return world.engine("a").requests.size() == 2; });
  EXPECT_EQ(world.ask(promised(whole, "290")).header("x-tandem-site"), "par");
  reading.cancel();
  world.wait_until([&] { return world.engine("a").left == 1; });
  world.engine("a").behaviour = Behaviour::answers;
  EXPECT_EQ(world.ask(promised(whole, "290")).header("x-tandem-site"), "ber");
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

// Two engines of which the plan gives each a half, one of them abroad.
const std::string kHalves = R"(
  jurisdiction DE FR
  region north
  site ber DE
  site par FR
  model small
  tenant acme key=sk-acme
  tenant german key=sk-german residency=DE
  target a ber small port=$a concurrency=4 kv=100000
  target b par small port=$b concurrency=4 kv=100000
  leg north ber rtt=2
  leg north par rtt=2
  split acme north small a=0.5 b=0.5
)";

// Four kilobytes that differ by `seed`, and the question behind them.
std::string long_body(int seed, int question) {
  std::string text;
  for (int i = 0; text.size() < 4'096; ++i) text += std::to_string(seed * 1'000'003 + i * 7'919) + ' ';
  return R"({"messages":[{"role":"system","content":")" + text + R"("},{"role":"user","content":")" +
         std::to_string(question) + R"("}],"model":"small"})";
}

TEST(PrefixAffinity, RequestsThatShareAPrefixGoToOneEngine) {
  TestWorld world(kHalves, {"a", "b"});
  std::set<std::string> sites;
  for (int seed = 0; seed < 6; ++seed) {
    const std::string first = world.ask(chat(long_body(seed, 0))).header("x-tandem-site");
    EXPECT_EQ(world.last().predicted_cached_tokens, 0u) << "nobody has seen it";
    sites.insert(first);
    for (int question = 1; question < 6; ++question) {
      EXPECT_EQ(world.ask(chat(long_body(seed, question))).header("x-tandem-site"), first);
      EXPECT_EQ(world.last().predicted_cached_tokens, 1'024u);
    }
    EXPECT_LT(world.last().predicted_ttft.value(), 2'000 + 20'000) << "of 1,050 tokens at most 100 are computed";
  }
  EXPECT_EQ(sites.size(), 2u) << "what is new is shared out as planned";
  const auto story = world.gateway.explain_decision(world.last().id);
  ASSERT_TRUE(story);
  EXPECT_EQ(story->verdicts[0].cached_tokens, 1'024u);
}

TEST(PrefixAffinity, ShortPromptsAreSharedOutAsPlanned) {
  TestWorld world(kHalves, {"a", "b"});
  std::map<std::string, int> sites;
  for (int i = 0; i < 40; ++i) ++sites[world.ask(chat(kWholeBody)).header("x-tandem-site")];
  EXPECT_GT(sites["ber"], 8);
  EXPECT_GT(sites["par"], 8);
}

TEST(PrefixAffinity, NeverLeadsAbroadNorToAnEngineThatFails) {
  TestWorld world(kHalves, {"a", "b"});
  int seed = 0;
  while (world.ask(chat(long_body(seed, 0))).header("x-tandem-site") != "par") ++seed;
  http::Headers headers;
  headers.add("authorization", "Bearer sk-german");
  EXPECT_EQ(world.ask(chat(long_body(seed, 1), std::move(headers))).header("x-tandem-site"), "ber");
  world.engine("b").behaviour = Behaviour::fails;
  EXPECT_EQ(world.ask(chat(long_body(seed + 100, 2))).status, 200);
  EXPECT_EQ(world.ask(chat(long_body(seed, 2))).header("x-tandem-site"), "ber");
}

TEST(PrefixAffinity, SurvivesANewTable) {
  TestWorld world(kHalves, {"a", "b"});
  int seed = 0;
  while (world.ask(chat(long_body(seed, 0))).header("x-tandem-site") != "par") ++seed;
  std::string other = kHalves;  // another target stands first now, so that all positions differ
  other.insert(other.find("  target a"), "  target z ber small port=1 concurrency=4 down\n");
  world.publish(other);
  for (int question = 1; question < 6; ++question)
    EXPECT_EQ(world.ask(chat(long_body(seed, question))).header("x-tandem-site"), "par");
}

}  // namespace
}  // namespace tandem::gateway
