#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/progress.h"
#include "app/terminal.h"
#include "app/time_limit.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text_table.h"
#include "base/time.h"
#include "planner/planner.h"
#include "planner/whatif.h"
#include "te/te.h"

namespace tandem::app {
namespace {

double te_milliseconds(Duration from, Duration to) { return (to - from).seconds() * 1e3; }

// What the plan turns away loads no link, and is named with the rest that is not carried.
void block_rejected(const grid::Snapshot& grid, const v1::Plan& plan, te::Problem& problem) {
  for (planner::RejectedTraffic& rejected : planner::rejected_traffic(grid, plan))
    problem.blocked.push_back({std::move(rejected.demand), rejected.rate_gbps, std::move(rejected.reason), {}});
}

// Of a file, where it holds in this grid; else made.
Result<v1::Plan> plan_of(const grid::Snapshot& grid, const TeOptions& options, std::stop_token stop) {
  if (!options.plan.empty()) {
    TANDEM_ASSIGN(const Json document, read_plan_file(options.plan));
    if (!document["periods"].is_null())
      return fail(
          ErrorCode::invalid_argument,
          fmt::format("{} has the plans of a day: --plan takes one, made without --periods", options.plan.string()));
    TANDEM_ASSIGN(planner::PricedPlan priced, planner::plan_from_json(document, grid));
    if (const auto broken = planner::violations(grid, priced.plan); !broken.empty())
      return fail(ErrorCode::invalid_argument,
                  fmt::format("the plan of {} does not hold in this grid ({} faults): {}; `tandem plan --grid {} "
                              "--json` makes one that does",
                              options.plan.string(), broken.size(), broken.front(), options.grid.string()));
    return std::move(priced.plan);
  }
  const Progress progress("planning first; --plan takes one that is there");
  const TimeLimit limit(0.4 * options.time_limit_s, std::move(stop));  // the better part is the search's
  return planner::plan(grid, nullptr, "plan-0", options.seed, {options.work}, limit.token());
}

// Everything that could be read; prints what is wrong with it, and is empty when one is an error.
std::optional<te::Problem> read_problem(const TeOptions& options, const std::stop_token& stop) {
  std::vector<Diagnostic> diagnostics;
  te::Problem problem;
  if (!options.grid.empty()) {
    const auto grid = load_grid(options.grid);
    if (!grid) return std::nullopt;
    const auto plan = plan_of(*grid, options, stop);
    if (!plan) return report(plan.error()), std::nullopt;
    problem =
        te::make_problem(*grid, {planner::assignment_of(*grid, *plan), planner::slack_us(*grid, *plan)}, diagnostics);
    block_rejected(*grid, *plan, problem);
  } else {
    const auto graph = read_file(options.graph, ingest::kTopologyBytesMax);
    if (!graph) return report(graph.error()), std::nullopt;
    const auto demands = read_file(options.demands, ingest::kTopologyBytesMax);
    if (!demands) return report(demands.error()), std::nullopt;
    ingest::Topology topology = ingest::parse_repetita(*graph, options.graph.string(), diagnostics);
    if (!has_errors(diagnostics))
      ingest::parse_repetita_demands(*demands, options.demands.string(), topology, diagnostics);
    if (!has_errors(diagnostics)) problem = te::make_problem(topology, options.graph.string(), diagnostics);
  }
  print_diagnostics(diagnostics);
  for (const te::Blocked& blocked : problem.blocked)
    fmt::print(stderr, "not carried: {}: {}{}\n", blocked.demand, blocked.reason,
               blocked.relaxation.empty() ? "" : fmt::format("; {} would let it be", blocked.relaxation));
  if (has_errors(diagnostics)) return std::nullopt;
  return problem;
}

struct FailureRow {
  uint32_t arc = 0;
  te::Repair repair;
  double time_ms = 0;
  Json json;
};

// Every link, both its directions, one after the other; those until a stop.
std::vector<FailureRow> repair_each(const te::Problem& problem, const te::Solution& solution, const TeOptions& options,
                                    const Clock& clock, const std::stop_token& stop) {
  std::vector<FailureRow> rows;
  Progress progress("failing each link");
  for (const std::vector<uint32_t>& link : te::links_of(problem)) {
    if (stop.stop_requested()) break;
    const Duration start = clock.monotonic();
    const te::Survivors survivors = te::survivors_of(problem, solution.policies, link);
    te::Repair repair = te::repair(survivors, {.changes_max = options.changes_max});
    const double time_ms = te_milliseconds(start, clock.monotonic());
    Json json = te::repair_to_json(survivors, link.front(), repair);
    rows.push_back({link.front(), std::move(repair), time_ms, std::move(json)});
    progress.tell(fmt::format("failed and repaired {} links", rows.size()));
  }
  return rows;
}

template <class Field>
Json quantiles(const std::vector<FailureRow>& rows, Field field) {
  std::vector<double> values;
  for (const FailureRow& row : rows) values.push_back(field(row));
  std::sort(values.begin(), values.end());
  const auto at = [&](double quantile) {
    if (values.empty()) return 0.0;
    return values[std::min(values.size() - 1, static_cast<size_t>(quantile * static_cast<double>(values.size())))];
  };
  return Json::Object{{"p50", at(0.5)}, {"p95", at(0.95)}, {"max", at(1)}};
}

Json failures_json(const std::vector<FailureRow>& rows) {
  Json::Array list;
  for (const FailureRow& row : rows) {
    Json::Object one = row.json.object();
    one["time_ms"] = row.time_ms;
    list.push_back(std::move(one));
  }
  return Json::Object{{"scenarios", static_cast<int64_t>(rows.size())},
                      {"time_ms", quantiles(rows, [](const FailureRow& row) { return row.time_ms; })},
                      {"changed_demands",
                       quantiles(rows, [](const FailureRow& row) { return static_cast<double>(row.repair.changed); })},
                      {"mlu_failed", quantiles(rows, [](const FailureRow& row) { return row.repair.mlu_failed; })},
                      {"mlu", quantiles(rows, [](const FailureRow& row) { return row.repair.mlu; })},
                      {"each", std::move(list)}};
}

constexpr double kHardlyAny = 0.01;  // of a link: what no policy is worth moving

// Of a link's capacity; what is there is never shown as nothing.
std::string fullness(double part) {
  return part > 0 && part < 0.0005 ? std::string("<0.1%") : fmt::format("{:.1f}%", 100 * part);
}

// A bar of at most `width` cells, in eighths.
std::string bar(double part, size_t width) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<size_t>(std::clamp(part, 0.0, 1.0) * static_cast<double>(8 * width) + 0.5);
  std::string text;
  for (size_t i = 0; i < eighths / 8; ++i) text += "█";
  text += kEighths[eighths % 8];
  const size_t cells = eighths / 8 + (eighths % 8 > 0 ? 1 : 0);
  return text + std::string(width - std::min(width, cells), ' ');
}

// The fullest links, before and after.
void print_links(const te::Problem& problem, const te::Solution& solution) {
  constexpr size_t kRows = 10, kWidth = 20;
  const std::vector<double> before = te::loads_of(problem, {}), after = te::loads_of(problem, solution.policies);
  const auto fill = [&](const std::vector<double>& loads, uint32_t a) {
    return loads[a] / problem.arcs[a].capacity_gbps;
  };
  std::vector<uint32_t> arcs;
  for (uint32_t a = 0; a < problem.arcs.size(); ++a)
    if (problem.row(a) == a) arcs.push_back(a);
  std::stable_sort(arcs.begin(), arcs.end(), [&](uint32_t a, uint32_t b) {
    return std::max(fill(before, a), fill(after, a)) > std::max(fill(before, b), fill(after, b));
  });
  arcs.resize(std::min(arcs.size(), kRows));
  TextTable table({{"FULLEST LINKS", TextTable::Align::left}, {"SHORTEST PATHS"}, {"WITH POLICIES"}});
  const double full = std::max(solution.mlu_before, kHardlyAny);  // of what is next to nothing no bar makes much
  const auto shown = [&](double part) { return fmt::format("{} {:>6}", bar(part / full, kWidth), fullness(part)); };
  for (const uint32_t a : arcs)
    table.add({fmt::format("{} → {}", problem.nodes[problem.arcs[a].from], problem.nodes[problem.arcs[a].to]),
               shown(fill(before, a)), shown(fill(after, a))});
  fmt::print("{}", table.text(terminal_width()));
}

void print_failures(const te::Problem& problem, const std::vector<FailureRow>& rows) {
  std::vector<const FailureRow*> worst;
  for (const FailureRow& row : rows) worst.push_back(&row);
  std::stable_sort(worst.begin(), worst.end(),
                   [](const FailureRow* a, const FailureRow* b) { return a->repair.mlu > b->repair.mlu; });
  worst.resize(std::min<size_t>(worst.size(), 5));
  TextTable table(
      {{"WORST FAILURES", TextTable::Align::left}, {"FAILED"}, {"REPAIRED"}, {"CHANGES"}, {"CUT OFF"}, {"MS"}});
  for (const FailureRow* row : worst) {
    const te::Arc& arc = problem.arcs[row->arc];
    table.add({fmt::format("{} – {}", problem.nodes[arc.from], problem.nodes[arc.to]),
               fmt::format("{:.1f}%", 100 * row->repair.mlu_failed), fmt::format("{:.1f}%", 100 * row->repair.mlu),
               std::to_string(row->repair.changed), std::to_string(row->json["cut_off_demands"].integer()),
               fmt::format("{:.1f}", row->time_ms)});
  }
  fmt::print("\n{}", table.text(terminal_width()));
}

// What is proven of the fullest link, and what that takes as given.
std::string proven(const te::Problem& problem, const te::Solution& solution) {
  if (solution.bound <= 0) return "nothing is proven of what others could";
  const size_t fixed = problem.fixed_demands();
  return fmt::format("{}no routing can have less than {:.2f}% (gap {:.2f}%)",
                     fixed > 0 ? fmt::format("with {} left on their plain paths, ", fixed) : "", 100 * solution.bound,
                     100 * solution.gap());
}

void print_summary(const te::Problem& problem, const te::Solution& solution, double time_ms) {
  std::set<uint32_t> steered;
  for (const te::Policy& policy : solution.policies) steered.insert(policy.demand);
  fmt::print("\n");
  print_wrapped(fmt::format("fullest link {:.2f}%, was {:.2f}%{}", 100 * solution.mlu, 100 * solution.mlu_before,
                            solution.mlu > 0 ? "; " + proven(problem, solution) : ""));
  if (solution.segment_bound > 0 && solution.gap() > te::kThirdSegmentGap)
    print_wrapped(
        fmt::format("no routing over so few segments can have less than {:.2f}%", 100 * solution.segment_bound));
  if (solution.mlu_before < kHardlyAny)
    print_wrapped(
        "no link is 1 % full even on shortest paths: nothing here asks for policies (streams of tokens are small; "
        "what fills links is background traffic, and what is sent with requests)");
  print_wrapped(fmt::format("{} of {} demands steered over {} segment lists, {:.0f} ms{}", steered.size(),
                            problem.demands.size(), solution.policies.size(), time_ms,
                            solution.stopped ? ", stopped by its limit" : ""));
  if (const size_t fixed = problem.fixed_demands(); fixed > 0)
    print_wrapped(
        fmt::format("{} stay on their plain paths: others would break a promise or leave a residency", fixed));
  if (!problem.steered.empty())
    print_wrapped(fmt::format("{} keep to the diverse ways they were planned over", problem.steered.size()));
  if (!problem.blocked.empty())
    fmt::print("{} demands cannot be carried at all (named above)\n", problem.blocked.size());
}

}  // namespace

