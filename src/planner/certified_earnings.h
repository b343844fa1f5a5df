// What a deployment can earn at given prices at the most, for the certificate: worked out apart from the relaxation's
// own way (fill.h says what both prove by).
#pragma once

#include <array>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "planner/problem.h"

namespace tandem::planner::certified {

inline constexpr double kNone = std::numeric_limits<double>::infinity();

// What serving one demand at one operating point of a deployment would earn and take, at the prices.
struct Column {
  uint32_t demand = 0;
  double gain = 0;                // €/h
  double prefill = 0, steps = 0;  // of one replica: seconds a second, of decoding a ms
  double slack_ms = 0;
  std::array<double, 3> promise{};        // ms a token, its quantile, the mean of 1 / tokens
  double unevenness_ms = 0, mean_ms = 0;  // of prefills: variance / mean, mean
  double spread = 0;                      // beside the mean spread of all that may come
  std::vector<double> most;               // by measure (fill.h), mixed ones last: what its promises allow
};

// What the demands that may run on a profile ask for, each for one second of prefills: decode steps a ms; and how
// unevenly their prefills come.
struct Range {
  struct One {
    double steps = 0, mean_ms = 0, unevenness_ms = 0;  // variance / mean
    auto operator<=>(const One&) const = default;
  };
  std::set<One> prefills;
  double least_ms = kNone;  // of mean and unevenness together
  double steps_min = kNone, steps_max = 0;
  double time = 0, time_mean = 0, time_unevenness = 0;
  double steps = 0;  // of all, a ms

  // Of decoding: no replica is asked for more, as it prefills too.
  double steps_beside_prefills() const { return time < 1 ? steps / (1 - time) * (1 + 1e-9) : kNone; }

  double mean_spread(double n) const { return time > 0 ? (time_unevenness + time_mean / n) / time : 1; }
};

// How unevenly prefills come at n replicas, of whatever mixes of a range: least and most of those with a number of
// steps between two, which lie in the convex hull of all.
class Spreads {
 public:
  Spreads(const Range& range, double n);
  std::pair<double, double> between(double from, double to) const;

 private:
  using Edge = std::vector<std::pair<double, double>>;  // of the hull by steps, convex: spread, or less than none
  static Edge wrapped(const std::vector<std::pair<double, double>>& points);
  static double least(const Edge& edge, double from, double to);

  Edge below_, above_;  // the latter with its sign changed
  bool open_ = false;   // some need no prefills: steps alone may be added
};

// The largest prefill share, in steps rounded up, at which prefills ahead take no more than that on average.
class Shares {
 public:
  double most(uint32_t replicas, double waits);

 private:
  std::map<uint32_t, std::vector<double>> rows_;
};

// Of a column by a measure, in replicas.
double weight(const grid::Profile& profile, const Column& c, size_t measure, size_t point);

// What a promise on time per token allows each of n replicas at a point, by measure, as fill.h defines it; likewise for
// mixed measures: of all shares of prefills, batches up to that point, and mixes in the range, what keeps the promise.
std::vector<double> allowed_by_tokens(const grid::Profile& profile, size_t p, double n, double spread_ms,
                                      const std::array<double, 3>& promise);
std::vector<double> allowed_by_mix(const grid::Profile& profile, size_t p, double n, const Range& range,
                                   const Spreads& spreads, const std::array<double, 3>& promise);

// By n replicas at a point, with whatever of the columns serves best.
double most_earned(const grid::Profile& profile, size_t p, const std::vector<Column>& columns, double n);

}  // namespace tandem::planner::certified
