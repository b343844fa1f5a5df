#include "planner/fleets.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace tandem::planner {
namespace {

constexpr double kClosed = 2e-3;                  // as near to what is spent as a bound need come
constexpr double kWorthPrices = 1e-3;             // of what is spent: what a set of prices must prove more of its fleet
constexpr uint32_t kRounds = 12;                  // of a climb
constexpr uint32_t kPatience = 3;                 // of them without gain before the step is halved
constexpr double kStep = 0.7, kStepLeast = 0.05;  // of Polyak's
constexpr double kBeyond = 1.05;                  // what is aimed at, over what is spent
constexpr double kDeflection = 0.4;
constexpr double kRaise = 2;

class FleetsOfModel {
  using Numbers = std::vector<uint32_t>;  // of replicas, by slot

 public:
  FleetsOfModel(const Problem& problem, Relaxation& relaxation, uint32_t model, Prices& now, double spent_eur,
                std::span<const double> spent_eur_of_demand)
      : problem_(problem),
        relaxation_(relaxation),
        model_(model),
        now_(now),
        demands_(relaxation.demands_of_model()[model]),
        spent_(spent_eur),
        replica_(relaxation.least_replica_eur(model, now)),
        beside_on_(relaxation.least_beside_replicas(model)),
        beside_of_(paid_where(Numbers(replica_.size(), 1))),
        beside_(std::accumulate(beside_of_.begin(), beside_of_.end(), 0.0)) {
    for (const uint32_t d : demands_) {
      const double most = problem.demands[d].penalty_eur_per_hour;
      scale_.push_back(std::sqrt(std::clamp(spent_eur_of_demand[d], 1e-4 * most, most)));
    }
  }

  Prices::Fleets prove(const Prices::Fleets* learnt, const std::stop_token& stop) {
    Prices::Fleets proven{model_, 0, {}};
    if (!list_fleets()) return proven;
    leave_out_single();
    add(v_of(now_));
    for (size_t i = 0; learnt != nullptr && i < learnt->demand.size(); ++i) add(learnt->demand[i]);
    while (prices_.size() <= kFleetPricesMax && !stop.stop_requested()) {
      const size_t cheapest = cheapest_fleet();
      if (eur_[cheapest] >= spent_ * (1 - kClosed)) break;
      const auto [eur, v] = climb(fleet(cheapest), prices_[by_[cheapest]], stop);
      if (eur < eur_[cheapest] + kWorthPrices * spent_) break;
      add(v);
    }
    proven.eur_per_hour = std::min(spent_, eur_[cheapest_fleet()]);
    prices_.erase(prices_.begin());  // what `now` has already
    proven.demand = std::move(prices_);
    return proven;
  }

 private:
  // What demands cost beside replicas at the least where a fleet has any.
  std::vector<double> paid_where(const Numbers& of) const {
    std::vector<double> least;
    for (const uint32_t d : demands_) least.push_back(problem_.demands[d].penalty_eur_per_hour);
    for (size_t slot = 0; slot < of.size(); ++slot)
      for (size_t i = 0; of[slot] > 0 && i < least.size(); ++i) least[i] = std::min(least[i], beside_on_[slot][i]);
    return least;
  }

  // Those that may cost less than is spent, by what their replicas cost and what is paid beside them. False where there
  // are too many.
  bool list_fleets() {
    size_t count = 1;
    for (const double replica : replica_) {
      most_.push_back(static_cast<uint32_t>(std::clamp((spent_ - beside_) / replica, 0.0, double{kFleetsMax})));
      count *= most_.back() + 1;
      if (count > kFleetsMax) return false;
    }
    std::map<std::vector<bool>, double> beside;  // by which have any
    for (size_t i = 0; i < count; ++i) {
      const Numbers of = fleet(i);
      const auto [entry, fresh] = beside.try_emplace({of.begin(), of.end()});
      if (fresh) {
        const std::vector<double> paid = paid_where(of);
        entry->second = std::accumulate(paid.begin(), paid.end(), 0.0);
      }
      double eur = entry->second;
      for (size_t slot = 0; slot < of.size(); ++slot)
        if (of[slot] > 0) eur += of[slot] * replica_[slot];
      eur_.push_back(eur);
    }
    by_.assign(count, 0);
    return true;
  }

  // Those of one replica that breaks promises unless it rejects so much that all costs what is spent.
  void leave_out_single() {
    size_t position = 1;
    for (size_t slot = 0; slot < most_.size(); position *= most_[slot++] + 1)
      if (most_[slot] > 0 && std::ranges::none_of(problem_.candidates_of_model[model_], [&](uint32_t c) {
            return problem_.candidates[c].slot == slot && may_serve(c, spent_ - beside_ - replica_[slot]);
          }))
        eur_[position] = spent_;
  }

  // Whether one replica may serve all demands, but for what costs `rejecting` more than serving it.
  bool may_serve(uint32_t c, double rejecting_eur) const {
    const Candidate& at = problem_.candidates[c];
    if (!at.servable) return false;
    std::vector<twin::Part> parts;
    uint32_t points = UINT32_MAX;
    double lost = 0;  // of what cannot be served there
    for (size_t i = 0; i < demands_.size(); ++i) {
      const DemandRow& demand = problem_.demands[demands_[i]];
      const double loss = demand.penalty_eur_per_hour - beside_of_[i];
      const Use& use = problem_.uses[demand.use_first + at.slot];
      if (!problem_.passes(demands_[i], c)) {
        lost += loss;
        continue;
      }
      if (loss > rejecting_eur * (1 + 1e-9)) points &= use.points;
      parts.push_back({{use.sizes, problem_.ttft_left_ms(demand, *problem_.leg_of(demand, at.pool)),
                        demand.row->promise.tpot.value(), demand.row->promise.quantile},
                       demand.row->rate_per_s,
                       loss});
    }
    for (uint32_t p = 0; lost <= rejecting_eur * (1 + 1e-9) && p < std::min(at.profile->points.size(), kPointsMax); ++p)
      if ((points >> p & 1) != 0 && twin::may_keep(*at.profile, at.profile->points[p], 1, parts, rejecting_eur))
        return true;
    return false;
  }

