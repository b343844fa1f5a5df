#include <benchmark/benchmark.h>

#include <fstream>
#include <sstream>

#include "base/yaml_tree.h"
#include "ingest/ingest.h"

namespace tandem::ingest {
namespace {

std::string example() {
  std::ifstream stream(TANDEM_SOURCE_DIR "/examples/national.yaml");
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

void ReadExample(benchmark::State& state) {
  const std::string text = example();
  for (auto _ : state) benchmark::DoNotOptimize(read_grid(text, "national.yaml"));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(ReadExample)->Unit(benchmark::kMillisecond);

// The lower bound: what yaml-cpp's parser takes on its own.
void YamlOfExample(benchmark::State& state) {
  const std::string text = example();
  for (auto _ : state) {
    std::vector<Diagnostic> diagnostics;
    benchmark::DoNotOptimize(parse_yaml(text, "national.yaml", diagnostics));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(YamlOfExample)->Unit(benchmark::kMillisecond);

void WriteExample(benchmark::State& state) {
  const GridFile file = parse_grid_file(example(), "national.yaml");
  for (auto _ : state) benchmark::DoNotOptimize(write_grid_file(file.entities));
}
BENCHMARK(WriteExample)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::ingest
