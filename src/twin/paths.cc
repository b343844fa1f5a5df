#include <algorithm>
#include <cmath>
#include <queue>
#include <utility>

#include "base/check.h"
#include "twin/twin.h"

namespace tandem::twin {

namespace {

// Both ascending.
size_t shared_groups(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return static_cast<size_t>(std::count_if(
      a.begin(), a.end(), [&](const std::string& group) { return std::binary_search(b.begin(), b.end(), group); }));
}

bool takes_part(const grid::FlexAlgo& algo, grid::NodeIndex node) {
  return algo.participants.empty() || std::binary_search(algo.participants.begin(), algo.participants.end(), node);
}

}  // namespace

std::optional<double> metric_in(const grid::Snapshot& snapshot, grid::FlexAlgoIndex index, grid::LinkIndex at) {
  const grid::Link& link = snapshot.links[at];
  if (!index.valid()) return std::max(1.0, link.igp_metric);
  const grid::FlexAlgo& algo = snapshot.flex_algos[index];
  if (!takes_part(algo, link.a) || !takes_part(algo, link.b)) return std::nullopt;
  if (shared_groups(algo.exclude_any, link.admin_groups) > 0) return std::nullopt;
  if (!algo.include_any.empty() && shared_groups(algo.include_any, link.admin_groups) == 0) return std::nullopt;
  if (shared_groups(algo.include_all, link.admin_groups) < algo.include_all.size()) return std::nullopt;
  switch (algo.metric) {
    case grid::PathMetric::igp: return std::max(1.0, link.igp_metric);
    case grid::PathMetric::delay: return std::max(1.0, std::round(link.delay.value()));
    case grid::PathMetric::te: return link.te_metric > 0 ? std::optional(std::max(1.0, link.te_metric)) : std::nullopt;
  }
  return std::nullopt;
}

const std::shared_ptr<const Network>& Networks::of(grid::FlexAlgoIndex algo) {
  std::shared_ptr<const Network>& network = made_[algo.valid() ? 1 + size_t{algo.value} : 0];
  if (!network) network = make_network(snapshot_, algo);
  return network;
}

std::shared_ptr<const PathTree> Networks::tree(grid::FlexAlgoIndex algo, grid::NodeIndex source) {
  constexpr size_t kBytesOfNode = 48;  // what a tree holds of each
  const std::pair key(algo.value, source.value);
  if (const auto known = trees_.find(key); known != trees_.end()) return known->second;
  auto tree = std::make_shared<const PathTree>(of(algo), source);
  if ((trees_.size() + 1) * snapshot_.nodes.size() * kBytesOfNode <= kTreeBytesMax) trees_.emplace(key, tree);
  return tree;
}

RegionReach Networks::reach(grid::FlexAlgoIndex algo, grid::RegionIndex region) {
  RegionReach reach;
  reach.anchor = active_anchor(snapshot_, region);
  if (reach.anchor) reach.tree = tree(algo, reach.anchor->node);
  return reach;
}

std::string in_algorithm(const grid::Snapshot& snapshot, grid::FlexAlgoIndex algo) {
  return algo.valid() ? " in flex algorithm " + snapshot.flex_algos[algo].id : "";
}

std::shared_ptr<const Network> make_network(const grid::Snapshot& snapshot, grid::FlexAlgoIndex algo) {
  auto network = std::make_shared<Network>();
  const size_t nodes = snapshot.nodes.size();
  network->first.assign(1, 0);
  network->first.reserve(nodes + 1);
  network->arcs.reserve(2 * snapshot.links.size());
  for (size_t i = 0; i < nodes; ++i) {
    const grid::NodeIndex node(i);
    network->jurisdictions.push_back(snapshot.jurisdiction_of(snapshot.nodes[node].site).bits);
    network->usable.push_back(snapshot.usable(node) && (!algo.valid() || takes_part(snapshot.flex_algos[algo], node)));
    if (snapshot.nodes[node].overload) {
      network->closed.resize(nodes, 0);
      network->closed[i] = 1;
    }
    for (const grid::Arc& arc : snapshot.adjacency->out_of(node)) {
      if (!network->usable.back() || !snapshot.usable(arc.link)) continue;
      const std::optional<double> metric = metric_in(snapshot, algo, arc.link);
      if (!metric) continue;
      const grid::Link& link = snapshot.links[arc.link];
      network->arcs.push_back({.to = arc.to.value,
                               .link = arc.link.value,
                               .metric = *metric,
                               .delay_us = link.delay.value(),
                               .euros_per_byte = link.cost.value() * 1e-9,
                               .forward = arc.forward});
    }
    network->first.push_back(static_cast<uint32_t>(network->arcs.size()));
  }
  return network;
}

PathTree::PathTree(std::shared_ptr<const Network> network, grid::NodeIndex source)
    : network_(std::move(network)), source_(source) {
  const size_t nodes = network_->usable.size();
  CHECK(source.value < nodes);
  metric_.assign(nodes, kUnreachable);
  delay_max_us_.assign(nodes, 0);
  delay_mean_us_.assign(nodes, 0);
  euros_per_byte_.assign(nodes, 0);
  jurisdictions_.assign(nodes, 0);
  position_.assign(nodes, 0);
  if (!network_->usable[source.value]) return;
  run_dijkstra();
  summarise_branches();
}

void PathTree::run_dijkstra() {
  using Entry = std::pair<double, uint32_t>;  // metric, node: ties in the order of nodes, so the same everywhere
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> frontier;
  metric_[source_.value] = 0;
  frontier.emplace(0, source_.value);
  while (!frontier.empty()) {
    const auto [metric, node] = frontier.top();
    frontier.pop();
    if (metric > metric_[node]) continue;
    position_[node] = static_cast<uint32_t>(order_.size());
    order_.push_back(node);
    if (!passes(node)) continue;
    for (const Network::Arc& arc : network_->out_of(node)) {
      if (metric + arc.metric < metric_[arc.to]) {
        metric_[arc.to] = metric + arc.metric;
        frontier.emplace(metric_[arc.to], arc.to);
      }
    }
  }
}

// In order of metric every branch's previous router is done before it is read. Links have one metric for both
// directions, so the arcs out of a node that lead to a router nearer by exactly their metric are its branches back.
void PathTree::summarise_branches() {
  for (const uint32_t node : order_) {
    jurisdictions_[node] = network_->jurisdictions[node];
    double branches = 0, delay_sum = 0, euros_sum = 0;
    for (const Network::Arc& arc : network_->out_of(node)) {
      if (!leads_back(node, arc)) continue;
      jurisdictions_[node] |= jurisdictions_[arc.to];
      delay_max_us_[node] = std::max(delay_max_us_[node], delay_max_us_[arc.to] + arc.delay_us);
      delay_sum += delay_mean_us_[arc.to] + arc.delay_us;
      euros_sum += euros_per_byte_[arc.to] + arc.euros_per_byte;
      ++branches;
    }
    if (branches == 0) continue;
    delay_mean_us_[node] = delay_sum / branches;
    euros_per_byte_[node] = euros_sum / branches;
  }
}

std::vector<PathTree::ArcShare> PathTree::shares_to(grid::NodeIndex node) const {
  std::vector<ArcShare> shares;
  if (!reachable(node) || node == source_) return shares;
  // Backwards: which routers lie on a branch to the node, and over how many next hops each splits.
  const uint32_t last = position_[node.value];
  std::vector<uint8_t> wanted(last + 1, 0);
  std::vector<uint32_t> next_hops(last + 1, 0);
  wanted[last] = 1;
  for (uint32_t i = last + 1; i-- > 0;) {
    if (!wanted[i]) continue;
    for (const Network::Arc& arc : network_->out_of(order_[i])) {
      if (!leads_back(order_[i], arc)) continue;
      wanted[position_[arc.to]] = 1;
      ++next_hops[position_[arc.to]];
    }
  }
  // Forwards: the traffic itself.
  std::vector<double> traffic(last + 1, 0);
  traffic[0] = 1;
  for (uint32_t i = 0; i < last; ++i) {
    if (!wanted[i]) continue;
    const double each = traffic[i] / next_hops[i];
    for (const Network::Arc& arc : network_->out_of(order_[i])) {
      const uint32_t next = position_[arc.to];
      if (!on_branch(order_[i], arc) || next > last || !wanted[next]) continue;
      traffic[next] += each;
      shares.push_back({grid::LinkIndex(arc.link), arc.forward, each});
    }
  }
  return shares;
}

std::vector<PathTree::ArcShare> PathTree::shares_back(grid::NodeIndex node) const {
  std::vector<ArcShare> shares;
  if (!reachable(node) || node == source_) return shares;
  const uint32_t last = position_[node.value];
  std::vector<double> traffic(last + 1, 0);
  traffic[last] = 1;
  for (uint32_t i = last; i > 0; --i) {
    if (traffic[i] == 0) continue;
    const auto out = network_->out_of(order_[i]);
    const auto leads = [&](const Network::Arc& arc) { return leads_back(order_[i], arc); };
    const double each = traffic[i] / static_cast<double>(std::count_if(out.begin(), out.end(), leads));
    for (const Network::Arc& arc : out) {
      if (!leads(arc)) continue;
      traffic[position_[arc.to]] += each;
      shares.push_back({grid::LinkIndex(arc.link), arc.forward, each});
    }
  }
  return shares;
}

double PathTree::collect(std::vector<double> rates, std::span<double> loads) const {
  CHECK(rates.size() == metric_.size());
  double lost = 0;
  for (size_t i = 0; i < rates.size(); ++i)
    if (metric_[i] >= kUnreachable) lost += rates[i];
  for (size_t i = order_.size(); i-- > 1;) {
    const uint32_t node = order_[i];
    if (rates[node] == 0) continue;
    const auto out = network_->out_of(node);
    const auto leads = [&](const Network::Arc& arc) { return leads_back(node, arc); };
    const double each = rates[node] / static_cast<double>(std::count_if(out.begin(), out.end(), leads));
    for (const Network::Arc& arc : out) {
      if (!leads(arc)) continue;
      rates[arc.to] += each;
      loads[2 * arc.link + (arc.forward ? 0 : 1)] += each;
    }
  }
  return lost;
}

std::optional<grid::Anchor> active_anchor(const grid::Snapshot& snapshot, grid::RegionIndex region) {
  std::optional<grid::Anchor> isolated;
  for (const grid::Anchor& anchor : snapshot.regions[region].anchors) {
    if (!snapshot.usable(anchor.node)) continue;
    const auto arcs = snapshot.adjacency->out_of(anchor.node);
    if (std::any_of(arcs.begin(), arcs.end(), [&](const grid::Arc& arc) { return snapshot.usable(arc.link); }))
      return anchor;
    if (!isolated) isolated = anchor;
  }
  return isolated;
}

RegionReach reach_from(const grid::Snapshot& snapshot, const std::shared_ptr<const Network>& network,
                       grid::RegionIndex region) {
  RegionReach reach;
  reach.anchor = active_anchor(snapshot, region);
  if (reach.anchor) reach.tree = std::make_shared<const PathTree>(network, reach.anchor->node);
  return reach;
}

Microseconds round_trip(const RegionReach& reach, grid::NodeIndex node) {
  CHECK(reach.reachable(node));
  return 2 * (reach.anchor->access_delay + reach.anchor->backhaul_delay + reach.tree->delay_max(node));
}

}  // namespace tandem::twin
