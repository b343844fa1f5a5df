// What clients see when engines fail, and what engines see when clients leave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_world.h"
#include "support/no_more_files.h"

namespace tandem::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;

GatewayOptions impatient() {
  GatewayOptions options;
  options.timeouts = {
      .connect = milliseconds(500), .first_byte = milliseconds(100), .between_bytes = milliseconds(100)};
  return options;
}

class FailsBeforeTheFirstByte : public testing::TestWithParam<Behaviour> {};

TEST_P(FailsBeforeTheFirstByte, AndTheNextBestSiteAnswers) {
  for (const std::string& body : {kWholeBody, kStreamBody}) {
    if (GetParam() == Behaviour::error_first && body == kWholeBody) continue;
    if (GetParam() == Behaviour::cuts_midway && body == kStreamBody) continue;
    TestWorld world(kThreeEngines, three_engines(), impatient());
    world.engine("far").behaviour = GetParam();
    const Reply reply = world.ask(chat(body));
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.complete);
    EXPECT_THAT(reply.body, HasSubstr("from b"));
    EXPECT_THAT(reply.body, Not(HasSubstr("from far")));
    EXPECT_EQ(reply.header("x-tandem-site"), "par");
    EXPECT_EQ(world.last().attempts, 2u);
    EXPECT_EQ(world.last().outcome, Outcome::ok);
    EXPECT_EQ(world.engine("far").requests.size(), 1u);
    EXPECT_THAT(world.metrics.prometheus_text(), HasSubstr("tandem_gateway_failovers_total 1"));
    for (const DeploymentStatus& status : world.shared.deployments()) EXPECT_EQ(status.in_flight, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, FailsBeforeTheFirstByte,
                         testing::Values(Behaviour::fails, Behaviour::busy, Behaviour::hangs, Behaviour::resets,
                                         Behaviour::garbage, Behaviour::error_first, Behaviour::cuts_midway,
                                         Behaviour::redirects));

TEST(GatewayFailure, ARefusedConnectionMovesTheRequest) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").stop();
  EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-site"), "par");
}

TEST(GatewayFailure, WhatTheEngineFindsWrongWithTheRequestIsToldAsIs) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::refuses;
  const Reply reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.error_code(), "context");
  EXPECT_EQ(world.last().attempts, 1u);
  EXPECT_EQ(world.last().outcome, Outcome::client_error);
}

class CutMidway : public testing::TestWithParam<Behaviour> {};

TEST_P(CutMidway, IsToldAsAnErrorEventAndNeverAsAnEnd) {
  TestWorld world(kThreeEngines, three_engines(), impatient());
  world.engine("far").behaviour = GetParam();
  const Reply reply = world.ask(chat(kStreamBody));
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.complete);
  EXPECT_THAT(reply.body, HasSubstr("from far"));
  EXPECT_THAT(reply.body, HasSubstr(R"(data: {"error":{)"));
  EXPECT_THAT(reply.body, HasSubstr(R"("type":"service_unavailable_error")"));
  EXPECT_THAT(reply.body, Not(HasSubstr("[DONE]")));
  EXPECT_EQ(world.last().outcome, Outcome::cut);
  EXPECT_EQ(world.last().output_tokens, 2u);
  EXPECT_FALSE(world.last().promise_kept);
  EXPECT_TRUE(world.engine("b").requests.empty());
}

INSTANTIATE_TEST_SUITE_P(Each, CutMidway,
                         testing::Values(Behaviour::cuts_midway, Behaviour::hangs_midway,
                                         Behaviour::ends_without_done));

TEST(GatewayFailure, AnErrorOfTheEngineInTheStreamIsHandedOn) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::error_midway;
  EXPECT_THAT(world.ask(chat(kStreamBody)).body, HasSubstr("no memory"));
  EXPECT_EQ(world.last().outcome, Outcome::cut);
}

