// What a change of the world does to a plan's promises before anything is planned anew.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "planner/planner.h"
#include "planner/problem.h"
#include "planner/whatif.h"
#include "twin/traffic.h"

namespace tandem::planner {
namespace {

constexpr double kPromiseSlack = 1 + 1e-6;  // sums differ in their last bits

struct Standing {
  const v1::PlannedDeployment* row = nullptr;
  grid::PoolIndex pool;
  grid::ModelIndex model;
  const grid::Profile* profile = nullptr;
  grid::OperatingPoint point;
  bool up = false;
  double eur_per_work_s = 0;  // of a replica-second of work
  twin::Mix mix;
};

struct Share {
  size_t standing = 0;
  double fraction = 0;
  std::vector<grid::LinkIndex> primary = {}, second = {};  // the planned ways to it; none for what has moved there
};

struct DemandOutcome {
  std::vector<Share> shares;
  double rejected = 0;  // by the plan
  double lost = 0;      // no deployment may take it any more
  Gate lost_by = Gate::none;
  double broken = 0;  // served, but outside its promise
  std::string broken_by;
  bool kept() const { return rejected <= 0 && lost <= 0 && broken <= 0; }
};

// One world under the deployments of a plan.
class Outcome {
 public:
  Outcome(const grid::Snapshot& snapshot, const v1::Plan& plan) : snapshot_(snapshot) {
    twin::Networks networks(snapshot);
    reaches_.resize(snapshot.regions.size());
    for (const grid::Demand& demand : snapshot.demands) {
      auto& of_region = reaches_[demand.region.value];
      of_region.resize(1 + snapshot.flex_algos.size());
      auto& of_algo = of_region[position_of(demand.flex_algo)];
      if (!of_algo) of_algo = networks.reach(demand.flex_algo, demand.region);
    }
    for (const v1::PlannedDeployment& row : plan.deployments()) add_standing(row);
    demands_.resize(snapshot.demands.size());
    for (const v1::DemandPlan& planned : plan.demands())
      if (const auto d = snapshot.demands.find(planned.demand()); d.valid()) send(d, planned);
    for (size_t d = 0; d < demands_.size(); ++d) judge(grid::DemandIndex(d));
  }

  const std::vector<DemandOutcome>& demands() const { return demands_; }

  twin::Assignment assignment() const {
    twin::Assignment assignment;
    for (size_t d = 0; d < demands_.size(); ++d)
      for (const Share& share : demands_[d].shares)
        assignment.shares.push_back(
            {grid::DemandIndex(d), standings_[share.standing].pool, share.fraction, share.primary, share.second});
    return assignment;
  }

  // What the network has to do for each promise that is kept: bring the traffic there and back in the time that prefill
  // and waits leave.
  std::vector<WatchedPromise> watched() const {
    std::vector<WatchedPromise> watched;
    for (size_t d = 0; d < demands_.size(); ++d) {
      if (!demands_[d].kept() || demands_[d].shares.empty()) continue;
      const grid::Demand& demand = snapshot_.demands[d];
      WatchedPromise one{grid::DemandIndex(d),
                         {demand.region, snapshot_.tenants[demand.tenant].residency, {}, demand.flex_algo}};
      for (const Share& share : demands_[d].shares) {
        const Standing& standing = standings_[share.standing];
        const double rest_ms =
            demand.promise.ttft.value() * kPromiseSlack -
            serving_of(standing).ttft(twin::sizes_of(*standing.profile, demand), demand.promise.quantile).value();
        one.watch.parts.push_back(
            {snapshot_.pools[standing.pool].node, to_microseconds(Milliseconds(rest_ms)), share.primary, share.second});
      }
      watched.push_back(std::move(one));
    }
    return watched;
  }

  // Transport, load-dependent energy and penalties, € per hour.
  double running_eur_per_hour() const {
    double eur = 0;
    for (size_t d = 0; d < demands_.size(); ++d) {
      const grid::Demand& demand = snapshot_.demands[d];
      const double requests_per_hour = demand.rate_per_s * 3600;
      eur += (demands_[d].rejected + demands_[d].lost) * rejection_eur_per_hour(snapshot_, demand);
      for (const Share& share : demands_[d].shares)
        eur += requests_per_hour * share.fraction * (demand.upload_bytes + demand.download_bytes) *
               euros_per_byte(demand, share);
    }
    for (const Standing& standing : standings_) {
      if (!standing.up) continue;
      const grid::Pool& pool = snapshot_.pools[standing.pool];
      const grid::Site& site = snapshot_.sites[pool.site];
      const Watts idle = snapshot_.accelerators[pool.accelerator].idle_power * standing.profile->tensor_parallel;
      const uint32_t replicas = standing.row->replicas();
      const Watts power = twin::average_power(*standing.profile, standing.point, idle, replicas, standing.mix);
      eur += (power - idle * replicas).value() * 1e-3 * site.pue * site.power_price.value();
    }
    return eur;
  }

