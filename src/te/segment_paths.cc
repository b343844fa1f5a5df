#include "te/segment_paths.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace tandem::te {

ArcIndex::ArcIndex(const Problem& problem, By by) {
  const auto node_of = [&](const Arc& arc) { return by == By::from ? arc.from : arc.to; };
  first.assign(problem.nodes.size() + 1, 0);
  for (const Arc& arc : problem.arcs) ++first[node_of(arc) + 1];
  for (size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  arcs.resize(problem.arcs.size());
  std::vector<uint32_t> next(first.begin(), first.end() - 1);
  for (uint32_t a = 0; a < problem.arcs.size(); ++a) arcs[next[node_of(problem.arcs[a])]++] = a;
}

void ShortestDistances::find(const Problem& problem, const ArcIndex& by_to, std::span<const double> lengths,
                             uint32_t target, std::vector<double>& distance, std::vector<uint32_t>* order,
                             std::span<uint32_t> next) {
  heap_.clear();
  distance.assign(problem.nodes.size(), kUnreachable);
  if (order) order->clear();
  distance[target] = 0;
  heap_.emplace_back(0, target);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const auto [length, node] = heap_.back();
    heap_.pop_back();
    if (length > distance[node]) continue;
    if (order) order->push_back(node);
    if (!problem.passes(node, target)) continue;
    for (const uint32_t a : by_to.of(node)) {
      const uint32_t from = problem.arcs[a].from;
      const double candidate = length + lengths[a];
      if (candidate >= distance[from]) continue;
      distance[from] = candidate;
      if (!next.empty()) next[from] = a;
      heap_.emplace_back(candidate, from);
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    }
  }
}

SegmentPaths::SegmentPaths(const Problem& problem, std::span<const uint8_t> down) : nodes_(problem.nodes.size()) {
  const ArcIndex by_from(problem, ArcIndex::By::from), by_to(problem, ArcIndex::By::to);
  std::vector<double> metric(problem.arcs.size());
  for (size_t a = 0; a < metric.size(); ++a)
    metric[a] = !down.empty() && down[a] ? kUnreachable : problem.arcs[a].metric;
  std::vector<double> distance, traffic(nodes_, 0);
  std::vector<uint32_t> order, position(nodes_), next_hops, first_hop(nodes_ + 1);
  ShortestDistances distances;
  first_.reserve(nodes_ * nodes_ + 1);
  first_.push_back(0);
  for (uint32_t to = 0; to < nodes_; ++to) {
    distances.find(problem, by_to, metric, to, distance, &order);
    // The arcs on shortest paths, by the place in the order of the node they leave.
    next_hops.clear();
    for (uint32_t i = 0; i < order.size(); ++i) {
      position[order[i]] = i;
      first_hop[i] = static_cast<uint32_t>(next_hops.size());
      for (const uint32_t a : by_from.of(order[i])) {
        const double beyond = distance[problem.arcs[a].to];
        if (metric[a] < kUnreachable && beyond < kUnreachable && beyond + metric[a] == distance[order[i]] &&
            problem.passes(problem.arcs[a].to, to))
          next_hops.push_back(a);
      }
    }
    if (!order.empty()) first_hop[order.size()] = static_cast<uint32_t>(next_hops.size());
    for (uint32_t from = 0; from < nodes_; ++from) {
      if (from != to && distance[from] < kUnreachable) {
        traffic[position[from]] = 1;
        for (uint32_t i = position[from]; i > 0; --i) {  // farthest first
          const double here = std::exchange(traffic[i], 0);
          if (here == 0) continue;
          const double each = here / (first_hop[i + 1] - first_hop[i]);
          for (uint32_t k = first_hop[i]; k < first_hop[i + 1]; ++k) {
            fractions_.push_back({problem.row(next_hops[k]), static_cast<float>(each)});
            traffic[position[problem.arcs[next_hops[k]].to]] += each;
          }
        }
        traffic[0] = 0;
      }
      first_.push_back(fractions_.size());
    }
  }
}

}  // namespace tandem::te
