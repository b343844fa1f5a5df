#include "planner/arc_prices.h"

#include <algorithm>
#include <limits>

namespace tandem::planner {

ArcPrices::ArcPrices(const Problem& problem)
    : nodes_(problem.snapshot.nodes.size()), trees_(problem.terrain->views.size()) {
  for (size_t v = 0; v < trees_.size(); ++v) {
    const twin::PathTree& from = *problem.terrain->views[v]->tree;
    Tree& tree = trees_[v];
    for (uint32_t n = 0; n < nodes_; ++n)
      if (from.reachable(grid::NodeIndex(n))) tree.order.push_back(n);
    std::sort(tree.order.begin(), tree.order.end(), [&](uint32_t a, uint32_t b) {
      const double x = from.metric(grid::NodeIndex(a)), y = from.metric(grid::NodeIndex(b));
      return x != y ? x < y : a < b;
    });
    for (const uint32_t n : tree.order) {
      tree.first.push_back(static_cast<uint32_t>(tree.branches.size()));
      for (const twin::Network::Arc& arc : from.network()->out_of(n))
        if (from.leads_nearer(grid::NodeIndex(n), arc))
          tree.branches.push_back({arc.to, 2 * arc.link + (arc.forward ? 1 : 0), 2 * arc.link + (arc.forward ? 0 : 1)});
    }
    tree.first.push_back(static_cast<uint32_t>(tree.branches.size()));
  }
  out_.assign(trees_.size() * nodes_, 0);
  back_ = out_;
  price_.assign(problem.arc_spare_gbps.size(), 0);
  clear_loads();
}

void ArcPrices::set(const std::vector<double>& price) {
  price_ = price;
  for (size_t v = 0; v < trees_.size(); ++v) {
    const Tree& tree = trees_[v];
    double* out = &out_[v * nodes_];
    double* back = &back_[v * nodes_];
    for (size_t i = 0; i < tree.order.size(); ++i) {
      const uint32_t first = tree.first[i], end = tree.first[i + 1], node = tree.order[i];
      if (first == end) continue;  // the anchor itself
      double sum = 0, least = std::numeric_limits<double>::infinity();
      for (uint32_t b = first; b < end; ++b) {
        const Branch& branch = tree.branches[b];
        sum += price[branch.arc_back] + back[branch.nearer];
        least = std::min(least, price[branch.arc_out] + out[branch.nearer]);
      }
      back[node] = sum / (end - first);
      out[node] = least;
    }
  }
}

void ArcPrices::clear_loads() {
  out_gbps_.assign(out_.size(), 0);
  back_gbps_.assign(out_.size(), 0);
}

void ArcPrices::add_load(uint32_t view, uint32_t node, double out_gbps, double back_gbps) {
  out_gbps_[view * nodes_ + node] += out_gbps;
  back_gbps_[view * nodes_ + node] += back_gbps;
}

void ArcPrices::collect_loads(std::vector<double>& arc_gbps) {
  for (size_t v = 0; v < trees_.size(); ++v) {
    const Tree& tree = trees_[v];
    double* out = &out_gbps_[v * nodes_];
    double* back = &back_gbps_[v * nodes_];
    for (size_t i = tree.order.size(); i-- > 0;) {
      const uint32_t first = tree.first[i], end = tree.first[i + 1], node = tree.order[i];
      if (first == end || (out[node] == 0 && back[node] == 0)) continue;
      uint32_t cheapest = first;
      double least = std::numeric_limits<double>::infinity();
      for (uint32_t b = first; b < end; ++b) {
        const Branch& branch = tree.branches[b];
        const double each = back[node] / (end - first);
        arc_gbps[branch.arc_back] += each;
        back[branch.nearer] += each;
        const double asked = price_[branch.arc_out] + out_[v * nodes_ + branch.nearer];
        if (asked < least) least = asked, cheapest = b;
      }
      arc_gbps[tree.branches[cheapest].arc_out] += out[node];
      out[tree.branches[cheapest].nearer] += out[node];
    }
  }
}

}  // namespace tandem::planner
