// Search as one types at the size that an operator has: what a keystroke costs, what following costs.
#include <benchmark/benchmark.h>

#include <fmt/format.h>

#include "api/search_index.h"
#include "base/random.h"

namespace tandem::api {
namespace {

log::Event device(size_t number) {
  log::Event event;
  v1::FactsRecorded& facts = *event.mutable_facts_recorded();
  facts.set_source("bench");
  facts.set_kind("device");
  facts.set_id(fmt::format("site-{:04}-sw-{:02}", number / 40, number % 40));
  const auto add = [&](const char* name, std::string text) {
    v1::Attribute& attribute = *facts.add_attributes();
    attribute.set_name(name);
    attribute.mutable_value()->set_text(std::move(text));
  };
  constexpr const char* kTowns[] = {"Berlin",    "Hamburg",   "München",    "Köln",
                                    "Frankfurt", "Stuttgart", "Düsseldorf", "Leipzig"};
  add("name", fmt::format("{} {} access switch {}", kTowns[number % 8], number / 40, number % 40));
  add("serial", fmt::format("FOX{:08X}", number * 2'654'435'761u));
  return event;
}

struct World {
  inventory::Snapshot believed;
  SearchIndex index;
  explicit World(size_t devices) {
    for (size_t i = 0; i < devices; ++i) believed.fold(device(i), i + 1, {});
    index.rebuild(believed);
  }
};

World& world() {
  static World large(100'000);
  return large;
}

// Each beginning of what somebody types, one search a letter; the slowest letter is what they notice.
void keystrokes(benchmark::State& state, std::string_view typed) {
  const World& large = world();  // made before the clock runs
  size_t letters = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(large.index.search(typed.substr(0, letters), {}));
    letters = letters % typed.size() + 1;
  }
  state.counters["index_mb"] = static_cast<double>(large.index.bytes()) / 1e6;
}
BENCHMARK_CAPTURE(keystrokes, id, "site-0123-sw-07")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(keystrokes, name, "berlin access switch 12")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(keystrokes, serial, "fox9e3779b1")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(keystrokes, worst_letter, "s")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(keystrokes, two_common_words, "switch access")->Unit(benchmark::kMicrosecond);

void follow_one_rename(benchmark::State& state) {
  World& large = world();
  size_t number = 0;
  for (auto _ : state) {
    log::Event event = device(number++ % 100'000);
    event.mutable_facts_recorded()->mutable_attributes(0)->mutable_value()->set_text(fmt::format("renamed {}", number));
    large.believed.fold(event, large.believed.offset() + 1, {});
    large.index.follow(large.believed);
  }
}
BENCHMARK(follow_one_rename)->Unit(benchmark::kMicrosecond);

void rebuild(benchmark::State& state) {
  for (auto _ : state) world().index.rebuild(world().believed);
}
BENCHMARK(rebuild)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::api
