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

void Problem::add_repairs() {
  if (!snapshot.policy.resident_repairs) return;
  uint64_t everywhere = 0;
  for (const grid::Node& node : snapshot.nodes) everywhere |= snapshot.jurisdiction_of(node.site).bits;
  struct Asked {
    std::set<uint32_t> regions, nodes;  // nodes of their anchors and of pools
    std::vector<DemandRow*> demands;
  };
  std::map<grid::FlexAlgoIndex, Asked> asked;
  for (DemandRow& demand : demands) {
    const uint32_t region = demand.row->region.value;
    if (demand.view == UINT32_MAX || (everywhere & ~demand.residency) == 0) continue;
    Asked& of_algo = asked[demand.row->flex_algo];
    of_algo.regions.insert(region);
    of_algo.nodes.insert(terrain->anchors[region]->node.value);
    of_algo.demands.push_back(&demand);
  }
  for (auto& [algo, of_algo] : asked) {
    for (const grid::Pool& pool : snapshot.pools) of_algo.nodes.insert(pool.node.value);
    const auto toward = repairs_toward(snapshot, algo, of_algo.nodes);
    std::map<uint32_t, uint32_t> position;  // of each region in `repairs`
    for (const uint32_t region : of_algo.regions) {
      position[region] = static_cast<uint32_t>(repairs.size());
      std::vector<uint64_t>& passed = repairs.emplace_back();
      const uint32_t anchor = terrain->anchors[region]->node.value;
      const auto from_next = twin::passed_from_next_anchor(snapshot, grid::RegionIndex(region), algo);
      for (const grid::Pool& pool : snapshot.pools)
        passed.push_back(toward.at(pool.node.value)[anchor] | toward.at(anchor)[pool.node.value] |
                         from_next[pool.node.value]);
    }
    for (DemandRow* demand : of_algo.demands) demand->repairs = position.at(demand->row->region.value);
  }
}

}  // namespace tandem::planner
