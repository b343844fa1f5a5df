#include "replay/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "planner/planner.h"
#include "twin/twin.h"

namespace tandem::replay {
namespace {

constexpr double kFill = 0.8;          // of a replica's capacity, so that queues stay short
constexpr double kTokenShare = 0.85;   // of the promised time per token, for prefills stretch it
constexpr double kPrefillShare = 0.6;  // of the promised time to the first token

template <class Row>
std::vector<Row> rows_of(const grid::Table<Row>& table) {
  std::vector<Row> rows;
  for (const Row& row : table) rows.push_back(row);
  return rows;
}

// A deployment as it grows.
struct Standing {
  const grid::Profile* profile = nullptr;
  const grid::OperatingPoint* point = nullptr;
  uint32_t pool = 0;
  uint32_t replicas = 0;
  double work = 0;  // replicas it fills
  twin::Mix mix;
};

class NearestMaker {
 public:
  explicit NearestMaker(const grid::Snapshot& snapshot) : snapshot_(snapshot), network_(twin::make_network(snapshot)) {
    for (const grid::Pool& pool : snapshot.pools) {
      uint32_t reserved = 0;
      for (const grid::RadioReserve& reserve : pool.radio_reserve) reserved += reserve.accelerators;
      spare_.push_back(pool.count - std::min(pool.count, reserved));
      const double reserved_w =
          std::min(pool.count, reserved) * snapshot.accelerators[pool.accelerator].peak_power.value();
      watts_[pool.site.value] += reserved_w;
    }
    for (size_t i = 0; i < snapshot.profiles.size(); ++i) {
      const grid::Profile& profile = snapshot.profiles[i];
      profiles_[{profile.model.value, profile.accelerator.value}].push_back(&profile);
    }
  }

  v1::Plan make() {
    std::vector<uint32_t> order(snapshot_.demands.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      const grid::Demand &x = snapshot_.demands[size_t{a}], &y = snapshot_.demands[size_t{b}];
      return std::tuple(y.priority, y.rate_per_s) < std::tuple(x.priority, x.rate_per_s);
    });
    for (const uint32_t demand : order) place(snapshot_.demands[size_t{demand}]);
    write_deployments();
    return std::move(plan_);
  }

 private:
  const std::vector<uint32_t>& pools_by_distance(grid::RegionIndex region) {
    const auto [entry, fresh] = by_distance_.try_emplace(region.value);
    if (!fresh) return entry->second;
    const twin::RegionReach reach = twin::reach_from(snapshot_, network_, region);
    std::vector<std::pair<double, uint32_t>> keyed;
    for (uint32_t i = 0; i < snapshot_.pools.size(); ++i) {
      const grid::Pool& pool = snapshot_.pools[size_t{i}];
      if (snapshot_.usable(pool.node) && reach.reachable(pool.node))
        keyed.emplace_back(twin::round_trip(reach, pool.node).value(), i);
    }
    std::sort(keyed.begin(), keyed.end());
    for (const auto& [delay, pool] : keyed) entry->second.push_back(pool);
    return entry->second;
  }

  // How the pool would run the demand with the fewest accelerators; null where it cannot.
  std::pair<const grid::Profile*, const grid::OperatingPoint*> best_run(const grid::Demand& demand,
                                                                        const grid::Pool& pool) const {
    std::pair<const grid::Profile*, const grid::OperatingPoint*> best{};
    double best_rate = 0;
    const auto found = profiles_.find({demand.model.value, pool.accelerator.value});
    if (found == profiles_.end()) return best;
    const grid::Model& model = snapshot_.models[demand.model];
    for (const grid::Profile* profile : found->second) {
      if (twin::prefill_time(*profile, demand.prompt_tokens, demand.prefix_hit) > demand.promise.ttft * kPrefillShare)
        continue;
      const double held = twin::kv_requests_max(model, *profile, demand.prompt_tokens, demand.output_tokens);
      for (const grid::OperatingPoint& point : profile->points) {
        if (point.batch > held || point.decode_per_token > demand.promise.tpot * kTokenShare) continue;
        const double rate =
            twin::replica_rate(*profile, point, demand.prompt_tokens, demand.output_tokens, demand.prefix_hit)
                .requests_per_s /
            profile->tensor_parallel;
        if (rate <= best_rate) continue;
        best = {profile, &point};
        best_rate = rate;
      }
    }
    return best;
  }

