// What would happen on a snapshot. Pure functions over dense arrays.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "grid/snapshot.h"

namespace tandem::twin {

// ---- Paths -------------------------------------------------------------------------------------------------------

// The usable arcs of a snapshot as dense rows: what path computation reads. Built once, shared by every tree.
struct Network {
  struct Arc {
    uint32_t to = 0;  // node
    uint32_t link = 0;
    double metric = 1;  // of its algorithm, ≥ 1, so that branches have no cycle
    double delay_us = 0;
    double euros_per_byte = 0;
    bool forward = true;  // from link.a to link.b
  };
  std::vector<uint32_t> first;          // CSR: the arcs out of node i are arcs[first[i] … first[i + 1])
  std::vector<Arc> arcs;                // ordered by node, then link; every arc's opposite is there too
  std::vector<uint64_t> jurisdictions;  // of each node, as JurisdictionSet::bits
  std::vector<uint8_t> usable;          // by node: it is up and takes part
  std::vector<uint8_t> closed;          // by node: no path goes through it; empty where that holds of none

  std::span<const Arc> out_of(uint32_t node) const {
    return std::span(arcs).subspan(first[node], first[node + 1] - first[node]);
  }
  bool is_closed(uint32_t node) const { return !closed.empty() && closed[node] != 0; }
};
// Of the IGP, or of a flex algorithm: its participants, the links that its rules admit, and its metric (RFC 9350 §13).
std::shared_ptr<const Network> make_network(const grid::Snapshot& snapshot, grid::FlexAlgoIndex algo = {});

// What crossing a link counts in an algorithm's topology, ≥ 1, whether it is up or not; nothing where it is not in it.
// Delay is that in whole microseconds, as it is announced, at least one.
std::optional<double> metric_in(const grid::Snapshot& snapshot, grid::FlexAlgoIndex algo, grid::LinkIndex link);

class PathTree;
struct RegionReach;

// The networks of one snapshot by algorithm, and the paths in them, each made when it is first asked for. For one
// thread.
class Networks {
 public:
  explicit Networks(const grid::Snapshot& snapshot) : snapshot_(snapshot), made_(1 + snapshot.flex_algos.size()) {}
  const std::shared_ptr<const Network>& of(grid::FlexAlgoIndex algo);
  std::shared_ptr<const PathTree> tree(grid::FlexAlgoIndex algo, grid::NodeIndex source);
  RegionReach reach(grid::FlexAlgoIndex algo, grid::RegionIndex region);

 private:
  // Of all trees together; further ones are made anew each time. More than a nation of 1,000 sites has (50 MB).
  static constexpr size_t kTreeBytesMax = size_t{256} << 20;
  const grid::Snapshot snapshot_;                                                   // O(1) copy
  std::vector<std::shared_ptr<const Network>> made_;                                // the IGP's, then by algorithm
  std::map<std::pair<uint32_t, uint32_t>, std::shared_ptr<const PathTree>> trees_;  // by algorithm and source
};

// "" of the IGP's own; else " in flex algorithm 128", to stand behind "no path".
std::string in_algorithm(const grid::Snapshot& snapshot, grid::FlexAlgoIndex algo);

// Shortest paths by metric from one node to every other, with every equal-cost branch (RFC 2328 §16.1, RFC 2992).
// None goes through a router with the overload bit (ISO/IEC 10589 §7.2.8.1), which is reached itself.
// A link has one metric for both directions, so the branches back are the same links. Dijkstra with a binary heap,
// O(E log V). Metrics are compared exactly: they are sums of values read from a file.
class PathTree {
 public:
  PathTree(std::shared_ptr<const Network> network, grid::NodeIndex source);

