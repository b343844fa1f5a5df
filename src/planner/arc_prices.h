// What priced arcs ask of traffic between an anchor and a node, and what such traffic puts on them.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/problem.h"

namespace tandem::planner {

// Along the shortest-path branches of every anchor: from a node back to the anchor the mean over the even splits
// (exact), out to a node the cheapest branch (never more than the mean; equal where there is one branch). O(branches)
// an anchor for prices and for loads of all nodes together.
class ArcPrices {
 public:
  explicit ArcPrices(const Problem& problem);

  void set(const std::vector<double>& eur_per_hour_gbps);  // by arc
  double out(uint32_t view, uint32_t node) const { return out_[view * nodes_ + node]; }
  double back(uint32_t view, uint32_t node) const { return back_[view * nodes_ + node]; }

  double price(uint32_t arc) const { return price_[arc]; }

  void clear_loads();
  void add_load(uint32_t view, uint32_t node, double out_gbps, double back_gbps);
  void collect_loads(std::vector<double>& arc_gbps);  // of all that was added, along the prices' branches

 private:
  struct Branch {
    uint32_t nearer = 0;  // node
    uint32_t arc_out = 0, arc_back = 0;
  };
  struct Tree {
    std::vector<uint32_t> order;  // reachable nodes by metric
    std::vector<uint32_t> first;  // by position in order, into branches
    std::vector<Branch> branches;
  };
  size_t nodes_;
  std::vector<Tree> trees_;                                // by view
  std::vector<double> price_;                              // by arc
  std::vector<double> out_, back_, out_gbps_, back_gbps_;  // views × nodes
};

}  // namespace tandem::planner
