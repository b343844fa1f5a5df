// What promises on time per token leave of the replicas of each profile (fill.h), kept between plans: it follows from
// profiles and from what requests are like, not from the network, and after a failure takes longer to work out than all
// else of a bound.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "planner/fill.h"

namespace tandem::planner {

// How unevenly the prefills of the demands that may use a profile come.
struct Prefills {
  struct One {
    // Decode steps a ms for each replica-second a second of prefills; infinite: of requests that need no prefill.
    double steps = 0;
    double mean_ms = 0, unevenness_ms = 0;  // variance / mean
    auto operator<=>(const One&) const = default;
    double spread_ms(double replicas) const { return unevenness_ms + mean_ms / replicas; }
  };
  std::set<One> all;
  double time = 0, time_mean_ms = 0, time_unevenness_ms = 0;  // sums of prefills, and weighted by them
  bool operator==(const Prefills&) const = default;
};

// All that the limits of a profile follow from.
struct PromisesAsked {
  grid::Profile profile;
  size_t last_step = 0;  // of replicas: in kReplicaSteps, or one beyond
  Prefills prefills;
  std::vector<TokenPromise> promises;
  bool operator==(const PromisesAsked&) const = default;
};

// The replicas of a step: kReplicasBeyond past the last.
double replicas_of_step(size_t step);

class PromiseLimits {
 public:
  // O(steps × promises × cells of fill.h): milliseconds.
  explicit PromiseLimits(PromisesAsked asked);

  const PromisesAsked& asked() const { return asked_; }
  double spread_ms(size_t step) const { return spread_ms_[step]; }  // mean, of all prefills
  // Of a promise, by its position; at a step and a point, by measure: those of TokenLimits, or those of MixLimits.
  const double* by_tokens(size_t promise, size_t step, uint32_t point) const;
  const double* by_mix(size_t promise, size_t step, uint32_t point) const;

 private:
  PromisesAsked asked_;
  size_t points_ = 0;
  std::vector<double> spread_ms_;               // by step
  std::vector<std::vector<double>> by_tokens_;  // by promise; then step, point and measure
  std::vector<std::vector<double>> by_mix_;
};

// The last limits of each profile, by its position. May be asked by several threads.
class KeptLimits {
 public:
  // Those of what is asked; worked out where it is not what was asked of that profile last.
  std::shared_ptr<const PromiseLimits> of(size_t profile, PromisesAsked asked);
  // Forgets those of profiles from there on, which a grid no longer has.
  void trim(size_t profiles);

 private:
  std::mutex mutex_;  // guards what follows
  std::vector<std::shared_ptr<const PromiseLimits>> last_;
};

}  // namespace tandem::planner
