#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/inventory_remote.h"
#include "app/progress.h"
#include "app/terminal.h"
#include "base/json.h"
#include "base/text_table.h"
#include "base/time.h"
#include "planner/planner.h"
#include "planner/whatif.h"

namespace tandem::app {
namespace {

using Align = TextTable::Align;

constexpr int64_t kAskedLimitMs = 60'000;  // what a running grid takes at most

Result<planner::FailureSweep> read_sweep(const WhatIfOptions& options) {
  planner::FailureSweep asked;
  TANDEM_ASSIGN(asked.fail, twin::parse_failure_class(options.fail));
  TANDEM_ASSIGN(asked.traffic, planner::parse_traffic_choice(options.traffic));
  asked.fill = options.fill;
  asked.worst = options.worst;
  asked.verify = options.verify;
  asked.seed = options.seed;
  asked.threads = options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  return asked;
}

std::string joined_ids(const Json& ids) {
  std::string text;
  for (const Json& id : ids.array()) {
    if (!text.empty()) text += " + ";
    text += id.text();
  }
  return text;
}

std::string percent(const Json& fraction) { return fmt::format("{:.0f}%", 100 * fraction.number()); }
std::string gbps(const Json& rate) { return fmt::format("{:.2f}", rate.number()); }

void print_worst(const Json& report) {
  TextTable table({{"FAILED", Align::left},
                   {"RESIDENCIES\nLEFT"},
                   {"PROMISES\nBROKEN"},
                   {"AFTER\nFAILOVER"},
                   {"LINK\nLOAD"},
                   {"LOST\nGBIT/S"},
                   {"BUSIEST LINK", Align::left}});
  for (const Json& row : report["worst"].array())
    table.add({joined_ids(row["failed"]), std::to_string(row["residencies_left"].integer()),
               std::to_string(row["promises_broken"].integer()),
               std::to_string(row["after_failover"]["promises_broken"].array().size()), percent(row["utilization_max"]),
               gbps(row["lost_gbps"]), std::string(row["worst_link"]["id"].text())});
  fmt::print("{}", table.text(terminal_width()));
}

void print_upgrades(const Json& report) {
  if (report["upgrades"].array().empty()) {
    fmt::print("\nno failure overloads a link\n");
    return;
  }
  TextTable table({{"MORE CAPACITY HELPS MOST ON", Align::left},
                   {"ADD\nGBIT/S"},
                   {"SCENARIOS\nOVERLOADED"},
                   {"LINK\nLOAD"},
                   {"HARM LESS\nFOR COST"}});
  for (const Json& row : report["upgrades"].array())
    table.add({fmt::format("{} ({} to {})", row["link"].text(), row["from"].text(), row["to"].text()),
               fmt::format("{:.0f}", row["add_gbps"].number()), std::to_string(row["overloaded_in"].integer()),
               percent(row["utilization_max"]), fmt::format("{:.4f}", row["harm_per_gbps_km"].number())});
  fmt::print("\n{}", table.text(terminal_width()));
}

void print_sweep(const Json& report) {
  if (report["scenarios"].integer() == 0) {
    fmt::print("nothing of that kind can fail in this grid: no scenario was looked at\n");
    return;
  }
  print_worst(report);
  print_upgrades(report);
  fmt::print("\n");
  print_wrapped(fmt::format("the links carry {}", report["traffic"]["formula"].text()));
  print_wrapped(fmt::format(
      "{} scenarios, {:.0f} a second on {} threads: in {} a residency is left, {} break a promise, {} overload a link, "
      "{} lose traffic",
      report["scenarios"].integer(), report["scenarios_per_s"].number(), report["threads"].integer(),
      report["leaving"].integer(), report["breaking"].integer(), report["overloading"].integer(),
      report["losing"].integer()));
  if (!report["complete"].boolean(true)) print_wrapped("not all scenarios: the time limit came first");
  const Json& verify = report["verify"];
  if (verify.is_null()) return;
  print_wrapped(fmt::format(
      "{} of them computed from scratch: {} differ; the sweep is {:.0f} times as fast, thread for thread",
      verify["checked"].integer(), verify["differences"].integer(), verify["times_faster_per_thread"].number()));
  for (const Json& row : verify["first_differences"].array())
    print_wrapped(fmt::format("  {}: {}", joined_ids(row["failed"]), row["difference"].text()), 4);
}

// The failures that are named, as the command and the API call their kinds.
std::vector<std::pair<std::string_view, const std::vector<std::string>*>> named_failures(const WhatIfOptions& options) {
  return {{"link", &options.links},
          {"node", &options.nodes},
          {"shared_risk_group", &options.groups},
          {"site", &options.sites},
          {"member", &options.members}};
}

bool names_failures(const WhatIfOptions& options) {
  const auto all = named_failures(options);
  return std::any_of(all.begin(), all.end(), [](const auto& named) { return !named.second->empty(); });
}

Result<planner::Scenario> read_scenario(const WhatIfOptions& options, const grid::Snapshot& grid) {
  planner::Scenario scenario;
  TANDEM_ASSIGN(scenario.traffic, planner::parse_traffic_choice(options.traffic));
  scenario.fill = options.fill;
  scenario.trip = options.trip;
  for (const auto& [kind, ids] : named_failures(options))
    for (const std::string& id : *ids) {
      TANDEM_ASSIGN(const twin::Failure failure, planner::find_failure(grid, kind, id));
      scenario.failures.push_back(failure);
    }
  if (scenario.failures.size() > planner::kFailuresMax)
    return fail(ErrorCode::invalid_argument, fmt::format("at most {} failures at once", planner::kFailuresMax));
  return scenario;
}

void print_scenario(const Json& report) {
  TextTable phases({{"WHEN", Align::left}, {"LINK\nLOAD"}, {"LOST\nGBIT/S"}, {"BUSIEST LINK", Align::left}});
  for (const auto& [name, phase] :
       {std::pair("before", report["undisturbed"]), std::pair("repaired beside the failure", report["repair"]),
        std::pair("converged", report["converged"])})
    phases.add({name, percent(phase["utilization_max"]), gbps(phase["lost_gbps"]),
                std::string(phase["worst_link"]["id"].text())});
  fmt::print("{}", phases.text(terminal_width()));
  const Json& fair = report["shared_fairly"];
  if (fair.is_object())
    print_wrapped(fmt::format(
        "if all traffic shared fairly: {:.2f} of {:.2f} Gbit/s carried, {} flows held back, one to {:.0f} %",
        fair["carried_gbps"].number(), fair["asked_gbps"].number(), fair["flows_held_back"].integer(),
        100 * fair["least_share"].number()));
  const Json& cascade = report["cascade"];
  size_t tripped = 0;
  for (const Json& round : cascade["rounds"].array()) tripped += round["tripped"].array().size();
  print_wrapped(fmt::format("if links over {:.0f} % failed as well: {} more in {} rounds{}",
                            100 * cascade["trip"].number(), tripped, cascade["rounds"].array().size() - 1,
                            cascade["settled"].boolean() ? "" : ", and more would follow"));
  const Json::Array& left = report["left_residency"].array();
  if (!left.empty()) fmt::print("\n{} residencies are left, on a repair or once routing has converged:\n", left.size());
  for (const Json& id : left) fmt::print("  {}\n", id.text());
  const Json::Array& broken = report["after_failover"]["promises_broken"].array();
  fmt::print("\n{} of {} promises break at once, {} stay broken after failover\n", report["promises_broken"].integer(),
             report["promises"].integer(), broken.size());
  TextTable promises({{"PROMISE", Align::left},
                      {"TENANT", Align::left},
                      {"REGION", Align::left},
                      {"WHY IT STAYS BROKEN", Align::sentence}});
  for (const Json& row : broken)
    promises.add({std::string(row["demand"].text()), std::string(row["tenant"].text()),
                  std::string(row["region"].text()), std::string(row["reason"].text())});
  if (!promises.empty()) fmt::print("\n{}", promises.text(terminal_width()));
  fmt::print("\n");
  print_wrapped(fmt::format("the links carry {}", report["traffic"]["formula"].text()));
}

Json::Object question_of(const WhatIfOptions& options) {
  Json::Object body{{"traffic", options.traffic}, {"fill", options.fill}};
  if (!names_failures(options)) {
    body["fail"] = options.fail;
    body["worst"] = static_cast<int64_t>(options.worst);
    body["verify"] = static_cast<int64_t>(options.verify);
    body["seed"] = static_cast<int64_t>(options.seed);
    body["time_limit_ms"] = kAskedLimitMs;
    return body;
  }
  Json::Array failures;
  for (const auto& [kind, ids] : named_failures(options))
    for (const std::string& id : *ids) failures.push_back(Json::Object{{"kind", kind}, {"id", id}});
  body["failures"] = std::move(failures);
  body["trip"] = options.trip;
  return body;
}

int end_sweep(const WhatIfOptions& options, const Json& answer) {
  if (options.json)
    fmt::print("{}\n", to_json_pretty(answer));
  else
    print_sweep(answer);
  return answer["verify"]["differences"].integer() == 0 ? 0 : 1;
}

int end_scenario(const WhatIfOptions& options, const Json& answer) {
  if (options.json)
    fmt::print("{}\n", to_json_pretty(answer));
  else
    print_scenario(answer);
  return 0;
}

int ask_running_grid(const WhatIfOptions& options) {
  Progress progress("asking the grid");
  const auto answer = ask_grid(options.url, "POST", "/api/v1/whatif", to_json(question_of(options)));
  progress.end();
  if (!answer) return report(answer.error());
  if (const Json& error = (*answer)["error"]; !error.is_null())
    return report({ErrorCode::invalid_argument, std::string(error["message"].text("no answer")), options.url});
  return names_failures(options) ? end_scenario(options, *answer) : end_sweep(options, *answer);
}

int run_scenario(const WhatIfOptions& options, const grid::Snapshot& grid, const v1::Plan& plan) {
  const auto scenario = read_scenario(options, grid);
  if (!scenario) return report(scenario.error());
  return end_scenario(options, *planner::fail_together(grid, plan, *scenario, {}));
}

}  // namespace

int run_whatif(const WhatIfOptions& options) {
  if (options.url.empty() && options.grid.empty())
    return report({ErrorCode::invalid_argument, "name what is asked of: --grid FILE, or --url of a running grid"});
  if (!options.url.empty()) return ask_running_grid(options);
  const auto asked = read_sweep(options);
  if (!asked) return report(asked.error());
  const auto grid = load_grid(options.grid);
  if (!grid) return 2;
  const SystemClock clock;
  Progress progress("planning first: a failure breaks what a plan promises");
  const v1::Plan plan = planner::plan(*grid, nullptr, "plan-0", options.seed, {options.work}, {});
  if (names_failures(options)) {
    progress.end();
    return run_scenario(options, *grid, plan);
  }
  const auto tell = [&](const planner::SweepProgress& done) {
    progress.tell(fmt::format("{} of {} scenarios", done.done, done.all));
  };
  const auto swept = planner::sweep_failures(*grid, plan, *asked, clock, tell, {});
  progress.end();
  if (!swept) return report(swept.error());
  Json::Object document = swept->object();
  document["fail"] = options.fail;
  return end_sweep(options, document);
}

}  // namespace tandem::app