  grid::NodeIndex source() const { return source_; }
  const std::shared_ptr<const Network>& network() const { return network_; }
  bool reachable(grid::NodeIndex node) const { return metric_[node.value] < kUnreachable; }
  double metric(grid::NodeIndex node) const { return metric_[node.value]; }
  // The arc out of `node` leads to a router on one of its branches, nearer the source.
  bool leads_nearer(grid::NodeIndex node, const Network::Arc& arc) const { return leads_back(node.value, arc); }

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
  // A router with the overload bit ends branches and begins them, and is on none between.
  bool passes(uint32_t node) const { return node == source_.value || !network_->is_closed(node); }
  bool on_branch(uint32_t from, const Network::Arc& arc) const {
    return metric_[from] + arc.metric == metric_[arc.to] && passes(from);
  }
  bool leads_back(uint32_t node, const Network::Arc& arc) const {
    return metric_[arc.to] + arc.metric == metric_[node] && passes(arc.to);
  }

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
  std::optional<grid::Anchor> anchor;    // empty when all are down
  std::shared_ptr<const PathTree> tree;  // from the anchor's node; null when there is none

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

// Of the sizes of single requests, standard deviation over mean: 0 all alike, 1 as exponential ones. The default is
// what the Azure traces of 2023 show: 0.96 for prompts, 0.8 (chat) and 2.1 (code) for outputs.
struct Variation {
  double prompt = 1;
  double output = 1;
};

// Requests at once that the replica's KV memory holds, prompt and whole output reserved for each. Long answers stay for
// long, so of the requests found in a batch the lengths are biased by length: o tokens on average and their spread v
// make o · (1 + v²) of those under way, outputs taken as gamma (v = 1 exponential). What a full batch then holds is
// that mean and two deviations of the sum. Fails by pessimism where an engine reserves by blocks as answers grow.
double kv_requests_max(const grid::Model& model, const grid::Profile& profile, double prompt_tokens,
                       double output_tokens, const Variation& variation = {});

// One demand's requests as a replica sees them.
struct RequestSizes {
  double prefill_ms = 0;        // of one request, mean, overhead included
  double prefill_variance = 0;  // ms²
  double output_tokens = 0;     // mean
  double output_variance = 0;   // tokens²
  double inverse_output = 0;    // mean of 1 / tokens: how far a request averages out what slows single steps
};
RequestSizes sizes_of(const grid::Profile& profile, const grid::Demand& demand, const Variation& variation = {});

// The time to the first token, without the way, of a request that finds its replica idle, at a quantile.
Milliseconds ttft_alone(const RequestSizes& sizes, double quantile);

// The value that a sum of this mean and variance stays under at a quantile, taken as a shifted exponential:
// mean + (ln(1 / (1 − q)) − 1) · deviation, and never under the mean. Exact for one exponential part beside fixed ones;
// of four alike it is 4 % too much at 0.95, 12 % at 0.99.
double quantile_of(double mean, double variance, double quantile);

inline constexpr Milliseconds kForever{1e300};

// The requests that the replicas of one deployment share: sums over the demands it serves.
struct Mix {
  double requests_per_s = 0;
  double prefill_s_per_s = 0;  // seconds of one replica's prefill asked for each second
  double tokens_per_s = 0;     // output tokens
  double prefill_square = 0;   // s², of single prefills, a second
  double prefill_token_s = 0;  // mean prefill × mean output of each demand, a second
  double tokens_square = 0;    // tokens², of single answers, a second

