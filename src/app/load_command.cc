#include <fmt/format.h>

#include <algorithm>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/interrupt.h"
#include "app/progress.h"
#include "app/terminal.h"
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
  for (const std::string& name : options.models) result.models.push_back({name, 1});
  if (result.models.empty()) {  // asked for last: what is wrong with the rest is told without a server
    TANDEM_ASSIGN(result.models, load::server_models(result));
  }
  return result;
}

// As expected: something was answered, and every goal was met.
enum class LoadOutcome : uint8_t { as_expected, missed, interrupted };

Result<LoadOutcome> run(const LoadCommandOptions& options) {
  std::vector<load::Goal> goals;
  for (const std::string& text : options.expected) {
    TANDEM_ASSIGN(load::Goal goal, load::parse_goal(text));
    goals.push_back(std::move(goal));
  }
  TANDEM_ASSIGN(const load::LoadOptions load, load_options(options));
  const SystemClock clock;
  const Interrupt interrupt;
  Progress progress("sending");
  const auto tell = [&](const load::LoadProgress& now) { progress.tell(load::progress_line(now)); };
  TANDEM_ASSIGN(const load::LoadReport report, load::run_load(load, clock, tell, interrupt.token()));
  progress.end();
  fmt::print("{}\n", options.json ? to_json_pretty(load::to_json_report(load, report, goals))
                                  : load::to_table(load, report, goals, terminal_width()));
  if (interrupt.asked()) {
    fmt::print(stderr, "interrupted: these are the answers until then\n");
    return LoadOutcome::interrupted;
  }
  if (report.ok == 0) fmt::print(stderr, "nothing was answered\n");
  const bool met = std::ranges::all_of(goals, [&](const load::Goal& goal) { return goal.judge(report).met; });
  return report.ok > 0 && met ? LoadOutcome::as_expected : LoadOutcome::missed;
}

}  // namespace

int run_load(const LoadCommandOptions& options) {
  const auto outcome = run(options);
  if (!outcome) return report(outcome.error());
  if (*outcome == LoadOutcome::interrupted) return kInterrupted;
  return *outcome == LoadOutcome::as_expected ? 0 : 1;
}

}  // namespace tandem::app
