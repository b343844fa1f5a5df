// The series store: what an append costs the thread that serves a request, what a flush, a seal and a scan cost the
// others, and how many bytes a row takes (beside what it takes as it is in memory).
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "series/columns.h"
#include "series/series.h"
#include "series/testing.h"

namespace tandem::series {
namespace {

std::vector<Usage> some_rows(size_t count) {
  Random random(1);
  std::vector<Usage> rows;
  for (size_t i = 0; i < count; ++i) {
    rows.push_back(some_usage(random, kStart + microseconds(static_cast<int64_t>(60'000'000 * i / count))));
  }
  return rows;
}

// Rows per second a queue takes from one thread, flushes to the journal included: 10,000 rows a flush.
void append_and_flush(benchmark::State& state) {
  const TemporaryDirectory directory(TemporaryDirectory::On::disk);
  auto store = *Store::open({.directory = directory.path()});
  const std::vector<Usage> rows = some_rows(10'000);
  int64_t minute = 0;
  for (auto _ : state) {
    for (const Usage& row : rows) CHECK(store->append(row).has_value());
    CHECK(store->flush().has_value());
    state.PauseTiming();
    const auto events = store->seal(kStart + minutes(++minute));
    CHECK(events.has_value());
    for (const auto& event : *events) CHECK(store->confirm(event).has_value());
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * 10'000);
}
BENCHMARK(append_and_flush)->UseRealTime()->Unit(benchmark::kMillisecond);

void append_alone(benchmark::State& state) {
  const TemporaryDirectory directory;
  auto store = *Store::open({.directory = directory.path(), .queue_rows = 1u << 16});
  const Usage row = some_rows(1)[0];
  int64_t taken = 0;
  for (auto _ : state) {
    CHECK(store->append(row).has_value());
    if (++taken % (1 << 16) == 0) {
      state.PauseTiming();
      CHECK(store->seal(kStart + minutes(taken >> 16)).has_value());
      state.ResumeTiming();
    }
  }
  state.SetItemsProcessed(taken);
}
BENCHMARK(append_alone);

void encode_rows(benchmark::State& state) {
  UsageRows rows;
  for (const Usage& row : some_rows(100'000)) rows.push(row);
  size_t bytes = 0;
  for (auto _ : state) bytes = encode(rows).size();
  state.SetItemsProcessed(state.iterations() * 100'000);
  state.counters["bytes_per_row"] = static_cast<double>(bytes) / 100'000;
  state.counters["bytes_per_row_in_memory"] = sizeof(Usage);
}
BENCHMARK(encode_rows)->Unit(benchmark::kMillisecond);

void decode_rows(benchmark::State& state) {
  UsageRows rows;
  for (const Usage& row : some_rows(100'000)) rows.push(row);
  const std::string bytes = encode(rows);
  for (auto _ : state) CHECK(decode_usage(bytes)->size() == 100'000);
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(decode_rows)->Unit(benchmark::kMillisecond);

// An hour of 2,000 requests a minute, from its chunks.
void totals_of_an_hour(benchmark::State& state) {
  const TemporaryDirectory directory(TemporaryDirectory::On::disk);
  auto store = *Store::open({.directory = directory.path()});
  Random random(1);
  for (int minute = 0; minute < 60; ++minute) {
    for (int i = 0; i < 2'000; ++i) {
      CHECK(store->append(some_usage(random, kStart + minutes(minute) + milliseconds(30 * i))).has_value());
    }
    CHECK(store->seal(kStart + minutes(minute + 1)).has_value());
  }
  for (auto _ : state) CHECK(store->totals({}).has_value());
  state.SetItemsProcessed(state.iterations() * 120'000);
}
BENCHMARK(totals_of_an_hour)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::series
