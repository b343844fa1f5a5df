#include "planner/relaxation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

namespace tandem::planner {
namespace {

// Of all demands together against the least spare direction of a link: whether prices on arcs could ever be worth
// anything.
bool arcs_can_be_scarce(const Problem& problem) {
  double gbps = 0;
  for (const DemandRow& demand : problem.demands) gbps += std::max(demand.up_gbps, demand.back_gbps);
  return std::any_of(problem.arc_spare_gbps.begin(), problem.arc_spare_gbps.end(),
                     [&](double spare) { return spare < gbps; });
}

}  // namespace

Relaxation::Relaxation(const Problem& problem)
    : problem_(problem),
      matrices_(problem.snapshot.models.size()),
      used_(problem.candidates.size()),
      value_of_model_(problem.snapshot.models.size()),
      value_(problem.candidates.size()),
      replicas_(problem.candidates.size()),
      binds_(problem.candidates.size()),
      demands_of_model_(problem.snapshot.models.size()) {
  for (uint32_t d = 0; d < problem.demands.size(); ++d)
    demands_of_model_[problem.demands[d].row->model.value].push_back(d);
  served.assign(problem.demands.size(), 0);
  for (uint32_t point = 0; point < kPointsMax; ++point) {  // those that bind most often first
    std::vector<Measure> measures;
    for (uint32_t i = 0; i < kDirections.size(); ++i) measures.push_back({true, i});
    measures.insert(measures.begin() + kFirstMeasures, {{false, point + 1}, {false, 0}});
    measures_.push_back(std::move(measures));
  }
  add_classes();
  add_kinds();
  add_points();
  for_each_on_two_threads(matrices_.size(), [&](size_t m) { add_matrix(m); });
  if (arcs_can_be_scarce(problem)) arcs_ = std::make_unique<ArcPrices>(problem);
}

// What promises on time per token allow, once for all demands that promise alike on a profile.
void Relaxation::add_classes() {
  const grid::Snapshot& s = problem_.snapshot;
  wait_unit_ms_.assign(s.profiles.size(), kForever);
  last_step_.assign(s.profiles.size(), 0);
  std::vector<PromisesAsked> asked(s.profiles.size());
  for (const Candidate& candidate : problem_.candidates) {
    const auto enough = std::lower_bound(kReplicaSteps.begin(), kReplicaSteps.end(), candidate.replicas_max);
    size_t& last = last_step_[candidate.profile_position];
    last = std::max(last, static_cast<size_t>(enough - kReplicaSteps.begin()));
  }
  std::map<std::pair<uint32_t, TokenPromise>, uint32_t> known;
  for (const DemandRow& demand : problem_.demands) {
    for (const uint32_t f : problem_.profiles_of_model(demand.row->model.value)) {
      const Use& use = problem_.uses[class_of_use_.size()];
      const TokenPromise promise{demand.row->promise.tpot.value(), demand.row->promise.quantile,
                                 use.sizes.inverse_output};
      const auto [entry, fresh] = known.try_emplace({f, promise}, static_cast<uint32_t>(asked[f].promises.size()));
      if (fresh) asked[f].promises.push_back(promise);
      class_of_use_.push_back(entry->second);
      profile_of_use_.push_back(f);
      if (use.points == 0) continue;
      Prefills& prefills = asked[f].prefills;
      const double time = demand.prefill_s(use);
      if (time <= 0) {
        prefills.all.insert({kForever, 0, 0});
        continue;
      }
      const double unevenness_ms = use.sizes.prefill_variance / use.prefill_ms;
      wait_unit_ms_[f] = std::min(wait_unit_ms_[f], use.prefill_ms + unevenness_ms);
      prefills.all.insert({demand.steps_per_ms() / time, use.prefill_ms, unevenness_ms});
      prefills.time += time;
      prefills.time_mean_ms += time * use.prefill_ms;
      prefills.time_unevenness_ms += time * unevenness_ms;
    }
  }
  promise_limits_.resize(s.profiles.size());
  for_each_on_two_threads(s.profiles.size(), [&](size_t f) {
    asked[f].profile = s.profiles[f];
    asked[f].last_step = last_step_[f];
    promise_limits_[f] = problem_.limits->of(f, std::move(asked[f]));
  });
  problem_.limits->trim(s.profiles.size());
}

void Relaxation::add_kinds() {
  const grid::Snapshot& s = problem_.snapshot;
  kinds_.resize(s.profiles.size());
  energies_.resize(s.profiles.size());
  for (const Candidate& candidate : problem_.candidates)
    if (auto& energy = energies_[candidate.profile_position]; !energy)
      energy.emplace(*candidate.profile, Watts(candidate.idle_w));
  using Key = std::tuple<uint32_t, double, double, double, double, double>;
  std::map<Key, uint32_t> known;
  for (const DemandRow& demand : problem_.demands) {
    for (const uint32_t f : problem_.profiles_of_model(demand.row->model.value)) {
      const Use& use = problem_.uses[kind_of_use_.size()];
      const grid::Demand& row = *demand.row;
      const Key key{
          f, row.prompt_tokens, row.output_tokens, row.prefix_hit, row.promise.tpot.value(), row.promise.quantile};
      const auto [entry, fresh] = known.try_emplace(key, static_cast<uint32_t>(kinds_[f].size()));
      if (fresh) kinds_[f].push_back({use.sizes, row.promise.tpot.value(), row.promise.quantile, use.points});
      kind_of_use_.push_back(entry->second);
    }
  }
}

// By measure: of those of the kind.
const double* Relaxation::most(uint32_t use, size_t step, uint32_t point, bool mixed) const {
  const uint32_t f = profile_of_use_[use];
  const PromiseLimits& limits = *promise_limits_[f];
  return mixed ? limits.by_mix(class_of_use_[use], step, point) : limits.by_tokens(class_of_use_[use], step, point);
}

Relaxation::Work Relaxation::work(const DemandRow& demand, const Use& use, size_t f, size_t step) const {
  Work work{demand.prefill_s(use), demand.steps_per_ms(), 0};
  if (use.prefill_ms <= 0) return work;
  const Prefills::One one{0, use.prefill_ms, use.sizes.prefill_variance / use.prefill_ms};
  work.spread = work.prefill * one.spread_ms(replicas_of_step(step)) / promise_limits_[f]->spread_ms(step);
  return work;
}

// Replicas that work fills by a measure (fill.h), were all of their time allowed.
double Relaxation::weight(const grid::Profile& profile, Measure measure, const Work& work) {
  if (!measure.mixed && measure.index == 0) return work.prefill;
  const grid::OperatingPoint& full =
      profile.points[measure.mixed ? std::min(profile.points.size(), kPointsMax) - 1 : measure.index - 1];
  const Direction direction = measure.mixed ? kDirections[measure.index] : Direction{1, 0};
  return work.prefill + direction.steps * work.steps * full.decode_per_token.value() / full.batch +
         direction.spread * work.spread;
}

void Relaxation::add_points() {
  const grid::Snapshot& s = problem_.snapshot;
  for (uint32_t u = 0; const DemandRow& demand : problem_.demands) {
    for (const uint32_t f : problem_.profiles_of_model(demand.row->model.value)) {
      const grid::Profile& profile = s.profiles[size_t{f}];
      const Use& use = problem_.uses[u++];
      first_point_.push_back(static_cast<uint32_t>(points_.size()));
      for (size_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p)
        points_.push_back({problem_.active_w_min(demand, use, f, p), 0});
    }
  }
  choose_measures();
  for (uint32_t u = 0; u < first_point_.size(); ++u) {
    Least least{kForever, kForever};
    const size_t count = std::min(s.profiles[size_t{profile_of_use_[u]}].points.size(), kPointsMax);
    for (size_t p = 0; p < count; ++p) {
      if ((problem_.uses[u].points >> p & 1) == 0) continue;
      const Point& point = points_[first_point_[u] + p];
      least = {std::min(least.work, point.work), std::min(least.energy_w, point.energy_w)};
    }
    least_.push_back(least);
  }
}

// Work in fractions of replicas must be by one measure for all demands at a point of a profile: the one by which it is
// most.
void Relaxation::choose_measures() {
  const grid::Snapshot& s = problem_.snapshot;
  std::vector<std::vector<uint32_t>> uses_of(s.profiles.size());
  std::vector<uint32_t> demand_of_use(profile_of_use_.size());
  for (uint32_t d = 0, u = 0; d < problem_.demands.size(); ++d)
    for (const uint32_t f : problem_.profiles_of_model(problem_.demands[d].row->model.value)) {
      demand_of_use[u] = d;
      uses_of[f].push_back(u++);
    }
  const auto fills = [&](uint32_t u, uint32_t p, Measure measure) {
    const uint32_t f = profile_of_use_[u];
    const Work asked_of_all = work(problem_.demands[demand_of_use[u]], problem_.uses[u], f, last_step_[f]);
    const double asked = weight(s.profiles[size_t{f}], measure, asked_of_all);
    const double allowed = most(u, last_step_[f], p, measure.mixed)[measure.index];
    return allowed > 0 ? asked / allowed : asked > 0 ? kForever : 0;
  };
  for_each_on_two_threads(s.profiles.size(), [&](size_t f) {
    for (uint32_t p = 0; p < std::min(s.profiles[f].points.size(), kPointsMax); ++p) {
      double most_filled = -1;
      Measure best;
      for (uint32_t i = 0; i < p + 2 + kDirections.size(); ++i) {
        const Measure measure{i > p + 1, i > p + 1 ? i - p - 2 : i};
        double sum = 0;
        for (const uint32_t u : uses_of[f])
          if (const double one = fills(u, p, measure); (problem_.uses[u].points >> p & 1) != 0 && one < kForever)
            sum += one;
        if (sum > most_filled) most_filled = sum, best = measure;
      }
      for (const uint32_t u : uses_of[f]) points_[first_point_[u] + p].work = fills(u, p, best);
    }
  });
}

void Relaxation::add_matrix(size_t model) {
  Matrix& matrix = matrices_[model];
  const std::vector<uint32_t>& demands = demands_of_model_[model];
  matrix.width = demands.size();
  matrix.price.assign(matrix.width, 0);
  matrix.least.assign(matrix.width, 0);
  matrix.cheapest.assign(matrix.width, UINT32_MAX);
  matrix.eur.reserve(matrix.width * problem_.candidates_of_model[model].size());
  for (const uint32_t c : problem_.candidates_of_model[model]) {
    const Candidate& candidate = problem_.candidates[c];
    for (const uint32_t d : demands) {
      if (!problem_.passes(d, c)) {
        matrix.eur.push_back(kShut);
        continue;
      }
      const Least& least = least_[problem_.demands[d].use_first + candidate.slot];
      matrix.eur.push_back(static_cast<float>(transport_eur(d, c) + least.energy_w * candidate.eur_per_watt_hour));
    }
    if (candidate.slot >= matrix.least_work.size()) matrix.least_work.resize(candidate.slot + 1);
    std::vector<float>& work = matrix.least_work[candidate.slot];
    for (size_t i = work.size(); i < demands.size(); ++i) {
      const double least = least_[problem_.demands[demands[i]].use_first + candidate.slot].work;
      work.push_back(least < kForever ? static_cast<float>(least) : kShut);
    }
  }
}

double Relaxation::transport_eur(uint32_t d, uint32_t c) const {
  const DemandRow& demand = problem_.demands[d];
  return problem_.transport_eur_per_hour(demand, *problem_.leg_of(demand, problem_.candidates[c].pool));
}

double Relaxation::replica_eur(uint32_t c, const Prices& prices) const {
  const Candidate& candidate = problem_.candidates[c];
  return candidate.replica_eur_per_hour + prices.pool[candidate.pool] * candidate.accelerators +
         prices.site[candidate.site] * candidate.worst_kw;
}

double Relaxation::extra_eur(uint32_t d, uint32_t c) const {
  if (!arcs_priced_) return 0;
  const DemandRow& demand = problem_.demands[d];
  if (demand.ways != UINT32_MAX) {
    double sum = 0;
    for (const ArcUse& use : problem_.base_arc_uses(demand, problem_.candidates[c].pool))
      sum += (demand.up_gbps * use.up + demand.back_gbps * use.back) * arcs_->price(use.arc);
    return sum;
  }
  const uint32_t node = problem_.candidates[c].node;
  return demand.up_gbps * arcs_->out(demand.view, node) + demand.back_gbps * arcs_->back(demand.view, node);
}

void Relaxation::price_resources(const Prices& prices) {
  arcs_priced_ = arcs_ && std::any_of(prices.arc.begin(), prices.arc.end(), [](double price) { return price > 0; });
  if (arcs_) arcs_->set(prices.arc);
}

double Relaxation::constant(const Prices& prices) const {
  double sum = std::accumulate(prices.demand.begin(), prices.demand.end(), 0.0);
  for (size_t p = 0; p < prices.pool.size(); ++p) sum -= prices.pool[p] * problem_.pool_spare[p];
  for (size_t s = 0; s < prices.site.size(); ++s) sum -= prices.site[s] * std::max(0.0, problem_.site_kw[s]);
  for (size_t a = 0; a < prices.arc.size(); ++a) sum -= prices.arc[a] * std::max(0.0, problem_.arc_spare_gbps[a]);
  return sum;
}

// ---- All of them --------------------------------------------------------------------------------------------------

double Relaxation::set_prices(size_t m, const Prices& prices) {
  Matrix& matrix = matrices_[m];
  double sum = 0;
  for (size_t i = 0; i < matrix.width; ++i) {
    const uint32_t d = demands_of_model_[m][i];
    served[d] = 0;
    sum += prices.demand[d];
    matrix.price[i] = static_cast<float>(prices.demand[d] * (1 + 1e-6));
  }
  return sum;
}

void Relaxation::take_served(const Solution& solution, std::vector<Used>* used) {
  for (const auto& [d, share] : solution.parts) {
    if (used != nullptr) used->push_back({d, share});
    served[d] += share;
  }
  double left = solution.replicas;
  for (const Packed& item : solution.items) {
    const double fraction = item.weight > left ? left / item.weight : 1;
    if (used != nullptr) used->push_back({item.demand, static_cast<float>(fraction)});
    served[item.demand] += fraction;
    left -= fraction * item.weight;
    if (left <= 0) break;
  }
}

double Relaxation::evaluate_model(size_t m, const Prices& prices) {
  Scratch scratch;
  double sum = set_prices(m, prices);
  const std::vector<uint32_t>& candidates = problem_.candidates_of_model[m];
  for (size_t row = 0; row < candidates.size(); ++row) {
    const uint32_t c = candidates[row];
    used_[c].clear();
    solve(m, row, prices, scratch);
    value_[c] = scratch.best.value;
    replicas_[c] = scratch.best.replicas;
    sum += scratch.best.value;
    take_served(scratch.best, &used_[c]);
  }
  value_of_model_[m] = sum;
  return sum;
}

std::vector<std::vector<double>> Relaxation::evaluate_numbers(size_t m, const Prices& prices,
                                                              std::span<const uint32_t> most) {
  Scratch scratch;
  set_prices(m, prices);
  const std::vector<uint32_t>& candidates = problem_.candidates_of_model[m];
  struct Fill {  // of replicas in order of their number, and the deployments that earn most with them
    double value = 0;
    std::vector<size_t> chosen;  // positions in `solved`
  };
  std::vector<Solution> solved;
  std::vector<std::vector<Fill>> best(most.size());
  for (size_t slot = 0; slot < most.size(); ++slot) best[slot].resize(most[slot] + 1);
  for (size_t row = 0; row < candidates.size(); ++row) {
    const Candidate& candidate = problem_.candidates[candidates[row]];
    std::vector<Fill>& fills = best[candidate.slot];
    const std::vector<Fill> before = fills;
    const double replica = replica_eur(candidates[row], prices);
    for (uint32_t n = 1; n <= std::min(most[candidate.slot], candidate.replicas_max); ++n) {
      scratch.fewest = scratch.most = n;
      solve(m, row, prices, scratch);
      if (scratch.hoped <= n * replica) break;
      if (scratch.best.items.empty() && scratch.best.parts.empty()) continue;
      bool taken = false;
      for (size_t all = n; all < fills.size(); ++all) {
        const double value = before[all - n].value + scratch.best.value;
        if (value >= fills[all].value) continue;
        fills[all] = {value, before[all - n].chosen};
        fills[all].chosen.push_back(solved.size());
        taken = true;
      }
      if (taken) solved.push_back(std::move(scratch.best));
    }
  }
  std::vector<std::vector<double>> values(most.size());
  for (size_t slot = 0; slot < most.size(); ++slot) {
    for (const Fill& fill : best[slot]) values[slot].push_back(fill.value);
    for (const size_t i : best[slot].back().chosen) take_served(solved[i], nullptr);
  }
  return values;
}

std::vector<double> Relaxation::least_replica_eur(size_t model, const Prices& prices) const {
  std::vector<double> least(problem_.profiles_of_model(static_cast<uint32_t>(model)).size(), kForever);
  for (const uint32_t c : problem_.candidates_of_model[model])
    if (const Candidate& at = problem_.candidates[c]; at.servable)
      least[at.slot] = std::min(least[at.slot], replica_eur(c, prices));
  return least;
}

std::vector<std::vector<double>> Relaxation::least_beside_replicas(size_t model) const {
  const Matrix& matrix = matrices_[model];
  std::vector<double> rejected;
  for (const uint32_t d : demands_of_model_[model]) rejected.push_back(problem_.demands[d].penalty_eur_per_hour);
  std::vector<std::vector<double>> beside(problem_.profiles_of_model(static_cast<uint32_t>(model)).size(), rejected);
  for (size_t at = 0; const uint32_t c : problem_.candidates_of_model[model])
    for (double& least : beside[problem_.candidates[c].slot]) least = std::min(least, matrix.eur[at++] * (1 - 1e-6));
  return beside;
}

double Relaxation::collect_resources(const Prices& prices) {
  accelerators.assign(problem_.pool_spare.size(), 0);
  kilowatts.assign(problem_.site_kw.size(), 0);
  double sum = constant(prices);
  for (uint32_t c = 0; c < problem_.candidates.size(); ++c) {
    const Candidate& candidate = problem_.candidates[c];
    sum += value_[c];
    accelerators[candidate.pool] += replicas_[c] * candidate.accelerators;
    kilowatts[candidate.site] += replicas_[c] * candidate.worst_kw;
  }
  if (!arcs_) return sum;
  arc_gbps.assign(problem_.arc_spare_gbps.size(), 0);
  arcs_->clear_loads();
  for (uint32_t c = 0; c < problem_.candidates.size(); ++c) {
    for (const Used& used : used_[c]) {
      const DemandRow& demand = problem_.demands[used.demand];
      if (demand.ways != UINT32_MAX) {
        for (const ArcUse& use : problem_.base_arc_uses(demand, problem_.candidates[c].pool))
          arc_gbps[use.arc] += (demand.up_gbps * use.up + demand.back_gbps * use.back) * used.share;
        continue;
      }
      arcs_->add_load(demand.view, problem_.candidates[c].node, demand.up_gbps * used.share,
                      demand.back_gbps * used.share);
    }
  }
  arcs_->collect_loads(arc_gbps);
  return sum;
}

double Relaxation::evaluate(const Prices& prices) {
  price_resources(prices);
  for_each_on_two_threads(matrices_.size(), [&](size_t m) { evaluate_model(m, prices); });
  return collect_resources(prices);
}

// By the cheapest point of each use, arcs aside; a little less than that, so that rounding makes nothing worth while.
void Relaxation::price_in_fractions(Prices& prices, bool count) {
  for_each_on_two_threads(matrices_.size(), [&](size_t m) {
    Matrix& matrix = matrices_[m];
    for (size_t i = 0; i < matrix.width; ++i) {
      matrix.least[i] = static_cast<float>(problem_.demands[demands_of_model_[m][i]].penalty_eur_per_hour);
      matrix.cheapest[i] = UINT32_MAX;
    }
    const std::vector<uint32_t>& candidates = problem_.candidates_of_model[m];
    for (size_t row = 0; row < candidates.size(); ++row) {
      const float* eur = &matrix.eur[row * matrix.width];
      const float* work = matrix.least_work[problem_.candidates[candidates[row]].slot].data();
      const float replica = static_cast<float>(replica_eur(candidates[row], prices));
      for (size_t i = 0; i < matrix.width; ++i) {
        const float cost = eur[i] + replica * work[i];
        const bool less = cost < matrix.least[i];
        matrix.least[i] = less ? cost : matrix.least[i];
        matrix.cheapest[i] = less ? static_cast<uint32_t>(row) : matrix.cheapest[i];
      }
    }
    for (size_t i = 0; i < matrix.width; ++i)
      prices.demand[demands_of_model_[m][i]] = std::max(0.0, matrix.least[i] * (1 - 4e-6));
  });
  if (!count) return;
  accelerators.assign(problem_.pool_spare.size(), 0);
  kilowatts.assign(problem_.site_kw.size(), 0);
  for (size_t m = 0; m < matrices_.size(); ++m) {
    const Matrix& matrix = matrices_[m];
    for (size_t i = 0; i < matrix.width; ++i) {
      if (matrix.cheapest[i] == UINT32_MAX) continue;
      const Candidate& at = problem_.candidates[problem_.candidates_of_model[m][matrix.cheapest[i]]];
      accelerators[at.pool] += double{matrix.least_work[at.slot][i]} * at.accelerators;
      kilowatts[at.site] += matrix.least_work[at.slot][i] * at.worst_kw;
    }
  }
}

void Relaxation::ascend(Prices& prices, std::vector<float>& expected) {
  expected.assign(problem_.candidates.size(), 0);
  for_each_on_two_threads(matrices_.size(), [&](size_t m) { ascend_model(m, prices, expected); });
}

void Relaxation::ascend_model(size_t model, Prices& prices, std::vector<float>& expected) const {
  const Matrix& matrix = matrices_[model];
  const std::vector<uint32_t>&rows = problem_.candidates_of_model[model], &demands = demands_of_model_[model];
  struct Row {
    const float *eur, *work;
    double replica, offered;
    bool in_fractions;  // nothing is offered beyond its fraction of a replica
  };
  std::vector<Row> at;
  std::vector<double> v;
  for (const uint32_t d : demands) v.push_back(prices.demand[d]);
  for (size_t r = 0; r < rows.size(); ++r) {
    const Candidate& candidate = problem_.candidates[rows[r]];
    if (!candidate.servable) continue;
    Row row{&matrix.eur[r * matrix.width], matrix.least_work[candidate.slot].data(),
            replica_eur(rows[r], prices) * (1 - 1e-5), 0, true};
    for (size_t i = 0; i < v.size(); ++i) row.offered += std::max(0.0, v[i] - row.eur[i]);
    at.push_back(row);
  }
  const std::vector<double> least = v;
  constexpr int kPasses = 14;
  for (int pass = 0; pass < kPasses; ++pass) {
    for (size_t k = 0; k < v.size(); ++k) {
      const size_t i = pass % 2 == 0 ? k : v.size() - 1 - k;
      double most = std::min(problem_.demands[demands[i]].penalty_eur_per_hour,
                             pass + 2 < kPasses ? v[i] + (0.1 + 0.1 * pass) * least[i] : kForever);
      for (const Row& row : at) {
        if (row.eur[i] >= most) continue;
        const double now = std::max(0.0, v[i] - row.eur[i]);
        double cap = row.eur[i] + row.replica - (row.offered - now);
        if (row.in_fractions) cap = std::max(cap, row.eur[i] + row.replica * row.work[i]);
        most = std::min(most, cap);
      }
      if (most <= v[i]) continue;
      for (Row& row : at) {
        if (row.eur[i] >= most) continue;
        row.offered += most - std::max(v[i], double{row.eur[i]});
        row.in_fractions &= most <= row.eur[i] + row.replica * row.work[i];
      }
      v[i] = most;
    }
  }
  for (size_t i = 0; i < v.size(); ++i) prices.demand[demands[i]] = v[i];
  // Those that are paid for, the most sought first, unless one that is bought serves a demand of theirs.
  std::vector<std::pair<size_t, size_t>> tight;
  for (size_t r = 0; r < at.size(); ++r) {
    if (at[r].offered < 0.98 * at[r].replica) continue;
    size_t sought = 0;
    for (size_t i = 0; i < v.size(); ++i) sought += v[i] > at[r].eur[i];
    tight.emplace_back(sought, r);
  }
  std::sort(tight.begin(), tight.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  std::vector<uint8_t> served_already(v.size(), 0);
  for (const auto& [sought, r] : tight) {
    size_t conflicts = 0;
    for (size_t i = 0; i < v.size(); ++i) conflicts += v[i] > at[r].eur[i] && served_already[i] != 0;
    if (2 * conflicts > sought) continue;
    for (size_t i = 0; i < v.size(); ++i)
      if (v[i] > at[r].eur[i]) served_already[i] = 1;
    const auto c = static_cast<size_t>((at[r].eur - matrix.eur.data()) / static_cast<ptrdiff_t>(matrix.width));
    expected[rows[c]] = 1;
  }
}

double Relaxation::cost_in_fractions(uint32_t d, uint32_t c, const Prices& prices) const {
  const Candidate& candidate = problem_.candidates[c];
  const uint32_t use = problem_.demands[d].use_first + candidate.slot;
  const double replica = replica_eur(c, prices);
  double least = kForever;
  for (uint32_t p = 0; p < std::min(candidate.profile->points.size(), kPointsMax); ++p) {
    if ((problem_.uses[use].points >> p & 1) == 0) continue;
    const Point& point = points_[first_point_[use] + p];
    least = std::min(least, point.work * replica + point.energy_w * candidate.eur_per_watt_hour);
  }
  return least + transport_eur(d, c) + extra_eur(d, c);
}

void Relaxation::set_fractions(Option& option) const {
  const Candidate& candidate = problem_.candidates[option.candidate];
  double least = kForever;
  for (uint32_t p = 0; p < std::min(candidate.profile->points.size(), kPointsMax); ++p) {
    if ((option.points >> p & 1) == 0) continue;
    const Point& point = points_[first_point_[option.use] + p];
    const double eur = point.work * candidate.replica_eur_per_hour + point.energy_w * candidate.eur_per_watt_hour;
    if (eur >= least) continue;
    least = eur;
    option.replicas_in_fractions = point.work;
  }
  if (least < kForever) option.fractional_eur_per_hour = least + option.transport_eur_per_hour;
}

// What serving earns at the deployment for each euro of its replicas, work in fractions.
double Relaxation::earning(size_t model, size_t row, const Prices& prices) const {
  const uint32_t c = problem_.candidates_of_model[model][row];
  const Matrix& matrix = matrices_[model];
  const float* eur = &matrix.eur[row * matrix.width];
  double sum = 0, work = 0;
  for (size_t i = 0; i < matrix.width; ++i) {
    const uint32_t d = demands_of_model_[model][i];
    if (prices.demand[d] <= eur[i]) continue;
    const double gain = prices.demand[d] - eur[i] - extra_eur(d, c);
    if (gain <= 0) continue;
    sum += gain;
    work += matrix.least_work[problem_.candidates[c].slot][i];
  }
  return sum / (replica_eur(c, prices) * std::max(1.0, work));
}

std::vector<std::vector<uint32_t>> Relaxation::best_candidates(const Prices& prices, size_t each, size_t each_model) {
  price_resources(prices);
  std::vector<std::vector<uint32_t>> best(problem_.demands.size());
  for_each_on_two_threads(demands_of_model_.size(), [&](size_t m) {
    std::vector<std::pair<double, uint32_t>> ranked;
    const std::vector<uint32_t>& candidates = problem_.candidates_of_model[m];
    for (size_t row = 0; row < candidates.size() && each_model > 0; ++row)
      ranked.emplace_back(-earning(m, row, prices), candidates[row]);
    const auto keep = [&](size_t most) {
      if (ranked.size() > most) {
        std::nth_element(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(most), ranked.end());
        ranked.resize(most);
      }
    };
    keep(each_model);
    std::vector<uint32_t> shared;
    for (const auto& [rank, c] : ranked) shared.push_back(c);
    for (const uint32_t d : demands_of_model_[m]) {
      ranked.clear();
      for (const uint32_t c : problem_.candidates_of_model[m])
        if (problem_.passes(d, c)) ranked.emplace_back(cost_in_fractions(d, c, prices), c);
      keep(each);
      for (const auto& [rank, c] : ranked) best[d].push_back(c);
      for (const uint32_t c : shared)
        if (problem_.passes(d, c)) best[d].push_back(c);
      std::sort(best[d].begin(), best[d].end());
      best[d].erase(std::unique(best[d].begin(), best[d].end()), best[d].end());
    }
  });
  return best;
}

}  // namespace tandem::planner