TEST(GatewayFailure, WhenAllFailTheClientGetsAnErrorObject) {
  TestWorld world(kThreeEngines, three_engines(), impatient());
  for (const char* name : {"a", "b", "far"}) world.engine(name).behaviour = Behaviour::fails;
  for (const std::string& body : {kWholeBody, kStreamBody}) {
    const Reply reply = world.ask(chat(body));
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.error_code(), "engine_failed");
    EXPECT_EQ(reply.header("retry-after"), "1");
    EXPECT_EQ(world.last().outcome, Outcome::upstream_error);
    EXPECT_EQ(world.last().attempts, 3u);
    EXPECT_EQ(world.last().cost.value(), 0);
  }
  for (const char* name : {"a", "b", "far"}) world.engine(name).behaviour = Behaviour::hangs;
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 504);
}

TEST(GatewayFailure, BusyEnginesAreToldAsSuchAndNotEjected) {
  TestWorld world(kThreeEngines, three_engines());
  for (const char* name : {"a", "b", "far"}) world.engine(name).behaviour = Behaviour::busy;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(world.ask(chat(kWholeBody)).status, 429);
  for (const DeploymentStatus& status : world.shared.deployments()) EXPECT_TRUE(status.healthy);
}

http::ClientRequest embeddings() {
  http::ClientRequest request = chat(R"({"model":"small","input":"one"})");
  request.target = "/v1/embeddings";
  return request;
}

// What a client asks of the wrong model is its own error, however often it does.
TEST(GatewayFailure, AnEngineIsNotBrokenForWhatItsModelCannotDo) {
  for (const bool writes : {false, true}) {
    TestWorld world(kThreeEngines, three_engines());
    for (const char* name : {"a", "b", "far"}) {
      world.engine(name).writes = writes;
      world.engine(name).embeds = !writes;
    }
    const http::ClientRequest can = writes ? chat(kWholeBody) : embeddings();
    EXPECT_EQ(world.ask(can).header("x-tandem-site"), "iad");
    for (int i = 0; i < 5; ++i) {
      const Reply reply = world.ask(writes ? embeddings() : chat(kWholeBody));
      EXPECT_EQ(reply.status, 400);
      EXPECT_EQ(reply.error_code(), "unsupported_model");
      EXPECT_EQ(world.last().attempts, 1u);
    }
    EXPECT_EQ(world.ask(can).header("x-tandem-site"), "iad");
  }
}

TEST(GatewayFailure, AnEngineThatKnowsNothingOfWhatItsModelCanIsLeft) {
  for (const bool served_before : {false, true}) {
    TestWorld world(kThreeEngines, three_engines(), impatient());
    if (served_before) {
      EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-site"), "iad");
    }
    world.engine("far").writes = false;
    const size_t before = world.engine("far").requests.size();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-site"), "par");
    EXPECT_EQ(world.engine("far").requests.size() - before, 3u) << "then it was ejected";
  }
}

