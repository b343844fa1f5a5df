#include "planner/keep.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "planner/problem.h"

namespace tandem::planner {
namespace {

// A deployment in one period: its row, where it has one, and what is sent there.
struct DayStanding {
  struct Served {
    v1::PlannedSplit* split = nullptr;
    const grid::Demand* demand = nullptr;
  };
  v1::PlannedDeployment* row = nullptr;
  std::vector<Served> served;
  twin::Mix mix;
  uint32_t least = 0;
};

// What is the same of a deployment in all periods.
struct KeptDeployment {
  const grid::Profile* profile = nullptr;
  grid::PoolIndex pool;
  grid::SiteIndex site;
  uint32_t accelerators = 1;  // a replica
  double worst_kw = 0;        // likewise, IT
  double idle_w = 0;
  double eur_per_watt_hour = 0;
  double eur_per_hour = 0;  // of a replica: accelerators and idle energy
  std::string id;

  double power_w(const DayStanding& standing, uint32_t replicas) const;  // IT, of so many replicas
  double cost_of(uint32_t replicas, double power_w) const {              // €/h
    return replicas * eur_per_hour + (power_w - replicas * idle_w) * eur_per_watt_hour;
  }
};

const grid::OperatingPoint& point_of(const grid::Profile& profile, uint32_t batch) {
  const auto found =
      std::find_if(profile.points.begin(), profile.points.end(), [&](const auto& p) { return p.batch == batch; });
  return found == profile.points.end() ? profile.points.back() : *found;
}

double KeptDeployment::power_w(const DayStanding& standing, uint32_t replicas) const {
  const grid::OperatingPoint& point =
      standing.row == nullptr ? profile->points.back() : point_of(*profile, standing.row->batch());
  return twin::average_power(*profile, point, Watts(idle_w), replicas, standing.mix).value();
}

class ReplicaKeeping {
 public:
  ReplicaKeeping(std::span<KeptPeriod> day, double move_penalty_eur) : day_(day), move_penalty_eur_(move_penalty_eur) {
    for (size_t p = 0; p < day_.size(); ++p) read_period(p);
  }

  void keep() {
    for (auto& [id, standings] : deployments_) {
      const KeptDeployment kind = kind_of(id, standings);
      const std::vector<uint32_t> wanted = decide(kind, standings);
      for (size_t p = 0; p < day_.size(); ++p) set(p, kind, standings[p], wanted[p]);
    }
    for (size_t p = 0; p < day_.size(); ++p) add_idle(p);
  }

 private:
  void read_period(size_t p) {
    const grid::Snapshot& s = *day_[p].grid;
    v1::Plan& plan = *day_[p].plan;
    std::vector<int64_t> accelerators;
    std::vector<double> kilowatts;
    for (const grid::Site& site : s.sites)
      kilowatts.push_back(std::min(site.power_limit.value(), site.cooling_limit.value()));
    for (const grid::Pool& pool : s.pools) {
      const uint32_t reserve = std::min(pool.count, radio_reserve_max(pool));
      accelerators.push_back(int64_t{pool.count} - reserve);
      kilowatts[pool.site.value] -= reserve * s.accelerators[pool.accelerator].peak_power.value() * 1e-3;
    }
    for (v1::PlannedDeployment& row : *plan.mutable_deployments()) {
      auto& standings = deployments_[row.id()];
      standings.resize(day_.size());
      standings[p].row = &row;
      const grid::Pool& pool = s.pools[s.pools.find(row.pool())];
      const int64_t used = int64_t{row.replicas()} * row.tensor_parallel();
      accelerators[s.pools.find(row.pool()).value] -= used;
      kilowatts[pool.site.value] -=
          static_cast<double>(used) * s.accelerators[pool.accelerator].peak_power.value() * 1e-3;
    }
    for (v1::DemandPlan& planned : *plan.mutable_demands()) {
      const grid::Demand& demand = s.demands[s.demands.find(planned.demand())];
      for (v1::PlannedSplit& split : *planned.mutable_splits()) {
        DayStanding& at = deployments_.at(split.deployment())[p];
        at.served.push_back({&split, &demand});
        at.mix.add(s.profiles[s.profiles.find(at.row->profile())], demand, split.fraction());
      }
    }
    accelerators_left_.push_back(std::move(accelerators));
    kilowatts_left_.push_back(std::move(kilowatts));
    added_.emplace_back();
  }

  KeptDeployment kind_of(const std::string& id, const std::vector<DayStanding>& standings) const {
    const auto some =
        std::find_if(standings.begin(), standings.end(), [](const DayStanding& s) { return s.row != nullptr; });
    const v1::PlannedDeployment& row = *some->row;
    const grid::Snapshot& s = *day_.front().grid;
    KeptDeployment kind;
    kind.id = id;
    kind.profile = &s.profiles[s.profiles.find(row.profile())];
    kind.pool = s.pools.find(row.pool());
    kind.site = s.pools[kind.pool].site;
    const grid::Accelerator& accelerator = s.accelerators[s.pools[kind.pool].accelerator];
    const grid::Site& site = s.sites[kind.site];
    kind.accelerators = std::max(1u, row.tensor_parallel());
    kind.worst_kw = accelerator.peak_power.value() * kind.accelerators * 1e-3;
    kind.idle_w = accelerator.idle_power.value() * kind.accelerators;
    kind.eur_per_watt_hour = site.pue * site.power_price.value() * 1e-3;
    kind.eur_per_hour = accelerator.price.value() * kind.accelerators + kind.idle_w * kind.eur_per_watt_hour;
    return kind;
  }

