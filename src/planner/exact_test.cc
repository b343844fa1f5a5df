// Small random grids against the exact optimum, found by Cbc (Debian package coinor-cbc) from the whole problem written
// as a mixed-integer program: every operating point, replicas as integers, splits, rejections, accelerators, power,
// both directions of every link, promises on time per token. Waits are not linear: the optimum is exact where its own
// plan keeps them (violations() finds nothing), and only such instances count. Without Cbc the suites are skipped.
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
#include "support/drawn_grid.h"
#include "support/temporary_directory.h"

namespace tandem::planner {
namespace {

grid::Snapshot draw_instance(Random& random) {
  const auto pick = [&](uint64_t low, uint64_t high) { return std::to_string(low + random.below(high - low + 1)); };
  const uint64_t sites = 2 + random.below(5);
  std::string text;
  for (uint64_t i = 0; i < sites; ++i)
    text += "site s" + std::to_string(i) + (random.chance(0.7) ? " DE" : " FR") + " price=0." + pick(1, 4) +
            " power=" + pick(2, 9) + "\n";
  for (uint64_t i = 1; i < sites; ++i)
    text += "s" + std::to_string(i) + "-s" + std::to_string(random.below(i)) + " " + pick(1, 9) + "ms 10G cost=0.0" +
            pick(1, 9) + "\n";
  text += "s0-s1 " + pick(1, 9) + "ms " + (random.chance(0.2) ? "0.02G" : "10G") + "\n";
  text += "accelerator big 80GB idle=100W peak=700W price=" + pick(2, 4) +
          "\naccelerator small 24GB idle=30W peak=150W price=1\n";
  const uint64_t pools = 1 + random.below(5);
  for (uint64_t i = 0; i < pools; ++i)
    text += "pool p" + std::to_string(i) + " s" + std::to_string(random.below(sites)) +
            (random.chance(0.5) ? " big " : " small ") + pick(1, 6) + (random.chance(0.2) ? " reserve=1\n" : "\n");
  text += "model m 10GB\nmodel k 14GB\n";
  text += "profile m big 4:9ms/300W 16:14ms/500W 32:20ms/650W kv=40GB prefill=20000 overhead=4ms\n";
  text += "profile m small 2:20ms/100W 8:28ms/140W kv=12GB prefill=6000 overhead=8ms\n";
  text += "profile k big 8:12ms/400W 32:25ms/650W kv=40GB prefill=15000 overhead=4ms\n";
  text += "region north s0 access=1ms\nregion south s1 access=2ms\ntenant de DE\ntenant all *\n";
  const uint64_t demands = 1 + random.below(12);
  for (uint64_t i = 0; i < demands; ++i)
    text += "demand d" + std::to_string(i) + (random.chance(0.4) ? " de" : " all") +
            (random.chance(0.5) ? " north" : " south") + (random.chance(0.7) ? " m " : " k ") + pick(1, 12) +
            " ttft=" + pick(1, 60) + "s tpot=" + pick(15, 60) + "ms in=" + pick(50, 1500) + " out=" + pick(20, 400) +
            "\n";
  return test_support::drawn_grid(text);
}

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
                   twin::prefill_time(*run.profile, demand.prompt_tokens, demand.prefix_hit).value() <=
               demand.promise.ttft.value();
  }

  std::string text() {
    Row objective;
    std::ostringstream rows, bounds, integers, binaries;
    rows.precision(15);
    const auto emit = [&](Row& row, const char* relation, double right) {
      if (row.any) rows << " c" << row_count_++ << ":" << row.terms.str() << ' ' << relation << ' ' << right << '\n';
    };
    std::vector<Row> pool(s_.pools.size()), site(s_.sites.size()), arc(2 * s_.links.size()), cover(s_.demands.size());
    std::map<std::pair<uint32_t, const grid::Profile*>, Row> one_point;
    for (Row* row : {&objective}) row->terms.precision(15);
    for (auto* of : {&pool, &site, &arc, &cover})
      for (Row& row : *of) row.terms.precision(15);
    for (size_t k = 0; k < runs_.size(); ++k) {
      const Run& run = runs_[k];
      const grid::Pool& at = s_.pools[size_t{run.pool}];
      const grid::Accelerator& accelerator = s_.accelerators[at.accelerator];
      const grid::Site& place = s_.sites[at.site];
      const double eur_per_w = place.pue * place.power_price.value() * 1e-3;
      objective.add(accelerator.price.value() + accelerator.idle_power.value() * eur_per_w, name('n', k));
      pool[run.pool].add(1, name('n', k));
      site[at.site.value].add(accelerator.peak_power.value() * 1e-3, name('n', k));
      one_point[{run.pool, run.profile}].add(1, name('y', k));
      bounds << " 0 <= " << name('n', k) << " <= " << at.count << '\n';
      integers << ' ' << name('n', k) << '\n';
      binaries << ' ' << name('y', k) << '\n';
      Row open, work, prefills;
      for (Row* row : {&open, &work, &prefills}) row->terms.precision(15);
      open.add(1, name('n', k));
      open.add(-static_cast<double>(at.count), name('y', k));
      emit(open, "<=", 0);
      double all_prefill = 0;
      for (size_t d = 0; d < s_.demands.size(); ++d) {
        const grid::Demand& demand = s_.demands[d];
        if (!passes(demand, run)) continue;
        const std::string x = name('x', d, k), u = name('u', d, k);
        const double up = demand.rate_per_s * demand.upload_bytes * 8e-9,
                     back = demand.rate_per_s * demand.download_bytes * 8e-9;
        objective.add(
            busy(demand, run) * std::max(0.0, run.point->power.value() - accelerator.idle_power.value()) * eur_per_w +
                demand.rate_per_s * 3600 * (demand.upload_bytes + demand.download_bytes) *
                    reach(demand).tree->euros_per_byte(at.node),
            x);
        cover[d].add(1, x);
        work.add(busy(demand, run), x);
        prefills.add(prefill(demand, run), x);
        all_prefill += prefill(demand, run);
        for (const auto& share : reach(demand).tree->shares_to(at.node))
          arc[2 * share.link.value + (share.forward ? 0 : 1)].add(up * share.fraction, x);
        for (const auto& share : reach(demand).tree->shares_back(at.node))
          arc[2 * share.link.value + (share.forward ? 0 : 1)].add(back * share.fraction, x);
        binaries << ' ' << u << '\n';
        Row used;
        used.add(1, x);
        used.add(-1, u);
        emit(used, "<=", 0);
        Row within;
        within.add(1, u);
        within.add(-1, name('y', k));
        emit(within, "<=", 0);
      }
      work.add(-kUtilizationMax, name('n', k));
      emit(work, "<=", 0);
      // Time per token: step / (1 − prefills' share) ≤ promised, for each demand in use.
      for (size_t d = 0; d < s_.demands.size(); ++d) {
        const grid::Demand& demand = s_.demands[d];
        if (!passes(demand, run)) continue;
        Row stretched;
        stretched.terms.precision(15);
        stretched.terms << prefills.terms.str();
        stretched.any = true;
        stretched.add(-(1 - run.point->decode_per_token.value() / demand.promise.tpot.value()), name('n', k));
        stretched.add(all_prefill, name('u', d, k));
        emit(stretched, "<=", all_prefill);
      }
    }
    for (auto& [key, row] : one_point) emit(row, "<=", 1);
    const twin::Forecast background = twin::forecast(s_, {});
    for (size_t p = 0; p < s_.pools.size(); ++p) {
      const uint32_t reserve = std::min(s_.pools[p].count, radio_reserve_max(s_.pools[p]));
      emit(pool[p], "<=", s_.pools[p].count - reserve);
      kept_kw_[s_.pools[p].site.value] += reserve * s_.accelerators[s_.pools[p].accelerator].peak_power.value() * 1e-3;
    }
    for (size_t i = 0; i < s_.sites.size(); ++i)
      emit(site[i], "<=",
           std::max(0.0, std::min(s_.sites[i].power_limit.value(), s_.sites[i].cooling_limit.value()) -
                             kept_kw_[static_cast<uint32_t>(i)]));
    for (size_t l = 0; l < s_.links.size(); ++l) {
      emit(arc[2 * l], "<=",
           std::max(0.0, s_.policy.link_headroom * s_.links[l].capacity_ab.value() - background.links[l].ab.value()));
      emit(arc[2 * l + 1], "<=",
           std::max(0.0, s_.policy.link_headroom * s_.links[l].capacity_ba.value() - background.links[l].ba.value()));
    }
    for (size_t d = 0; d < s_.demands.size(); ++d) {
      objective.add(s_.demands[d].rate_per_s * 3600 * s_.policy.rejection_penalty.value(), name('b', d));
      cover[d].add(1, name('b', d));
      emit(cover[d], "=", 1);
      bounds << " 0 <= " << name('b', d) << " <= 1\n";
    }
    return "Minimize\n obj:" + objective.terms.str() + "\nSubject To\n" + rows.str() + "Bounds\n" + bounds.str() +
           "Generals\n" + integers.str() + "Binaries\n" + binaries.str() + "End\n";
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
  size_t row_count_ = 0;
};

// Compares `wanted` instances whose optimum keeps its waits.
void compare_with_optimum(int wanted, uint64_t first_seed) {
  if (std::system("cbc -quit >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "cbc is not installed: scripts/install-packages test";
  const test_support::TemporaryDirectory directory;
  int compared = 0, within = 0, drawn = 0;
  double worst = 0, gaps = 0;
  for (uint64_t seed = first_seed; compared < wanted; ++seed, ++drawn) {
    SCOPED_TRACE(seed);
    ASSERT_LT(drawn, 4 * wanted);
    Random random(seed);
    const grid::Snapshot s = draw_instance(random);
    Planner planner;
    const v1::Plan ours = planner.plan(s, nullptr, "p", seed, {}, {});
    EXPECT_THAT(violations(s, ours), testing::IsEmpty());
    EXPECT_GE(proven_bound(s, planner.prices()), ours.bound_eur_per_hour() * (1 - 1e-7));
    const auto exact = ExactProgram(s).solve(directory.path());
    if (!exact) continue;
    if (!violations(s, *exact).empty()) continue;  // its waits break promises: the optimum lies above it
    const double optimum = exact->cost_eur_per_hour();
    ++compared;
    EXPECT_LE(ours.bound_eur_per_hour(), optimum * (1 + 1e-6) + 1e-6) << "a bound above the optimum is no bound";
    EXPECT_GE(ours.cost_eur_per_hour(), optimum * (1 - 1e-5) - 1e-5) << "no plan is better than the best";
    const double above = optimum > 0 ? ours.cost_eur_per_hour() / optimum - 1 : 0;
    within += above <= 0.01;
    worst = std::max(worst, above);
    gaps += optimum > 0 ? 1 - ours.bound_eur_per_hour() / optimum : 0;
  }
  std::printf(
      "within 1 %% of the optimum: %d of %d (%d drawn); worst %.2f %% above it; the bound %.2f %% below it on "
      "average\n",
      within, compared, drawn, 100 * worst, 100 * gaps / compared);
  EXPECT_GE(within, compared / 2) << "95 % are wanted: the search does not split demands as well as it could";
}

TEST(PlanExactSoak, SoundAndNearTheOptimum) { compare_with_optimum(40, 1); }

}  // namespace
}  // namespace tandem::planner