 private:
  static size_t position_of(grid::FlexAlgoIndex algo) { return algo.valid() ? 1 + size_t{algo.value} : 0; }
  const twin::RegionReach& reach(const grid::Demand& demand) const {
    return *reaches_[demand.region.value][position_of(demand.flex_algo)];
  }

  void add_standing(const v1::PlannedDeployment& row) {
    Standing standing;
    standing.row = &row;
    standing.pool = snapshot_.pools.find(row.pool());
    standing.model = snapshot_.models.find(row.model());
    const auto profile = snapshot_.profiles.find(row.profile());
    if (!standing.pool.valid() || !standing.model.valid() || !profile.valid() || row.replicas() == 0) return;
    standing.profile = &snapshot_.profiles[profile];
    const auto& points = standing.profile->points;
    const auto point =
        std::find_if(points.begin(), points.end(), [&](const auto& p) { return p.batch == row.batch(); });
    if (point == points.end()) return;
    standing.point = *point;
    standing.up = snapshot_.usable(snapshot_.pools[standing.pool].node) &&
                  snapshot_.sites[snapshot_.pools[standing.pool].site].state == grid::State::up;
    standing.eur_per_work_s = row.cost_eur_per_hour() / 3600 / (row.replicas() * std::max(0.1, row.utilization()));
    by_id_[row.id()] = standings_.size();
    standings_.push_back(standing);
  }

  // The planned way that its traffic takes now; null where both are broken, or there are none.
  const std::vector<grid::LinkIndex>* way_of(const grid::Demand& demand, const Share& share) const {
    const auto& anchor = reach(demand).anchor;
    if (!anchor) return nullptr;
    const grid::NodeIndex node = snapshot_.pools[standings_[share.standing].pool].node;
    for (const auto* way : {&share.primary, &share.second})
      if (!twin::usable_slots_along(snapshot_, *way, anchor->node, node).empty()) return way;
    return nullptr;
  }

  double euros_per_byte(const grid::Demand& demand, const Share& share) const {
    const auto* way = way_of(demand, share);
    if (way == nullptr)
      return reach(demand).tree->euros_per_byte(snapshot_.pools[standings_[share.standing].pool].node);
    double euros = 0;
    for (const grid::LinkIndex link : *way) euros += snapshot_.links[link].cost.value() * 1e-9;
    return euros;
  }

  // `share` may be null: over the network's own branches.
  Gate gate(const grid::Demand& demand, const Standing& standing, const Share* share) const {
    const grid::Tenant& tenant = snapshot_.tenants[demand.tenant];
    const grid::Pool& pool = snapshot_.pools[standing.pool];
    const twin::RegionReach& reach = this->reach(demand);
    if (!reach.anchor) return Gate::anchor;
    if (standing.model != demand.model) return Gate::model;
    if (!standing.up) return Gate::down;
    const bool over_way = share != nullptr && way_of(demand, *share) != nullptr;  // which was proven resident
    if (!over_way && !reach.reachable(pool.node)) return Gate::unreachable;
    if (!tenant.residency.contains(snapshot_.jurisdiction_of(pool.site))) return Gate::residency;
    if (over_way) return Gate::none;
    if (!tenant.residency.contains(reach.tree->jurisdictions(pool.node))) return Gate::path_residency;
    return Gate::none;
  }

  static twin::Serving serving_of(const Standing& standing) {
    return twin::serve(*standing.profile, standing.point, standing.row->replicas(), standing.mix);
  }

  double round_trip_ms(const grid::Demand& demand, const Standing& standing) const {
    return twin::round_trip(reach(demand), snapshot_.pools[standing.pool].node).value() * 1e-3;
  }
  double round_trip_ms(const grid::Demand& demand, const Share& share) const {
    const auto* way = way_of(demand, share);
    if (way == nullptr) return round_trip_ms(demand, standings_[share.standing]);
    const grid::Anchor& anchor = *reach(demand).anchor;
    Microseconds one_way = anchor.access_delay + anchor.backhaul_delay;
    for (const grid::LinkIndex link : *way) one_way += snapshot_.links[link].delay;
    return 2e-3 * one_way.value();
  }