  static uint32_t replicas_of(const DayStanding& standing) {
    return standing.row == nullptr ? 0 : standing.row->replicas();
  }

  uint32_t pinned(size_t p, const KeptDeployment& kind) const {
    const grid::Snapshot& s = *day_[p].grid;
    uint64_t pinned = 0;
    for (const grid::Deployment& pin : s.deployments)
      if (pin.pool == kind.pool && pin.model == kind.profile->model && pin.tensor_parallel == kind.accelerators)
        pinned += pin.replicas;
    return static_cast<uint32_t>(std::min<uint64_t>(pinned, UINT32_MAX));
  }

  // The fewest replicas that keep every promise made here, as it is served now.
  uint32_t fewest(size_t p, const KeptDeployment& kind, const DayStanding& standing) const {
    const uint32_t now = replicas_of(standing);
    uint32_t least = std::min(now, pinned(p, kind));
    if (standing.served.empty()) return least;
    least = std::max(least, 1u);
    const grid::OperatingPoint& point = point_of(*kind.profile, standing.row->batch());
    std::vector<twin::Asked> asked;
    for (const DayStanding::Served& served : standing.served)
      asked.push_back({twin::sizes_of(*kind.profile, *served.demand),
                       served.demand->promise.ttft.value() - served.split->round_trip_us() * 1e-3,
                       served.demand->promise.tpot.value(), served.demand->promise.quantile});
    uint32_t fewest = now;
    while (fewest > least && standing.mix.work(point) / (fewest - 1) <= kUtilizationMax &&
           twin::keeps_all(*kind.profile, point, fewest - 1, standing.mix, asked))
      --fewest;
    return fewest;
  }

  // The most beside what the others have.
  uint32_t most(size_t p, const KeptDeployment& kind, const DayStanding& standing) const {
    const uint32_t now = replicas_of(standing);
    const double more = std::min(static_cast<double>(accelerators_left_[p][kind.pool.value]) / kind.accelerators,
                                 kind.worst_kw > 0 ? kilowatts_left_[p][kind.site.value] / kind.worst_kw + 1e-9
                                                   : std::numeric_limits<double>::infinity());
    const grid::Snapshot& s = *day_[p].grid;
    const bool up = s.sites[kind.site].state == grid::State::up && s.usable(s.pools[kind.pool].node);
    return up && more > 0 ? now + static_cast<uint32_t>(std::min(more, 1e9)) : now;
  }

  // A shortest cycle through the numbers of replicas that may be best: each is the fewest of some period, or as many as
  // fit in one.
  std::vector<uint32_t> decide(const KeptDeployment& kind, const std::vector<DayStanding>& standings) const {
    const size_t periods = day_.size();
    std::vector<uint32_t> least, most_of, levels;
    for (size_t p = 0; p < periods; ++p) {
      least.push_back(fewest(p, kind, standings[p]));
      most_of.push_back(std::max(least[p], most(p, kind, standings[p])));
    }
    const uint32_t highest = *std::max_element(least.begin(), least.end());
    for (size_t p = 0; p < periods; ++p) {
      levels.push_back(least[p]);
      levels.push_back(std::min(most_of[p], highest));
    }
    std::sort(levels.begin(), levels.end());
    levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
    constexpr double kNoDay = std::numeric_limits<double>::infinity();
    const auto running = [&](size_t p, size_t level) {
      const uint32_t replicas = levels[level];
      if (replicas < least[p] || replicas > most_of[p]) return kNoDay;
      return day_[p].hours * kind.cost_of(replicas, kind.power_w(standings[p], replicas));
    };
    const auto moved = [&](size_t a, size_t b) {
      return move_penalty_eur_ * (std::max(levels[a], levels[b]) - std::min(levels[a], levels[b]));
    };
    double best = kNoDay;
    std::vector<uint32_t> wanted;
    for (size_t first = 0; first < levels.size(); ++first) {
      if (running(0, first) == kNoDay) continue;
      std::vector<std::vector<size_t>> from(periods, std::vector<size_t>(levels.size(), first));
      std::vector<double> cost(levels.size(), kNoDay);
      cost[first] = running(0, first);
      for (size_t p = 1; p < periods; ++p) {
        std::vector<double> next(levels.size(), kNoDay);
        for (size_t to = 0; to < levels.size(); ++to)
          for (size_t at = 0; at < levels.size(); ++at)
            if (const double eur = cost[at] + moved(at, to) + running(p, to); eur < next[to])
              next[to] = eur, from[p][to] = at;
        cost = std::move(next);
      }
      for (size_t last = 0; last < levels.size(); ++last) {
        const double eur = cost[last] + (periods > 1 ? moved(last, first) : 0);
        if (!(eur < best * (1 - 1e-12))) continue;
        best = eur;
        wanted.assign(periods, 0);
        for (size_t p = periods, at = last; p-- > 0; at = from[p][at]) wanted[p] = levels[at];
      }
    }
    return wanted;
  }

