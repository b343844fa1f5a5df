// The state of a search: what is deployed and placed, what it costs, and how a move is undone.
#include <algorithm>
#include <cmath>
#include <ranges>
#include <utility>

#include "base/check.h"
#include "planner/search.h"

namespace tandem::planner {

namespace {

constexpr double kKeeping = 1e4;  // what giving up counts more than not taking on

// Whether a deployment that keeps one also keeps the other. All are of one profile, so a longer mean prefill that
// leaves as much is no harder.
bool implies(const twin::Asked& strict, const twin::Asked& lenient) {
  return strict.quantile >= lenient.quantile && strict.tpot_ms <= lenient.tpot_ms &&
         strict.ttft_ms - strict.sizes.prefill_ms <= lenient.ttft_ms - lenient.sizes.prefill_ms &&
         strict.sizes.prefill_variance >= lenient.sizes.prefill_variance &&
         strict.sizes.inverse_output >= lenient.sizes.inverse_output;
}

// What implies both.
twin::Asked stricter_than(const twin::Asked& a, const twin::Asked& b) {
  twin::Asked both = a;
  both.quantile = std::max(a.quantile, b.quantile);
  both.tpot_ms = std::min(a.tpot_ms, b.tpot_ms);
  both.ttft_ms += std::min(0.0, (b.ttft_ms - b.sizes.prefill_ms) - (a.ttft_ms - a.sizes.prefill_ms));
  both.sizes.prefill_variance = std::max(a.sizes.prefill_variance, b.sizes.prefill_variance);
  both.sizes.inverse_output = std::max(a.sizes.inverse_output, b.sizes.inverse_output);
  return both;
}

// Watts above idle.
double active_power(Energy energy, const Candidate& candidate, const grid::OperatingPoint& point, const twin::Mix& mix,
                    uint32_t replicas) {
  if (energy == Energy::full_batches) return mix.work(point) * std::max(0.0, point.power.value() - candidate.idle_w);
  const Watts drawn = twin::average_power(*candidate.profile, point, Watts(candidate.idle_w), replicas, mix);
  return std::max(0.0, drawn.value() - replicas * candidate.idle_w);
}

}  // namespace

void Requirements::add(const Problem& problem, const Option& option, uint32_t share) {
  const grid::Demand& demand = *problem.demands[option.demand].row;
  const twin::Asked one{problem.uses[option.use].sizes, option.ttft_ms, demand.promise.tpot.value(),
                        demand.promise.quantile};
  mix.add(one.sizes, demand.rate_per_s * share / kWhole);
  points &= option.points;
  tpot_ms = std::min(tpot_ms, one.tpot_ms);
  const auto end = asked.begin() + static_cast<std::ptrdiff_t>(asked_count);
  if (std::any_of(asked.begin(), end, [&](const twin::Asked& other) { return implies(other, one); })) return;
  const auto kept = std::remove_if(asked.begin(), end, [&](const twin::Asked& other) { return implies(one, other); });
  asked_count = static_cast<size_t>(kept - asked.begin());
  if (asked_count < kAskedMax) {
    asked[asked_count++] = one;
    return;
  }
  twin::Asked& nearest = *std::min_element(asked.begin(), asked.end(), [&](const twin::Asked& a, const twin::Asked& b) {
    const auto distance = [&](const twin::Asked& x) {
      return std::pair(std::abs(x.quantile - one.quantile), std::abs(x.sizes.prefill_ms - one.sizes.prefill_ms));
    };
    return distance(a) < distance(b);
  });
  nearest = stricter_than(nearest, one);
}

Search::Search(Problem& problem, uint64_t seed, uint64_t iterations_max, std::stop_token stop)
    : problem_(problem), random_(seed), iterations_max_(iterations_max), stop_(std::move(stop)) {
  reset();
}

void Search::reset() {
  deployed_.assign(problem_.candidates.size(), {});
  placements_.assign(problem_.demands.size(), {});
  pool_used_.assign(problem_.pool_spare.size(), 0);
  site_kw_used_.assign(problem_.site_kw.size(), 0);
  arc_gbps_.assign(problem_.arcs_and_rows(), 0);
  objective_ = 0;
  commit();
  for (uint32_t d = 0; d < placements_.size(); ++d) objective_ += penalty(d, 0, kWhole);
  for (uint32_t c = 0; c < deployed_.size(); ++c) {
    const Candidate& candidate = problem_.candidates[c];
    if (candidate.pinned > 0 || candidate.incumbent > 0) set_fit(c, fit(c, {}));
  }
  commit();
}

void Search::set_state(State state) {
  commit();
  deployed_ = std::move(state.deployed);
  placements_ = std::move(state.placements);
  pool_used_ = std::move(state.pool_used);
  site_kw_used_ = std::move(state.site_kw_used);
  arc_gbps_ = std::move(state.arc_gbps);
  objective_ = state.objective;
  energy_ = state.energy;
}

void Search::count(Energy energy) {
  for (uint32_t c = 0; c < deployed_.size() && energy != energy_; ++c) {
    if (deployed_[c].members.empty()) continue;
    Fit fit = deployed_[c].fit;
    fit.eur_per_hour = running_cost(c, energy);
    set_fit(c, fit);
  }
  energy_ = energy;
  since_best_ = 0;
  commit();
}

Known Search::known() const {
  Known known{cost(), {}, {}};
  std::vector<double> running;  // by candidate
  for (uint32_t c = 0; c < deployed_.size(); ++c) {
    running.push_back(running_cost(c, Energy::drawn));
    known.replicas.push_back(deployed_[c].fit.replicas);
  }
  for (uint32_t d = 0; d < placements_.size(); ++d) {
    double eur = problem_.demands[d].penalty_eur_per_hour * placements_[d].unserved / kWhole;
    for (const Member& member : placements_[d].members) {
      const Option& option = problem_.options[member.option];
      const Deployed& deployed = deployed_[option.candidate];
      const double part = static_cast<double>(member.share) / kWhole;
      eur += part * option.transport_eur_per_hour;
      if (deployed.work > 0) eur += part * option.replicas_in_fractions / deployed.work * running[option.candidate];
    }
    known.eur_of_demand.push_back(eur);
  }
  return known;
}

double Search::cost() const {
  double eur = objective_;
  for (uint32_t d = 0; d < placements_.size(); ++d)
    eur += problem_.demands[d].penalty_eur_per_hour * placements_[d].unserved / kWhole - owed(d);
  for (uint32_t c = 0; c < deployed_.size() && energy_ != Energy::drawn; ++c)
    eur += running_cost(c, Energy::drawn) - deployed_[c].fit.eur_per_hour;
  return eur;
}

// Rejection as the search counts it: priorities go before money, and what was served before is not given up to save
// any. (The plan's cost has the policy's penalty alone.) Were all of it unserved at what the part between these counts:
// of a demand that was served in part, what was not counts as little as of one that was not served at all.
double Search::penalty(uint32_t demand, uint32_t from, uint32_t to) const {
  const DemandRow& row = problem_.demands[demand];
  const uint32_t not_before = std::clamp(kWhole - row.served_before, from, to);
  const double eur = row.penalty_eur_per_hour * row.precedence;
  if (not_before == to) return eur;
  if (not_before == from) return eur * kKeeping;
  return eur * ((not_before - from) + kKeeping * (to - not_before)) / (to - from);
}

// Of what is unserved of it.
double Search::owed(uint32_t d) const {
  return penalty(d, 0, placements_[d].unserved) * placements_[d].unserved / kWhole;
}

double Search::running_cost(uint32_t c, Energy energy) const {
  const auto& [members, requirements, fit, work] = deployed_[c];
  if (members.empty() || energy == energy_) return fit.eur_per_hour;
  const Candidate& candidate = problem_.candidates[c];
  return running_cost(candidate, requirements.mix, fit.replicas, &candidate.profile->points[fit.point], energy);
}

double Search::running_cost(const Candidate& candidate, const twin::Mix& mix, uint32_t replicas,
                            const grid::OperatingPoint* point, Energy energy) const {
  double eur = replicas * candidate.replica_eur_per_hour;
  if (point != nullptr) eur += active_power(energy, candidate, *point, mix, replicas) * candidate.eur_per_watt_hour;
  if (problem_.has_incumbent) {
    const double moved = std::abs(static_cast<double>(replicas) - static_cast<double>(candidate.incumbent));
    eur += moved * problem_.snapshot.policy.move_penalty.value();
  }
  return eur;
}

namespace {

// The fewest replicas that could do: by utilisation, and by the time per token that prefills stretch, however small the
// batch.
double replicas_min(const Requirements& requirements, const grid::Profile& profile, const grid::OperatingPoint& point) {
  const twin::Mix& mix = requirements.mix;
  const double work = mix.work(point);
  const double decode_share_min = profile.points.front().decode_per_token.value() / requirements.tpot_ms;
  if (decode_share_min >= 1 && mix.prefill_s_per_s > 0) return std::numeric_limits<double>::infinity();
  return std::max(
      {1.0, std::ceil(work / kUtilizationMax), std::ceil(mix.prefill_s_per_s / (1 - decode_share_min) - 1e-12)});
}

}  // namespace

bool Search::keeps_promises(const Requirements& requirements, const twin::Mix& mix, const grid::Profile& profile,
                            const grid::OperatingPoint& point, uint32_t replicas) {
  return mix.work(point) / replicas <= kUtilizationMax &&
         twin::keeps_all(profile, point, replicas, mix, {requirements.asked.data(), requirements.asked_count});
}

Fit Search::fit(uint32_t c, const Requirements& requirements) const {
  const Candidate& candidate = problem_.candidates[c];
  const Fit& now = deployed_[c].fit;
  const uint32_t spare =
      problem_.pool_spare[candidate.pool] - pool_used_[candidate.pool] + now.replicas * candidate.accelerators;
  const double spare_kw =
      problem_.site_kw[candidate.site] - site_kw_used_[candidate.site] + now.replicas * candidate.worst_kw;
  const uint32_t by_accelerators = spare / candidate.accelerators;
  uint32_t most = by_accelerators;
  if (candidate.worst_kw > 0)
    most = static_cast<uint32_t>(
        std::clamp(spare_kw / candidate.worst_kw + 1e-9, 0.0, static_cast<double>(by_accelerators)));
  return fit_within(c, requirements, most, most < by_accelerators ? Gate::power : Gate::accelerators);
}

// With at most so many replicas; `scarce`: what blocks more.
Fit Search::fit_within(uint32_t c, const Requirements& requirements, uint32_t most, Gate scarce) const {
  const Candidate& candidate = problem_.candidates[c];
  const auto& points = candidate.profile->points;
  if (requirements.mix.requests_per_s <= 0 && requirements.asked_count == 0) {
    const uint32_t kept = std::min(candidate.pinned, most);
    return {Gate::none, kept, static_cast<uint32_t>(std::min(points.size(), kPointsMax) - 1),
            running_cost(candidate, {}, kept, nullptr, energy_)};
  }
  Fit best{scarce, 0, 0, std::numeric_limits<double>::infinity()};
  if (requirements.points == 0) best.blocked = Gate::promise_tpot;  // no one point suits all that share it
  for (uint32_t p = static_cast<uint32_t>(std::min(points.size(), kPointsMax));
       p-- > 0;) {  // the largest batch is mostly best
    if ((requirements.points >> p & 1) == 0) continue;
    const double least =
        std::max(replicas_min(requirements, *candidate.profile, points[p]), static_cast<double>(candidate.pinned));
    if (least > most) continue;
    const auto cost = [&](uint32_t n, Energy energy) {
      return running_cost(candidate, requirements.mix, n, &points[p], energy);
    };
    const auto keeps = [&](uint32_t n) {
      return keeps_promises(requirements, requirements.mix, *candidate.profile, points[p], n);
    };
    // Replicas cost more by number from the incumbent's on, and keep what fewer keep. Of those that are cheaper than
    // the best so far, were batches full, which is soon known: the fewest that keep what is asked, or the incumbent's
    // number where taking some away costs more.
    const auto first = static_cast<uint32_t>(least), rising = std::clamp(candidate.incumbent, first, most);
    const auto numbers = std::views::iota(first, most + 1);
    const uint32_t end = *std::ranges::partition_point(
        numbers, [&](uint32_t n) { return n < rising || cost(n, Energy::full_batches) < best.eur_per_hour; });
    if (end == first) continue;
    uint32_t fewest = first;
    if (!keeps(first)) {
      if (!keeps(end - 1)) continue;
      fewest = *std::ranges::partition_point(std::views::iota(first, end - 1), [&](uint32_t n) { return !keeps(n); });
    }
    const uint32_t standing = std::clamp(rising, fewest, end - 1);
    for (const uint32_t n : {fewest, standing})
      if (const double eur = cost(n, energy_); eur < best.eur_per_hour) best = {Gate::none, n, p, eur};
  }
  return best;
}

// The largest part of that share that every arc on the way has headroom for.
uint32_t Search::links_allow(const Option& option, uint32_t share, uint32_t* narrowest) {
  const DemandRow& demand = problem_.demands[option.demand];
  double most = share;
  for (const ArcUse& use : problem_.arc_uses(demand, problem_.candidates[option.candidate].pool)) {
    const double whole_gbps = demand.up_gbps * use.up + demand.back_gbps * use.back;
    const double spare_gbps = problem_.spare_gbps(use.arc) - arc_gbps_[use.arc];
    if (whole_gbps * share <= spare_gbps * kWhole) continue;
    const double allowed = std::floor(spare_gbps / whole_gbps * kWhole);
    if (narrowest != nullptr && allowed < most) *narrowest = use.arc;
    most = std::min(most, allowed);
  }
  return most > 0 ? static_cast<uint32_t>(most) : 0;
}

bool Search::links_hold(const std::vector<Member>& members) {
  for (const Member& member : members) {
    const Option& option = problem_.options[member.option];
    const uint32_t pool = problem_.candidates[option.candidate].pool;
    for (const ArcUse& use : problem_.arc_uses(problem_.demands[option.demand], pool))
      if (arc_gbps_[use.arc] > problem_.spare_gbps(use.arc) + 1e-9) return false;
  }
  return true;
}

Search::Quote Search::quote(uint32_t o, uint32_t share) {
  const Option& option = problem_.options[o];
  const Deployed& deployed = deployed_[option.candidate];
  Requirements requirements = deployed.requirements;
  requirements.add(problem_, option, share);
  Quote result{.fit = fit(option.candidate, requirements)};
  if (result.fit.blocked == Gate::none && links_allow(option, share, &result.arc) < share)
    result.fit.blocked = result.arc < problem_.arc_spare_gbps.size() ? Gate::link_capacity : Gate::restoration;
  result.added_eur_per_hour =
      result.fit.eur_per_hour - deployed.fit.eur_per_hour + option.transport_eur_per_hour * share / kWhole;
  return result;
}

void Search::set_fit(uint32_t c, const Fit& fit) {
  const Candidate& candidate = problem_.candidates[c];
  Fit& now = deployed_[c].fit;
  old_used_.emplace_back(candidate.pool, pool_used_[candidate.pool]);
  old_numbers_.emplace_back(&site_kw_used_[candidate.site], site_kw_used_[candidate.site]);
  pool_used_[candidate.pool] += (fit.replicas - now.replicas) * candidate.accelerators;
  site_kw_used_[candidate.site] +=
      (static_cast<double>(fit.replicas) - static_cast<double>(now.replicas)) * candidate.worst_kw;
  objective_ += fit.eur_per_hour - now.eur_per_hour;
  now = fit;
}

void Search::add_arcs(const Option& option, double share) {
  const DemandRow& demand = problem_.demands[option.demand];
  for (const ArcUse& use : problem_.arc_uses(demand, problem_.candidates[option.candidate].pool)) {
    old_numbers_.emplace_back(&arc_gbps_[use.arc], arc_gbps_[use.arc]);
    arc_gbps_[use.arc] += (demand.up_gbps * use.up + demand.back_gbps * use.back) * share / kWhole;
  }
}

void Search::put(uint32_t o, uint32_t share, const Fit& fit) {
  const Option& option = problem_.options[o];
  Deployed& deployed = deployed_[option.candidate];
  Placement& placement = placements_[option.demand];
  old_deployed_.emplace_back(option.candidate, deployed);
  old_placements_.emplace_back(option.demand, placement);
  CHECK(share > 0 && share <= placement.unserved && fit.blocked == Gate::none);
  set_fit(option.candidate, fit);
  // A demand has one share of a deployment, though it may come in parts.
  const auto more = std::ranges::find(placement.members, o, &Member::option);
  if (more != placement.members.end()) {
    more->share += share;
    std::ranges::find(deployed.members, o, &Member::option)->share += share;
  } else {
    placement.members.push_back({o, share});
    deployed.members.push_back({o, share});
  }
  deployed.requirements.add(problem_, option, share);
  deployed.work += option.replicas_in_fractions * share / kWhole;
  placement.unserved -= share;
  add_arcs(option, share);
  const double spared = penalty(option.demand, placement.unserved, placement.unserved + share);
  objective_ += (option.transport_eur_per_hour - spared) * share / kWhole;
}

// False when what stays behind could not go on as it is (a mix of longer requests waits longer): the caller rolls back.
bool Search::take_out(std::span<const uint32_t> demands) {
  std::vector<uint32_t> from;
  for (const uint32_t d : demands)
    for (const Member& member : placements_[d].members) from.push_back(problem_.options[member.option].candidate);
  std::ranges::sort(from);
  from.erase(std::ranges::unique(from).begin(), from.end());
  for (const uint32_t c : from) old_deployed_.emplace_back(c, deployed_[c]);
  for (const uint32_t d : demands) {
    Placement& placement = placements_[d];
    uint32_t unserved = placement.unserved;
    for (const Member& member : placement.members) {
      const Option& option = problem_.options[member.option];
      add_arcs(option, -static_cast<double>(member.share));
      objective_ +=
          (penalty(d, unserved, unserved + member.share) - option.transport_eur_per_hour) * member.share / kWhole;
      unserved += member.share;
    }
    old_placements_.emplace_back(d, std::exchange(placement, {}));
  }
  for (const uint32_t c : from) {
    Deployed& deployed = deployed_[c];
    std::erase_if(deployed.members, [&](const Member& member) {
      return placements_[problem_.options[member.option].demand].members.empty();
    });
    deployed.requirements = {};
    deployed.work = 0;
    for (const Member& member : deployed.members) {
      const Option& option = problem_.options[member.option];
      deployed.requirements.add(problem_, option, member.share);
      deployed.work += option.replicas_in_fractions * member.share / kWhole;
    }
    const Fit smaller = fit(c, deployed.requirements);
    if (smaller.blocked != Gate::none) return false;
    set_fit(c, smaller);
  }
  return true;
}

std::vector<uint32_t> Search::demands_on(uint32_t candidate) const {
  std::vector<uint32_t> demands;
  for (const Member& member : deployed_[candidate].members) demands.push_back(problem_.options[member.option].demand);
  return demands;
}

void Search::roll_back(const Mark& mark) {
  while (old_deployed_.size() > mark.deployed) {
    deployed_[old_deployed_.back().first] = std::move(old_deployed_.back().second);
    old_deployed_.pop_back();
  }
  while (old_placements_.size() > mark.placements) {
    placements_[old_placements_.back().first] = std::move(old_placements_.back().second);
    old_placements_.pop_back();
  }
  while (old_used_.size() > mark.used) {
    pool_used_[old_used_.back().first] = old_used_.back().second;
    old_used_.pop_back();
  }
  while (old_numbers_.size() > mark.numbers) {
    *old_numbers_.back().first = old_numbers_.back().second;
    old_numbers_.pop_back();
  }
  objective_ = mark.objective;
}

void Search::commit() {
  old_deployed_.clear();
  old_placements_.clear();
  old_used_.clear();
  old_numbers_.clear();
}

}  // namespace tandem::planner
