#include <gtest/gtest.h>

#include <algorithm>

#include "routing/drawn_table.h"
#include "routing/routing.h"

namespace tandem::routing {
namespace {

// Large runs in Berlin and is slow to prefill; medium, its fallback, in Paris; tiny, the fallback of that, in both.
constexpr std::string_view kFamily = R"(
  jurisdiction DE FR
  region north
  site ber DE
  site par FR
  model large fallback=medium
  model medium fallback=tiny context=8000
  model tiny context=4000
  tenant acme
  tenant german residency=DE
  tenant few models=large,tiny
  target ber-large ber large concurrency=4 prefill=1000 tpot=50
  target par-medium par medium concurrency=4 prefill=10000 tpot=30
  target ber-tiny ber tiny concurrency=4 prefill=100000 tpot=10
  target par-tiny par tiny concurrency=4 prefill=100000 tpot=10 prompt_cost=2
  leg north ber rtt=2
  leg north par rtt=20
)";
enum : uint32_t { kLarge, kMedium, kTinyNear, kTinyFar };

struct Family {
  explicit Family(std::string_view more = "") : table(draw_table(std::string(kFamily) + std::string(more))) {
    live.resize(table.targets().size());
    request.prompt_tokens = 1'000;  // a second of prefill at large, a tenth at medium
    request.output_tokens = 100;
    request.ttft = Milliseconds(500);
    request.fallbacks = true;
  }
  Decision decide(double draw = 0) const { return routing::decide(table, request, live, excluded, draw); }
  RoutingTable table;
  RequestFacts request;
  std::vector<TargetLive> live;
  std::vector<uint32_t> excluded;
};

TEST(Fallback, ServesWhereThePromiseCannotBeKept) {
  Family family;
  const Decision served = family.decide();
  EXPECT_EQ(served.target, kMedium);
  EXPECT_EQ(served.reason, Reason::fallback);
  EXPECT_EQ(served.blocking, Gate::promise_ttft);
  EXPECT_DOUBLE_EQ(served.predicted_ttft.value(), 120'000);
  family.request.ttft = Milliseconds(1'100);
  EXPECT_EQ(family.decide().target, kLarge) << "it can be kept";
  EXPECT_EQ(family.decide().reason, Reason::cheapest);
  family.request.tpot = Milliseconds(40);
  EXPECT_EQ(family.decide().blocking, Gate::promise_tpot);
}

TEST(Fallback, OnlyForWhomItIsAllowed) {
  Family family;
  family.request.fallbacks = false;
  EXPECT_EQ(family.decide().target, kLarge);
  EXPECT_EQ(family.decide().reason, Reason::promise_at_risk);
  family.live[kLarge].healthy = false;
  EXPECT_EQ(family.decide().blocking, Gate::unhealthy);
}

TEST(Fallback, ServesWhatIsFullOrDown) {
  Family family;
  family.request.ttft = {};
  EXPECT_EQ(family.decide().target, kLarge) << "no promise is broken";
  family.live[kLarge].in_flight = 8;
  EXPECT_EQ(family.decide().target, kMedium);
  EXPECT_EQ(family.decide().blocking, Gate::capacity);
  family.live[kLarge].healthy = false;
  EXPECT_EQ(family.decide().blocking, Gate::unhealthy);
  family.live[kMedium].healthy = false;
  EXPECT_EQ(family.decide().target, kTinyNear) << "the fallback's fallback, at its cheapest";
}

TEST(Fallback, PassesTheSameGates) {
  Family family;
  family.request.tenant = 1;
  family.request.allowed = family.table.rows().tenants[1].residency;
  EXPECT_EQ(family.decide().target, kTinyNear) << "medium is abroad";
  family.request.tenant = 2;
  family.request.allowed = grid::JurisdictionSet::all();
  EXPECT_EQ(family.decide().target, kTinyNear) << "medium is not among the tenant's models";
  family.request.tenant = 0;
  family.request.prompt_tokens = 3'950;
  EXPECT_EQ(family.decide().target, kMedium) << "tiny's context is too short";
  family.request.prompt_tokens = 7'950;
  EXPECT_EQ(family.decide().target, kLarge) << "so is medium's";
  EXPECT_EQ(family.decide().reason, Reason::promise_at_risk);
}

TEST(Fallback, WhereNoneKeepsThePromiseWhatWasAskedServes) {
  Family family;
  family.request.ttft = Milliseconds(1);
  EXPECT_EQ(family.decide().target, kLarge);
  EXPECT_EQ(family.decide().reason, Reason::promise_at_risk);
  family.live[kLarge].healthy = false;
  EXPECT_EQ(family.decide().target, kMedium) << "late is better than nothing";
  EXPECT_EQ(family.decide().reason, Reason::fallback);
}

TEST(Fallback, TakesWhatThePlanTurnsAway) {
  Family family(
      "  split acme north large ber-large=0.4 turned_away=0.6\n  admission_by_plan\n"
      "  split acme north medium par-medium=0.5 turned_away=0.5\n");
  family.request.ttft = {};
  EXPECT_EQ(family.decide(0.39).target, kLarge);
  EXPECT_EQ(family.decide(0.41).target, kMedium);
  EXPECT_EQ(family.decide(0.69).target, kMedium) << "the lower half of what large turns away";
  EXPECT_EQ(family.decide(0.71).target, kTinyNear);
  EXPECT_EQ(family.decide(0.71).blocking, Gate::plan);
}

TEST(Fallback, IsExplainedWithTheModelThatWasAsked) {
  const Family family;
  const auto verdicts = explain(family.table, family.request, family.live, family.excluded, 0);
  ASSERT_EQ(verdicts.size(), 4u);
  EXPECT_EQ(verdicts[0].target, kMedium);
  EXPECT_TRUE(verdicts[0].chosen);
  const auto asked =
      std::find_if(verdicts.begin(), verdicts.end(), [](const auto& verdict) { return verdict.target == kLarge; });
  ASSERT_NE(asked, verdicts.end());
  EXPECT_EQ(asked->gate, Gate::promise_ttft);
}

}  // namespace
}  // namespace tandem::routing