  void send(grid::DemandIndex index, const v1::DemandPlan& planned) {
    const grid::Demand& demand = snapshot_.demands[index];
    DemandOutcome& outcome = demands_[index.value];
    outcome.rejected = planned.rejected();
    double wanted = 0, standing_sum = 0;
    for (const v1::PlannedSplit& split : planned.splits()) {
      wanted += split.fraction();
      const auto found = by_id_.find(split.deployment());
      Share share{found == by_id_.end() ? 0 : found->second, split.fraction(), links_of(snapshot_, split.primary()),
                  links_of(snapshot_, split.second())};
      const Gate ruled_out = found == by_id_.end() ? Gate::down : gate(demand, standings_[found->second], &share);
      if (ruled_out != Gate::none) {
        outcome.lost_by = std::max(outcome.lost_by, ruled_out);
        continue;
      }
      outcome.shares.push_back(std::move(share));
      standing_sum += split.fraction();
    }
    if (wanted <= 0) return;
    if (standing_sum > 0) {
      for (Share& share : outcome.shares) share.fraction *= wanted / standing_sum;
    } else if (const auto other = best_other(demand)) {
      outcome.shares.push_back({*other, wanted});
    } else {
      outcome.lost = wanted;
      return;
    }
    for (const Share& share : outcome.shares)
      standings_[share.standing].mix.add(*standings_[share.standing].profile, demand, share.fraction);
  }

  // As the gateway chooses without a share of the plan: the cheapest that keeps the promise, else the fastest.
  std::optional<size_t> best_other(const grid::Demand& demand) const {
    std::optional<size_t> best;
    std::pair<bool, double> best_rank;
    for (size_t i = 0; i < standings_.size(); ++i) {
      const Standing& standing = standings_[i];
      if (gate(demand, standing, nullptr) != Gate::none) continue;
      // The gateway decides by the request at hand: here, one of mean size.
      const double ttft_ms = round_trip_ms(demand, standing) +
                             twin::prefill_time(*standing.profile, demand.prompt_tokens, demand.prefix_hit).value();
      const bool late = ttft_ms > demand.promise.ttft.value() || standing.point.decode_per_token > demand.promise.tpot;
      const double work_s = 1 / twin::replica_rate(*standing.profile, standing.point, demand.prompt_tokens,
                                                   demand.output_tokens, demand.prefix_hit)
                                    .requests_per_s;
      const std::pair rank(late, late ? ttft_ms : standing.eur_per_work_s * work_s);
      if (!best || rank < best_rank) {
        best = i;
        best_rank = rank;
      }
    }
    return best;
  }

  void judge(grid::DemandIndex index) {
    const grid::Demand& demand = snapshot_.demands[index];
    DemandOutcome& outcome = demands_[index.value];
    for (const Share& share : outcome.shares) {
      const Standing& standing = standings_[share.standing];
      const twin::Serving serving = serving_of(standing);
      const twin::RequestSizes sizes = twin::sizes_of(*standing.profile, demand);
      const double quantile = demand.promise.quantile;
      const double ttft_ms = round_trip_ms(demand, share) + serving.ttft(sizes, quantile).value();
      const double tpot_ms = serving.tpot_at(sizes, quantile).value();
      std::string reason;
      if (serving.utilization >= 1)
        // Rounded up, for what exceeds its capacity must not read as what fits.
        reason = fmt::format("{} is overloaded: {:.1f} % of its capacity asked for", standing.row->id(),
                             std::ceil(1e3 * serving.utilization) / 10);
      else if (ttft_ms > demand.promise.ttft.value() * kPromiseSlack)
        reason = fmt::format("first token after {:.0f} ms at {}, promised {:.0f} ms", ttft_ms, standing.row->id(),
                             demand.promise.ttft.value());
      else if (tpot_ms > demand.promise.tpot.value() * kPromiseSlack)
        reason = fmt::format("{:.1f} ms a token at {}, promised {:.1f} ms", tpot_ms, standing.row->id(),
                             demand.promise.tpot.value());
      if (reason.empty()) continue;
      outcome.broken += share.fraction;
      if (outcome.broken_by.empty()) outcome.broken_by = std::move(reason);
    }
  }

