// Traffic between nodes: what the failures of a network are judged by.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "twin/twin.h"

namespace tandem::twin {

struct TrafficMatrix {
  struct Flow {
    grid::NodeIndex from, to;
    Gbps rate;                           // > 0
    grid::FlexAlgoIndex flex_algo = {};  // whose paths it takes; not valid(): the IGP's
  };
  // Traffic over ways of its own, whose ends watch them: over `primary`, over `second` as soon as that is cut, and over
  // the branches of its algorithm when both are.
  struct Steered {
    grid::NodeIndex from, to;
    Gbps rate;  // > 0
    grid::FlexAlgoIndex flex_algo = {};
    std::vector<grid::LinkIndex> primary = {}, second = {};  // from `from` to `to`; empty: there is none
  };
  std::vector<Flow> flows;
  std::vector<Steered> steered;
  std::string formula;  // where it comes from, as a sentence

  size_t size() const { return flows.size() + steered.size(); }
  Gbps total() const;
};

// The grid's own background traffic and the demands' bytes under a plan: uploads from the active anchor of a region to
// the pools, downloads back, each over the paths of its algorithm or over the ways its share names.
TrafficMatrix own_traffic(const grid::Snapshot& snapshot, const Assignment& assignment);

// The demands' bytes alone.
TrafficMatrix demand_traffic(const grid::Snapshot& snapshot, const Assignment& assignment);

// Between all pairs of usable nodes, T(i, j) = k · m(i) · m(j) (the gravity model: Zhang, Roughan, Duffield, Greenberg,
// "Fast accurate computation of large-scale IP traffic matrices from link loads", SIGMETRICS 2003). m is the population
// of the regions whose first anchor the node is; a node without one weighs as the smallest of the others. k is such
// that the busiest direction of a link carries `fill` of its capacity with everything up. Fails by ignoring who talks
// to whom.
TrafficMatrix gravity_traffic(const grid::Snapshot& snapshot, double fill);

// The same between all pairs, with m = 1.
TrafficMatrix uniform_traffic(const grid::Snapshot& snapshot, double fill);

// The slots, 2 · link + (0 from a to b, 1 from b to a), that links lead over from one node to another. Empty where they
// do not hang together, or are none.
std::vector<uint32_t> slots_along(const grid::Snapshot& snapshot, std::span<const grid::LinkIndex> links,
                                  grid::NodeIndex from, grid::NodeIndex to);
// The same where each is up.
std::vector<uint32_t> usable_slots_along(const grid::Snapshot& snapshot, std::span<const grid::LinkIndex> links,
                                         grid::NodeIndex from, grid::NodeIndex to);

// Loads of a matrix computed plainly: a tree of shortest paths to each destination, every flow down its equal-cost
// branches. O(destinations · (links log nodes)). Index 2 · link + (0 from a to b, 1 from b to a).
struct PlainLoads {
  std::vector<double> gbps;
  Gbps lost;  // of flows with no path
};
PlainLoads plain_loads(const grid::Snapshot& snapshot, const TrafficMatrix& matrix);

}  // namespace tandem::twin
