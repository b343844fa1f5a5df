// What the network means for plans: from every anchor to every pool, and what background traffic leaves of each link.
// Kept between plans, so that after a failure only what it touches is worked out anew.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
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

struct AnchorView {
  AnchorView(const grid::Snapshot& snapshot, std::shared_ptr<const twin::Network> network, grid::NodeIndex node);

  twin::PathTree tree;
  std::vector<Leg> legs;  // by pool
};

class Terrain {
 public:
  // `previous` may be null. What it knows is taken over where the two worlds differ in the state of links, nodes and
  // sites alone and the difference does not touch it.
  Terrain(const grid::Snapshot& snapshot, const Terrain* previous);

  const grid::Snapshot& snapshot() const { return snapshot_; }
  std::shared_ptr<const twin::Network> network;
  std::vector<std::optional<grid::Anchor>> anchors;      // by region; empty when all are down
  std::vector<uint32_t> view_of_region;                  // position in views; UINT32_MAX without an anchor
  std::vector<std::shared_ptr<const AnchorView>> views;  // by anchor node, ascending
  std::vector<double> arc_background_gbps;               // 2 × link, + 1 from link.b to link.a

  bool same_as_before = false;  // views and background all taken over

 private:
  struct Source {  // of background traffic
    std::shared_ptr<const twin::PathTree> tree;
    std::vector<std::pair<uint32_t, double>> arcs;  // arc, Gbit/s of all it sends
  };
  void add_views(const Terrain* previous);
  void add_background(const Terrain* previous);

  grid::Snapshot snapshot_;  // O(1) copy; what the next terrain compares with
  std::vector<std::pair<uint32_t, std::shared_ptr<const AnchorView>>> view_of_node_;  // ascending by node
  std::vector<std::pair<uint32_t, std::shared_ptr<const Source>>> sources_;           // ascending by node
};

// Runs `work(i)` for every i < count on two threads (the calling one included); the order is not said, so each may
// write only what is its own.
void for_each_on_two_threads(size_t count, const std::function<void(size_t)>& work);

}  // namespace tandem::planner
