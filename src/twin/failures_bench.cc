// Every pair of links of a network that fails, against the same from scratch. TANDEM_BENCH_TOPOLOGY names a Topology
// Zoo file (Cogentco.gml for the published figure); without it a grid of 14 × 14 nodes with chains is made up.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>

#include "base/file.h"
#include "base/random.h"
#include "ingest/ingest.h"
#include "support/drawn_grid.h"
#include "twin/failures.h"

namespace tandem::twin {
namespace {

grid::Snapshot made_up_network() {
  Random random(1);
  std::string text;
  constexpr size_t kSide = 14;
  for (size_t i = 0; i < kSide * kSide; ++i) {
    const auto link = [&](size_t to) {
      text += fmt::format("n{}-n{} 1ms 100G metric={}\n", i, to, 50 + random.below(900));
    };
    if (i % kSide + 1 < kSide) link(i + 1);
    if (i + kSide < kSide * kSide && random.chance(0.35)) link(i + kSide);
  }
  return test_support::drawn_grid(text);
}

grid::Snapshot network_under_test() {
  const char* file = std::getenv("TANDEM_BENCH_TOPOLOGY");
  if (file == nullptr) return made_up_network();
  const auto bytes = read_file(file, ingest::kGridFileBytesMax);
  CHECK(bytes.has_value());
  const auto imported = ingest::import_topology(*bytes, file, ingest::TopologyFormat::automatic, {});
  const auto read = ingest::read_grid(ingest::write_grid_file(imported.entities), file);
  CHECK(read.snapshot.has_value());
  return *read.snapshot;
}

const grid::Snapshot& network() {
  static const grid::Snapshot snapshot = network_under_test();
  return snapshot;
}

void all_link_pairs(benchmark::State& state) {
  const TrafficMatrix matrix = gravity_traffic(network(), 0.4);
  const auto study = FailureStudy::make(network(), matrix, {}, FailureKind::link);
  CHECK(study.has_value());
  uint64_t scenarios = 0;
  for (auto _ : state) {
    const Sweep sweep = study->run(2, {.threads = static_cast<unsigned>(state.range(0))}, {});
    scenarios += sweep.scenarios;
    benchmark::DoNotOptimize(sweep.worst.data());
  }
  state.counters["scenarios/s"] = benchmark::Counter(static_cast<double>(scenarios), benchmark::Counter::kIsRate);
  state.counters["scenarios"] = static_cast<double>(study->scenarios(2));
}
BENCHMARK(all_link_pairs)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

// One scenario after the other on one core.
void from_scratch(benchmark::State& state) {
  const TrafficMatrix matrix = gravity_traffic(network(), 0.4);
  const auto study = FailureStudy::make(network(), matrix, {}, FailureKind::link);
  CHECK(study.has_value());
  Random random(1);
  const uint64_t links = study->failures().size();
  for (auto _ : state) {
    const auto a = static_cast<uint32_t>(random.below(links)), b = static_cast<uint32_t>(random.below(links));
    benchmark::DoNotOptimize(study->plain({a, b}).gbps.data());
  }
  state.counters["scenarios/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(from_scratch)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::twin
