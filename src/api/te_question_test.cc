// Traffic engineering over real sockets. The policies and bounds themselves are tested in `te`.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"

namespace tandem::api {
namespace {

constexpr const char* kTePath = "/api/v1/te";

// A ring of four, where the traffic between two neighbours is more than the link between them carries.
struct CrowdedRing : Inventory {
  CrowdedRing() : Inventory(4) {
    core->record(
        {test_support::fact("traffic", "crowd", {{"from", "node-0"}, {"to", "node-1"}, {"rate_gbps", 120.0}})});
    accept_a_plan(*this);
  }
};

TEST(TeDesk, HalvesTheTrafficOfALinkAndProvesThatNoneDoesBetter) {
  CrowdedRing inventory;
  const Answer answer = inventory.ask("POST", kTePath, R"({"failures":true})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  const Json& json = answer.json;
  EXPECT_TRUE(json["complete"].boolean());
  EXPECT_GT(json["offset"].integer(), 0);
  EXPECT_NEAR(json["mlu_before"].number(), 1.2, 0.01);
  EXPECT_NEAR(json["mlu"].number(), 0.6, 0.01);
  EXPECT_LE(json["bound"].number(), json["mlu"].number());

  double before = 0, after = 0;
  for (const Json& link : json["links"].array()) {
    before = std::max(before, link["before_gbps"].number() / link["capacity_gbps"].number());
    after = std::max(after, link["after_gbps"].number() / link["capacity_gbps"].number());
  }
  EXPECT_NEAR(before, json["mlu_before"].number(), 1e-9);
  EXPECT_NEAR(after, json["mlu"].number(), 1e-9);

  ASSERT_EQ(json["ways"].array().size(), 1u);
  const Json& way = json["ways"].array()[0];
  EXPECT_EQ(way["demand"].text(), "crowd");
  EXPECT_EQ(way["plain"].array().size(), 1u) << "the link between the two";
  double sum = 0;
  for (const Json& list : way["lists"].array()) {
    sum += list["fraction"].number();
    EXPECT_EQ(list["links"].array().size(), list["segments"].array().empty() ? 1u : 3u);
  }
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_EQ(json["planes"].array().size(), 1u);
  EXPECT_EQ(json["routers"].array()[1]["site"].text(), "site-1");

  const Json& failures = json["failures"];
  EXPECT_TRUE(failures["complete"].boolean());
  ASSERT_EQ(failures["each"].array().size(), 4u);
  for (const Json& failure : failures["each"].array()) {
    EXPECT_NEAR(failure["mlu"].number(), 1.2, 0.01) << "one way is left";
    EXPECT_NEAR(failure["fullest"].array()[0]["utilization"].number(), failure["mlu"].number(), 1e-9);
  }
}

TEST(TeDesk, StreamsTheReportAfterItsProgress) {
  CrowdedRing inventory;
  const Answer answer = inventory.ask("POST", kTePath, R"({"failures":true,"stream":true})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  const size_t report = answer.text.find("event: report");
  ASSERT_NE(report, std::string::npos) << answer.text;
  EXPECT_NE(answer.text.find("\"failures\"", report), std::string::npos);
  EXPECT_EQ(answer.text.find("event: error"), std::string::npos);
}

TEST(TeDesk, WhatATimeLimitLeavesIsSaidToBeIncomplete) {
  CrowdedRing inventory;
  const Answer answer = inventory.ask("POST", kTePath, R"({"failures":true,"time_limit_ms":0})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_FALSE(answer.json["complete"].boolean());
  EXPECT_TRUE(answer.json["failures"]["each"].array().empty());
  EXPECT_EQ(answer.json["failures"]["links"].integer(), 4);
}

TEST(TeDesk, KeepsToTheLimitOfPolicies) {
  CrowdedRing inventory;
  const Answer answer = inventory.ask("POST", kTePath, R"({"policies_max":0})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_TRUE(answer.json["policies"].array().empty());
  EXPECT_TRUE(answer.json["failures"].is_null());
}

TEST(TeDesk, SaysWhatIsWrong) {
  CrowdedRing inventory;
  const auto parameter = [&](std::string body) { return inventory.refused_for(kTePath, std::move(body)); };
  EXPECT_EQ(parameter(R"({"segments_max":1})"), "segments_max");
  EXPECT_EQ(parameter(R"({"segments_max":4})"), "segments_max");
  EXPECT_EQ(parameter(R"({"adjacency":"yes"})"), "adjacency");
  EXPECT_EQ(parameter(R"({"policies_max":-1})"), "policies_max");
  EXPECT_EQ(parameter(R"({"policies_max":99999999999})"), "policies_max");
  EXPECT_EQ(parameter(R"({"tolerance":0})"), "tolerance");
  EXPECT_EQ(parameter(R"({"tolerance":1e300})"), "tolerance");
  EXPECT_EQ(parameter(R"({"failures":1})"), "failures");
  EXPECT_EQ(parameter(R"({"changes_max":21})"), "changes_max");
  EXPECT_EQ(parameter(R"({"time_limit_ms":60001})"), "time_limit_ms");
  EXPECT_EQ(parameter(R"({"time_limit_ms":-1})"), "time_limit_ms");
  EXPECT_EQ(parameter(R"({"stream":"yes","failures":true})"), "stream") << "before a stream begins";
  EXPECT_EQ(parameter(R"({"graph":"/etc/passwd"})"), "graph");
  EXPECT_EQ(inventory.ask("POST", kTePath, "[]").status, 400);
  EXPECT_EQ(inventory.ask("POST", kTePath, "{").status, 400);
  EXPECT_EQ(inventory.ask("GET", kTePath).status, 405);
}

TEST(TeDesk, WithoutAPlanItIsNotKnownWhatTheDemandsSend) {
  Inventory inventory(3);
  EXPECT_EQ(inventory.ask("POST", kTePath, "{}").status, 503);
}

TEST(TeDesk, IsDescribed) {
  Inventory inventory(3);
  const Answer answer = inventory.ask("GET", "/api/v1/openapi.json");
  EXPECT_TRUE(answer.json["paths"][kTePath]["post"].is_object());
}

}  // namespace
}  // namespace tandem::api
