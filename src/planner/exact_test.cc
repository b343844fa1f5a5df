// Small random grids against the exact optimum, found by Cbc (Debian package coinor-cbc) from the whole problem written
// as a mixed-integer program: every operating point, replicas as integers, splits, rejections, accelerators, power,
// both directions of every link, and how far prefills stretch the step of the smallest batch. Waits and how steps
// spread are not linear: the optimum is exact where its own plan keeps the promises (violations() finds nothing), and
// only such instances count, so promises are drawn wide. Without Cbc the suites are skipped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "base/random.h"
#include "planner/certificate.h"
#include "planner/planner.h"
#include "planner/problem.h"
#include "support/small_planning_grid.h"
#include "support/temporary_directory.h"

namespace tandem::planner {
namespace {

class ExactProgram {
 public:
  explicit ExactProgram(const grid::Snapshot& snapshot) : s_(snapshot), network_(twin::make_network(snapshot)) {
    for (size_t r = 0; r < s_.regions.size(); ++r)
      reaches_.push_back(twin::reach_from(s_, network_, grid::RegionIndex(r)));
    for (uint32_t p = 0; p < s_.pools.size(); ++p)
      for (const grid::Profile& profile : s_.profiles)
        if (profile.accelerator == s_.pools[size_t{p}].accelerator)
          for (const grid::OperatingPoint& point : profile.points) runs_.push_back({p, &profile, &point});
  }

  // The optimum and a plan that has it; nothing when Cbc did not prove one.
  std::optional<v1::Plan> solve(const std::filesystem::path& directory) {
    const auto program = directory / "exact.lp", solution = directory / "exact.sol";
    std::ofstream(program) << text();
    const std::string command = "cbc " + program.string() + " ratioGap 0 allowableGap 1e-7 sec 4 solve solution " +
                                solution.string() + " >/dev/null 2>&1";
    if (std::system(command.c_str()) != 0) return std::nullopt;
    std::ifstream in(solution);
    std::string line;
    if (!std::getline(in, line) || !line.starts_with("Optimal")) return std::nullopt;
    std::map<std::string, double> values;
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string position, name;
      double value = 0;
      if (words >> position >> name >> value) values[name] = value;
    }
    return plan_of(values);
  }

 private:
  struct Run {
    uint32_t pool;
    const grid::Profile* profile;
    const grid::OperatingPoint* point;
  };
  struct Row {
    Row() { terms.precision(15); }
    std::ostringstream terms;
    bool any = false;
    void add(double factor, const std::string& name) {
      if (factor == 0) return;
      terms << (factor < 0 ? " - " : " + ") << std::abs(factor) << ' ' << name;
      any = true;
    }
  };

  static std::string name(char kind, size_t run) { return kind + std::to_string(run); }
  static std::string name(char kind, size_t demand, size_t run) {
    return kind + std::to_string(demand) + "_" + std::to_string(run);
  }

  const twin::RegionReach& reach(const grid::Demand& demand) const { return reaches_[demand.region.value]; }
  double prefill(const grid::Demand& demand, const Run& run) const {
    return demand.rate_per_s * twin::prefill_time(*run.profile, demand.prompt_tokens, demand.prefix_hit).value() * 1e-3;
  }
  double busy(const grid::Demand& demand, const Run& run) const {
    return prefill(demand, run) +
           demand.rate_per_s * demand.output_tokens * run.point->decode_per_token.value() * 1e-3 / run.point->batch;
  }
  bool passes(const grid::Demand& demand, const Run& run) const {
    const grid::Pool& pool = s_.pools[size_t{run.pool}];
    const grid::JurisdictionSet residency = s_.tenants[demand.tenant].residency;
    return run.profile->model == demand.model && reach(demand).reachable(pool.node) &&
           residency.contains(s_.jurisdiction_of(pool.site)) &&
           residency.contains(reach(demand).tree->jurisdictions(pool.node)) &&
           run.point->decode_per_token <= demand.promise.tpot &&
           twin::kv_requests_max(s_.models[run.profile->model], *run.profile, demand.prompt_tokens,
                                 demand.output_tokens) >= run.point->batch &&
           twin::round_trip(reach(demand), pool.node).value() * 1e-3 +
                   twin::ttft_alone(twin::sizes_of(*run.profile, demand), demand.promise.quantile).value() <=
               demand.promise.ttft.value();
  }

