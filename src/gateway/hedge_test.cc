#include "gateway/hedge.h"

#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

// Engine a is the cheaper; acme pays for a second one, thrifty does not.
const std::string kPair = R"(
  jurisdiction DE
  region north
  site ber DE
  site ham DE
  model small
  tenant acme key=sk-acme hedge=0.95
  tenant thrifty key=sk-thrifty
  target a ber small port=$a prompt_cost=1 output_cost=1 concurrency=64
  target b ham small port=$b prompt_cost=2 output_cost=2 concurrency=64
  leg north ber rtt=2
  leg north ham rtt=2
)";

GatewayOptions quick() {
  GatewayOptions options;
  options.hedge_delay_min = milliseconds(1);
  return options;
}

uint32_t in_flight(const TestWorld& world) {
  uint32_t sum = 0;
  for (const DeploymentStatus& status : world.shared.deployments()) sum += status.in_flight;
  return sum;
}

TEST(Hedge, TheSecondEngineAnswersWhereTheFirstIsSilent) {
  TestWorld world(kPair, {"a", "b"}, quick());
  world.engine("a").behaviour = Behaviour::hangs;
  const Reply reply = world.ask(chat(kStreamBody));
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.complete);
  EXPECT_EQ(reply.header("x-tandem-site"), "ham");
  EXPECT_NE(reply.body.find("from b"), std::string::npos);
  EXPECT_EQ(reply.body.find("from a"), std::string::npos);
  world.wait_until([&] { return world.engine("a").left == 1; });  // the cancellation has reached it
  EXPECT_EQ(world.engine("a").requests[0].body, world.engine("b").requests[0].body);
  const RequestRecord& record = world.last();
  EXPECT_EQ(record.outcome, Outcome::ok);
  EXPECT_EQ(record.attempts, 2u);
  EXPECT_EQ(record.deployment, "b");
  ASSERT_TRUE(record.hedge);
  EXPECT_EQ(record.hedge->first, "a");
  EXPECT_EQ(record.hedge->second, "b");
  EXPECT_TRUE(record.hedge->second_won);
  EXPECT_GE(record.hedge->after.value(), 1'000);
  EXPECT_EQ(record.prompt_tokens, 7u) << "what the one that answered counts, once";
  EXPECT_NEAR(record.cost.value(), (7 * 2 + 2 * 2) * 1e-6, 1e-12);
  EXPECT_EQ(in_flight(world), 0u);
  EXPECT_NE(world.metrics.prometheus_text().find("tandem_gateway_hedges_total{won=\"second\"} 1"), std::string::npos);
  for (const DeploymentStatus& status : world.shared.deployments()) EXPECT_TRUE(status.healthy) << "slow is not ill";
}

TEST(Hedge, TheFirstStillWinsWhereItsTokenComesFirst) {
  TestWorld world(kPair, {"a", "b"}, quick());
  world.engine("a").behaviour = world.engine("b").behaviour = Behaviour::takes_turns;
  Reply reply;
  world.start(chat(kStreamBody), reply);
  world.wait_until([&] { return world.engine("b").requests.size() == 1; });
  world.engine("a").turns = 1;
  world.wait_until([&] { return !world.records.all.empty() && reply.status == 200; });
  EXPECT_EQ(world.last().deployment, "a");
  EXPECT_FALSE(world.last().hedge->second_won);
  EXPECT_NEAR(world.last().cost.value(), (2 + 2) * 1e-6, 1e-12);
  world.wait_until([&] { return world.engine("b").left == 1; });
  EXPECT_EQ(in_flight(world), 0u);
}

TEST(Hedge, IsForStreamsOfTenantsThatPayForIt) {
  TestWorld world(kPair, {"a", "b"}, quick());
  world.engine("a").behaviour = Behaviour::takes_turns;
  Reply whole, thrifty;
  http::Headers headers;
  headers.add("authorization", "Bearer sk-thrifty");
  world.start(chat(kWholeBody), whole);
  world.start(chat(kStreamBody, std::move(headers)), thrifty);
  world.wait_until([&] { return world.engine("a").requests.size() == 2; });
  asio::steady_timer later(world.context, std::chrono::milliseconds(30));
  bool over = false;
  later.async_wait([&](const boost::system::error_code&) { over = true; });
  world.wait_until([&] { return over; });
  world.engine("a").turns = 2;
  world.wait_until([&] { return world.records.all.size() == 2; });
  EXPECT_TRUE(world.engine("b").requests.empty());
  EXPECT_FALSE(world.last().hedge);
}

