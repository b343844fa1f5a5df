// Branches over inventories of 10⁴ to 10⁶ entities: what each costs is to grow with the edits, not with the inventory.
// A merge is timed as the core does it: decided (made on a copy, checked for conflicts and constraints), then folded.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <map>

#include "base/check.h"
#include "base/random.h"
#include "control/control.h"
#include "inventory/branch.h"
#include "support/branch_events.h"
#include "support/small_world.h"

namespace tandem::control {
namespace {

using test_support::created;
using test_support::edited;
using test_support::fact;
using test_support::merged;

constexpr size_t kInterfacesADevice = 12;
constexpr size_t kEditsAnEvent = 2'000;
constexpr Instant kNow{1'800'000'000'000'000'000};

std::string device_id(size_t i) { return "device-" + std::to_string(1'000'000 + i); }
std::string interface_id(size_t i) { return "interface-" + std::to_string(10'000'000 + i); }

void take(State& state, const log::Event& event) {
  inventory::ChangeSet changes;
  fold(state, event, state.inventory.offset() + 1, kNow, changes);
}

// As the core takes an event in, the log aside.
void decide(State& state, const log::Event& event) {
  auto events = step(state, event, kNow);
  CHECK(events.has_value());
  for (const log::Event& one : *events) take(state, one);
}

log::Event device(size_t i) {
  return fact(
      "device", device_id(i),
      {{"site", "site-1"}, {"name", "d" + std::to_string(i)}, {"serial", "S" + std::to_string(i)}, {"role", "router"}});
}
log::Event interface(size_t i) {
  return fact("interface", interface_id(i),
              {{"device", device_id(i / kInterfacesADevice)},
               {"name", "eth" + std::to_string(i % kInterfacesADevice)},
               {"speed_gbps", 100.0}});
}

// An operator of so many entities.
const State& operator_of(size_t entities) {
  static std::map<size_t, State> states;
  auto [found, is_new] = states.try_emplace(entities, empty_state());
  if (!is_new) return found->second;
  State& state = found->second;
  for (const log::Event& event : test_support::small_world(3)) take(state, event);
  for (size_t i = 0; i < entities / (kInterfacesADevice + 1); ++i) {
    take(state, device(i));
    for (size_t j = 0; j < kInterfacesADevice; ++j) take(state, interface(i * kInterfacesADevice + j));
  }
  return state;
}

size_t interfaces_of(const State& state) { return state.inventory.size("interface"); }

// A branch "b" with so many edits of interfaces spread over all.
State with_edits(const State& base, size_t edits) {
  State state = base;
  decide(state, created("b"));
  const size_t step_size = std::max<size_t>(1, interfaces_of(base) / edits);
  std::vector<log::Event> some;
  for (size_t i = 0; i < edits; ++i) {
    some.push_back(fact("interface", interface_id(i * step_size % interfaces_of(base)),
                        {{"mtu_bytes", static_cast<int64_t>(1'500 + i % 1'000)}}));
    if (some.size() < kEditsAnEvent && i + 1 < edits) continue;
    decide(state, edited("b", some));
    some.clear();
  }
  return state;
}

// Main goes on without the branch: other attributes of all interfaces.
void move_base(State& state, size_t events) {
  Random random(5);
  for (size_t i = 0; i < events; ++i)
    take(state, fact("interface", interface_id(random.below(interfaces_of(state))),
                     {{"description", "seen " + std::to_string(i)}}));
}

void create_a_branch(benchmark::State& state) {
  const State& base = operator_of(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    State copy = base;
    decide(copy, created("b"));
    benchmark::DoNotOptimize(copy.branches.size());
  }
}
BENCHMARK(create_a_branch)
    ->ArgName("entities")
    ->Arg(10'000)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMicrosecond);

void edit_a_branch(benchmark::State& state) {
  const State& base = operator_of(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(with_edits(base, 10'000));
  state.SetItemsProcessed(state.iterations() * 10'000);
}
BENCHMARK(edit_a_branch)->ArgName("entities")->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void diff_a_branch(benchmark::State& state) {
  const State prepared =
      with_edits(operator_of(static_cast<size_t>(state.range(0))), static_cast<size_t>(state.range(1)));
  for (auto _ : state)
    benchmark::DoNotOptimize(
        inventory::diff(*prepared.branches.find("b"), {.limit = SIZE_MAX, .from = {}, .kind = {}}));
}
BENCHMARK(diff_a_branch)
    ->ArgNames({"entities", "edits"})
    ->ArgsProduct({{10'000, 100'000, 1'000'000}, {100, 10'000}})
    ->Unit(benchmark::kMillisecond);

void merge_a_branch(benchmark::State& state) {
  State prepared = with_edits(operator_of(static_cast<size_t>(state.range(0))), static_cast<size_t>(state.range(1)));
  move_base(prepared, static_cast<size_t>(state.range(2)));
  for (auto _ : state) {
    State copy = prepared;
    decide(copy, merged("b"));
    benchmark::DoNotOptimize(copy.inventory.size());
  }
}
BENCHMARK(merge_a_branch)
    ->ArgNames({"entities", "edits", "base_moved_by"})
    ->ArgsProduct({{10'000, 100'000, 1'000'000}, {100, 10'000}, {0, 100'000}})
    ->Unit(benchmark::kMillisecond);

// A metro's gear from one branch: 7,151 devices, 88,625 interfaces, 9,032 parts, 18,041 addresses.
void merge_a_metro(benchmark::State& state) {
  constexpr size_t kDevices = 7'151, kInterfaces = 88'625, kParts = 9'032, kAddresses = 18'041, kFirst = 500'000,
                   kFirstInterface = 6'000'000;
  std::vector<log::Event> all;
  for (size_t i = 0; i < kDevices; ++i)
    all.push_back(fact("device", device_id(kFirst + i),
                       {{"site", "site-1"},
                        {"name", "m" + std::to_string(i)},
                        {"serial", "M" + std::to_string(i)},
                        {"role", "router"}}));
  for (size_t i = 0; i < kInterfaces; ++i)
    all.push_back(fact("interface", interface_id(kFirstInterface + i),
                       {{"device", device_id(kFirst + i % kDevices)},
                        {"name", "eth" + std::to_string(i / kDevices)},
                        {"speed_gbps", 100.0}}));
  for (size_t i = 0; i < kParts; ++i)
    all.push_back(fact("card", "card-" + std::to_string(i),
                       {{"device", device_id(kFirst + i % kDevices)}, {"serial", "C" + std::to_string(i)}}));
  for (size_t i = 0; i < kAddresses; ++i)
    all.push_back(fact("address", "address-" + std::to_string(i),
                       {{"address", fmt::format("10.{}.{}.1/24", i / 250, i % 250)},
                        {"assigned_to", "interface/" + interface_id(kFirstInterface + i)}}));
  State prepared = operator_of(static_cast<size_t>(state.range(0)));
  decide(prepared, created("b"));
  for (size_t i = 0; i < all.size(); i += kEditsAnEvent)
    decide(prepared, edited("b", {all.begin() + static_cast<ptrdiff_t>(i),
                                  all.begin() + static_cast<ptrdiff_t>(std::min(i + kEditsAnEvent, all.size()))}));
  for (auto _ : state) {
    State copy = prepared;
    decide(copy, merged("b"));
    CHECK(copy.inventory.size() == prepared.inventory.size() + all.size());
  }
  state.counters["edits"] = static_cast<double>(all.size());
}
BENCHMARK(merge_a_metro)->ArgName("entities")->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::control
