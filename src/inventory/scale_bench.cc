// An operator's size: 100,000 devices with 5,000,000 interfaces; and ten facts an entity over two years, looked back
// on. Folding is measured in processor time, for it waits for nothing.
// TANDEM_BENCH_SCALE divides both (default 1).
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "base/check.h"
#include "inventory/inventory.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

constexpr size_t kInterfacesPerDevice = 50;
constexpr size_t kBatch = 2'000;  // events that share a time

size_t scaled(size_t count) {
  const char* divisor = std::getenv("TANDEM_BENCH_SCALE");
  return count / static_cast<size_t>(divisor ? std::max(1, std::atoi(divisor)) : 1);
}
size_t devices() { return scaled(100'000); }

log::Event event_of(std::string_view source, const std::string& kind, std::string id, Json::Object attributes) {
  log::Event event = test_support::fact(kind, id, attributes);
  event.mutable_facts_recorded()->set_source(std::string(source));
  return event;
}

log::Event device_event(size_t i) {
  return event_of("discovery:ems", "device", fmt::format("dev-{:06}", i),
                  {{"name", fmt::format("router {}", i)},
                   {"serial", fmt::format("SN{:08}", i)},
                   {"status", "active"},
                   {"external_ids", Json::Array{fmt::format("netbox:{}", i)}}});
}

log::Event interface_event(size_t device, size_t i) {
  return event_of("discovery:ems", "interface", fmt::format("dev-{:06}:et-0/0/{}", device, i),
                  {{"device", fmt::format("dev-{:06}", device)},
                   {"name", fmt::format("et-0/0/{}", i)},
                   {"type", "physical"},
                   {"speed_gbps", 100.0},
                   {"enabled", true},
                   {"mtu_bytes", int64_t{9192}},
                   {"mac_address", fmt::format("02:00:{:02x}:{:02x}:{:02x}:{:02x}", device >> 16, device >> 8 & 255,
                                               device & 255, i)}});
}

// Events come from a log, decoded: made in runs outside the measured time.
template <class Make>
double fold_all(Snapshot& snapshot, size_t count, const Make& make) {
  double seconds = 0;
  std::vector<log::Event> events;
  for (size_t i = 0; i < count;) {
    events.clear();
    for (; i < count && events.size() < kBatch; ++i) events.push_back(make(i));
    const Instant at{1'700'000'000'000'000'000 + static_cast<int64_t>(snapshot.offset()) * 1'000};
    const std::clock_t begin = std::clock();
    for (const log::Event& event : events) snapshot.fold(event, snapshot.offset() + 1, at);
    seconds += static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  }
  return seconds;
}

double resident_gb() {
  std::ifstream status("/proc/self/statm");
  double total = 0, resident = 0;
  status >> total >> resident;
  return resident * 4096e-9;
}

const Snapshot& operators_size(double* seconds = nullptr) {
  static double taken = 0;
  static const Snapshot loaded = [] {
    Snapshot snapshot;
    taken = fold_all(snapshot, devices(), device_event);
    taken += fold_all(snapshot, devices() * kInterfacesPerDevice,
                      [](size_t i) { return interface_event(i / kInterfacesPerDevice, i % kInterfacesPerDevice); });
    return snapshot;
  }();
  if (seconds) *seconds = taken;
  return loaded;
}

void fold_operators_size(benchmark::State& state) {
  for (auto _ : state) {
    double seconds = 0;
    const size_t before = mallinfo2().uordblks;
    const Snapshot& snapshot = operators_size(&seconds);
    state.SetIterationTime(seconds);
    state.counters["entities_per_s"] = static_cast<double>(snapshot.size()) / seconds;
    state.counters["bytes_per_entity"] =
        static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(snapshot.size());
    state.counters["resident_gb"] = resident_gb();
  }
}
BENCHMARK(fold_operators_size)->UseManualTime()->Unit(benchmark::kSecond)->Iterations(1);

void read_operators_checkpoint(benchmark::State& state) {
  std::string bytes;
  operators_size().write(bytes);
  for (auto _ : state) benchmark::DoNotOptimize(Snapshot::read(bytes));
  state.counters["bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(read_operators_checkpoint)->Unit(benchmark::kSecond)->Iterations(1);

void page_of_1000_interfaces(benchmark::State& state) {
  size_t page = 0;
  for (auto _ : state) {
    size_t seen = 0;
    operators_size().for_each(
        "interface", [&](const Entity& entity) { return benchmark::DoNotOptimize(entity), ++seen < 1'000; },
        fmt::format("dev-{:06}", page++ * 101 % devices()));
  }
}
BENCHMARK(page_of_1000_interfaces)->Unit(benchmark::kMillisecond);

void one_device_with_its_interfaces(benchmark::State& state) {
  size_t device = 0;
  for (auto _ : state) {
    const std::string id = fmt::format("dev-{:06}", device++ * 101 % devices());
    benchmark::DoNotOptimize(operators_size().find("device", id));
    for (const Referrer& referrer : operators_size().referrers("device", id, 1'000))
      benchmark::DoNotOptimize(operators_size().find(referrer.kind, referrer.id));
  }
}
BENCHMARK(one_device_with_its_interfaces)->Unit(benchmark::kMillisecond);

// ---- Two years -----------------------------------------------------------------------------------------------------

constexpr size_t kFactsPerEntity = 10;
constexpr int64_t kTwoYearsNs = int64_t{2} * 365 * 86'400 * 1'000'000'000;
constexpr int64_t kBeginNs = 1'700'000'000'000'000'000;
size_t changing() { return scaled(1'000'000); }

const Snapshot& two_years() {
  static const Snapshot loaded = [] {
    Snapshot snapshot;
    const size_t facts = changing() * kFactsPerEntity;
    for (size_t i = 0; i < facts; ++i) {
      const size_t round = i / changing(), entity = i % changing();
      Json::Object says{{"speed_gbps", static_cast<double>(round)}};
      if (round == 0)
        says = {{"device", fmt::format("dev-{:06}", entity / kInterfacesPerDevice)},
                {"name", fmt::format("et-{}", entity)},
                {"type", "physical"},
                {"speed_gbps", 0.0},
                {"enabled", true},
                {"mtu_bytes", int64_t{9192}}};
      const Instant at{kBeginNs + static_cast<int64_t>(static_cast<double>(i / kBatch * kBatch) /
                                                       static_cast<double>(facts) * kTwoYearsNs)};
      snapshot.fold(event_of("discovery:ems", "interface", fmt::format("if-{:07}", entity), says),
                    snapshot.offset() + 1, at);
    }
    return snapshot;
  }();
  return loaded;
}

void scan(benchmark::State& state, const Snapshot& snapshot) {
  for (auto _ : state) {
    size_t seen = 0;
    double sum = 0;
    snapshot.for_each("interface",
                      [&](const Entity& entity) { return sum += entity.find("speed_gbps")->number(), ++seen, true; });
    benchmark::DoNotOptimize(sum);
    CHECK(seen == changing());
  }
}
void scan_now(benchmark::State& state) { scan(state, two_years()); }
BENCHMARK(scan_now)->Unit(benchmark::kMillisecond)->Iterations(3);
void scan_as_of_a_year_ago(benchmark::State& state) {
  const Instant then{kBeginNs + kTwoYearsNs / 2};
  scan(state, two_years().as_of({.recorded = two_years().offset_at(then), .valid = {}}));
}
BENCHMARK(scan_as_of_a_year_ago)->Unit(benchmark::kMillisecond)->Iterations(3);
void scan_what_was_true_a_year_ago(benchmark::State& state) {
  scan(state, two_years().as_of({.recorded = {}, .valid = Instant{kBeginNs + kTwoYearsNs / 2}}));
}
BENCHMARK(scan_what_was_true_a_year_ago)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace tandem::inventory
