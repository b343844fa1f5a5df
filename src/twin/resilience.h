// What happens to traffic between a failure and its repair, and where links are asked for more than they have.
#pragma once

#include <span>
#include <stop_token>
#include <vector>

#include "base/result.h"
#include "twin/failures.h"
#include "twin/traffic.h"

namespace tandem::twin {

// Loads in the moment after the failures when only the routers beside them know: each sends what went over a failed
// link along its own shortest paths without what failed, and all others forward as before (TI-LFA: the repair follows
// the post-convergence path from the point of local repair; Litkowski, Bashandy, Filsfils, Francois, Decraene, Voyer).
// Packets on a repair are carried past routers that have not converged. Assumes that every router has a repair where
// there is a path at all, and knows all of what failed. Steered traffic is on its second way at once. Convergence
// brings plain_loads of the snapshot with the failures.
PlainLoads repair_loads(const grid::Snapshot& snapshot, const TrafficMatrix& matrix, std::span<const Failure> failures);

// Links that carry more than `trip` of their capacity fail as well, again and again (Motter, Lai, "Cascade-based
// attacks on complex networks", Phys. Rev. E 66, 2002). Each round takes at least one link, so there is a fixed point
// after at most as many rounds as links; `rounds_max` may stop it earlier. Fails by pessimism where overload only drops
// packets. Stops early when asked, not settled.
struct Cascade {
  struct Round {
    std::vector<grid::LinkIndex> tripped;  // by the loads of the round before
    double utilization_max = 0;            // after it
    Gbps lost;
  };
  std::vector<Round> rounds;  // the first is the failures themselves and trips nothing
  bool settled = false;       // no link is over the limit any more
};
Cascade cascade(const grid::Snapshot& snapshot, const TrafficMatrix& matrix, std::span<const Failure> failures,
                double trip, uint32_t rounds_max, const std::stop_token& stop = {});

// Max-min fair rates of elastic traffic: no flow can have more without taking from one that has no more than it
// (progressive filling: Bertsekas, Gallagher, "Data Networks", 2nd ed., §6.5.2). A flow uses a link by the fraction of
// it that equal-cost splitting sends there, and never gets more than it asks for. `taken` is what is not elastic, by 2
// · link + direction; it comes first. O(flows · path + (flows + links) · links).
struct ElasticShares {
  std::vector<Gbps> rates;   // by flow of the matrix, then what is steered; 0 where there is no path
  std::vector<double> gbps;  // loads of all, `taken` included
};
ElasticShares share_elastic(const grid::Snapshot& snapshot, const TrafficMatrix& matrix, std::span<const double> taken);

// One instruction of a segment list (RFC 8402): go to a node over shortest paths, or cross one link.
struct Segment {
  enum class Kind : uint8_t { node, adjacency };
  Kind kind = Kind::node;
  grid::NodeIndex node;  // of a node segment
  grid::LinkIndex link;  // of an adjacency segment
  bool forward = true;   // from link.a to link.b
};
// Where one unit of traffic from `from` to `to` goes under a segment list: to each segment in turn, to `to` at last.
// Every stretch splits over equal-cost branches. Errors: invalid_argument (more than `depth_max` segments, the maximum
// SID depth of the router that pushes them, RFC 8491; an adjacency that does not start where the list has led to),
// unavailable (a stretch has no path, a link is down).
Result<std::vector<PathTree::ArcShare>> segment_shares(const grid::Snapshot& snapshot,
                                                       const std::shared_ptr<const Network>& network,
                                                       grid::NodeIndex from, grid::NodeIndex to,
                                                       std::span<const Segment> segments, size_t depth_max);

}  // namespace tandem::twin
