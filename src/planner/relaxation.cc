#include "planner/relaxation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tandem::planner {
namespace {

constexpr double kForever = std::numeric_limits<double>::infinity();

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
      limits_(problem.snapshot),
      working_(problem.candidates.size()),
      value_of_model_(problem.snapshot.models.size()),
      value_(problem.candidates.size()),
      replicas_(problem.candidates.size()),
      demands_of_model_(problem.snapshot.models.size()) {
  for (uint32_t d = 0; d < problem.demands.size(); ++d) {
    tail_of_demand_.push_back(limits_.tail_of(problem.demands[d].row->promise.quantile));
    demands_of_model_[problem.demands[d].row->model.value].push_back(d);
  }
  add_points();
  if (arcs_can_be_scarce(problem)) arcs_ = std::make_unique<ArcPrices>(problem);
}

void Relaxation::add_points() {
  const grid::Snapshot& s = problem_.snapshot;
  for (const grid::Profile& profile : s.profiles)
    point_limits_.emplace_back(std::min(profile.points.size(), kPointsMax), PointLimits{kForever});
  prefill_ms_min_.assign(s.profiles.size(), kForever);
  std::vector<std::vector<uint32_t>> profiles_of_model(s.models.size());
  for (uint32_t f = 0; f < s.profiles.size(); ++f) profiles_of_model[s.profiles[size_t{f}].model.value].push_back(f);
  for (const DemandRow& demand : problem_.demands) {
    const auto& profiles = profiles_of_model[demand.row->model.value];
    for (uint32_t slot = 0; slot < profiles.size(); ++slot) {
      const grid::Profile& profile = s.profiles[size_t{profiles[slot]}];
      const Use& use = problem_.uses[demand.use_first + slot];
      const double idle_w =
          s.accelerators[profile.accelerator].idle_power.value() * std::max(1u, profile.tensor_parallel);
      first_point_.push_back(static_cast<uint32_t>(points_.size()));
      Least least{kForever, kForever};
      if (use.points != 0) prefill_ms_min_[profiles[slot]] = std::min(prefill_ms_min_[profiles[slot]], use.prefill_ms);
      for (size_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p) {
        const grid::OperatingPoint& at = profile.points[p];
        const double step_ms = at.decode_per_token.value();
        if (use.points >> p & 1) {
          double& shortest = point_limits_[profiles[slot]][p].request_ms_min;
          shortest = std::min(shortest, use.prefill_ms + demand.row->output_tokens * step_ms);
        }
        const double busy =
            demand.row->rate_per_s * use.prefill_ms * 1e-3 + demand.tokens_per_s * step_ms * 1e-3 / at.batch;
        const double active_w = std::max(0.0, at.power.value() - idle_w);
        points_.push_back({busy, active_w, 1 - step_ms / demand.row->promise.tpot.value()});
        if (use.points >> p & 1) least = {std::min(least.busy, busy), std::min(least.energy_w, busy * active_w)};
      }
      least_.push_back(least);
    }
  }
}

Relaxation::Column Relaxation::column_of(uint32_t d, uint32_t c) const {
  const DemandRow& demand = problem_.demands[d];
  const Candidate& candidate = problem_.candidates[c];
  const Leg& leg = *problem_.leg_of(demand.row->region.value, candidate.pool);
  return {d, 0, problem_.slack_ms(demand, leg, problem_.uses[demand.use_first + candidate.slot]),
          problem_.transport_eur_per_hour(demand, leg)};
}

double Relaxation::replica_eur(uint32_t c, const Prices& prices) const {
  const Candidate& candidate = problem_.candidates[c];
  return candidate.replica_eur_per_hour + prices.pool[candidate.pool] * candidate.accelerators +
         prices.site[candidate.site] * candidate.worst_kw;
}

double Relaxation::extra_eur(const Column& column, uint32_t c) const {
  if (!arcs_) return 0;
  const DemandRow& demand = problem_.demands[column.demand];
  const uint32_t view = problem_.terrain->view_of_region[demand.row->region.value], node = problem_.candidates[c].node;
  return demand.up_gbps * arcs_->out(view, node) + demand.back_gbps * arcs_->back(view, node);
}

void Relaxation::price_arcs(const Prices& prices) {
  if (arcs_) arcs_->set(prices.arc);
}

double Relaxation::constant(const Prices& prices) const {
  double sum = std::accumulate(prices.demand.begin(), prices.demand.end(), 0.0);
  for (size_t p = 0; p < prices.pool.size(); ++p) sum -= prices.pool[p] * problem_.pool_spare[p];
  for (size_t s = 0; s < prices.site.size(); ++s) sum -= prices.site[s] * std::max(0.0, problem_.site_kw[s]);
  for (size_t a = 0; a < prices.arc.size(); ++a) sum -= prices.arc[a] * std::max(0.0, problem_.arc_spare_gbps[a]);
  return sum;
}

// ---- One deployment -----------------------------------------------------------------------------------------------

// min over first ≤ n ≤ most of n · replica − the gain of the items that fill n: concave in n but for whole numbers, so
// one pass over the items by gain per weight.
void Relaxation::pack(std::vector<Item>& items, double replica, uint32_t first, uint32_t most, Solution& into) {
  double weight = 0, all = 0;
  for (const Item& item : items) weight += item.weight, all += item.gain;
  if (weight <= first) {  // no need to choose
    into.value = first * replica - all;
    into.replicas = first;
    return;
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    const double x = a.gain * b.weight, y = b.gain * a.weight;
    return x != y ? x > y : a.column < b.column;
  });
  into.value = kForever;
  double gain = 0, filled = 0, taken = 0;  // taken: fraction of items[i] that is in
  size_t i = 0;
  for (double n = first; n <= most; ++n) {
    const double before = gain;
    while (i < items.size() && filled < n) {
      const Item& item = items[i];
      const double room = n - filled, whole = item.weight * (1 - taken);
      if (whole <= room) {
        gain += item.gain * (1 - taken);
        filled += whole;
        taken = 0;
        ++i;
      } else {
        gain += item.gain * room / item.weight;
        taken += room / item.weight;
        filled = n;
      }
    }
    if (const double value = n * replica - gain; value < into.value) into.value = value, into.replicas = n;
    if (i == items.size() || (n > first && gain - before <= replica)) break;  // no better from here
  }
}

