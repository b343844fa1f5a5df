// The IGP's equal-cost shortest paths of every ordered pair of nodes, as shares over arcs.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "te/te.h"

namespace tandem::te {

struct ArcFraction {
  uint32_t arc = 0;    // whose capacity is taken: Problem::row
  float fraction = 0;  // (0, 1]
};

// Traffic splits evenly over the arcs of equal cost at every node, parallel ones each for themselves. One Dijkstra for
// each destination, then one sweep for each pair: O(N · (A log N + N · A)) at worst, in practice the length of the
// paths.
class SegmentPaths {
 public:
  // `down`, by arc, may be empty: none is.
  SegmentPaths(const Problem& problem, std::span<const uint8_t> down);

  size_t nodes() const { return nodes_; }
  // Empty where the two are the same, or where there is no path.
  std::span<const ArcFraction> between(uint32_t from, uint32_t to) const {
    const size_t pair = size_t{to} * nodes_ + from;
    return std::span(fractions_).subspan(first_[pair], first_[pair + 1] - first_[pair]);
  }
  bool reaches(uint32_t from, uint32_t to) const { return from == to || !between(from, to).empty(); }

 private:
  size_t nodes_;
  std::vector<size_t> first_;  // by destination, then source
  std::vector<ArcFraction> fractions_;
};

// Arcs by the node they leave, or by the node they reach.
struct ArcIndex {
  std::vector<uint32_t> first, arcs;
  enum class By : uint8_t { from, to };
  ArcIndex(const Problem& problem, By by);
  std::span<const uint32_t> of(uint32_t node) const {
    return std::span(arcs).subspan(first[node], first[node + 1] - first[node]);
  }
};

inline constexpr double kUnreachable = 1e300;

// Dijkstra from a target backwards, over no closed node, with a binary heap that is kept from one search to the next.
class ShortestDistances {
 public:
  // The distance of every node to `target` by these lengths ≥ 0 of arcs; kUnreachable where there is no path. `order`,
  // when given, are the nodes that reach it, nearest first; `next`, when not empty, the arc out of each towards it.
  void find(const Problem& problem, const ArcIndex& by_to, std::span<const double> lengths, uint32_t target,
            std::vector<double>& distance, std::vector<uint32_t>* order = nullptr, std::span<uint32_t> next = {});

 private:
  std::vector<std::pair<double, uint32_t>> heap_;  // distance, node: ties in the order of nodes
};

}  // namespace tandem::te
