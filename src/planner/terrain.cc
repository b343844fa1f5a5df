#include "planner/terrain.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <tuple>

namespace tandem::planner {

void for_each_on_two_threads(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
  };
  if (count < 2) return run();
  std::thread other(run);
  run();
  other.join();
}

AnchorView::AnchorView(const grid::Snapshot& snapshot, std::shared_ptr<const twin::PathTree> of, grid::FlexAlgoIndex by)
    : tree(std::move(of)),
      algo(by),
      legs(snapshot.pools.size()),
      uses_known_(std::make_unique<std::once_flag[]>(snapshot.pools.size())),
      uses_(snapshot.pools.size()) {
  for (size_t p = 0; p < legs.size(); ++p) {
    const grid::NodeIndex at = snapshot.pools[p].node;
    node_of_pool_.push_back(at);
    if (!tree->reachable(at)) continue;
    legs[p] = {2 * tree->delay_max(at).value(), tree->euros_per_byte(at),
               tree->jurisdictions(at).bits | snapshot.jurisdiction_of(snapshot.pools[p].site).bits, true};
  }
}

const std::vector<ArcUse>& AnchorView::arc_uses(uint32_t pool) const {
  std::call_once(uses_known_[pool], [&] {
    std::map<uint32_t, ArcUse> by_arc;
    const auto add = [&](const std::vector<twin::PathTree::ArcShare>& shares, double ArcUse::*direction) {
      for (const twin::PathTree::ArcShare& share : shares) {
        const uint32_t arc = 2 * share.link.value + (share.forward ? 0 : 1);
        by_arc[arc].arc = arc;
        by_arc[arc].*direction += share.fraction;
      }
    };
    add(tree->shares_to(node_of_pool_[pool]), &ArcUse::up);
    add(tree->shares_back(node_of_pool_[pool]), &ArcUse::back);
    for (const auto& [arc, use] : by_arc) uses_[pool].push_back(use);
  });
  return uses_[pool];
}

namespace {

// How the links and nodes of one world stand against those of another of the same shape.
struct StateChange {
  bool comparable = false;
  std::vector<uint32_t> links;  // usable in one of them alone
  std::vector<uint32_t> nodes;  // likewise
};

template <class Row>
bool only_states_differ(const grid::Table<Row>& a, const grid::Table<Row>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a.shares_chunk(b, Index<Row>(i))) {
      i |= grid::Table<Row>::kChunkRows - 1;
      continue;
    }
    Row same = a[i];
    same.state = b[i].state;
    if (!(same == b[i])) return false;
  }
  return true;
}

StateChange compare_states(const grid::Snapshot& before, const grid::Snapshot& now) {
  StateChange change;
  if (!only_states_differ(before.links, now.links) || !only_states_differ(before.nodes, now.nodes) ||
      !only_states_differ(before.sites, now.sites) || !(before.pools == now.pools) ||
      !(before.regions == now.regions) || !(before.traffic == now.traffic) || !(before.flex_algos == now.flex_algos))
    return change;
  change.comparable = true;
  for (uint32_t i = 0; i < now.links.size(); ++i)
    if (before.usable(grid::LinkIndex(i)) != now.usable(grid::LinkIndex(i))) change.links.push_back(i);
  for (uint32_t i = 0; i < now.nodes.size(); ++i)
    if (before.usable(grid::NodeIndex(i)) != now.usable(grid::NodeIndex(i))) change.nodes.push_back(i);
  return change;
}

// Whether a tree of the world before could differ in this one, the nodes that went aside (what stands there is down,
// and asked for that first). A link that went takes nothing with it unless it is on a branch, a node unless a branch
// goes on from it; a link that is new matters where it is not longer than what is there.
bool touched(const twin::PathTree& tree, grid::FlexAlgoIndex algo, const grid::Snapshot& now,
             const StateChange& change) {
  for (const uint32_t n : change.nodes) {
    const grid::NodeIndex node(n);
    if (now.usable(node) || node == tree.source()) return true;
    if (!tree.reachable(node)) continue;
    for (const grid::Arc& arc : now.adjacency->out_of(node)) {
      const std::optional<double> metric = twin::metric_in(now, algo, arc.link);
      if (metric && now.usable(arc.to) && tree.metric(node) + *metric == tree.metric(arc.to)) return true;
    }
  }
  for (const uint32_t l : change.links) {
    const grid::Link& link = now.links[size_t{l}];
    const std::optional<double> counts = twin::metric_in(now, algo, grid::LinkIndex(l));
    if (!counts || !now.usable(link.a) || !now.usable(link.b)) continue;  // not in that topology, or its node went
    const bool a = tree.reachable(link.a), b = tree.reachable(link.b);
    if (!a && !b) continue;
    if (a != b) return true;
    const double metric = *counts, from = tree.metric(link.a), to = tree.metric(link.b);
    const bool here_now = now.usable(grid::LinkIndex(l));
    if (here_now ? from + metric <= to || to + metric <= from : from + metric == to || to + metric == from) return true;
  }
  return false;
}

}  // namespace

