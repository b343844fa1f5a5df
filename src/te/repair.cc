// After a failure: what is left, and the few policies that help most.
#include <fmt/format.h>

#include <algorithm>

#include "te/column_generation.h"
#include "te/columns.h"
#include "te/steering.h"
#include "te/te.h"

namespace tandem::te {
namespace {

// By destination, which nodes still reach it; rows are made when asked for.
class Reachability {
 public:
  Reachability(const Problem& problem, std::span<const uint8_t> down)
      : problem_(problem),
        by_to_(problem, ArcIndex::By::to),
        lengths_(problem.arcs.size()),
        rows_(problem.nodes.size()) {
    for (size_t a = 0; a < lengths_.size(); ++a) lengths_[a] = down[a] ? kUnreachable : problem.arcs[a].metric;
  }
  bool reaches(uint32_t from, uint32_t to) {
    if (rows_[to].empty()) distances_.find(problem_, by_to_, lengths_, to, rows_[to]);
    return rows_[to][from] < kUnreachable;
  }

 private:
  const Problem& problem_;
  ArcIndex by_to_;
  std::vector<double> lengths_;
  std::vector<std::vector<double>> rows_;
  ShortestDistances distances_;
};

// A demand as it is routed now.
struct Standing {
  std::vector<Route> routes;
};

class RepairSearch {
 public:
  RepairSearch(const Survivors& survivors, const RepairOptions& options)
      : problem_(survivors.problem),
        options_(options),
        paths_(problem_, survivors.down),
        routes_(problem_, paths_, 1, 2),
        standing_(problem_.demands.size()) {
    for (const Policy& policy : survivors.policies)
      standing_[policy.demand].routes.push_back({SegmentRoutes::tag_of(policy.segments), policy.fraction});
    for (Standing& standing : standing_) {
      if (standing.routes.empty()) standing.routes.push_back({SegmentRoutes::kPlain, 1});
    }
    loads_ = loads_of(problem_, survivors.policies, survivors.down);
    for (size_t a = 0; a < loads_.size(); ++a) loads_[a] /= problem_.arcs[a].capacity_gbps;
  }

  Repair run() {
    Repair repair;
    repair.mlu_failed = repair.mlu = *std::max_element(loads_.begin(), loads_.end());
    if (repair.mlu <= 0) return repair;
    Shared best = share({});
    while (best.demands.size() < options_.changes_max) {
      Shared next = best;
      for (const uint32_t candidate : candidates(best)) {
        std::vector<uint32_t> demands = best.demands;
        demands.push_back(candidate);
        Shared shared = share(demands);
        if (shared.level < next.level) next = std::move(shared);
      }
      if (next.level > best.level * (1 - kGainMin)) break;
      best = std::move(next);
    }
    write(best, repair);
    return repair;
  }

 private:
  static constexpr double kGainMin = 1e-3;
  static constexpr uint64_t kPivotsMax = 400;  // of one program of at most a few demands

  struct Shared {
    std::vector<uint32_t> demands;
    double level = 0;
    std::vector<double> prices;
    std::vector<std::vector<Route>> routes;  // by position in demands
  };

  Pair pair_of(uint32_t demand) const {
    const Demand& d = problem_.demands[demand];
    return {d.from, d.to, d.rate_gbps};
  }

  GroupedSimplex::Column background(const std::vector<uint32_t>& demands) const {
    std::vector<double> loads = loads_;
    for (const uint32_t d : demands) {
      for (const Route& route : standing_[d].routes) {
        for (const auto& entry : routes_.entries(pair_of(d), route.tag))
          loads[entry.row] -= route.fraction * entry.value;
      }
    }
    GroupedSimplex::Column column{0, 0, 0, {}};
    for (uint32_t a = 0; a < loads.size(); ++a) {
      if (loads[a] > 0) column.entries.push_back({a, loads[a]});
    }
    return column;
  }

