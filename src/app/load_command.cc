#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/trace_file.h"
#include "base/file.h"
#include "base/json.h"
#include "ingest/trace.h"
#include "load/load.h"

namespace tandem::app {
namespace {

Result<load::Process> process_of(const LoadCommandOptions& options) {
  if (!options.trace.empty() || options.process == "trace") return load::Process::trace;
  if (options.process == "steady") return load::Process::steady;
  if (options.process == "diurnal") return load::Process::diurnal;
  if (options.process == "burst") return load::Process::burst;
  return fail(ErrorCode::invalid_argument,
              fmt::format("no process '{}'; one of steady, diurnal, burst, trace", options.process));
}

Result<load::LoadOptions> load_options(const LoadCommandOptions& options) {
  load::LoadOptions result;
  result.url = options.url;
  result.key = options.key;
  result.authorities = options.authorities;
  for (const std::string& name : options.models) result.models.push_back({name, 1});
  if (result.models.empty()) {
    TANDEM_ASSIGN(result.models, load::server_models(result));
  }
  for (const std::string& region : options.regions) result.regions.push_back({region, 1});
  TANDEM_ASSIGN(result.process, process_of(options));
  if (result.process == load::Process::trace) {
    if (options.trace.empty()) return fail(ErrorCode::invalid_argument, "name the trace with --trace FILE");
    TANDEM_ASSIGN(ingest::Trace trace, read_trace_file(options.trace));
    result.trace = std::move(trace.requests);
  }
  result.rate_per_s = options.rate_per_s;
  result.duration = nanoseconds(static_cast<int64_t>(options.duration_s * 1e9));
  result.speed_up = options.speed_up;
  result.requests_max = options.requests_max;
  result.concurrency = options.concurrency;
  result.prompt_tokens.mean = options.prompt_tokens;
  result.output_tokens.mean = options.output_tokens;
  if (options.ttft_ms > 0) result.slo_ttft = Milliseconds(options.ttft_ms);
  if (options.tpot_ms > 0) result.slo_tpot = Milliseconds(options.tpot_ms);
  result.seed = options.seed;
  return result;
}

// Whether the load came to what was expected of it: something was answered, and every goal was met.
Result<bool> run(const LoadCommandOptions& options) {
  std::vector<load::Goal> goals;
  for (const std::string& text : options.expected) {
    TANDEM_ASSIGN(load::Goal goal, load::parse_goal(text));
    goals.push_back(std::move(goal));
  }
  TANDEM_ASSIGN(const load::LoadOptions load, load_options(options));
  const SystemClock clock;
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const auto progress = [&](const load::LoadProgress& now) {
    if (terminal) fmt::print(stderr, "\r\x1b[K{}", load::progress_line(now));
  };
  TANDEM_ASSIGN(const load::LoadReport report, load::run_load(load, clock, progress, {}));
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  fmt::print("{}\n", options.json ? to_json_pretty(load::to_json_report(load, report, goals))
                                  : load::to_table(load, report, goals));
  if (report.ok == 0) fmt::print(stderr, "nothing was answered\n");
  return report.ok > 0 && std::ranges::all_of(goals, [&](const load::Goal& goal) { return goal.judge(report).met; });
}

}  // namespace

int run_load(const LoadCommandOptions& options) {
  const auto came_to_it = run(options);
  if (!came_to_it) return report(came_to_it.error());
  return *came_to_it ? 0 : 1;
}

}  // namespace tandem::app
