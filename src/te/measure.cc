// What policies do to links, and what prices prove: slow and plain, for everyone to check the search by.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "te/segment_paths.h"
#include "te/te.h"

namespace tandem::te {
namespace {

// Adds the traffic of each node towards `target`, split evenly over the equal-cost next hops at every node.
void add_towards(const Problem& problem, uint32_t target, const ArcIndex& by_from, const std::vector<double>& distance,
                 const std::vector<double>& metric, const std::vector<uint32_t>& order, std::vector<double> traffic,
                 std::vector<double>& loads) {
  for (size_t i = order.size(); i-- > 1;) {
    const uint32_t node = order[i];
    if (traffic[node] == 0) continue;
    std::vector<uint32_t> next_hops;
    for (const uint32_t a : by_from.of(node)) {
      if (metric[a] < kUnreachable && distance[problem.arcs[a].to] + metric[a] == distance[node] &&
          problem.passes(problem.arcs[a].to, target))
        next_hops.push_back(a);
    }
    for (const uint32_t a : next_hops) {
      const double each = traffic[node] / static_cast<double>(next_hops.size());
      loads[problem.row(a)] += each;
      traffic[problem.arcs[a].to] += each;
    }
  }
}

// The traffic of every leg over shortest paths, by where it ends and where it begins.
class Legs {
 public:
  explicit Legs(const Problem& problem) : problem_(problem), legs_(problem.nodes.size()) {}

  // Of a demand, over the segments of a list; what they name of links loads those at once.
  void add(const Demand& demand, std::span<const uint32_t> segments, double rate, std::vector<double>& loads) {
    uint32_t at = demand.from;
    for (const uint32_t segment : segments) {
      add_leg(at, problem_.start_of(segment), rate);
      if (problem_.names_link(segment)) loads[problem_.row(problem_.link_of(segment))] += rate;
      at = problem_.end_of(segment);
    }
    add_leg(at, demand.to, rate);
  }

  void spread(std::span<const uint8_t> down, std::vector<double>& loads) && {
    const ArcIndex by_from(problem_, ArcIndex::By::from), by_to(problem_, ArcIndex::By::to);
    std::vector<double> metric;
    for (size_t a = 0; a < problem_.arcs.size(); ++a)
      metric.push_back(!down.empty() && down[a] ? kUnreachable : problem_.arcs[a].metric);
    std::vector<double> distance;
    std::vector<uint32_t> order;
    ShortestDistances distances;
    for (uint32_t to = 0; to < legs_.size(); ++to) {
      if (legs_[to].empty()) continue;
      distances.find(problem_, by_to, metric, to, distance, &order);
      for (uint32_t from = 0; from < legs_.size(); ++from) CHECK(legs_[to][from] == 0 || distance[from] < kUnreachable);
      add_towards(problem_, to, by_from, distance, metric, order, std::move(legs_[to]), loads);
    }
  }

 private:
  void add_leg(uint32_t from, uint32_t to, double rate) {
    if (from == to) return;
    if (legs_[to].empty()) legs_[to].assign(legs_.size(), 0);
    legs_[to][from] += rate;
  }

  const Problem& problem_;
  std::vector<std::vector<double>> legs_;
};

}  // namespace

std::vector<double> loads_of(const Problem& problem, std::span<const Policy> policies, std::span<const uint8_t> down) {
  std::vector<double> loads(problem.arcs.size(), 0);
  Legs legs(problem);
  std::vector<uint8_t> steered(problem.demands.size(), 0);
  for (const Policy& policy : policies) {
    const Demand& demand = problem.demands[policy.demand];
    steered[policy.demand] = 1;
    legs.add(demand, policy.segments, demand.rate_gbps * policy.fraction, loads);
  }
  for (size_t d = 0; d < steered.size(); ++d) {
    if (!steered[d]) legs.add(problem.demands[d], {}, problem.demands[d].rate_gbps, loads);
  }
  for (const Steered& each : problem.steered)
    for (const uint32_t arc : each.primary) loads[arc] += each.demand.rate_gbps;
  std::move(legs).spread(down, loads);
  return loads;
}

std::vector<double> way_of(const Problem& problem, const Policy& policy) {
  std::vector<double> parts(problem.arcs.size(), 0);
  Legs legs(problem);
  legs.add(problem.demands[policy.demand], policy.segments, 1, parts);
  std::move(legs).spread({}, parts);
  return parts;
}

namespace {

// By node, the longest of its equal-cost branches towards one target, and where they lead.
struct Branches {
  std::vector<double> delay_us;  // kUnreachable where there is none
  std::vector<grid::JurisdictionSet> jurisdictions;
};

class BranchesByTarget {
 public:
  explicit BranchesByTarget(const Problem& problem)
      : problem_(problem), by_from_(problem, ArcIndex::By::from), by_to_(problem, ArcIndex::By::to) {
    for (const Arc& arc : problem.arcs) metric_.push_back(arc.metric);
  }