TEST(Hedge, StaysWithinItsBudget) {
  GatewayOptions options = quick();
  options.hedge_fraction = 0;
  options.timeouts.first_byte = milliseconds(50);
  TestWorld world(kPair, {"a", "b"}, options, {.failures_to_eject = 1'000});
  world.engine("a").behaviour = Behaviour::hangs;
  int hedged = 0;
  for (int i = 0; i < 14; ++i) {
    EXPECT_EQ(world.ask(chat(kStreamBody)).status, 200);
    hedged += world.last().hedge.has_value();
  }
  EXPECT_EQ(hedged, static_cast<int>(RetryBudget::kAtStart)) << "the others failed over when the first timed out";
}

TEST(Hedge, AFailureOfTheFirstIsStillTriedAgain) {
  TestWorld world(kPair, {"a", "b"}, quick());
  world.engine("a").behaviour = Behaviour::fails;
  EXPECT_EQ(world.ask(chat(kStreamBody)).header("x-tandem-site"), "ham");
  world.engine("b").behaviour = Behaviour::fails;
  EXPECT_EQ(world.ask(chat(kStreamBody)).status, 503);
  world.engine("a").behaviour = Behaviour::refuses;
  world.engine("b").behaviour = Behaviour::answers;
  EXPECT_EQ(world.ask(chat(kStreamBody)).status, 400) << "it is about the request: nobody else is asked";
  world.engine("a").behaviour = Behaviour::error_first;
  EXPECT_EQ(world.ask(chat(kStreamBody)).header("x-tandem-site"), "ham");
  EXPECT_EQ(in_flight(world), 0u);
}

TEST(Hedge, AClientThatLeavesEndsBoth) {
  TestWorld world(kPair, {"a", "b"}, quick());
  world.engine("a").behaviour = world.engine("b").behaviour = Behaviour::hangs;
  Reply reply;
  http::Cancellation client = world.start(chat(kStreamBody), reply);
  world.wait_until([&] { return world.engine("b").requests.size() == 1; });
  client.cancel();
  world.wait_until([&] { return world.engine("a").left == 1 && world.engine("b").left == 1; });
  world.wait_until([&] { return !world.records.all.empty(); });
  EXPECT_EQ(world.last().outcome, Outcome::cancelled);
  EXPECT_EQ(in_flight(world), 0u);
}

TEST(Hedge, WhereTheFirstIsGivenUpTheSecondRunsOn) {
  for (const bool second_answers : {true, false}) {
    GatewayOptions options = quick();
    options.patience_min = options.patience_usual = milliseconds(60);
    options.patience_factor = 0.01;
    TestWorld world(kPair, {"a", "b"}, options, {.failures_to_eject = 1});
    world.engine("a").behaviour = Behaviour::hangs;
    world.engine("b").behaviour = second_answers ? Behaviour::takes_turns : Behaviour::fails;
    Reply reply;
    world.start(chat(kStreamBody), reply);
    world.wait_until([&] { return world.engine("a").left == 1; });
    EXPECT_EQ(world.engine("b").left, 0);
    world.engine("b").turns = 1;
    world.wait_until([&] { return !world.records.all.empty() && reply.status != 0; });
    EXPECT_EQ(reply.status, second_answers ? 200 : 503);
    EXPECT_EQ(world.last().deployment, "b");
    EXPECT_EQ(in_flight(world), 0u);
    EXPECT_FALSE(world.shared.deployments()[0].healthy) << "given up";
    EXPECT_EQ(world.shared.deployments()[1].healthy, second_answers);
  }
}

TEST(Hedge, AFailureCountsWhereTheClientLeavesTheOther) {
  TestWorld world(kPair, {"a", "b"}, quick(), {.failures_to_eject = 1});
  world.engine("a").behaviour = Behaviour::hangs;
  world.engine("b").behaviour = Behaviour::error_first;
  Reply reply;
  http::Cancellation client = world.start(chat(kStreamBody), reply);
  world.wait_until([&] { return in_flight(world) == 2; });
  world.wait_until([&] { return world.engine("b").left == 0 && !world.engine("b").requests.empty(); });
  for (int i = 0; i < 50; ++i) world.context.run_one_for(std::chrono::milliseconds(2));  // its error has come
  client.cancel();
  world.wait_until([&] { return !world.records.all.empty(); });
  EXPECT_EQ(world.last().outcome, Outcome::cancelled);
  EXPECT_TRUE(world.shared.deployments()[0].healthy);
  EXPECT_FALSE(world.shared.deployments()[1].healthy);
}

TEST(Hedge, AStreamIsPassedOnAsWithoutIt) {
  TestWorld world(kPair, {"a", "b"}, quick());
  http::Headers headers;
  headers.add("authorization", "Bearer sk-thrifty");
  EXPECT_EQ(world.ask(chat(kStreamBody)).body, world.ask(chat(kStreamBody, std::move(headers))).body);
  world.engine("a").behaviour = Behaviour::cuts_midway;
  EXPECT_NE(world.ask(chat(kStreamBody)).body.find("stream_cut"), std::string::npos);
  world.engine("a").behaviour = Behaviour::endless;
  world.ask_and_leave(chat(kStreamBody));
  world.wait_until([&] { return world.engine("a").left == 1; });
}

TEST(FirstTokens, KnowsAQuantileOfTheLast) {
  FirstTokens times;
  for (uint32_t i = 0; i + 1 < FirstTokens::kLeast; ++i) times.note(milliseconds(10));
  EXPECT_FALSE(times.quantile(0.5));
  for (int i = 0; i < 81; ++i) times.note(milliseconds(10));
  for (int i = 0; i < 10; ++i) times.note(milliseconds(400));
  EXPECT_GE(times.quantile(0.5)->ns, milliseconds(10).ns);
  EXPECT_LE(times.quantile(0.5)->ns, milliseconds(12).ns);
  EXPECT_GE(times.quantile(0.95)->ns, milliseconds(400).ns);
  EXPECT_LE(times.quantile(0.95)->ns, milliseconds(480).ns);
  for (int i = 0; i < 5'000; ++i) times.note(milliseconds(100));
  EXPECT_GE(times.quantile(0.02)->ns, milliseconds(100).ns) << "what was long ago is forgotten";
  times.note(nanoseconds(-5));
  times.note(minutes(600));
}

}  // namespace
}  // namespace tandem::gateway
