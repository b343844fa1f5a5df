// Traffic engineering: as few segment-routing policies as bring the fullest link close to the least that any routing
// could, with a proven bound. Pure functions; deterministic.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "base/json.h"
#include "grid/snapshot.h"
#include "ingest/topology.h"
#include "twin/twin.h"

namespace tandem::te {

inline constexpr size_t kNodesMax = 2'000;      // shares of every ordered pair are held: ~400 MB there
inline constexpr size_t kAdjacencyMax = 2'000;  // nodes and arcs where links may be named: ten seconds of pricing there
inline constexpr uint32_t kNoArc = UINT32_MAX;

// One direction of a link.
struct Arc {
  std::string label;
  uint32_t from = 0, to = 0;
  double capacity_gbps = 0;    // > 0
  double metric = 1;           // > 0, of the IGP, or of the flex algorithm in whose plane it is
  uint32_t opposite = kNoArc;  // the other direction of the same link; kNoArc where there is none
  uint32_t shares = kNoArc;    // of a plane: the IGP's arc whose capacity it takes
  double delay_us = 0;         // ≥ 0
};

struct Demand {
  std::string label;
  uint32_t from = 0, to = 0;   // not the same; both in the plane of its algorithm
  double rate_gbps = 0;        // > 0
  std::string flex_algo = {};  // "128"; empty: the IGP's paths
  // Traffic of a grid's demands under their plan; else its background's, or a file's. Policies keep its promises: none
  // leads it elsewhere, or over a path longer than its plain ones by more.
  bool planned = false;
  grid::JurisdictionSet allowed = grid::JurisdictionSet::all();
  double longer_max_us = 0;  // ≥ 0
  bool fixed = false;        // no policy moves it, for those that would help did not keep to that
};

// Traffic over ways of its own, whose ends watch them: over `primary`, over `second` once that is cut. No policy moves
// it.
struct Steered {
  Demand demand;
  std::vector<uint32_t> primary, second;  // arcs of the IGP's plane; none: there is no such way
};

// What cannot be carried at all, why, and the least that would let it be.
struct Blocked {
  std::string demand;
  double rate_gbps = 0;
  std::string reason;
  std::string relaxation;  // empty where the reason says it
};

// A flex algorithm is a plane of its own (docs/decisions/0019): copies of its nodes and arcs, with its metric, which
// nothing joins to the others. So its demands, their waypoints and their bound never leave it; only capacity is shared.
struct Problem {
  std::vector<std::string> nodes;
  std::vector<uint8_t> waypoint;  // by node: whether a segment may name it
  std::vector<uint8_t> closed;    // by node: no path goes through it (the overload bit); empty where that holds of none
  std::vector<grid::JurisdictionSet> jurisdictions;  // by node; empty where there are no planned demands
  std::vector<Arc> arcs;
  std::vector<Demand> demands;   // each can be carried
  std::vector<Steered> steered;  // over the ways they have
  std::vector<Blocked> blocked;

  // The arc whose capacity this one takes; loads and prices are of those.
  uint32_t row(uint32_t arc) const { return arcs[arc].shares == kNoArc ? arc : arcs[arc].shares; }

  // What a segment list names: a node by its position, and from nodes.size() on a direction of a link, nodes.size() +
  // arc: to the router before it by shortest paths, then over it (an adjacency segment, RFC 8402 §3.4; one End.X SID of
  // SRv6, RFC 8986 §4.2, but a node's and a link's label with MPLS).
  bool names_link(uint32_t segment) const { return segment >= nodes.size(); }
  uint32_t link_of(uint32_t segment) const { return segment - static_cast<uint32_t>(nodes.size()); }
  uint32_t start_of(uint32_t segment) const { return names_link(segment) ? arcs[link_of(segment)].from : segment; }
  uint32_t end_of(uint32_t segment) const { return names_link(segment) ? arcs[link_of(segment)].to : segment; }
  bool may_name(uint32_t segment) const { return waypoint[start_of(segment)] != 0 && waypoint[end_of(segment)] != 0; }

  size_t fixed_demands() const;

  // Whether paths toward `target` may go on at the node.
  bool passes(uint32_t node, uint32_t target) const { return node == target || closed.empty() || closed[node] == 0; }
};

// What a grid's demands send under a plan.
struct PlannedTraffic {
  twin::Assignment assignment;
  std::vector<double> slack_us;  // by demand of the grid, ≥ 0: how much later its first token may come; empty: none may
};

// The problem of a foreign topology with its demands, or of a grid with its background traffic and its demands' bytes
// under a plan, a tenant's between the same two routers in the same algorithm as one (what is down is left out). What
// is left out is named: links without capacity, demands without a path, without a rate, or from a node to itself.
Problem make_problem(const ingest::Topology& topology, const std::string& file, std::vector<Diagnostic>& diagnostics);
Problem make_problem(const grid::Snapshot& snapshot, const PlannedTraffic& planned,
                     std::vector<Diagnostic>& diagnostics);

// A share of a demand over waypoints, each leg along the equal-cost shortest paths of its plane (RFC 8402; a flex
// algorithm's with its own SIDs, RFC 9350 §7; shares are the weights of segment lists, RFC 9256 §2.11). No segments:
// the plain shortest paths.
struct Policy {
  uint32_t demand = 0;
  std::vector<uint32_t> segments;  // between the ends, in order, as Problem names them
  double fraction = 1;             // (0, 1]

