// What a failure study holds and how it judges promises. Internal to the module.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "twin/failures.h"
#include "twin/reroute.h"

namespace tandem::twin {

// The usable links and the nodes that one failure takes, and what it leaves of a link's capacity.
struct Taken {
  std::vector<uint32_t> links;
  std::vector<uint32_t> nodes;
  std::optional<uint32_t> lowered = {};  // a link that carries on with less
  double left = 1;                       // of its capacity, (0, 1]
};

// The topology of one algorithm.
struct Plane {
  grid::FlexAlgoIndex flex_algo;  // not valid(): the IGP's own
  std::shared_ptr<const Network> network;
  Mesh mesh;
};

// Routes and flows toward one node with everything up, and the promises whose users' traffic surfaces there.
struct Toward {
  uint32_t node = 0;
  uint32_t plane = 0;          // whose paths, in FailureStudy::State::planes
  std::vector<double> source;  // by node
  std::vector<Routed> routed;  // by node
  std::vector<uint16_t> order, rank;
  double negligible = 0;          // flows at most this are rounding: 1e-13 of all toward it
  std::vector<uint32_t> watches;  // positions in FailureStudy::State::watches
  std::vector<uint32_t> steered;  // likewise in FailureStudy::State::steered
};

// Traffic over ways of its own, as slots.
struct Steered {
  uint32_t from = 0;
  uint32_t toward = 0;  // in FailureStudy::State::toward: where it goes over the network's branches
  double gbps = 0;
  std::vector<uint32_t> primary, second;                                                   // never both empty
  const std::vector<uint32_t>& way() const { return primary.empty() ? second : primary; }  // with everything up
};

struct FailureStudy::State {
  State(const grid::Snapshot& its_snapshot, const TrafficMatrix& its_matrix, FailureKind its_kind);

  grid::Snapshot snapshot;
  TrafficMatrix matrix;
  FailureKind kind;
  Networks networks;
  std::vector<Plane> planes;  // the IGP's, then those of the flex algorithms that traffic or promises take
  std::vector<PromiseWatch> watches;
  std::vector<uint32_t> watch_given;  // of each watch, its position among those given
  std::vector<Failure> failures;
  std::vector<Taken> taken;                   // by failure
  std::vector<std::vector<uint32_t>> takers;  // the failures that take a link, by link
  std::vector<Toward> toward;  // every node that traffic or a watched promise goes to, by plane, ascending
  std::vector<Steered> steered;
  std::vector<std::vector<uint32_t>> steered_over;  // by link: those of `steered` whose way with everything up takes it
  uint64_t jurisdictions = 0;                       // of all nodes, as JurisdictionSet::bits
  std::vector<double> gbps;                         // undisturbed, by slot; what has no path at lost_slot()
  std::vector<double> per_capacity;  // 1 / capacity by slot, 0 for links that are down; one more for lost_slot()
  double offered_gbps = 0;           // all traffic
  FailureOutcome undisturbed;

  // Whether paths toward `destination` may go through the node.
  bool passes(uint32_t node, uint32_t destination) const {
    return node == destination || !igp().network->is_closed(node);
  }
  uint32_t nodes() const { return static_cast<uint32_t>(snapshot.nodes.size()); }
  uint32_t slots() const { return 2 * static_cast<uint32_t>(snapshot.links.size()); }
  const Plane& igp() const { return planes.front(); }
  const Mesh& mesh(const Toward& to) const { return planes[to.plane].mesh; }
  uint32_t lost_slot() const { return slots(); }
  TowardView view(const Toward& to) const {
    const std::vector<uint8_t>& closed = planes[to.plane].network->closed;
    return {to.node,         to.routed.data(), to.source.data(),
            to.order.data(), to.rank.data(),   closed.empty() ? nullptr : closed.data()};
  }
  uint32_t plane_of(grid::FlexAlgoIndex flex_algo);  // added where it is not there yet
  bool is_bound(const PromiseWatch& watch) const { return (jurisdictions & ~watch.allowed.bits) != 0; }
  void watch(std::vector<PromiseWatch> all);
  void route(Toward& to);
  void route_all();
};

// What becomes of promises.
struct Judged {
  uint32_t broken = 0;  // once routing has converged
  uint32_t left = 0;    // whose residency is left, on a repair or then
};

// Judges the promises at one anchor after a `Reroute::follow`. Scratch of one thread.
class PromiseJudge {
 public:
  explicit PromiseJudge(const FailureStudy::State& state);

  std::vector<uint8_t> node_down;  // by node

  // The promises at `to` in the view after the last `follow`; what the answer depends on, by link, is appended to
  // `links` where that is not null.
  Judged judge(const Toward& to, const TowardView& view, const Reroute& reroute, std::vector<uint32_t>* links);

 private:
  struct Way {
    bool reachable = false;
    double delay_us = 0;
    uint64_t jurisdictions = 0;
  };
  // What is judged now.
  struct Scene {
    const Toward& to;
    const TowardView& view;
    const Reroute& reroute;
    std::vector<uint32_t>* links;
    const Mesh& mesh;

    bool down(uint32_t link) const { return reroute.down[link] != 0; }
    void note(uint32_t link) const {
      if (links != nullptr) links->push_back(link);
    }
  };
  // An arc on the branches from a part's node to the anchor with everything up.
  struct BranchArc {
    double distance = 0;  // of its tail
    uint32_t tail = 0, head = 0, link = 0;
  };
  template <class Distance>
  Way walk(const Scene& scene, const Distance& distance, uint32_t from, uint32_t destination);
  Judged judge_at(const Scene& scene, const PromiseWatch& watch, const grid::Anchor& anchor);
  bool repairs_leave(const Scene& scene, const PromiseWatch& watch);
  void find_branches(const Scene& scene, uint32_t from);
  template <class Leaves>
  bool any_repair(const Scene& scene, bool back, uint32_t start, const Leaves& leaves);
  std::optional<double> delay_over_ways(const Scene& scene, const PromiseWatch::Part& part) const;
  const grid::Anchor* anchor_left(const Scene& scene, const PromiseWatch& watch) const;
  void measure_from(const Scene& scene, uint32_t node);

  const FailureStudy::State& state_;
  std::vector<double> longest_;  // from the walk's start, by node
  std::vector<uint8_t> seen_;    // by node
  std::vector<uint32_t> walked_;
  std::vector<std::pair<double, uint32_t>> frontier_;
  std::vector<double> elsewhere_;  // distances from a node that no destination stands for
  std::vector<BranchArc> branches_;
  std::vector<uint8_t> reached_;  // by node
};

// What failures move of the traffic that is steered over ways of its own. Scratch of one thread.
class Diversion {
 public:
  explicit Diversion(const FailureStudy::State& state);

  // Added to `loads` by slot, what has no way left to `loads[lost_slot]`. Nothing may be marked down in `reroutes`, by
  // plane, and nothing is afterwards. O(what is steered over the links that fail), and one `follow` for each of it that
  // loses both ways.
  void add(std::span<const Taken* const> failures, std::vector<Reroute>& reroutes, double* loads);

 private:
  void over_branches(const Steered& flow, std::vector<Reroute>& reroutes, double* loads);

  const FailureStudy::State& state_;
  std::vector<uint8_t> down_;  // by link
  std::vector<uint32_t> failing_;
  std::vector<uint32_t> moved_;  // of `steered`
  std::vector<double> scratch_;  // loads nobody reads
  std::vector<double> amount_;   // by node
  std::vector<std::pair<double, uint32_t>> frontier_;
};

}  // namespace tandem::twin
