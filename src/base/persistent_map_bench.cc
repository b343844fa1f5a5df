// A persistent map of 1,000,000 entries against what else there is: std::map changed in place, and std::map copied.
#include "base/persistent_map.h"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <map>
#include <string>

#include "base/front_coded_set.h"
#include "base/random.h"
#include "base/shared_bytes.h"

namespace tandem {
namespace {

constexpr uint64_t kEntries = 1'000'000;
using Map = PersistentMap<std::string, SharedBytes>;

std::string key_of(uint64_t n) { return "if-" + std::to_string(1'000'000'000 + n); }

const Map& loaded() {
  static const Map map = [] {
    Map m;
    for (uint64_t i = 0; i < kEntries; ++i) m.set(key_of(i * 7'919 % kEntries), SharedBytes("a record"));
    return m;
  }();
  return map;
}

// One random edit after every so many copies: 1 is a snapshot for each event, 1,000 one for each batch.
void edit(benchmark::State& state) {
  Map map = loaded();
  Map kept = map;
  Random random(1);
  const auto value = SharedBytes("another");
  int64_t n = 0;
  for (auto _ : state) {
    map.set(key_of(random.below(kEntries)), value);
    if (++n % state.range(0) == 0) kept = map;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(edit)->ArgName("edits_per_copy")->Arg(1)->Arg(100)->Arg(4'096);

void edit_std_map_in_place(benchmark::State& state) {
  std::map<std::string, SharedBytes> map;
  for (uint64_t i = 0; i < kEntries; ++i) map[key_of(i * 7'919 % kEntries)] = SharedBytes("a record");
  Random random(1);
  const auto value = SharedBytes("another");
  for (auto _ : state) map[key_of(random.below(kEntries))] = value;
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(edit_std_map_in_place);

void find(benchmark::State& state) {
  const Map& map = loaded();
  Random random(2);
  for (auto _ : state) benchmark::DoNotOptimize(map.find(key_of(random.below(kEntries))));
}
BENCHMARK(find);

void iterate(benchmark::State& state) {
  const Map& map = loaded();
  for (auto _ : state) {
    uint64_t sum = 0;
    for (const auto& [key, value] : map) sum += key.size();
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEntries));
}
BENCHMARK(iterate)->Unit(benchmark::kMillisecond);

// Bytes an entry takes beyond the value it points to.
void load(benchmark::State& state) {
  const bool ascending = state.range(0) == 1;
  const auto value = SharedBytes("another");
  for (auto _ : state) {
    const size_t before = mallinfo2().uordblks;
    Map map;
    for (uint64_t i = 0; i < kEntries; ++i) map.set(key_of(ascending ? i : i * 7'919 % kEntries), value);
    state.counters["bytes_per_entry"] = static_cast<double>(mallinfo2().uordblks - before) / kEntries;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEntries));
}
BENCHMARK(load)->ArgName("ascending")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

// What two maps of `entries` do not share after `changes` to one of them: the cost is the change's, not the map's.
void difference(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  Map before;
  for (uint64_t i = 0; i < entries; ++i) before.set(key_of(i), SharedBytes("a record"));
  Map after = before;
  Random random(3);
  for (int64_t i = 0; i < state.range(1); ++i) after.set(key_of(random.below(entries)), SharedBytes("another"));
  for (auto _ : state) {
    size_t differ = 0;
    Map::difference(before, after, [&](const auto&, const auto*, const auto*) { return ++differ, true; });
    benchmark::DoNotOptimize(differ);
  }
}
BENCHMARK(difference)
    ->ArgNames({"entries", "changes"})
    ->ArgsProduct({{10'000, 100'000, 1'000'000}, {10, 1'000}})
    ->Unit(benchmark::kMicrosecond);

// What an index of an inventory takes in: of each device, in no order, forty interfaces in theirs.
std::vector<std::string> index_keys() {
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < kEntries / 40; ++i) {
    const std::string device = "dev-" + std::to_string(100'000 + i * 7'919 % (kEntries / 40));
    for (int port = 0; port < 40; ++port)
      keys.push_back("device" + std::string(1, 0) + device + std::string(1, 0) + "interface" + std::string(1, 0) +
                     device + "/eth-0-" + std::to_string(port));
  }
  return keys;
}

void load_index_as_map(benchmark::State& state) {
  struct Nothing {};
  const std::vector<std::string> keys = index_keys();
  for (auto _ : state) {
    PersistentMap<std::string, Nothing> map;
    for (const std::string& key : keys) map.edit(key);
    benchmark::DoNotOptimize(map);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEntries));
}
BENCHMARK(load_index_as_map)->Unit(benchmark::kMillisecond);

void load_index_front_coded(benchmark::State& state) {
  const std::vector<std::string> keys = index_keys();
  for (auto _ : state) {
    FrontCodedSet set;
    for (const std::string& key : keys) set.insert(key);
    benchmark::DoNotOptimize(set);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kEntries));
}
BENCHMARK(load_index_front_coded)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem
