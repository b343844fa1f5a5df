// Problems from foreign topologies and from grids; what cannot be carried is named.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>
#include <utility>

#include "te/segment_paths.h"
#include "te/te.h"
#include "twin/traffic.h"

namespace tandem::te {
namespace {

// Warnings of one kind are listed up to here, then counted: nobody reads more.
constexpr size_t kWarningsOfAKind = 20;

class Warnings {
 public:
  Warnings(std::string file, std::vector<Diagnostic>& diagnostics)
      : file_(std::move(file)), diagnostics_(diagnostics) {}
  ~Warnings() {
    for (const auto& [fix, count] : counts_) {
      if (count > kWarningsOfAKind)
        diagnostics_.push_back({Diagnostic::Severity::warning,
                                file_,
                                0,
                                fmt::format("and {} more: {}", count - kWarningsOfAKind, fix),
                                {}});
    }
  }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  void add(int line, std::string message, const std::string& fix) {
    if (++counts_[fix] <= kWarningsOfAKind)
      diagnostics_.push_back({Diagnostic::Severity::warning, file_, line, std::move(message), fix});
  }
  void error(int line, std::string message, std::string fix) {
    diagnostics_.push_back({Diagnostic::Severity::error, file_, line, std::move(message), std::move(fix)});
  }

 private:
  std::string file_;
  std::vector<Diagnostic>& diagnostics_;
  std::map<std::string, size_t> counts_;
};

// The two directions of a link, in the order of the file where there are several between the same nodes.
void pair_directions(std::vector<Arc>& arcs) {
  std::map<std::pair<uint32_t, uint32_t>, std::deque<uint32_t>> alone;
  for (uint32_t a = 0; a < arcs.size(); ++a) {
    auto& opposites = alone[{arcs[a].to, arcs[a].from}];
    if (opposites.empty()) {
      alone[{arcs[a].from, arcs[a].to}].push_back(a);
      continue;
    }
    arcs[a].opposite = opposites.front();
    arcs[opposites.front()].opposite = a;
    opposites.pop_front();
  }
}

// Which arcs without capacity would have to get some, and which closed nodes would have to open, for a path to be
// there: the fewest, by a search that counts them.
class Relaxation {
 public:
  Relaxation(const Problem& problem, std::vector<Arc> idle)
      : problem_(problem), usable_arcs_(problem.arcs.size()), all_(problem) {
    all_.arcs.insert(all_.arcs.end(), std::make_move_iterator(idle.begin()), std::make_move_iterator(idle.end()));
    all_.closed.clear();
    lengths_.resize(all_.arcs.size());
  }

  std::string of(const Demand& demand) {
    const ArcIndex by_to(all_, ArcIndex::By::to), by_from(all_, ArcIndex::By::from);
    for (size_t a = 0; a < lengths_.size(); ++a)
      lengths_[a] = (a < usable_arcs_ ? 0 : 1) + (problem_.passes(all_.arcs[a].to, demand.to) ? 0 : 1);
    std::vector<double> distance;
    ShortestDistances().find(all_, by_to, lengths_, demand.to, distance);
    if (distance[demand.from] >= kUnreachable) {
      return fmt::format("a link from {} or a node it reaches to {} or a node that reaches it",
                         problem_.nodes[demand.from], problem_.nodes[demand.to]);
    }
    return what_a_path_needs(demand, by_from, distance);
  }

 private:
  // Walks down the distances; among arcs with capacity a walk could turn in circles, so it marks where it was.
  std::string what_a_path_needs(const Demand& demand, const ArcIndex& by_from,
                                const std::vector<double>& distance) const {
    std::vector<uint8_t> seen(all_.nodes.size(), 0);
    std::vector<std::pair<uint32_t, std::string>> stack{{demand.from, {}}};
    while (!stack.empty()) {
      const auto [node, names] = stack.back();
      stack.pop_back();
      if (node == demand.to) return names;
      if (std::exchange(seen[node], 1)) continue;
      for (const uint32_t a : by_from.of(node)) {
        const Arc& arc = all_.arcs[a];
        if (distance[arc.to] + lengths_[a] != distance[node] || seen[arc.to]) continue;
        std::string more = names;
        const auto add = [&](std::string_view what, const std::string& name) {
          more += fmt::format("{}{} {}", more.empty() ? "" : ", ", what, name);
        };
        if (a >= usable_arcs_) add("capacity on", arc.label);
        if (!problem_.passes(arc.to, demand.to)) add("no overload bit at", all_.nodes[arc.to]);
        stack.emplace_back(arc.to, std::move(more));
      }
    }
    return {};
  }

  const Problem& problem_;
  size_t usable_arcs_;
  Problem all_;
  std::vector<double> lengths_;
};

// Moves what has no path from `demands` to `blocked`.
void block_unreachable(Problem& problem, std::vector<Arc> idle) {
  const ArcIndex by_to(problem, ArcIndex::By::to);
  std::vector<std::vector<uint32_t>> towards(problem.nodes.size());
  for (uint32_t d = 0; d < problem.demands.size(); ++d) towards[problem.demands[d].to].push_back(d);
  const std::vector<double> ones(problem.arcs.size(), 1);
  std::vector<uint8_t> cut(problem.demands.size(), 0);
  std::vector<double> distance;
  ShortestDistances distances;
  bool any = false;
  for (uint32_t to = 0; to < towards.size(); ++to) {
    if (towards[to].empty()) continue;
    distances.find(problem, by_to, ones, to, distance);
    for (const uint32_t d : towards[to]) {
      if (distance[problem.demands[d].from] >= kUnreachable) cut[d] = 1, any = true;
    }
  }
  if (!any) return;
  Relaxation relaxation(problem, std::move(idle));
  std::vector<Demand> kept;
  for (uint32_t d = 0; d < problem.demands.size(); ++d) {
    Demand& demand = problem.demands[d];
    if (!cut[d]) {
      kept.push_back(std::move(demand));
      continue;
    }
    problem.blocked.push_back(
        {demand.label, demand.rate_gbps,
         fmt::format("no path with capacity from {} to {}{}{}", problem.nodes[demand.from], problem.nodes[demand.to],
                     demand.flex_algo.empty() ? "" : " in flex algorithm " + demand.flex_algo,
                     problem.closed.empty() ? "" : " that avoids overloaded routers"),
         relaxation.of(demand)});
  }
  problem.demands = std::move(kept);
}

// A label two nodes share cannot be written in a segment list.
void find_waypoints(Problem& problem, const std::vector<int>& lines, Warnings& warnings) {
  std::map<std::string, size_t> count;
  for (const std::string& label : problem.nodes) ++count[label];
  problem.waypoint.assign(problem.nodes.size(), 1);
  for (size_t i = 0; i < problem.nodes.size(); ++i) {
    if (count[problem.nodes[i]] == 1) continue;
    problem.waypoint[i] = 0;
    warnings.add(lines[i], fmt::format("several nodes are called '{}'", problem.nodes[i]),
                 "no policy goes over a node whose label is not its own");
  }
}

bool small_enough(size_t nodes, Warnings& warnings) {
  if (nodes <= kNodesMax) return true;
  warnings.error(0, fmt::format("there are {} nodes", nodes),
                 fmt::format("traffic engineering takes at most {}", kNodesMax));
  return false;
}

void add_demand(Problem& problem, Demand demand, Warnings& warnings) {
  if (demand.from == demand.to)
    return warnings.add(0, fmt::format("{} goes from {} to itself", demand.label, problem.nodes[demand.from]),
                        "it loads no link");
  if (demand.rate_gbps <= 0) return warnings.add(0, fmt::format("{} has no rate", demand.label), "it loads no link");
  problem.demands.push_back(std::move(demand));
}

void refuse_shared_labels(const Problem& problem, Warnings& warnings) {
  std::vector<std::string_view> labels;
  for (const Demand& demand : problem.demands) labels.push_back(demand.label);
  std::sort(labels.begin(), labels.end());
  for (size_t i = 1; i < labels.size(); ++i) {
    if (labels[i] == labels[i - 1] && (i == 1 || labels[i] != labels[i - 2]))
      warnings.error(0, fmt::format("several demands are called '{}'", labels[i]),
                     "give each a label of its own: policies name them");
  }
}

}  // namespace

size_t Problem::fixed_demands() const {
  return static_cast<size_t>(std::count_if(demands.begin(), demands.end(), [](const Demand& d) { return d.fixed; }));
}

Problem make_problem(const ingest::Topology& topology, const std::string& file, std::vector<Diagnostic>& diagnostics) {
  Problem problem;
  Warnings warnings(file, diagnostics);
  if (!small_enough(topology.nodes.size(), warnings)) return problem;
  std::vector<int> lines;
  for (const ingest::TopologyNode& node : topology.nodes) {
    problem.nodes.push_back(node.label);
    lines.push_back(node.line);
  }
  find_waypoints(problem, lines, warnings);
  std::vector<Arc> idle;
  for (const ingest::TopologyEdge& edge : topology.edges) {
    if (edge.weight <= 0) {
      warnings.error(edge.line, fmt::format("{} has the weight 0", edge.label),
                     "write a weight above 0: paths of weight 0 have no order");
      continue;
    }
    if (edge.from == edge.to) {
      warnings.add(edge.line, fmt::format("{} goes from a node to itself", edge.label), "left out: no path uses it");
      continue;
    }
    Arc arc{edge.label, static_cast<uint32_t>(edge.from), static_cast<uint32_t>(edge.to), edge.capacity, edge.weight,
            kNoArc};
    Arc back = arc;
    std::swap(back.from, back.to);
    std::vector<Arc>& place = edge.capacity > 0 ? problem.arcs : idle;
    if (edge.capacity <= 0)
      warnings.add(edge.line, fmt::format("{} has no capacity", edge.label), "left out: nothing is routed over it");
    place.push_back(std::move(arc));
    if (!topology.directed) place.push_back(std::move(back));
  }
  pair_directions(problem.arcs);
  for (const ingest::TopologyDemand& demand : topology.demands)
    add_demand(problem,
               {demand.label, static_cast<uint32_t>(demand.from), static_cast<uint32_t>(demand.to), demand.rate},
               warnings);
  refuse_shared_labels(problem, warnings);
  block_unreachable(problem, std::move(idle));
  return problem;
}

namespace {

constexpr uint32_t kNowhere = UINT32_MAX;

// The problem of a grid: the IGP's plane first, its nodes and arcs in the order of the grid's, then those of the
// algorithms that some traffic takes.
class GridProblem {
 public:
  GridProblem(const grid::Snapshot& snapshot, Problem& problem) : snapshot_(snapshot), problem_(problem) {
    first_arc_.assign(snapshot.links.size(), kNoArc);
    nodes_of_.resize(1 + snapshot.flex_algos.size());
  }

