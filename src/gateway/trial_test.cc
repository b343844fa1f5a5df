#include <set>

#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

// Model small at engine a; next, which may replace it, at engine c abroad.
const std::string kCandidate = R"(
  jurisdiction DE FR
  region north
  site ber DE
  site par FR
  model small
  model next
  tenant acme key=sk-acme
  tenant german key=sk-german residency=DE
  tenant narrow key=sk-narrow models=small
  target a ber small port=$a prompt_cost=1 output_cost=1 concurrency=4
  target c par next port=$c prompt_cost=2 output_cost=2 concurrency=4
  leg north ber rtt=2
  leg north par rtt=2
)";

http::ClientRequest from_user(int user, std::string key = "sk-acme") {
  http::Headers headers;
  headers.add("authorization", "Bearer " + key);
  return chat(R"({"model":"small","stream":true,"user":"u)" + std::to_string(user) +
                  R"(","messages":[{"role":"user","content":"hi there"}]})",
              std::move(headers));
}

TrialReport only_trial(TestWorld& world) {
  const auto reports = world.gateway.trials();
  EXPECT_EQ(reports.size(), 1u);
  return reports.at(0);
}

TEST(Shadow, IsSentACopyAndMeasuredAndNobodySeesItsAnswer) {
  TestWorld world(kCandidate + "  trial try shadow small to_model=next\n", {"a", "c"});
  const Reply reply = world.ask(from_user(1));
  EXPECT_EQ(reply.header("x-tandem-model"), "small");
  EXPECT_NE(reply.body.find("from a"), std::string::npos);
  EXPECT_EQ(reply.body.find("from c"), std::string::npos);
  world.wait_until([&] { return only_trial(world).candidate.ok == 1; });
  ASSERT_EQ(world.engine("c").requests.size(), 1u);
  const Json copy = parse_json(world.engine("c").requests[0].body).value_or(Json());
  EXPECT_EQ(copy["model"].text(), "next");
  EXPECT_EQ(copy["messages"].array()[0]["content"].text(), "hi there");
  const TrialReport report = only_trial(world);
  EXPECT_EQ(report.base.ok, 1u);
  EXPECT_EQ(report.base.prompt_tokens, 7u);
  EXPECT_EQ(report.base.ttft_us.count(), 1u);
  EXPECT_EQ(report.candidate.output_tokens, 2u);
  EXPECT_EQ(report.candidate.ttft_us.count(), 1u);
  EXPECT_NEAR(report.base.cost.value(), 9e-6, 1e-12);
  EXPECT_NEAR(report.candidate.cost.value(), 18e-6, 1e-12);
  ASSERT_EQ(world.records.all.size(), 1u) << "one request, and one bill";
  EXPECT_EQ(world.last().model, "small");
  ASSERT_EQ(world.last().trials.size(), 1u);
  EXPECT_EQ(world.last().trials[0].side, TrialSide::base);
  for (const DeploymentStatus& status : world.shared.deployments()) EXPECT_EQ(status.in_flight, 0u);
  EXPECT_NE(world.metrics.prometheus_text().find(
                R"(tandem_gateway_trial_requests_total{trial="try",side="candidate",outcome="ok"} 1)"),
            std::string::npos);
}

TEST(Shadow, TouchesNobodyWhereItFailsOrHangs) {
  GatewayOptions options;
  options.shadows_max = 1;
  TestWorld world(kCandidate + "  trial try shadow small to_model=next\n", {"a", "c"}, options);
  world.engine("c").behaviour = Behaviour::hangs;
  EXPECT_TRUE(world.ask(from_user(1)).complete);
  world.wait_until([&] { return world.engine("c").requests.size() == 1; });
  EXPECT_TRUE(world.ask(from_user(1)).complete);
  EXPECT_EQ(only_trial(world).candidate.dropped, 1u) << "one is under way already";
  EXPECT_EQ(only_trial(world).base.ok, 2u);

  TestWorld failing(kCandidate + "  trial try shadow small to_model=next\n", {"a", "c"});
  failing.engine("c").behaviour = Behaviour::cuts_midway;
  EXPECT_TRUE(failing.ask(from_user(1)).complete);
  EXPECT_TRUE(failing.ask(chat(kWholeBody)).complete);
  failing.wait_until([&] { return only_trial(failing).candidate.failed == 2; });
  EXPECT_EQ(failing.last().outcome, Outcome::ok);
}

