// The embedded log: durable appends by size of batch, replay, verification; beside them the raw cost of what a byte on
// the log pays for (SHA-256, page checksum, encoding), as the bound none of it can beat.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "log/checksum_vfs.h"
#include "log/log.h"
#include "log/testing.h"

namespace tandem::log {
namespace {

void append(benchmark::State& state) {
  const TemporaryDirectory directory(TemporaryDirectory::On::disk);
  auto log = open_sqlite_log({directory.path()});
  CHECK(log.has_value());
  const std::vector<Event> events = some_events(1, static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Event> copy = events;  // the caller makes these, not the log
    state.ResumeTiming();
    const BatchHeader head = (*log)->head()->header;
    CHECK((*log)->append(encode_batch(head, 1, Instant{head.at.ns + 1}, std::move(copy))).has_value());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(encode_events(events).size()));
}
BENCHMARK(append)->Arg(1)->Arg(100)->Arg(2'000)->UseRealTime();

// A log of 200,000 events in batches of 1,000.
const std::filesystem::path& filled() {
  static const TemporaryDirectory directory(TemporaryDirectory::On::disk);
  static const bool done = [] {
    auto log = open_sqlite_log({directory.path()});
    CHECK(log.has_value());
    for (uint64_t i = 0; i < 200; ++i) {
      const BatchHeader head = (*log)->head()->header;
      CHECK((*log)->append(encode_batch(head, 1, Instant{head.at.ns + 1}, some_events(i, 1'000))).has_value());
    }
    return true;
  }();
  CHECK(done);
  return directory.path();
}

void replay(benchmark::State& state) {
  const auto log = open_sqlite_log({filled(), true});
  CHECK(log.has_value());
  int64_t events = 0;
  for (auto _ : state) {
    for (Offset from = 1;;) {
      const auto batches = (*log)->read(from, 4 << 20);
      CHECK(batches.has_value());
      if (batches->empty()) break;
      from = batches->back().header.last() + 1;
      for (const Batch& batch : *batches) events += static_cast<int64_t>(batch.events.size());
    }
  }
  state.SetItemsProcessed(events);
}
BENCHMARK(replay)->UseRealTime()->Unit(benchmark::kMillisecond);

void verify(benchmark::State& state) {
  const auto size = static_cast<int64_t>(std::filesystem::file_size(filled() / "log.db"));
  for (auto _ : state) {
    const auto found = verify_sqlite_log(filled());
    CHECK(found.has_value() && found->damage.empty() && found->events == 200'000);
  }
  state.SetBytesProcessed(state.iterations() * size);
}
BENCHMARK(verify)->UseRealTime()->Unit(benchmark::kMillisecond);

void raw_sha256(benchmark::State& state) {
  const std::string bytes(440'000, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(sha256(bytes));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(raw_sha256);

void raw_page_checksum(benchmark::State& state) {
  const std::string page(kPageBytes, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(page_checksum(page, 7));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(page.size()));
}
BENCHMARK(raw_page_checksum);

void raw_encode(benchmark::State& state) {
  const auto events = some_events(1, 2'000);
  for (auto _ : state) benchmark::DoNotOptimize(encode_events(events));
  state.SetItemsProcessed(state.iterations() * 2'000);
}
BENCHMARK(raw_encode);

void raw_decode(benchmark::State& state) {
  const std::string bytes = encode_events(some_events(1, 2'000));
  for (auto _ : state) benchmark::DoNotOptimize(decode_events(bytes, 2'000));
  state.SetItemsProcessed(state.iterations() * 2'000);
}
BENCHMARK(raw_decode);

}  // namespace
}  // namespace tandem::log