// The best of the surrogates of the two knapsacks, into scratch.trial.
void Relaxation::pack_within_both(Scratch& scratch, double replica, uint32_t first, uint32_t most) {
  const auto filled_by = [](const Solution& solution, auto weight) {
    double left = solution.replicas, used = 0;
    for (const Item& item : solution.items) {
      const double fraction = item.weight > left ? left / item.weight : 1;
      used += fraction * weight(item);
      left -= fraction * item.weight;
      if (left <= 0) break;
    }
    return used;
  };
  const auto pack_at = [&](double theta) {
    for (Item& item : scratch.mixed) item.weight = theta * item.work + (1 - theta) * item.prefill_work;
    Solution solution;
    pack(scratch.mixed, replica, first, most, solution);
    return solution;
  };
  Solution& best = scratch.trial;
  const Solution by_work = pack_at(1);
  best.value = by_work.value;
  best.replicas = by_work.replicas;
  best.items = scratch.mixed;
  constexpr double kTolerance = 1 + 1e-9;
  if (best.value >= scratch.best.value ||
      filled_by(best, [](const Item& i) { return i.prefill_work; }) <= best.replicas * kTolerance)
    return;
  for (const double theta : {0.0, 0.5}) {
    const Solution other = pack_at(theta);
    if (other.value <= best.value) continue;
    best.value = other.value;
    best.replicas = other.replicas;
    best.items = scratch.mixed;
    if (theta == 0 && filled_by(best, [](const Item& i) { return i.work; }) <= best.replicas * kTolerance) return;
  }
}

