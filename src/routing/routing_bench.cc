// What one routing decision costs on 1,000 sites × 200 models. Each line states the part of the decision it exercises
// and the percentiles of single decisions, each over a fresh region, tenant and request mix so that caches are as cold
// as in service.
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>

#include "base/histogram.h"
#include "base/random.h"
#include "routing/routing.h"

namespace tandem::routing {
namespace {

constexpr size_t kSites = 1'000;
constexpr size_t kModels = 200;
constexpr size_t kRegions = 100;
constexpr size_t kTenants = 10;

// Every model at `sites_per_model` sites; prices fall and distances grow from edge to cloud, each site a little apart.
TableRows make_rows(size_t sites_per_model, bool with_plan) {
  Random random(1);
  TableRows rows;
  rows.jurisdictions = {"A", "B", "C"};
  std::vector<double> site_price(kSites);
  for (size_t i = 0; i < kSites; ++i) {
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
      target.jurisdiction = {uint64_t{1} << random.below(3)};
      target.concurrency_max = 32;
      target.prefill_tokens_per_s = 10'000;
      target.tpot = Milliseconds(20);
      target.euros_per_prompt_token = site_price[target.site_position];
      target.euros_per_output_token = 3 * site_price[target.site_position];
      rows.targets.push_back(std::move(target));
    }
  for (size_t i = 0; i < kRegions; ++i)
    for (size_t site = 0; site < kSites; ++site)
      rows.legs.push_back({true, Microseconds(1'000 + 40'000 * random.uniform()), {}, 1e-12 * (1 + random.uniform())});
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

enum class Case { plan, open, promise, tight, at_risk };

void run(benchmark::State& state, Case kind) {
  const auto sites_per_model = static_cast<size_t>(state.range(0));
  const RoutingTable table(make_rows(sites_per_model, kind == Case::plan));
  std::vector<TargetLive> live(table.targets().size());
  std::vector<const TargetLive*> pointers;
  for (const TargetLive& one : live) pointers.push_back(&one);
  Random random(7);
  Histogram nanoseconds_taken;
  for (auto _ : state) {
    RequestFacts request;
    request.tenant = static_cast<uint32_t>(random.below(kTenants));
    request.region = static_cast<uint32_t>(random.below(kRegions));
    request.model = static_cast<uint32_t>(random.below(kModels));
    request.prompt_tokens = static_cast<double>(100 + random.below(4'000));
    request.output_tokens = static_cast<double>(50 + random.below(1'000));
    request.bytes = request.prompt_tokens * 4;
    const double prefill_ms = request.prompt_tokens / 10;
    if (kind == Case::promise) request.ttft = Milliseconds(prefill_ms + 20);  // half of the sites are near enough
    if (kind == Case::tight) request.ttft = Milliseconds(prefill_ms + 2);     // one in forty is
    if (kind == Case::at_risk) request.ttft = Milliseconds(0.5);              // none is: all are weighed
    if (kind != Case::plan) request.allowed = {0b101};
    const double draw = random.uniform();
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(decide(table, request, std::span<const TargetLive* const>(pointers), {}, draw));
    const auto end = std::chrono::steady_clock::now();
    nanoseconds_taken.record(static_cast<uint64_t>(std::chrono::nanoseconds(end - start).count()));
  }
  state.counters["p50_ns"] = static_cast<double>(nanoseconds_taken.percentile(0.5));
  state.counters["p99_ns"] = static_cast<double>(nanoseconds_taken.percentile(0.99));
  state.counters["targets"] = static_cast<double>(table.targets().size());
}

BENCHMARK_CAPTURE(run, follows_plan, Case::plan)->Arg(20)->Arg(1'000);
BENCHMARK_CAPTURE(run, cheapest, Case::open)->Arg(20)->Arg(1'000);
BENCHMARK_CAPTURE(run, cheapest_half_keep_promise, Case::promise)->Arg(20)->Arg(1'000);
BENCHMARK_CAPTURE(run, cheapest_one_in_forty_keeps, Case::tight)->Arg(20)->Arg(1'000);
BENCHMARK_CAPTURE(run, fastest_none_keeps, Case::at_risk)->Arg(20)->Arg(1'000);

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