int run_te(const TeOptions& options) {
  if (options.graph.empty() && options.grid.empty())
    return report({ErrorCode::invalid_argument, "name what to route: --graph F --demands F, or --grid F"});
  const SystemClock clock;
  const Duration start = clock.monotonic();
  // What follows the search (thinning, loads, writing) takes its share of the limit.
  const Interrupt interrupt;
  const TimeLimit limit(0.85 * options.time_limit_s, interrupt.token());
  auto problem = read_problem(options, interrupt.token());
  if (!problem) return 2;
  if (const size_t named = problem->nodes.size() + problem->arcs.size(); options.adjacency && named > te::kAdjacencyMax)
    return report(
        {ErrorCode::too_large, fmt::format("--adjacency takes at most {} routers and directions of links, here "
                                           "are {}: leave it out",
                                           te::kAdjacencyMax, named)});
  Progress progress(fmt::format("routing {} demands over {} links", problem->demands.size(), problem->arcs.size() / 2));
  const te::Solution solution = te::optimise_within_promises(*problem,
                                                             {.segments_max = options.segments_max,
                                                              .adjacency = options.adjacency,
                                                              .policies_max = options.policies_max,
                                                              .tolerance = options.tolerance},
                                                             limit.token());
  const double time_ms = te_milliseconds(start, clock.monotonic());
  progress.end();
  std::vector<FailureRow> failures;
  if (options.failures) failures = repair_each(*problem, solution, options, clock, interrupt.token());
  if (interrupt.asked()) fmt::print(stderr, "interrupted: this is the best until then\n");

  const Json solved = te::to_json(*problem, solution);
  Json::Object document = solved.object();
  document["time_ms"] = time_ms;
  if (options.failures) document["failures"] = failures_json(failures);
  const std::string json = to_json_pretty(document) + "\n";
  if (!options.output.empty()) {
    if (const auto written = write_output(options.output, json); !written) return report(written.error());
  }
  if (options.json) {
    fmt::print("{}", json);
    return 0;
  }
  print_links(*problem, solution);
  if (options.failures) print_failures(*problem, failures);
  print_summary(*problem, solution, time_ms);
  return 0;
}

}  // namespace tandem::app