// The distinct values in order, in up to `most` groups.
void Relaxation::find_levels(std::vector<double>& values, size_t most, std::vector<Level>& levels) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  levels.clear();
  const size_t groups = std::min(most, values.size());
  for (size_t g = 0; g < groups; ++g)
    levels.push_back({values[g * values.size() / groups], values[(g + 1) * values.size() / groups - 1]});
}

// Of those in use one is the strictest: no more than it allows may be asked of each replica, by all. Every choice of
// the strictest, by utilisation and by prefill, is packed by itself; into scratch.best what is better.
void Relaxation::pack_levels(Scratch& scratch, double replica, uint32_t first, uint32_t most) const {
  const auto levels_of = [&](double Item::*value, size_t levels_max, std::vector<Level>& levels) {
    scratch.values.clear();
    for (const Item& item : scratch.items) scratch.values.push_back(item.*value);
    find_levels(scratch.values, levels_max, levels);
  };
  levels_of(&Item::fill, fill_levels_, scratch.fills);
  levels_of(&Item::prefill_fill, prefill_fill_levels_, scratch.prefill_fills);
  for (const Level& fill : scratch.fills) {
    for (const Level& prefill : scratch.prefill_fills) {
      double gain = 0;
      scratch.mixed.clear();
      for (const Item& item : scratch.items) {
        if (item.fill < fill.low || item.prefill_fill < prefill.low) continue;
        gain += item.gain;
        scratch.mixed.push_back(item);
        scratch.mixed.back().work = item.busy / fill.high;
        scratch.mixed.back().prefill_work = item.prefill / prefill.high;
      }
      if (first * replica - gain >= scratch.best.value) break;  // stricter levels only leave more out
      pack_within_both(scratch, replica, first, most);
      if (scratch.trial.value < scratch.best.value) std::swap(scratch.best, scratch.trial);
    }
  }
}

// The columns worth their price at a point with up to kReplicaSteps[step] replicas (beyond the last: any number). False
// when there is none.
bool Relaxation::collect(uint32_t c, uint32_t p, uint32_t step, const std::vector<Column>& columns,
                         Scratch& scratch) const {
  const Candidate& candidate = problem_.candidates[c];
  const uint32_t profile = candidate.profile_position;
  const uint32_t batch = candidate.profile->points[p].batch;
  const double request_ms = point_limits_[profile][p].request_ms_min, prefill_ms = prefill_ms_min_[profile];
  scratch.items.clear();
  for (const Item& hopeful : scratch.hopeful) {
    const Column& column = columns[hopeful.column];
    const DemandRow& demand = problem_.demands[column.demand];
    const Use& use = problem_.uses[demand.use_first + candidate.slot];
    if ((use.points >> p & 1) == 0) continue;
    const Point& point = points_[first_point_[demand.use_first + candidate.slot] + p];
    const double gain = hopeful.busy - point.busy * point.active_w * candidate.eur_per_watt_hour;
    if (gain <= 0) continue;
    double fill = kUtilizationMax, prefill_fill = std::min(kUtilizationMax, point.prefill_share_max);
    if (step < kReplicaSteps.size()) {
      const uint32_t replicas = kReplicaSteps[step], tail = tail_of_demand_[column.demand];
      fill = limits_.most(replicas * batch, tail, column.slack_ms / request_ms);
      prefill_fill = std::min(prefill_fill, limits_.most(replicas, tail, column.slack_ms / prefill_ms));
    }
    const double prefill = demand.row->rate_per_s * use.prefill_ms * 1e-3;
    if (point.busy > 0 && (fill <= 0 || (prefill > 0 && prefill_fill <= 0))) continue;
    scratch.items.push_back({.column = hopeful.column,
                             .gain = gain,
                             .busy = point.busy,
                             .prefill = prefill,
                             .fill = fill,
                             .prefill_fill = prefill_fill});
  }
  return !scratch.items.empty();
}

