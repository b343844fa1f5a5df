// A million links: taking them in, one change with a snapshot kept, digest, checkpoint and projection.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <map>

#include "base/random.h"
#include "inventory/inventory.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

constexpr size_t kEntities = 1'000'000;

log::Event link_event(size_t i) {
  return test_support::fact("link", "link-" + std::to_string(10'000'000 + i),
                            {{"a", test_support::node_id(i % 1'000)},
                             {"b", test_support::node_id(1 + i % 1'000)},
                             {"capacity_gbps", 100.0},
                             {"delay_us", 500.0},
                             {"length_km", 100.0},
                             {"igp_metric", 10.0}});
}

const Snapshot& loaded() {
  static const Snapshot snapshot = [] {
    Snapshot s;
    for (const log::Event& event : test_support::small_world(1'001)) s.fold(event, s.offset() + 1, {});
    for (size_t i = 0; i < kEntities; ++i) s.fold(link_event(i), s.offset() + 1, {});
    return s;
  }();
  return snapshot;
}

void fold_new_entities(benchmark::State& state) {
  std::vector<log::Event> events;
  for (size_t i = 0; i < 100'000; ++i) events.push_back(link_event(i));
  for (auto _ : state) {
    const size_t before = mallinfo2().uordblks;
    Snapshot snapshot;
    for (const log::Event& event : events) snapshot.fold(event, snapshot.offset() + 1, {});
    state.counters["bytes_per_entity"] = static_cast<double>(mallinfo2().uordblks - before) / 1e5;
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(fold_new_entities)->Unit(benchmark::kMillisecond);

// What the same costs as nested maps of JSON without snapshots, offsets or an index of references.
void fold_new_entities_into_plain_maps(benchmark::State& state) {
  std::vector<log::Event> events;
  for (size_t i = 0; i < 100'000; ++i) events.push_back(link_event(i));
  for (auto _ : state) {
    const size_t before = mallinfo2().uordblks;
    std::map<std::string, Json::Object> entities;
    for (const log::Event& event : events)
      for (const v1::Attribute& attribute : event.facts_recorded().attributes())
        entities[event.facts_recorded().id()][attribute.name()] = to_json_value(attribute.value());
    state.counters["bytes_per_entity"] = static_cast<double>(mallinfo2().uordblks - before) / 1e5;
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(fold_new_entities_into_plain_maps)->Unit(benchmark::kMillisecond);

void fold_change_with_a_snapshot_kept(benchmark::State& state) {
  Snapshot snapshot = loaded();
  Random random(1);
  for (auto _ : state) {
    const Snapshot kept = snapshot;
    snapshot.fold(
        test_support::fact("link", "link-" + std::to_string(10'000'000 + random.below(kEntities)), {{"state", "down"}}),
        snapshot.offset() + 1, {});
  }
}
BENCHMARK(fold_change_with_a_snapshot_kept);

// What an unchanged feed of 100,000 rows costs to take in, against saying all of it again.
void fold_seen_again(benchmark::State& state) {
  Snapshot snapshot = loaded();
  std::vector<log::Event> events;
  for (size_t i = 0; i < 100'000; ++i) {
    if (i % kSeenAtOnceMax == 0) events.emplace_back().mutable_entities_seen()->set_kind("link");
    events.back().mutable_entities_seen()->add_ids("link-" + std::to_string(10'000'000 + i));
  }
  int64_t now_ns = 0;
  for (auto _ : state) {
    const Snapshot kept = snapshot;
    now_ns += 1'000'000'000;
    for (const log::Event& event : events) snapshot.fold(event, snapshot.offset() + 1, {now_ns});
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(fold_seen_again)->Unit(benchmark::kMillisecond);

void fold_said_again(benchmark::State& state) {
  Snapshot snapshot = loaded();
  std::vector<log::Event> events;
  for (size_t i = 0; i < 100'000; ++i) events.push_back(link_event(i));
  int64_t now_ns = 0;
  for (auto _ : state) {
    const Snapshot kept = snapshot;
    now_ns += 1'000'000'000;
    for (const log::Event& event : events) snapshot.fold(event, snapshot.offset() + 1, {now_ns});
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(fold_said_again)->Unit(benchmark::kMillisecond);

void hash(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(loaded().hash());
}
BENCHMARK(hash)->Unit(benchmark::kMillisecond);

void read_checkpoint(benchmark::State& state) {
  std::string bytes;
  loaded().write(bytes);
  for (auto _ : state) benchmark::DoNotOptimize(Snapshot::read(bytes));
  state.counters["megabytes"] = static_cast<double>(bytes.size()) * 1e-6;
}
BENCHMARK(read_checkpoint)->Unit(benchmark::kMillisecond);

void project_anew(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(project(loaded(), {}, nullptr));
}
BENCHMARK(project_anew)->Unit(benchmark::kMillisecond);

void project_a_cut_link(benchmark::State& state) {
  Snapshot snapshot = loaded();
  auto grid = project(snapshot, {}, nullptr);
  for (auto _ : state) {
    ChangeSet changes;
    const bool down = snapshot.offset() % 2 == 0;
    snapshot.fold(test_support::fact("link", "link-10500000", {{"state", down ? "down" : "up"}}), snapshot.offset() + 1,
                  {}, &changes);
    grid = project(snapshot, changes, grid);
  }
}
BENCHMARK(project_a_cut_link)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tandem::inventory
