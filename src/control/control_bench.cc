// The sequencer over the embedded log on disk: durable facts a second through step, append and fold; and a cold start
// on a log of a million events from a checkpoint, beside the same from nothing.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "base/check.h"
#include "base/random.h"
#include "control/control.h"
#include "support/small_world.h"

namespace tandem::control {
namespace {

constexpr size_t kNodes = 1'000;
constexpr size_t kLinks = 500'000;
constexpr size_t kEvents = 1'000'000;
constexpr size_t kTail = 20'000;  // events after the last checkpoint: a checkpoint is written at least this often
constexpr size_t kAtOnce = 2'000;
constexpr size_t kLoadAtOnce = 16'000;  // as an import submits: one batch is written while the next is made

std::filesystem::path fresh_directory(const char* name) {
  // Beside what is built, not under /tmp: that may be memory, where nothing is durable.
  const auto path = std::filesystem::path(TANDEM_SOURCE_DIR) / "build" / "bench-data" / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

log::Event new_link(size_t i) {
  return test_support::fact("link", "link-" + std::to_string(10'000'000 + i),
                            {{"a", test_support::node_id(i % kNodes)},
                             {"b", test_support::node_id((i + 1) % kNodes)},
                             {"capacity_gbps", 100.0},
                             {"delay_us", 500.0},
                             {"length_km", 100.0},
                             {"igp_metric", 10.0}});
}

log::Event link_state(size_t i, bool up) {
  return test_support::fact("link", "link-" + std::to_string(10'000'000 + i), {{"state", up ? "up" : "down"}});
}

// Each event a group of its own, as many callers would send them.
void submit(Core& core, std::vector<log::Event> events, Instant now) {
  std::vector<std::vector<log::Event>> groups;
  groups.reserve(events.size());
  for (log::Event& event : events) groups.push_back({std::move(event)});
  const auto outcomes = core.submit(std::move(groups), now);
  CHECK(outcomes.has_value());
  for (const auto& outcome : *outcomes) CHECK(outcome.has_value());
}

std::vector<log::Event> world_without_links() {
  std::vector<log::Event> events;
  for (log::Event& event : test_support::small_world(kNodes))
    if (event.facts_recorded().kind() != "link") events.push_back(std::move(event));
  return events;
}

// A sequencer over a log on disk that holds the nodes.
struct World {
  explicit World(const std::filesystem::path& directory) {
    auto opened = log::open_sqlite_log({directory});
    CHECK(opened.has_value());
    log = std::move(*opened);
    CoreOptions options;
    options.append_beside = true;
    auto ready = Core::open(*log, nullptr, options);
    CHECK(ready.has_value());
    core = std::move(*ready);
    submit(*core, world_without_links(), now);
  }
  void take(std::vector<log::Event> events) {
    now = now + milliseconds(10);
    submit(*core, std::move(events), now);
  }

  std::unique_ptr<log::Log> log;
  std::unique_ptr<Core> core;
  Instant now{1'763'714'450'000'000'000};
};

void submit_new_entities(benchmark::State& state) {
  World world(fresh_directory("append"));
  size_t made = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<log::Event> events;
    for (size_t i = 0; i < kLoadAtOnce; ++i) events.push_back(new_link(made++));
    state.ResumeTiming();
    world.take(std::move(events));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kLoadAtOnce));
  state.counters["facts/s"] = benchmark::Counter(static_cast<double>(made) * 6, benchmark::Counter::kIsRate);
}
BENCHMARK(submit_new_entities)->UseRealTime()->Unit(benchmark::kMillisecond);

void submit_changes(benchmark::State& state) {
  World world(fresh_directory("change"));
  std::vector<log::Event> links;
  for (size_t i = 0; i < 20'000; ++i) links.push_back(new_link(i));
  world.take(std::move(links));
  Random random(1);
  bool up = false;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<log::Event> events;
    for (size_t i = 0; i < kAtOnce; ++i) events.push_back(link_state(random.below(20'000), up));
    up = !up;
    state.ResumeTiming();
    world.take(std::move(events));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kAtOnce));
}
BENCHMARK(submit_changes)->UseRealTime()->Unit(benchmark::kMillisecond);

// A log of kEvents with a checkpoint kTail before its end.
const std::filesystem::path& filled() {
  static const std::filesystem::path directory = [] {
    const auto path = fresh_directory("cold");
    World world(path / "log");
    const auto checkpoints = directory_checkpoints(path / "checkpoints");
    Random random(1);
    size_t links = 0;
    bool written = false;
    // Counted here: to ask for the state makes the grid, which a load of nothing but nouns would do for each batch.
    for (size_t recorded = 0; recorded < kEvents; recorded += kAtOnce) {
      std::vector<log::Event> events;
      for (size_t i = 0; i < kAtOnce; ++i)
        events.push_back(links < kLinks ? new_link(links++) : link_state(random.below(kLinks), random.below(2) == 0));
      world.take(std::move(events));
      if (!written && recorded >= kEvents - kTail) {
        CHECK(write_checkpoint(world.core->state(), *checkpoints).has_value());
        written = true;
      }
    }
    return path;
  }();
  return directory;
}

void cold_start(benchmark::State& state, bool from_checkpoint) {
  const auto& path = filled();
  size_t entities = 0;
  for (auto _ : state) {
    auto log = log::open_sqlite_log({path / "log"});
    CHECK(log.has_value());
    const auto checkpoints = directory_checkpoints(path / "checkpoints");
    auto core = Core::open(**log, from_checkpoint ? checkpoints.get() : nullptr, {});
    CHECK(core.has_value());
    CHECK((*core)->state().inventory.offset() >= kEvents);
    entities = (*core)->state().inventory.size();
  }
  state.counters["entities"] = static_cast<double>(entities);
}
BENCHMARK_CAPTURE(cold_start, from_a_checkpoint, true)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(2);
BENCHMARK_CAPTURE(cold_start, from_nothing, false)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace tandem::control
