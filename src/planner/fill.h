// How much of their time replicas may spend on prefills before the prompts behind them break a promise: what makes a
// small deployment dearer than its share of a large one.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace tandem::planner {

// Numbers of replicas that are told apart; beyond the last, waits are left out.
inline constexpr std::array<uint32_t, 10> kReplicaSteps{1, 2, 3, 4, 6, 8, 12, 16, 24, 32};

// The largest share, at most kUtilizationMax, at which twin::prefill_wait stays within a number of E[S²] / E[S]:
// rounded up to the next of 200 steps, so never less than it is.
class FillLimits {
 public:
  FillLimits();

  // `step`: position in kReplicaSteps.
  double most(uint32_t step, double slack) const;

 private:
  std::vector<double> waits_;  // replicas × shares
};

}  // namespace tandem::planner
