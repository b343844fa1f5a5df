#include "twin/repair_reach.h"

#include <algorithm>
#include <numeric>

#include "twin/failures.h"
#include "twin/reroute.h"

namespace tandem::twin {

struct RepairReach::Failures {
  Failures(const grid::Snapshot& snapshot, const Network& network) : mesh(network, snapshot.links.size()) {
    for (uint32_t link = 0; link < mesh.links.size(); ++link)
      if (mesh.links[link].usable) links.push_back({link});
    for (uint32_t node = 0; node < mesh.nodes(); ++node) {
      if (mesh.out_of(node).empty()) continue;
      std::vector<uint32_t>& taken = links.emplace_back();
      for (const Mesh::Arc& arc : mesh.out_of(node)) taken.push_back(arc.slot >> 1);
      std::sort(taken.begin(), taken.end());
      taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
      node_of.resize(links.size(), UINT32_MAX);
      node_of.back() = node;
    }
    node_of.resize(links.size(), UINT32_MAX);
  }

  Mesh mesh;
  std::vector<std::vector<uint32_t>> links;  // that each failure takes
  std::vector<uint32_t> node_of;             // that fails; UINT32_MAX: a link
};

namespace {

// All failures toward one destination.
class RepairsToward {
 public:
  RepairsToward(const Network& network, const Mesh& mesh, const PathTree& tree)
      : network_(network),
        mesh_(mesh),
        tree_(tree),
        reroute_(mesh),
        routed_(mesh.nodes()),
        none_(mesh.nodes(), 0),
        order_(mesh.nodes()),
        rank_(mesh.nodes()),
        loads_(2 * mesh.links.size() + 1, 0),
        passed_(mesh.nodes(), 0),
        beside_(mesh.nodes(), 0),
        now_(mesh.nodes(), 0),
        known_(mesh.nodes(), 0) {
    for (uint32_t node = 0; node < mesh.nodes(); ++node) read(node);
    std::iota(order_.begin(), order_.end(), uint16_t{0});
    std::sort(order_.begin(), order_.end(), [&](uint16_t a, uint16_t b) {
      return std::pair(routed_[a].distance, a) < std::pair(routed_[b].distance, b);
    });
    for (size_t i = 0; i < order_.size(); ++i) rank_[order_[i]] = static_cast<uint16_t>(i);
  }

  void fail(const std::vector<uint32_t>& links, uint32_t failed_node) {
    for (const uint32_t link : links) reroute_.down[link] = 2;
    reroute_.follow(view(), links, 0, loads_.data(), static_cast<uint32_t>(loads_.size() - 1));
    ++stamp_;
    for (const uint16_t node : reroute_.moved()) {
      if (node == failed_node || reroute_.distance(view(), node) >= kFarAway) continue;
      const uint64_t passes = passes_now(node);
      passed_[node] |= passes;
      if (lost_a_hop(node)) beside_[node] |= passes;
    }
    for (const uint32_t link : links) reroute_.down[link] = 0;
  }

  std::vector<uint64_t> finish() {
    for (const uint16_t node : order_) {
      if (routed_[node].distance >= kFarAway) break;
      for (const Mesh::Arc& arc : mesh_.out_of(node))
        if (leads(node, arc)) beside_[node] |= beside_[arc.to];
      passed_[node] |= beside_[node];
    }
    return std::move(passed_);
  }

 private:
  TowardView view() const {
    return {tree_.source().value, routed_.data(), none_.data(),
            order_.data(),        rank_.data(),   network_.closed.empty() ? nullptr : network_.closed.data()};
  }
  bool leads(uint32_t node, const Mesh::Arc& arc) const {
    return routed_[arc.to].distance + arc.weight == routed_[node].distance && view().passes(arc.to);
  }

  void read(uint32_t node) {
    const grid::NodeIndex at(node);
    if (!tree_.reachable(at)) return;
    Routed& own = routed_[node];
    own.distance = tree_.metric(at);
    for (const Network::Arc& arc : network_.out_of(node)) {
      if (!tree_.leads_nearer(at, arc)) continue;
      own.slot = own.slot == kNoHop ? 2 * arc.link + (arc.forward ? 0 : 1) : kManyHops;
      own.to = static_cast<uint16_t>(arc.to);
    }
  }

  bool lost_a_hop(uint32_t node) const {
    const auto out = mesh_.out_of(node);
    return std::any_of(out.begin(), out.end(),
                       [&](const Mesh::Arc& arc) { return reroute_.down[arc.slot >> 1] != 0 && leads(node, arc); });
  }

  // Of every router on the branches of a node after the failure. Deep as a branch is long.
  uint64_t passes_now(uint32_t node) {
    if (known_[node] == stamp_) return now_[node];
    const double distance = reroute_.distance(view(), node);
    uint64_t passes = network_.jurisdictions[node];
    for (const Mesh::Arc& arc : mesh_.out_of(node))
      if (reroute_.down[arc.slot >> 1] == 0 && reroute_.distance(view(), arc.to) + arc.weight == distance &&
          view().passes(arc.to))
        passes |= passes_now(arc.to);
    known_[node] = stamp_;
    return now_[node] = passes;
  }

  const Network& network_;
  const Mesh& mesh_;
  const PathTree& tree_;
  Reroute reroute_;
  std::vector<Routed> routed_;
  std::vector<double> none_;  // nothing is sent: only ways are asked for
  std::vector<uint16_t> order_, rank_;
  std::vector<double> loads_;
  std::vector<uint64_t> passed_, beside_;  // by node
  std::vector<uint64_t> now_;
  std::vector<uint32_t> known_;  // the failure that now_ is of
  uint32_t stamp_ = 0;
};

}  // namespace

RepairReach::RepairReach(const grid::Snapshot& snapshot, std::shared_ptr<const Network> network)
    : network_(std::move(network)), failures_(std::make_unique<const Failures>(snapshot, *network_)) {}
RepairReach::~RepairReach() = default;

std::vector<uint64_t> RepairReach::toward(grid::NodeIndex destination) const {
  const PathTree tree(network_, destination);
  RepairsToward repairs(*network_, failures_->mesh, tree);
  for (size_t f = 0; f < failures_->links.size(); ++f) repairs.fail(failures_->links[f], failures_->node_of[f]);
  return repairs.finish();
}

std::vector<uint64_t> passed_from_next_anchor(const grid::Snapshot& snapshot, grid::RegionIndex region,
                                              grid::FlexAlgoIndex algo) {
  std::vector<uint64_t> passed(snapshot.nodes.size(), 0);
  const auto anchor = active_anchor(snapshot, region);
  if (!anchor || snapshot.regions[region].anchors.size() < 2) return passed;
  const Failure failure{FailureKind::node, anchor->node.value};
  const grid::Snapshot after = with_failures(snapshot, std::span(&failure, 1));
  const RegionReach next = reach_from(after, make_network(after, algo), region);
  for (size_t n = 0; n < passed.size(); ++n)
    if (next.reachable(grid::NodeIndex(n))) passed[n] = next.tree->jurisdictions(grid::NodeIndex(n)).bits;
  return passed;
}

}  // namespace tandem::twin