  bool operator==(const Policy&) const = default;
};

struct Options {
  uint32_t segments_max = 3;           // legs of a policy, 2 or 3; a third only where two stay over kThirdSegmentGap
  bool adjacency = false;              // links may be named too, where nodes alone stay over kThirdSegmentGap
  uint32_t policies_max = UINT32_MAX;  // demands that leave the plain shortest paths
  double tolerance = 0.002;            // how far above the least it may end: the more, the fewer policies
  uint64_t pivots_max = 200'000;       // of each linear program: the limit on work
  std::function<void(double mlu)> found = {};  // told what the fullest link falls to, on the caller's thread
};
inline constexpr double kThirdSegmentGap = 0.01;  // above the bound

struct Solution {
  std::vector<Policy> policies;  // of demands that leave the plain shortest paths, by demand; fractions sum to 1
  double mlu_before = 0;         // fullest link over its capacity, everything on plain shortest paths
  double mlu = 0;
  double bound = 0;            // no routing that passes no closed node and moves nothing fixed can have less
  std::vector<double> prices;  // by arc, ≥ 0: the certificate of the bound
  double segment_bound = 0;    // no routing over that many segments, of the kinds allowed, can have less
  uint64_t pivots = 0;
  bool stopped = false;  // by the limit on work or the stop token

  // Over the bound, ≥ 0; infinite where stopped before anything was proven.
  double gap() const { return bound > 0 ? mlu / bound - 1 : mlu > 0 ? std::numeric_limits<double>::infinity() : 0; }
};
// Two linear programs by column generation: shares of demands over segment routes, and over any paths for the bound
// (see grouped_simplex.h, column_generation.h). Steering a demand costs a little, so that few are; the cost falls from
// stage to stage until the level is within the tolerance. Each program has a thread of its own and does not see the
// other's, so the result depends on nothing but the input, unless `stop` asks for what stands by then, which is
// feasible and proven too. Fails by splitting demands: a few more than there are full links.
Solution optimise(const Problem& problem, const Options& options, std::stop_token stop);

// Which demands' policies lead outside `allowed`, or over branches longer than the longest plain one by more than
// `longer_max_us`. Ascending.
std::vector<uint32_t> astray(const Problem& problem, std::span<const Policy> policies);

// As `optimise`, with planned demands whose policies would go astray fixed to their plain paths, and the rest shared
// anew, until none does.
Solution optimise_within_promises(Problem& problem, const Options& options, std::stop_token stop);

// The load of each arc in Gbit/s when the policies hold and all other demands follow the plain shortest paths; 0 of a
// plane's arcs, whose traffic loads those they share. It shares nothing with the search. `down`, by arc, may be empty:
// then none is. Every demand must have a path, and every waypoint.
std::vector<double> loads_of(const Problem& problem, std::span<const Policy> policies,
                             std::span<const uint8_t> down = {});
double mlu_of(const Problem& problem, std::span<const double> loads_gbps);

// What part of a policy's traffic each arc carries, 0 to 1; of a plane's those they share, as above.
std::vector<double> way_of(const Problem& problem, const Policy& policy);

// For any lengths l ≥ 0 of arcs, every routing has MLU ≥ Σ_d rate_d · dist_l(d) / Σ_a capacity_a · l_a: the sum of
// l_a · load_a is at least the numerator and at most MLU · the denominator (Shahrokhi, Matula, "The maximum concurrent
// flow problem", 1990). A distance is within the demand's plane; along its way for what has one, and along its plain
// paths where it is fixed. Lengths of a plane's arcs are those of the arcs they share. Rounded down. O(sources · arcs ·
// log nodes).
double bound_of(const Problem& problem, std::span<const double> prices);

// With labels for positions: see docs/TRAFFIC_ENGINEERING.md.
Json to_json(const Problem& problem, const Solution& solution);
Json policies_to_json(const Problem& problem, std::span<const Policy> policies);
Json blocked_to_json(const Problem& problem);
Json arc_to_json(const Problem& problem, uint32_t arc);  // {"link","from","to"}

// ---- After a failure -----------------------------------------------------------------------------------------------

// What is left when arcs are down: demands that still have a path, and the policies that still hold among them (a list
// with a waypoint that cannot be reached is invalid, and its demand falls back to the plain paths: RFC 9256 §5.1).
struct Survivors {
  Problem problem;               // same nodes and arcs; `demands` those that have a path, `blocked` those cut off now
  std::vector<Policy> policies;  // by the demands of that problem
  std::vector<uint8_t> down;     // by arc
};
Survivors survivors_of(const Problem& problem, std::span<const Policy> policies, std::span<const uint32_t> failed_arcs);

// Every link, as what fails with it: its one or two arcs in the IGP's plane. In the order of the first.
std::vector<std::vector<uint32_t>> links_of(const Problem& problem);

struct RepairOptions {
  uint32_t changes_max = 5;      // demands whose policy is added, changed or removed
  uint32_t candidates_max = 12;  // tried at each step
};

struct Repair {
  double mlu_failed = 0;        // the shortest paths have reconverged, the policies are as they were
  double mlu = 0;               // with the changes
  std::vector<Policy> changes;  // the new policies of the changed demands; fractions of a demand sum to 1
  uint32_t changed = 0;         // demands
};
// Of demands that are not planned; greedy: the one that helps most, one after the other, all chosen so far shared anew
// over their routes at each step by the same linear program. Stops where the next would help by less than a thousandth.
Repair repair(const Survivors& survivors, const RepairOptions& options);

// The policies that hold once those of changed demands have taken the place of theirs.
std::vector<Policy> repaired(const Survivors& survivors, const Repair& repair);

// {"link","from","to","mlu_failed","mlu","changed_demands","changes","cut_off_demands"} of the link whose arc it is.
Json repair_to_json(const Survivors& survivors, uint32_t arc, const Repair& repair);

}  // namespace tandem::te
