// Incremental equal-cost routing toward one destination: which routers get a new distance when links fail, and which
// flows move. Internal to the module; FailureStudy states the method.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "grid/snapshot.h"
#include "twin/twin.h"

namespace tandem::twin {

inline constexpr double kFarAway = 1e300;  // the distance of what is not reachable

// The usable links as dense rows of 16 bytes.
struct Mesh {
  struct Arc {
    double weight = 1;
    uint32_t to = 0;
    uint32_t slot = 0;  // 2 · link + (0 from link.a to link.b, 1 back): where its load stands
  };
  struct LinkEnds {
    uint32_t a = 0, b = 0;
    double weight = kFarAway;
    bool usable = false;
  };
  std::vector<uint32_t> first;
  std::vector<Arc> arcs;
  std::vector<LinkEnds> links;
  std::vector<uint16_t> head;  // by slot: the node that its arc leads to

  explicit Mesh(const Network& network, size_t links);
  uint32_t nodes() const { return static_cast<uint32_t>(first.size() - 1); }
  std::span<const Arc> out_of(uint32_t node) const {
    return {arcs.data() + first[node], arcs.data() + first[node + 1]};
  }
};

// What of a node is no longer as it was with everything up.
enum class Changed : uint8_t {
  nothing,
  next_hops,  // some of them are gone
  distance,   // so its rank does not hold
};
inline constexpr uint32_t kManyHops = UINT32_MAX;   // in place of a slot
inline constexpr uint32_t kNoHop = UINT32_MAX - 1;  // likewise: of the destination, and of what has no path

// How one node routes toward a destination.
struct Routed {
  double distance = kFarAway;
  double flow = 0;         // what passes it or starts there
  uint32_t slot = kNoHop;  // of its one next hop
  uint16_t to = 0;         // where that leads
  Changed changed = Changed::nothing;
};
static_assert(sizeof(Routed) == 24);  // a network's rows stay in the first-level cache

// The routes and flows toward one destination, by node. `order` lists the nodes by their distance with everything up,
// `rank` is the position in it.
struct TowardView {
  uint32_t destination = 0;
  const Routed* routed = nullptr;  // by node
  const double* source = nullptr;  // what starts there, by node
  const uint16_t* order = nullptr;
  const uint16_t* rank = nullptr;
  const uint8_t* closed = nullptr;  // not 0 for nodes that no path goes through; null where there is none

  bool passes(uint32_t node) const { return closed == nullptr || closed[node] == 0 || node == destination; }
};
// What a failure makes of one node, and enough of it to follow another failure from there.
struct NodeChange {
  double distance = 0;
  double flow = 0;
  uint32_t hop_slot = 0;  // as in Routed
  uint16_t node = 0;
  Changed what = Changed::nothing;
};

// Scratch of one thread. The links of `down` are 0 where up, 1 where they were down already in the view, 2 where they
// fail now.
class Reroute {
 public:
  explicit Reroute(const Mesh& mesh);

  std::vector<uint8_t> down;  // by link

  // What the links marked 2 (`failing` lists them) change in `view`. Loads are added to `loads` by slot, traffic that
  // loses its path to `loads[lost_slot]`. `negligible`: flows at most this are rounding and are not followed.
  // O(routers touched · their degree · log).
  void follow(const TowardView& view, std::span<const uint32_t> failing, double negligible, double* loads,
              uint32_t lost_slot);
  // The same; the bits of the slots touched are set in `touched`.
  void follow(const TowardView& view, std::span<const uint32_t> failing, double negligible, double* loads,
              uint32_t lost_slot, std::span<uint64_t> touched);

  // Of the last `follow`: routers with a new distance, and routers that keep it with fewer next hops.
  std::span<const uint16_t> moved() const { return moved_; }
  std::span<const uint16_t> thinned() const { return thinned_; }
  // The links that routers with a new distance use now.
  void links_of_moved(const TowardView& view, std::vector<uint32_t>& links) const;
  // Every node whose row differs from the view's now; appended.
  void changes(const TowardView& view, std::vector<NodeChange>& all) const;
  double distance(const TowardView& view, uint32_t node) const {
    return mark_[node] == kMoved ? near_[node] : view.routed[node].distance;
  }

 private:
  enum Mark : uint8_t { kUntouched, kThinned, kMoved };

  // A moved router, by position in moved_: each after one that it came over.
  static constexpr uint32_t kOutside = UINT32_MAX;
  struct Branch {
    double weight = 0;           // of the link to the one it came over
    double near = kFarAway;      // its new distance
    double flow = 0;             // what passes it then
    uint32_t parent = kOutside;  // that one; kOutside where all its next hops failed
    uint32_t up = kNoHop;        // the slot it came over
    uint32_t slot = kNoHop;      // its new next hop, as in Routed
    uint32_t next = kOutside;    // where that leads, if to a moved one
    uint32_t behind = 0;         // branches that send to it
  };
  struct Edge {
    uint32_t branch = 0;
    const Mesh::Arc* arc = nullptr;
  };

