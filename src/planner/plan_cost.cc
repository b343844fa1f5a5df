// What a plan costs by its rows, worked out by code that no search uses.
#include <map>
#include <string_view>
#include <utility>

#include "planner/certificate.h"
#include "planner/problem.h"
#include "twin/twin.h"

namespace tandem::planner {

double cost_of(const grid::Snapshot& s, const v1::Plan& plan) {
  double eur = plan.moves() * s.policy.move_penalty.value();
  std::map<std::string_view, std::pair<const v1::PlannedDeployment*, twin::Mix>> mixes;
  for (const v1::PlannedDeployment& row : plan.deployments()) mixes[row.id()].first = &row;
  twin::Networks networks(s);
  for (const v1::DemandPlan& row : plan.demands()) {
    const auto d = s.demands.find(row.demand());
    if (!d.valid()) continue;
    const grid::Demand& demand = s.demands[d];
    const double requests = demand.rate_per_s * 3600;
    eur += row.rejected() * rejection_eur_per_hour(s, demand);
    const twin::RegionReach reach = networks.reach(demand.flex_algo, demand.region);
    for (const v1::PlannedSplit& split : row.splits()) {
      const auto found = mixes.find(split.deployment());
      if (found == mixes.end()) continue;
      const auto pool = s.pools.find(found->second.first->pool());
      const auto profile = s.profiles.find(found->second.first->profile());
      if (!pool.valid() || !profile.valid() || !reach.reachable(s.pools[pool].node)) continue;
      found->second.second.add(s.profiles[profile], demand, split.fraction());
      double euros_per_byte = reach.tree->euros_per_byte(s.pools[pool].node);
      if (split.has_primary()) {
        euros_per_byte = 0;
        for (const std::string& id : split.primary().links())
          if (const auto link = s.links.find(id); link.valid()) euros_per_byte += s.links[link].cost.value() * 1e-9;
      }
      eur += split.fraction() * requests * (demand.upload_bytes + demand.download_bytes) * euros_per_byte;
    }
  }
  for (const auto& [id, entry] : mixes) {
    const auto& [row, mix] = entry;
    const auto pool = s.pools.find(row->pool());
    const auto profile = s.profiles.find(row->profile());
    if (!pool.valid() || !profile.valid()) continue;
    const auto& points = s.profiles[profile].points;
    const auto point = std::find_if(points.begin(), points.end(),
                                    [&, wanted = row](const auto& p) { return p.batch == wanted->batch(); });
    if (point == points.end()) continue;
    const grid::Accelerator& accelerator = s.accelerators[s.pools[pool].accelerator];
    const grid::Site& site = s.sites[s.pools[pool].site];
    const double each = std::max(1u, row->tensor_parallel());
    const double watts =
        twin::average_power(s.profiles[profile], *point, accelerator.idle_power * each, row->replicas(), mix).value();
    eur += row->replicas() * accelerator.price.value() * each + watts * 1e-3 * site.pue * site.power_price.value();
  }
  return eur;
}

}  // namespace tandem::planner
