// Every instance of the public collection: policies and bound together, then the repair of every single link failure.
// Counters: gap to the bound in %, fullest link before and after, demands steered; of repairs the 95th percentile and
// the longest in ms, demands changed at most, and how much fuller than before the failure the fullest link is.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "te/te.h"

namespace tandem::te {
namespace {

Problem bench_instance(const std::filesystem::path& graph, const std::filesystem::path& demands) {
  std::vector<Diagnostic> diagnostics;
  const auto graph_bytes = read_file(graph, ingest::kTopologyBytesMax),
             demand_bytes = read_file(demands, ingest::kTopologyBytesMax);
  CHECK(graph_bytes && demand_bytes);
  ingest::Topology topology = ingest::parse_repetita(*graph_bytes, graph.string(), diagnostics);
  ingest::parse_repetita_demands(*demand_bytes, demands.string(), topology, diagnostics);
  Problem problem = make_problem(topology, graph.string(), diagnostics);
  CHECK(!has_errors(diagnostics));
  return problem;
}

size_t steered(const Solution& solution) {
  std::set<uint32_t> demands;
  for (const Policy& policy : solution.policies) demands.insert(policy.demand);
  return demands.size();
}

void optimise_instance(benchmark::State& state, const Problem& problem) {
  Solution solution;
  for (auto _ : state) solution = optimise(problem, {}, {});
  state.counters["gap_%"] = 100 * solution.gap();
  state.counters["before_%"] = 100 * solution.mlu_before;
  state.counters["after_%"] = 100 * solution.mlu;
  state.counters["steered"] = static_cast<double>(steered(solution));
  state.counters["pivots"] = static_cast<double>(solution.pivots);
}

void repair_instance(benchmark::State& state, const Problem& problem) {
  const Solution solution = optimise(problem, {}, {});
  std::vector<double> times, failed, repaired;
  uint32_t changed = 0;
  for (auto _ : state) {
    times.clear();
    failed.clear();
    repaired.clear();
    for (uint32_t a = 0; a < problem.arcs.size(); ++a) {
      if (problem.arcs[a].opposite < a) continue;
      std::vector<uint32_t> arcs{a};
      if (problem.arcs[a].opposite != kNoArc) arcs.push_back(problem.arcs[a].opposite);
      const auto start = std::chrono::steady_clock::now();
      const Repair done = repair(survivors_of(problem, solution.policies, arcs), {});
      times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
      failed.push_back(done.mlu_failed / solution.mlu);
      repaired.push_back(done.mlu / solution.mlu);
      changed = std::max(changed, done.changed);
    }
  }
  const auto at = [](std::vector<double>& values, size_t percent) {
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1, values.size() * percent / 100)];
  };
  state.counters["p95_ms"] = at(times, 95);
  state.counters["max_ms"] = at(times, 100);
  state.counters["changes_max"] = changed;
  state.counters["failed_p95"] = at(failed, 95);
  state.counters["repaired_p95"] = at(repaired, 95);
}

// Registers both benchmarks for every `.demands` beside a `.graph`.
const bool registered = [] {
  const std::filesystem::path folder = std::string(TANDEM_SOURCE_DIR) + "/../shared/data/repetita";
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".demands") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& demands : files) {
    std::filesystem::path graph = demands;
    while (graph.has_extension()) graph.replace_extension();
    graph += ".graph";
    const Problem problem = bench_instance(graph, demands);
    const std::string name = demands.stem().string();
    benchmark::RegisterBenchmark(("optimise/" + name).c_str(),
                                 [problem](benchmark::State& state) { optimise_instance(state, problem); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
    benchmark::RegisterBenchmark(("repair/" + name).c_str(),
                                 [problem](benchmark::State& state) { repair_instance(state, problem); })
        ->Unit(benchmark::kMillisecond)
        ->Iterations(1);
  }
  return true;
}();

}  // namespace
}  // namespace tandem::te
