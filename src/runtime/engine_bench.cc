// Simulated requests a second of real time, at 70 % of each engine's capacity, by replicas and by length of answer.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/random.h"
#include "runtime/engine.h"

namespace tandem::runtime {
namespace {

EngineProfile bench_profile() {
  grid::Model model;
  model.kv_bytes_per_token = 131'072;
  grid::Profile profile;
  profile.prefill_tokens_per_s = 30'000;
  profile.prefill_overhead = Milliseconds(3);
  profile.kv_memory = Gigabytes(50);
  profile.points = {{1, Milliseconds(7), Watts(350)},
                    {16, Milliseconds(9), Watts(450)},
                    {64, Milliseconds(14), Watts(600)},
                    {256, Milliseconds(35), Watts(700)}};
  return EngineProfile::from(model, profile).value();
}

void simulate(benchmark::State& state, bool token_events) {
  const auto replicas = static_cast<uint32_t>(state.range(0));
  const auto output_mean = static_cast<double>(state.range(1));
  constexpr double kPromptMean = 800;
  const double seconds_per_request = 0.003 + kPromptMean / 30'000 + output_mean * 0.014 / 64;
  Random random(1);
  std::vector<std::pair<Duration, EngineRequest>> load(50'000);
  double at_s = 0;
  for (auto& [at, request] : load) {
    at_s += random.exponential(seconds_per_request / (0.7 * replicas));
    at = microseconds(static_cast<int64_t>(at_s * 1e6));
    request.prompt_tokens = 1 + static_cast<uint32_t>(random.exponential(kPromptMean));
    request.output_tokens = 1 + static_cast<uint32_t>(random.exponential(output_mean));
  }
  const EngineOptions options{.replicas = replicas, .waiting_max = 1'000'000, .token_events = token_events};
  uint64_t tokens = 0;
  for (auto _ : state) {
    EngineModel engine = EngineModel::create(bench_profile(), options).value();
    for (const auto& [at, request] : load) {
      engine.submit(request, at);
      for (const EngineEvent& event : engine.advance(at)) tokens += event.tokens;
    }
    for (const EngineEvent& event : engine.advance(load.back().first + hours(1))) tokens += event.tokens;
  }
  state.SetItemsProcessed(static_cast<int64_t>(load.size()) * state.iterations());
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(simulate, first_and_last, false)
    ->Args({1, 50})
    ->Args({1, 200})
    ->Args({1, 800})
    ->Args({8, 200})
    ->Args({64, 200})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(simulate, every_token, true)->Args({1, 200})->Args({8, 200})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::runtime
