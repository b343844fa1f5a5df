#include "planner/certificate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>

#include "planner/certified_earnings.h"
#include "planner/earnings.h"
#include "planner/fleets.h"
#include "planner/problem.h"
#include "twin/diverse_ways.h"
#include "twin/repair_reach.h"
#include "twin/split.h"

namespace tandem::planner {
namespace {

using certified::allowed_by_mix;
using certified::allowed_by_tokens;
using certified::Column;
using certified::kNone;
using certified::most_earned;
using certified::Range;
using certified::Shares;
using certified::Spreads;
using certified::weight;

class Certificate {
 public:
  Certificate(const grid::Snapshot& snapshot, const Prices& prices) : s_(snapshot), networks_(snapshot) {
    read_prices(prices);
    read_capacities();
    for (size_t r = 0; r < s_.regions.size(); ++r) anchors_.push_back(twin::active_anchor(s_, grid::RegionIndex(r)));
    for (const grid::Demand& demand : s_.demands)
      if (const auto& anchor = anchors_[demand.region.value])
        trees_.try_emplace({anchor->node, demand.flex_algo}, networks_.of(demand.flex_algo), anchor->node);
    if (!arc_.empty()) price_paths();
    demands_of_model_.resize(s_.models.size());
    for (uint32_t d = 0; d < s_.demands.size(); ++d) demands_of_model_[s_.demands[size_t{d}].model.value].push_back(d);
  }

  double bound() {
    std::vector<double> of_model(s_.models.size(), 0);
    for (size_t d = 0; d < demand_.size(); ++d) of_model[s_.demands[d].model.value] += demand_[d];
    for (const grid::Profile& profile : s_.profiles) read_prefills(profile);
    for (size_t p = 0; p < s_.pools.size(); ++p)
      for (size_t f = 0; f < s_.profiles.size(); ++f)
        if (may_stand(p, f)) of_model[s_.profiles[f].model.value] += deployment(p, f);
    for (const Prices::Fleets& fleets : fleets_)
      of_model[fleets.model] = std::max(of_model[fleets.model], cheapest_fleet(fleets));
    double sum = 0;
    for (const double eur : of_model) sum += eur;
    for (size_t p = 0; p < pool_.size(); ++p) sum -= pool_[p] * spare_[p];
    for (size_t i = 0; i < site_.size(); ++i) sum -= site_[i] * std::max(0.0, kw_[i]);
    for (const auto& [arc, price] : arc_) sum -= price * std::max(0.0, arc_spare_[arc]);
    return sum - 1e-9 * std::abs(sum);
  }

 private:
  static constexpr double kPriceMax = 1e9;       // €/h: beyond any penalty
  static constexpr double kFleetsMax = 200'000;  // of a model: more than any plan's proof tells apart
  static constexpr size_t kPricesMax = 64;       // sets of them for a model's fleets, likewise
  static double in_range(double price, double most) { return price > 0 ? std::min(price, most) : 0; }

  double penalty(size_t d) const { return rejection_eur_per_hour(s_, s_.demands[d]); }

  void read_prices(const Prices& prices) {
    const auto at = [](const std::vector<double>& values, size_t i) { return i < values.size() ? values[i] : 0; };
    for (size_t d = 0; d < s_.demands.size(); ++d) demand_.push_back(in_range(at(prices.demand, d), penalty(d)));
    for (size_t p = 0; p < s_.pools.size(); ++p) pool_.push_back(in_range(at(prices.pool, p), kPriceMax));
    for (size_t i = 0; i < s_.sites.size(); ++i) site_.push_back(in_range(at(prices.site, i), kPriceMax));
    for (uint32_t a = 0; a < 2 * s_.links.size(); ++a)
      if (const double price = in_range(at(prices.arc, a), kPriceMax); price > 0) arc_[a] = price;
    for (const Prices::Fleets& fleets : prices.fleets)
      if (fleets.model < s_.models.size() && fleets.eur_per_hour > 0) fleets_.push_back(fleets);
  }

  void read_capacities() {
    for (const grid::Site& site : s_.sites)
      kw_.push_back(std::min(site.power_limit.value(), site.cooling_limit.value()));
    for (const grid::Pool& pool : s_.pools) {
      const uint32_t reserve = std::min(pool.count, radio_reserve_max(pool));
      spare_.push_back(pool.count - reserve);
      kw_[pool.site.value] -= reserve * s_.accelerators[pool.accelerator].peak_power.value() * 1e-3;
    }
    if (arc_.empty()) return;
    const twin::Forecast background = twin::forecast(s_, {});
    for (size_t l = 0; l < s_.links.size(); ++l) {
      arc_spare_.push_back(s_.policy.link_headroom * s_.links[l].capacity_ab.value() - background.links[l].ab.value());
      arc_spare_.push_back(s_.policy.link_headroom * s_.links[l].capacity_ba.value() - background.links[l].ba.value());
    }
  }