  void add(const RequestSizes& sizes, double requests_per_s);
  Mix scaled(double factor) const;                       // the same requests, that many times as often
  double work(const grid::OperatingPoint& point) const;  // replicas that it keeps busy, were their batches full
  void add(const grid::Profile& profile, const grid::Demand& demand, double fraction);
};

// What a demand was promised, less what the network takes of it.
struct Asked {
  RequestSizes sizes;
  double ttft_ms = 0;  // for the deployment, the way out and back taken off
  double tpot_ms = 0;
  double quantile = 0.95;
};

// A replica as decoding sees it; times in ms.
struct Decoding {
  double replicas = 1;                          // of its deployment
  double share = 0;                             // of its time, for prefills
  double spread_ms = 0;                         // share × (E[S²] / E[S] − E[S] · (1 − 1 / replicas))
  double batch = 0, step_ms = 0, slope_ms = 0;  // b, d and its slope there
  double full_step_ms = 0;                      // d of a full batch
};
struct TokenTime {
  double mean_ms = 0;
  double variance = 0;  // ms² × tokens: of a request of n tokens, this over n
  double drift = 0;     // ms², however long the answer
};
TokenTime token_time(const Decoding& decoding);

// What a deployment does under a mix. Its replicas run steps: in each, every request in the batch decodes one token and
// the prompts that came since the last step began are prefilled (Sarathi-Serve, Agrawal et al., OSDI 2024). So
//
//   step        d(b) at the batch b = decode steps/s × tpot that Little's law gives, along the profile's points;
//   tpot        d / (1 − ρ), ρ the prefills' share of a replica's time. About it: the prefills that fall into one
//               answer's steps, a compound Poisson sum, spread it by d·λ·E[S²] / (1 − ρ)³ (a delay cycle of M/G/1)
//               over its tokens; and the batch drifts, by its own spread times the slope of d;
//   first token rest of the step under way + own step d + prefills that share these + own prefill S; and, where all
//               places are taken, the wait for one.
//
// One replica is an M/G/1 queue with gated batches (each step serves what came in the one before): step lengths X obey
// X' = d + Σ S over the arrivals in X, which gives E[X] and E[X²] exactly, and a prompt sees X length-biased,
// M = E[X²] / E[X] = d / (1 − ρ) + λ·E[S²] / (1 − ρ²): it waits M / 2, then d + ρM. With c replicas and a router that
// sends each prompt to the one with the least prefill before it, what exceeds the bare steps shrinks as M/G/c does
// against M/G/1: a^(√(2(c+1)) − 2) / c, a the share of time a replica has a prompt in hand (Sakasegawa, Ann. Inst.
// Stat. Math. 1977).
//
// Places: how many requests decode is a birth-and-death chain in which b of them end b / (tokens · d(b)) times a second
// of decoding. Each prompt also stops those who decode, so that the chain moves φ = 1 + ρ / (1 − ρ) + λ²·E[S²] /
// 2(1 − ρ)² times as widely as its births and deaths alone. It ends where all places are taken: from there the rest of
// the mass lies 1 / (1 − utilisation) states deep, since who waits is not prefilled either, and a place comes after an
// exponential time of E[work²] / 2·E[work] / (c · (1 − utilisation)). Steps that hardly lengthen with the batch make it
// Erlang's queue, steep ones let it wander as M/M/1 does.
//
// Means and variances of parts are added, never their quantiles. How far all this is off is measured in
// src/replay/twin_agreement_test.cc. Fails by optimism where the router does not know its replicas (a random or
// round-robin one leaves each an M/G/1 queue of its own), where arrivals are burstier than Poisson, and where requests
// are all alike and places few; by pessimism where many replicas are nearly idle.
struct Serving {
  double utilization = 0;    // prefill's and decode's share of the replicas' time at full batches; overloaded from 1
  double prefill_share = 0;  // ρ
  double in_batch = 0;       // requests decoding at once in one replica, mean
  Milliseconds step;         // of decode
  Milliseconds tpot;         // mean
  double tpot_variance = 0;  // ms² × tokens: of a request of n tokens, this over n
  double tpot_drift = 0;     // ms², however long the answer
  double wait_ms = 0, wait_variance = 0;  // of the first token, all but the own prefill and the place; ms, ms²
  double full = 0, place_ms = 0;          // the chance that no place is free, and the mean wait then

  // Without the way. Infinite (kForever) where the deployment is overloaded; never under the mean.
  Milliseconds ttft(const RequestSizes& sizes, double quantile) const;
  Milliseconds tpot_at(const RequestSizes& sizes, double quantile) const;
  bool keeps(const Asked& asked) const;  // both promises
  bool keeps_ttft(const Asked& asked) const;
  bool keeps_tpot(const Asked& asked) const;

