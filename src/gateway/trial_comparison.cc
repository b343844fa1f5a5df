#include "gateway/trial_comparison.h"

#include <algorithm>
#include <cmath>

#include "gateway/trial_report.h"

namespace tandem::gateway {
namespace {

constexpr double kZ = 1.959964;           // of the normal distribution, two-sided, at 95 %
constexpr uint64_t kMeanCountMin = 30;    // below, a mean of skewed values is not normal
constexpr double kBucketHalf = 0.5 / 64;  // of a value: how far from it its histogram may have it
constexpr double kMillisecondsPerMicro = 1e-3;

using Figure = std::optional<double>;

Json or_null(const Figure& figure) { return figure ? Json(*figure) : Json(); }

// Both sides of one measure.
struct Sides {
  Figure base, candidate;
  std::optional<Estimate> base_estimate, candidate_estimate;
};

TrialDifference difference_of(std::string_view measure, const Sides& sides) {
  TrialDifference made;
  made.measure = measure;
  made.base = sides.base;
  made.candidate = sides.candidate;
  if (!sides.base || !sides.candidate) return made;
  made.difference = *sides.candidate - *sides.base;
  if (!sides.base_estimate || !sides.candidate_estimate) return made;
  const Estimate& b = *sides.base_estimate;
  const Estimate& c = *sides.candidate_estimate;
  made.difference_low = *made.difference - std::hypot(c.value - c.low, b.high - b.value);
  made.difference_high = *made.difference + std::hypot(c.high - c.value, b.value - b.low);
  return made;
}

TrialDifference compare_shares(std::string_view measure, const TrialTally& base, const TrialTally& candidate) {
  const auto share = [](const TrialTally& side) { return share_estimate(side.failed, side.ok + side.failed); };
  Sides sides;
  sides.base_estimate = share(base);
  sides.candidate_estimate = share(candidate);
  if (sides.base_estimate) sides.base = sides.base_estimate->value;
  if (sides.candidate_estimate) sides.candidate = sides.candidate_estimate->value;
  return difference_of(measure, sides);
}

TrialDifference compare_times(std::string_view measure, const Histogram& base_us, const Histogram& candidate_us,
                              double quantile) {
  const auto figure = [&](const Histogram& times_us) -> Figure {
    if (times_us.count() == 0) return std::nullopt;
    return static_cast<double>(times_us.percentile(quantile)) * kMillisecondsPerMicro;
  };
  const auto estimate = [&](const Histogram& times_us) {
    auto in_us = quantile_estimate(times_us, quantile);
    if (in_us)
      for (double* end : {&in_us->value, &in_us->low, &in_us->high}) *end *= kMillisecondsPerMicro;
    return in_us;
  };
  return difference_of(measure, {figure(base_us), figure(candidate_us), estimate(base_us), estimate(candidate_us)});
}

TrialDifference compare_means(std::string_view measure, const TrialTally& base, const TrialTally& candidate,
                              const auto& moments_of) {
  const auto figure = [&](const TrialTally& side) -> Figure {
    if (side.ok == 0) return std::nullopt;
    return moments_of(side).first / static_cast<double>(side.ok);
  };
  const auto estimate = [&](const TrialTally& side) {
    const auto [sum, squares] = moments_of(side);
    return mean_estimate(side.ok, sum, squares);
  };
  return difference_of(measure, {figure(base), figure(candidate), estimate(base), estimate(candidate)});
}

}  // namespace

std::optional<Estimate> share_estimate(uint64_t hits, uint64_t count) {
  if (count == 0) return std::nullopt;
  const auto n = static_cast<double>(count);
  const double p = static_cast<double>(hits) / n;
  const double scale = 1 + kZ * kZ / n;
  const double middle = (p + kZ * kZ / (2 * n)) / scale;
  const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n)) / scale;
  return Estimate{p, std::clamp(middle - half, 0.0, p), std::clamp(middle + half, p, 1.0)};
}

std::optional<Estimate> quantile_estimate(const Histogram& values, double quantile) {
  const auto n = static_cast<double>(values.count());
  const double spread = kZ * std::sqrt(n * quantile * (1 - quantile));
  const double low_rank = std::floor(n * quantile - spread);
  const double high_rank = std::ceil(n * quantile + spread) + 1;
  if (low_rank < 1 || high_rank > n) return std::nullopt;
  const auto at_rank = [&](double rank) { return static_cast<double>(values.percentile((rank - 0.5) / n)); };
  // A value is known to its bucket: two buckets side by side may hold values that hardly differ.
  return Estimate{static_cast<double>(values.percentile(quantile)), at_rank(low_rank) * (1 - kBucketHalf),
                  at_rank(high_rank) * (1 + kBucketHalf)};
}

std::optional<Estimate> mean_estimate(uint64_t count, double sum, double sum_of_squares) {
  if (count < kMeanCountMin) return std::nullopt;
  const auto n = static_cast<double>(count);
  const double mean = sum / n;
  const double variance = std::max(0.0, (sum_of_squares - sum * mean) / (n - 1));
  const double half = kZ * std::sqrt(variance / n);
  return Estimate{mean, mean - half, mean + half};
}

bool TrialDifference::told_apart() const {
  return difference_low && difference_high && (*difference_low > 0 || *difference_high < 0);
}

std::vector<TrialDifference> compare(const TrialReport& report) {
  const TrialTally& base = report.base;
  const TrialTally& candidate = report.candidate;
  const auto tokens = [](const TrialTally& side) {
    return std::pair(static_cast<double>(side.output_tokens), side.output_tokens_squared);
  };
  const auto euros = [](const TrialTally& side) { return std::pair(side.cost.value(), side.cost_eur_squared); };
  return {compare_shares("failed_fraction", base, candidate),
          compare_times("ttft_ms_p50", base.ttft_us, candidate.ttft_us, 0.5),
          compare_times("ttft_ms_p95", base.ttft_us, candidate.ttft_us, 0.95),
          compare_times("tpot_ms_p50", base.tpot_us, candidate.tpot_us, 0.5),
          compare_times("tpot_ms_p95", base.tpot_us, candidate.tpot_us, 0.95),
          compare_means("output_tokens_per_answer", base, candidate, tokens),
          compare_means("eur_per_answer", base, candidate, euros)};
}

Json to_json(const TrialDifference& difference) {
  return Json::Object{{"measure", difference.measure},
                      {"base", or_null(difference.base)},
                      {"candidate", or_null(difference.candidate)},
                      {"difference", or_null(difference.difference)},
                      {"difference_low", or_null(difference.difference_low)},
                      {"difference_high", or_null(difference.difference_high)},
                      {"told_apart", difference.told_apart()}};
}

}  // namespace tandem::gateway