  void set(size_t p, const KeptDeployment& kind, DayStanding& standing, uint32_t replicas) {
    const uint32_t now = replicas_of(standing);
    if (replicas == now) return;
    const double more = static_cast<double>(replicas) - now;
    accelerators_left_[p][kind.pool.value] -= static_cast<int64_t>(more) * kind.accelerators;
    kilowatts_left_[p][kind.site.value] -= more * kind.worst_kw;
    v1::Plan& plan = *day_[p].plan;
    if (standing.row == nullptr) {
      const grid::Snapshot& s = *day_[p].grid;
      v1::PlannedDeployment row;
      row.set_id(kind.id);
      row.set_pool(s.pools[kind.pool].id);
      row.set_model(s.models[kind.profile->model].id);
      row.set_profile(kind.profile->id);
      row.set_tensor_parallel(kind.accelerators);
      row.set_batch(kind.profile->points.back().batch);
      row.set_decode_ms_per_token(kind.profile->points.back().decode_per_token.value());
      write(kind, standing, replicas, &row);
      plan.set_cost_eur_per_hour(plan.cost_eur_per_hour() + row.cost_eur_per_hour());
      added_[p].push_back(std::move(row));
      return;
    }
    const double before = standing.row->cost_eur_per_hour();
    write(kind, standing, replicas, standing.row);
    plan.set_cost_eur_per_hour(plan.cost_eur_per_hour() + standing.row->cost_eur_per_hour() - before);
  }

  static void write(const KeptDeployment& kind, DayStanding& standing, uint32_t replicas, v1::PlannedDeployment* row) {
    const grid::OperatingPoint& point = point_of(*kind.profile, row->batch());
    const twin::Serving serving = twin::serve(*kind.profile, point, std::max(1u, replicas), standing.mix);
    const double before = row->cost_eur_per_hour();
    row->set_replicas(replicas);
    row->set_utilization(serving.utilization);
    row->set_power_w(kind.power_w(standing, replicas));
    row->set_cost_eur_per_hour(kind.cost_of(replicas, row->power_w()));
    const double work = standing.mix.work(point);
    for (const DayStanding::Served& served : standing.served) {
      twin::Mix own;
      own.add(*kind.profile, *served.demand, served.split->fraction());
      const twin::RequestSizes sizes = twin::sizes_of(*kind.profile, *served.demand);
      const double quantile = served.demand->promise.quantile;
      served.split->set_ttft_ms(served.split->round_trip_us() * 1e-3 + serving.ttft(sizes, quantile).value());
      served.split->set_tpot_ms(serving.tpot_at(sizes, quantile).value());
      if (work > 0)
        served.split->set_cost_eur_per_hour(served.split->cost_eur_per_hour() +
                                            (row->cost_eur_per_hour() - before) * own.work(point) / work);
    }
  }

  // Rows that came, and those that went, with the order by id kept.
  void add_idle(size_t p) {
    v1::Plan& plan = *day_[p].plan;
    std::vector<v1::PlannedDeployment> rows;
    for (v1::PlannedDeployment& row : *plan.mutable_deployments())
      if (row.replicas() > 0) rows.push_back(std::move(row));
    for (v1::PlannedDeployment& row : added_[p]) rows.push_back(std::move(row));
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.id() < b.id(); });
    plan.clear_deployments();
    for (v1::PlannedDeployment& row : rows) *plan.add_deployments() = std::move(row);
  }

  std::span<KeptPeriod> day_;
  double move_penalty_eur_;
  std::map<std::string, std::vector<DayStanding>> deployments_;  // by id, then period
  std::vector<std::vector<int64_t>> accelerators_left_;          // by period, then pool
  std::vector<std::vector<double>> kilowatts_left_;              // by period, then site
  std::vector<std::vector<v1::PlannedDeployment>> added_;        // by period
};

}  // namespace

void keep_replicas(std::span<KeptPeriod> day, double move_penalty_eur) {
  if (!day.empty()) ReplicaKeeping(day, move_penalty_eur).keep();
}

uint32_t moves_between(const v1::Plan& a, const v1::Plan& b) {
  uint32_t moves = 0;
  int i = 0, k = 0;
  while (i < a.deployments_size() || k < b.deployments_size()) {
    const bool left = i < a.deployments_size(), right = k < b.deployments_size();
    const int order = !right ? -1 : !left ? 1 : a.deployments(i).id().compare(b.deployments(k).id());
    const uint32_t before = order <= 0 ? a.deployments(i++).replicas() : 0;
    const uint32_t after = order >= 0 ? b.deployments(k++).replicas() : 0;
    moves += std::max(before, after) - std::min(before, after);
  }
  return moves;
}

}  // namespace tandem::planner
