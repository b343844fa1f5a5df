#include "gateway/tenant_gate.h"

#include <gtest/gtest.h>

#include "routing/drawn_table.h"

namespace tandem::gateway {
namespace {

class GateRecords final : public RecordSink {
 public:
  void on_request(const SharedRecord& record) override { all.push_back(*record); }
  std::vector<RequestRecord> all;
};

class GateClock final : public Clock {
 public:
  Instant now() const override { return {seconds(1'000).ns}; }
  Duration monotonic() const override { return time; }
  Duration time = seconds(5);
};

constexpr const char* kDrawing = R"(
  jurisdiction DE FR US
  region north 192.0.2.0/24
  region abroad 198.51.100.0/24
  site ber DE
  site iad US
  model small
  tenant acme key=sk-acme
  tenant strict key=sk-strict residency=DE
  tenant slow key=sk-slow rpm=2
  tenant poor key=sk-poor budget=0.01
  target a ber small port=1
  leg north ber rtt=2 via=DE
  leg abroad ber rtt=80 via=DE,US
)";

class GateTest : public ::testing::Test {
 protected:
  GateTest() { shared_.publish(std::make_shared<routing::RoutingTable>(routing::draw_table(kDrawing))); }

  static http::Request request(const std::string& key, const std::string& address = "192.0.2.7") {
    http::Request made;
    made.method = "POST";
    made.target = "/v2/models/m/infer";
    made.peer_address = address;
    if (!key.empty()) made.headers.add("authorization", "Bearer " + key);
    return made;
  }
  ErrorCode refusal(const http::Request& asked) {
    TenantGate::Visit visit = gate_.admit(asked);
    EXPECT_TRUE(visit.refused);
    const ErrorCode code = visit.refused ? visit.refused->code : ErrorCode::internal;
    gate_.conclude(std::move(visit));
    return code;
  }
  bool lets_in(const http::Request& asked) { return !gate_.admit(asked).refused; }

  SharedState shared_;
  Metrics metrics_;
  GateClock clock_;
  GateRecords records_;
  TenantGate gate_{shared_, metrics_, clock_, records_, {.site = "ber"}};
};

TEST_F(GateTest, KnowsTenantsByTheirKeys) {
  EXPECT_EQ(refusal(request("")), ErrorCode::unauthenticated);
  EXPECT_EQ(refusal(request("sk-other")), ErrorCode::unauthenticated);
  EXPECT_EQ(records_.all.back().outcome, Outcome::client_error);
  EXPECT_EQ(gate_.identify(request("sk-acme")).value(), "acme");
  auto visit = gate_.admit(request("sk-acme"), "m");
  ASSERT_FALSE(visit.refused);
  EXPECT_EQ(visit.record.tenant, "acme");
  visit.record.outcome = Outcome::ok;
  clock_.time = clock_.time + milliseconds(3);
  gate_.conclude(std::move(visit));
  EXPECT_EQ(records_.all.back().duration, Microseconds(3'000));
  EXPECT_EQ(records_.all.back().site, "ber");
  EXPECT_TRUE(records_.all.back().was_served());
  EXPECT_EQ(
      metrics_.counter("tandem_predictive_requests_total", "", {{"tenant", "acme"}, {"model", "m"}, {"outcome", "ok"}})
          .value(),
      1u);
}

TEST_F(GateTest, HoldsTenantsToTheirRequestsAMinute) {
  EXPECT_TRUE(lets_in(request("sk-slow")));
  const auto last = gate_.admit(request("sk-slow"));
  ASSERT_FALSE(last.refused);
  EXPECT_EQ(last.headers.value_or("x-ratelimit-remaining-requests", ""), "0");
  auto refused = gate_.admit(request("sk-slow"), "m");
  ASSERT_TRUE(refused.refused);
  EXPECT_EQ(refused.refused->code, ErrorCode::quota_exceeded);
  EXPECT_TRUE(refused.headers.find("retry-after"));
  gate_.conclude(std::move(refused));
  EXPECT_EQ(records_.all.back().outcome, Outcome::rejected);
  EXPECT_EQ(records_.all.back().status, 429);
}

// As a request to /v1 would be: what was asked, from where, how much, and why it was refused in the same words.
TEST_F(GateTest, RecordsSayWhatWasAskedAlsoOfWhomItRefuses) {
  http::Request asked = request("sk-slow", "198.51.100.9");
  asked.body = "0123456789";
  for (int i = 0; i < 3; ++i) {
    auto visit = gate_.admit(asked, "m");
    visit.record.answer_bytes = 7;
    gate_.conclude(std::move(visit));
  }
  const RequestRecord& last = records_.all.back();
  EXPECT_EQ(last.path, "/v2/models/m/infer");
  EXPECT_EQ(last.model, "m");
  EXPECT_EQ(last.asked_model, "m");
  EXPECT_EQ(records_.all.front().region, "abroad");
  EXPECT_EQ(last.request_bytes, 10u);
  EXPECT_EQ(last.answer_bytes, 7u);
  EXPECT_EQ(last.refused, "rate_limit_exceeded");
  EXPECT_EQ(last.site, "") << "it came to none";
  refusal(request(""));
  EXPECT_EQ(records_.all.back().refused, "missing_api_key");
  refusal(request("sk-strict", "198.51.100.9"));
  EXPECT_EQ(records_.all.back().refused, "residency");
}

TEST_F(GateTest, WhatIsServedIsPaidForFromTheBudget) {
  auto visit = gate_.admit(request("sk-poor"));
  ASSERT_FALSE(visit.refused);
  visit.record.outcome = Outcome::ok;
  visit.record.cost = Euros(0.02);
  gate_.conclude(std::move(visit));
  EXPECT_EQ(refusal(request("sk-poor")), ErrorCode::quota_exceeded);
  EXPECT_EQ(records_.all.back().refused, "insufficient_quota");
}

TEST_F(GateTest, AnswersOnlyWhereResidencyAllowsTheSiteAndTheWayThere) {
  EXPECT_TRUE(lets_in(request("sk-strict")));
  EXPECT_EQ(refusal(request("sk-strict", "198.51.100.9")), ErrorCode::permission_denied);  // by way of US
  EXPECT_TRUE(lets_in(request("sk-acme", "198.51.100.9")));
  http::Request tightened = request("sk-acme");
  tightened.headers.add("x-tandem-residency", "FR");
  EXPECT_EQ(refusal(tightened), ErrorCode::permission_denied);
  TenantGate nowhere(shared_, metrics_, clock_, records_);
  EXPECT_TRUE(nowhere.admit(request("sk-strict")).refused);
  EXPECT_FALSE(nowhere.admit(request("sk-acme")).refused);
}

TEST_F(GateTest, WithoutATableNobodyGetsIn) {
  SharedState empty;
  TenantGate gate(empty, metrics_, clock_, records_);
  EXPECT_EQ(gate.admit(request("sk-acme")).refused->code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace tandem::gateway
