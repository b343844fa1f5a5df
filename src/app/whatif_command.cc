#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/inventory_remote.h"
#include "base/json.h"
#include "base/time.h"
#include "planner/planner.h"
#include "planner/whatif.h"

namespace tandem::app {
namespace {

constexpr Duration kProgressEvery = milliseconds(200);
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

void print_worst(const Json& report) {
  fmt::print("{:<64} {:>9} {:>8} {:>10} {:>8} {:>10}  {}\n", "FAILED", "RESIDENCY", "PROMISES", "AFTER", "LINK", "LOST",
             "BUSIEST LINK");
  fmt::print("{:<64} {:>9} {:>8} {:>10} {:>8} {:>10}\n", "", "LEFT", "BROKEN", "FAILOVER", "LOAD", "GBIT/S");
  for (const Json& row : report["worst"].array())
    fmt::print("{:<64} {:>9} {:>8} {:>10} {:>7.0f}% {:>10.2f}  {}\n", joined_ids(row["failed"]),
               row["residencies_left"].integer(), row["promises_broken"].integer(),
               row["after_failover"]["promises_broken"].array().size(), 100 * row["utilization_max"].number(),
               row["lost_gbps"].number(), row["worst_link"]["id"].text());
}

void print_upgrades(const Json& report) {
  if (report["upgrades"].array().empty()) {
    fmt::print("\nno failure overloads a link\n");
    return;
  }
  fmt::print("\n{:<64} {:>9} {:>12} {:>8} {:>10}\n", "MORE CAPACITY WOULD HELP MOST HERE", "ADD GBPS", "OVERLOADED IN",
             "AT MOST", "HARM/COST");
  for (const Json& row : report["upgrades"].array())
    fmt::print("{:<64} {:>9.0f} {:>12} {:>7.0f}% {:>10.4f}\n",
               fmt::format("{} ({} to {})", row["link"].text(), row["from"].text(), row["to"].text()),
               row["add_gbps"].number(), row["overloaded_in"].integer(), 100 * row["utilization_max"].number(),
               row["harm_per_gbps_km"].number());
}

void print_sweep(const Json& report) {
  print_worst(report);
  print_upgrades(report);
  fmt::print("\n{}\n", report["traffic"]["formula"].text());
  fmt::print("{} scenarios, {:.0f} a second on {} threads: {} break a promise, {} overload a link, {} lose traffic\n",
             report["scenarios"].integer(), report["scenarios_per_s"].number(), report["threads"].integer(),
             report["breaking"].integer(), report["overloading"].integer(), report["losing"].integer());
  const Json& verify = report["verify"];
  if (verify.is_null()) return;
  fmt::print("{} of them computed from scratch: {} differ; the sweep is {:.0f} times as fast, thread for thread\n",
             verify["checked"].integer(), verify["differences"].integer(), verify["times_faster_per_thread"].number());
  for (const Json& row : verify["first_differences"].array())
    fmt::print("  {}: {}\n", joined_ids(row["failed"]), row["difference"].text());
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

void print_phase(const char* name, const Json& phase) {
  fmt::print("{:<28} {:>7.0f}% {:>10.2f}  {}\n", name, 100 * phase["utilization_max"].number(),
             phase["lost_gbps"].number(), phase["worst_link"]["id"].text());
}

void print_scenario(const Json& report) {
  fmt::print("{:<28} {:>8} {:>10}  {}\n", "", "LINK", "LOST", "BUSIEST LINK");
  fmt::print("{:<28} {:>8} {:>10}\n", "", "LOAD", "GBIT/S");
  print_phase("before", report["undisturbed"]);
  print_phase("repaired beside the failure", report["repair"]);
  print_phase("converged", report["converged"]);
  const Json& fair = report["shared_fairly"];
  if (fair.is_object())
    fmt::print("if all traffic shared fairly: {:.2f} of {:.2f} Gbit/s carried, {} flows held back, one to {:.0f} %\n",
               fair["carried_gbps"].number(), fair["asked_gbps"].number(), fair["flows_held_back"].integer(),
               100 * fair["least_share"].number());
  const Json& cascade = report["cascade"];
  size_t tripped = 0;
  for (const Json& round : cascade["rounds"].array()) tripped += round["tripped"].array().size();
  fmt::print("\nif links over {:.0f} % failed as well: {} more in {} rounds{}\n", 100 * cascade["trip"].number(),
             tripped, cascade["rounds"].array().size() - 1,
             cascade["settled"].boolean() ? "" : ", and more would follow");
  fmt::print("{} of {} promises break at once; after failover:\n", report["promises_broken"].integer(),
             report["promises"].integer());
  for (const Json& id : report["left_residency"].array())
    fmt::print("  {}: its traffic leaves its residency, on a repair or once routing has converged\n", id.text());
  const Json& broken = report["after_failover"]["promises_broken"];
  for (const Json& row : broken.array())
    fmt::print("  {} ({}, {}): {}\n", row["demand"].text(), row["tenant"].text(), row["region"].text(),
               row["reason"].text());
  if (broken.array().empty()) fmt::print("  all are kept\n");
  fmt::print("\n{}\n", report["traffic"]["formula"].text());
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
  const auto answer = ask_grid(options.url, "POST", "/api/v1/whatif", to_json(question_of(options)));
  if (!answer) return report(answer.error());
  if (const Json& error = (*answer)["error"]; !error.is_null())
    return report({ErrorCode::invalid_argument, std::string(error["message"].text("no answer")), options.url});
  return names_failures(options) ? end_scenario(options, *answer) : end_sweep(options, *answer);
}

int run_scenario(const WhatIfOptions& options, const grid::Snapshot& grid, const v1::Plan& plan) {
  const auto scenario = read_scenario(options, grid);
  if (!scenario) return report(scenario.error());
  return end_scenario(options, planner::fail_together(grid, plan, *scenario));
}

}  // namespace

int run_whatif(const WhatIfOptions& options) {
  if (!options.url.empty()) return ask_running_grid(options);
  const auto asked = read_sweep(options);
  if (!asked) return report(asked.error());
  const auto grid = load_grid(options.grid);
  if (!grid) return 2;
  const SystemClock clock;
  const v1::Plan plan = planner::plan(*grid, nullptr, "plan-0", options.seed, {options.work}, {});
  if (names_failures(options)) return run_scenario(options, *grid, plan);
  Duration told = clock.monotonic();
  const bool tells = !options.json && isatty(STDERR_FILENO) != 0;
  const auto progress = [&](const planner::SweepProgress& done) {
    if (!tells || clock.monotonic() - told < kProgressEvery) return;
    told = clock.monotonic();
    fmt::print(stderr, "\r{} of {} scenarios", done.done, done.all);
  };
  const auto swept = planner::sweep_failures(*grid, plan, *asked, clock, progress, {});
  if (tells) fmt::print(stderr, "\r{:<40}\r", "");
  if (!swept) return report(swept.error());
  Json::Object document = swept->object();
  document["fail"] = options.fail;
  return end_sweep(options, document);
}

}  // namespace tandem::app