  const Branches& towards(uint32_t target) {
    const auto [at, fresh] = made_.try_emplace(target);
    Branches& made = at->second;
    if (!fresh) return made;
    std::vector<double> distance;
    std::vector<uint32_t> order;
    distances_.find(problem_, by_to_, metric_, target, distance, &order);
    made.delay_us.assign(problem_.nodes.size(), kUnreachable);
    made.jurisdictions = problem_.jurisdictions;
    made.delay_us[target] = 0;
    for (size_t i = 1; i < order.size(); ++i) {
      const uint32_t node = order[i];
      double longest = 0;
      for (const uint32_t a : by_from_.of(node)) {
        const uint32_t to = problem_.arcs[a].to;
        if (distance[to] + metric_[a] != distance[node] || !problem_.passes(to, target)) continue;
        longest = std::max(longest, problem_.arcs[a].delay_us + made.delay_us[to]);
        made.jurisdictions[node] = made.jurisdictions[node] | made.jurisdictions[to];
      }
      made.delay_us[node] = longest;
    }
    return made;
  }

 private:
  const Problem& problem_;
  ArcIndex by_from_, by_to_;
  std::vector<double> metric_;
  ShortestDistances distances_;
  std::map<uint32_t, Branches> made_;
};

}  // namespace

std::vector<uint32_t> astray(const Problem& problem, std::span<const Policy> policies) {
  constexpr double kRoundingUs = 1e-6;
  BranchesByTarget branches(problem);
  std::vector<uint32_t> gone;
  for (const Policy& policy : policies) {
    const Demand& demand = problem.demands[policy.demand];
    if (!demand.planned || (!gone.empty() && gone.back() == policy.demand)) continue;
    double delay_us = 0;
    grid::JurisdictionSet passed;
    uint32_t at = demand.from;
    const auto go_to = [&](uint32_t node) {
      const Branches& leg = branches.towards(node);
      delay_us += leg.delay_us[at];
      passed = passed | leg.jurisdictions[at];
      at = node;
    };
    for (const uint32_t segment : policy.segments) {
      go_to(problem.start_of(segment));
      if (!problem.names_link(segment)) continue;
      delay_us += problem.arcs[problem.link_of(segment)].delay_us;
      at = problem.end_of(segment);
    }
    go_to(demand.to);
    const double plain_us = branches.towards(demand.to).delay_us[demand.from];
    if (delay_us > plain_us + demand.longer_max_us + kRoundingUs || !demand.allowed.contains(passed))
      gone.push_back(policy.demand);
  }
  return gone;
}

double mlu_of(const Problem& problem, std::span<const double> loads_gbps) {
  double fullest = 0;
  for (size_t a = 0; a < problem.arcs.size(); ++a)
    fullest = std::max(fullest, loads_gbps[a] / problem.arcs[a].capacity_gbps);
  return fullest;
}

double bound_of(const Problem& problem, std::span<const double> prices) {
  // Far above what sums of ~10⁶ doubles lose, far below any gap of interest.
  constexpr double kRoundingDown = 1 - 1e-10;
  CHECK(prices.size() == problem.arcs.size());
  double denominator = 0, numerator = 0;
  std::vector<double> lengths(prices.size());
  for (uint32_t a = 0; a < prices.size(); ++a) {
    CHECK(prices[a] >= 0);
    lengths[a] = prices[problem.row(a)];
    if (problem.row(a) == a) denominator += problem.arcs[a].capacity_gbps * prices[a];
  }
  if (denominator <= 0) return 0;
  std::vector<std::vector<const Demand*>> towards(problem.nodes.size());
  for (const Demand& demand : problem.demands)
    if (!demand.fixed) towards[demand.to].push_back(&demand);
  const ArcIndex by_to(problem, ArcIndex::By::to);
  std::vector<double> distance;
  ShortestDistances distances;
  for (uint32_t to = 0; to < towards.size(); ++to) {
    if (towards[to].empty()) continue;
    distances.find(problem, by_to, lengths, to, distance);
    for (const Demand* demand : towards[to]) numerator += demand->rate_gbps * distance[demand->from];
  }
  Problem unmoved = problem;
  std::erase_if(unmoved.demands, [](const Demand& demand) { return !demand.fixed; });
  const std::vector<double> stays = loads_of(unmoved, {});
  for (size_t a = 0; a < stays.size(); ++a) numerator += stays[a] * lengths[a];
  return numerator / denominator * kRoundingDown;
}

}  // namespace tandem::te