  // Makes the plane where it is not there yet.
  void add_plane(grid::FlexAlgoIndex algo) {
    std::vector<uint32_t>& nodes = nodes_of_[position_of(algo)];
    if (!nodes.empty()) return;
    nodes.assign(snapshot_.nodes.size(), kNowhere);
    const auto node = [&](grid::NodeIndex at) {
      uint32_t& position = nodes[at.value];
      if (position == kNowhere) position = add_node(at);
      return position;
    };
    if (!algo.valid())
      for (size_t i = 0; i < snapshot_.nodes.size(); ++i) node(grid::NodeIndex(i));
    for (size_t i = 0; i < snapshot_.links.size(); ++i) {
      const grid::LinkIndex index(i);
      const auto metric = twin::metric_in(snapshot_, algo, index);
      if (!metric || !snapshot_.usable(index)) continue;
      const grid::Link& link = snapshot_.links[index];
      const auto there = static_cast<uint32_t>(problem_.arcs.size());
      const uint32_t a = node(link.a), b = node(link.b);
      const uint32_t shares = first_arc_[i], back = shares == kNoArc ? kNoArc : shares + 1;
      problem_.arcs.push_back(
          {link.id, a, b, link.capacity_ab.value(), *metric, there + 1, shares, link.delay.value()});
      problem_.arcs.push_back({link.id, b, a, link.capacity_ba.value(), *metric, there, back, link.delay.value()});
      if (!algo.valid()) first_arc_[i] = there;
    }
  }

