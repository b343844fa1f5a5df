// A model's first plan, its promises parted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "planner/search.h"
#include "planner/terrain.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

// Few ask for quick tokens, many are in no hurry: beside the few, the many could not have full batches.
const grid::Snapshot& grid_of_two_promises() {
  static const grid::Snapshot snapshot = test_support::drawn_grid(R"(
    west-mid 1ms 10G
    site west DE price=0.1
    site mid DE price=0.1
    region north mid access=2ms
    accelerator card 80GB idle=100W peak=700W price=2.5
    pool a west card 24
    pool b mid card 24
    model m 16GB kv=131072
    profile m card 1:10ms/300W 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms kv=50GB
    tenant hasty DE
    tenant patient DE
    demand quick hasty north m 6/s ttft=2s tpot=19ms
    demand quicker hasty north m 3/s ttft=1s tpot=19ms
    demand slow patient north m 20/s ttft=9s tpot=200ms
    demand slower patient north m 15/s ttft=9s tpot=200ms
  )");
  return snapshot;
}

struct Made {
  Problem problem{grid_of_two_promises(), std::make_shared<const Terrain>(grid_of_two_promises(), nullptr), nullptr};
  Search search{problem, 1, 10'000, {}};
  Made() { problem.add_all_options(); }
};

TEST(ConstructByPromise, KeepsThoseInNoHurryOffTheReplicasOfTheHasty) {
  Made made;
  made.search.construct_by_promise();
  size_t deployments = 0;
  for (uint32_t c = 0; c < made.problem.candidates.size(); ++c) {
    std::set<uint32_t> tenants;
    for (const Member& member : made.search.deployed(c).members)
      tenants.insert(made.problem.demands[made.problem.options[member.option].demand].row->tenant.value);
    EXPECT_LE(tenants.size(), 1u) << made.problem.candidates[c].id;
    deployments += !tenants.empty();
  }
  EXPECT_EQ(deployments, 2u);
  for (uint32_t d = 0; d < made.problem.demands.size(); ++d) EXPECT_EQ(made.search.placement(d).unserved, 0u);
}

TEST(ConstructByPromise, CostsLessThanAllTogether) {
  Made parted, together;
  parted.search.construct_by_promise();
  together.problem.pool_spare[1] = 0;
  together.search.construct_by_promise();
  EXPECT_EQ(together.search.placement(0).unserved, 0u);
  EXPECT_LT(parted.search.objective(), 0.95 * together.search.objective());
}

// What does not fit into one pool goes on in the next.
TEST(ConstructByPromise, FillsOnePoolAfterTheOther) {
  Made made;
  made.problem.pool_spare = {6, 24};
  made.search.construct_by_promise();
  for (uint32_t d = 0; d < made.problem.demands.size(); ++d) EXPECT_EQ(made.search.placement(d).unserved, 0u);
}

}  // namespace
}  // namespace tandem::planner
