// Whether a plan may be carried out, worked out from the plan's own rows and the snapshot alone: it shares no code with
// the search beyond the twin's physics.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "planner/plan_checks.h"
#include "planner/planner.h"
#include "planner/problem.h"

namespace tandem::planner {
namespace {

constexpr double kTolerance = 1e-6;  // relative; plans travel as doubles, sums differ in their last bits

struct CheckedDeployment {
  const v1::PlannedDeployment* row = nullptr;
  grid::PoolIndex pool;
  grid::ModelIndex model;
  const grid::Profile* profile = nullptr;
  grid::OperatingPoint point;
  twin::Mix mix;
};

class Checker {
 public:
  Checker(const grid::Snapshot& snapshot, const v1::Plan& plan)
      : snapshot_(snapshot), plan_(plan), networks_(snapshot) {}

  std::vector<std::string> check() {
    for (const v1::PlannedDeployment& row : plan_.deployments()) check_deployment(row);
    check_pinned();
    check_capacities();
    check_demands();
    check_promises();
    check_links();
    const twin::Assignment assignment = assignment_of(snapshot_, plan_);
    for (std::string& fault : overfilled_after_failures(snapshot_, assignment)) found_.push_back(std::move(fault));
    for (std::string& fault : residencies_left_after_failures(snapshot_, assignment))
      found_.push_back(std::move(fault));
    return std::move(found_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    found_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  void check_deployment(const v1::PlannedDeployment& row) {
    CheckedDeployment d;
    d.row = &row;
    d.pool = snapshot_.pools.find(row.pool());
    d.model = snapshot_.models.find(row.model());
    if (!d.pool.valid()) return say("deployment {} is in pool '{}', which is not in the grid", row.id(), row.pool());
    if (!d.model.valid()) return say("deployment {} runs model '{}', which is not in the grid", row.id(), row.model());
    const grid::Pool& pool = snapshot_.pools[d.pool];
    const auto profile = snapshot_.profiles.find(row.profile());
    if (!profile.valid())
      return say("deployment {} uses profile '{}', which is not in the grid", row.id(), row.profile());
    d.profile = &snapshot_.profiles[profile];
    if (d.profile->model != d.model || d.profile->accelerator != pool.accelerator ||
        d.profile->tensor_parallel != row.tensor_parallel())
      return say("deployment {}: profile {} is of another model, accelerator or parallelism", row.id(), row.profile());
    const auto point = std::find_if(d.profile->points.begin(), d.profile->points.end(),
                                    [&](const grid::OperatingPoint& p) { return p.batch == row.batch(); });
    if (point == d.profile->points.end())
      return say("deployment {}: profile {} has no point at batch {}", row.id(), row.profile(), row.batch());
    d.point = *point;
    const grid::Accelerator& accelerator = snapshot_.accelerators[pool.accelerator];
    if (snapshot_.models[d.model].weights + d.profile->kv_memory >
        accelerator.memory * d.profile->tensor_parallel * (1 + kTolerance))
      say("deployment {} does not fit the memory of {} × {}", row.id(), d.profile->tensor_parallel, accelerator.id);
    if (snapshot_.sites[pool.site].state != grid::State::up || !snapshot_.usable(pool.node))
      say("deployment {} is in pool {}, which is down", row.id(), pool.id);
    if (row.replicas() == 0) say("deployment {} has no replica", row.id());
    if (!deployments_.emplace(row.id(), d).second) say("deployment {} is listed twice", row.id());
  }

  void check_pinned() {
    std::map<std::tuple<uint32_t, uint32_t, uint32_t>, uint64_t> wanted;
    for (const grid::Deployment& pin : snapshot_.deployments)
      if (snapshot_.usable(snapshot_.pools[pin.pool].node))
        wanted[{pin.pool.value, pin.model.value, pin.tensor_parallel}] += pin.replicas;
    for (const auto& [key, replicas] : wanted) {
      const auto [pool, model, parallel] = key;
      const std::string id =
          deployment_id(snapshot_.models[size_t{model}].id, snapshot_.pools[size_t{pool}].id, parallel);
      bool profiled = false;
      for (const grid::Profile& p : snapshot_.profiles)
        profiled |= p.model.value == model && p.accelerator == snapshot_.pools[size_t{pool}].accelerator &&
                    p.tensor_parallel == parallel;
      if (!profiled) continue;  // nothing is known of how it would serve: no plan can hold it
      const grid::Pool& row = snapshot_.pools[size_t{pool}];
      const uint64_t most = (row.count - std::min(row.count, radio_reserve_max(row))) / std::max(1u, parallel);
      const auto found = deployments_.find(id);
      const uint64_t planned = found == deployments_.end() ? 0 : found->second.row->replicas();
      if (planned < std::min<uint64_t>(replicas, most))
        say("{} replicas of {} are pinned, {} planned", replicas, id, planned);
    }
  }

  void check_capacities() {
    std::map<uint32_t, uint64_t> accelerators;
    std::map<uint32_t, double> watts;
    for (const auto& [id, d] : deployments_) {
      const grid::Pool& pool = snapshot_.pools[d.pool];
      const uint64_t count = uint64_t{d.row->replicas()} * d.profile->tensor_parallel;
      accelerators[d.pool.value] += count;
      watts[pool.site.value] +=
          static_cast<double>(count) * snapshot_.accelerators[pool.accelerator].peak_power.value();
    }
    for (size_t p = 0; p < snapshot_.pools.size(); ++p) {
      const grid::Pool& pool = snapshot_.pools[p];
      const uint32_t reserve = std::min(pool.count, radio_reserve_max(pool));
      if (watts.contains(pool.site.value))
        watts[pool.site.value] += reserve * snapshot_.accelerators[pool.accelerator].peak_power.value();
      if (const auto used = accelerators.find(static_cast<uint32_t>(p));
          used != accelerators.end() && used->second > pool.count - reserve)
        say("pool {}: {} accelerators planned, {} there beside the radio reserve", pool.id, used->second,
            pool.count - reserve);
    }
    for (const auto& [s, worst_w] : watts) {
      const grid::Site& site = snapshot_.sites[size_t{s}];
      if (worst_w > site.power_limit.value() * 1e3 * (1 + kTolerance))
        say("site {}: {:.1f} kW at worst case, {:.1f} kW of power", site.id, worst_w * 1e-3, site.power_limit.value());
      if (worst_w > site.cooling_limit.value() * 1e3 * (1 + kTolerance))
        say("site {}: {:.1f} kW of heat at worst case, {:.1f} kW of cooling", site.id, worst_w * 1e-3,
            site.cooling_limit.value());
    }
  }

  void check_demands() {
    std::set<uint32_t> seen;
    for (const v1::DemandPlan& planned : plan_.demands()) {
      const grid::DemandIndex d = snapshot_.demands.find(planned.demand());
      if (!d.valid()) {
        say("demand '{}' is not in the grid", planned.demand());
        continue;
      }
      if (!seen.insert(d.value).second) say("demand {} is listed twice", planned.demand());
      double sum = planned.rejected();
      bool ranges_hold = planned.rejected() >= 0;
      std::set<std::string_view> sent_to;
      for (const v1::PlannedSplit& split : planned.splits()) {
        if (!sent_to.insert(split.deployment()).second)
          say("demand {} has two shares of {}", planned.demand(), split.deployment());
        sum += split.fraction();
        ranges_hold &= split.fraction() > 0;
        check_split(snapshot_.demands[d], split);
      }
      if (!ranges_hold || !(std::abs(sum - 1) <= kTolerance))
        say("demand {}: fractions sum to {}, not 1", planned.demand(), sum);
      if (planned.rejected() > kTolerance && planned.blocked_by().empty())
        say("demand {}: rejected without a reason", planned.demand());
    }
    for (size_t d = 0; d < snapshot_.demands.size(); ++d)
      if (!seen.contains(static_cast<uint32_t>(d))) say("demand {} is not in the plan", snapshot_.demands[d].id);
  }

  void check_split(const grid::Demand& demand, const v1::PlannedSplit& split) {
    const auto found = deployments_.find(split.deployment());
    if (found == deployments_.end())
      return say("demand {} is sent to '{}', which is not deployed", demand.id, split.deployment());
    CheckedDeployment& d = found->second;
    const grid::Tenant& tenant = snapshot_.tenants[demand.tenant];
    const grid::Model& model = snapshot_.models[d.model];
    const grid::Pool& pool = snapshot_.pools[d.pool];
    if (d.model != demand.model) return say("demand {} asks for another model than {}", demand.id, split.deployment());
    if (!tenant.models.empty() && std::find(tenant.models.begin(), tenant.models.end(), d.model) == tenant.models.end())
      say("demand {}: tenant {} may not use {}", demand.id, tenant.id, model.id);
    if (demand.prompt_tokens + demand.output_tokens > model.context_tokens)
      say("demand {} exceeds the context of {}", demand.id, model.id);
    if (twin::kv_requests_max(model, *d.profile, demand.prompt_tokens, demand.output_tokens) < d.point.batch)
      say("demand {}: the KV memory of {} does not hold a batch of {}", demand.id, split.deployment(), d.point.batch);
    if (!tenant.residency.contains(snapshot_.jurisdiction_of(pool.site)))
      say("demand {}: {} is outside the residency of {}", demand.id, snapshot_.sites[pool.site].id, tenant.id);
    const twin::RegionReach from = networks_.reach(demand.flex_algo, demand.region);
    const std::string in_algorithm = twin::in_algorithm(snapshot_, demand.flex_algo);
    if (!from.reachable(pool.node))
      return say("demand {}: no path from {} to {}{}", demand.id, snapshot_.regions[demand.region].id, pool.id,
                 in_algorithm);
    if (!tenant.residency.contains(from.tree->jurisdictions(pool.node)))
      say("demand {}: a path to {}{} leaves the residency of {}", demand.id, pool.id, in_algorithm, tenant.id);
    const CheckedWays ways = check_ways(snapshot_, demand, split, from.anchor->node, pool.node);
    for (const std::string& fault : ways.faults) say("demand {} at {}: {}", demand.id, pool.id, fault);
    d.mix.add(*d.profile, demand, split.fraction());
    served_.push_back({&demand, &d, ways.round_trip});
  }

  void check_promises() {
    for (const auto& [id, d] : deployments_)
      if (const double used = twin::serve(*d.profile, d.point, d.row->replicas(), d.mix).utilization;
          used > kUtilizationMax * (1 + kTolerance))
        say("deployment {} is overloaded: utilisation {:.3f}, at most {}", id, used, kUtilizationMax);
    for (const auto& [demand, d, over_ways] : served_) {
      const twin::Serving serving = twin::serve(*d->profile, d->point, d->row->replicas(), d->mix);
      const twin::RequestSizes sizes = twin::sizes_of(*d->profile, *demand);
      const twin::RegionReach from = networks_.reach(demand->flex_algo, demand->region);
      const Microseconds own = twin::round_trip(from, snapshot_.pools[d->pool].node);
      const Microseconds ways = over_ways + 2 * (from.anchor->access_delay + from.anchor->backhaul_delay);
      const double ttft_ms = std::max(own, ways).value() * 1e-3 + serving.ttft(sizes, demand->promise.quantile).value();
      const double tpot_ms = serving.tpot_at(sizes, demand->promise.quantile).value();
      if (ttft_ms > demand->promise.ttft.value() * (1 + kTolerance))
        say("demand {} at {}: first token after {:.1f} ms, promised {:.1f} ms", demand->id, d->row->id(), ttft_ms,
            demand->promise.ttft.value());
      if (tpot_ms > demand->promise.tpot.value() * (1 + kTolerance))
        say("demand {} at {}: {:.2f} ms a token, promised {:.2f} ms", demand->id, d->row->id(), tpot_ms,
            demand->promise.tpot.value());
    }
  }

  // Overload that is there without the plan is not the plan's, unless it adds to it.
  void check_links() {
    const twin::Assignment assignment = assignment_of(snapshot_, plan_);
    const twin::Forecast with = twin::forecast(snapshot_, assignment);
    const twin::Forecast without = twin::forecast(snapshot_, {});
    const std::vector<double> booked = booked_on_second_ways(snapshot_, assignment);
    for (size_t i = 0; i < snapshot_.links.size(); ++i) {
      const grid::Link& link = snapshot_.links[i];
      const auto direction = [&](Gbps total, Gbps background, Gbps capacity, grid::NodeIndex from, grid::NodeIndex to) {
        const double allowed = snapshot_.policy.link_headroom * capacity.value();
        if (total.value() - background.value() <= kTolerance * capacity.value() ||
            total.value() <= allowed * (1 + kTolerance))
          return;
        say("link {} from {} to {}: {:.2f} Gbit/s, headroom ends at {:.2f}", link.id, snapshot_.nodes[from].id,
            snapshot_.nodes[to].id, total.value(), allowed);
      };
      direction(with.links[i].ab + Gbps(booked[2 * i]), without.links[i].ab, link.capacity_ab, link.a, link.b);
      direction(with.links[i].ba + Gbps(booked[2 * i + 1]), without.links[i].ba, link.capacity_ba, link.b, link.a);
    }
  }

  const grid::Snapshot& snapshot_;
  const v1::Plan& plan_;
  twin::Networks networks_;
  std::map<std::string, CheckedDeployment, std::less<>> deployments_;
  struct Served {
    const grid::Demand* demand = nullptr;
    const CheckedDeployment* deployment = nullptr;
    Microseconds over_ways;  // and back
  };
  std::vector<Served> served_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> violations(const grid::Snapshot& snapshot, const v1::Plan& plan) {
  return Checker(snapshot, plan).check();
}

}  // namespace tandem::planner
