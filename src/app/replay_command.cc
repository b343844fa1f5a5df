#include <fmt/format.h>

#include <algorithm>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/output.h"
#include "app/progress.h"
#include "app/terminal.h"
#include "app/trace_file.h"
#include "base/time.h"
#include "replay/replay.h"

namespace tandem::app {
namespace {

Result<std::vector<replay::Policy>> policies_of(const std::vector<std::string>& names) {
  if (names.size() == 1 && names.front() == "all") return replay::all_policies();
  std::vector<replay::Policy> policies;
  for (const std::string& name : names) {
    const auto policy = replay::policy_named(name);
    if (!policy)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("no policy '{}'; one of tandem, nearest, least-load, round-robin, cheapest, prefix-hash, "
                              "compute-then-network, centralise, or all",
                              name));
    if (std::find(policies.begin(), policies.end(), *policy) == policies.end()) policies.push_back(*policy);
  }
  return policies;
}

Result<void> print_reports(const std::vector<replay::Report>& reports, const ReplayCommandOptions& options) {
  if (!options.json) {
    const size_t width = terminal_width();
    fmt::print("{}", reports.size() == 1 ? replay::to_table(reports.front(), width) : replay::to_table(reports, width));
    return {};
  }
  Json document = replay::to_json_report(reports.front());
  if (reports.size() > 1) {
    Json::Array list;
    for (const replay::Report& report : reports) list.push_back(replay::to_json_report(report));
    document = Json::Object{{"policies", std::move(list)}, {"verdict", replay::verdict(reports)}};
  }
  const std::string text = to_json_pretty(document) + "\n";
  if (!options.output.empty()) return write_output(options.output, text);
  fmt::print("{}", text);
  return {};
}

// How fast it went goes to standard error: what is printed on standard output depends on the arguments alone.
Result<void> replay_file(const grid::Snapshot& grid, const ReplayCommandOptions& options) {
  TANDEM_ASSIGN(const std::vector<replay::Policy> policies, policies_of(options.policies));
  if (options.sizes != "exponential" && options.sizes != "fixed")
    return fail(ErrorCode::invalid_argument, fmt::format("no sizes '{}'; exponential or fixed", options.sizes));
  ingest::Trace trace;
  if (!options.trace.empty()) {
    TANDEM_ASSIGN(trace, read_trace_file(options.trace));
  }
  replay::Options replay_options;
  replay_options.workload = {.trace = options.trace.empty() ? nullptr : &trace,
                             .sizes = options.sizes == "fixed" ? replay::Sizes::fixed : replay::Sizes::exponential,
                             .rate_factor = options.rate_factor,
                             .duration_s = options.duration_s,
                             .requests_max = options.requests_max};
  replay_options.seed = options.seed;
  replay_options.warm_up_s = options.warm_up_s;
  replay_options.plan_work = options.work;
  Progress progress("planning");
  replay_options.progress = [&](const replay::Progress& at) {
    progress.tell(at.simulated ? fmt::format("{}: {:.0f} % simulated", to_string(at.policy), 100 * *at.simulated)
                               : fmt::format("{}: planning", to_string(at.policy)));
  };
  const SystemClock clock;
  const Duration start = clock.monotonic();
  TANDEM_ASSIGN(const std::vector<replay::Report> reports, replay::compare(grid, replay_options, policies));
  const double seconds = (clock.monotonic() - start).seconds();
  progress.end();
  TANDEM_TRY(print_reports(reports, options));
  uint64_t requests = 0;
  for (const replay::Report& report : reports) requests += report.simulated;
  fmt::print(stderr, "{} requests simulated in {:.2f} s, plans included\n", requests, seconds);
  return {};
}

}  // namespace

int run_replay(const ReplayCommandOptions& options) {
  const auto grid = load_grid(options.grid);
  if (!grid) return 2;
  const auto done = replay_file(*grid, options);
  return done ? 0 : report(done.error());
}

}  // namespace tandem::app