  // By anchor, then node: what one Gbit/s pays out (the cheapest branch) and back (the mean of even splits).
  void price_paths() {
    for (const auto& [start, tree] : trees_) {
      std::vector<std::pair<double, uint32_t>> order;
      for (uint32_t n = 0; n < s_.nodes.size(); ++n)
        if (tree.reachable(grid::NodeIndex(n))) order.emplace_back(tree.metric(grid::NodeIndex(n)), n);
      std::sort(order.begin(), order.end());
      auto& [out, back] = paths_[start];
      out.assign(s_.nodes.size(), 0);
      back = out;
      for (const auto& [metric, node] : order) {
        double least = kNone, sum = 0, branches = 0;
        for (const twin::Network::Arc& arc : tree.network()->out_of(node)) {
          if (!tree.leads_nearer(grid::NodeIndex(node), arc)) continue;
          const auto price = [&](bool forward) {
            const auto found = arc_.find(2 * arc.link + (forward ? 0 : 1));
            return found == arc_.end() ? 0 : found->second;
          };
          least = std::min(least, price(!arc.forward) + out[arc.to]);
          sum += price(arc.forward) + back[arc.to];
          ++branches;
        }
        if (branches > 0) out[node] = least, back[node] = sum / branches;
      }
    }
  }

  bool may_use(const grid::Demand& demand) const {
    const grid::Tenant& tenant = s_.tenants[demand.tenant];
    return (tenant.models.empty() ||
            std::find(tenant.models.begin(), tenant.models.end(), demand.model) != tenant.models.end()) &&
           demand.prompt_tokens + demand.output_tokens <= s_.models[demand.model].context_tokens &&
           anchors_[demand.region.value];
  }
  bool may_run(const grid::Profile& profile, size_t p, const grid::Demand& demand) const {
    const double requests =
        twin::kv_requests_max(s_.models[profile.model], profile, demand.prompt_tokens, demand.output_tokens);
    return requests >= profile.points.front().batch && profile.points[p].batch <= requests &&
           profile.points[p].decode_per_token <= demand.promise.tpot;
  }

  // Of every demand that may run on the profile.
  void read_prefills(const grid::Profile& profile) {
    Range range;
    for (const uint32_t d : demands_of_model_[profile.model.value]) {
      const grid::Demand& demand = s_.demands[size_t{d}];
      bool runs = false;
      for (size_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p) runs |= may_run(profile, p, demand);
      if (!may_use(demand) || !runs) continue;
      const twin::RequestSizes sizes = twin::sizes_of(profile, demand);
      const double time = demand.rate_per_s * sizes.prefill_ms * 1e-3;
      const double steps = demand.rate_per_s * std::max(0.0, demand.output_tokens - 1) * 1e-3;
      range.steps += steps;
      if (time <= 0) {
        range.steps_max = kNone;
        continue;
      }
      const double unevenness_ms = sizes.prefill_variance / sizes.prefill_ms;
      range.prefills.insert({steps / time, sizes.prefill_ms, unevenness_ms});
      range.least_ms = std::min(range.least_ms, sizes.prefill_ms + unevenness_ms);
      range.time += time;
      range.time_mean += time * sizes.prefill_ms;
      range.time_unevenness += time * unevenness_ms;
      range.steps_min = std::min(range.steps_min, steps / time);
      range.steps_max = std::max(range.steps_max, steps / time);
    }
    ranges_.push_back(std::move(range));
  }

  // Of two profiles for one deployment the first counts.
  bool may_stand(size_t p, size_t f) const {
    const grid::Profile& profile = s_.profiles[f];
    if (profile.accelerator != s_.pools[p].accelerator) return false;
    for (size_t before = 0; before < f; ++before)
      if (const grid::Profile& other = s_.profiles[before]; other.accelerator == profile.accelerator &&
                                                            other.model == profile.model &&
                                                            other.tensor_parallel == profile.tensor_parallel)
        return false;
    return true;
  }

