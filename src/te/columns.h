// The columns of the linear programs: segment routes, and free paths. Each prices all of its columns at once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "te/grouped_simplex.h"
#include "te/segment_paths.h"
#include "te/te.h"

namespace tandem::te {

// All demands between the same two nodes that policies may move: one group of columns.
struct Pair {
  uint32_t from = 0, to = 0;
  double rate_gbps = 0;
};
std::vector<Pair> pairs_of(const Problem& problem);                    // by destination, then source
uint32_t group_of(std::span<const Pair> pairs, const Demand& demand);  // its position among them

// A column worth a look: its group and tag, and how much cheaper than the group it is.
struct Offer {
  double saving = 0;
  uint32_t group = 0;
  uint64_t tag = 0;
};

// Routes over at most two waypoints: nodes, and with `adjacency` links too. A tag is a route's waypoints, kNoNode for
// none; where there is one, it is the last. Rows of columns are arcs; a row bears the part of its capacity that is
// used, over `scale`.
class SegmentRoutes {
 public:
  static constexpr uint32_t kNoNode = 0xFFFFF;
  static constexpr uint64_t kPlain = (uint64_t{kNoNode} << 20) | kNoNode;

  SegmentRoutes(const Problem& problem, const SegmentPaths& paths, double scale, uint32_t segments_max,
                bool adjacency = false);

  static std::vector<uint32_t> waypoints(uint64_t tag);
  static uint64_t tag_of(std::span<const uint32_t> waypoints);  // at most two
  std::vector<GroupedSimplex::Entry> entries(const Pair& pair, uint64_t tag) const;

  // Takes these prices of rows for what follows. O(N² · length of paths), and O(N · W²) for two waypoints of W.
  void set_prices(std::span<const double> prices);
  double leg(uint32_t from, uint32_t to) const {
    return leg_[to * nodes_ + from];
  }                                                    // of a Gbit/s along the plain paths
  double price(const Pair& pair, uint64_t tag) const;  // of the whole pair
  // The cheapest way of a Gbit/s over waypoints. O(W).
  struct Detour {
    float price = 0;
    bool longer = false;  // over two waypoints
  };
  Detour cheapest_detour(const Pair& pair) const;
  uint64_t tag_of(const Pair& pair, const Detour& detour) const;

 private:
  float way(uint32_t from, uint32_t waypoint) const;  // from a node to the waypoint's end; forbidden where that is none

  const Problem& problem_;
  const SegmentPaths& paths_;
  uint32_t segments_max_;
  size_t nodes_, waypoints_, stride_;
  std::vector<double> per_gbps_;       // by arc: 1 / (capacity · scale)
  std::vector<double> lengths_, leg_;  // leg_: [to][from]
  std::vector<float> into_;            // [node or waypoint][waypoint before it], rows of stride_
  std::vector<float> first_;           // [from][waypoint]
  std::vector<float> two_legs_;        // [from][waypoint]: the cheapest over one more before it
  mutable std::vector<double> sum_;
  mutable std::vector<uint32_t> touched_;
};

// What no policy moves, traffic over ways of its own and fixed demands: the one column of a group behind those of
// pairs. Nothing where there is none.
std::optional<GroupedSimplex::Column> unmoved_column(const Problem& problem, std::span<const Pair> pairs,
                                                     const SegmentRoutes& routes, double scale);

// Every group's columns are its segment routes; the plain one costs nothing, every other `cost`.
class SegmentColumns {
 public:
  SegmentColumns(SegmentRoutes& routes, std::span<const Pair> pairs) : routes_(routes), pairs_(pairs) {}

  GroupedSimplex::Column make(uint32_t group, uint64_t tag, double cost) const;
  // The cheapest route of every group at these prices, where it is cheaper than the group's own. Returns Σ of the
  // cheapest were steering for nothing, which at prices that sum to 1 bounds the level from below.
  double offers(const GroupedSimplex& simplex, std::span<const double> prices, double cost, std::vector<Offer>& offers);

 private:
  SegmentRoutes& routes_;
  std::span<const Pair> pairs_;
};

// The same over all paths whatever.
class FlowColumns {
 public:
  static constexpr uint64_t kPath = 1;  // the tag of every column made here

  FlowColumns(const Problem& problem, std::span<const Pair> pairs, double scale);

  // Along the shortest path that was priced last.
  GroupedSimplex::Column make(uint32_t group, uint64_t tag, double cost) const;
  double offers(const GroupedSimplex& simplex, std::span<const double> prices, double cost, std::vector<Offer>& offers);

 private:
  const Problem& problem_;
  std::span<const Pair> pairs_;
  size_t nodes_;
  ArcIndex by_to_;
  std::vector<double> per_gbps_, lengths_, distance_;
  std::vector<uint32_t> next_;  // [to][node]: the arc out of the node on its shortest path
  ShortestDistances distances_;
};

}  // namespace tandem::te
