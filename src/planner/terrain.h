// What the network means for plans: from every anchor to every pool, by the algorithm that traffic is routed by, and
// what background traffic leaves of each link. Kept between plans, so that after a failure only what it touches is
// worked out anew.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "grid/snapshot.h"
#include "twin/twin.h"

namespace tandem::planner {

// From an anchor's node to a pool and back.
struct Leg {
  double branch_us = 0;  // out and back over the longest branch
  double euros_per_byte = 0;
  uint64_t jurisdictions = 0;  // on any branch
  bool reachable = false;
};

// What is sent between an anchor and a pool puts on one direction of a link, per Gbit/s out and back.
struct ArcUse {
  uint32_t arc = 0;  // 2 × link, + 1 from link.b to link.a
  double up = 0, back = 0;
};

class AnchorView {
 public:
  AnchorView(const grid::Snapshot& snapshot, std::shared_ptr<const twin::PathTree> tree);

  const std::shared_ptr<const twin::PathTree> tree;
  std::vector<Leg> legs;  // by pool
  // Ascending by arc. Worked out when first asked for; may be asked by several threads.
  const std::vector<ArcUse>& arc_uses(uint32_t pool) const;

 private:
  std::vector<grid::NodeIndex> node_of_pool_;
  std::unique_ptr<std::once_flag[]> uses_known_;  // by pool
  mutable std::vector<std::vector<ArcUse>> uses_;
};

class Terrain {
 public:
  // `previous` may be null. What it knows is taken over where the two worlds differ in the state of links, nodes and
  // sites alone and the difference does not touch it.
  Terrain(const grid::Snapshot& snapshot, const Terrain* previous);

  const grid::Snapshot& snapshot() const { return snapshot_; }
  std::vector<std::optional<grid::Anchor>> anchors;      // by region; empty when all are down
  std::vector<std::shared_ptr<const AnchorView>> views;  // by anchor node and algorithm
  // The position in `views` of a region's over the IGP's own paths, or of those of a flex algorithm that some demand
  // there asks for; UINT32_MAX without an anchor.
  uint32_t view_of(uint32_t region, grid::FlexAlgoIndex algo) const;
  std::vector<double> arc_background_gbps;  // 2 × link, + 1 from link.b to link.a

 private:
  using Arcs = std::vector<std::pair<uint32_t, double>>;  // arc, Gbit/s
  // What is known of a node and an algorithm; `tree` of all that traffic starts at, the rest where it applies.
  struct FromNode {
    uint32_t node = 0;
    grid::FlexAlgoIndex algo;
    std::shared_ptr<const twin::Network> network;
    bool anchor = false;         // of a region
    std::vector<uint32_t> rows;  // of background traffic from there
    std::shared_ptr<const twin::PathTree> tree;
    std::shared_ptr<const AnchorView> view;
    std::shared_ptr<const Arcs> background;  // all it sends
  };
  void find_nodes();
  void take_over(const Terrain& previous);
  void work_out(FromNode& from) const;
  void add_views();
  const FromNode* find(uint32_t node, grid::FlexAlgoIndex algo) const;

  grid::Snapshot snapshot_;     // O(1) copy; what the next terrain compares with
  std::vector<FromNode> from_;  // ascending by node, then algorithm
  std::map<std::pair<uint32_t, grid::FlexAlgoIndex>, uint32_t> views_;  // of a region and a flex algorithm: its view
  std::vector<uint32_t> view_of_region_;                                // of a region: its view by the IGP
};

// Runs `work(i)` for every i < count on two threads (the calling one included); the order is not said, so each may
// write only what is its own.
void for_each_on_two_threads(size_t count, const std::function<void(size_t)>& work);

}  // namespace tandem::planner
