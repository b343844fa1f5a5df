// How full replicas may be before the waits ahead of them break a promise: what makes a small deployment dearer than
// its share of a large one.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "grid/snapshot.h"

namespace tandem::planner {

// Numbers of replicas that are told apart; beyond the last, waits are left out.
inline constexpr std::array<uint32_t, 10> kReplicaSteps{1, 2, 3, 4, 6, 8, 12, 16, 24, 32};

// The largest utilisation, at most kUtilizationMax, at which the wait in M/M/c (twin::erlang_c) stays within a number
// of mean service times for all but a tail: rounded up to the next of 200 steps, so never less than it is. By a table
// for each (servers, tail) of the increasing function ln(C(c, ρ) / tail) / (c · (1 − ρ)).
class FillLimits {
 public:
  explicit FillLimits(const grid::Snapshot& snapshot);

  uint32_t tail_of(
      double quantile) const;  // position for `most`; both waits share the tail evenly, as in twin::Serving
  // `servers` must be one of kReplicaSteps, or one times the batch of a profile.
  double most(uint32_t servers, uint32_t tail, double slack_services) const;

 private:
  static constexpr uint32_t kSteps = 200;
  std::vector<uint32_t> positions_;  // by servers, where small
  std::vector<double> tails_;        // descending: the most lenient first
  std::vector<double> waits_;        // servers × tails × steps, in mean service times
  uint32_t steps_ = 0;               // up to kUtilizationMax
};

}  // namespace tandem::planner
