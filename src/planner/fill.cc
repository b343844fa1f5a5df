#include "planner/fill.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"
#include "planner/problem.h"
#include "twin/twin.h"

namespace tandem::planner {
namespace {

constexpr size_t kTailsMax = 16;        // distinct quantiles told apart; with more, all count as the most lenient
constexpr uint32_t kServersMax = 4096;  // more places than this never wait long at kUtilizationMax

}  // namespace

FillLimits::FillLimits(const grid::Snapshot& snapshot) : steps_(static_cast<uint32_t>(kUtilizationMax * kSteps)) {
  std::set<double, std::greater<>> tails;
  for (const grid::Demand& demand : snapshot.demands) tails.insert((1 - demand.promise.quantile) / 2);
  tails_.assign(tails.begin(), tails.end());
  if (tails_.empty()) tails_.push_back(0.5);
  if (tails_.size() > kTailsMax) tails_.resize(1);
  std::set<uint32_t> servers(kReplicaSteps.begin(), kReplicaSteps.end());
  for (const grid::Profile& profile : snapshot.profiles)
    for (size_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p)
      for (const uint32_t n : kReplicaSteps)
        if (uint64_t{n} * profile.points[p].batch <= kServersMax) servers.insert(n * profile.points[p].batch);
  positions_.assign(kServersMax + 1, UINT32_MAX);
  waits_.reserve(servers.size() * tails_.size() * (steps_ + 1));
  for (const uint32_t c : servers) {
    positions_[c] = static_cast<uint32_t>(waits_.size());
    std::vector<double> busy;
    for (uint32_t step = 0; step <= steps_; ++step)
      busy.push_back(twin::erlang_c(c, static_cast<double>(step) / kSteps));
    for (const double tail : tails_) {
      for (uint32_t step = 0; step <= steps_; ++step) {
        const double wait =
            busy[step] > tail ? std::log(busy[step] / tail) / (c * (1 - static_cast<double>(step) / kSteps)) : 0;
        waits_.push_back(wait);
      }
    }
  }
}

uint32_t FillLimits::tail_of(double quantile) const {
  if (tails_.size() == 1) return 0;
  const auto found = std::lower_bound(tails_.begin(), tails_.end(), (1 - quantile) / 2, std::greater<>());
  CHECK(found != tails_.end());
  return static_cast<uint32_t>(found - tails_.begin());
}

double FillLimits::most(uint32_t servers, uint32_t tail, double slack_services) const {
  if (servers > kServersMax) return kUtilizationMax;
  CHECK(positions_[servers] != UINT32_MAX);
  const double* first = &waits_[positions_[servers] + tail * (steps_ + 1)];
  const double* end = first + steps_ + 1;
  const double* beyond = std::upper_bound(first, end, slack_services);
  return beyond == end ? kUtilizationMax : static_cast<double>(beyond - first) / kSteps;
}

}  // namespace tandem::planner
