// Failures after which a plan must still fit the links, as constraints that are added when a plan breaks them.
//
// Problem: for every failure f the policy names and every direction a of a link, what a plan's traffic puts on a once
// routing has converged without f, and the background that is there then, is at most the policy's share of a's
// capacity. These are failures × arcs rows, few of which ever bind. Method: lazy constraints. A plan is made without
// them; all failures are swept with its traffic (twin::FailureStudy, incremental); for those in which a link is too
// full the loads are worked out, and each arc that the plan overfills becomes a row, which the search heeds as it heeds
// arcs; the plan is mended and swept again. After kRestorationRounds demands are only taken off rows: that overfills
// no other, for routing does not follow load, so the last sweep finds nothing. Rows only forbid plans: a lower bound
// without them holds.
//
// What has no way left after a failure puts no load on anything: rows ask what is carried to fit, diversity asks that
// there is a way. Regions whose anchor is cut off go to their next; shares of pools that fail are not moved to others.
// A demand with two ways counts on both, as booked. Fails by turning away what a plan made with all rows at once would
// have served.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "planner/terrain.h"
#include "twin/failures.h"

namespace tandem::planner {

class Problem;
class Search;
struct DemandRow;

inline constexpr uint32_t kRestorationRounds = 8;  // of search; most plans are settled by the third

// One direction of a link once something has failed.
struct RestorationRow {
  twin::Failure failure;
  uint32_t arc = 0;       // 2 × link, + 1 from link.b to link.a
  double spare_gbps = 0;  // for the plan's traffic; may be negative
};

// A plan's traffic as the links see it.
struct PlannedTraffic {
  struct Flow {
    uint32_t region = 0, pool = 0;
    grid::FlexAlgoIndex algo;
    double up_gbps = 0, back_gbps = 0;
  };
  std::vector<Flow> flows;          // over the network's own branches; each pair and algorithm once
  std::vector<double> booked_gbps;  // by arc, of demands with two ways
};
PlannedTraffic planned_traffic(const Problem& problem, const Search& search);

class Restoration {
 public:
  const std::vector<RestorationRow>& rows() const { return rows_; }
  // "once duct-7 has failed, ham-kie from kie to ham"
  std::string text(const Problem& problem, size_t row) const;

  // Sweeps every case; each arc that this traffic overfills becomes a row. Returns how many were added.
  size_t add_overfilled(const Problem& problem, const PlannedTraffic& traffic);

  // Of a demand at a pool that it reaches: arcs, then rows, counted on from the arcs.
  const std::vector<ArcUse>& arc_uses(const Problem& problem, const DemandRow& row, uint32_t pool) const;

 private:
  struct Case {
    twin::Failure failure;
    std::shared_ptr<const Terrain> world;  // after it
    std::vector<uint32_t> row_of_arc;      // by arc; UINT32_MAX where there is no row
  };
  std::vector<twin::Failure> suspects(const Problem& problem, const PlannedTraffic& traffic,
                                      twin::FailureKind kind) const;
  size_t add_overfilled(const Problem& problem, const PlannedTraffic& traffic, twin::Failure failure);

  std::vector<RestorationRow> rows_;
  std::vector<Case> cases_;  // with rows, in the order they were found
  mutable std::unordered_map<uint64_t, std::vector<ArcUse>>
      uses_;  // by region and algorithm, or ways, and pool; never walked
};

}  // namespace tandem::planner