  // The least level when these demands are shared anew and all others stay: every route over one waypoint is a column.
  Shared share(const std::vector<uint32_t>& demands) {
    std::vector<GroupedSimplex::Column> first{background(demands)};
    for (uint32_t i = 0; i < demands.size(); ++i)
      first.push_back({i + 1, SegmentRoutes::kPlain, 0, routes_.entries(pair_of(demands[i]), SegmentRoutes::kPlain)});
    GroupedSimplex simplex(problem_.arcs.size(), std::move(first));
    for (bool more = true; more && simplex.pivots() < kPivotsMax;) {
      more = false;
      for (uint32_t i = 0; i < demands.size(); ++i) more |= bring_in_cheapest(simplex, i + 1, pair_of(demands[i]));
    }
    Shared shared{demands, simplex.level(), {simplex.prices().begin(), simplex.prices().end()}, {}};
    shared.routes.resize(demands.size());
    for (const auto& each : simplex.shares()) {
      if (each.column->group > 0) shared.routes[each.column->group - 1].push_back({each.column->tag, each.fraction});
    }
    return shared;
  }

  bool bring_in_cheapest(GroupedSimplex& simplex, uint32_t group, const Pair& pair) {
    const std::span<const double> prices = simplex.prices();
    double cheapest = price_of_leg(prices, pair.from, pair.to);
    uint64_t tag = SegmentRoutes::kPlain;
    for (uint32_t waypoint = 0; waypoint < problem_.nodes.size(); ++waypoint) {
      if (waypoint == pair.from || waypoint == pair.to || !problem_.waypoint[waypoint]) continue;
      if (!paths_.reaches(pair.from, waypoint) || !paths_.reaches(waypoint, pair.to)) continue;
      const double price = price_of_leg(prices, pair.from, waypoint) + price_of_leg(prices, waypoint, pair.to);
      if (price >= cheapest) continue;
      cheapest = price;
      tag = SegmentRoutes::tag_of(std::span(&waypoint, 1));
    }
    return simplex.bring_in({group, tag, 0, routes_.entries(pair, tag)}, kPivotsMax);
  }

  double price_of_leg(std::span<const double> prices, uint32_t from, uint32_t to) const {
    double sum = 0;
    for (const ArcFraction& share : paths_.between(from, to)) {
      if (prices[share.arc] > 0)
        sum += prices[share.arc] * static_cast<double>(share.fraction) / problem_.arcs[share.arc].capacity_gbps;
    }
    return sum;
  }

  // The demands that a change would help most at these prices.
  std::vector<uint32_t> candidates(const Shared& shared) {
    routes_.set_prices(shared.prices);
    std::vector<std::pair<double, uint32_t>> savings;  // negative, so that the best are first
    for (uint32_t d = 0; d < problem_.demands.size(); ++d) {
      if (problem_.demands[d].planned) continue;
      const Pair pair = pair_of(d);
      double now = 0;
      for (const Route& route : standing_[d].routes) now += route.fraction * routes_.price(pair, route.tag);
      if (now <= 0 || std::find(shared.demands.begin(), shared.demands.end(), d) != shared.demands.end()) continue;
      const double plain = pair.rate_gbps * routes_.leg(pair.from, pair.to);
      const double then = std::min(plain, pair.rate_gbps * static_cast<double>(routes_.cheapest_detour(pair).price));
      if (then < now) savings.emplace_back(then - now, d);
    }
    const size_t count = std::min<size_t>(savings.size(), options_.candidates_max);
    std::partial_sort(savings.begin(), savings.begin() + static_cast<ptrdiff_t>(count), savings.end());
    std::vector<uint32_t> demands;
    for (size_t i = 0; i < count; ++i) demands.push_back(savings[i].second);
    return demands;
  }

  void write(const Shared& shared, Repair& repair) const {
    repair.changed = static_cast<uint32_t>(shared.demands.size());
    for (size_t i = 0; i < shared.demands.size(); ++i) {
      std::vector<Route> routes = shared.routes[i];
      normalise(routes);
      for (const Route& route : routes)
        repair.changes.push_back({shared.demands[i], SegmentRoutes::waypoints(route.tag), route.fraction});
    }
  }

