// What would happen on a snapshot. Pure functions over dense arrays.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "grid/snapshot.h"

namespace tandem::twin {

// ---- Paths -------------------------------------------------------------------------------------------------------

// The usable arcs of a snapshot as dense rows: what path computation reads. Built once, shared by every tree.
struct Network {
  struct Arc {
    uint32_t to = 0;  // node
    uint32_t link = 0;
    double metric = 1;  // ≥ 1, so that branches have no cycle
    double delay_us = 0;
    double euros_per_byte = 0;
    bool forward = true;  // from link.a to link.b
  };
  std::vector<uint32_t> first;          // CSR: the arcs out of node i are arcs[first[i] … first[i + 1])
  std::vector<Arc> arcs;                // ordered by node, then link; every arc's opposite is there too
  std::vector<uint64_t> jurisdictions;  // of each node, as JurisdictionSet::bits
  std::vector<uint8_t> usable;          // by node

  std::span<const Arc> out_of(uint32_t node) const {
    return std::span(arcs).subspan(first[node], first[node + 1] - first[node]);
  }
};
std::shared_ptr<const Network> make_network(const grid::Snapshot& snapshot);

// Shortest paths by IGP metric from one node to every other, with every equal-cost branch (RFC 2328 §16.1, RFC 2992).
// A link has one metric for both directions, so the branches back are the same links. Dijkstra with a binary heap,
// O(E log V). Metrics are compared exactly: they are sums of values read from a file.
class PathTree {
 public:
  PathTree(std::shared_ptr<const Network> network, grid::NodeIndex source);

  grid::NodeIndex source() const { return source_; }
  bool reachable(grid::NodeIndex node) const { return metric_[node.value] < kUnreachable; }
  double metric(grid::NodeIndex node) const { return metric_[node.value]; }

  // One-way network delay between source and node over the equal-cost branches: the longest, and the mean over the even
  // splits of traffic from the node to the source.
  Microseconds delay_max(grid::NodeIndex node) const { return Microseconds(delay_max_us_[node.value]); }
  Microseconds delay_mean(grid::NodeIndex node) const { return Microseconds(delay_mean_us_[node.value]); }
  // Jurisdictions of every node on any branch, both ends included.
  grid::JurisdictionSet jurisdictions(grid::NodeIndex node) const { return {jurisdictions_[node.value]}; }
  // Transport of one byte from the node to the source, mean over its even splits, in euros. Taken for the way out too:
  // where equal-cost branches differ in price, the two directions split over them slightly differently.
  double euros_per_byte(grid::NodeIndex node) const { return euros_per_byte_[node.value]; }

  struct ArcShare {
    grid::LinkIndex link;
    bool forward = true;  // from link.a to link.b
    double fraction = 0;  // (0, 1] of the traffic that crosses here
  };
  // Where one unit of traffic from the source to `node`, or from `node` back to the source, goes when every router
  // splits evenly over its equal-cost next hops. Empty when the node is the source or not reachable. O(nodes nearer
  // than it + their arcs).
  std::vector<ArcShare> shares_to(grid::NodeIndex node) const;
  std::vector<ArcShare> shares_back(grid::NodeIndex node) const;

  // The loads of traffic from every node to the source at once, `rates[node]` each, added to `loads` at
  // 2 · link + (0 from link.a to link.b, 1 back). Returns what has no path. O(nodes + arcs).
  double collect(std::vector<double> rates, std::span<double> loads) const;

 private:
  static constexpr double kUnreachable = 1e300;
  void run_dijkstra();
  void summarise_branches();
  bool on_branch(uint32_t from, const Network::Arc& arc) const { return metric_[from] + arc.metric == metric_[arc.to]; }

  std::shared_ptr<const Network> network_;
  grid::NodeIndex source_;
  std::vector<double> metric_;
  std::vector<double> delay_max_us_, delay_mean_us_, euros_per_byte_;
  std::vector<uint64_t> jurisdictions_;
  std::vector<uint32_t> order_;     // reachable nodes by metric: a topological order of the branches
  std::vector<uint32_t> position_;  // of each reachable node in order_
};

// The anchor a region uses now: its first that is up and has a usable link; where no such one is left, its first that
// is up (it still reaches what stands beside it); nothing when all are down.
std::optional<grid::Anchor> active_anchor(const grid::Snapshot& snapshot, grid::RegionIndex region);

// From a region through its anchor to every site's nodes, out and back over the same metric.
struct RegionReach {
  std::optional<grid::Anchor> anchor;  // empty when all are down
  std::optional<PathTree> tree;        // from the anchor's node; empty when there is none