void Relaxation::solve_point(uint32_t c, uint32_t p, const std::vector<Column>& columns, double replica,
                             Scratch& scratch) const {
  const Candidate& candidate = problem_.candidates[c];
  const uint32_t first = std::max(1u, candidate.pinned), most = std::max(candidate.replicas_max, first);
  double hoped = 0;
  for (const Item& hopeful : scratch.hopeful) hoped += hopeful.gain;
  for (uint32_t step = 0; step <= kReplicaSteps.size(); ++step) {
    const bool open = step == kReplicaSteps.size();
    const uint32_t low = std::max(first, step == 0 ? 1 : kReplicaSteps[step - 1] + 1),
                   high = open ? most : std::min(most, kReplicaSteps[step]);
    if (low > high) continue;
    if (low * replica - hoped >= scratch.best.value) break;
    if (!collect(c, p, step, columns, scratch)) continue;
    double gain = 0;
    for (const Item& item : scratch.items) gain += item.gain;
    if (low * replica - gain >= scratch.best.value) continue;
    pack_levels(scratch, replica, low, high);
  }
}

void Relaxation::solve(uint32_t c, std::vector<Column>& columns, const Prices& prices, Scratch& scratch) const {
  const Candidate& candidate = problem_.candidates[c];
  const double replica = replica_eur(c, prices);
  scratch.best.value = candidate.pinned * replica;
  scratch.best.replicas = candidate.pinned;
  scratch.best.items.clear();
  scratch.hopeful.clear();
  double sum = 0;
  bool earns_in_fractions = candidate.pinned > 0;
  for (uint32_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    const double before_energy = prices.demand[column.demand] - column.transport_eur_per_hour - extra_eur(column, c);
    if (before_energy <= 0) continue;
    const Least& least = least_[problem_.demands[column.demand].use_first + candidate.slot];
    const double gain = before_energy - least.energy_w * candidate.eur_per_watt_hour;
    if (gain <= 0) continue;
    sum += gain;
    earns_in_fractions |= gain > replica * least.busy / kUtilizationMax;
    scratch.hopeful.push_back({.column = i, .gain = gain, .busy = before_energy});
  }
  if (sum > 0 && earns_in_fractions && std::max(1u, candidate.pinned) * replica - sum < scratch.best.value)
    for (uint32_t p = 0; p < std::min(candidate.profile->points.size(), kPointsMax); ++p)
      solve_point(c, p, columns, replica, scratch);
}

// ---- All of them --------------------------------------------------------------------------------------------------

double Relaxation::evaluate(const Prices& prices) {
  price_arcs(prices);
  served.assign(problem_.demands.size(), 0);
  for_each_on_two_threads(problem_.candidates_of_model.size(), [&](size_t m) {
    Scratch scratch;
    for (const uint32_t c : problem_.candidates_of_model[m]) {
      std::vector<Column>& columns = working_[c];
      for (Column& column : columns) column.served = 0;
      solve(c, columns, prices, scratch);
      value_[c] = scratch.best.value;
      replicas_[c] = scratch.best.replicas;
      double left = scratch.best.replicas;
      for (const Item& item : scratch.best.items) {
        const double fraction = item.weight > left ? left / item.weight : 1;
        columns[item.column].served = static_cast<float>(fraction);
        served[columns[item.column].demand] += fraction;
        left -= fraction * item.weight;
        if (left <= 0) break;
      }
    }
    value_of_model_[m] = 0;
    for (const uint32_t d : demands_of_model_[m]) value_of_model_[m] += prices.demand[d];
    for (const uint32_t c : problem_.candidates_of_model[m]) value_of_model_[m] += value_[c];
  });
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
  arcs_->clear_loads();
  for (uint32_t c = 0; c < problem_.candidates.size(); ++c) {
    for (const Column& column : working_[c]) {
      if (column.served <= 0) continue;
      const DemandRow& demand = problem_.demands[column.demand];
      arcs_->add_load(problem_.terrain->view_of_region[demand.row->region.value], problem_.candidates[c].node,
                      demand.up_gbps * column.served, demand.back_gbps * column.served);
    }
  }
  arc_gbps.assign(problem_.arc_spare_gbps.size(), 0);
  arcs_->collect_loads(arc_gbps);
  return sum;
}