Terrain::Terrain(const grid::Snapshot& snapshot, const Terrain* previous) : snapshot_(snapshot) {
  find_nodes();
  if (previous != nullptr) take_over(*previous);
  std::vector<FromNode*> missing;
  for (FromNode& from : from_)
    if (!from.tree || (from.anchor && !from.view) || (!from.rows.empty() && !from.background)) missing.push_back(&from);
  for_each_on_two_threads(missing.size(), [&](size_t m) { work_out(*missing[m]); });
  add_views();
  arc_background_gbps.assign(2 * snapshot_.links.size(), 0);
  for (const FromNode& from : from_)
    if (from.background)
      for (const auto& [arc, gbps] : *from.background) arc_background_gbps[arc] += gbps;
}

void Terrain::find_nodes() {
  std::map<std::pair<uint32_t, grid::FlexAlgoIndex>, FromNode> by_node;
  for (size_t r = 0; r < snapshot_.regions.size(); ++r) {
    anchors.push_back(twin::active_anchor(snapshot_, grid::RegionIndex(r)));
    if (anchors.back()) by_node[{anchors.back()->node.value, {}}].anchor = true;
  }
  for (const grid::Demand& demand : snapshot_.demands) {
    if (!demand.flex_algo.valid()) continue;
    views_[{demand.region.value, demand.flex_algo}] = UINT32_MAX;
    if (const auto& anchor = anchors[demand.region.value])
      by_node[{anchor->node.value, demand.flex_algo}].anchor = true;
  }
  for (uint32_t i = 0; i < snapshot_.traffic.size(); ++i)
    by_node[{snapshot_.traffic[size_t{i}].from.value, {}}].rows.push_back(i);
  twin::Networks networks(snapshot_);
  for (auto& [key, from] : by_node) {
    std::tie(from.node, from.algo) = key;
    from.network = networks.of(from.algo);
    from_.push_back(std::move(from));
  }
}

const Terrain::FromNode* Terrain::find(uint32_t node, grid::FlexAlgoIndex algo) const {
  const std::pair wanted(node, algo);
  const auto key = [](const FromNode& from) { return std::pair(from.node, from.algo); };
  const auto found = std::ranges::lower_bound(from_, wanted, {}, key);
  return found != from_.end() && key(*found) == wanted ? &*found : nullptr;
}

void Terrain::take_over(const Terrain& previous) {
  const StateChange change = compare_states(previous.snapshot_, snapshot_);
  if (!change.comparable) return;
  const bool same_asked = previous.snapshot_.demands == snapshot_.demands &&
                          previous.snapshot_.tenants == snapshot_.tenants &&
                          previous.snapshot_.profiles == snapshot_.profiles;
  const bool same_network = change.links.empty() && change.nodes.empty();
  if (same_network && same_asked) diverse_legs_ = previous.diverse_legs_;
  if (same_network) repairs_ = previous.repairs_;
  for (FromNode& from : from_) {
    const FromNode* before = previous.find(from.node, from.algo);
    if (before == nullptr || touched(*before->tree, from.algo, snapshot_, change)) continue;
    from.tree = before->tree;
    from.view = before->view;
    const bool went = std::any_of(from.rows.begin(), from.rows.end(), [&](uint32_t i) {
      return std::binary_search(change.nodes.begin(), change.nodes.end(), snapshot_.traffic[size_t{i}].to.value);
    });
    if (!went) from.background = before->background;
  }
}

void Terrain::work_out(FromNode& from) const {
  if (!from.tree) from.tree = std::make_shared<const twin::PathTree>(from.network, grid::NodeIndex(from.node));
  if (from.anchor && !from.view) from.view = std::make_shared<const AnchorView>(snapshot_, from.tree, from.algo);
  if (from.rows.empty() || from.background) return;
  std::map<uint32_t, double> by_arc;
  for (const uint32_t i : from.rows) {
    const grid::Traffic& traffic = snapshot_.traffic[size_t{i}];
    for (const twin::PathTree::ArcShare& share : from.tree->shares_to(traffic.to))
      by_arc[2 * share.link.value + (share.forward ? 0 : 1)] += traffic.rate.value() * share.fraction;
  }
  from.background = std::make_shared<const Arcs>(by_arc.begin(), by_arc.end());
}

void Terrain::add_views() {
  std::map<std::pair<uint32_t, grid::FlexAlgoIndex>, uint32_t> position;
  for (const FromNode& from : from_) {
    if (!from.anchor) continue;
    position[{from.node, from.algo}] = static_cast<uint32_t>(views.size());
    views.push_back(from.view);
  }
  for (const auto& anchor : anchors)
    view_of_region_.push_back(anchor ? position.at({anchor->node.value, {}}) : UINT32_MAX);
  for (auto& [key, view] : views_)
    if (const auto& anchor = anchors[key.first]) view = position.at({anchor->node.value, key.second});
}

uint32_t Terrain::view_of(uint32_t region, grid::FlexAlgoIndex algo) const {
  return algo.valid() ? views_.at({region, algo}) : view_of_region_[region];
}

}  // namespace tandem::planner
