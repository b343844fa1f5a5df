// Whether what differs between the two sides of a trial can be told from noise, with as many requests as there were.
//
// Each figure has a 95 % interval of its own: a share Wilson's (1927); a quantile that between two order statistics,
// which holds for any distribution (David & Nagaraja, Order Statistics, 2003); a mean that of the normal distribution,
// from thirty values. The interval of the difference is put together from both (method of variance estimates recovery;
// Newcombe 1998, Zou & Donner 2008). O(buckets of a histogram).
//
// Of twenty measures that do not differ one looks as if it did, and more often where one looks again and again: what is
// barely told apart deserves more requests. A shadow's copies are taken for other requests than their originals, which
// makes its intervals wider than they need be.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/histogram.h"
#include "base/json.h"

namespace tandem::gateway {

struct TrialReport;

struct Estimate {
  double value = 0;
  double low = 0, high = 0;  // the interval, value within
};

// Of `hits` among `count`. Nothing of none.
std::optional<Estimate> share_estimate(uint64_t hits, uint64_t count);
// The quantile in (0, 1). Nothing where there are too few values for both ends: 6 for the median, 73 for p95.
std::optional<Estimate> quantile_estimate(const Histogram& values, double quantile);
// The mean of `count` values with that sum and that sum of squares. Nothing below 30.
std::optional<Estimate> mean_estimate(uint64_t count, double sum, double sum_of_squares);

struct TrialDifference {
  std::string_view measure;                               // "failed_fraction", "ttft_ms_p50", …
  std::optional<double> base, candidate;                  // in the measure's unit; nothing where nothing was measured
  std::optional<double> difference;                       // candidate - base
  std::optional<double> difference_low, difference_high;  // its interval; nothing: too few requests
  bool told_apart() const;                                // from no difference
};

// Failures, time to first token and per token at p50 and p95, output tokens and cost of an answer.
std::vector<TrialDifference> compare(const TrialReport& report);

Json to_json(const TrialDifference& difference);

}  // namespace tandem::gateway