double Relaxation::evaluate_all(const Prices& prices, size_t* joined) {
  price_arcs(prices);
  std::vector<size_t> joined_of_model(problem_.candidates_of_model.size());
  for_each_on_two_threads(problem_.candidates_of_model.size(), [&](size_t m) {
    Scratch scratch;
    for (const uint32_t c : problem_.candidates_of_model[m]) {
      scratch.columns.clear();
      for (const uint32_t d : demands_of_model_[m])
        if (prices.demand[d] > 0 && problem_.passes(d, c)) scratch.columns.push_back(column_of(d, c));
      std::vector<Column>& columns = scratch.columns;
      solve(c, columns, prices, scratch);
      value_[c] = scratch.best.value;
      if (scratch.best.items.empty()) continue;
      for (const Item& item : scratch.best.items) {
        const uint32_t d = columns[item.column].demand;
        const auto place =
            std::lower_bound(working_[c].begin(), working_[c].end(), d,
                             [](const Column& column, uint32_t wanted) { return column.demand < wanted; });
        if (place != working_[c].end() && place->demand == d) continue;
        working_[c].insert(place, columns[item.column]);
        ++joined_of_model[m];
      }
    }
  });
  if (joined != nullptr) *joined = std::accumulate(joined_of_model.begin(), joined_of_model.end(), size_t{0});
  return std::accumulate(value_.begin(), value_.end(), constant(prices));
}

void Relaxation::set_working(const std::vector<std::vector<uint32_t>>& candidates_of_demand) {
  for (std::vector<Column>& columns : working_) columns.clear();
  working_of_demand_ = candidates_of_demand;
  for (uint32_t d = 0; d < candidates_of_demand.size(); ++d)
    for (const uint32_t c : candidates_of_demand[d]) working_[c].push_back(column_of(d, c));
}

double Relaxation::cost_in_fractions(uint32_t d, uint32_t c, const Prices& prices) const {
  const Candidate& candidate = problem_.candidates[c];
  const uint32_t use = problem_.demands[d].use_first + candidate.slot;
  const double replica = replica_eur(c, prices);
  double least = kForever;
  for (uint32_t p = 0; p < std::min(candidate.profile->points.size(), kPointsMax); ++p) {
    if ((problem_.uses[use].points >> p & 1) == 0) continue;
    const Point& point = points_[first_point_[use] + p];
    least = std::min(least, point.busy * (replica / kUtilizationMax + point.active_w * candidate.eur_per_watt_hour));
  }
  const Column column = column_of(d, c);
  return least + column.transport_eur_per_hour + extra_eur(column, c);
}

double Relaxation::least_in_fractions(uint32_t d, const Prices& prices) const {
  double least = problem_.demands[d].penalty_eur_per_hour;
  for (const uint32_t c : working_of_demand_[d]) least = std::min(least, cost_in_fractions(d, c, prices));
  return least;
}

// What serving earns at the deployment for each euro of its replicas, work in fractions.
double Relaxation::earning(uint32_t c, const Prices& prices) const {
  const Candidate& candidate = problem_.candidates[c];
  double sum = 0, work = 0;
  for (const Column& column : working_[c]) {
    const Least& least = least_[problem_.demands[column.demand].use_first + candidate.slot];
    const double gain = prices.demand[column.demand] - column.transport_eur_per_hour - extra_eur(column, c) -
                        least.energy_w * candidate.eur_per_watt_hour;
    if (gain <= 0) continue;
    sum += gain;
    work += least.busy / kUtilizationMax;
  }
  return sum / (replica_eur(c, prices) * std::max(1.0, work));
}

std::vector<std::vector<uint32_t>> Relaxation::best_candidates(const Prices& prices, size_t each,
                                                               size_t each_model) const {
  std::vector<std::vector<uint32_t>> best(problem_.demands.size());
  for_each_on_two_threads(demands_of_model_.size(), [&](size_t m) {
    std::vector<std::pair<double, uint32_t>> ranked;
    for (const uint32_t c : problem_.candidates_of_model[m])
      if (each_model > 0) ranked.emplace_back(-earning(c, prices), c);
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
