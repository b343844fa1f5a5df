// What a bound says that promises on time per token allow is never less than what the twin says is kept.
#include "planner/fill.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "planner/problem.h"
#include "twin/twin.h"

namespace tandem::planner {
namespace {

grid::Profile drawn_profile(Random& random) {
  grid::Profile profile;
  profile.prefill_tokens_per_s = 2'000 + 8'000 * random.uniform();
  profile.prefill_overhead = Milliseconds(5 + 10 * random.uniform());
  double step_ms = 10 + 30 * random.uniform();
  const double slope_ms = random.chance(0.2) ? 1.5 : 0.3 * random.uniform();
  for (uint32_t batch = 1; batch <= 64; batch *= 2) {
    profile.points.push_back({batch, Milliseconds(step_ms), Watts(300)});
    step_ms += slope_ms * batch * (0.5 + random.uniform());
  }
  return profile;
}

TEST(TokenLimits, NothingThatKeepsItsPromiseIsBeyondThem) {
  uint32_t kept = 0;
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    Random random(seed);
    const grid::Profile profile = drawn_profile(random);
    const auto replicas = static_cast<uint32_t>(1 + random.below(8));
    const auto p = static_cast<uint32_t>(random.below(profile.points.size()));
    twin::Mix mix;
    double spread_ms = 1e300;
    std::vector<grid::Demand> demands(1 + random.below(3));
    for (grid::Demand& demand : demands) {
      demand.rate_per_s = replicas * 3 * random.uniform();
      demand.prompt_tokens = 100 + 2'000 * random.uniform();
      demand.output_tokens = 1 + 300 * random.uniform();
      const twin::RequestSizes sizes = twin::sizes_of(profile, demand);
      mix.add(sizes, demand.rate_per_s);
      spread_ms = std::min(spread_ms, sizes.prefill_variance / sizes.prefill_ms + sizes.prefill_ms / replicas);
    }
    const twin::RequestSizes sizes = twin::sizes_of(profile, demands[0]);
    const twin::Serving serving = twin::serve(profile, profile.points[p], replicas, mix);
    if (serving.utilization > kUtilizationMax) continue;
    const double quantile = random.chance(0.5) ? 0.95 : 0.99, tpot_ms = serving.tpot_at(sizes, quantile).value();
    std::vector<double> most(p + 2);
    TokenLimits(profile, replicas, spread_ms).find(p, {tpot_ms, quantile, sizes.inverse_output}, most);
    const double share = mix.prefill_s_per_s / replicas;
    const double steps_per_ms = (mix.tokens_per_s - mix.requests_per_s) / replicas * 1e-3;
    EXPECT_LE(share, most[0]) << seed;
    for (uint32_t q = 0; q <= p; ++q)
      EXPECT_LE(share + steps_per_ms * profile.points[q].decode_per_token.value() / profile.points[q].batch,
                most[1 + q] * (1 + 1e-9))
          << seed << " as if full at " << q;
    ++kept;
  }
  EXPECT_GT(kept, 300u);
}

// Likewise of requests that mix as they can: each demand with a promise that its deployment just keeps.
TEST(MixLimits, NoMixThatKeepsItsPromisesIsBeyondThem) {
  uint32_t kept = 0, told_apart = 0;
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    Random random(seed);
    const grid::Profile profile = drawn_profile(random);
    const auto replicas = static_cast<uint32_t>(1 + random.below(8));
    const double steps_of = replicas + static_cast<double>(random.below(3));  // the limits may be those of more
    const auto p = static_cast<uint32_t>(random.below(profile.points.size()));
    twin::Mix mix;
    std::vector<MixRange::One> range;
    double time = 0, spread = 0;
    std::vector<grid::Demand> demands(1 + random.below(4));
    for (grid::Demand& demand : demands) {
      demand.rate_per_s = replicas * 3 * random.uniform();
      demand.prompt_tokens = 100 + 2'000 * random.uniform();
      demand.output_tokens = 1 + 300 * random.uniform();
      const twin::RequestSizes sizes = twin::sizes_of(profile, demand);
      mix.add(sizes, demand.rate_per_s);
      const double each_ms = sizes.prefill_variance / sizes.prefill_ms + sizes.prefill_ms / steps_of;
      const double steps = (demand.output_tokens - 1) / sizes.prefill_ms;
      range.push_back({steps, each_ms});
      time += demand.rate_per_s * sizes.prefill_ms;
      spread += demand.rate_per_s * sizes.prefill_ms * each_ms;
    }
    const twin::RequestSizes sizes = twin::sizes_of(profile, demands[0]);
    const twin::Serving serving = twin::serve(profile, profile.points[p], replicas, mix);
    if (serving.utilization > kUtilizationMax) continue;
    const double quantile = random.chance(0.5) ? 0.95 : 0.99, tpot_ms = serving.tpot_at(sizes, quantile).value();
    std::vector<double> most(profile.points.size() * kDirections.size());
    MixLimits(profile, steps_of, MixRange(range), spread / time).find({tpot_ms, quantile, sizes.inverse_output}, most);
    const grid::OperatingPoint& last = profile.points.back();
    const double steps_per_ms = (mix.tokens_per_s - mix.requests_per_s) / replicas * 1e-3;
    const double share = mix.prefill_s_per_s / replicas;
    const double decoding = steps_per_ms * last.decode_per_token.value() / last.batch;
    for (size_t k = 0; k < kDirections.size(); ++k)
      EXPECT_LE((1 + kDirections[k].spread) * share + kDirections[k].steps * decoding,
                most[p * kDirections.size() + k] * (1 + 1e-9))
          << seed << ' ' << k;
    told_apart += 2 * share + decoding > 0.9 * most[p * kDirections.size()];
    ++kept;
  }
  EXPECT_GT(kept, 300u);
  EXPECT_GT(told_apart * 4, kept) << "limits that hardly bind";
}