  // The node in the plane of the algorithm; kNowhere where it is not in it.
  uint32_t node(grid::NodeIndex at, grid::FlexAlgoIndex algo) const { return nodes_of_[position_of(algo)][at.value]; }

  // The arcs that links lead over from a node; none where one of them is down.
  std::vector<uint32_t> arcs_along(std::span<const grid::LinkIndex> links, grid::NodeIndex from, grid::NodeIndex to) {
    std::vector<uint32_t> arcs;
    for (const uint32_t slot : twin::usable_slots_along(snapshot_, links, from, to))
      arcs.push_back(first_arc_[slot / 2] + slot % 2);
    return arcs;
  }

 private:
  static size_t position_of(grid::FlexAlgoIndex algo) { return algo.valid() ? 1 + size_t{algo.value} : 0; }

  uint32_t add_node(grid::NodeIndex at) {
    const grid::Node& node = snapshot_.nodes[at];
    problem_.nodes.push_back(node.id);
    problem_.waypoint.push_back(!node.overload && snapshot_.usable(at));
    problem_.closed.push_back(node.overload ? 1 : 0);
    problem_.jurisdictions.push_back(snapshot_.jurisdiction_of(node.site));
    return static_cast<uint32_t>(problem_.nodes.size() - 1);
  }

  const grid::Snapshot& snapshot_;
  Problem& problem_;
  std::vector<uint32_t> first_arc_;              // by link, of the IGP's plane; kNoArc where it is down
  std::vector<std::vector<uint32_t>> nodes_of_;  // by plane, then node of the grid
};

// What the demands of one tenant send under a plan: those between the same two routers in the same algorithm as one,
// which leaves to policies what the strictest of them does.
class TenantTraffic {
 public:
  TenantTraffic(const grid::Snapshot& snapshot, grid::TenantIndex tenant, const twin::Assignment& assignment,
                const std::vector<double>& slack_us)
      : snapshot_(snapshot), tenant_(snapshot.tenants[tenant]), matrix_(twin::demand_traffic(snapshot, assignment)) {
    for (const twin::Assignment::Share& share : assignment.shares) {
      const grid::Demand& demand = snapshot.demands[share.demand];
      const auto anchor = twin::active_anchor(snapshot, demand.region);
      if (!anchor) continue;
      // Of a round trip, half is left to each direction.
      const double longer_us = slack_us.empty() ? 0 : std::max(0.0, slack_us[share.demand.value] / 2);
      const auto [least, fresh] =
          longer_max_us_.try_emplace(ends(anchor->node, snapshot.pools[share.pool].node, demand.flex_algo), longer_us);
      if (!fresh) least->second = std::min(least->second, longer_us);
    }
  }

  void add_planes(GridProblem& made) const {
    for (const auto& flow : matrix_.flows) made.add_plane(flow.flex_algo);
    for (const auto& flow : matrix_.steered) made.add_plane(flow.flex_algo);
  }

