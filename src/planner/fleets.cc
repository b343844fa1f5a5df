#include "planner/fleets.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>

#include "twin/split.h"

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
constexpr uint32_t kPlacingsMax = 24;  // of splits that keep all where each place suits by itself
constexpr uint32_t kShareParts = 64;   // of a demand, that two deployments share

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

  ProvenByFleets prove(const Prices::Fleets* learnt, const std::stop_token& stop) {
    stop_ = stop;
    ProvenByFleets proven{{model_, 0, {}}, {}};
    if (!list_fleets()) return proven;
    leave_out_single();
    add(v_of(now_));
    for (size_t i = 0; learnt != nullptr && i < learnt->demand.size(); ++i) add(learnt->demand[i]);
    while (prices_.size() <= kFleetPricesMax && !stop.stop_requested()) {
      const size_t cheapest = cheapest_fleet();
      if (closed(cheapest)) break;
      if (leave_out_few(cheapest)) continue;
      const auto [eur, v] = climb(fleet(cheapest), prices_[by_[cheapest]], stop);
      if (eur < eur_[cheapest] + kWorthPrices * spent_) break;
      add(v);
    }
    proven.fleets.eur_per_hour = std::min(spent_, eur_[cheapest_fleet()]);
    meet(stop);
    proven.met = std::move(met_);
    prices_.erase(prices_.begin());  // what `now` has already
    proven.fleets.demand = std::move(prices_);
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
      if (replica <= 0) return false;  // as many as one likes
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
    asked_.assign(count, false);
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

  bool closed(size_t position) const { return eur_[position] >= spent_ * (1 - kClosed); }

  // Those of few replicas that keep no promises however demands are split among them, unless they reject so much that
  // all costs what is spent. True where that is so; asked once of each.
  bool leave_out_few(size_t position) {
    const Numbers of = fleet(position);
    const uint32_t replicas = std::accumulate(of.begin(), of.end(), 0U);
    if (replicas == 0 || replicas > kFewReplicasMax || ranges_left_ == 0 || asked_[position]) return false;
    asked_[position] = true;
    if (may_split(of)) return false;
    eur_[position] = spent_;
    return true;
  }

  // Where the cheapest may hold all by what is proven, no demands are known to be split so that they do: a dearer one
  // may be found that does.
  void meet(const std::stop_token& stop) {
    std::vector<size_t> order;
    for (size_t i = 0; i < eur_.size(); ++i)
      if (!closed(i)) order.push_back(i);
    std::ranges::sort(order, {}, [&](size_t i) { return std::pair(eur_[i], i); });
    for (size_t i = 0; i < order.size() && met_.empty() && !stop.stop_requested(); ++i) leave_out_few(order[i]);
  }

  bool may_split(const Numbers& of) {
    const std::vector<double> paid = paid_where(of);
    double spare = spent_ - std::accumulate(paid.begin(), paid.end(), 0.0);
    for (size_t slot = 0; slot < of.size(); ++slot)
      if (of[slot] > 0) spare -= of[slot] * replica_[slot];
    std::vector<uint8_t> lost;  // by demand: what rejecting it costs is paid anyway
    for (size_t i = 0; i < demands_.size(); ++i)
      lost.push_back(problem_.demands[demands_[i]].penalty_eur_per_hour <= paid[i]);
    const Kinds& kinds = kinds_without(lost);
    if (kinds.demands.size() > kKindsMax) return true;
    std::vector<twin::SplitKind> rates;
    for (const std::vector<uint32_t>& kind : kinds.demands) {
      twin::SplitKind& all = rates.emplace_back();
      for (const uint32_t i : kind) {
        const DemandRow& demand = problem_.demands[demands_[i]];
        all.requests_per_s += demand.row->rate_per_s;
        all.rejectable =
            std::max(all.rejectable, demand.row->rate_per_s * spare / (demand.penalty_eur_per_hour - paid[i]));
      }
    }
    twin::Splits found = find_split(kinds, rates, of, spare);
    if (found != twin::Splits::unknown || !met_.empty()) return found != twin::Splits::none;
    for (twin::SplitKind& all : rates) all.rejectable = 0;  // what truly keeps all is found sooner so
    find_split(kinds, rates, of, spare);
    return true;
  }

  // Demands that are alike but for where they come from, and where each profile may serve how much of them.
  struct Kinds {
    std::vector<std::vector<uint32_t>> demands;     // positions in demands_
    std::vector<twin::SplitProfile> profiles;       // by slot
    std::vector<std::vector<uint32_t>> candidates;  // by slot, then place
  };
  twin::Splits find_split(const Kinds& kinds, std::span<const twin::SplitKind> rates, const Numbers& of, double spare) {
    uint32_t looked = 0, tries = 0;
    const twin::Splits found =
        twin::find_split({.kinds = rates,
                          .profiles = kinds.profiles,
                          .replicas = of,
                          .spare_eur = spare,
                          .utilization_max = kUtilizationMax,
                          .stop = stop_},
                         std::min(kRangesOfFleet, ranges_left_), looked, [&](const twin::Split& split) {
                           met_ = placed(kinds, split);
                           return !met_.empty() || ++tries >= kPlacingsMax;
                         });
    ranges_left_ -= looked;
    return found;
  }

  const Kinds& kinds_without(const std::vector<uint8_t>& lost) {
    const auto [entry, fresh] = kinds_.try_emplace(lost);
    Kinds& kinds = entry->second;
    if (!fresh) return kinds;
    std::map<std::tuple<double, double, double, double, double, double>, size_t> by;
    for (uint32_t i = 0; i < demands_.size(); ++i) {
      const grid::Demand& row = *problem_.demands[demands_[i]].row;
      if (lost[i] != 0 || row.rate_per_s <= 0) continue;
      const auto [kind, first] =
          by.try_emplace({row.prompt_tokens, row.output_tokens, row.prefix_hit, row.promise.ttft.value(),
                          row.promise.tpot.value(), row.promise.quantile},
                         by.size());
      if (first) kinds.demands.emplace_back();
      kinds.demands[kind->second].push_back(i);
    }
    if (kinds.demands.size() > kKindsMax) return kinds;  // no more is asked of them
    kinds.profiles.resize(replica_.size());
    kinds.candidates.resize(replica_.size());
    for (const uint32_t c : problem_.candidates_of_model[model_])
      if (problem_.candidates[c].servable) kinds.candidates[problem_.candidates[c].slot].push_back(c);
    for (size_t slot = 0; slot < replica_.size(); ++slot) add_places(kinds, slot, lost);
    return kinds;
  }

  void add_places(Kinds& kinds, size_t slot, const std::vector<uint8_t>& lost) const {
    twin::SplitProfile& of = kinds.profiles[slot];
    if (kinds.candidates[slot].empty()) return;
    of.profile = problem_.candidates[kinds.candidates[slot][0]].profile;
    for (const std::vector<uint32_t>& kind : kinds.demands) {
      const DemandRow& demand = problem_.demands[demands_[kind[0]]];
      const Use& use = problem_.uses[demand.use_first + slot];
      of.asked.push_back({use.sizes, 0, demand.row->promise.tpot.value(), demand.row->promise.quantile});
      of.points.push_back(use.points);
    }
    for (size_t i = 0; i < demands_.size(); ++i) {
      const DemandRow& demand = problem_.demands[demands_[i]];
      if (lost[i] != 0) of.beside.add(problem_.uses[demand.use_first + slot].sizes, demand.row->rate_per_s);
    }
    for (const uint32_t c : kinds.candidates[slot]) {
      twin::SplitPlace& place = of.places.emplace_back();
      place.replicas_max = problem_.candidates[c].replicas_max;
      place.dearer_eur = relaxation_.replica_eur(c, now_) - replica_[slot];
      for (const std::vector<uint32_t>& kind : kinds.demands) {
        std::vector<std::pair<double, double>> left;
        for (const uint32_t i : kind) left.emplace_back(ttft_left_ms(i, c), rate(i));
        const std::vector<double> by_part = twin::ttft_left_by_part(std::move(left));
        place.ttft_left_ms.insert(place.ttft_left_ms.end(), by_part.begin(), by_part.end());
      }
    }
  }

  double rate(uint32_t i) const { return problem_.demands[demands_[i]].row->rate_per_s; }
  double ttft_left_ms(uint32_t i, uint32_t c) const {  // of a demand at a candidate; negative where it is not served
    const DemandRow& demand = problem_.demands[demands_[i]];
    return problem_.passes(demands_[i], c)
               ? problem_.ttft_left_ms(demand, *problem_.leg_of(demand, problem_.candidates[c].pool))
               : -1;
  }

  // A split, in places that suit together: the cheapest of some. Empty where none of these do.
  std::vector<ServedShare> placed(const Kinds& kinds, const twin::Split& split) const {
    static constexpr size_t kPlacesEach[] = {64, 12, 5, 3};
    const size_t deployments = split.deployments.size();
    const size_t each = kPlacesEach[std::min(deployments, std::size(kPlacesEach)) - 1];
    std::vector<std::vector<uint32_t>> candidates;  // by deployment
    for (const auto& deployment : split.deployments) {
      std::vector<uint32_t>& all = candidates.emplace_back();
      for (const uint32_t place : deployment.places) all.push_back(kinds.candidates[deployment.profile][place]);
      std::ranges::sort(all, {}, [&](uint32_t c) { return std::pair(relaxation_.replica_eur(c, now_), c); });
      for (size_t i = each / 2; i < each && all.size() > each; ++i) all[i] = all[i * all.size() / each];
      all.resize(std::min(all.size(), each));
    }
    double least = spent_;
    std::vector<ServedShare> best;
    std::vector<size_t> next(deployments, 0);
    for (size_t j = 0; j < deployments;) {
      std::vector<uint32_t> at;
      double eur = 0;
      for (size_t i = 0; i < deployments; ++i) {
        at.push_back(candidates[i][next[i]]);
        eur += split.deployments[i].replicas * relaxation_.replica_eur(at[i], now_);
      }
      std::vector<uint32_t> sorted = at;
      std::ranges::sort(sorted);
      if (eur < least && std::ranges::adjacent_find(sorted) == sorted.end()) {
        std::vector<ServedShare> shares = placed_at(kinds, split, at);
        if (!shares.empty()) {
          least = eur;
          best = std::move(shares);
        }
      }
      for (j = 0; j < deployments && ++next[j] == candidates[j].size(); ++j) next[j] = 0;
    }
    return best;
  }

  // Each deployment is given, of each kind, the demands that it suits better than those after it do, until it has its
  // part. Empty where one then breaks a promise.
  std::vector<ServedShare> placed_at(const Kinds& kinds, const twin::Split& split, std::span<const uint32_t> at) const {
    std::vector<ServedShare> shares;
    std::vector<uint32_t> left(demands_.size(), kWhole);
    for (size_t j = 0; j < at.size(); ++j) {
      const twin::SplitProfile& profile = kinds.profiles[split.deployments[j].profile];
      twin::Mix mix;
      std::vector<twin::Asked> asked;
      uint32_t points = UINT32_MAX;
      for (size_t k = 0; k < kinds.demands.size(); ++k) {
        std::vector<std::pair<double, uint32_t>> by_gain;  // ms that it leaves more than those after it
        double all = 0, served = 0, ttft_ms = std::numeric_limits<double>::infinity();
        for (const uint32_t i : kinds.demands[k]) {
          all += rate(i);
          if (left[i] == 0) continue;
          double others = -1;
          for (size_t later = j + 1; later < at.size(); ++later) others = std::max(others, ttft_left_ms(i, at[later]));
          const double here = ttft_left_ms(i, at[j]);
          by_gain.emplace_back(others < 0 ? std::numeric_limits<double>::infinity()
                               : here < 0 ? -std::numeric_limits<double>::infinity()
                                          : here - others,
                               i);
        }
        std::ranges::sort(by_gain, std::greater());
        for (const auto& [gain, i] : by_gain) {
          const double room = split.deployments[j].parts[k] * all - served;
          uint32_t share = left[i];
          if (j + 1 < at.size() && std::isfinite(gain))
            share = std::min(share, static_cast<uint32_t>(std::clamp(room / rate(i), 0.0, 1.0) * kShareParts + 1e-6) *
                                        (kWhole / kShareParts));
          if (share == 0 || gain == -std::numeric_limits<double>::infinity()) continue;
          const double ttft_left = ttft_left_ms(i, at[j]);
          if (ttft_left < 0) return {};
          ttft_ms = std::min(ttft_ms, ttft_left);
          served += rate(i) * share / kWhole;
          left[i] -= share;
          shares.push_back({demands_[i], at[j], share});
        }
        if (served <= 0) continue;
        asked.push_back(profile.asked[k]);
        asked.back().ttft_ms = ttft_ms;
        points &= profile.points[k];
        mix.add(profile.asked[k].sizes, served);
      }
      const auto keeps = [&](size_t p) {
        const grid::OperatingPoint& point = profile.profile->points[p];
        return (points >> p & 1) != 0 && mix.work(point) <= kUtilizationMax * split.deployments[j].replicas &&
               twin::keeps_all(*profile.profile, point, split.deployments[j].replicas, mix, asked);
      };
      size_t p = 0;
      while (p < std::min(profile.profile->points.size(), kPointsMax) && !asked.empty() && !keeps(p)) ++p;
      if (p == std::min(profile.profile->points.size(), kPointsMax)) return {};
    }
    return shares;
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
  std::vector<bool> asked_;  // by fleet: whether it splits
  std::map<std::vector<uint8_t>, Kinds> kinds_;
  std::stop_token stop_;
  uint32_t ranges_left_ = kRangesOfModel;
  std::vector<ServedShare> met_;
  std::vector<std::vector<double>> prices_;
};

}  // namespace

ProvenByFleets prove_by_fleets(const Problem& problem, Relaxation& relaxation, uint32_t model, Prices& now,
                               const Prices::Fleets* learnt, double spent_eur,
                               std::span<const double> spent_eur_of_demand, const std::stop_token& stop) {
  return FleetsOfModel(problem, relaxation, model, now, spent_eur, spent_eur_of_demand).prove(learnt, stop);
}

}  // namespace tandem::planner