  // What a profile in a pool takes and costs.
  struct Place {
    double replica = 0, eur_per_wh = 0, idle_w = 0;
    uint32_t there = 0;   // replicas that there is room for
    uint32_t pinned = 0;  // of them
    bool serves = false;
  };
  Place place(size_t p, size_t f) const {
    const grid::Profile& profile = s_.profiles[f];
    const grid::Pool& pool = s_.pools[p];
    const grid::Site& site = s_.sites[pool.site];
    const grid::Accelerator& accelerator = s_.accelerators[pool.accelerator];
    const uint32_t each = std::max(1u, profile.tensor_parallel);
    const bool up = site.state == grid::State::up && s_.usable(pool.node);
    Place at;
    at.there = spare_[p] / each;
    uint64_t pinned = 0;
    for (const grid::Deployment& pin : s_.deployments)
      if (up && pin.pool.value == p && pin.model == profile.model && pin.tensor_parallel == profile.tensor_parallel)
        pinned += pin.replicas;
    at.pinned = static_cast<uint32_t>(std::min<uint64_t>(pinned, at.there));
    at.eur_per_wh = site.pue * site.power_price.value() * 1e-3;
    at.idle_w = accelerator.idle_power.value() * each;
    const double kw = accelerator.peak_power.value() * each * 1e-3;
    at.replica =
        accelerator.price.value() * each + at.idle_w * at.eur_per_wh + pool_[p] * each + site_[pool.site.value] * kw;
    const bool fits = s_.models[profile.model].weights + profile.kv_memory <= accelerator.memory * each;
    at.serves = up && at.there > 0 && kw <= kw_[pool.site.value] && fits;
    return at;
  }

  double deployment(size_t p, size_t f) {
    const grid::Profile& profile = s_.profiles[f];
    const Place at = place(p, f);
    double best = at.pinned * at.replica;
    if (!at.serves) return best;
    for (size_t point = 0; point < std::min(profile.points.size(), kPointsMax); ++point) {
      const std::vector<Column> columns = columns_at(p, f, point, at);
      double hoped = 0;
      for (const Column& c : columns) hoped += c.gain;
      for (uint32_t n = std::max(1u, at.pinned); n <= at.there && n * at.replica - hoped < best; ++n) {
        const std::vector<Column> usable = usable_at(columns, f, point, n);
        best = std::min(best, n * at.replica - most_earned(profile, point, usable, n));
        double needed = 0;  // replicas that hold all of them: more earn no more
        for (const Column& c : usable)
          for (size_t measure = 0; measure < c.most.size(); ++measure)
            needed += weight(profile, c, measure, point) / c.most[measure];
        if (n > 32 && n >= needed) break;
      }
    }
    return best < 0 && at.pinned == 0 ? std::max(best, -earned_closer(p, f, at)) : best;
  }

  // earnings.h: what it earns at the most, mixes and batches worked out.
  double earned_closer(size_t p, size_t f, const Place& at) {
    const grid::Profile& profile = s_.profiles[f];
    const twin::StepEnergy energy(profile, Watts(at.idle_w));
    std::vector<EarningKind> kinds;
    std::vector<EarningDemand> demands;
    std::map<std::array<double, 5>, uint32_t> known;
    for (const uint32_t d : demands_of_model_[profile.model.value]) {
      const grid::Demand& demand = s_.demands[size_t{d}];
      uint32_t points = 0;
      for (size_t point = 0; point < std::min(profile.points.size(), kPointsMax); ++point)
        if (may_run(profile, point, demand)) points |= 1U << point;
      if (points == 0 || demand.rate_per_s <= 0 || !may_use(demand)) continue;
      const std::optional<Reach> reached = reach(p, demand);
      const twin::RequestSizes sizes = twin::sizes_of(profile, demand);
      if (!reached || reached->ttft_left_ms - twin::ttft_alone(sizes, demand.promise.quantile).value() < -1e-9)
        continue;
      const auto [kind, fresh] = known.try_emplace({demand.prompt_tokens, demand.output_tokens, demand.prefix_hit,
                                                    demand.promise.tpot.value(), demand.promise.quantile},
                                                   static_cast<uint32_t>(kinds.size()));
      if (fresh) kinds.push_back({sizes, demand.promise.tpot.value(), demand.promise.quantile, points});
      demands.push_back({kind->second, d, demand.rate_per_s, demand_[d] - way_eur(p, demand, *reached)});
    }
    return most_earned({&profile, &energy, at.eur_per_wh, at.replica, 1, at.there}, kinds, demands, 4 * kRangesMax,
                       kEarningTolerance / 2)
        .eur_per_hour;
  }

  // Likewise by the number of its replicas, up to so many: no more than it adds. For one of which none is pinned.
  std::vector<double> deployment_by_number(size_t p, size_t f, uint32_t most) {
    const grid::Profile& profile = s_.profiles[f];
    const Place at = place(p, f);
    std::vector<double> adds(at.serves ? std::min(most, at.there) + 1 : 1);
    for (uint32_t n = 0; n < adds.size(); ++n) adds[n] = n * at.replica;
    for (size_t point = 0; at.serves && point < std::min(profile.points.size(), kPointsMax); ++point) {
      const std::vector<Column> columns = columns_at(p, f, point, at);
      double hoped = 0;
      for (const Column& c : columns) hoped += c.gain;
      for (uint32_t n = 1; n < adds.size(); ++n) {
        const bool may_earn = n * at.replica < hoped;
        const double earned = may_earn ? most_earned(profile, point, usable_at(columns, f, point, n), n) : hoped;
        adds[n] = std::min(adds[n], n * at.replica - earned);
      }
    }
    return adds;
  }

