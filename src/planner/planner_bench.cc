// The example grid (examples/national.yaml): planned cold, planned again after each kind of failure, and what follows a
// plan. Counters: cost and lower bound in €/h, gap in %, demands rejected at least in part, replicas moved.
#include <benchmark/benchmark.h>

#include <fstream>
#include <sstream>

#include "base/check.h"
#include "ingest/ingest.h"
#include "planner/planner.h"

namespace tandem::planner {
namespace {

const grid::Snapshot& example() {
  static const grid::Snapshot snapshot = [] {
    std::ifstream file(std::string(TANDEM_SOURCE_DIR) + "/examples/national.yaml");
    std::ostringstream bytes;
    bytes << file.rdbuf();
    ingest::GridSnapshot read = ingest::read_grid(bytes.str(), "examples/national.yaml");
    CHECK(read.snapshot.has_value());
    return std::move(*read.snapshot);
  }();
  return snapshot;
}

v1::Plan plan_example(WorkLimit limit) { return plan(example(), nullptr, "bench", 1, limit, {}); }

void report(benchmark::State& state, const v1::Plan& p) {
  double rejected = 0;
  for (const auto& demand : p.demands()) rejected += demand.rejected() > 0;
  state.counters["cost"] = p.cost_eur_per_hour();
  state.counters["bound"] = p.bound_eur_per_hour();
  state.counters["gap_%"] = 100 * (p.cost_eur_per_hour() - p.bound_eur_per_hour()) / p.cost_eur_per_hour();
  state.counters["rejected"] = rejected;
  state.counters["moves"] = p.moves();
  state.counters["work"] = static_cast<double>(p.work());
}

// At a limit of 0 the greedy construction alone: what the search adds to it.
void cold_plan(benchmark::State& state) {
  v1::Plan p;
  for (auto _ : state) p = plan_example({static_cast<uint64_t>(state.range(0))});
  report(state, p);
}
BENCHMARK(cold_plan)->Arg(0)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

// The worlds with one link cut, or one site dark, each planned again from the same plan: mean time an iteration.
template <class Change>
void replan_each(benchmark::State& state, size_t count, Change change) {
  const v1::Plan first = plan_example({});
  size_t i = 0;
  double moves_max = 0, rejected_max = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const grid::Snapshot after = change(i++ % count);
    state.ResumeTiming();
    const v1::Plan p = plan(after, &first, "bench", 1, {}, {});
    double rejected = 0;
    for (const auto& demand : p.demands()) rejected += demand.rejected() > 0;
    moves_max = std::max<double>(moves_max, p.moves());
    rejected_max = std::max(rejected_max, rejected);
  }
  state.counters["moves_max"] = moves_max;
  state.counters["rejected_max"] = rejected_max;
}

void replan_after_a_link_cut(benchmark::State& state) {
  replan_each(state, example().links.size(), [](size_t i) {
    grid::Link link = example().links[i];
    link.state = grid::State::down;
    return grid::with_link(example(), grid::LinkIndex(i), link, 1);
  });
}
BENCHMARK(replan_after_a_link_cut)->Unit(benchmark::kMillisecond);

void replan_after_a_site_is_dark(benchmark::State& state) {
  replan_each(state, example().sites.size(), [](size_t i) {
    grid::Site site = example().sites[i];
    site.state = grid::State::down;
    return grid::with_site(example(), grid::SiteIndex(i), site, 1);
  });
}
BENCHMARK(replan_after_a_site_is_dark)->Unit(benchmark::kMillisecond);

void check_violations(benchmark::State& state) {
  const v1::Plan p = plan_example({});
  for (auto _ : state) {
    const auto found = violations(example(), p);
    CHECK(found.empty());
  }
}
BENCHMARK(check_violations)->Unit(benchmark::kMillisecond);

void routing_table(benchmark::State& state) {
  const v1::Plan p = plan_example({});
  for (auto _ : state) benchmark::DoNotOptimize(make_routing_table(example(), p, {}));
}
BENCHMARK(routing_table)->Unit(benchmark::kMillisecond);

void compare_with_a_dark_site(benchmark::State& state) {
  const v1::Plan p = plan_example({});
  grid::Site site = example().sites[size_t{0}];
  site.state = grid::State::down;
  const grid::Snapshot after = grid::with_site(example(), grid::SiteIndex(0), site, 1);
  for (auto _ : state) benchmark::DoNotOptimize(compare(example(), p, after));
}
BENCHMARK(compare_with_a_dark_site)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::planner
