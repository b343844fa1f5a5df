#include "planner/fill.h"

#include <algorithm>

#include "base/check.h"
#include "planner/problem.h"
#include "twin/twin.h"

namespace tandem::planner {
namespace {

constexpr uint32_t kSharesPerWhole = 200;
constexpr auto kShares = static_cast<std::ptrdiff_t>(kUtilizationMax * kSharesPerWhole) + 1;

}  // namespace

FillLimits::FillLimits() {
  for (const uint32_t replicas : kReplicaSteps)
    for (std::ptrdiff_t i = 0; i < kShares; ++i)
      waits_.push_back(twin::prefill_wait(replicas, static_cast<double>(i) / kSharesPerWhole));
}

double FillLimits::most(uint32_t step, double slack) const {
  CHECK(step < kReplicaSteps.size());
  const auto first = waits_.begin() + step * kShares, end = first + kShares;
  const auto beyond = std::upper_bound(first, end, slack);
  return beyond == end ? kUtilizationMax : static_cast<double>(beyond - first) / kSharesPerWhole;
}

}  // namespace tandem::planner