  // The program in Cbc's text format, while it is being written.
  struct Text {
    explicit Text(const grid::Snapshot& s)
        : pool(s.pools.size()), site(s.sites.size()), arc(2 * s.links.size()), cover(s.demands.size()) {
      rows.precision(15);
    }
    void emit(const Row& row, const char* relation, double right) {
      if (row.any) rows << " c" << row_count++ << ":" << row.terms.str() << ' ' << relation << ' ' << right << '\n';
    }
    Row objective;
    std::ostringstream rows, bounds, integers, binaries;
    std::vector<Row> pool, site, arc, cover;
    std::map<std::pair<uint32_t, const grid::Profile*>, Row> one_point;
    size_t row_count = 0;
  };

  std::string text() {
    Text text(s_);
    for (size_t k = 0; k < runs_.size(); ++k) add_run(text, k);
    for (auto& [key, row] : text.one_point) text.emit(row, "<=", 1);
    add_limits(text);
    for (size_t d = 0; d < s_.demands.size(); ++d) {
      text.objective.add(s_.demands[d].rate_per_s * 3600 * s_.policy.rejection_penalty.value(), name('b', d));
      text.cover[d].add(1, name('b', d));
      text.emit(text.cover[d], "=", 1);
      text.bounds << " 0 <= " << name('b', d) << " <= 1\n";
    }
    return "Minimize\n obj:" + text.objective.terms.str() + "\nSubject To\n" + text.rows.str() + "Bounds\n" +
           text.bounds.str() + "Generals\n" + text.integers.str() + "Binaries\n" + text.binaries.str() + "End\n";
  }

  // What replicas of a pool at one operating point cost, take and give.
  void add_run(Text& text, size_t k) const {
    const Run& run = runs_[k];
    const grid::Pool& at = s_.pools[size_t{run.pool}];
    const grid::Accelerator& accelerator = s_.accelerators[at.accelerator];
    text.objective.add(accelerator.price.value() + accelerator.idle_power.value() * euros_per_watt(at), name('n', k));
    text.pool[run.pool].add(1, name('n', k));
    text.site[at.site.value].add(accelerator.peak_power.value() * 1e-3, name('n', k));
    text.one_point[{run.pool, run.profile}].add(1, name('y', k));
    text.bounds << " 0 <= " << name('n', k) << " <= " << at.count << '\n';
    text.integers << ' ' << name('n', k) << '\n';
    text.binaries << ' ' << name('y', k) << '\n';
    Row open, work, prefills;
    open.add(1, name('n', k));
    open.add(-static_cast<double>(at.count), name('y', k));
    text.emit(open, "<=", 0);
    double all_prefill = 0;
    for (size_t d = 0; d < s_.demands.size(); ++d) {
      const grid::Demand& demand = s_.demands[d];
      if (!passes(demand, run)) continue;
      add_split(text, d, k);
      work.add(busy(demand, run), name('x', d, k));
      prefills.add(prefill(demand, run), name('x', d, k));
      all_prefill += prefill(demand, run);
    }
    work.add(-kUtilizationMax, name('n', k));
    text.emit(work, "<=", 0);
    // Time per token: the step of the smallest batch / (1 − prefills' share) ≤ promised, for each demand in use.
    for (size_t d = 0; d < s_.demands.size(); ++d) {
      const grid::Demand& demand = s_.demands[d];
      if (!passes(demand, run)) continue;
      Row stretched;
      stretched.terms << prefills.terms.str();
      stretched.any = true;
      stretched.add(-(1 - run.profile->points.front().decode_per_token.value() / demand.promise.tpot.value()),
                    name('n', k));
      stretched.add(all_prefill, name('u', d, k));
      text.emit(stretched, "<=", all_prefill);
    }
  }

