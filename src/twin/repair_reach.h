// Where traffic may come to pass when any one link or node fails.
//
// Problem: of traffic between two nodes, the jurisdictions of all routers that it passes once a single link or node has
// failed: sent on by the router beside the loss along that router's post-convergence branches (as in repair_loads), or
// once all routing has converged. What has no path left is dropped. Method: toward one destination every failure is
// followed incrementally (reroute.h); a router with a new distance passes what its new branches pass, and one beside
// the loss adds that to all whose branches come by it. Routers that keep their distance pass no more than before.
// O(failures · (routers moved · degree) + links) for one destination and all sources.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "twin/twin.h"

namespace tandem::twin {

// Of one snapshot and one algorithm; may be asked by several threads. At most 65,535 nodes.
class RepairReach {
 public:
  RepairReach(const grid::Snapshot& snapshot, std::shared_ptr<const Network> network);
  ~RepairReach();

  // By source node, as JurisdictionSet::bits: of its traffic to `destination` after failures alone, so that a branch
  // that only carries it with everything up need not be in it.
  std::vector<uint64_t> toward(grid::NodeIndex destination) const;

 private:
  struct Failures;
  std::shared_ptr<const Network> network_;
  std::unique_ptr<const Failures> failures_;
};

// Once the anchor that a region uses has failed and it goes to its next: by node, what its traffic then passes. All 0
// where there is no other.
std::vector<uint64_t> passed_from_next_anchor(const grid::Snapshot& snapshot, grid::RegionIndex region,
                                              grid::FlexAlgoIndex algo);

}  // namespace tandem::twin
