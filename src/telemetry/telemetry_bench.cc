// What a request costs its gateway's thread where it is logged or traced, and what the writers' threads do for it.
#include <benchmark/benchmark.h>

#include "telemetry/access_log.h"
#include "telemetry/record_lane.h"
#include "telemetry/spans.h"
#include "telemetry/testing.h"

namespace tandem::telemetry {
namespace {

// On the gateway's thread.
void hand_over(benchmark::State& state) {
  Metrics metrics;
  RecordLane lane(8'192, metrics.counter("dropped", ""), false);
  const gateway::SharedRecord record = shared_record();
  size_t waiting = 0;
  for (auto _ : state) {
    lane.on_request(record);
    if (++waiting < 4'096) continue;
    state.PauseTiming();
    lane.drain(SIZE_MAX, [](const gateway::RequestRecord&) {});
    waiting = 0;
    state.ResumeTiming();
  }
}
BENCHMARK(hand_over);

void write_line(benchmark::State& state) {
  const gateway::RequestRecord record = served_record();
  for (auto _ : state) benchmark::DoNotOptimize(access_line(record));
}
BENCHMARK(write_line);

void write_spans(benchmark::State& state) {
  const gateway::RequestRecord record = served_record();
  for (auto _ : state) benchmark::DoNotOptimize(export_request({"s", "i"}, spans_of(record)));
}
BENCHMARK(write_spans);

}  // namespace
}  // namespace tandem::telemetry
