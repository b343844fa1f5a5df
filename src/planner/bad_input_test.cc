// Demands that cannot be served: each is named with the constraint that blocks it and the least change that would admit
// it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/planner.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

const std::string kBadWorld = R"(
  a-b 4ms 10G
  c-d 1ms 10G
  site a DE
  site b DE
  site c FR
  site d FR
  region north a
  region island c
  accelerator gpu 80GB idle=100W peak=700W price=2
  accelerator tiny 8GB idle=10W peak=70W price=1
  pool pb b gpu 4
  pool pt b tiny 4
  model m 16GB
  model huge 400GB
  model unknown 10GB
  profile m gpu 8:10ms/400W prefill=20000 kv=40GB
  profile huge gpu 8:10ms/400W prefill=20000 kv=40GB
  tenant all *
  tenant french FR
  tenant one * model=m
)";

struct BadCase {
  const char* name;
  std::string demand, blocked_by, admitted_by;
  std::string instead_of = {}, stands = {};  // a line of the world
};

TEST(PlanBadInput, NamesTheConstraintAndWhatWouldAdmitIt) {
  const BadCase cases[] = {
      {"disconnected", "demand d all island m 1/s", "unreachable", "a path from island to pb would admit it"},
      {"no site is fast enough", "demand d all north m 1/s ttft=20ms", "promise_ttft",
       "to the first token would admit it"},
      {"no profile is fast enough", "demand d all north m 1/s tpot=5ms", "promise_tpot",
       "a promise of 10.0 ms a token would admit it"},
      {"a model that fits nowhere", "demand d all north huge 1/s", "memory", "more memory than a replica has there"},
      {"a model without a profile", "demand d all north unknown 1/s", "model", "a profile of unknown on"},
      {"contradictory residency", "demand d french north m 1/s", "residency",
       "letting its data be processed in DE would admit it"},
      {"not the tenant's model", "demand d one north huge 1/s", "tenant_model", "letting one use huge would admit it"},
      {"longer than the context", "demand d all north m 1/s in=900", "context", "a context of", "model m 16GB",
       "model m 16GB context=100"},
      {"zero capacity", "demand d all north m 1/s", "accelerators", "1 accelerators more would admit it",
       "pool pb b gpu 4", "pool pb b gpu 0"},
      {"no power", "demand d all north m 1/s", "power", "more power and cooling at b would admit it", "site b DE",
       "site b DE power=0.5kW"},
      {"no room on the link", "demand d all north m 1/s up=1000000", "link_capacity",
       "more capacity on the way to pb would admit it", "a-b 4ms 10G", "a-b 4ms 0.000001G"},
      {"the site is down", "demand d all north m 1/s", "down", "b up again would admit it", "site b DE",
       "site b DE down"},
  };
  for (const BadCase& bad : cases) {
    SCOPED_TRACE(bad.name);
    std::string world = kBadWorld;
    if (!bad.instead_of.empty()) world.replace(world.find(bad.instead_of), bad.instead_of.size(), bad.stands);
    const grid::Snapshot s = test_support::drawn_grid(world + bad.demand);
    const v1::Plan p = plan(s, nullptr, "p", 1, {}, {});
    EXPECT_THAT(violations(s, p), testing::IsEmpty());
    ASSERT_EQ(p.demands_size(), 1);
    EXPECT_EQ(p.demands(0).rejected(), 1);
    EXPECT_EQ(p.demands(0).blocked_by(), bad.blocked_by);
    EXPECT_THAT(p.demands(0).reason(), testing::HasSubstr(bad.admitted_by));
  }
}

}  // namespace
}  // namespace tandem::planner
