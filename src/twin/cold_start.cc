#include "twin/cold_start.h"

#include <algorithm>
#include <limits>

namespace tandem::twin {
namespace {

// Where a site meets the network: the node of its first pool, else its first node.
std::optional<grid::NodeIndex> node_of(const grid::Snapshot& snapshot, grid::SiteIndex site) {
  for (const grid::Pool& pool : snapshot.pools)
    if (pool.site == site) return pool.node;
  for (size_t i = 0; i < snapshot.nodes.size(); ++i)
    if (snapshot.nodes[i].site == site) return grid::NodeIndex(i);
  return std::nullopt;
}

}  // namespace

ColdStarts::ColdStarts(const grid::Snapshot& snapshot, const Forecast& carried)
    : snapshot_(snapshot), carried_(carried) {
  const auto network = make_network(snapshot);
  for (size_t i = 0; i < snapshot.sites.size(); ++i) {
    const grid::Site& site = snapshot.sites[i];
    if (!site.model_store) continue;
    anywhere_ = false;
    const auto node = node_of(snapshot, grid::SiteIndex(i));
    if (site.state == grid::State::up && node && snapshot.usable(*node))
      stores_.push_back({grid::SiteIndex(i), PathTree(network, *node)});
  }
}

double ColdStarts::free_gbps(const Store& store, grid::NodeIndex node) const {
  double free = std::numeric_limits<double>::infinity();
  for (const PathTree::ArcShare& share : store.tree.shares_to(node)) {
    const grid::Link& link = snapshot_.links[share.link];
    const LinkLoad& load = carried_.links[share.link.value];
    const double left =
        share.forward ? link.capacity_ab.value() - load.ab.value() : link.capacity_ba.value() - load.ba.value();
    free = std::min(free, std::max(0.0, left) / share.fraction);
  }
  return free;
}

std::optional<ColdStart> ColdStarts::of(grid::PoolIndex pool, grid::ModelIndex model) const {
  const grid::Pool& row = snapshot_.pools[pool];
  const double gigabytes = snapshot_.models[model].weights.value();
  ColdStart start{.transfer_s = 0, .load_s = gigabytes / snapshot_.accelerators[row.accelerator].load_gb_per_s};
  if (anywhere_) return start;
  const Store* nearest = nullptr;
  for (const Store& store : stores_) {
    if (store.site == row.site) return start;
    if (!store.tree.reachable(row.node)) continue;
    if (nearest == nullptr || store.tree.metric(row.node) < nearest->tree.metric(row.node)) nearest = &store;
  }
  const double free = nearest == nullptr ? 0 : free_gbps(*nearest, row.node);
  if (free <= 0) return std::nullopt;
  start.transfer_s = 8 * gigabytes / free;
  return start;
}

}  // namespace tandem::twin