  // Mixed radix: most_[slot] + 1 numbers each.
  Numbers fleet(size_t position) const {
    Numbers numbers;
    for (const uint32_t most : most_) {
      numbers.push_back(static_cast<uint32_t>(position % (most + 1)));
      position /= most + 1;
    }
    return numbers;
  }
  size_t cheapest_fleet() const { return std::ranges::min_element(eur_) - eur_.begin(); }

  std::vector<double> v_of(const Prices& prices) const {
    std::vector<double> v;
    for (const uint32_t d : demands_) v.push_back(prices.demand[d]);
    return v;
  }
  double set(const std::vector<double>& v) {
    for (size_t i = 0; i < v.size(); ++i) now_.demand[demands_[i]] = v[i];
    return std::accumulate(v.begin(), v.end(), 0.0);
  }

  void add(std::vector<double> v) {
    const double sum = set(v);
    const auto adds = relaxation_.evaluate_numbers(model_, now_, most_);
    for (size_t i = 0; i < eur_.size(); ++i) {
      double eur = sum;
      const Numbers of = fleet(i);
      for (size_t slot = 0; slot < of.size(); ++slot) eur += adds[slot][of[slot]];
      if (eur <= eur_[i]) continue;
      eur_[i] = eur;
      by_[i] = static_cast<uint8_t>(prices_.size());
    }
    prices_.push_back(std::move(v));
  }

  double value(const Numbers& of, const std::vector<double>& v) {
    double eur = set(v);
    for (const std::vector<double>& adds : relaxation_.evaluate_numbers(model_, now_, of)) eur += adds.back();
    return eur;
  }

  // Where a fleet lacks a little room for all, that little must be dear: prices grow alike as long as that proves more.
  double raise(const Numbers& of, std::vector<double>& v) {
    double best = value(of, v);
    for (std::vector<double> higher = v; best < spent_; v = higher) {
      for (size_t i = 0; i < v.size(); ++i)
        higher[i] = std::min(kRaise * v[i], problem_.demands[demands_[i]].penalty_eur_per_hour);
      const double eur = value(of, higher);
      if (eur <= best) break;
      best = eur;
    }
    return best;
  }

  // The most that is found to be proven of a fleet, up to what is spent, and by what.
  std::pair<double, std::vector<double>> climb(const Numbers& of, std::vector<double> v, const std::stop_token& stop) {
    double best = raise(of, v), step = kStep;
    std::vector<double> best_v = v, last(v.size());
    uint32_t without_gain = 0;
    for (uint32_t round = 0; round < kRounds && step >= kStepLeast && best < spent_ && !stop.stop_requested();
         ++round) {
      const double eur = value(of, v);
      if (eur > best) {
        best = eur;
        best_v = v;
        without_gain = 0;
      } else if (round > 0 && ++without_gain >= kPatience) {
        step /= 2;
        without_gain = 0;
        v = best_v;
        std::fill(last.begin(), last.end(), 0);
        continue;
      }
      move(v, last, step * (kBeyond * spent_ - eur));
    }
    return {best, best_v};
  }

  void move(std::vector<double>& v, std::vector<double>& last, double missing) const {
    double squares = 0, along = 0;
    for (size_t i = 0; i < v.size(); ++i) {
      const double lacking = 1 - relaxation_.served[demands_[i]];
      const bool free = lacking < 0 ? v[i] > 0 : v[i] < problem_.demands[demands_[i]].penalty_eur_per_hour;
      const double slope = free ? lacking * scale_[i] : 0;
      last[i] = slope == 0 ? 0 : slope + kDeflection * last[i];
      squares += last[i] * last[i];
      along += last[i] * slope;
    }
    if (squares <= 0 || along <= 0) return std::fill(last.begin(), last.end(), 0);
    for (size_t i = 0; i < v.size(); ++i)
      v[i] = std::clamp(v[i] + missing / squares * scale_[i] * last[i], 0.0,
                        problem_.demands[demands_[i]].penalty_eur_per_hour);
  }

  const Problem& problem_;
  Relaxation& relaxation_;
  const uint32_t model_;
  Prices& now_;
  const std::vector<uint32_t>& demands_;
  const double spent_;
  const std::vector<double> replica_;                 // €/h at the least, by slot
  const std::vector<std::vector<double>> beside_on_;  // likewise beside replicas, by slot and demand
  const std::vector<double> beside_of_;               // wherever it is least, by demand
  const double beside_;                               // of all
  std::vector<double> scale_;                         // of steps, by demand
  Numbers most_;
  std::vector<double> eur_;  // proven, by fleet
  std::vector<uint8_t> by_;  // into prices_
  std::vector<std::vector<double>> prices_;
};

}  // namespace

Prices::Fleets prove_by_fleets(const Problem& problem, Relaxation& relaxation, uint32_t model, Prices& now,
                               const Prices::Fleets* learnt, double spent_eur,
                               std::span<const double> spent_eur_of_demand, const std::stop_token& stop) {
  return FleetsOfModel(problem, relaxation, model, now, spent_eur, spent_eur_of_demand).prove(learnt, stop);
}

}  // namespace tandem::planner
