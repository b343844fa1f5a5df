#include "app/emulated_engines.h"

#include <map>

namespace tandem::app {
namespace {

// The fraction of prompt tokens found in cache at each deployment: the mean over what the plan sends there, by tokens.
std::map<std::string, double, std::less<>> prefix_hits(const grid::Snapshot& grid, const v1::Plan& plan) {
  struct Sum {
    double tokens = 0;
    double hits = 0;
  };
  std::map<std::string, Sum, std::less<>> sums;
  for (const v1::DemandPlan& planned : plan.demands()) {
    const grid::DemandIndex index = grid.demands.find(planned.demand());
    if (!index.valid()) continue;
    const grid::Demand& demand = grid.demands[index];
    for (const v1::PlannedSplit& split : planned.splits()) {
      Sum& sum = sums[split.deployment()];
      const double tokens = demand.rate_per_s * split.fraction() * demand.prompt_tokens;
      sum.tokens += tokens;
      sum.hits += tokens * demand.prefix_hit;
    }
  }
  std::map<std::string, double, std::less<>> hits;
  for (const auto& [deployment, sum] : sums)
    if (sum.tokens > 0) hits[deployment] = sum.hits / sum.tokens;
  return hits;
}

}  // namespace

std::vector<runtime::EngineSpec> emulated_engines(const grid::Snapshot& grid, const v1::Plan& plan) {
  const auto hits = prefix_hits(grid, plan);
  std::vector<runtime::EngineSpec> specs;
  for (const v1::PlannedDeployment& planned : plan.deployments()) {
    const grid::PoolIndex pool = grid.pools.find(planned.pool());
    const grid::ModelIndex model = grid.models.find(planned.model());
    const grid::ProfileIndex profile = grid.profiles.find(planned.profile());
    // The plan was verified on an earlier state; what has left the grid since needs no engine.
    if (!pool.valid() || !model.valid() || !profile.valid() || planned.replicas() == 0) continue;
    if (!grid.pools[pool].engine_url.empty()) continue;
    runtime::EngineSpec spec;
    spec.pool = grid.pools[pool].id;
    spec.site = grid.sites[grid.pools[pool].site].id;
    spec.model = grid.models[model];
    spec.profile = grid.profiles[profile];
    spec.replicas = planned.replicas();
    if (const auto hit = hits.find(planned.id()); hit != hits.end()) spec.prefix_hit = hit->second;
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace tandem::app