  // What a profile's deployments add together, by how many replicas run in all of them.
  std::vector<double> profile_by_number(size_t f, uint32_t most) {
    std::vector<double> adds{0};
    for (size_t p = 0; p < s_.pools.size(); ++p) {
      if (!may_stand(p, f)) continue;
      const std::vector<double> one = deployment_by_number(p, f, most);
      std::vector<double> with(std::min<size_t>(adds.size() + one.size() - 1, most + 1), kNone);
      for (size_t i = 0; i < adds.size(); ++i)
        for (size_t n = 0; n < one.size() && i + n < with.size(); ++n)
          with[i + n] = std::min(with[i + n], adds[i] + one[n]);
      adds = std::move(with);
    }
    return adds;
  }

  // What the demands of a model cost at the least, replicas left out, on each of its profiles: served or rejected.
  using Beside = std::map<uint32_t, double>;  // by demand
  std::map<size_t, Beside> paid_beside(uint32_t model) {
    const std::vector<double> given = demand_;
    for (const uint32_t d : demands_of_model_[model]) demand_[d] = penalty(d);
    std::map<size_t, Beside> on;
    for (size_t f = 0; f < s_.profiles.size(); ++f) {
      const grid::Profile& profile = s_.profiles[f];
      if (profile.model.value != model) continue;
      Beside& least = on[f];
      for (const uint32_t d : demands_of_model_[model]) least[d] = penalty(d);
      for (size_t p = 0; p < s_.pools.size(); ++p) {
        if (!may_stand(p, f)) continue;
        const Place at = place(p, f);
        for (size_t point = 0; at.serves && point < std::min(profile.points.size(), kPointsMax); ++point)
          for (const Column& c : columns_at(p, f, point, at))
            least[c.demand] = std::min(least[c.demand], penalty(c.demand) - c.gain);
      }
    }
    demand_ = given;
    return on;
  }

  // Where only some profiles run.
  Beside paid_where(const std::map<size_t, Beside>& on, uint32_t model, const std::vector<bool>& runs) const {
    Beside least;
    for (const uint32_t d : demands_of_model_[model]) least[d] = penalty(d);
    for (size_t i = 0; const auto& [f, beside] : on)
      if (runs[i++])
        for (const auto& [d, eur] : beside) least[d] = std::min(least[d], eur);
    return least;
  }
  static double sum_of(const Beside& beside) {
    double sum = 0;
    for (const auto& [d, eur] : beside) sum += eur;
    return sum;
  }

  // fleets.h: whether a single replica of a profile may serve its model's demands, but for what costs so much more
  // rejected than `beside` says.
  bool may_be_one(size_t f, const std::map<uint32_t, double>& beside, double rejecting) {
    const grid::Profile& profile = s_.profiles[f];
    const std::vector<double> given = demand_;
    for (const auto& [d, eur] : beside) demand_[d] = penalty(d);
    bool may = false;
    for (size_t p = 0; p < s_.pools.size() && !may; ++p) {
      if (!may_stand(p, f)) continue;
      const Place at = place(p, f);
      for (size_t point = 0; at.serves && point < std::min(profile.points.size(), kPointsMax) && !may; ++point) {
        std::map<uint32_t, double> missing = beside;
        std::vector<twin::Part> parts;
        for (const Column& c : columns_at(p, f, point, at)) {
          const grid::Demand& demand = s_.demands[size_t{c.demand}];
          const grid::Promise& promise = demand.promise;
          const twin::RequestSizes sizes = twin::sizes_of(profile, demand);
          const double ttft_ms = c.slack_ms + twin::ttft_alone(sizes, promise.quantile).value();
          parts.push_back({{sizes, ttft_ms, promise.tpot.value(), promise.quantile},
                           demand.rate_per_s,
                           penalty(c.demand) - beside.at(c.demand)});
          missing.erase(c.demand);
        }
        double lost = 0;
        for (const auto& [d, eur] : missing) lost += penalty(d) - eur;
        may = lost <= rejecting * (1 + 1e-9) && twin::may_keep(profile, profile.points[point], 1, parts, rejecting);
      }
    }
    demand_ = given;
    return may;
  }