// Every mix of some requests lies in the range of its steps; and no range is wider than all of them make it.
TEST(MixRange, IsTheConvexHullOfItsRequests) {
  const MixRange range({{0, 4}, {2, 1}, {2, 3}, {4, 2}, {1, 3}});
  EXPECT_EQ(range.steps_min(), 0);
  EXPECT_EQ(range.steps_max(), 4);
  EXPECT_EQ(range.spread_min_ms(0, 4), 1);
  EXPECT_DOUBLE_EQ(range.spread_min_ms(0, 1), 2.5) << "half of the first and half of the second";
  EXPECT_DOUBLE_EQ(range.spread_min_ms(3, 4), 1.5);
  EXPECT_DOUBLE_EQ(range.spread_max_ms(2, 3), 3);
  EXPECT_DOUBLE_EQ(range.spread_max_ms(1, 1), 3.5);
  const double none = std::numeric_limits<double>::infinity();
  const MixRange open({{1, 4}, {2, 1}, {none, 0}});
  EXPECT_DOUBLE_EQ(open.spread_max_ms(5, 6), 4) << "what needs no prefill adds steps alone";
  EXPECT_EQ(open.steps_max(), none);
  for (uint64_t seed = 0; seed < 1'000; ++seed) {
    Random random(seed);
    std::vector<MixRange::One> all(1 + random.below(6));
    double steps = 0, spread = 0, sum = 0;
    for (MixRange::One& one : all) {
      one = {static_cast<double>(random.below(5)), static_cast<double>(random.below(5))};
      const double part = random.uniform();
      steps += part * one.steps, spread += part * one.spread_ms, sum += part;
    }
    const MixRange drawn(all);
    EXPECT_GE(spread / sum, drawn.spread_min_ms(steps / sum, steps / sum) - 1e-9) << seed;
    EXPECT_LE(spread / sum, drawn.spread_max_ms(steps / sum, steps / sum) + 1e-9) << seed;
  }
}

// A strict promise leaves less than a lenient one, and few replicas less than many.
TEST(TokenLimits, LeaveLessWhereMoreIsPromised) {
  Random random(7);
  const grid::Profile profile = drawn_profile(random);
  const auto allowed = [&](double replicas, double tpot_ms) {
    std::vector<double> most(8);
    TokenLimits(profile, replicas, 200).find(6, {tpot_ms, 0.99, 0.02}, most);
    return most[7];
  };
  const double strict_ms = 1.1 * profile.points[2].decode_per_token.value();
  EXPECT_EQ(allowed(1, 0.5 * profile.points[0].decode_per_token.value()), 0);
  EXPECT_LT(allowed(1, strict_ms), allowed(64, strict_ms));
  EXPECT_LT(allowed(1, strict_ms), allowed(1, 1e6));
  EXPECT_EQ(allowed(1, 1e6), kUtilizationMax);
}

}  // namespace
}  // namespace tandem::planner