  const grid::Snapshot& snapshot_;
  // By region, then algorithm: the IGP's own paths, then those of each flex algorithm; of those that demands ask for.
  std::vector<std::vector<std::optional<twin::RegionReach>>> reaches_;
  std::vector<Standing> standings_;
  std::map<std::string_view, size_t> by_id_;
  std::vector<DemandOutcome> demands_;
};

void find_worst_link(const grid::Snapshot& snapshot, const twin::Assignment& assignment, Verdict& verdict) {
  const twin::Forecast forecast = twin::forecast(snapshot, assignment);
  for (size_t i = 0; i < snapshot.links.size(); ++i) {
    const double busier = std::max(forecast.utilization_ab[i], forecast.utilization_ba[i]);
    if (!verdict.worst_link.empty() && busier <= verdict.worst_utilization) continue;
    verdict.worst_link = snapshot.links[i].id;
    verdict.worst_utilization = busier;
  }
}

}  // namespace

std::vector<WatchedPromise> watched_promises(const grid::Snapshot& snapshot, const v1::Plan& plan) {
  return Outcome(snapshot, plan).watched();
}

std::vector<double> slack_us(const grid::Snapshot& snapshot, const v1::Plan& plan) {
  std::vector<double> slack(snapshot.demands.size(), 0);
  twin::Networks networks(snapshot);
  for (const auto& [demand, watch] : watched_promises(snapshot, plan)) {
    const twin::RegionReach reach = networks.reach(watch.flex_algo, watch.region);
    double least_us = std::numeric_limits<double>::infinity();
    for (const auto& part : watch.parts)
      least_us = std::min(least_us, (part.round_trip_max - twin::round_trip(reach, part.node)).value());
    slack[demand.value] = std::max(0.0, least_us);
  }
  return slack;
}

std::vector<RejectedTraffic> rejected_traffic(const grid::Snapshot& snapshot, const v1::Plan& plan) {
  std::vector<RejectedTraffic> all;
  for (const v1::DemandPlan& planned : plan.demands()) {
    const auto index = snapshot.demands.find(planned.demand());
    if (planned.rejected() <= 0 || !index.valid()) continue;
    const grid::Demand& demand = snapshot.demands[index];
    const double bytes_per_s = demand.rate_per_s * planned.rejected() * (demand.upload_bytes + demand.download_bytes);
    all.push_back({planned.demand(), bytes_per_s * 8e-9,
                   fmt::format("the plan turns {:.0f} % of it away: {}", 100 * planned.rejected(),
                               planned.reason().empty() ? planned.blocked_by() : planned.reason())});
  }
  return all;
}

Comparison::Comparison(const grid::Snapshot& before, const v1::Plan& plan) : before_(before), plan_(plan) {
  const Outcome then(before, plan);
  for (const DemandOutcome& outcome : then.demands()) kept_.push_back(outcome.kept());
  eur_per_hour_ = then.running_eur_per_hour();
}

Verdict compare(const grid::Snapshot& before, const v1::Plan& plan, const grid::Snapshot& after) {
  return Comparison(before, plan).with(after);
}

Verdict Comparison::with(const grid::Snapshot& after) const {
  const Outcome now(after, plan_);
  Verdict verdict;
  for (size_t d = 0; d < after.demands.size(); ++d) {
    const grid::Demand& demand = after.demands[d];
    const DemandOutcome& outcome = now.demands()[d];
    if (outcome.kept()) {
      ++verdict.promises_kept;
      continue;
    }
    const auto earlier = before_.demands.find(demand.id);
    if (!earlier.valid() || !kept_[earlier.value]) continue;
    Verdict::Broken broken{demand.id,
                           after.tenants[demand.tenant].id,
                           after.regions[demand.region].id,
                           after.models[demand.model].id,
                           outcome.broken_by,
                           outcome.broken + outcome.lost};
    if (outcome.lost > 0)
      broken.reason = fmt::format("no deployment left that may serve it: {}", to_string(outcome.lost_by));
    verdict.promises_broken.push_back(std::move(broken));
  }
  find_worst_link(after, now.assignment(), verdict);
  verdict.cost_delta_eur_per_hour = now.running_eur_per_hour() - eur_per_hour_;
  return verdict;
}

}  // namespace tandem::planner
