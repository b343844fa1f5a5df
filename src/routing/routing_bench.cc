// What one routing decision costs on 1,000 sites × 200 models. Each line states the part of the decision it exercises
// and the percentiles of single decisions, each over a fresh region, tenant and request mix so that caches are as cold
// as in service.
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>

#include "base/histogram.h"
#include "base/random.h"
#include "routing/prefix.h"
#include "routing/room.h"
#include "routing/routing.h"
#include "routing/sieve_index.h"

namespace tandem::routing {
namespace {

constexpr size_t kSites = 1'000;
constexpr size_t kModels = 200;
constexpr size_t kRegions = 100;
constexpr size_t kTenants = 10;

// Every model at `sites_per_model` sites; prices fall and distances grow from edge to cloud, each site a little apart.
enum class Engines { alike, four_speeds, two_kinds };  // of two kinds one reads cheaply and one writes cheaply
TableRows make_rows(size_t sites_per_model, bool with_plan, Engines engines = Engines::alike) {
  Random random(1);
  TableRows rows;
  rows.jurisdictions = {"A", "B", "C"};
  std::vector<double> site_price(kSites);
  std::vector<grid::JurisdictionSet> site_jurisdiction(kSites);
  for (size_t i = 0; i < kSites; ++i) {
    site_jurisdiction[i] = {uint64_t{1} << random.below(3)};
    rows.sites.push_back("s" + std::to_string(i));
    site_price[i] = (1 + 3 * random.uniform()) * 1e-6;
  }
  for (size_t i = 0; i < kRegions; ++i) rows.regions.push_back("r" + std::to_string(i));
  for (size_t i = 0; i < kModels; ++i) rows.models.push_back("m" + std::to_string(i));
  rows.tenants.resize(kTenants);
  for (uint32_t model = 0; model < kModels; ++model)
    for (size_t i = 0; i < sites_per_model; ++i) {
      Target target;
      target.site_position = static_cast<uint32_t>((model + i * (kSites / sites_per_model)) % kSites);
      target.deployment = rows.models[model] + "@" + rows.sites[target.site_position];
      target.model = model;
      target.jurisdiction = site_jurisdiction[target.site_position];
      target.concurrency_max = 32;
      target.in_flight_kept = 24;
      target.prefill_tokens_per_s =
          engines == Engines::four_speeds ? 5'000 * static_cast<double>(1 + random.below(4)) : 10'000;
      target.tpot = Milliseconds(20);
      target.euros_per_prompt_token = site_price[target.site_position];
      target.euros_per_output_token = 3 * site_price[target.site_position];
      if (engines == Engines::two_kinds)
        (i % 2 == 0 ? target.euros_per_prompt_token : target.euros_per_output_token) /= 3;
      rows.targets.push_back(std::move(target));
    }
  for (size_t i = 0; i < kRegions; ++i)
    for (size_t site = 0; site < kSites; ++site)
      rows.legs.push_back({true, Microseconds(1'000 + 40'000 * random.uniform()), site_jurisdiction[site],
                           1e-12 * (1 + random.uniform())});
  if (!with_plan) return rows;
  for (uint32_t tenant = 0; tenant < kTenants; ++tenant)
    for (uint32_t region = 0; region < kRegions; ++region)
      for (uint32_t model = 0; model < kModels; ++model) {
        TableRows::DemandSplit demand{tenant, region, model, {}, {}};
        for (size_t i = 0; i < 3; ++i)
          demand.splits.push_back(
              {static_cast<uint32_t>(model * sites_per_model + random.below(sites_per_model)), 0.33});
        rows.demand_splits.push_back(std::move(demand));
      }
  return rows;
}

enum class Case {
  plan,
  open,
  two_kinds,
  promise,
  tight,
  slow_tokens,
  queued,
  queued_half_near,
  nowhere,
  at_risk,
  at_risk_mixed,
  half_full,
  mostly_full,
  nearly_full,
  full
};
double full_share(Case kind) {
  switch (kind) {
    case Case::half_full: return 0.5;
    case Case::mostly_full: return 0.8;
    case Case::nearly_full: return 0.95;
    case Case::full: return 1;
    default: return 0;
  }
}

void run(benchmark::State& state, Case kind) {
  const auto sites_per_model = static_cast<size_t>(state.range(0));
  const Engines engines = kind == Case::at_risk_mixed ? Engines::four_speeds
                          : kind == Case::two_kinds   ? Engines::two_kinds
                                                      : Engines::alike;
  const RoutingTable table(make_rows(sites_per_model, kind == Case::plan, engines));
  std::vector<TargetLive> live(table.targets().size());
  std::vector<const TargetLive*> pointers(live.size());
  RoomBits room(table, 0.125);
  Random random(7);
  for (uint32_t i = 0; i < live.size(); ++i) {
    pointers[i] = &live[i];
    if (kind == Case::queued || kind == Case::queued_half_near) {
      live[i].prefills = static_cast<uint32_t>(1 + random.below(4));
      live[i].prefill_tokens = static_cast<uint32_t>(live[i].prefills * (1'000 + random.below(2'000)));
      room.set_wait(table.lane_of(i), wait_for_prefills_us(table.candidate_at(i), live[i]));
    }
    if (!random.chance(full_share(kind))) continue;
    live[i].in_flight = 24;
    room.set(table.lane_of(i), true, false);
  }
  Histogram nanoseconds_taken;
  for (auto _ : state) {
    RequestFacts request;
    request.tenant = static_cast<uint32_t>(random.below(kTenants));
    request.region = static_cast<uint32_t>(random.below(kRegions));
    request.model = static_cast<uint32_t>(random.below(kModels));
    request.prompt_tokens = static_cast<double>(100 + random.below(4'000));
    request.output_tokens = static_cast<double>(50 + random.below(1'000));
    request.bytes = request.prompt_tokens * 4;
    request.queue_per_concurrency = 0.125;
    const double prefill_ms = request.prompt_tokens / 10;
    if (kind == Case::promise) request.ttft = Milliseconds(prefill_ms + 20);  // half of the sites are near enough
    if (kind == Case::tight) request.ttft = Milliseconds(prefill_ms + 2);     // one in forty is
    if (kind == Case::slow_tokens) request.tpot = Milliseconds(10);
    if (kind == Case::queued) request.ttft = Milliseconds(prefill_ms + 45);  // all would, were nothing waiting there
    if (kind == Case::queued_half_near) request.ttft = Milliseconds(prefill_ms + 20);
    if (kind >= Case::at_risk) request.ttft = Milliseconds(0.5);  // none is
    if (kind != Case::plan) request.allowed = {kind == Case::nowhere ? 0b1000u : 0b101u};
    const double draw = random.uniform();
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(decide(table, request, LivePointers{pointers, &room}, {}, draw));
    const auto end = std::chrono::steady_clock::now();
    nanoseconds_taken.record(static_cast<uint64_t>(std::chrono::nanoseconds(end - start).count()));
  }
  state.counters["p50_ns"] = static_cast<double>(nanoseconds_taken.percentile(0.5));
  state.counters["p99_ns"] = static_cast<double>(nanoseconds_taken.percentile(0.99));
  state.counters["targets"] = static_cast<double>(table.targets().size());
}

BENCHMARK_CAPTURE(run, follows_plan, Case::plan)->Arg(20)->Arg(1'000);
BENCHMARK_CAPTURE(run, cheapest, Case::open)->Arg(20)->Arg(1'000);
BENCHMARK_CAPTURE(run, cheapest_of_two_kinds, Case::two_kinds)->Arg(1'000);
BENCHMARK_CAPTURE(run, cheapest_half_keep_promise, Case::promise)->Arg(20)->Arg(1'000);
BENCHMARK_CAPTURE(run, cheapest_one_in_forty_keeps, Case::tight)->Arg(20)->Arg(200)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_none_keeps, Case::at_risk)->Arg(20)->Arg(200)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_of_four_speeds_none_keeps, Case::at_risk_mixed)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_all_write_too_slowly, Case::slow_tokens)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_prompts_queue_everywhere, Case::queued)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_prompts_queue_everywhere_half_near, Case::queued_half_near)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_of_half_with_room, Case::half_full)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_of_one_in_five_with_room, Case::mostly_full)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_of_one_in_twenty_with_room, Case::nearly_full)->Arg(1'000);
BENCHMARK_CAPTURE(run, rejected_nowhere_allowed, Case::nowhere)->Arg(1'000);
BENCHMARK_CAPTURE(run, rejected_all_full, Case::full)->Arg(20)->Arg(1'000);

// A prompt of 100,000 tokens, the index full of others, eight of a thousand engines with a part of it: its text is
// hashed, engines that have its beginning are looked up, the request is decided, and noted.
void long_prompt(benchmark::State& state) {
  const RoutingTable table(make_rows(1'000, false));
  std::vector<TargetLive> live(table.targets().size());
  Random random(7);
  PrefixIndex index;
  for (size_t i = 0; i < 20'000; ++i) {
    std::vector<PrefixPoint> other;
    for (uint32_t point = 0; point < 40; ++point) other.push_back({random.next(), point});
    index.note(other, {static_cast<uint32_t>(random.below(live.size())), 1, 0}, 1'000, seconds(1));
  }
  constexpr size_t kBytes = 400'000;
  std::string text(kBytes, ' ');
  for (char& letter : text) letter = static_cast<char>('a' + random.below(26));
  Histogram hash_ns, decide_ns, note_ns;
  for (auto _ : state) {
    for (size_t i = 0; i < 64; ++i) text[random.below(kBytes)] = static_cast<char>('a' + random.below(26));
    const auto start = std::chrono::steady_clock::now();
    PrefixHasher hasher;
    hasher.add(text);
    const auto hashed = std::chrono::steady_clock::now();
    RequestFacts request;
    request.tenant = static_cast<uint32_t>(random.below(kTenants));
    request.region = static_cast<uint32_t>(random.below(kRegions));
    request.model = static_cast<uint32_t>(random.below(kModels));
    request.prompt_tokens = kBytes / 4;
    request.output_tokens = 256;
    request.bytes = kBytes;
    index.find(hasher.points(), seconds(2), [&](uint32_t engine, uint32_t tokens) {
      request.hits.offer({engine, tokens});
    });
    const Decision decision = decide(table, request, std::span<const TargetLive>(live), {}, 0.5);
    const auto decided = std::chrono::steady_clock::now();
    const auto first = request.model * 1'000;
    const auto beginning = hasher.points().first(1 + random.below(hasher.points().size()));
    index.note(beginning, {static_cast<uint32_t>(first + random.below(1'000)), 1, 0}, 1'000, seconds(2));
    const auto noted = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(decision);
    const auto ns = [](auto from, auto to) {
      return static_cast<uint64_t>(std::chrono::nanoseconds(to - from).count());
    };
    hash_ns.record(ns(start, hashed));
    decide_ns.record(ns(hashed, decided));
    note_ns.record(ns(decided, noted));
  }
  for (const auto& [name, histogram] : {std::pair("hash", &hash_ns), {"decide", &decide_ns}, {"note", &note_ns}})
    for (const double quantile : {0.5, 0.99})
      state.counters[std::string(name) + (quantile < 0.9 ? "_p50_ns" : "_p99_ns")] =
          static_cast<double>(histogram->percentile(quantile));
}
BENCHMARK(long_prompt)->Iterations(20'000);

// What a search reads beside rows, made for each new table: 200,000 targets, 100,000 legs.
void sieve_index(benchmark::State& state) {
  const RoutingTable table(make_rows(1'000, false));
  for (auto _ : state) benchmark::DoNotOptimize(SieveIndex(table));
}
BENCHMARK(sieve_index)->Unit(benchmark::kMillisecond);

void empty_measurement(benchmark::State& state) {
  Histogram nanoseconds_taken;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    const auto end = std::chrono::steady_clock::now();
    nanoseconds_taken.record(static_cast<uint64_t>(std::chrono::nanoseconds(end - start).count()));
  }
  state.counters["p50_ns"] = static_cast<double>(nanoseconds_taken.percentile(0.5));
}
BENCHMARK(empty_measurement);

}  // namespace
}  // namespace tandem::routing