TEST(Shadow, ItsBodyCountsAmongThoseThatAreHeld) {
  GatewayOptions options;
  options.body_bytes_in_flight_max = 3 * from_user(1).body.size() - 1;  // a copy, which asks for usage, and one more
  TestWorld world(kCandidate + "  trial try shadow small to_model=next\n", {"a", "c"}, options);
  world.engine("c").behaviour = Behaviour::hangs;
  EXPECT_TRUE(world.ask(from_user(1)).complete);
  EXPECT_EQ(only_trial(world).candidate.dropped, 0u);
  EXPECT_TRUE(world.ask(from_user(1)).complete);
  EXPECT_EQ(only_trial(world).candidate.dropped, 1u);
}

TEST(Shadow, IsNotWaitedForAtAShutdown) {
  TestWorld world(kCandidate + "  trial try shadow small to_model=next\n", {"a", "c"});
  world.engine("c").behaviour = Behaviour::hangs;
  EXPECT_TRUE(world.ask(from_user(1)).complete);
  world.wait_until([&] { return world.engine("c").requests.size() == 1; });
  world.gateway.close();
  world.wait_until([&] { return world.engine("c").left == 1; });
  EXPECT_EQ(only_trial(world).candidate.failed, 0u) << "it says nothing of the candidate";
  EXPECT_TRUE(world.ask(from_user(1)).complete);
  EXPECT_EQ(world.engine("c").requests.size(), 1u);
  for (const DeploymentStatus& status : world.shared.deployments()) EXPECT_TRUE(status.healthy);
}

TEST(Shadow, StaysWhereTheRequestMayGo) {
  TestWorld world(kCandidate + "  trial try shadow small to_model=next\n", {"a", "c"});
  EXPECT_TRUE(world.ask(from_user(1, "sk-german")).complete);
  EXPECT_EQ(only_trial(world).candidate.dropped, 1u) << "the candidate is abroad";
  EXPECT_TRUE(world.ask(from_user(1, "sk-narrow")).complete);
  EXPECT_EQ(only_trial(world).candidate.requests, 1u) << "the tenant may not use it";
  EXPECT_TRUE(world.engine("c").requests.empty());
}

TEST(Canary, ServesItsShareAndAClientStaysOnOneSide) {
  TestWorld world(kCandidate + "  trial try canary small to_model=next share=0.5\n", {"a", "c"});
  std::set<int> moved;
  for (int user = 0; user < 40; ++user)
    for (int again = 0; again < 2; ++again) {
      const Reply reply = world.ask(from_user(user));
      const bool candidate = reply.header("x-tandem-model") == "next";
      if (candidate) moved.insert(user);
      EXPECT_EQ(candidate, moved.contains(user));
      EXPECT_EQ(world.last().asked_model, "small");
      EXPECT_EQ(world.last().model, candidate ? "next" : "small");
      ASSERT_EQ(world.last().trials.size(), 1u);
      EXPECT_EQ(world.last().trials[0].side, candidate ? TrialSide::candidate : TrialSide::base);
    }
  EXPECT_GT(moved.size(), 10u);
  EXPECT_LT(moved.size(), 30u);
  const TrialReport report = only_trial(world);
  EXPECT_EQ(report.candidate.ok, 2 * moved.size());
  EXPECT_EQ(report.base.ok, 80 - 2 * moved.size());
  EXPECT_NEAR(report.candidate.cost.value(), static_cast<double>(report.candidate.ok) * 18e-6, 1e-9);
  const auto story = world.gateway.explain_decision(world.last().id);
  ASSERT_TRUE(story);
  EXPECT_TRUE(story->verdicts[0].chosen);
}