  // fleets.h: whether a fleet of few replicas may serve its model's demands, however they are split, but for what costs
  // `spare` more rejected than `beside` says. By the model's profiles: which they are, and what a replica costs.
  bool may_split(uint32_t model, const std::map<size_t, double>& replicas, const std::vector<uint32_t>& numbers,
                 const Beside& beside, double spare, uint32_t& ranges_left) {
    std::map<std::tuple<double, double, double, double, double, double>, std::vector<uint32_t>> kinds;
    std::vector<uint32_t> lost;  // rejecting these is paid anyway
    for (const uint32_t d : demands_of_model_[model]) {
      const grid::Demand& demand = s_.demands[size_t{d}];
      const grid::Promise& promise = demand.promise;
      if (penalty(d) <= beside.at(d))
        lost.push_back(d);
      else if (demand.rate_per_s > 0)
        kinds[{-demand.output_tokens, demand.prompt_tokens, demand.prefix_hit, promise.ttft.value(),
               promise.tpot.value(), promise.quantile}]
            .push_back(d);
    }
    if (kinds.size() > kKindsMax) return true;
    std::vector<twin::SplitKind> rates;
    for (const auto& [of, demands] : kinds) {
      twin::SplitKind& kind = rates.emplace_back();
      for (const uint32_t d : demands) {
        kind.requests_per_s += s_.demands[size_t{d}].rate_per_s;
        kind.rejectable =
            std::max(kind.rejectable, s_.demands[size_t{d}].rate_per_s * spare / (penalty(d) - beside.at(d)));
      }
    }
    std::vector<twin::SplitProfile> profiles;
    for (const auto& [f, replica] : replicas) {
      twin::SplitProfile& of = profiles.emplace_back();
      if (numbers[profiles.size() - 1] == 0) continue;
      const grid::Profile& profile = s_.profiles[f];
      of.profile = &profile;
      for (const uint32_t d : lost) of.beside.add(profile, s_.demands[size_t{d}], 1);
      for (const auto& [alike, demands] : kinds) {
        const grid::Demand& demand = s_.demands[size_t{demands[0]}];
        of.asked.push_back({twin::sizes_of(profile, demand), 0, demand.promise.tpot.value(), demand.promise.quantile});
        of.points.push_back(0);
        for (uint32_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p)
          if (may_run(profile, p, demand)) of.points.back() |= 1U << p;
      }
      for (size_t p = 0; p < s_.pools.size(); ++p) {
        if (!may_stand(p, f)) continue;
        const Place at = place(p, f);
        if (!at.serves) continue;
        twin::SplitPlace& there = of.places.emplace_back();
        there.replicas_max = at.there;
        there.dearer_eur = at.replica - replica;
        for (const auto& [alike, demands] : kinds) {
          std::vector<std::pair<double, double>> left;
          for (const uint32_t d : demands) {
            const grid::Demand& demand = s_.demands[size_t{d}];
            const std::optional<Reach> reached = may_use(demand) ? reach(p, demand) : std::nullopt;
            left.emplace_back(reached ? reached->ttft_left_ms : -1, demand.rate_per_s);
          }
          const std::vector<double> by_part = twin::ttft_left_by_part(std::move(left));
          there.ttft_left_ms.insert(there.ttft_left_ms.end(), by_part.begin(), by_part.end());
        }
      }
    }
    uint32_t ranges = 0;
    const twin::Splits found = twin::find_split({.kinds = rates,
                                                 .profiles = profiles,
                                                 .replicas = numbers,
                                                 .spare_eur = spare,
                                                 .utilization_max = kUtilizationMax},
                                                ranges_left, ranges, [](const twin::Split&) { return true; });
    ranges_left -= ranges;
    return found != twin::Splits::none;
  }

  // Of a model's profiles the cost of a replica, at the least; none where replicas are pinned.
  std::map<size_t, double> replicas_of(uint32_t model) const {
    std::map<size_t, double> least;
    for (size_t f = 0; f < s_.profiles.size(); ++f) {
      if (s_.profiles[f].model.value != model) continue;
      least[f] = kNone;
      for (size_t p = 0; p < s_.pools.size(); ++p) {
        if (!may_stand(p, f)) continue;
        const Place at = place(p, f);
        if (at.pinned > 0) return {};
        if (at.serves) least[f] = std::min(least[f], at.replica);
      }
    }
    return least;
  }

  // By fleet, the first profile's number fastest: a sum that begins with `sum` and adds for each profile what its
  // number says.
  static std::vector<double> by_fleet(double sum, const std::vector<std::vector<double>>& of_profiles) {
    std::vector<double> eur{sum};
    for (const std::vector<double>& adds : of_profiles) {
      const std::vector<double> before = std::move(eur);
      eur.clear();
      for (const double add : adds)
        for (const double other : before) eur.push_back(other + add);
    }
    return eur;
  }