  // What a demand's split to such replicas costs and carries over the links.
  void add_split(Text& text, size_t d, size_t k) const {
    const Run& run = runs_[k];
    const grid::Demand& demand = s_.demands[d];
    const grid::Pool& at = s_.pools[size_t{run.pool}];
    const std::string x = name('x', d, k), u = name('u', d, k);
    const double up = demand.rate_per_s * demand.upload_bytes * 8e-9,
                 back = demand.rate_per_s * demand.download_bytes * 8e-9;
    text.objective.add(demand.rate_per_s * 3600 * (demand.upload_bytes + demand.download_bytes) *
                           reach(demand).tree->euros_per_byte(at.node),
                       x);
    text.cover[d].add(1, x);
    for (const auto& share : reach(demand).tree->shares_to(at.node))
      text.arc[2 * share.link.value + (share.forward ? 0 : 1)].add(up * share.fraction, x);
    for (const auto& share : reach(demand).tree->shares_back(at.node))
      text.arc[2 * share.link.value + (share.forward ? 0 : 1)].add(back * share.fraction, x);
    text.binaries << ' ' << u << '\n';
    Row used;
    used.add(1, x);
    used.add(-1, u);
    text.emit(used, "<=", 0);
    Row within;
    within.add(1, u);
    within.add(-1, name('y', k));
    text.emit(within, "<=", 0);
  }

  // Accelerators, power and both directions of every link.
  void add_limits(Text& text) {
    const twin::Forecast background = twin::forecast(s_, {});
    for (size_t p = 0; p < s_.pools.size(); ++p) {
      const uint32_t reserve = std::min(s_.pools[p].count, radio_reserve_max(s_.pools[p]));
      text.emit(text.pool[p], "<=", s_.pools[p].count - reserve);
      kept_kw_[s_.pools[p].site.value] += reserve * s_.accelerators[s_.pools[p].accelerator].peak_power.value() * 1e-3;
    }
    for (size_t i = 0; i < s_.sites.size(); ++i) {
      const double limit_kw = std::min(s_.sites[i].power_limit.value(), s_.sites[i].cooling_limit.value());
      text.emit(text.site[i], "<=", std::max(0.0, limit_kw - kept_kw_[static_cast<uint32_t>(i)]));
    }
    for (size_t l = 0; l < s_.links.size(); ++l) {
      const double headroom = s_.policy.link_headroom;
      const auto& load = background.links[l];
      text.emit(text.arc[2 * l], "<=", std::max(0.0, headroom * s_.links[l].capacity_ab.value() - load.ab.value()));
      text.emit(text.arc[2 * l + 1], "<=", std::max(0.0, headroom * s_.links[l].capacity_ba.value() - load.ba.value()));
    }
  }

  double euros_per_watt(const grid::Pool& pool) const {
    const grid::Site& site = s_.sites[pool.site];
    return site.pue * site.power_price.value() * 1e-3;
  }

  v1::Plan plan_of(const std::map<std::string, double>& values) const {
    const auto value = [&](const std::string& name) {
      const auto found = values.find(name);
      return found == values.end() ? 0 : found->second;
    };
    v1::Plan plan;
    for (size_t k = 0; k < runs_.size(); ++k) {
      const auto replicas = static_cast<uint32_t>(value(name('n', k)) + 0.5);
      if (replicas == 0) continue;
      v1::PlannedDeployment* row = plan.add_deployments();
      row->set_model(s_.models[runs_[k].profile->model].id);
      row->set_pool(s_.pools[size_t{runs_[k].pool}].id);
      row->set_id(deployment_id(row->model(), row->pool(), 1));
      row->set_profile(runs_[k].profile->id);
      row->set_tensor_parallel(1);
      row->set_replicas(replicas);
      row->set_batch(runs_[k].point->batch);
    }
    for (size_t d = 0; d < s_.demands.size(); ++d) {
      v1::DemandPlan* row = plan.add_demands();
      row->set_demand(s_.demands[d].id);
      row->set_blocked_by("cost");
      double sum = 0;
      for (size_t k = 0; k < runs_.size(); ++k) {
        const double share = value(name('x', d, k));
        if (share < 1e-7) continue;
        v1::PlannedSplit* split = row->add_splits();
        split->set_deployment(
            deployment_id(s_.models[runs_[k].profile->model].id, s_.pools[size_t{runs_[k].pool}].id, 1));
        split->set_fraction(share);
        sum += share;
      }
      row->set_rejected(std::max(0.0, 1 - sum));
    }
    plan.set_cost_eur_per_hour(cost_of(s_, plan));
    return plan;
  }