  void add_demands(GridProblem& made, Problem& problem, Warnings& warnings) const {
    for (const twin::TrafficMatrix::Flow& flow : matrix_.flows) {
      Demand demand = demand_of(flow, made);
      if (!blocked_outside(demand, problem)) add_demand(problem, std::move(demand), warnings);
    }
    size_t number = 0;
    for (const twin::TrafficMatrix::Steered& flow : matrix_.steered) {
      Steered steered{demand_of(flow, made), made.arcs_along(flow.primary, flow.from, flow.to),
                      made.arcs_along(flow.second, flow.from, flow.to)};
      steered.demand.label += fmt::format(", pair of ways {}", ++number);
      if (blocked_outside(steered.demand, problem)) continue;
      if (steered.primary.empty()) steered.primary.swap(steered.second);
      if (steered.primary.empty())
        add_demand(problem, std::move(steered.demand), warnings);
      else
        problem.steered.push_back(std::move(steered));
    }
  }

 private:
  using Ends = std::tuple<grid::NodeIndex, grid::NodeIndex, grid::FlexAlgoIndex>;
  static Ends ends(grid::NodeIndex a, grid::NodeIndex b, grid::FlexAlgoIndex algo) {
    return {std::min(a, b), std::max(a, b), algo};
  }

  // Names it among what cannot be carried where an end is not in its plane.
  static bool blocked_outside(const Demand& demand, Problem& problem) {
    if (demand.from != kNowhere && demand.to != kNowhere) return false;
    problem.blocked.push_back({demand.label, demand.rate_gbps, "one of its ends has no link in that topology",
                               "a link there that the algorithm's rules admit"});
    return true;
  }

  template <class Flow>
  Demand demand_of(const Flow& flow, const GridProblem& made) const {
    return {fmt::format("{}: {} > {}{}", tenant_.id, snapshot_.nodes[flow.from].id, snapshot_.nodes[flow.to].id,
                        twin::in_algorithm(snapshot_, flow.flex_algo)),
            made.node(flow.from, flow.flex_algo),
            made.node(flow.to, flow.flex_algo),
            flow.rate.value(),
            flow.flex_algo.valid() ? snapshot_.flex_algos[flow.flex_algo].id : "",
            true,
            tenant_.residency,
            longer_max_us_.at(ends(flow.from, flow.to, flow.flex_algo))};
  }

  const grid::Snapshot& snapshot_;
  const grid::Tenant& tenant_;
  twin::TrafficMatrix matrix_;
  std::map<Ends, double> longer_max_us_;
};

std::vector<TenantTraffic> by_tenant(const grid::Snapshot& snapshot, const PlannedTraffic& planned) {
  std::map<grid::TenantIndex, twin::Assignment> shares;
  for (const twin::Assignment::Share& share : planned.assignment.shares)
    shares[snapshot.demands[share.demand].tenant].shares.push_back(share);
  std::vector<TenantTraffic> all;
  for (const auto& [tenant, assignment] : shares) all.emplace_back(snapshot, tenant, assignment, planned.slack_us);
  return all;
}

}  // namespace

Problem make_problem(const grid::Snapshot& snapshot, const PlannedTraffic& planned,
                     std::vector<Diagnostic>& diagnostics) {
  Problem problem;
  Warnings warnings(snapshot.name, diagnostics);
  GridProblem made(snapshot, problem);
  made.add_plane({});
  const std::vector<TenantTraffic> tenants = by_tenant(snapshot, planned);
  for (const TenantTraffic& tenant : tenants) tenant.add_planes(made);
  if (!small_enough(problem.nodes.size(), warnings)) return {};
  if (std::count(problem.closed.begin(), problem.closed.end(), 1) == 0) problem.closed.clear();
  for (size_t i = 0; i < snapshot.traffic.size(); ++i) {
    const grid::Traffic& traffic = snapshot.traffic[Index<grid::Traffic>(i)];
    add_demand(problem, {traffic.id, traffic.from.value, traffic.to.value, traffic.rate.value()}, warnings);
  }
  for (const TenantTraffic& tenant : tenants) tenant.add_demands(made, problem, warnings);
  block_unreachable(problem, {});
  return problem;
}

}  // namespace tandem::te