  // Replicas more that the pool has room and power for.
  uint32_t room(uint32_t pool_position, const grid::Profile& profile) {
    const grid::Pool& pool = snapshot_.pools[size_t{pool_position}];
    const grid::Site& site = snapshot_.sites[pool.site];
    const double watts = std::min(site.power_limit.value(), site.cooling_limit.value()) * 1e3 - watts_[pool.site.value];
    const double replica_w = snapshot_.accelerators[pool.accelerator].peak_power.value() * profile.tensor_parallel;
    const double powered = replica_w > 0 ? std::max(0.0, std::floor(watts / replica_w)) : spare_[pool_position];
    return static_cast<uint32_t>(std::min<double>(powered, spare_[pool_position] / profile.tensor_parallel));
  }

  void place(const grid::Demand& demand) {
    v1::DemandPlan* planned = plan_.add_demands();
    planned->set_demand(demand.id);
    const grid::Tenant& tenant = snapshot_.tenants[demand.tenant];
    double left = demand.rate_per_s > 0 ? 1 : 0;
    for (const uint32_t position : pools_by_distance(demand.region)) {
      if (left <= 1e-9) break;
      const grid::Pool& pool = snapshot_.pools[size_t{position}];
      if (!tenant.residency.contains(snapshot_.jurisdiction_of(pool.site))) continue;
      const auto [profile, point] = best_run(demand, pool);
      if (profile == nullptr) continue;
      const std::string id = fmt::format("{}@{}/tp{}/batch{}", snapshot_.models[demand.model].id, pool.id,
                                         profile->tensor_parallel, point->batch);
      const double taken = std::min(left, take(id, position, *profile, *point, demand, left));
      if (taken <= 1e-9) continue;
      v1::PlannedSplit* split = planned->add_splits();
      split->set_deployment(id);
      split->set_fraction(taken);
      split->set_tpot_ms(point->decode_per_token.value() / kTokenShare);
      left -= taken;
    }
    planned->set_rejected(std::max(0.0, left));
    if (left > 1e-9) planned->set_blocked_by("accelerators");
  }

  // The fraction of the demand that the deployment can take, after growing as far as it may.
  double take(const std::string& id, uint32_t pool, const grid::Profile& profile, const grid::OperatingPoint& point,
              const grid::Demand& demand, double wanted) {
    Standing& standing = standing_[id];
    const double whole = demand.rate_per_s / twin::replica_rate(profile, point, demand.prompt_tokens,
                                                                demand.output_tokens, demand.prefix_hit)
                                                 .requests_per_s;
    const double needed = std::ceil((standing.work + wanted * whole) / kFill - 1e-9) - standing.replicas;
    const uint32_t added = needed <= 0 ? 0 : std::min(room(pool, profile), static_cast<uint32_t>(needed));
    if (standing.replicas + added == 0) {
      standing_.erase(id);
      return 0;
    }
    standing.profile = &profile;
    standing.point = &point;
    standing.pool = pool;
    standing.replicas += added;
    spare_[pool] -= added * profile.tensor_parallel;
    const grid::Pool& row = snapshot_.pools[size_t{pool}];
    watts_[row.site.value] +=
        added * profile.tensor_parallel * snapshot_.accelerators[row.accelerator].peak_power.value();
    const double taken = std::min(wanted, std::max(0.0, (standing.replicas * kFill - standing.work) / whole));
    standing.work += taken * whole;
    standing.mix.add(profile, demand, taken);
    return taken;
  }

