#include "gateway/trial_comparison.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "gateway/trial_report.h"

namespace tandem::gateway {
namespace {

TrialSample answered(double ttft_ms, uint64_t tokens = 100) {
  TrialSample sample;
  sample.ok = true;
  sample.ttft = Microseconds(ttft_ms * 1e3);
  sample.output_tokens = tokens;
  sample.cost = Euros(static_cast<double>(tokens) * 1e-6);
  return sample;
}

TrialDifference measure(const TrialReport& report, std::string_view name) {
  for (const TrialDifference& difference : compare(report))
    if (difference.measure == name) return difference;
  ADD_FAILURE() << "no measure " << name;
  return {};
}

TEST(TrialComparison, KnownIntervals) {
  const auto share = share_estimate(10, 100);
  EXPECT_NEAR(share->low, 0.0552, 1e-4);  // Newcombe 1998, Wilson's
  EXPECT_NEAR(share->high, 0.1744, 1e-4);
  EXPECT_EQ(share_estimate(0, 20)->low, 0);
  EXPECT_EQ(share_estimate(0, 0).has_value(), false);
  // Values 1 to 100: the median lies between the 40th and the 61st, but for 5 %.
  Histogram values;
  for (uint64_t v = 1; v <= 100; ++v) values.record(v * 1'000);
  const auto median = quantile_estimate(values, 0.5);
  EXPECT_NEAR(median->low, 40'000, 1'300);
  EXPECT_NEAR(median->high, 61'000, 2'000);
  EXPECT_NEAR(mean_estimate(100, 5'050, 338'350)->high - 50.5, 1.96 * 29.01 / 10, 0.01);
}

TEST(TrialComparison, SaysSoWhereRequestsAreTooFew) {
  TrialReport report;
  for (int i = 0; i < 40; ++i) {
    report.base.add(answered(100 + i));
    report.candidate.add(answered(300 + i));
  }
  EXPECT_TRUE(measure(report, "ttft_ms_p50").told_apart());
  const TrialDifference p95 = measure(report, "ttft_ms_p95");
  EXPECT_NEAR(*p95.difference, 200, 10);
  EXPECT_FALSE(p95.difference_low) << "40 requests say nothing of a p95";
  EXPECT_FALSE(p95.told_apart());
  EXPECT_FALSE(measure(report, "tpot_ms_p50").base) << "nothing was streamed to its second token";
  EXPECT_TRUE(to_json(p95)["difference_low"].is_null());
}

TEST(TrialComparison, FailuresAreSharesOfWhatWasSent) {
  TrialReport report;
  TrialSample dropped;
  dropped.dropped = true;
  for (int i = 0; i < 200; ++i) {
    report.base.add(answered(100));
    report.candidate.add(i % 10 == 0 ? TrialSample() : answered(100));
    report.candidate.add(dropped);
  }
  const TrialDifference failed = measure(report, "failed_fraction");
  EXPECT_DOUBLE_EQ(*failed.candidate, 0.1);
  EXPECT_TRUE(failed.told_apart());
  EXPECT_GT(*failed.difference_low, 0.04);
  EXPECT_FALSE(measure(report, "ttft_ms_p50").told_apart());
}

// The intervals keep their word: of sides that differ in nothing, few are told apart; of those that do, most.
TEST(TrialComparison, ErrsAboutOneTimeInTwenty) {
  Random random(7);
  const auto side = [&](double slower) {
    TrialTally tally;
    for (int i = 0; i < 300; ++i) tally.add(answered(slower * (50 + random.exponential(100)), 1 + random.below(200)));
    return tally;
  };
  int wrong = 0, looked = 0, seen = 0;
  for (int trial = 0; trial < 200; ++trial) {
    TrialReport same, slower;
    same.base = slower.base = side(1);
    same.candidate = side(1);
    slower.candidate = side(1.5);
    for (const TrialDifference& difference : compare(same)) {
      if (!difference.difference_low || difference.measure == "failed_fraction") continue;
      ++looked;
      wrong += difference.told_apart();
    }
    seen += measure(slower, "ttft_ms_p50").told_apart();
  }
  EXPECT_EQ(looked, 4 * 200);
  EXPECT_GT(wrong, looked / 100);
  EXPECT_LT(wrong, looked * 8 / 100);
  EXPECT_GT(seen, 190);
}

}  // namespace
}  // namespace tandem::gateway