  // fleets.h: from the cheapest fleet, those of few replicas that no split lets keep all cost what is said. `adds`: by
  // profile, then number.
  void leave_out_few(const Prices::Fleets& said, const std::map<size_t, double>& replicas,
                     const std::map<size_t, Beside>& beside_on, const std::vector<std::vector<double>>& adds,
                     std::vector<double>& proven) {
    for (uint32_t ranges_left = 2 * kRangesOfModel; ranges_left > 0;) {
      const auto cheapest = std::min_element(proven.begin(), proven.end());
      if (*cheapest >= said.eur_per_hour) return;
      std::vector<uint32_t> numbers;
      std::vector<bool> runs;
      double eur = 0;
      auto position = static_cast<size_t>(cheapest - proven.begin());
      for (size_t i = 0; const auto& [f, replica] : replicas) {
        numbers.push_back(static_cast<uint32_t>(position % adds[i].size()));
        runs.push_back(numbers.back() > 0);
        if (runs.back()) eur += numbers.back() * replica;
        position /= adds[i++].size();
      }
      const uint32_t all = std::accumulate(numbers.begin(), numbers.end(), 0U);
      if (all == 0 || all > kFewReplicasMax) return;
      const Beside paid = paid_where(beside_on, said.model, runs);
      const double spare = said.eur_per_hour - sum_of(paid) - eur;
      if (may_split(said.model, replicas, numbers, paid, spare, ranges_left)) return;
      *cheapest = said.eur_per_hour;
    }
  }

  // fleets.h: of every fleet that its replicas and what is paid beside them do not make dearer than is said, what any
  // of the prices proves; the least of them, at most what is said. 0 where replicas are pinned or fleets are too many.
  double cheapest_fleet(const Prices::Fleets& said) {
    const std::map<size_t, double> replicas = replicas_of(said.model);
    const std::map<size_t, Beside> beside_on = paid_beside(said.model);
    const Beside beside_of = paid_where(beside_on, said.model, std::vector<bool>(replicas.size(), true));
    const double beside = sum_of(beside_of);
    std::vector<std::vector<double>> adds;
    double count = 1;
    for (const auto& [f, replica] : replicas) {
      if (replica <= 0) return 0;
      const double most = std::max(0.0, said.eur_per_hour - beside) / replica;
      if (count *= std::floor(most) + 1; count > kFleetsMax) return 0;
      std::vector<double>& of = adds.emplace_back();
      for (uint32_t n = 0; n <= most; ++n) of.push_back(n > 0 ? n * replica : 0);
    }
    if (adds.empty()) return 0;
    std::vector<double> proven = by_fleet(0, adds);
    std::map<std::vector<bool>, double> beside_where;
    for (size_t i = 0; i < proven.size(); ++i) {
      std::vector<bool> runs;
      for (size_t rest = i, profile = 0; profile < adds.size(); rest /= adds[profile++].size())
        runs.push_back(rest % adds[profile].size() > 0);
      const auto [entry, fresh] = beside_where.try_emplace(runs);
      if (fresh) entry->second = sum_of(paid_where(beside_on, said.model, runs));
      proven[i] += entry->second;
    }
    size_t single = 1, profile = 0;  // the fleet of one replica of a profile
    for (const auto& [f, replica] : replicas) {
      if (single < proven.size() && adds[profile].size() > 1 &&
          !may_be_one(f, beside_of, said.eur_per_hour - beside - replica))
        proven[single] = said.eur_per_hour;
      single *= adds[profile++].size();
    }
    const std::vector<uint32_t>& demands = demands_of_model_[said.model];
    const std::vector<double> given = demand_;
    for (size_t set = 0; set <= std::min(said.demand.size(), kPricesMax); ++set) {
      double sum = 0;
      for (size_t i = 0; i < demands.size(); ++i) {
        double& v = demand_[demands[i]];
        if (set > 0) v = i < said.demand[set - 1].size() ? in_range(said.demand[set - 1][i], penalty(demands[i])) : 0;
        sum += v;
      }
      for (size_t i = 0; const auto& [f, replica] : replicas) {
        const size_t numbers = adds[i].size();
        adds[i] = profile_by_number(f, static_cast<uint32_t>(numbers - 1));
        adds[i++].resize(numbers, kNone);
      }
      const std::vector<double> eur = by_fleet(sum, adds);
      for (size_t i = 0; i < proven.size(); ++i) proven[i] = std::max(proven[i], eur[i]);
    }
    demand_ = given;
    leave_out_few(said, replicas, beside_on, adds, proven);
    return std::min(said.eur_per_hour, *std::min_element(proven.begin(), proven.end()));
  }

