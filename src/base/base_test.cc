#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "base/diagnostics.h"
#include "base/digest.h"
#include "base/histogram.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "base/units.h"

namespace tandem {
namespace {

TEST(Result, EveryCodeIsInTheTable) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    const auto& description = describe(static_cast<ErrorCode>(code));
    EXPECT_FALSE(description.name.empty());
    EXPECT_GE(description.http_status, 400);
    EXPECT_LT(description.http_status, 600);
  }
  EXPECT_EQ(describe(ErrorCode::internal).name, "internal");
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorCode::invalid_argument, "odd", "half");
  return n / 2;
}

Result<int> quarter(int n) {
  TANDEM_ASSIGN(const int first, half(n));
  TANDEM_TRY(half(first));
  return half(first);
}

TEST(Result, TryAndAssignPassTheErrorOn) {
  EXPECT_EQ(*quarter(8), 2);
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(to_string(quarter(6).error()), "invalid_argument: odd (half)");
}

TEST(Diagnostics, NamePlaceAndFix) {
  const Diagnostic d{Diagnostic::Severity::error, "grid.yaml", 12, "no site 'x'", "did you mean 'y'?"};
  EXPECT_EQ(to_string(d), "grid.yaml:12: error: no site 'x'; did you mean 'y'?");
  EXPECT_TRUE(has_errors({d}));
  EXPECT_FALSE(has_errors({{Diagnostic::Severity::warning, "f", 1, "m", ""}}));
}

TEST(Digest, MatchesThePublishedVector) {  // FIPS 180-4, "abc"
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(*digest_from_hex(to_hex(sha256("abc"))), sha256("abc"));
  EXPECT_FALSE(digest_from_hex("ba78"));
  EXPECT_EQ(Hasher().update("a").update("bc").finish(), sha256("abc"));
}

TEST(Random, OneSeedOneSequence) {
  Random a(1), b(1), c(2);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint32_t x = a.next();
    EXPECT_EQ(x, b.next());
    differs |= x != c.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, DistributionsHaveTheirMoments) {
  Random random(5);
  constexpr int kDraws = 200'000;
  double uniform = 0, exponential = 0, normal = 0, normal_square = 0;
  for (int i = 0; i < kDraws; ++i) {
    uniform += random.uniform();
    exponential += random.exponential(3);
    const double x = random.normal(1, 2);
    normal += x;
    normal_square += (x - 1) * (x - 1);
  }
  EXPECT_NEAR(uniform / kDraws, 0.5, 0.005);
  EXPECT_NEAR(exponential / kDraws, 3, 0.04);
  EXPECT_NEAR(normal / kDraws, 1, 0.03);
  EXPECT_NEAR(normal_square / kDraws, 4, 0.08);
}

TEST(Histogram, PercentilesAreWithinTheStatedError) {
  Random random(9);
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(static_cast<uint64_t>(random.exponential(80'000)));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double quantile : {0.0, 0.5, 0.95, 0.99, 1.0}) {
    const auto rank = static_cast<size_t>(std::max(1.0, std::ceil(quantile * 50'000))) - 1;
    const auto exact = static_cast<double>(values[rank]);
    EXPECT_NEAR(static_cast<double>(histogram.percentile(quantile)), exact, exact * 0.016 + 1) << quantile;
  }
  EXPECT_EQ(Histogram().percentile(0.5), 0u);
  histogram.record(UINT64_MAX);
  EXPECT_EQ(histogram.max(), UINT64_MAX);
}

TEST(Metrics, PrintInPrometheusForm) {
  Metrics metrics;
  metrics.counter("tandem_requests_total", "Requests.", {{"site", "a\"b"}}).add(3);
  metrics.histogram("tandem_ttft_seconds", "Time to first token.", {}, {0.1, 1}).record(0.5);
  const std::string text = metrics.prometheus_text();
  EXPECT_NE(text.find("# TYPE tandem_requests_total counter"), std::string::npos);
  EXPECT_NE(text.find("tandem_requests_total{site=\"a\\\"b\"} 3"), std::string::npos);
  EXPECT_NE(text.find("tandem_ttft_seconds_bucket{le=\"0.1\"} 0"), std::string::npos);
  EXPECT_NE(text.find("tandem_ttft_seconds_bucket{le=\"+Inf\"} 1"), std::string::npos);
}

TEST(Metrics, LabelSetsAreBounded) {
  Metrics metrics;
  for (size_t i = 0; i < Metrics::kSeriesMax + 10; ++i) metrics.counter("c", "C.", {{"l", std::to_string(i)}}).add();
  EXPECT_EQ(metrics.counter("c", "C.", {{"l", "other"}}).value(), 10u);
}

TEST(Metrics, CountsFromManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) metrics.counter("c", "C.").add();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(metrics.counter("c", "C.").value(), 40'000u);
}

TEST(Units, DoNotMix) {
  static_assert(!std::is_constructible_v<Microseconds, Milliseconds>);
  EXPECT_EQ(to_milliseconds(Microseconds(1500)), Milliseconds(1.5));
  EXPECT_EQ(Gbps(10) / Gbps(4), 2.5);
}

}  // namespace
}  // namespace tandem