 private:
  double later(const RequestSizes& sizes, double ms) const;
};
// The point is one of the profile's: an engine is started with its batch as the limit.
Serving serve(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix);

// Whether it then keeps all of these, told as soon as one part of the form says so.
bool keeps_all(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas, const Mix& mix,
               std::span<const Asked> asked);

// What a deployment may serve of a demand: all of it or a part.
struct Part {
  Asked asked;
  double requests_per_s = 0;
  double loss = 0;  // without any of it; in proportion, where only a part is left out
};
// False only where no parts at all keep their promises and lose at most that together: of all such mixes each part of
// the form is taken at its least. Tells little where much may be lost.
bool may_keep(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas,
              std::span<const Part> parts, double loss_max);

// How many requests a deployment holds at once, in prefill and waiting too, when it is asked for as much more of the
// mix as these promises bear, at least for the mix: the mean by Little's law, and as many more as a Poisson number
// exceeds about once in a hundred; but no more in line for a place than come in time where there is always a line.
// With more they break, of all it serves and not only of those beyond: a router that holds back there keeps the rest.
// 0 where nothing is asked or the mix alone overloads it.
uint32_t in_flight_kept(const grid::Profile& profile, const grid::OperatingPoint& point, uint32_t replicas,
                        const Mix& mix, std::span<const Asked> asked);

// A part of every `wait_ms` at that prefill share, in units of E[S²] / E[S] of the mix: what bounds the share from
// above where a wait is given. Increases with the share, falls with replicas. Infinite at 1.
double prefill_wait(uint32_t replicas, double prefill_share);

// Mean IT watts of a deployment under a mix. A replica draws what its step does: `idle` (of one replica) between steps,
// the profile's P(b) along its points while b requests decode, and the most of any point, P*, in steps that prefill (a
// prompt fills the arithmetic units whatever the batch: measured, it peaks at the accelerator's limit where an answer
// of 128 tokens averages 0.43 to 0.79 of it, for one request nearly as for sixteen; Splitwise, Patel et al., ISCA
// 2024). So
//
//   P = ρ · P* + (1 − ρ) · (ε · idle + (1 − ε) · (P(y) + g · (P* − P(y)))),   y = b / (1 − ε)
//
// with ρ and the batch b as Serving has them; ε the part of the replicas with nothing to decode when as many requests
// as a Poisson number of that mean are spread evenly (e^−b for one replica), y the batch of the others, and g = 1 −
// e^(−λd / (1 − ρ)) the steps that a prompt joins. Concave in the load: half a batch draws far more than half. Fails by
// up to 3 %, high where a batch is one or two requests; src/replay/twin_agreement_test.cc measures it.
Watts average_power(const grid::Profile& profile, const grid::OperatingPoint& point, Watts idle, uint32_t replicas,
                    const Mix& mix);

// What average_power is above idle at the least, whatever else the replicas serve: so much for each second of prefills,
// and for each decode step of each request (the first token of an answer comes of its prefill): what bounds energy from
// below by a price for each request. Holds for batches up to the point's, and up to that of a replica that is asked for
// so many decode steps a ms of decoding: a step of a small batch takes more for each request than one of a large.
struct EnergyFloor {
  double prefill_w = 0;
  double step_j = 0;
  double watts(const RequestSizes& sizes, double requests_per_s) const;
};
EnergyFloor energy_floor(const grid::Profile& profile, const grid::OperatingPoint& point, Watts idle,
                         double steps_per_ms_max);

// ---- Load, verdicts ----------------------------------------------------------------------------------------------

// Where the demands go: a share of a demand served by a deployment of a plan.
struct Assignment {
  struct Share {
    grid::DemandIndex demand;
    grid::PoolIndex pool;
    double fraction = 0;
    // The links from the anchor to the pool that it is sent over, and those it takes when one of these is down. Empty,
    // or when both are broken: the network's own branches.
    std::vector<grid::LinkIndex> primary = {}, second = {};
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

// Load of background traffic and of the demands' bytes, out (uploads) and back (downloads), each over the ECMP branches
// of its algorithm, or the links its share names.
Forecast forecast(const grid::Snapshot& snapshot, const Assignment& assignment);

}  // namespace tandem::twin