  void write_deployments() {
    for (const auto& [id, standing] : standing_) {
      const grid::Pool& pool = snapshot_.pools[size_t{standing.pool}];
      const grid::Site& site = snapshot_.sites[pool.site];
      const grid::Accelerator& accelerator = snapshot_.accelerators[pool.accelerator];
      const uint32_t parallel = standing.profile->tensor_parallel;
      const double utilization =
          twin::serve(*standing.profile, *standing.point, standing.replicas, standing.mix).utilization;
      const Watts power = twin::average_power(*standing.profile, *standing.point, accelerator.idle_power * parallel,
                                              standing.replicas, standing.mix);
      v1::PlannedDeployment* row = plan_.add_deployments();
      row->set_id(id);
      row->set_pool(pool.id);
      row->set_model(snapshot_.models[standing.profile->model].id);
      row->set_profile(standing.profile->id);
      row->set_tensor_parallel(parallel);
      row->set_replicas(standing.replicas);
      row->set_batch(standing.point->batch);
      row->set_decode_ms_per_token(standing.point->decode_per_token.value());
      row->set_utilization(utilization);
      row->set_power_w(power.value());
      row->set_cost_eur_per_hour(standing.replicas * parallel * accelerator.price.value() +
                                 power.value() * 1e-3 * site.pue * site.power_price.value());
    }
  }

  const grid::Snapshot& snapshot_;
  std::shared_ptr<const twin::Network> network_;
  std::vector<uint32_t> spare_;       // accelerators, by pool
  std::map<uint32_t, double> watts_;  // worst case in use, by site
  std::map<std::pair<uint32_t, uint32_t>, std::vector<const grid::Profile*>> profiles_;
  std::map<uint32_t, std::vector<uint32_t>> by_distance_;  // pools, by region
  std::map<std::string, Standing> standing_;
  v1::Plan plan_;
};

}  // namespace

grid::Snapshot without_network(const grid::Snapshot& snapshot) {
  grid::Snapshot flat = snapshot;
  std::vector<grid::Link> links = rows_of(snapshot.links);
  for (grid::Link& link : links) {
    link.delay = Microseconds(0);
    link.cost = EurosPerGigabyte(0);
    link.capacity_ab = link.capacity_ba = Gbps(1e6);
  }
  flat.links = grid::Table<grid::Link>(std::move(links));
  std::vector<grid::Region> regions = rows_of(snapshot.regions);
  for (grid::Region& region : regions)
    for (grid::Anchor& anchor : region.anchors) anchor.access_delay = anchor.backhaul_delay = Microseconds(0);
  flat.regions = grid::Table<grid::Region>(std::move(regions));
  return flat;
}

grid::Snapshot central_only(const grid::Snapshot& snapshot) {
  const auto central = [&](const grid::Pool& pool) {
    const grid::Tier tier = snapshot.sites[pool.site].tier;
    return tier == grid::Tier::core || tier == grid::Tier::cloud;
  };
  grid::Snapshot result = snapshot;
  std::vector<grid::Deployment> pins;
  for (const grid::Deployment& pin : snapshot.deployments)
    if (central(snapshot.pools[pin.pool])) pins.push_back(pin);
  result.deployments = grid::Table<grid::Deployment>(std::move(pins));
  std::vector<grid::Pool> pools = rows_of(snapshot.pools);
  for (grid::Pool& pool : pools) {
    if (central(pool)) continue;
    pool.count = 0;
    pool.radio_reserve.clear();
  }
  result.pools = grid::Table<grid::Pool>(std::move(pools));
  return result;
}

v1::Plan nearest_placement(const grid::Snapshot& snapshot) { return NearestMaker(snapshot).make(); }

v1::Plan placement(const grid::Snapshot& snapshot, Policy policy, uint64_t seed, uint64_t work, std::stop_token stop) {
  const auto joint = [&](const grid::Snapshot& seen) {
    return planner::plan(seen, nullptr, "replay", seed, {work}, stop);
  };
  switch (policy) {
    case Policy::nearest: return nearest_placement(snapshot);
    case Policy::compute_then_network: return joint(without_network(snapshot));
    case Policy::centralise: return joint(central_only(snapshot));
    default: return joint(snapshot);
  }
}

}  // namespace tandem::replay