  // A demand that may be used at all, on its way to a pool.
  struct Reach {
    const twin::PathTree* tree = nullptr;
    const twin::WayPair* ways = nullptr;  // that it takes instead, where it asks for two
    double ttft_left_ms = 0;              // of the promise, beside the way
  };
  std::optional<Reach> reach(size_t p, const grid::Demand& demand) {
    const grid::Pool& pool = s_.pools[p];
    const grid::Anchor& anchor = *anchors_[demand.region.value];
    const twin::PathTree& tree = trees_.at({anchor.node, demand.flex_algo});
    const grid::JurisdictionSet residency = s_.tenants[demand.tenant].residency;
    if (!tree.reachable(pool.node) ||
        !residency.contains(tree.jurisdictions(pool.node) | s_.jurisdiction_of(pool.site)) ||
        !repairs_stay(demand, anchor.node, pool.node))
      return {};
    Microseconds delay = tree.delay_max(pool.node);
    const twin::WayPair* ways = nullptr;
    if (demand.diversity != grid::Diversity::none) {
      ways = ways_of(demand, anchor.node, pool.node);
      if (ways == nullptr) return {};
      delay = std::max({delay, ways->primary.delay, ways->second.delay});
    }
    const double way_ms = 2e-3 * (anchor.access_delay + anchor.backhaul_delay + delay).value();
    return Reach{&tree, ways, demand.promise.ttft.value() - way_ms};
  }

  // Of all of a demand: transport, and prices of links.
  double way_eur(size_t p, const grid::Demand& demand, const Reach& reached) {
    const grid::Pool& pool = s_.pools[p];
    const auto& [tree, ways, ttft_left_ms] = reached;
    const double transport = demand.rate_per_s * 3600 * (demand.upload_bytes + demand.download_bytes) *
                             (ways != nullptr ? ways->primary.euros_per_byte : tree->euros_per_byte(pool.node));
    double arcs = 0;
    if (ways != nullptr) {
      for (const twin::Way* way : {&ways->primary, &ways->second}) arcs += price_along(*way, demand);
    } else if (!arc_.empty()) {
      const auto& [out, back] = paths_.at({anchors_[demand.region.value]->node, demand.flex_algo});
      arcs = demand.rate_per_s * 8e-9 *
             (demand.upload_bytes * out[pool.node.value] + demand.download_bytes * back[pool.node.value]);
    }
    return transport + arcs;
  }

  std::vector<Column> columns_at(size_t p, size_t f, size_t point, const Place& at) {
    const grid::Profile& profile = s_.profiles[f];
    const grid::OperatingPoint& running = profile.points[point];
    std::vector<Column> columns;
    const double steps_max = std::min(kUtilizationMax * running.batch / running.decode_per_token.value(),
                                      ranges_[f].steps_beside_prefills());
    const twin::EnergyFloor energy = twin::energy_floor(profile, running, Watts(at.idle_w), steps_max);
    for (const uint32_t d : demands_of_model_[profile.model.value]) {
      const grid::Demand& demand = s_.demands[size_t{d}];
      if (demand_[d] <= 0 || !may_use(demand) || !may_run(profile, point, demand)) continue;
      const std::optional<Reach> reached = reach(p, demand);
      if (!reached) continue;
      const twin::RequestSizes sizes = twin::sizes_of(profile, demand);
      Column c;
      c.demand = d;
      c.slack_ms = reached->ttft_left_ms - twin::ttft_alone(sizes, demand.promise.quantile).value();
      if (c.slack_ms < -1e-9) continue;
      c.prefill = demand.rate_per_s * sizes.prefill_ms * 1e-3;
      c.mean_ms = sizes.prefill_ms;
      c.unevenness_ms = sizes.prefill_ms > 0 ? sizes.prefill_variance / sizes.prefill_ms : 0;
      c.steps = demand.rate_per_s * std::max(0.0, demand.output_tokens - 1) * 1e-3;
      c.promise = {demand.promise.tpot.value(), demand.promise.quantile, sizes.inverse_output};
      c.gain = demand_[d] - way_eur(p, demand, *reached) - energy.watts(sizes, demand.rate_per_s) * at.eur_per_wh;
      if (c.gain > 0) columns.push_back(c);
    }
    return columns;
  }

  // Where the policy asks for that.
  bool repairs_stay(const grid::Demand& demand, grid::NodeIndex anchor, grid::NodeIndex node) {
    const grid::JurisdictionSet residency = s_.tenants[demand.tenant].residency;
    if (!s_.policy.resident_repairs || residency == grid::JurisdictionSet::all()) return true;
    const auto passed = [&](grid::NodeIndex from, grid::NodeIndex to) {
      const auto [entry, fresh] = repairs_.try_emplace({to, demand.flex_algo});
      if (fresh) {
        const auto reach = reaches_.try_emplace(demand.flex_algo, s_, networks_.of(demand.flex_algo)).first;
        entry->second = reach->second.toward(to);
      }
      return entry->second[from.value];
    };
    const auto [next, fresh] = from_next_.try_emplace({demand.region, demand.flex_algo});
    if (fresh) next->second = twin::passed_from_next_anchor(s_, demand.region, demand.flex_algo);
    return residency.contains({passed(anchor, node) | passed(node, anchor) | next->second[node.value]});
  }

