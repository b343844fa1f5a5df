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
#include <tuple>
#include <utility>
#include <vector>

#include "grid/snapshot.h"
#include "twin/diverse_ways.h"
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
  AnchorView(const grid::Snapshot& snapshot, std::shared_ptr<const twin::PathTree> tree, grid::FlexAlgoIndex algo);

  const std::shared_ptr<const twin::PathTree> tree;
  const grid::FlexAlgoIndex algo;  // whose paths
  std::vector<Leg> legs;           // by pool
  // Ascending by arc. Worked out when first asked for; may be asked by several threads.
  const std::vector<ArcUse>& arc_uses(uint32_t pool) const;

 private:
  std::vector<grid::NodeIndex> node_of_pool_;
  std::unique_ptr<std::once_flag[]> uses_known_;  // by pool
  mutable std::vector<std::vector<ArcUse>> uses_;
};

// Two ways from an anchor to a pool, for demands that ask for them. Traffic takes the primary and costs what it costs;
// the same is booked on the second, so that it has room there when the first is gone. The promise is held over the
// longest of both and the network's own branches, which traffic takes until ways are set up and when both are gone.
struct DiverseLeg {
  Leg leg;  // reachable: there are two
  twin::WayPair ways;
};

// Those from one anchor to all pools that its network reaches within a residency. A copy is O(1).
class DiverseLegs {
 public:
  DiverseLegs(const grid::Snapshot& snapshot, const AnchorView& view, grid::Diversity diversity, uint64_t residency);

  const DiverseLeg& operator[](uint32_t pool) const { return rows_->legs[pool]; }
  // Of both ways, as booked; ascending by arc. Worked out when first asked for; may be asked by several threads.
  const std::vector<ArcUse>& arc_uses(uint32_t pool) const;

 private:
  struct Rows {
    std::vector<DiverseLeg> legs;  // by pool
    std::unique_ptr<std::once_flag[]> uses_known;
    std::vector<std::vector<ArcUse>> uses;
  };
  std::shared_ptr<Rows> rows_;
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

  // By view, what is asked apart, and residency; worked out on two threads. What was asked for last is kept, also for
  // the terrains to come while no link, node or demand changes. Not for two threads at once.
  using WaysAsked = std::tuple<uint32_t, grid::Diversity, uint64_t>;
  std::vector<DiverseLegs> diverse_legs(const std::vector<WaysAsked>& asked) const;

  // By region that has an anchor and algorithm; then pool: the jurisdictions that traffic passes, one way or the other,
  // after some failure of one link or node. Worked out on two threads where not asked before. What was asked for is
  // kept, also for the terrains to come while no link or node changes. May be asked by several threads.
  using RepairsAsked = std::pair<uint32_t, grid::FlexAlgoIndex>;
  using Repairs = std::shared_ptr<const std::vector<uint64_t>>;
  std::vector<Repairs> repairs(const std::vector<RepairsAsked>& asked) const;

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
  // The node and algorithm of a view in place of its position.
  using WaysKey = std::tuple<uint32_t, grid::FlexAlgoIndex, grid::Diversity, uint64_t>;

  void find_nodes();
  void take_over(const Terrain& previous);
  void work_out(FromNode& from) const;
  void add_views();
  const FromNode* find(uint32_t node, grid::FlexAlgoIndex algo) const;

  grid::Snapshot snapshot_;     // O(1) copy; what the next terrain compares with
  std::vector<FromNode> from_;  // ascending by node, then algorithm
  std::map<std::pair<uint32_t, grid::FlexAlgoIndex>, uint32_t> views_;  // of a region and a flex algorithm: its view
  mutable std::mutex diverse_mutex_;                                    // guards what follows
  mutable std::map<WaysKey, DiverseLegs> diverse_legs_;                 // asked for last
  mutable std::mutex repairs_mutex_;                                    // guards what follows
  mutable std::map<RepairsAsked, Repairs> repairs_;
  std::vector<uint32_t> view_of_region_;  // of a region: its view by the IGP
};

// Runs `work(i)` for every i < count on two threads (the calling one included); the order is not said, so each may
// write only what is its own.
void for_each_on_two_threads(size_t count, const std::function<void(size_t)>& work);

}  // namespace tandem::planner
