#include "planner/totals.h"

#include <algorithm>

#include "planner/problem.h"

namespace tandem::planner {
namespace {

constexpr double kHour = 3600;

double per_token(double per_hour, double tokens_per_s) {
  return tokens_per_s > 0 ? per_hour / kHour / tokens_per_s : 0;
}

}  // namespace

double Totals::eur_per_million_tokens() const {
  const double eur = accelerators_eur_per_hour + energy_eur_per_hour + transport_eur_per_hour;
  return 1e6 * per_token(eur, output_tokens_per_s);
}

double Totals::joules_per_token() const { return per_token(power_kw * 3.6e6, output_tokens_per_s); }

double Totals::carbon_g_per_million_tokens() const {
  return 1e6 * per_token(carbon_kg_per_hour * 1e3, output_tokens_per_s);
}

Totals totals_of(const grid::Snapshot& snapshot, const v1::Plan& plan) {
  Totals totals;
  for (const v1::PlannedDeployment& row : plan.deployments()) {
    const grid::PoolIndex index = snapshot.pools.find(row.pool());
    if (!index.valid()) continue;
    const grid::Pool& pool = snapshot.pools[index];
    const grid::Site& site = snapshot.sites[pool.site];
    const double kilowatts = row.power_w() * 1e-3 * site.pue;
    totals.power_kw += kilowatts;
    totals.energy_eur_per_hour += kilowatts * site.power_price.value();
    totals.carbon_kg_per_hour += kilowatts * site.carbon.value() * 1e-3;
    totals.accelerators_eur_per_hour += static_cast<double>(row.replicas()) * row.tensor_parallel() *
                                        snapshot.accelerators[pool.accelerator].price.value();
  }
  for (const v1::DemandPlan& planned : plan.demands()) {
    const grid::DemandIndex index = snapshot.demands.find(planned.demand());
    if (!index.valid()) continue;
    const grid::Demand& demand = snapshot.demands[index];
    totals.output_tokens_per_s += demand.rate_per_s * demand.output_tokens * (1 - planned.rejected());
    totals.penalties_eur_per_hour += rejection_eur_per_hour(snapshot, demand) * planned.rejected();
  }
  totals.moves_eur_per_hour = plan.moves() * snapshot.policy.move_penalty.value();
  totals.transport_eur_per_hour =
      std::max(0.0, plan.cost_eur_per_hour() - totals.accelerators_eur_per_hour - totals.energy_eur_per_hour -
                        totals.penalties_eur_per_hour - totals.moves_eur_per_hour);
  return totals;
}

}  // namespace tandem::planner
