#include "planner/terrain.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

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

AnchorView::AnchorView(const grid::Snapshot& snapshot, std::shared_ptr<const twin::Network> network,
                       grid::NodeIndex node)
    : tree(std::move(network), node), legs(snapshot.pools.size()) {
  for (size_t p = 0; p < legs.size(); ++p) {
    const grid::NodeIndex at = snapshot.pools[p].node;
    if (!tree.reachable(at)) continue;
    legs[p] = {2 * tree.delay_max(at).value(), tree.euros_per_byte(at),
               tree.jurisdictions(at).bits | snapshot.jurisdiction_of(snapshot.pools[p].site).bits, true};
  }
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
      !(before.regions == now.regions) || !(before.traffic == now.traffic))
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
bool touched(const twin::PathTree& tree, const grid::Snapshot& now, const StateChange& change) {
  const auto metric_of = [&](grid::LinkIndex link) { return std::max(1.0, now.links[link].igp_metric); };
  for (const uint32_t n : change.nodes) {
    const grid::NodeIndex node(n);
    if (now.usable(node) || node == tree.source()) return true;
    if (!tree.reachable(node)) continue;
    for (const grid::Arc& arc : now.adjacency->out_of(node))
      if (now.usable(arc.to) && tree.metric(node) + metric_of(arc.link) == tree.metric(arc.to)) return true;
  }
  for (const uint32_t l : change.links) {
    const grid::Link& link = now.links[size_t{l}];
    if (!now.usable(link.a) || !now.usable(link.b)) continue;  // its node went
    const bool a = tree.reachable(link.a), b = tree.reachable(link.b);
    if (!a && !b) continue;
    if (a != b) return true;
    const double metric = metric_of(grid::LinkIndex(l)), from = tree.metric(link.a), to = tree.metric(link.b);
    const bool here_now = now.usable(grid::LinkIndex(l));
    if (here_now ? from + metric <= to || to + metric <= from : from + metric == to || to + metric == from) return true;
  }
  return false;
}

template <class Value>
std::shared_ptr<const Value> find_kept(const std::vector<std::pair<uint32_t, std::shared_ptr<const Value>>>& kept,
                                       uint32_t node) {
  const auto found = std::lower_bound(kept.begin(), kept.end(), node,
                                      [](const auto& entry, uint32_t wanted) { return entry.first < wanted; });
  return found != kept.end() && found->first == node ? found->second : nullptr;
}

}  // namespace

Terrain::Terrain(const grid::Snapshot& snapshot, const Terrain* previous)
    : network(twin::make_network(snapshot)), snapshot_(snapshot) {
  add_views(previous);
  add_background(previous);
}

void Terrain::add_views(const Terrain* previous) {
  const StateChange change = previous != nullptr ? compare_states(previous->snapshot_, snapshot_) : StateChange{};
  for (size_t r = 0; r < snapshot_.regions.size(); ++r) {
    anchors.push_back(twin::active_anchor(snapshot_, grid::RegionIndex(r)));
    if (anchors.back()) view_of_node_.emplace_back(anchors.back()->node.value, nullptr);
  }
  std::sort(view_of_node_.begin(), view_of_node_.end());
  view_of_node_.erase(std::unique(view_of_node_.begin(), view_of_node_.end()), view_of_node_.end());
  std::vector<uint32_t> missing;
  for (uint32_t i = 0; i < view_of_node_.size(); ++i) {
    if (change.comparable) view_of_node_[i].second = find_kept(previous->view_of_node_, view_of_node_[i].first);
    if (auto& view = view_of_node_[i].second; view && touched(view->tree, snapshot_, change)) view = nullptr;
    if (!view_of_node_[i].second) missing.push_back(i);
  }
  for_each_on_two_threads(missing.size(), [&](size_t m) {
    auto& [node, view] = view_of_node_[missing[m]];
    view = std::make_shared<const AnchorView>(snapshot_, network, grid::NodeIndex(node));
  });
  for (const auto& [node, view] : view_of_node_) views.push_back(view);
  for (const auto& anchor : anchors) {
    uint32_t position = UINT32_MAX;
    if (anchor)
      position = static_cast<uint32_t>(
          std::lower_bound(view_of_node_.begin(), view_of_node_.end(), anchor->node.value,
                           [](const auto& entry, uint32_t wanted) { return entry.first < wanted; }) -
          view_of_node_.begin());
    view_of_region.push_back(position);
  }
}

void Terrain::add_background(const Terrain* previous) {
  const StateChange change = previous != nullptr ? compare_states(previous->snapshot_, snapshot_) : StateChange{};
  std::map<uint32_t, std::vector<uint32_t>> rows_of;
  for (uint32_t i = 0; i < snapshot_.traffic.size(); ++i) rows_of[snapshot_.traffic[size_t{i}].from.value].push_back(i);
  std::vector<const std::vector<uint32_t>*> rows;
  std::vector<uint32_t> missing;
  for (const auto& [node, of_node] : rows_of) {
    std::shared_ptr<const Source> kept = change.comparable ? find_kept(previous->sources_, node) : nullptr;
    const auto went = [&](uint32_t i) {
      return std::binary_search(change.nodes.begin(), change.nodes.end(), snapshot_.traffic[size_t{i}].to.value);
    };
    if (kept && (touched(*kept->tree, snapshot_, change) || std::any_of(of_node.begin(), of_node.end(), went)))
      kept = nullptr;
    if (!kept) missing.push_back(static_cast<uint32_t>(sources_.size()));
    sources_.emplace_back(node, std::move(kept));
    rows.push_back(&of_node);
  }
  for_each_on_two_threads(missing.size(), [&](size_t m) {
    auto& [node, source] = sources_[missing[m]];
    auto made = std::make_shared<Source>();
    made->tree = std::make_shared<const twin::PathTree>(network, grid::NodeIndex(node));
    std::map<uint32_t, double> by_arc;
    for (const uint32_t i : *rows[missing[m]]) {
      const grid::Traffic& traffic = snapshot_.traffic[size_t{i}];
      for (const twin::PathTree::ArcShare& share : made->tree->shares_to(traffic.to))
        by_arc[2 * share.link.value + (share.forward ? 0 : 1)] += traffic.rate.value() * share.fraction;
    }
    made->arcs.assign(by_arc.begin(), by_arc.end());
    source = std::move(made);
  });
  arc_background_gbps.assign(2 * snapshot_.links.size(), 0);
  for (const auto& [node, source] : sources_)
    for (const auto& [arc, gbps] : source->arcs) arc_background_gbps[arc] += gbps;
}

}  // namespace tandem::planner
