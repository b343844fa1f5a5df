#include "planner/problem.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <unordered_map>

#include "base/check.h"

namespace tandem::planner {

std::string_view to_string(Gate gate) {
  static constexpr std::string_view kNames[] = {"",
                                                "tenant_model",
                                                "context",
                                                "anchor",
                                                "model",
                                                "memory",
                                                "down",
                                                "unreachable",
                                                "residency",
                                                "path_residency",
                                                "repair_residency",
                                                "diversity",
                                                "promise_tpot",
                                                "promise_ttft",
                                                "accelerators",
                                                "power",
                                                "link_capacity",
                                                "restoration",
                                                "cost"};
  return kNames[static_cast<size_t>(gate)];
}

uint32_t radio_reserve_max(const grid::Pool& pool) {
  // The reserve only rises where an interval starts, so its maximum is at a start.
  uint32_t most = 0;
  for (const grid::RadioReserve& at : pool.radio_reserve) {
    uint64_t sum = 0;
    for (const grid::RadioReserve& other : pool.radio_reserve) {
      const double hour = at.from_hour;
      const bool wraps = other.from_hour > other.to_hour;
      const bool covers =
          wraps ? hour >= other.from_hour || hour < other.to_hour : hour >= other.from_hour && hour < other.to_hour;
      if (covers) sum += other.accelerators;
    }
    most = static_cast<uint32_t>(std::min<uint64_t>(std::max<uint64_t>(most, sum), UINT32_MAX));
  }
  return most;
}

double rejection_eur_per_hour(const grid::Snapshot& snapshot, const grid::Demand& demand) {
  double busiest = 1;  // of the rate: grid_of_hours says how many times that of its hours the busiest is
  if (demand.day_profile.valid())
    for (const double fraction : snapshot.day_profiles[demand.day_profile].rate_fraction)
      busiest = std::max(busiest, fraction);
  return demand.rate_per_s * busiest * 3600 * snapshot.policy.rejection_penalty.value();
}

std::string deployment_id(std::string_view model, std::string_view pool, uint32_t tensor_parallel) {
  std::string id = std::string(model) + "@" + std::string(pool);
  if (tensor_parallel > 1) id += "/tp" + std::to_string(tensor_parallel);
  return id;
}

Problem::Problem(const grid::Snapshot& s, std::shared_ptr<const Terrain> of, const v1::Plan* incumbent)
    : snapshot(s), terrain(std::move(of)) {
  add_capacities();
  add_candidates();
  if (incumbent != nullptr) read_incumbent(*incumbent);
  add_demands();
  add_energy_floors();
  add_repairs();
  add_diverse_legs();
}

void Problem::add_capacities() {
  for (const grid::Site& site : snapshot.sites)
    site_kw.push_back(std::min(site.power_limit.value(), site.cooling_limit.value()));
  for (const grid::Pool& pool : snapshot.pools) {
    const uint32_t reserve = std::min(pool.count, radio_reserve_max(pool));
    pool_spare.push_back(pool.count - reserve);
    site_kw[pool.site.value] -= reserve * snapshot.accelerators[pool.accelerator].peak_power.value() * 1e-3;
  }
  const double headroom = snapshot.policy.link_headroom;
  for (size_t i = 0; i < snapshot.links.size(); ++i) {
    const grid::Link& link = snapshot.links[i];
    arc_spare_gbps.push_back(headroom * link.capacity_ab.value() - terrain->arc_background_gbps[2 * i]);
    arc_spare_gbps.push_back(headroom * link.capacity_ba.value() - terrain->arc_background_gbps[2 * i + 1]);
  }
}

void Problem::add_candidates() {
  candidates_of_model.resize(snapshot.models.size());
  std::vector<std::vector<uint32_t>> profiles_of(snapshot.accelerators.size());
  std::vector<uint32_t> slots;
  profiles_of_model_.resize(snapshot.models.size());
  for (uint32_t i = 0; i < snapshot.profiles.size(); ++i) {
    profiles_of[snapshot.profiles[size_t{i}].accelerator.value].push_back(i);
    std::vector<uint32_t>& of_model = profiles_of_model_[snapshot.profiles[size_t{i}].model.value];
    slots.push_back(static_cast<uint32_t>(of_model.size()));
    of_model.push_back(i);
  }
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, uint64_t> pinned;
  for (const grid::Deployment& pin : snapshot.deployments)
    pinned[{pin.pool.value, pin.model.value, pin.tensor_parallel}] += pin.replicas;
  for (size_t p = 0; p < snapshot.pools.size(); ++p) {
    const grid::Pool& pool = snapshot.pools[p];
    const grid::Accelerator& accelerator = snapshot.accelerators[pool.accelerator];
    const grid::Site& site = snapshot.sites[pool.site];
    const size_t first = candidates.size();
    candidates_of_pool_.push_back(static_cast<uint32_t>(first));
    for (const uint32_t profile_position : profiles_of[pool.accelerator.value]) {
      const grid::Profile& profile = snapshot.profiles[size_t{profile_position}];
      const grid::Model& model = snapshot.models[profile.model];
      Candidate c;
      c.id = deployment_id(model.id, pool.id, profile.tensor_parallel);
      // Of two profiles for one deployment (two sources, say) the first in the file counts.
      if (std::any_of(candidates.begin() + first, candidates.end(), [&](const Candidate& o) { return o.id == c.id; }))
        continue;
      c.pool = static_cast<uint32_t>(p);
      c.site = pool.site.value;
      c.node = pool.node.value;
      c.model = profile.model.value;
      c.profile = &profile;
      c.profile_position = profile_position;
      c.slot = slots[profile_position];
      c.accelerators = std::max(1u, profile.tensor_parallel);
      c.fits_memory = model.weights + profile.kv_memory <= accelerator.memory * c.accelerators;
      c.up = site.state == grid::State::up && snapshot.usable(pool.node);
      c.replicas_max = pool_spare[p] / c.accelerators;
      c.idle_w = accelerator.idle_power.value() * c.accelerators;
      c.worst_kw = accelerator.peak_power.value() * c.accelerators * 1e-3;
      c.eur_per_watt_hour = site.pue * site.power_price.value() * 1e-3;
      c.replica_eur_per_hour = accelerator.price.value() * c.accelerators + c.idle_w * c.eur_per_watt_hour;
      c.servable = c.fits_memory && c.up && c.replicas_max > 0 && c.worst_kw <= site_kw[c.site];
      if (const auto pin = pinned.find({c.pool, c.model, profile.tensor_parallel}); pin != pinned.end() && c.up)
        c.pinned = static_cast<uint32_t>(std::min<uint64_t>(pin->second, c.replicas_max));
      candidates_of_model[c.model].push_back(static_cast<uint32_t>(candidates.size()));
      candidates.push_back(std::move(c));
    }
  }
  candidates_of_pool_.push_back(static_cast<uint32_t>(candidates.size()));
  options_of_candidate.resize(candidates.size());
}

std::optional<uint32_t> Problem::candidate_of(const v1::PlannedDeployment& deployment) const {
  const grid::PoolIndex pool = snapshot.pools.find(deployment.pool());
  if (!pool.valid()) return std::nullopt;
  for (uint32_t c = candidates_of_pool_[pool.value]; c < candidates_of_pool_[pool.value + 1]; ++c)
    if (candidates[c].id == deployment.id()) return c;
  return std::nullopt;
}

void Problem::read_incumbent(const v1::Plan& incumbent) {
  has_incumbent = true;
  std::unordered_map<std::string_view, uint32_t> positions;
  for (const v1::PlannedDeployment& deployment : incumbent.deployments()) {
    const auto c = candidate_of(deployment);
    if (!c) continue;
    positions.emplace(deployment.id(), *c);
    // Replicas that a failure took are lost, not moved.
    if (candidates[*c].up) candidates[*c].incumbent = std::min(deployment.replicas(), candidates[*c].replicas_max);
  }
  demands.resize(snapshot.demands.size());
  for (const v1::DemandPlan& planned : incumbent.demands()) {
    const grid::DemandIndex d = snapshot.demands.find(planned.demand());
    if (!d.valid()) continue;
    DemandRow& demand = demands[d.value];
    demand.before = &planned;
    demand.rejected_before = planned.rejected();
    const double served = planned.splits_size() > 0 ? std::clamp(1 - planned.rejected(), 0.0, 1.0) : 0;
    demand.served_before = static_cast<uint32_t>(std::lround(served * kWhole));
    uint32_t left = kWhole;
    demand.shares_before.clear();
    for (const v1::PlannedSplit& split : planned.splits()) {
      const auto c = positions.find(split.deployment());
      if (c == positions.end() || !(split.fraction() > 0)) continue;
      const auto share = std::min(static_cast<uint32_t>(std::min(split.fraction(), 1.0) * kWhole + 0.5), left);
      if (share > 0) demand.shares_before.push_back({c->second, share});
      left -= share;
    }
  }
}

void Problem::add_demands() {
  demands.resize(snapshot.demands.size());
  std::map<uint32_t, double> precedence;
  for (const grid::Demand& row : snapshot.demands) precedence[row.priority] = 1;
  double next = 1;
  for (auto& [priority, value] : precedence) {
    value = next;
    next = std::min(next * kPrecedence, 1e4);
  }
  std::unordered_map<uint64_t, uint32_t> last_of;  // demand by tenant and model: most of those are alike
  for (uint32_t d = 0; d < demands.size(); ++d) {
    const grid::Demand& row = snapshot.demands[size_t{d}];
    demands[d].precedence = precedence[row.priority];
    CHECK(row.output_tokens >= 1);  // as the schema has it: the first comes of the prefill
    const grid::Tenant& tenant = snapshot.tenants[row.tenant];
    DemandRow& demand = demands[d];
    demand.row = &row;
    demand.penalty_eur_per_hour = rejection_eur_per_hour(snapshot, row);
    demand.tokens_per_s = row.rate_per_s * row.output_tokens;
    demand.up_gbps = row.rate_per_s * row.upload_bytes * 8e-9;
    demand.back_gbps = row.rate_per_s * row.download_bytes * 8e-9;
    demand.bytes_per_hour = row.rate_per_s * (row.upload_bytes + row.download_bytes) * 3600;
    demand.residency = tenant.residency.bits;
    demand.view = terrain->view_of(row.region.value, row.flex_algo);
    const std::optional<grid::Anchor>& anchor = terrain->anchors[row.region.value];
    if (anchor) demand.access_us = 2 * (anchor->access_delay + anchor->backhaul_delay).value();
    if (!tenant.models.empty() &&
        std::find(tenant.models.begin(), tenant.models.end(), row.model) == tenant.models.end())
      demand.blocked = Gate::tenant_model;
    else if (row.prompt_tokens + row.output_tokens > snapshot.models[row.model].context_tokens)
      demand.blocked = Gate::context;
    else if (!anchor)
      demand.blocked = Gate::anchor;
    const auto [last, fresh] = last_of.try_emplace(uint64_t{row.tenant.value} << 32 | row.model.value, d);
    if (fresh || !copy_uses(last->second, d)) add_uses(d);
    last->second = d;
  }
}

// False where they are not the same.
bool Problem::copy_uses(uint32_t from, uint32_t to) {
  const grid::Demand &a = *demands[from].row, &b = *demands[to].row;
  const bool same = a.prompt_tokens == b.prompt_tokens && a.output_tokens == b.output_tokens &&
                    a.prefix_hit == b.prefix_hit && a.promise.quantile == b.promise.quantile &&
                    a.promise.tpot == b.promise.tpot && demands[from].blocked == demands[to].blocked;
  if (!same) return false;
  const uint32_t first = demands[from].use_first;
  demands[to].use_first = static_cast<uint32_t>(uses.size());
  for (size_t i = 0; i < profiles_of_model_[b.model.value].size(); ++i) uses.push_back(Use(uses[first + i]));
  return true;
}

void Problem::add_uses(uint32_t d) {
  DemandRow& demand = demands[d];
  const grid::Demand& row = *demand.row;
  demand.use_first = static_cast<uint32_t>(uses.size());
  for (const uint32_t f : profiles_of_model_[row.model.value]) {
    const grid::Profile& profile = snapshot.profiles[size_t{f}];
    Use use;
    const double requests_max =
        twin::kv_requests_max(snapshot.models[row.model], profile, row.prompt_tokens, row.output_tokens);
    use.fits = requests_max >= profile.points.front().batch;
    use.sizes = twin::sizes_of(profile, row);
    use.prefill_ms = use.sizes.prefill_ms;
    use.alone_ms = twin::ttft_alone(use.sizes, row.promise.quantile).value();
    for (size_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p) {
      const grid::OperatingPoint& point = profile.points[p];
      if (point.batch > requests_max) continue;
      use.fastest_ms = std::min(use.fastest_ms, point.decode_per_token.value());
      if (point.decode_per_token <= row.promise.tpot) use.points |= 1u << p;
    }
    if (demand.blocked != Gate::none) use.points = 0;
    uses.push_back(use);
  }
}

namespace {

// Decode steps a ms of decoding that a replica at the point is asked for at most, of all that so much work may be.
double most_steps(const grid::OperatingPoint& point, double steps_per_ms, double prefill_s) {
  const double full = kUtilizationMax * point.batch / point.decode_per_token.value();
  return prefill_s < 1 ? std::min(full, steps_per_ms / (1 - prefill_s) * (1 + 1e-9)) : full;
}

}  // namespace

// No replica is asked for more than all that may run on its profile together ask for.
void Problem::add_energy_floors() {
  std::vector<double> steps_per_ms(snapshot.profiles.size()), prefill_s(snapshot.profiles.size());
  for (const DemandRow& demand : demands) {
    for (size_t i = 0; const uint32_t f : profiles_of_model_[demand.row->model.value]) {
      const Use& use = uses[demand.use_first + i++];
      if (use.points == 0) continue;
      steps_per_ms[f] += demand.steps_per_ms();
      prefill_s[f] += demand.prefill_s(use);
    }
  }
  for (size_t f = 0; f < snapshot.profiles.size(); ++f) {
    const grid::Profile& profile = snapshot.profiles[f];
    const Watts idle = snapshot.accelerators[profile.accelerator].idle_power * std::max(1u, profile.tensor_parallel);
    std::vector<twin::EnergyFloor>& floors = energy_floors_.emplace_back();
    for (size_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p)
      floors.push_back(twin::energy_floor(profile, profile.points[p], idle,
                                          most_steps(profile.points[p], steps_per_ms[f], prefill_s[f])));
  }
}

Problem::Verdict Problem::judge(uint32_t d, uint32_t c, Option* option) const {
  const DemandRow& demand = demands[d];
  const grid::Demand& row = *demand.row;
  const Candidate& candidate = candidates[c];
  const grid::Profile& profile = *candidate.profile;
  const Use& use = uses[demand.use_first + candidate.slot];
  Verdict verdict;
  const auto ruled_out = [&](Gate gate, double measured = 0, double allowed = 0) {
    verdict.gate = gate;
    verdict.measured = measured;
    verdict.allowed = allowed;
    return verdict;
  };
  if (demand.blocked != Gate::none) return ruled_out(demand.blocked);
  if (!candidate.fits_memory || !use.fits) return ruled_out(Gate::memory);
  if (!candidate.up) return ruled_out(Gate::down);
  const Leg& own = *network_leg_of(demand, candidate.pool);
  const Leg& leg = *leg_of(demand, candidate.pool);
  if (!own.reachable) return ruled_out(Gate::unreachable);
  verdict.round_trip_us = demand.access_us + leg.branch_us;
  verdict.ttft_ms = verdict.round_trip_us * 1e-3 + use.alone_ms;
  if ((snapshot.jurisdiction_of(grid::SiteIndex(candidate.site)).bits & ~demand.residency) != 0)
    return ruled_out(Gate::residency);
  if ((own.jurisdictions & ~demand.residency) != 0) return ruled_out(Gate::path_residency);
  if (!repairs_stay(demand, candidate.pool)) return ruled_out(Gate::repair_residency);
  if (!leg.reachable) return ruled_out(Gate::diversity);
  if (use.points == 0) return ruled_out(Gate::promise_tpot, use.fastest_ms, row.promise.tpot.value());
  if (slack_ms(demand, leg, use) < 0) return ruled_out(Gate::promise_ttft, verdict.ttft_ms, row.promise.ttft.value());
  if (candidate.replicas_max == 0)
    return ruled_out(Gate::accelerators, pool_spare[candidate.pool], candidate.accelerators);
  if (candidate.worst_kw > site_kw[candidate.site])
    return ruled_out(Gate::power, candidate.worst_kw, site_kw[candidate.site]);
  if (option == nullptr) return verdict;

  double fractional = std::numeric_limits<double>::infinity(), alone = fractional, replicas = 0;
  for (size_t p = 0; p < std::min(profile.points.size(), kPointsMax); ++p) {
    if ((use.points >> p & 1) == 0) continue;
    const grid::OperatingPoint& point = profile.points[p];
    const double busy = row.rate_per_s * use.prefill_ms * 1e-3 +
                        demand.tokens_per_s * point.decode_per_token.value() * 1e-3 / point.batch;
    const double work = busy / kUtilizationMax;  // replicas it fills
    const double active = active_w_min(demand, use, candidate.profile_position, p) * candidate.eur_per_watt_hour;
    if (const double eur = work * candidate.replica_eur_per_hour + active; eur < fractional)
      fractional = eur, replicas = work;
    alone = std::min(alone, std::max(1.0, std::ceil(work)) * candidate.replica_eur_per_hour + active);
  }
  const double transport = transport_eur_per_hour(demand, leg);
  *option = {.demand = d,
             .candidate = c,
             .points = use.points,
             .round_trip_us = verdict.round_trip_us,
             .use = demand.use_first + candidate.slot,
             .ttft_ms = ttft_left_ms(demand, leg),
             .transport_eur_per_hour = transport,
             .fractional_eur_per_hour = fractional + transport,
             .replicas_in_fractions = replicas,
             .alone_eur_per_hour = alone + transport};
  return verdict;
}

std::vector<uint32_t> Problem::demands_of(uint32_t model) const {
  std::vector<uint32_t> of_model;
  for (uint32_t d = 0; d < demands.size(); ++d)
    if (demands[d].row->model.value == model) of_model.push_back(d);
  return of_model;
}

size_t Problem::columns() const {
  size_t count = 0;
  for (const DemandRow& demand : demands) count += candidates_of_model[demand.row->model.value].size();
  return count;
}

void Problem::add_all_options() {
  for (uint32_t d = 0; d < demands.size(); ++d)
    for (const uint32_t c : candidates_of_model[demands[d].row->model.value]) add_option(d, c);
}

std::optional<uint32_t> Problem::find_option(uint32_t d, uint32_t c) const {
  const std::vector<uint32_t>& of_demand = demands[d].options;
  const auto found = std::lower_bound(of_demand.begin(), of_demand.end(), c,
                                      [&](uint32_t o, uint32_t wanted) { return options[o].candidate < wanted; });
  if (found == of_demand.end() || options[*found].candidate != c) return std::nullopt;
  return *found;
}

bool Problem::add_option(uint32_t d, uint32_t c) {
  if (!passes(d, c) || find_option(d, c)) return false;
  Option option;
  if (judge(d, c, &option).gate != Gate::none) return false;
  std::vector<uint32_t>& of_demand = demands[d].options;
  const auto place = std::lower_bound(of_demand.begin(), of_demand.end(), c,
                                      [&](uint32_t o, uint32_t wanted) { return options[o].candidate < wanted; });
  of_demand.insert(place, static_cast<uint32_t>(options.size()));
  options_of_candidate[c].push_back(static_cast<uint32_t>(options.size()));
  options.push_back(option);
  return true;
}

}  // namespace tandem::planner
