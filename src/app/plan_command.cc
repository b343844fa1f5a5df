#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/interrupt.h"
#include "app/progress.h"
#include "app/terminal.h"
#include "app/time_limit.h"
#include "base/counted.h"
#include "base/json.h"
#include "base/text_table.h"
#include "base/time.h"
#include "planner/planner.h"
#include "planner/schedule.h"
#include "planner/totals.h"

namespace tandem::app {
namespace {

using Align = TextTable::Align;

void print_deployments(const v1::Plan& plan, const grid::Snapshot& grid) {
  TextTable table({{"DEPLOYMENT", Align::left}, {"SITE", Align::left}, {"REPLICAS"}, {"BATCH"}, {"LOAD"}, {"EUR/H"}});
  for (const v1::PlannedDeployment& d : plan.deployments()) {
    const grid::PoolIndex pool = grid.pools.find(d.pool());
    table.add({d.id(), grid.sites[grid.pools[pool].site].id, std::to_string(d.replicas()), std::to_string(d.batch()),
               fmt::format("{:.0f}%", 100 * d.utilization()), fmt::format("{:.2f}", d.cost_eur_per_hour())});
  }
  fmt::print("{}", table.text(terminal_width()));
}

void print_blocked(const v1::Plan& plan) {
  constexpr size_t kRowsMax = 50;  // a screen or two; all are in the JSON
  TextTable table({{"NOT SERVED", Align::left},
                   {"SHARE"},
                   {"BLOCKED BY", Align::left},
                   {"WHY, AND WHAT WOULD ADMIT IT", Align::sentence}});
  size_t blocked = 0;
  for (const v1::DemandPlan& demand : plan.demands())
    if (demand.rejected() > 0 && ++blocked <= kRowsMax)
      table.add(
          {demand.demand(), fmt::format("{:.0f}%", 100 * demand.rejected()), demand.blocked_by(), demand.reason()});
  if (blocked == 0) return fmt::print("\nevery demand is served within its promise\n");
  fmt::print("\n{}", table.text(terminal_width()));
  if (blocked > kRowsMax) fmt::print("and {} more: --json names them\n", blocked - kRowsMax);
}

// Three digits of what is small: of a site with one accelerator, or of a nation.
std::string significant(double value) {
  return value < 100 ? fmt::format("{:.3g}", value) : fmt::format("{:.0f}", value);
}

double gap_percent(double cost, double bound) { return cost > 0 ? 100 * (cost - bound) / cost : 0; }

Result<planner::CheckedPlan> check_file(const grid::Snapshot& grid, const std::filesystem::path& file) {
  TANDEM_ASSIGN(const Json document, read_plan_file(file));
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
    for (const std::string& fault : checked->faults) print_wrapped(fault);
    print_wrapped(fmt::format(
        "{}: its rows cost {:.2f} EUR/h, its prices prove that no plan costs less than {:.2f} (gap {:.1f}%)",
        checked->faults.empty() ? "the plan holds" : "the plan does not hold", checked->cost_eur_per_hour,
        checked->bound_eur_per_hour, gap_percent(checked->cost_eur_per_hour, checked->bound_eur_per_hour)));
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
  TextTable table(
      {{"FROM"}, {"TO"}, {"HOURS"}, {"REPLICAS"}, {"MOVES"}, {"EUR/H"}, {"NO LESS"}, {"KW"}, {"NOT SERVED"}});
  for (const planner::PlannedPeriod& planned : schedule.periods) {
    uint32_t replicas = 0;
    for (const v1::PlannedDeployment& d : planned.plan.deployments()) replicas += d.replicas();
    table.add(
        {fmt::format("{}:00", planned.period.from_hour), fmt::format("{}:00", planned.period.to_hour()),
         std::to_string(planned.period.hours), std::to_string(replicas), std::to_string(planned.moves),
         fmt::format("{:.2f}", planned.plan.cost_eur_per_hour()),
         fmt::format("{:.2f}", planned.plan.bound_eur_per_hour()), fmt::format("{:.2f}", planned.power_kw),
         fmt::format("{:.2f}%", 100 * rejected_fraction(planner::grid_of_hours(grid, planned.period), planned.plan))});
  }
  fmt::print("{}\n", table.text(terminal_width()));
  const auto& day = schedule.day;
  print_wrapped(
      fmt::format("hours are UTC; a day costs {:.2f} EUR, {:.2f} of it for {}, and takes {:.1f} kWh; no day of these "
                  "periods can cost less than {:.2f} (gap {:.1f}%)",
                  day.eur, day.moves * grid.policy.move_penalty.value(), counted(day.moves, "move"), day.energy_kwh,
                  schedule.bound_eur, gap_percent(day.eur, schedule.bound_eur)));
  TextTable others({{"INSTEAD OF", Align::left}, {"EUR A DAY"}, {"MOVES"}, {"KWH"}, {"SAVED"}});
  const auto against = [&](const char* what, const planner::DayCost& other) {
    others.add({what, fmt::format("{:.2f}", other.eur), std::to_string(other.moves),
                fmt::format("{:.1f}", other.energy_kwh), fmt::format("{:.1f}%", gap_percent(other.eur, day.eur))});
  };
  against("the busiest hours' deployments all day", schedule.peak_all_day);
  if (schedule.kept_all_day.eur < schedule.peak_all_day.eur)
    against("deployments grown over the periods, kept", schedule.kept_all_day);
  against("each period's own plan, moves paid", schedule.ignoring_moves);
  fmt::print("\n{}", others.text(terminal_width()));
}

// Planning, as it is seen and ended from outside: by a limit, or by a person who has waited long enough.
class Planning {
 public:
  explicit Planning(const PlanOptions& options)
      : lines_(options.time_limit_s > 0), limit_(options.time_limit_s, interrupt_.token()) {}

