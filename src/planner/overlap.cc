// Make before break: what two plans run beside each other while one gives way to the other.
#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "planner/problem.h"
#include "planner/schedule.h"

namespace tandem::planner {
namespace {

// What pools and sites have left beside the replicas that run.
class RoomLeft {
 public:
  explicit RoomLeft(const grid::Snapshot& snapshot) : snapshot_(snapshot) {
    for (const grid::Site& site : snapshot.sites)
      kilowatts_.push_back(std::min(site.power_limit.value(), site.cooling_limit.value()));
    for (const grid::Pool& pool : snapshot.pools) {
      const uint32_t reserve = std::min(pool.count, radio_reserve_max(pool));
      accelerators_.push_back(pool.count - reserve);
      kilowatts_[pool.site.value] -= reserve * peak_kw(pool);
    }
  }

  // As many of so many replicas as there is room for, and takes it.
  uint32_t take(const v1::PlannedDeployment& row, uint32_t replicas) {
    const auto at = snapshot_.pools.find(row.pool());
    if (!at.valid()) return 0;
    const grid::Pool& pool = snapshot_.pools[at];
    const uint32_t accelerators = std::max(1u, row.tensor_parallel());
    const double kilowatts = peak_kw(pool) * accelerators;
    const double fitting = kilowatts > 0 ? std::max(0.0, kilowatts_[pool.site.value] / kilowatts + 1e-9)
                                         : std::numeric_limits<double>::infinity();
    const auto taken = static_cast<uint32_t>(std::min(
        {static_cast<double>(replicas), static_cast<double>(accelerators_[at.value] / accelerators), fitting}));
    accelerators_[at.value] -= taken * accelerators;
    kilowatts_[pool.site.value] -= taken * kilowatts;
    return taken;
  }

 private:
  double peak_kw(const grid::Pool& pool) const {
    return snapshot_.accelerators[pool.accelerator].peak_power.value() * 1e-3;
  }

  const grid::Snapshot& snapshot_;
  std::vector<uint32_t> accelerators_;  // by pool
  std::vector<double> kilowatts_;       // by site, worst case
};

}  // namespace

v1::Plan with_replicas_of(const grid::Snapshot& snapshot, v1::Plan plan, const v1::Plan& other) {
  RoomLeft room(snapshot);
  std::map<std::string, v1::PlannedDeployment*, std::less<>> rows;
  for (v1::PlannedDeployment& row : *plan.mutable_deployments()) {
    room.take(row, row.replicas());
    rows[row.id()] = &row;
  }
  std::vector<v1::PlannedDeployment> added;
  for (const v1::PlannedDeployment& wanted : other.deployments()) {
    const auto found = rows.find(wanted.id());
    const uint32_t running = found == rows.end() ? 0 : found->second->replicas();
    if (wanted.replicas() <= running) continue;
    const uint32_t taken = room.take(wanted, wanted.replicas() - running);
    if (taken == 0) continue;
    if (found != rows.end()) {
      found->second->set_replicas(running + taken);
    } else {
      added.push_back(wanted);
      added.back().set_replicas(taken);
    }
  }
  for (v1::PlannedDeployment& row : added) *plan.add_deployments() = std::move(row);
  return plan;
}

}  // namespace tandem::planner
