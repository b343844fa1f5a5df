// What is kept of promises between plans is what would be worked out, and never changes a plan.
#include "planner/promise_limits.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "planner/planner.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

PromisesAsked asked_of_one(double steps, double tpot_ms) {
  PromisesAsked asked;
  asked.profile.id = "p";
  for (const uint32_t batch : {1u, 8u, 32u})
    asked.profile.points.push_back({batch, Milliseconds(10 + 0.3 * batch), Watts(300)});
  asked.last_step = 3;
  asked.prefills = {{{steps, 100, 20}}, 1, 100, 20};
  asked.promises = {{tpot_ms, 0.95, 0.01}};
  return asked;
}

TEST(KeptLimits, AreKeptWhileNothingThatTheyFollowFromDiffers) {
  KeptLimits kept;
  const auto first = kept.of(0, asked_of_one(1, 40));
  EXPECT_EQ(kept.of(0, asked_of_one(1, 40)), first);
  EXPECT_NE(kept.of(1, asked_of_one(1, 40)), first) << "each profile has its own";
  EXPECT_EQ(kept.of(0, asked_of_one(1, 40)), first);

  PromisesAsked wider = asked_of_one(1, 40), longer = asked_of_one(1, 40), slower = asked_of_one(1, 40);
  wider.last_step = 4;
  longer.prefills.time_mean_ms += 1;
  slower.profile.points[1].decode_per_token = Milliseconds(20);
  for (const PromisesAsked& other : {asked_of_one(2, 40), asked_of_one(1, 41), wider, longer, slower}) {
    const auto last = kept.of(0, asked_of_one(1, 40)), now = kept.of(0, other);
    EXPECT_NE(now, last);
    EXPECT_EQ(now->asked(), other);
  }
  const auto last = kept.of(0, asked_of_one(1, 40));
  EXPECT_GT(last->by_tokens(0, 0, 2)[0], kept.of(0, asked_of_one(1, 12))->by_tokens(0, 0, 2)[0])
      << "what promises more leaves less";
  kept.trim(0);
  EXPECT_NE(kept.of(0, asked_of_one(1, 40)), last);
}

// One planner through worlds that keep and lose what limits follow from: as many new ones.
TEST(KeptLimits, APlanIsTheSameWithAndWithoutWhatIsKept) {
  const auto grid = [](double rate, double tpot_ms, uint32_t large, std::string_view link) {
    return test_support::drawn_grid(fmt::format(R"(
      edge-core 4ms 100G {}
      edge-far 6ms 100G
      far-core 6ms 100G
      site edge DE price=0.3
      site core DE price=0.1
      site far DE price=0.1
      region north edge access=2ms
      accelerator small 48GB idle=50W peak=300W price=3
      accelerator large 80GB idle=100W peak=700W price=2.5
      pool edge-small edge small 4
      pool core-large core large {}
      pool far-large far large 8
      model m 16GB kv=131072
      profile m small 1:20ms/200W 8:25ms/280W prefill=5000 overhead=10ms kv=20GB
      profile m large 1:10ms/300W 8:12ms/450W 32:20ms/680W prefill=20000 overhead=5ms kv=50GB
      tenant acme DE
      demand a acme north m {}/s ttft=1s tpot={}ms
      demand b acme north m 3/s in=900 out=300 ttft=2s tpot=60ms)",
                                                link, large, rate, tpot_ms));
  };
  Planner keeps;
  v1::Plan before;
  uint64_t seed = 0;
  for (const auto& world : {grid(12, 40, 8, ""), grid(12, 40, 8, "down"), grid(15, 40, 8, ""), grid(15, 30, 8, ""),
                            grid(15, 30, 20, ""), grid(12, 40, 8, "")}) {
    const v1::Plan* incumbent = seed == 0 ? nullptr : &before;
    // Anew, whose bound is not proven from prices learnt before either.
    const v1::Plan kept = keeps.plan(world, incumbent, "p", ++seed, {.anew = true}, {});
    EXPECT_GT(kept.bound_eur_per_hour(), 0);
    EXPECT_EQ(kept.SerializeAsString(), plan(world, incumbent, "p", seed, {.anew = true}, {}).SerializeAsString())
        << "world " << seed;
    before = kept;
  }
}

}  // namespace
}  // namespace tandem::planner