  std::stop_token stop() const { return limit_.token(); }
  double elapsed_ms() const { return (clock_.monotonic() - start_).seconds() * 1e3; }
  // Where no terminal shows how far it is, each step of limited work is a line.
  void tell(std::string doing) {
    if (lines_ && !progress_.shown())
      fmt::print(stderr, "{:8.0f} ms  {}\n", elapsed_ms(), doing);
    else
      progress_.tell(std::move(doing));
  }
  void end() {
    progress_.end();
    if (interrupt_.asked()) fmt::print(stderr, "interrupted: this is the best plan until then\n");
  }

 private:
  const bool lines_;
  const SystemClock clock_;
  const Duration start_ = clock_.monotonic();
  Interrupt interrupt_;
  TimeLimit limit_;
  Progress progress_{"planning"};
};

int run_schedule(const grid::Snapshot& grid, const PlanOptions& options) {
  Planning planning(options);
  const planner::Schedule schedule = planner::schedule(
      grid, {options.periods, options.seed, {options.work}}, planning.stop(), [&](const planner::ScheduleProgress& at) {
        planning.tell(fmt::format("{}, best day {:.2f} EUR", at.doing, at.eur_per_day));
      });
  const double solve_ms = planning.elapsed_ms();
  planning.end();
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
  Planning planning(options);
  planner::Planner planner;
  const v1::Plan plan = planner.plan(
      *grid, nullptr, "plan-0", options.seed, {options.work}, planning.stop(), [&](const planner::Progress& at) {
        planning.tell(fmt::format("{}: cost {:.2f}, none less than {:.2f}, gap {:.2f}%", at.doing, at.cost_eur_per_hour,
                                  at.bound_eur_per_hour, gap_percent(at.cost_eur_per_hour, at.bound_eur_per_hour)));
      });
  const double solve_ms = planning.elapsed_ms();
  planning.end();
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
  fmt::print("\n");
  print_wrapped(fmt::format("{} kW, {} kg CO2 an hour; a million tokens: {:.3f} EUR, {} kWh, {} g CO2",
                            significant(totals.power_kw), significant(totals.carbon_kg_per_hour),
                            totals.eur_per_million_tokens(), significant(totals.joules_per_token() / 3.6),
                            significant(totals.carbon_g_per_million_tokens())));
  const double cost = plan.cost_eur_per_hour();
  const double bound = plan.bound_eur_per_hour();
  const double penalties = totals.penalties_eur_per_hour;
  const std::string fined =
      penalties > 0 ? fmt::format(" ({:.2f} of it penalties for what is turned away)", penalties) : "";
  print_wrapped(
      fmt::format("cost {:.2f} EUR/h{}, no plan can cost less than {:.2f} (gap {:.1f}%), {} demands, {:.0f} ms", cost,
                  fined, bound, gap_percent(cost, bound), plan.demands_size(), solve_ms));
  return 0;
}

}  // namespace tandem::app
