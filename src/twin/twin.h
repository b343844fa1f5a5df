// What would happen on a snapshot. Pure functions over dense arrays.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "grid/snapshot.h"

namespace tandem::twin {

// ---- Delay -------------------------------------------------------------------------------------------------------

// Propagation in silica fibre: group index 1.468 / c = 4.90 µs/km (ITU-T G.652 fibre at 1550 nm).
inline constexpr double kFibreDelayUsPerKm = 4.9;

// Great-circle distance by the haversine formula on a sphere of mean radius 6,371.0088 km (IUGG); within 0.5 % of the
// ellipsoid.
Kilometres great_circle(Degrees latitude_a, Degrees longitude_a, Degrees latitude_b, Degrees longitude_b);

// ---- Paths -------------------------------------------------------------------------------------------------------

// Shortest paths by IGP metric from one node to every other, with every equal-cost branch (RFC 2328 §16.1, RFC 2992).
// Dijkstra with a binary heap, O(E log V). Metrics are compared exactly: they are sums of values read from a file.
class PathTree {
 public:
  PathTree(const grid::Snapshot& snapshot, grid::NodeIndex source);

  grid::NodeIndex source() const { return source_; }
  bool reachable(grid::NodeIndex node) const { return metric_[node.value] < kUnreachable; }
  double metric(grid::NodeIndex node) const { return metric_[node.value]; }

  // One-way network delay to the node over the equal-cost branches: the longest, and the mean over ECMP's even splits.
  Microseconds delay_max(grid::NodeIndex node) const { return delay_max_[node.value]; }
  Microseconds delay_mean(grid::NodeIndex node) const { return delay_mean_[node.value]; }
  // Jurisdictions of every node on any branch, both ends included.
  grid::JurisdictionSet jurisdictions(grid::NodeIndex node) const { return jurisdictions_[node.value]; }

  struct ArcShare {
    grid::LinkIndex link;
    bool forward = true;      // from link.a to link.b
    double fraction = 0;      // (0, 1] of the traffic to the node that crosses here
  };
  // Where one unit of traffic to `node` goes when every node splits evenly over its equal-cost next hops.
  // O(nodes + arcs on the branches).
  std::vector<ArcShare> shares_to(grid::NodeIndex node) const;

 private:
  static constexpr double kUnreachable = 1e300;
  const grid::Snapshot* snapshot_;  // must outlive the tree
  grid::NodeIndex source_;
  std::vector<double> metric_;
  std::vector<Microseconds> delay_max_, delay_mean_;
  std::vector<grid::JurisdictionSet> jurisdictions_;
  std::vector<grid::NodeIndex> order_;  // by metric: a topological order of the branches
};

// The anchor a region uses now: its first that is up; nothing when all are down.
std::optional<grid::Anchor> active_anchor(const grid::Snapshot& snapshot, grid::RegionIndex region);

// From a region through its anchor to every site's nodes, out and back over the same metric.
struct RegionReach {
  bool anchored = false;
  grid::Anchor anchor;
  std::optional<PathTree> tree;       // from the anchor's node; empty when not anchored
};
RegionReach reach_from(const grid::Snapshot& snapshot, grid::RegionIndex region);

// Access + backhaul + the longest branch, out and back. The node must be reachable.
Microseconds round_trip(const RegionReach& reach, grid::NodeIndex node);

// Transport cost of one byte along the branches, in euros.
double transport_euros_per_byte(const grid::Snapshot& snapshot, const PathTree& tree, grid::NodeIndex node);

// ---- Serving -----------------------------------------------------------------------------------------------------

struct ReplicaRate {
  uint32_t batch = 1;                 // requests at once
  Milliseconds decode_per_token;      // of each request at that batch
  double requests_per_s = 0;          // one replica sustains
  Watts power;                        // IT, while it serves at that rate
};

// What one replica sustains at an operating point, for requests of these mean sizes. Prefill and decode share the
// replica: the time of a request is its prefill plus its share of the batch's decode steps,
//   1 / rate = prefill_s + output_tokens · step_s / batch
// (continuous batching with prefill taking turns with decode; Orca, Yu et al., OSDI 2022). Fails by being optimistic
// where prompts vary much in length.
ReplicaRate replica_rate(const grid::Profile& profile, const grid::OperatingPoint& point, double prompt_tokens,
                         double output_tokens, double prefix_hit);

Milliseconds prefill_time(const grid::Profile& profile, double prompt_tokens, double prefix_hit);

// Requests at once that the replica's KV memory holds (prompt + whole output each).
double kv_requests_max(const grid::Model& model, const grid::Profile& profile, double prompt_tokens, double output_tokens);

// The wait for a place in the running batch, at a quantile: M/M/c with c = replicas × batch servers of mean service time
// s, P(wait > t) = C(c, ρ) · e^(−c(1−ρ)t/s), where C is Erlang's second formula (Kleinrock, Queueing Systems I, §3.8).
// Infinite (1e300 ms) at utilisation ≥ 1. Fails by pessimism where service times vary less than exponentially.
Milliseconds queue_wait(double servers, double utilization, Milliseconds service_time, double quantile);

// ---- Load, verdicts ----------------------------------------------------------------------------------------------

// Where the demands go: a share of a demand served by a deployment of a plan.
struct Assignment {
  struct Share {
    grid::DemandIndex demand;
    grid::PoolIndex pool;
    double fraction = 0;
  };
  std::vector<Share> shares;
};

struct LinkLoad {
  Gbps ab, ba;
};

struct Forecast {
  std::vector<LinkLoad> links;        // background and demands, by link
  std::vector<double> utilization_ab, utilization_ba;  // of capacity; may exceed 1
  Gbps undelivered;                   // traffic with no path
};

// Load of background traffic and of the demands' bytes, out (uploads) and back (downloads), each over its ECMP branches.
Forecast forecast(const grid::Snapshot& snapshot, const Assignment& assignment);

}  // namespace tandem::twin
