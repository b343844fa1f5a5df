// Engines that say nothing: who is waited for, who is left, and whom it is held against.
#include "gateway/silence.h"

#include <gmock/gmock.h>

#include <array>

#include "gateway/gateway_core.h"
#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kShortBody = R"({"model":"small","max_tokens":1,"messages":[{"role":"user","content":"hi there"}]})";

GatewayOptions soon() {
  GatewayOptions options;
  options.patience_min = options.patience_usual = milliseconds(30);
  options.patience_factor = 0.01;  // of what these tables predict
  options.stall_max = milliseconds(30);
  return options;
}

bool is_healthy(const TestWorld& world, std::string_view deployment) {
  for (const DeploymentStatus& status : world.shared.deployments())
    if (status.deployment == deployment) return status.healthy;
  ADD_FAILURE() << "no " << deployment;
  return false;
}

void pass(TestWorld& world, Duration time) {
  asio::steady_timer later(world.context, std::chrono::nanoseconds(time.ns));
  bool over = false;
  later.async_wait([&](const boost::system::error_code&) { over = true; });
  world.wait_until([&] { return over; });
}

TEST(SilenceWatch, TellsWhoWasNotHeardInTime) {
  asio::io_context context;
  SilenceWatch watch(context);
  std::string told;
  SilenceWatch::Entry heard([&] { told += "heard "; });
  SilenceWatch::Entry late([&] { told += "late "; });
  std::optional<SilenceWatch::Entry> gone;
  SilenceWatch::Entry first([&] {
    told += "first ";
    gone.reset();  // of the same tick
    heard.stop();
  });
  gone.emplace([&] { told += "gone "; });
  watch.watch(late, seconds(3'600));
  watch.watch(late, milliseconds(60));  // anew
  watch.watch(first, milliseconds(20));
  watch.watch(*gone, milliseconds(20));
  watch.watch(heard, milliseconds(20));
  context.run();  // ends: nothing is watched at the end
  EXPECT_EQ(told, "first late ");
}

TEST(SilenceWatch, ATimeLongerThanTheWheelIsKept) {
  asio::io_context context;
  SilenceWatch watch(context);
  bool told = false;
  SilenceWatch::Entry entry([&] { told = true; });
  watch.watch(entry, seconds(3'600));
  context.run_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(told);
}

TEST(GatewaySilence, ARequestGoesElsewhereWithinItsPromise) {
  for (const std::string& body : {kStreamBody, kShortBody}) {
    TestWorld world(kThreeEngines, three_engines(), soon());
    world.engine("far").behaviour = Behaviour::hangs;
    const Reply reply = world.ask(chat(body));
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.complete);
    EXPECT_EQ(reply.header("x-tandem-site"), "par");
    EXPECT_EQ(world.last().attempts, 2u);
    EXPECT_THAT(world.last().error, HasSubstr("no sign"));
    EXPECT_TRUE(is_healthy(world, "far")) << "once is an accident";
    world.ask(chat(body));
    world.ask(chat(body));
    EXPECT_FALSE(is_healthy(world, "far"));
    EXPECT_EQ(world.ask(chat(body)).header("x-tandem-site"), "par");
    EXPECT_EQ(world.engine("far").requests.size(), 3u);
    world.wait_until([&] { return world.engine("far").left == 3; });
  }
}

TEST(GatewaySilence, SoItDoesWhereASecondEngineIsPaidFor) {
  std::string drawing = kThreeEngines;
  drawing.replace(drawing.find("key=sk-acme"), 11, "key=sk-acme hedge=0.95");
  GatewayOptions options = soon();
  options.hedge_fraction = 0;
  options.hedge_delay_min = seconds(1);
  TestWorld world(drawing, three_engines(), options);
  world.engine("far").behaviour = Behaviour::hangs;
  EXPECT_EQ(world.ask(chat(kStreamBody)).header("x-tandem-site"), "par");
  EXPECT_EQ(world.last().attempts, 2u);
  world.ask(chat(kStreamBody));
  world.ask(chat(kStreamBody));
  EXPECT_FALSE(is_healthy(world, "far"));
}

TEST(GatewaySilence, AnEngineThatNobodyCouldReplaceIsWaitedFor) {
  TestWorld world(R"(
      jurisdiction DE
      region north
      site ber DE
      model small
      tenant acme key=sk-acme ttft=5000 tpot=1000
      target a ber small port=$a
      leg north ber rtt=2)",
                  {"a"}, soon(), HealthOptions{.failures_to_eject = 1});
  world.engine("a").behaviour = Behaviour::takes_turns;
  Reply reply;
  world.start(chat(kStreamBody), reply);
  pass(world, milliseconds(120));
  world.engine("a").turns = 1;
  world.wait_until([&] { return !world.records.all.empty(); });
  EXPECT_EQ(world.last().outcome, Outcome::ok);
  EXPECT_EQ(world.last().attempts, 1u);
  EXPECT_TRUE(is_healthy(world, "a"));
}

// Reads an answer as it comes, for as long as the world lasts.
void listen_on(TestWorld& world, http::ClientRequest request, std::string& body) {
  asio::co_spawn(
      world.context,
      [](TestWorld& in, http::ClientRequest what, std::string& into) -> asio::awaitable<void> {
        http::Endpoint endpoint{"127.0.0.1", in.server->port()};
        auto exchange = co_await in.client.send(std::move(endpoint), std::move(what), {});
        while (exchange) {
          auto piece = co_await exchange->read_some();
          if (!piece || !*piece) co_return;
          into += **piece;
        }
      }(world, std::move(request), body),
      asio::detached);
}

TEST(GatewaySilence, AnEngineThatServesOthersIsWaitedForUntilThePromiseIsBroken) {
  for (const bool is_urgent : {false, true}) {
    std::string others;
    TestWorld world(kThreeEngines, three_engines(), soon(), HealthOptions{.failures_to_eject = 1});
    world.engine("far").behaviour = Behaviour::takes_turns;
    http::Headers headers;
    headers.add("x-slo-ttft-ms", is_urgent ? "95" : "5000");
    Reply reply;
    world.start(chat(kStreamBody, std::move(headers)), reply);
    world.wait_until([&] { return world.engine("far").requests.size() == 1; });
    world.engine("far").behaviour = Behaviour::endless;
    listen_on(world, chat(kStreamBody), others);
    if (!is_urgent) {
      pass(world, milliseconds(150));
      EXPECT_TRUE(world.engine("b").requests.empty());
      world.engine("far").turns = 1;
    }
    world.wait_until([&] { return !world.records.all.empty(); });
    EXPECT_EQ(world.last().deployment, is_urgent ? "b" : "far");
    EXPECT_TRUE(is_healthy(world, "far")) << "late once, while others get their tokens";
  }
}

TEST(EngineState, ALongPromptExcusesTheSilenceThatItMayCause) {
  EngineState engine("a", 0, {});
  EXPECT_FALSE(engine.may_be_reading(seconds(1)));
  engine.begin_long_prompt(seconds(1), seconds(10));
  EXPECT_TRUE(engine.may_be_reading(seconds(2)));
  engine.note_given_up(seconds(3));
  engine.begin_long_prompt(seconds(4), seconds(100));
  EXPECT_TRUE(engine.may_be_reading(seconds(10)));
  EXPECT_FALSE(engine.may_be_reading(seconds(11))) << "the second came when it was silent already";
  engine.note_sign(seconds(12));
  EXPECT_TRUE(engine.may_be_reading(seconds(111))) << "now it may have begun with that";
  EXPECT_FALSE(engine.may_be_reading(seconds(112)));
  engine.end_long_prompt(seconds(4), seconds(100));
  EXPECT_TRUE(engine.may_be_reading(seconds(21)));
  engine.end_long_prompt(seconds(1), seconds(10));
  EXPECT_FALSE(engine.may_be_reading(seconds(21)));
}

TEST(GatewaySilence, AnEngineThatReadsALongPromptIsNotIll) {
  for (const bool is_long : {true, false}) {
    std::string drawing = kThreeEngines;
    drawing.replace(drawing.find("output_cost=3"), 13, "output_cost=3 prefill=8000");
    GatewayOptions options = soon();
    options.patience_factor = 1;
    TestWorld world(drawing, three_engines(), options);
    world.engine("far").behaviour = Behaviour::hangs_midway;
    std::string begun;
    listen_on(world, chat(kStreamBody), begun);
    world.wait_until([&] { return !begun.empty(); });
    world.engine("far").behaviour = Behaviour::takes_turns;
    Reply reply;
    std::string body = kStreamBody;
    if (is_long) body.replace(body.find("hi there"), 8, std::string(64'000, 'x'));
    const http::Cancellation client = world.start(chat(body), reply);
    world.wait_until([&] { return world.engine("far").requests.size() == 2; });
    for (int i = 0; i < 3; ++i) EXPECT_EQ(world.ask(chat(kStreamBody)).header("x-tandem-site"), "par") << "it moves";
    EXPECT_EQ(is_healthy(world, "far"), is_long);
    if (!is_long) continue;
    EXPECT_EQ(world.records.all.size(), 3u) << "the stream that has begun goes on";
    world.engine("far").turns = 1;
    world.wait_until([&] { return world.records.all.size() == 4; });
    EXPECT_EQ(world.last().deployment, "far");
    EXPECT_EQ(world.last().attempts, 1u);
  }
}

TEST(GatewaySilence, WhatMayTakeAnyTimeIsWaitedFor) {
  const std::string picture =
      R"({"model":"small","stream":true,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]})";
  for (const std::string& body : {kWholeBody, picture}) {
    TestWorld world(kThreeEngines, three_engines(), soon(), HealthOptions{.failures_to_eject = 1});
    world.engine("far").behaviour = Behaviour::takes_turns;
    Reply reply;
    world.start(chat(body), reply);
    pass(world, milliseconds(120));
    world.engine("far").turns = 1;
    world.wait_until([&] { return !world.records.all.empty(); });
    EXPECT_EQ(world.last().deployment, "far");
    EXPECT_EQ(world.last().attempts, 1u);
    EXPECT_TRUE(is_healthy(world, "far"));
  }
}

TEST(GatewaySilence, RequestsMoveWithinTheBudgetOfRetries) {
  GatewayOptions options = soon();
  options.retry_fraction = 0;
  options.timeouts.first_byte = milliseconds(200);
  TestWorld world(kThreeEngines, three_engines(), options,
                  HealthOptions{.failures_to_eject = 1'000, .failures_of_32_to_eject = 33});
  world.engine("far").behaviour = Behaviour::hangs;
  for (int i = 0; i < static_cast<int>(RetryBudget::kAtStart); ++i) EXPECT_EQ(world.ask(chat(kStreamBody)).status, 200);
  EXPECT_EQ(world.ask(chat(kStreamBody)).status, 504);
}

TEST(GatewaySilence, WhereAllAreSlowNoneIsIll) {
  EngineState state("a", 0, {});
  state.note_pace(0.5);
  EXPECT_EQ(state.pace(), 1);
  for (int i = 0; i < 10; ++i) state.note_pace(5);
  EXPECT_NEAR(state.pace(), 5, 0.1);
  for (int i = 0; i < 10; ++i) state.note_pace(1);
  EXPECT_EQ(state.pace(), 1);

  std::string drawing = kThreeEngines;
  for (size_t at; (at = drawing.find("rtt=90")) != std::string::npos;) drawing.replace(at, 6, "rtt=12");
  GatewayOptions options = soon();
  options.patience_factor = 2;
  TestWorld world(drawing, three_engines(), options,
                  HealthOptions{.failures_to_eject = 1'000, .failures_of_32_to_eject = 33});
  for (const char* name : {"a", "b", "far"}) world.engine(name).behaviour = Behaviour::takes_turns;
  const int rounds = 5;
  std::array<Reply, rounds + 1> replies;  // which come when they come
  for (int i = 1; i <= rounds; ++i) {     // far and b are left, a has nobody after it
    world.start(chat(kStreamBody), replies[i - 1]);
    world.wait_until([&] { return world.engine("a").requests.size() == static_cast<size_t>(i); });
    pass(world, milliseconds(60));
    world.engine("a").turns = i;
    world.wait_until([&] { return world.records.all.size() == static_cast<size_t>(i); });
    EXPECT_EQ(world.last().deployment, "a");
  }
  world.start(chat(kStreamBody), replies[rounds]);
  pass(world, milliseconds(50));  // longer than it was waited for at first
  world.engine("far").turns = rounds + 1;
  world.wait_until([&] { return world.records.all.size() == rounds + 1; });
  EXPECT_EQ(world.last().deployment, "far");
  EXPECT_EQ(world.engine("b").requests.size(), static_cast<size_t>(rounds));
}

TEST(GatewaySilence, AStreamIsCutWhereItsEngineFailsOthersToo) {
  std::string stalled;
  TestWorld world(kThreeEngines, three_engines(), soon());
  world.engine("far").behaviour = Behaviour::hangs_midway;
  listen_on(world, chat(kStreamBody), stalled);
  world.wait_until([&] { return !stalled.empty(); });
  pass(world, milliseconds(100));
  EXPECT_TRUE(world.records.all.empty()) << "nothing else speaks against its engine";
  world.engine("far").behaviour = Behaviour::fails;
  for (int i = 0; i < 3; ++i) world.ask(chat(kShortBody));
  EXPECT_FALSE(is_healthy(world, "far"));
  world.wait_until([&] { return world.records.all.size() == 4; });
  EXPECT_EQ(world.last().outcome, Outcome::cut);
  EXPECT_EQ(world.last().deployment, "far");
  world.wait_until([&] { return stalled.find("stream_cut") != std::string::npos; });
}

}  // namespace
}  // namespace tandem::gateway
