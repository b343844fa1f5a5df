#include <fmt/format.h>

#include <algorithm>

#include "app/commands.h"
#include "app/grid_file.h"
#include "base/json.h"
#include "base/time.h"
#include "planner/planner.h"

namespace tandem::app {
namespace {

void print_deployments(const v1::Plan& plan, const grid::Snapshot& grid) {
  fmt::print("{:<44} {:<20} {:>8} {:>6} {:>7} {:>10}\n", "DEPLOYMENT", "SITE", "REPLICAS", "BATCH", "LOAD", "EUR/H");
  for (const v1::PlannedDeployment& d : plan.deployments()) {
    const grid::PoolIndex pool = grid.pools.find(d.pool());
    fmt::print("{:<44} {:<20} {:>8} {:>6} {:>6.0f}% {:>10.2f}\n", d.id(), grid.sites[grid.pools[pool].site].id, d.replicas(),
               d.batch(), 100 * d.utilization(), d.cost_eur_per_hour());
  }
}

void print_blocked(const v1::Plan& plan) {
  bool any = false;
  for (const v1::DemandPlan& demand : plan.demands()) {
    if (demand.rejected() <= 0) continue;
    if (!std::exchange(any, true)) fmt::print("\n{:<44} {:>9}  {}\n", "NOT SERVED", "SHARE", "BLOCKED BY");
    fmt::print("{:<44} {:>8.0f}%  {}\n", demand.demand(), 100 * demand.rejected(), demand.blocked_by());
  }
  if (!any) fmt::print("\nevery demand is served within its promise\n");
}

}  // namespace

int run_plan(const PlanOptions& options) {
  const auto grid = load_grid(options.grid);
  if (!grid) return 2;
  const SystemClock clock;
  const Duration start = clock.monotonic();
  const v1::Plan plan = planner::plan(*grid, nullptr, "plan-0", options.seed, {options.work}, {});
  const double solve_ms = (clock.monotonic() - start).seconds() * 1e3;
  if (options.json) {
    const Json planned = planner::plan_to_json(plan, *grid);
    Json::Object document = planned.object();
    document["solve_ms"] = solve_ms;
    fmt::print("{}\n", to_json_pretty(document));
    return 0;
  }
  print_deployments(plan, *grid);
  print_blocked(plan);
  const double cost = plan.cost_eur_per_hour();
  const double bound = plan.bound_eur_per_hour();
  fmt::print("\ncost {:.2f} EUR/h, no plan can cost less than {:.2f} (gap {:.1f}%), {} demands, {:.0f} ms\n", cost, bound,
             cost > 0 ? 100 * (cost - bound) / cost : 0.0, plan.demands_size(), solve_ms);
  return 0;
}

}  // namespace tandem::app
