// Large grids (1,000 sites, 10,000 demands, 50 models; dense demand and a pilot's): the gap after 1, 5, 10 and 60 s
// from nothing, and the time to mend the plan after any single link or site is lost. And the example grid
// (examples/national.yaml): planned cold, planned again after each kind of failure, and what follows a plan. Counters:
// cost and lower bound in €/h, gap in %, demands rejected at least in part, replicas moved.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/random.h"
#include "generate/generate.h"
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

// The worlds with one link cut, or one site dark, each planned again from the same plan by the planner that made it, as
// a running grid does.
template <class Change>
void replan_each(benchmark::State& state, size_t count, Change change) {
  Planner made;
  const v1::Plan first = made.plan(example(), nullptr, "bench", 1, {}, {});
  size_t i = 0;
  double moves_max = 0, rejected_max = 0, rejected_all = 0;
  std::vector<double> times_ms;
  for (auto _ : state) {
    state.PauseTiming();
    const grid::Snapshot after = change(i++ % count);
    Planner planner = made;
    state.ResumeTiming();
    const auto start = std::chrono::steady_clock::now();
    const v1::Plan p = planner.plan(after, &first, "bench", 1, {}, {});
    times_ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    double rejected = 0;
    for (const auto& demand : p.demands()) rejected += demand.rejected() > 0;
    moves_max = std::max<double>(moves_max, p.moves());
    rejected_max = std::max(rejected_max, rejected);
    rejected_all += rejected;
  }
  std::sort(times_ms.begin(), times_ms.end());
  state.counters["median_ms"] = times_ms[times_ms.size() / 2];
  state.counters["p95_ms"] = times_ms[times_ms.size() * 95 / 100];
  state.counters["moves_max"] = moves_max;
  state.counters["rejected_max"] = rejected_max;
  state.counters["rejected_mean"] = rejected_all / static_cast<double>(i);
}

void replan_after_a_link_cut(benchmark::State& state) {
  replan_each(state, example().links.size(), [](size_t i) {
    grid::Link link = example().links[i];
    link.state = grid::State::down;
    return grid::with_link(example(), grid::LinkIndex(i), link, 1);
  });
}
BENCHMARK(replan_after_a_link_cut)->Iterations(40)->UseRealTime()->Unit(benchmark::kMillisecond);

void replan_after_a_site_is_dark(benchmark::State& state) {
  replan_each(state, example().sites.size(), [](size_t i) {
    grid::Site site = example().sites[i];
    site.state = grid::State::down;
    return grid::with_site(example(), grid::SiteIndex(i), site, 1);
  });
}
BENCHMARK(replan_after_a_site_is_dark)->Iterations(40)->UseRealTime()->Unit(benchmark::kMillisecond);

// A made-up nation whose demand fills that many thousandths of its accelerators.
const grid::Snapshot& nation(int64_t load) {
  static std::map<int64_t, grid::Snapshot> made;
  const auto found = made.find(load);
  if (found != made.end()) return found->second;
  const auto entities = generate::generate_grid(
      {.sites = 1'000, .demands = 10'000, .models = 50, .load = static_cast<double>(load) / 1e3});
  CHECK(entities.has_value());
  ingest::GridSnapshot read = ingest::read_grid(ingest::write_grid_file(*entities), "nation.yaml");
  CHECK(read.snapshot.has_value());
  return made.emplace(load, std::move(*read.snapshot)).first->second;
}

struct PlannedNation {
  Planner planner;
  v1::Plan plan;
};

using SaidSoFar = std::vector<std::pair<double, Progress>>;  // seconds from the start

PlannedNation plan_nation(const grid::Snapshot& grid, int64_t seconds, SaidSoFar* said = nullptr) {
  std::stop_source stop;
  const std::jthread limit([&](const std::stop_token& over) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, over, std::chrono::seconds(seconds), [] { return false; });
    stop.request_stop();
  });
  const auto start = std::chrono::steady_clock::now();
  PlannedNation planned;
  planned.plan = planned.planner.plan(grid, nullptr, "bench", 1, {}, stop.get_token(), [&](const Progress& progress) {
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (said != nullptr) said->emplace_back(s, progress);
  });
  return planned;
}

// One run of 60 s, and what it had said after 1, 5 and 10: what stopping it then would give.
void gap_over_time(benchmark::State& state) {
  SaidSoFar said;
  PlannedNation planned;
  for (auto _ : state) planned = plan_nation(nation(state.range(0)), 60, &said);
  report(state, planned.plan);
  std::printf("load %.3g\n  after s   cost €/h  bound €/h   gap %%\n", static_cast<double>(state.range(0)) / 1e3);
  for (const double at : {1.0, 5.0, 10.0, 60.0}) {
    Progress last;
    for (const auto& [s, progress] : said)
      if (s <= at) last = progress;
    if (last.cost_eur_per_hour > 0)
      std::printf("  %7.0f %10.2f %10.2f %7.2f\n", at, last.cost_eur_per_hour, last.bound_eur_per_hour,
                  100 * (1 - last.bound_eur_per_hour / last.cost_eur_per_hour));
    else
      std::printf("  %7.0f  no plan yet\n", at);
  }
}
BENCHMARK(gap_over_time)->ArgName("load")->Arg(600)->Arg(20)->Iterations(1)->UseRealTime()->Unit(benchmark::kSecond);

// Each failure from the plan of 10 s and what its planner knows; of 100 of all links and sites.
void mend_after_a_failure(benchmark::State& state) {
  const grid::Snapshot& grid = nation(state.range(0));
  const PlannedNation planned = plan_nation(grid, 10);
  Random random(1);
  std::vector<double> times_ms;
  double moves_max = 0, lost_for_cost = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const size_t failed = random.below(grid.links.size() + grid.sites.size());
    grid::Snapshot after;
    if (failed < grid.links.size()) {
      grid::Link link = grid.links[failed];
      link.state = grid::State::down;
      after = grid::with_link(grid, grid::LinkIndex(failed), link, 1);
    } else {
      grid::Site site = grid.sites[failed - grid.links.size()];
      site.state = grid::State::down;
      after = grid::with_site(grid, grid::SiteIndex(failed - grid.links.size()), site, 1);
    }
    Planner planner = planned.planner;
    state.ResumeTiming();
    const auto start = std::chrono::steady_clock::now();
    const v1::Plan mended = planner.plan(after, &planned.plan, "bench", 1, {}, {});
    times_ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    moves_max = std::max<double>(moves_max, mended.moves());
    for (int d = 0; d < mended.demands_size(); ++d)
      lost_for_cost +=
          mended.demands(d).rejected() > planned.plan.demands(d).rejected() && mended.demands(d).blocked_by() == "cost";
  }
  std::sort(times_ms.begin(), times_ms.end());
  state.counters["p95_ms"] = times_ms[times_ms.size() * 95 / 100];
  state.counters["moves_max"] = moves_max;
  state.counters["lost_for_cost"] = lost_for_cost;
}
BENCHMARK(mend_after_a_failure)
    ->ArgName("load")
    ->Arg(600)
    ->Arg(20)
    ->Iterations(100)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

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
