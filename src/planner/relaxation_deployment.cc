// One deployment of the relaxation: what is best served there at given prices.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "planner/relaxation.h"

namespace tandem::planner {
// Of the items from `next` on those of most gain per weight, as many as fit whole; the next best is then there. By
// partitions about a pivot, of which only the part that has the last to fit is looked at further: O(items).
void Relaxation::fill(std::vector<Packed>& items, Filling& filling) {
  const auto better = [](const Packed& a, const Packed& b) {
    return a.gain_per_weight != b.gain_per_weight ? a.gain_per_weight > b.gain_per_weight : a.demand < b.demand;
  };
  const auto at = [&](size_t i) { return items.begin() + static_cast<std::ptrdiff_t>(i); };
  for (size_t end = items.size(); filling.next < end;) {
    std::swap(items[filling.next + (end - filling.next) / 2], items[end - 1]);
    const Packed pivot = items[end - 1];
    const auto worse =
        std::partition(at(filling.next), at(end - 1), [&](const Packed& item) { return better(item, pivot); });
    const size_t middle = static_cast<size_t>(worse - items.begin());
    std::swap(items[middle], items[end - 1]);
    double weight = 0, gain = 0;
    for (size_t i = filling.next; i < middle; ++i) weight += items[i].weight, gain += items[i].gain;
    if (weight > filling.room) {
      end = middle;
      continue;
    }
    filling = {middle, filling.room - weight, filling.gain + gain};
    if (pivot.weight > filling.room) return;
    filling.take(pivot);
  }
}

// min over first ≤ n ≤ most of n · replica − the gain of the items that fill n: concave in n but for whole numbers.
void Relaxation::pack(double replica, uint32_t first, uint32_t most, Solution& solution) {
  std::vector<Packed>& items = solution.items;
  double weight = 0, all = 0;
  for (const Packed& item : items) weight += item.weight, all += item.gain;
  if (weight <= first) {  // no need to choose
    solution.value = first * replica - all;
    solution.replicas = first;
    return;
  }
  solution.value = kForever;
  Filling filling{.room = static_cast<double>(first)};
  fill(items, filling);
  double before = 0;
  for (uint32_t n = first;; filling.room += 1, ++n) {
    if (n > first && filling.next < items.size() && items[filling.next].weight <= filling.room) {
      filling.take(items[filling.next]);
      fill(items, filling);
    }
    const bool whole = filling.next == items.size();
    const double part = whole ? 0 : filling.room / items[filling.next].weight;
    const double gain = filling.gain + (whole ? 0 : part * items[filling.next].gain);
    if (const double value = n * replica - gain; value < solution.value) solution.value = value, solution.replicas = n;
    if (whole || n >= most || (n > first && gain - before <= replica)) return;  // no better from here
    before = gain;
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

double Relaxation::allowed(const Item& item, Measure measure) {
  if (measure.mixed) return item.mixed[measure.index];
  return measure.index == 0 ? std::min(item.prefill_most, item.most[0]) : item.most[measure.index];
}

// Of those served one is the strictest by a measure: every choice of it is packed by itself, with no more than its
// promises allow by any measure. There all measures hold at once, so the one by which least is earned counts. Into
// scratch.of_all; false where that is no more than scratch.best earns.
bool Relaxation::pack_levels(uint32_t c, Measure strictest_by, std::span<const Measure> measures, double replica,
                             uint32_t first, uint32_t most, Scratch& scratch) const {
  scratch.values.clear();
  for (const Item& item : scratch.items) scratch.values.push_back(allowed(item, strictest_by));
  find_levels(scratch.values, kLevels, scratch.levels);
  scratch.of_all.value = scratch.best.value;
  for (const Level& level : scratch.levels) {
    double gain = 0;
    scratch.allowed.clear();
    for (const Item& item : scratch.items) {
      if (allowed(item, strictest_by) < level.low) continue;
      gain += item.gain;
      scratch.allowed.push_back(item);
    }
    if (first * replica - gain >= scratch.of_all.value) break;  // stricter levels only leave more out
    scratch.of_level.value = -kForever;
    const uint32_t before = std::min<uint32_t>(binds_[c], static_cast<uint32_t>(measures.size() - 1));
    for (uint32_t i = 0; i < measures.size(); ++i) {  // the one that bound the time before first
      const uint32_t of = i == 0 ? before : i <= before ? i - 1 : i;
      const Measure measure = measures[of];
      double limit = 0;
      for (const Item& item : scratch.allowed)
        if (allowed(item, strictest_by) <= level.high) limit = std::max(limit, allowed(item, measure));
      scratch.by_measure.items.clear();
      double beyond = 0;  // what all would earn with replicas in fractions
      for (const Item& item : scratch.allowed) {
        const double fills = weight(*problem_.candidates[c].profile, measure, item.work) / limit;
        scratch.by_measure.items.push_back({item.gain / fills, item.gain, fills, item.demand});
        beyond += std::max(0.0, item.gain - replica * fills);
      }
      if (-beyond < scratch.of_all.value)
        pack(replica, first, most, scratch.by_measure);
      else
        scratch.by_measure.value = -beyond;
      if (scratch.by_measure.value > scratch.of_level.value) std::swap(scratch.by_measure, scratch.of_level);
      if (scratch.of_level.value < scratch.of_all.value) continue;
      binds_[c] = static_cast<uint8_t>(of);
      break;
    }
    if (scratch.of_level.value < scratch.of_all.value) std::swap(scratch.of_level, scratch.of_all);
  }
  return scratch.of_all.value < scratch.best.value;
}

// By time per token and by time to the first: either bounds what can be earned. Into scratch.best where that is more
// than is there.
void Relaxation::pack_measures(uint32_t c, uint32_t point, double replica, uint32_t first, uint32_t most,
                               Scratch& scratch) const {
  const std::span<const Measure> measures = measures_[point];
  if (!pack_levels(c, {true, 0}, measures, replica, first, most, scratch)) return;
  std::swap(scratch.of_all, scratch.trial);
  if (!pack_levels(c, {false, 0}, measures, replica, first, most, scratch)) return;
  std::swap(scratch.best, scratch.of_all.value > scratch.trial.value ? scratch.of_all : scratch.trial);
}

// The columns worth their price at a point with up to kReplicaSteps[step] replicas (beyond the last: any number). False
// when there is none.
bool Relaxation::collect(uint32_t c, uint32_t p, uint32_t step, Scratch& scratch) const {
  const Candidate& candidate = problem_.candidates[c];
  const double wait_unit_ms = wait_unit_ms_[candidate.profile_position];
  scratch.items.clear();
  for (const Hope& hope : scratch.hopes) {
    const Use& use = problem_.uses[hope.use];
    if ((use.points >> p & 1) == 0) continue;
    const DemandRow& demand = problem_.demands[hope.demand];
    const Point& point = points_[first_point_[hope.use] + p];
    const double gain = hope.before_energy - point.energy_w * candidate.eur_per_watt_hour;
    if (gain <= 0) continue;
    const Item item{.demand = hope.demand,
                    .gain = gain,
                    .work = work(demand, use, candidate.profile_position, step),
                    .prefill_most = step < kReplicaSteps.size() ? limits_.most(step, hope.slack_ms / wait_unit_ms)
                                                                : kUtilizationMax,
                    .most = most(hope.use, step, p, false),
                    .mixed = most(hope.use, step, p, true)};
    if (item.prefill_most > 0 && item.most[0] > 0 && item.mixed[0] > 0) scratch.items.push_back(item);
  }
  return !scratch.items.empty();
}

// For the numbers of replicas that are told apart and may be worth it: visit(step, least, most) until it says true.
template <class Visit>
bool Relaxation::any_step(uint32_t c, double replica, const Scratch& scratch, const Visit& visit) const {
  const Candidate& candidate = problem_.candidates[c];
  const uint32_t first = std::max(scratch.fewest, candidate.pinned),
                 most = std::min(scratch.most, std::max(candidate.replicas_max, candidate.pinned));
  double hoped = 0;
  for (const Hope& hope : scratch.hopes) hoped += hope.gain;
  for (uint32_t step = 0; step <= kReplicaSteps.size(); ++step) {
    const bool open = step == kReplicaSteps.size();
    const uint32_t low = std::max(first, step == 0 ? 1 : kReplicaSteps[step - 1] + 1),
                   high = open ? most : std::min(most, kReplicaSteps[step]);
    if (low > high) continue;
    if (low * replica - hoped >= scratch.best.value) break;
    if (visit(step, low, high)) return true;
  }
  return false;
}

void Relaxation::solve_point(uint32_t c, uint32_t p, double replica, Scratch& scratch) const {
  any_step(c, replica, scratch, [&](uint32_t step, uint32_t low, uint32_t high) {
    if (!collect(c, p, step, scratch)) return false;
    double gain = 0;
    for (const Item& item : scratch.items) gain += item.gain;
    if (low * replica - gain < scratch.best.value) pack_measures(c, p, replica, low, high, scratch);
    return false;
  });
}

// False only where no point earns anything: not even were each demand's gain that of its best point, and all that the
// last point allows theirs.
bool Relaxation::may_earn_mixed(uint32_t c, double replica, Scratch& scratch) const {
  const Candidate& candidate = problem_.candidates[c];
  const auto last = static_cast<uint32_t>(std::min(candidate.profile->points.size(), kPointsMax) - 1);
  return any_step(c, replica, scratch, [&](uint32_t step, uint32_t low, uint32_t high) {
    scratch.items.clear();
    for (const Hope& hope : scratch.hopes) {
      const Use& use = problem_.uses[hope.use];
      const Item item{.demand = hope.demand,
                      .gain = hope.gain,
                      .work = work(problem_.demands[hope.demand], use, candidate.profile_position, step),
                      .mixed = most(hope.use, step, last, true)};
      if (item.mixed[0] > 0) scratch.items.push_back(item);
    }
    if (scratch.items.empty()) return false;
    return pack_levels(c, {true, 0}, std::span(measures_[last]).first(kFirstMeasures), replica, low, high, scratch);
  });
}

// False only where the deployment earns nothing at v: less than one replica costs in all, or nowhere more than its
// share of one. In single precision, all roundings against the answer.
bool Relaxation::may_earn(size_t model, size_t row, double replica) const {
  const Matrix& matrix = matrices_[model];
  const Candidate& candidate = problem_.candidates[problem_.candidates_of_model[model][row]];
  const float* eur = &matrix.eur[row * matrix.width];
  const float* work = matrix.least_work[candidate.slot].data();
  const float* price = matrix.price.data();
  const float each = static_cast<float>(replica * (1 - 1e-6));
  float sum = 0, surplus = 0;
  for (size_t i = 0; i < matrix.width; ++i) {
    const float gain = price[i] - eur[i];
    sum += gain > 0 ? gain : 0;
    const float beyond = gain - each * work[i];
    surplus += beyond > 0 ? beyond : 0;
  }
  return sum * (1 + 1e-4F) > static_cast<float>(replica) && surplus > 0;
}

void Relaxation::solve(size_t model, size_t row, const Prices& prices, Scratch& scratch) const {
  const uint32_t c = problem_.candidates_of_model[model][row];
  const Candidate& candidate = problem_.candidates[c];
  const double replica = replica_eur(c, prices);
  scratch.best.value = candidate.pinned * replica;
  scratch.best.replicas = candidate.pinned;
  scratch.best.items.clear();
  scratch.best.parts.clear();
  scratch.hoped = 0;
  if (candidate.pinned == 0 && !may_earn(model, row, replica)) return;
  scratch.hopes.clear();
  const Matrix& matrix = matrices_[model];
  const float* eur = &matrix.eur[row * matrix.width];
  double& sum = scratch.hoped;
  for (size_t i = 0; i < matrix.width; ++i) {
    if (matrix.price[i] <= eur[i]) continue;
    const uint32_t d = demands_of_model_[model][i];
    const DemandRow& demand = problem_.demands[d];
    const Leg& leg = *problem_.leg_of(demand, candidate.pool);
    const double before_energy = prices.demand[d] - problem_.transport_eur_per_hour(demand, leg) - extra_eur(d, c);
    const double gain =
        before_energy - least_[demand.use_first + candidate.slot].energy_w * candidate.eur_per_watt_hour;
    if (gain <= 0) continue;
    sum += gain;
    const Use& use = problem_.uses[demand.use_first + candidate.slot];
    scratch.hopes.push_back(
        {d, demand.use_first + candidate.slot, gain, before_energy, problem_.slack_ms(demand, leg, use)});
  }
  if (sum <= 0 || std::max(1u, candidate.pinned) * replica - sum >= scratch.best.value) return;
  if (!may_earn_mixed(c, replica, scratch)) return;
  rank_points(candidate, replica, scratch);
  for (const Worth& worth : scratch.worth)
    if (-worth.eur < scratch.best.value) solve_point(c, worth.point, replica, scratch);
  if (closer_ && candidate.pinned == 0 && scratch.most == UINT32_MAX && scratch.best.value < 0)
    solve_closer(row, c, replica, prices, scratch);
}

void Relaxation::solve_closer(size_t row, uint32_t c, double replica, const Prices& prices, Scratch& scratch) const {
  const Candidate& candidate = problem_.candidates[c];
  const auto& energy = energies_[candidate.profile_position];
  if (candidate.replicas_max == 0 || !energy) return;
  scratch.earning.clear();
  const Matrix& matrix = matrices_[candidate.model];
  const float* eur = &matrix.eur[row * matrix.width];
  for (size_t i = 0; i < matrix.width; ++i) {
    const uint32_t d = demands_of_model_[candidate.model][i];
    const double rate = problem_.demands[d].row->rate_per_s;
    if (eur[i] >= kShut || rate <= 0) continue;
    scratch.earning.push_back({kind_of_use_[problem_.demands[d].use_first + candidate.slot], d, rate,
                               prices.demand[d] - transport_eur(d, c) - extra_eur(d, c)});
  }
  const MostEarned earned =
      most_earned({candidate.profile, &*energy, candidate.eur_per_watt_hour, replica, 1, candidate.replicas_max},
                  kinds_[candidate.profile_position], scratch.earning, kRangesMax, kEarningTolerance);
  if (-earned.eur_per_hour <= scratch.best.value) return;
  scratch.best.value = -earned.eur_per_hour;
  scratch.best.replicas = earned.replicas;
  scratch.best.items.clear();
  for (const auto& [d, part] : earned.served) scratch.best.parts.push_back({d, static_cast<float>(part)});
}

// The points by what could be earned there at most: all gains beside the replicas that must be, and no more than each
// demand gains beyond its fraction of a replica.
void Relaxation::rank_points(const Candidate& candidate, double replica, Scratch& scratch) const {
  scratch.worth.clear();
  const double first = std::max(1u, candidate.pinned);
  for (uint32_t p = 0; p < std::min(candidate.profile->points.size(), kPointsMax); ++p) {
    double sum = 0, beyond = 0;
    for (const Hope& hope : scratch.hopes) {
      if ((problem_.uses[hope.use].points >> p & 1) == 0) continue;
      const Point& point = points_[first_point_[hope.use] + p];
      const double gain = hope.before_energy - point.energy_w * candidate.eur_per_watt_hour;
      if (gain <= 0) continue;
      sum += gain;
      beyond += std::max(0.0, gain - replica * point.work);
    }
    double eur = sum - first * replica;
    if (candidate.pinned == 0) eur = std::min(eur, beyond);
    if (sum > 0) scratch.worth.push_back({eur, p});
  }
  std::sort(scratch.worth.begin(), scratch.worth.end());
}

}  // namespace tandem::planner