  template <bool kClosed>
  bool follow_trees(const TowardView& view, std::span<const uint32_t> failing);
  template <bool kClosed>
  void find_tops(const TowardView& view, std::span<const uint32_t> failing);
  template <bool kClosed>
  bool find_subtrees(const TowardView& view);
  template <bool kClosed>
  bool loses_last_hop(const TowardView& view, uint32_t node);
  template <bool kClosed>
  void near_over_trees(const TowardView& view);
  template <bool kClosed>
  void near_over_edges(const TowardView& view);
  template <bool kClosed>
  void send_over_trees(const TowardView& view);
  template <bool kClosed>
  void take_back(const TowardView& view, const Branch& branch, uint32_t node);
  template <bool kClosed>
  void pass_on(const TowardView& view, uint32_t i);
  template <bool kClosed>
  void find_new_hops(const TowardView& view, uint32_t node);
  void add_branch(uint32_t node, uint32_t parent, double weight, uint32_t up);
  void carry(const TowardView& view, uint32_t node, double gbps);

  // kNote: slots touched are noted. kClosed: some nodes are closed; where none is, nobody asks.
  template <bool kNote>
  void follow_any(const TowardView& view, std::span<const uint32_t> failing, double negligible);
  template <bool kNote, bool kClosed>
  void follow_all(const TowardView& view, std::span<const uint32_t> failing, double negligible);
  void reset();
  template <bool kClosed>
  void find_seeds(const TowardView& view, std::span<const uint32_t> failing);
  template <bool kNote, bool kClosed>
  void find_moved(const TowardView& view);
  template <bool kClosed>
  bool look_around(const TowardView& view, uint32_t node);
  template <bool kClosed>
  void find_distances(const TowardView& view);
  template <bool kClosed>
  void settle(const TowardView& view, double distance, uint32_t node);
  template <bool kNote>
  void send_anew(const TowardView& view);
  template <bool kNote, bool kClosed>
  void carry_on(const TowardView& view, double negligible);
  template <bool kNote, bool kClosed>
  void carry_thinned(const TowardView& view, uint32_t node, double more);
  uint32_t next_pending(const TowardView& view);
  void pend(const TowardView& view, uint32_t node, double gbps);
  template <class Leads>
  double split_over(uint32_t node, double gbps, const Leads& leads);
  // Most often there is one next hop, and a division would be what the next router waits for.
  static double share_of(double gbps, size_t hops) { return hops == 1 ? gbps : gbps / static_cast<double>(hops); }
  template <bool kNote>
  void add(uint32_t slot, double gbps) {
    loads_[slot] += gbps;
    if constexpr (kNote) touched_[slot >> 6] |= uint64_t{1} << (slot & 63);
  }

  const Mesh& mesh_;
  double* loads_ = nullptr;
  uint32_t lost_slot_ = 0;
  double negligible_ = 0;
  uint64_t* touched_ = nullptr;
  std::vector<uint8_t> mark_;                           // by node
  std::vector<double> near_;                            // new distance of a moved node
  std::vector<double> inflow_;                          // of a moved node from moved nodes, then its whole new flow
  std::vector<double> more_;                            // change of flow of a node that is not moved
  std::vector<uint64_t> pending_;                       // ranks whose change of flow has to be carried on
  size_t pending_words_ = 0;                            // all words from here on are 0
  std::vector<uint8_t> waits_;                          // by node: it is in displaced_
  std::vector<std::pair<double, uint32_t>> displaced_;  // a heap of those without a rank
  std::vector<uint16_t> moved_, thinned_, visited_, stack_, settled_;
  std::vector<std::pair<double, uint32_t>> frontier_;
  std::vector<const Mesh::Arc*> hops_;  // of one node
  size_t hop_count_ = 0;
  std::vector<uint16_t> behind_;  // the nodes that send to it
  size_t behind_count_ = 0;
  std::vector<const Mesh::Arc*> new_hops_;  // of the settled nodes, in their order
  std::vector<uint32_t> new_first_;         // where each one's begin
  std::vector<uint32_t> new_slot_;          // by node, of those moved or thinned: as in Routed
  std::vector<Branch> branches_;            // as moved_
  std::vector<uint16_t> position_;          // by node: in moved_
  std::vector<Edge> edges_;                 // out of branches, not of their trees
  std::vector<uint32_t> ready_;
  std::vector<uint16_t> hops_left_;  // by node with several, while what moves is looked for; 0 where none is lost yet
  std::vector<uint16_t> losers_;     // nodes that lost some
};

}  // namespace tandem::twin