  const twin::WayPair* ways_of(const grid::Demand& demand, grid::NodeIndex from, grid::NodeIndex to) {
    const grid::JurisdictionSet residency = s_.tenants[demand.tenant].residency;
    const std::tuple key(Start(from, demand.flex_algo), demand.diversity, residency.bits);
    auto start = ways_.find(key);
    if (start == ways_.end())
      start =
          ways_.emplace(key, Ways{{s_, networks_.of(demand.flex_algo), from, demand.diversity, residency}, {}}).first;
    const auto [pair, fresh] = start->second.pairs.try_emplace(to.value);
    if (fresh) pair->second = start->second.from.pair(to);
    return pair->second ? &*pair->second : nullptr;
  }

  double price_along(const twin::Way& way, const grid::Demand& demand) const {
    double eur = 0;
    for (size_t i = 0; i < way.links.size(); ++i) {
      const uint32_t out = 2 * way.links[i].value + (way.forward[i] ? 0 : 1);
      if (const auto price = arc_.find(out); price != arc_.end()) eur += price->second * demand.upload_bytes;
      if (const auto price = arc_.find(out ^ 1); price != arc_.end()) eur += price->second * demand.download_bytes;
    }
    return demand.rate_per_s * 8e-9 * eur;
  }

  std::vector<Column> usable_at(const std::vector<Column>& columns, size_t f, size_t p, uint32_t n) {
    static constexpr uint32_t kSteps[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
    const uint32_t* step = std::lower_bound(std::begin(kSteps), std::end(kSteps), n);
    const double replicas = step == std::end(kSteps) ? 1e9 : *step;
    std::vector<Column> usable;
    for (Column c : columns) {
      const auto [entry, fresh] = allowed_.try_emplace({f, p, replicas, c.promise});
      if (fresh) {
        const grid::Profile& profile = s_.profiles[f];
        const Spreads& spreads = spreads_.try_emplace({f, replicas}, ranges_[f], replicas).first->second;
        entry->second = allowed_by_tokens(profile, p, replicas, spreads.between(0, kNone).first, c.promise);
        const std::vector<double> mixed = allowed_by_mix(profile, p, replicas, ranges_[f], spreads, c.promise);
        entry->second.insert(entry->second.end(), mixed.begin(), mixed.end());
      }
      c.spread = (c.unevenness_ms + c.mean_ms / replicas) / ranges_[f].mean_spread(replicas);
      c.most = entry->second;
      if (step != std::end(kSteps))
        c.most[0] = std::min(c.most[0], shares_.most(*step, c.slack_ms / ranges_[f].least_ms));
      if (c.most[0] > 0 && c.most[p + 2] > 0) usable.push_back(std::move(c));
    }
    return usable;
  }

  const grid::Snapshot& s_;
  twin::Networks networks_;
  std::vector<double> demand_, pool_, site_;  // prices
  std::vector<Prices::Fleets> fleets_;
  std::map<uint32_t, double> arc_;  // by 2 × link, + 1 in reverse
  std::vector<uint32_t> spare_;
  std::vector<double> kw_, arc_spare_;
  std::vector<std::optional<grid::Anchor>> anchors_;
  using Start = std::pair<grid::NodeIndex, grid::FlexAlgoIndex>;  // an anchor's node, and whose paths
  std::map<Start, twin::PathTree> trees_;
  std::map<grid::FlexAlgoIndex, twin::RepairReach> reaches_;
  std::map<Start, std::vector<uint64_t>> repairs_;  // toward a node
  std::map<std::pair<grid::RegionIndex, grid::FlexAlgoIndex>, std::vector<uint64_t>> from_next_;
  std::map<Start, std::pair<std::vector<double>, std::vector<double>>> paths_;
  struct Ways {
    twin::DiverseWays from;
    std::map<uint32_t, std::optional<twin::WayPair>> pairs;  // by node
  };
  std::map<std::tuple<Start, grid::Diversity, uint64_t>, Ways> ways_;  // by start, what is asked and residency
  std::vector<std::vector<uint32_t>> demands_of_model_;
  std::vector<Range> ranges_;                             // by profile
  std::map<std::pair<size_t, double>, Spreads> spreads_;  // by profile and replicas
  std::map<std::tuple<size_t, size_t, double, std::array<double, 3>>, std::vector<double>> allowed_;
  Shares shares_;
};

}  // namespace

double proven_bound(const grid::Snapshot& snapshot, const Prices& prices) {
  return std::max(0.0, Certificate(snapshot, prices).bound());
}

}  // namespace tandem::planner
