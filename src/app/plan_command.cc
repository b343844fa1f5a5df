#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/time_limit.h"
#include "base/file.h"
#include "base/json.h"
#include "base/time.h"
#include "planner/planner.h"
#include "planner/schedule.h"
#include "planner/totals.h"

namespace tandem::app {
namespace {

void print_deployments(const v1::Plan& plan, const grid::Snapshot& grid) {
  fmt::print("{:<44} {:<20} {:>8} {:>6} {:>7} {:>10}\n", "DEPLOYMENT", "SITE", "REPLICAS", "BATCH", "LOAD", "EUR/H");
  for (const v1::PlannedDeployment& d : plan.deployments()) {
    const grid::PoolIndex pool = grid.pools.find(d.pool());
    fmt::print("{:<44} {:<20} {:>8} {:>6} {:>6.0f}% {:>10.2f}\n", d.id(), grid.sites[grid.pools[pool].site].id,
               d.replicas(), d.batch(), 100 * d.utilization(), d.cost_eur_per_hour());
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

double gap_percent(double cost, double bound) { return cost > 0 ? 100 * (cost - bound) / cost : 0; }

Result<planner::CheckedPlan> check_file(const grid::Snapshot& grid, const std::filesystem::path& file) {
  constexpr uint64_t kPlanBytesMax = 256 << 20;  // 100,000 demands with their reasons
  TANDEM_ASSIGN(const std::string bytes, read_file(file, kPlanBytesMax));
  TANDEM_ASSIGN(const Json document, parse_json(bytes));
  if (!document["periods"].is_null()) return planner::check_schedule(document, grid);
  TANDEM_ASSIGN(const planner::PricedPlan plan, planner::plan_from_json(document, grid));
  return planner::check_plan(grid, plan);
}

int check_certificate(const grid::Snapshot& grid, const PlanOptions& options) {
  const auto checked = check_file(grid, options.check);
  if (!checked) return report(checked.error());
  if (options.json) {
    Json::Array faults(checked->faults.begin(), checked->faults.end());
    fmt::print("{}\n", to_json_pretty(Json::Object{{"holds", checked->faults.empty()},
                                                   {"cost_eur_per_hour", checked->cost_eur_per_hour},
                                                   {"bound_eur_per_hour", checked->bound_eur_per_hour},
                                                   {"faults", std::move(faults)}}));
  } else {
    for (const std::string& fault : checked->faults) fmt::print("{}\n", fault);
    fmt::print("{}: its rows cost {:.2f} EUR/h, its prices prove that no plan costs less than {:.2f} (gap {:.1f}%)\n",
               checked->faults.empty() ? "the plan holds" : "the plan does not hold", checked->cost_eur_per_hour,
               checked->bound_eur_per_hour, gap_percent(checked->cost_eur_per_hour, checked->bound_eur_per_hour));
  }
  return checked->faults.empty() ? 0 : 1;
}

// Of the requests of those hours, turned away.
double rejected_fraction(const grid::Snapshot& grid, const v1::Plan& plan) {
  double rejected = 0, all = 0;
  for (const v1::DemandPlan& demand : plan.demands()) {
    const double rate = grid.demands[grid.demands.find(demand.demand())].rate_per_s;
    rejected += demand.rejected() * rate;
    all += rate;
  }
  return all > 0 ? rejected / all : 0;
}

void print_schedule(const planner::Schedule& schedule, const grid::Snapshot& grid) {
  fmt::print("{:>5} {:>5} {:>6} {:>9} {:>6} {:>10} {:>10} {:>9} {:>11}\n", "FROM", "TO", "HOURS", "REPLICAS", "MOVES",
             "EUR/H", "NO LESS", "KW", "NOT SERVED");
  for (const planner::PlannedPeriod& planned : schedule.periods) {
    const auto [from, hours] = planned.period;
    uint32_t replicas = 0;
    for (const v1::PlannedDeployment& d : planned.plan.deployments()) replicas += d.replicas();
    fmt::print("{:>2}:00 {:>2}:00 {:>6} {:>9} {:>6} {:>10.2f} {:>10.2f} {:>9.2f} {:>10.2f}%\n", from,
               (from + hours - 1) % planner::kPeriodsMax + 1, hours, replicas, planned.moves,
               planned.plan.cost_eur_per_hour(), planned.plan.bound_eur_per_hour(), planned.power_kw,
               100 * rejected_fraction(planner::grid_of_hours(grid, planned.period), planned.plan));
  }
  const auto& day = schedule.day;
  fmt::print(
      "\nhours are UTC; a day costs {:.2f} EUR, {:.2f} of it for {} moves, and takes {:.1f} kWh; no day of these "
      "periods can cost less than {:.2f} (gap {:.1f}%)\n",
      day.eur, day.moves * grid.policy.move_penalty.value(), day.moves, day.energy_kwh, schedule.bound_eur,
      gap_percent(day.eur, schedule.bound_eur));
  const auto against = [&](const char* what, const planner::DayCost& other) {
    fmt::print("{:<44} {:>10.2f} EUR, {:>5} moves, {:>9.1f} kWh: {:.1f}% saved\n", what, other.eur, other.moves,
               other.energy_kwh, gap_percent(other.eur, day.eur));
  };
  against("the busiest hours' deployments all day:", schedule.peak_all_day);
  if (schedule.kept_all_day.eur < schedule.peak_all_day.eur)
    against("deployments grown over the periods, kept:", schedule.kept_all_day);
  against("each period's own plan, moves paid:", schedule.ignoring_moves);
}

int run_schedule(const grid::Snapshot& grid, const PlanOptions& options) {
  const SystemClock clock;
  const Duration start = clock.monotonic();
  const TimeLimit limit(options.time_limit_s);
  const planner::Schedule schedule = planner::schedule(
      grid, {options.periods, options.seed, {options.work}}, limit.token(), [&](const planner::ScheduleProgress& at) {
        if (options.time_limit_s > 0)
          fmt::print(stderr, "{:8.0f} ms  {:<44} best day {:.2f} EUR\n", (clock.monotonic() - start).seconds() * 1e3,
                     at.doing, at.eur_per_day);
      });
  const double solve_ms = (clock.monotonic() - start).seconds() * 1e3;
  if (options.json) {
    const Json planned = planner::schedule_to_json(schedule, grid);
    Json::Object document = planned.object();
    document["solve_ms"] = solve_ms;
    fmt::print("{}\n", to_json_pretty(document));
  } else {
    print_schedule(schedule, grid);
    fmt::print("{:.0f} ms\n", solve_ms);
  }
  return 0;
}

}  // namespace

int run_plan(const PlanOptions& options) {
  const auto grid = load_grid(options.grid);
  if (!grid) return 2;
  if (!options.check.empty()) return check_certificate(*grid, options);
  if (options.periods > 0) return run_schedule(*grid, options);
  const SystemClock clock;
  const Duration start = clock.monotonic();
  const auto elapsed_ms = [&] { return (clock.monotonic() - start).seconds() * 1e3; };
  const TimeLimit limit(options.time_limit_s);
  planner::Planner planner;
  const v1::Plan plan = planner.plan(
      *grid, nullptr, "plan-0", options.seed, {options.work}, limit.token(), [&](const planner::Progress& at) {
        if (options.time_limit_s > 0)
          fmt::print(stderr, "{:8.0f} ms  {:<20} cost {:.2f}, no plan less than {:.2f}, gap {:.2f}%\n", elapsed_ms(),
                     at.doing, at.cost_eur_per_hour, at.bound_eur_per_hour,
                     gap_percent(at.cost_eur_per_hour, at.bound_eur_per_hour));
      });
  const double solve_ms = elapsed_ms();
  if (options.json) {
    const Json planned = planner::plan_to_json(plan, *grid, &planner.prices());
    Json::Object document = planned.object();
    document["solve_ms"] = solve_ms;
    fmt::print("{}\n", to_json_pretty(document));
    return 0;
  }
  print_deployments(plan, *grid);
  print_blocked(plan);
  const planner::Totals totals = planner::totals_of(*grid, plan);
  fmt::print("\n{:.1f} kW, {:.1f} kg CO2 an hour; a million tokens: {:.3f} EUR, {:.2f} kWh, {:.0f} g CO2\n",
             totals.power_kw, totals.carbon_kg_per_hour, totals.eur_per_million_tokens(),
             totals.joules_per_token() / 3.6, totals.carbon_g_per_million_tokens());
  const double cost = plan.cost_eur_per_hour();
  const double bound = plan.bound_eur_per_hour();
  const double penalties = totals.penalties_eur_per_hour;
  const std::string fined =
      penalties > 0 ? fmt::format(" ({:.2f} of it penalties for what is turned away)", penalties) : "";
  fmt::print("cost {:.2f} EUR/h{}, no plan can cost less than {:.2f} (gap {:.1f}%), {} demands, {:.0f} ms\n", cost,
             fined, bound, gap_percent(cost, bound), plan.demands_size(), solve_ms);
  return 0;
}

}  // namespace tandem::app