TEST(GatewayFailure, RetriesAreBoundedByABudget) {
  GatewayOptions options;
  options.retry_fraction = 0;
  TestWorld world(kThreeEngines, three_engines(), options,
                  HealthOptions{.failures_to_eject = 1'000, .failures_of_32_to_eject = 33});
  world.engine("far").behaviour = Behaviour::fails;
  int answered = 0;
  for (int i = 0; i < 15; ++i) answered += world.ask(chat(kWholeBody)).status == 200;
  EXPECT_EQ(answered, 10);
}

TEST(GatewayFailure, AnEngineThatKeepsFailingIsLeftAloneAndComesBackSlowly) {
  TestWorld world(kThreeEngines, three_engines(), impatient());
  world.engine("far").behaviour = Behaviour::fails;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
  EXPECT_EQ(world.engine("far").requests.size(), 3u);  // then it was ejected
  world.clock.skipped = seconds(2);
  EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-site"), "par");  // tried once, failed again
  EXPECT_EQ(world.engine("far").requests.size(), 4u);
  world.clock.skipped = world.clock.skipped + milliseconds(1'500);  // twice as long this time
  world.engine("far").behaviour = Behaviour::answers;
  world.ask(chat(kWholeBody));
  EXPECT_EQ(world.engine("far").requests.size(), 4u);
  world.clock.skipped = world.clock.skipped + seconds(1);
  EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-site"), "iad");
  EXPECT_EQ(world.ask(chat(kWholeBody)).header("x-tandem-site"), "iad");
}

TEST(GatewayFailure, WhatTheGatewayItselfLacksIsNotHeldAgainstEngines) {
  std::string hedged = kThreeEngines;
  hedged.replace(hedged.find("key=sk-acme"), 11, "key=sk-acme hedge=0.95");
  for (const std::string& drawing : {kThreeEngines, hedged}) {
    TestWorld world(drawing, three_engines(), {}, HealthOptions{.failures_to_eject = 1});
    EXPECT_EQ(world.ask(chat(kStreamBody)).status, 200);
    world.gateway_client.close();  // keeps none: each request connects
    {
      const test_support::NoMoreFiles no_more_files;
      const Reply reply = world.ask(chat(kStreamBody));
      EXPECT_EQ(reply.status, 503);
      EXPECT_EQ(reply.error_code(), "connections");
    }
    for (const DeploymentStatus& status : world.shared.deployments()) EXPECT_TRUE(status.healthy);
    EXPECT_EQ(world.ask(chat(kStreamBody)).header("x-tandem-site"), "iad");
  }
}

TEST(GatewayFailure, WithEveryEngineEjectedTheClientIsToldAtOnce) {
  TestWorld world(kThreeEngines, three_engines(), {}, HealthOptions{.failures_to_eject = 1});
  for (const char* name : {"a", "b", "far"}) world.engine(name).behaviour = Behaviour::fails;
  world.ask(chat(kWholeBody));
  const Reply reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.error_code(), "unhealthy");
  EXPECT_EQ(world.last().outcome, Outcome::rejected);
}

TEST(GatewayFailure, AClientThatLeavesFreesItsEngine) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::endless;
  world.ask_and_leave(chat(kStreamBody));
  world.wait_until([&] { return world.engine("far").left == 1 && !world.records.all.empty(); });
  EXPECT_EQ(world.last().outcome, Outcome::cancelled);
  EXPECT_GT(world.last().output_tokens, 0u);
  for (const DeploymentStatus& status : world.shared.deployments()) {
    EXPECT_EQ(status.in_flight, 0u);
    EXPECT_TRUE(status.healthy);
  }
}

TEST(GatewayFailure, AClientThatLeavesBeforeAnAnswerFreesItsEngine) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::hangs;
  Reply reply;
  http::Cancellation cancellation = world.start(chat(kWholeBody), reply);
  world.wait_until([&] { return world.engine("far").requests.size() == 1; });
  cancellation.cancel();
  world.wait_until([&] { return world.engine("far").left == 1 && !world.records.all.empty(); });
  EXPECT_EQ(world.last().outcome, Outcome::cancelled);
  EXPECT_EQ(world.last().status, 499);
  EXPECT_EQ(world.last().attempts, 1u);
}

TEST(GatewayFailure, AGatewayMayGoBeforeTheRequestsItServes) {
  TestWorld world(kThreeEngines, three_engines());
  world.engine("far").behaviour = Behaviour::hangs;
  auto gateway = std::make_unique<Gateway>(world.context, world.shared, world.gateway_client, world.metrics,
                                           world.clock, world.records);
  auto server = http::Server::listen(
      world.context, {},
      [&](const http::Request& request, http::ResponseWriter& writer) { return gateway->handle(request, writer); });
  std::swap(world.server, *server);
  Reply reply;
  world.start(chat(kWholeBody), reply);
  world.wait_until([&] { return world.engine("far").requests.size() == 1; });
  gateway.reset();
  world.engine("far").behaviour = Behaviour::answers;
  world.server.reset();
  world.wait_until([&] { return world.shared.deployments()[2].in_flight == 0; });
  std::swap(world.server, *server);
}

TEST(GatewayFailure, AFullGridAnswersWithTooManyRequests) {
  TestWorld world(R"(
      jurisdiction DE
      region north
      site ber DE
      model small
      tenant acme key=sk-acme
      target a ber small port=$a concurrency=0
      leg north ber rtt=2)",
                  {"a"});
  const Reply reply = world.ask(chat(kWholeBody));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.error_code(), "capacity");
  EXPECT_EQ(reply.header("retry-after"), "1");
}

}  // namespace
}  // namespace tandem::gateway