  bool reachable(grid::NodeIndex node) const { return tree && tree->reachable(node); }
};
RegionReach reach_from(const grid::Snapshot& snapshot, const std::shared_ptr<const Network>& network,
                       grid::RegionIndex region);

// Access + backhaul + the longest branch, out and back. The node must be reachable.
Microseconds round_trip(const RegionReach& reach, grid::NodeIndex node);

// ---- Serving -----------------------------------------------------------------------------------------------------

struct ReplicaRate {
  uint32_t batch = 1;             // requests at once
  Milliseconds decode_per_token;  // of each request at that batch
  double requests_per_s = 0;      // one replica sustains
  Watts power;                    // IT, while it serves at that rate
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
double kv_requests_max(const grid::Model& model, const grid::Profile& profile, double prompt_tokens,
                       double output_tokens);

// The probability that all of c servers are busy in M/M/c at that utilisation ρ, Erlang's second formula (Kleinrock,
// Queueing Systems I, §3.8). 1 at ρ ≥ 1. By the stable recursion on Erlang B, O(c).
double erlang_c(uint32_t servers, double utilization);

// The wait in M/M/c of mean service time s, at a quantile: P(wait > t) = C(c, ρ) · e^(−c(1−ρ)t/s).
// Infinite (kForever) at ρ ≥ 1. Fails by pessimism where service times vary less than exponentially.
inline constexpr Milliseconds kForever{1e300};
Milliseconds queue_wait(uint32_t servers, double utilization, Milliseconds service_time, double quantile);

// The requests that the replicas of one deployment share: sums over the demands it serves.
struct Mix {
  double requests_per_s = 0;
  double prefill_s_per_s = 0;  // seconds of one replica's prefill asked for each second
  double tokens_per_s = 0;     // output tokens

  void add(const grid::Profile& profile, const grid::Demand& demand, double fraction);
};

// What a deployment does under a mix, every replica at one operating point.
struct Serving {
  double utilization = 0;  // prefill's and decode's share of the replicas' time, ≥ 0; overloaded from 1
  Milliseconds tpot;  // decode step, stretched by the prefills that take turns with it: step / (1 − prefill's share)
  // Two waits precede a prefill: for a place in the batch (M/M/c, c = replicas × batch, of a whole request's time) and
  // for the prefills ahead (M/M/c, c = replicas, of one prefill's time). Each exceeds t with probability C ·
  // e^(−t/mean).
  uint32_t places = 0, replicas = 0;
  double prefill_share = 0;  // of the replicas' time
  double place_mean_ms = 0, prefill_mean_ms = 0;

  // Both waits together, at a quantile. Quantiles do not add, so the tail is split evenly between them: each part is
  // taken at 1 − (1 − quantile) / 2, and by the union bound their sum is exceeded no more often than promised.
  Milliseconds wait(double quantile) const;
  // wait(quantile) ≤ most, mostly without the exact C: it falls as servers are added at the same utilisation, so the C
  // of fewer servers bounds it.
  bool waits_within(double quantile, Milliseconds most) const;
};
Serving serve(const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix);

// IT watts of a deployment: all its accelerators idle at least, the rest in proportion to utilisation up to the
// operating point's (Fan, Weber, Barroso, ISCA 2007: power is close to linear in utilisation). `idle` is of one
// replica.
Watts average_power(const grid::OperatingPoint& point, Watts idle, double replicas, double utilization);

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
  std::vector<LinkLoad> links;                         // background and demands, by link
  std::vector<double> utilization_ab, utilization_ba;  // of capacity; may exceed 1
  Gbps undelivered;                                    // traffic with no path
};

// Load of background traffic and of the demands' bytes, out (uploads) and back (downloads), each over its ECMP
// branches.
Forecast forecast(const grid::Snapshot& snapshot, const Assignment& assignment);

}  // namespace tandem::twin