  const grid::Snapshot& s_;
  std::shared_ptr<const twin::Network> network_;
  std::vector<twin::RegionReach> reaches_;
  std::vector<Run> runs_;
  std::map<uint32_t, double> kept_kw_;
};

// How many of `compared` lie within 1 % of the optimum, and the rest of what is said of them.
struct Closeness {
  int compared = 0, within = 0, drawn = 0;
  double worst = 0, gaps = 0;
};

// What is drawn above idle is concave in the load, and no linear program's: here accelerators draw the same all the
// time.
grid::Snapshot idle_power_only(grid::Snapshot s) {
  for (uint32_t f = 0; f < s.profiles.size(); ++f) {
    grid::Profile profile = s.profiles[size_t{f}];
    for (grid::OperatingPoint& point : profile.points) point.power = s.accelerators[profile.accelerator].idle_power;
    s.profiles = s.profiles.with(grid::ProfileIndex(f), profile);
  }
  return s;
}

// Compares instances from `first_seed` on whose optimum keeps its waits.
Closeness compare_with_optimum(int wanted, uint64_t first_seed) {
  const test_support::TemporaryDirectory directory;
  Closeness found;
  for (uint64_t seed = first_seed; found.compared < wanted && found.drawn < 4 * wanted; ++seed, ++found.drawn) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const grid::Snapshot s =
        idle_power_only(test_support::small_planning_grid(random, {6, 5, 6, 12, 2, 60, "s", 60, 240, std::nullopt}));
    Planner planner;
    const v1::Plan ours = planner.plan(s, nullptr, "p", seed, {}, {});
    EXPECT_THAT(violations(s, ours), testing::IsEmpty());
    EXPECT_GE(proven_bound(s, planner.prices()), ours.bound_eur_per_hour() * (1 - 1e-7));
    const auto exact = ExactProgram(s).solve(directory.path());
    if (!exact) continue;
    if (!violations(s, *exact).empty()) continue;  // its waits break promises: the optimum lies above it
    const double optimum = exact->cost_eur_per_hour();
    ++found.compared;
    EXPECT_LE(ours.bound_eur_per_hour(), optimum * (1 + 1e-6) + 1e-6) << "a bound above the optimum is no bound";
    EXPECT_GE(ours.cost_eur_per_hour(), optimum * (1 - 1e-5) - 1e-5) << "no plan is better than the best";
    const double above = optimum > 0 ? ours.cost_eur_per_hour() / optimum - 1 : 0;
    found.within += above <= 0.01;
    if (above > 0.01)
      std::printf("grid %d is planned %.2f %% above its optimum\n", static_cast<int>(seed), 100 * above);
    found.worst = std::max(found.worst, above);
    found.gaps += optimum > 0 ? 1 - ours.bound_eur_per_hour() / optimum : 0;
  }
  std::printf(
      "within 1 %% of the optimum: %d of %d (%d drawn); worst %.2f %% above it; the bound %.2f %% below it on "
      "average\n",
      found.within, found.compared, found.drawn, 100 * found.worst, 100 * found.gaps / std::max(1, found.compared));
  return found;
}

// TANDEM_EXACT_GRIDS=500 compares that many, TANDEM_EXACT_FIRST=n begins with grid n. The floor is what is reached,
// less what a slower machine's Cbc may leave out; 95 % are wanted.
TEST(PlanExactSoak, SoundAndNearTheOptimum) {
  if (std::system("cbc -quit >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "cbc is not installed: scripts/install-packages test";
  const char* asked = std::getenv("TANDEM_EXACT_GRIDS");
  const int wanted = asked != nullptr ? std::atoi(asked) : 24;
  const char* first = std::getenv("TANDEM_EXACT_FIRST");
  const Closeness found = compare_with_optimum(wanted, first != nullptr ? static_cast<uint64_t>(std::atoi(first)) : 1);
  EXPECT_EQ(found.compared, wanted) << "too few have an optimum that Cbc finds and whose waits hold";
  EXPECT_GE(found.within * 100, found.compared * 90);
}

}  // namespace
}  // namespace tandem::planner
