#include <benchmark/benchmark.h>

#include "ontology/embedded.h"
#include "ontology/ontology.h"

namespace tandem::ontology {
namespace {

void LoadBuiltIn(benchmark::State& state) {
  for (auto _ : state) {
    std::vector<Diagnostic> diagnostics;
    benchmark::DoNotOptimize(Ontology::load(embedded_files(), grid::kinds(), diagnostics));
  }
}
BENCHMARK(LoadBuiltIn)->Unit(benchmark::kMillisecond);

void FindAKind(benchmark::State& state) {
  const Ontology& ontology = Ontology::built_in();
  for (auto _ : state) benchmark::DoNotOptimize(ontology.find("interface"));
}
BENCHMARK(FindAKind);

void CheckAnInterface(benchmark::State& state) {
  const Kind& kind = *Ontology::built_in().find("interface");
  const Json::Object attributes{
      {"device", "d1"}, {"name", "eth0"}, {"speed_gbps", 100.0}, {"mac_address", "00:1b:44:11:3a:b7"}};
  for (auto _ : state) {
    std::vector<grid::Problem> problems;
    check_entity(kind, grid::check_attributes(kind, attributes, problems), problems);
    benchmark::DoNotOptimize(problems);
  }
}
BENCHMARK(CheckAnInterface);

}  // namespace
}  // namespace tandem::ontology
