// Simulated requests a second of one core, plan not counted: under the gateway's decision and under the least load.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/file.h"
#include "generate/generate.h"
#include "ingest/ingest.h"
#include "replay/placement.h"

namespace tandem::replay {
namespace {

grid::Snapshot example() {
  const auto bytes = read_file(TANDEM_SOURCE_DIR "/examples/national.yaml", ingest::kGridFileBytesMax);
  CHECK(bytes.has_value());
  return std::move(*ingest::read_grid(*bytes, "national.yaml").snapshot);
}

grid::Snapshot generated() {
  const auto entities = generate::generate_grid({.sites = 200, .demands = 1'000, .models = 9, .seed = 1, .load = 0.6});
  CHECK(entities.has_value());
  return grid::make_snapshot(grid::make_rows(*entities).rows, 0);
}

void simulate(benchmark::State& state, const grid::Snapshot& grid, Policy policy) {
  const v1::Plan plan = placement(grid, policy, 1, 2'000);
  Options options;
  options.policy = policy;
  options.workload.duration_s = 1e6;
  options.workload.requests_max = 300'000;
  uint64_t requests = 0;
  double goodput = 0;
  for (auto _ : state) {
    const Report report = replay(grid, plan, options).value();
    requests += report.simulated;
    goodput = report.goodput();
  }
  state.SetItemsProcessed(static_cast<int64_t>(requests));
  state.counters["goodput"] = goodput;
}

void example_tandem(benchmark::State& state) { simulate(state, example(), Policy::tandem); }
void example_least_load(benchmark::State& state) { simulate(state, example(), Policy::least_load); }
void generated_tandem(benchmark::State& state) { simulate(state, generated(), Policy::tandem); }

BENCHMARK(example_tandem)->Unit(benchmark::kMillisecond);
BENCHMARK(example_least_load)->Unit(benchmark::kMillisecond);
BENCHMARK(generated_tandem)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::replay