TEST(Canary, ThatFailsOrMayNotServeLeavesItToTheOthers) {
  TestWorld world(kCandidate + "  trial try canary small to_model=next share=1\n", {"a", "c"});
  world.engine("c").behaviour = Behaviour::fails;
  const Reply reply = world.ask(from_user(1));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("x-tandem-model"), "small");
  EXPECT_TRUE(world.last().trials.empty()) << "it stands for neither side";
  EXPECT_EQ(only_trial(world).candidate.failed, 1u);
  EXPECT_EQ(only_trial(world).base.requests, 0u);
  EXPECT_EQ(world.ask(from_user(1, "sk-german")).header("x-tandem-model"), "small");
  EXPECT_EQ(world.ask(from_user(1, "sk-narrow")).header("x-tandem-model"), "small");
  EXPECT_EQ(only_trial(world).candidate.requests, 1u);
}

// However often: its requests go back whether or not there is budget for retries.
TEST(Canary, ThatKeepsFailingCostsNobodyAnAnswer) {
  GatewayOptions options;
  options.retry_fraction = 0;
  HealthOptions health;
  health.failures_to_eject = health.failures_of_32_to_eject = 1'000;
  TestWorld world(kCandidate + "  trial try canary small to_model=next share=1\n", {"a", "c"}, options, health);
  world.engine("c").behaviour = Behaviour::fails;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(world.ask(from_user(i)).status, 200) << i;
  EXPECT_EQ(only_trial(world).candidate.failed, 20u);
}

TEST(Canary, MayBeASiteAndSharesClientsWithOthers) {
  const std::string two_sites = kCandidate + R"(  target d par small port=$c prompt_cost=3 output_cost=3
  trial there canary small to_site=par share=0.4
  trial next canary small to_model=next share=0.6
)";
  TestWorld world(two_sites, {"a", "c"});
  std::set<std::string> served;
  for (int user = 0; user < 30; ++user) {
    world.ask(from_user(user));
    served.insert(world.last().deployment);
  }
  EXPECT_EQ(served, (std::set<std::string>{"c", "d"})) << "together they take all";
}

TEST(TrialReport, AddsUpGatewaysAndComparesBothSides) {
  TrialReport one{"t", grid::TrialMode::canary, "m", "n", "", 0.5, {}, {}}, other = one, third = one;
  third.to_model = "o";
  TrialSample sample;
  sample.ok = true;
  sample.ttft = Microseconds(100'000);
  sample.output_tokens = 10;
  sample.cost = Euros(0.5);
  one.candidate.add(sample);
  sample.ttft = Microseconds(300'000);
  other.candidate.add(sample);
  other.candidate.add(TrialSample());
  const auto sums = added_up({one, other, third});
  ASSERT_EQ(sums.size(), 2u);
  const Json json = to_json(sums[0]);
  EXPECT_EQ(json["candidate"]["requests"].integer(), 3);
  EXPECT_EQ(json["candidate"]["failed"].integer(), 1);
  EXPECT_EQ(json["candidate"]["eur_per_answer"].number(), 0.5);
  EXPECT_NEAR(json["candidate"]["ttft_ms"]["p95"].number(), 300, 6);
  EXPECT_TRUE(json["base"]["ttft_ms"].is_null());
  ASSERT_EQ(json["comparison"].array().size(), 7u);
  EXPECT_EQ(json["comparison"].array()[0]["measure"].text(), "failed_fraction");
  EXPECT_FALSE(json["comparison"].array()[0]["told_apart"].boolean());
}

}  // namespace
}  // namespace tandem::gateway
