// Parts of violations(): what a plan says of the ways of its traffic, and what failures make of its load. They read the
// plan's own rows and the grid alone, and share no code with what makes plans.
#pragma once

#include <string>
#include <vector>

#include "grid/snapshot.h"
#include "tandem/v1/plan.pb.h"
#include "twin/twin.h"

namespace tandem::planner {

inline constexpr size_t kOverfilledMax = 100;  // what a person reads of one fault

// The two ways of one split, walked link by link.
struct CheckedWays {
  std::vector<std::string> faults;  // each the end of a sentence
  Microseconds round_trip;          // over the longer, access and backhaul left out
};
CheckedWays check_ways(const grid::Snapshot& snapshot, const grid::Demand& demand, const v1::PlannedSplit& split,
                       grid::NodeIndex anchor, grid::NodeIndex pool);

// What is booked beside the traffic itself, by 2 × link, + 1 from link.b to link.a: second ways as the plan has them.
std::vector<double> booked_on_second_ways(const grid::Snapshot& snapshot, const twin::Assignment& assignment);

// Where the policy asks that repairs stay resident: each demand whose traffic some one failure of a link or node leads
// out of its residency, as sentences, at most kOverfilledMax; worked out by twin::FailureStudy.
std::vector<std::string> residencies_left_after_failures(const grid::Snapshot& snapshot,
                                                         const twin::Assignment& assignment);

// Every case of the policy, as sentences; at most kOverfilledMax of them. A flow is routed anew in those cases that
// take a link from one of its branches, the rest stands: removing what no branch uses moves nothing.
// O(sum over cases of the sources they touch · links log nodes).
std::vector<std::string> overfilled_after_failures(const grid::Snapshot& snapshot, const twin::Assignment& assignment);

}  // namespace tandem::planner