  const Problem& problem_;
  const RepairOptions& options_;
  SegmentPaths paths_;
  SegmentRoutes routes_;
  std::vector<Standing> standing_;  // by demand
  std::vector<double> loads_;       // by arc, over its capacity
};

}  // namespace

Survivors survivors_of(const Problem& problem, std::span<const Policy> policies,
                       std::span<const uint32_t> failed_arcs) {
  Survivors left;
  left.problem.nodes = problem.nodes;
  left.problem.waypoint = problem.waypoint;
  left.problem.closed = problem.closed;
  left.problem.jurisdictions = problem.jurisdictions;
  left.problem.arcs = problem.arcs;
  left.down.assign(problem.arcs.size(), 0);
  for (const uint32_t arc : failed_arcs) left.down[problem.row(arc)] = 1;
  for (uint32_t a = 0; a < problem.arcs.size(); ++a) left.down[a] = left.down[problem.row(a)];
  Reachability reachability(problem, left.down);
  const auto keep = [&](const Demand& demand) {
    const bool kept = reachability.reaches(demand.from, demand.to);
    if (kept)
      left.problem.demands.push_back(demand);
    else
      left.problem.blocked.push_back(
          {demand.label, demand.rate_gbps, "the failure cuts it off", "another link across the cut"});
    return kept;
  };
  std::vector<uint32_t> index(problem.demands.size(), UINT32_MAX);
  for (uint32_t d = 0; d < problem.demands.size(); ++d) {
    const auto position = static_cast<uint32_t>(left.problem.demands.size());
    if (keep(problem.demands[d])) index[d] = position;
  }
  const auto stands = [&](const std::vector<uint32_t>& way) {
    return !way.empty() && std::none_of(way.begin(), way.end(), [&](uint32_t arc) { return left.down[arc] != 0; });
  };
  for (const Steered& steered : problem.steered) {
    if (stands(steered.primary))
      left.problem.steered.push_back(steered);
    else if (stands(steered.second))
      left.problem.steered.push_back({steered.demand, steered.second, {}});
    else
      keep(steered.demand);
  }
  for (size_t i = 0; i < policies.size();) {
    size_t end = i;
    bool holds = index[policies[i].demand] != UINT32_MAX;
    for (; end < policies.size() && policies[end].demand == policies[i].demand; ++end) {
      uint32_t at = problem.demands[policies[i].demand].from;
      for (const uint32_t segment : policies[end].segments) {
        holds = holds && reachability.reaches(at, problem.start_of(segment)) &&
                !(problem.names_link(segment) && left.down[problem.link_of(segment)] != 0);
        at = problem.end_of(segment);
      }
      holds = holds && reachability.reaches(at, problem.demands[policies[i].demand].to);
    }
    for (; i < end; ++i) {
      if (holds) left.policies.push_back({index[policies[i].demand], policies[i].segments, policies[i].fraction});
    }
  }
  return left;
}

std::vector<std::vector<uint32_t>> links_of(const Problem& problem) {
  std::vector<std::vector<uint32_t>> links;
  for (uint32_t a = 0; a < problem.arcs.size(); ++a) {
    const uint32_t opposite = problem.arcs[a].opposite;
    if (problem.row(a) != a || opposite < a) continue;
    links.push_back({a});
    if (opposite != kNoArc) links.back().push_back(opposite);
  }
  return links;
}

std::vector<Policy> repaired(const Survivors& survivors, const Repair& repair) {
  std::vector<uint8_t> changed(survivors.problem.demands.size(), 0);
  for (const Policy& change : repair.changes) changed[change.demand] = 1;
  std::vector<Policy> policies;
  for (const Policy& policy : survivors.policies)
    if (!changed[policy.demand]) policies.push_back(policy);
  policies.insert(policies.end(), repair.changes.begin(), repair.changes.end());
  return policies;
}

Repair repair(const Survivors& survivors, const RepairOptions& options) {
  Repair made = RepairSearch(survivors, options).run();
  // As it is written down, which is not quite as the program shared it.
  if (!made.changes.empty())
    made.mlu = mlu_of(survivors.problem, loads_of(survivors.problem, repaired(survivors, made), survivors.down));
  return made;
}

}  // namespace tandem::te
