// Where the policy asks that repairs stay resident: what any one failure makes traffic pass between a region and a
// pool.
#include <map>
#include <set>

#include "planner/problem.h"
#include "twin/repair_reach.h"

namespace tandem::planner {
namespace {

// Toward each of these nodes, by one algorithm.
std::map<uint32_t, std::vector<uint64_t>> repairs_toward(const grid::Snapshot& snapshot, grid::FlexAlgoIndex algo,
                                                         const std::set<uint32_t>& nodes) {
  std::map<uint32_t, std::vector<uint64_t>> toward;
  std::vector<std::pair<uint32_t, std::vector<uint64_t>*>> rows;
  for (const uint32_t node : nodes) rows.emplace_back(node, &toward[node]);
  const twin::RepairReach reach(snapshot, twin::make_network(snapshot, algo));
  for_each_on_two_threads(rows.size(),
                          [&](size_t i) { *rows[i].second = reach.toward(grid::NodeIndex(rows[i].first)); });
  return toward;
}

}  // namespace

std::vector<Terrain::Repairs> Terrain::repairs(const std::vector<RepairsAsked>& asked) const {
  const std::lock_guard lock(repairs_mutex_);
  std::map<grid::FlexAlgoIndex, std::set<uint32_t>> missing;  // regions
  for (const auto& [region, algo] : asked)
    if (!repairs_.contains({region, algo})) missing[algo].insert(region);
  for (const auto& [algo, regions] : missing) {
    std::set<uint32_t> nodes;
    for (const uint32_t region : regions) nodes.insert(anchors[region]->node.value);
    for (const grid::Pool& pool : snapshot_.pools) nodes.insert(pool.node.value);
    const auto toward = repairs_toward(snapshot_, algo, nodes);
    for (const uint32_t region : regions) {
      const uint32_t anchor = anchors[region]->node.value;
      const auto from_next = twin::passed_from_next_anchor(snapshot_, grid::RegionIndex(region), algo);
      std::vector<uint64_t> passed;
      for (const grid::Pool& pool : snapshot_.pools)
        passed.push_back(toward.at(pool.node.value)[anchor] | toward.at(anchor)[pool.node.value] |
                         from_next[pool.node.value]);
      repairs_[{region, algo}] = std::make_shared<const std::vector<uint64_t>>(std::move(passed));
    }
  }
  std::vector<Repairs> found;
  for (const RepairsAsked& one : asked) found.push_back(repairs_.at(one));
  return found;
}

void Problem::add_repairs() {
  if (!snapshot.policy.resident_repairs) return;
  uint64_t everywhere = 0;
  for (const grid::Node& node : snapshot.nodes) everywhere |= snapshot.jurisdiction_of(node.site).bits;
  std::vector<Terrain::RepairsAsked> asked;
  std::map<Terrain::RepairsAsked, uint32_t> known;
  for (DemandRow& demand : demands) {
    if (demand.view == UINT32_MAX || (everywhere & ~demand.residency) == 0) continue;
    const Terrain::RepairsAsked key(demand.row->region.value, demand.row->flex_algo);
    const auto [entry, fresh] = known.try_emplace(key, static_cast<uint32_t>(asked.size()));
    if (fresh) asked.push_back(key);
    demand.repairs = entry->second;
  }
  repairs = terrain->repairs(asked);
}

}  // namespace tandem::planner
