// Two ways between the same two nodes that share nothing that a demand asks them not to share.
//
// Problem: of all pairs of ways that share no link, and as asked no node between their ends and no shared-risk group,
// one of least total delay; every node of both within some jurisdictions. Method: for links and nodes the pairs of
// least total delay to all nodes at once, exactly, by one tree of shortest ways and one more pass over reduced costs
// (Suurballe, Tarjan, "A quick method for finding shortest pairs of disjoint paths", Networks 14, 1984; with nodes
// split, as Bhandari, "Survivable Networks", 1999, does): O(arcs · (log V + depth of the tree)), then O(length) a pair.
// With shared-risk groups the problem is NP-hard (Hu,
// "Diverse routing in optical mesh networks", IEEE Trans. Commun. 51, 2003). That exact pair is taken where it shares
// no group; else simple ways are taken by ascending delay (Yen, Management Science 17, 1971), each with the shortest
// that avoids its links and groups, until no later one can be part of a better pair, at most kPrimariesMax of them.
// Fails there by finding a longer pair than there is, or none: `obstacle` then says so. That there is none is certain
// where one link, node or group is on every way, which is asked first. Delay counts a nanosecond a link, so that of
// equal ways the one of fewer links is taken.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "twin/twin.h"

namespace tandem::twin {

inline constexpr size_t kPrimariesMax = 32;  // beyond, pairs are much longer than the shortest way

struct Way {
  std::vector<grid::LinkIndex> links;  // in the order they are crossed; none where both ends are one node
  std::vector<bool> forward;           // by link: from link.a to link.b
  Microseconds delay;                  // one way
  double euros_per_byte = 0;
};

struct WayPair {
  Way primary, second;  // the first has the less delay
};

// From one node. Not for two threads at once: what it finds of groups it keeps.
class DiverseWays {
 public:
  DiverseWays(const grid::Snapshot& snapshot, std::shared_ptr<const Network> network, grid::NodeIndex from,
              grid::Diversity diversity, grid::JurisdictionSet allowed);

  // Both empty where `to` is where they start.
  std::optional<WayPair> pair(grid::NodeIndex to) const;
  // Why there is no pair, as the end of "no two ways: …". Meant for people: asks again what `pair` was asked.
  std::string obstacle(grid::NodeIndex to) const;

 private:
  struct Step {
    uint32_t from = 0;
    const Network::Arc* arc = nullptr;
  };
  using Steps = std::vector<Step>;
  // What a way may not use.
  struct Avoid {
    std::vector<uint8_t> nodes, links;
  };

  bool asks_nodes() const;
  bool asks_groups() const;
  bool open(uint32_t node) const;                  // may be on a way
  bool through(uint32_t node, uint32_t to) const;  // a way may go on from there
  static double length_us(const Network::Arc& arc) { return arc.delay_us + 1e-3; }
  static double length_us(const Steps& steps);
  std::span<const uint32_t> groups_of(uint32_t link) const;

  std::optional<Steps> shortest(uint32_t from, uint32_t to, const Avoid& avoid) const;
  std::optional<Steps> first_way(uint32_t to) const;  // of the tree
  std::optional<std::pair<Steps, Steps>> disjoint(uint32_t to) const;
  void pair_all();
  template <class Visit>
  void for_each_arc_out_of(uint32_t place, const Visit& visit) const;
  uint32_t above(uint32_t place) const;  // in the tree of shortest ways
  uint32_t node_of(uint32_t place) const { return place % static_cast<uint32_t>(snapshot_.nodes.size()); }
  const std::vector<uint8_t>& reached_without(uint32_t group) const;
  std::optional<std::pair<Steps, Steps>> enumerate(uint32_t to) const;
  Avoid beside(const Steps& primary) const;  // what a second way may not use
  bool share_a_group(const Steps& a, const Steps& b) const;
  Avoid without_group(uint32_t group) const;
  std::optional<uint32_t> unavoidable_group(const Steps& a, const Steps& b, uint32_t to) const;
  std::optional<std::string> unavoidable(uint32_t to) const;
  Avoid nothing() const;
  Way way(const Steps& steps) const;

  const grid::Snapshot snapshot_;  // O(1) copy
  std::shared_ptr<const Network> network_;
  uint32_t from_;
  grid::Diversity diversity_;
  grid::JurisdictionSet allowed_;
  std::vector<uint32_t> first_group_, groups_;  // of each link, where groups are asked for
  std::vector<double> distance_us_;             // of each node from the start; infinite where there is no way
  std::vector<Step> before_;                    // the last step of the shortest way there
  // Of the pass over reduced costs, by place: a node, or where nodes are asked apart its entry, and its exit `nodes`
  // on.
  struct Paired {
    Step step;                   // the last of a pair's ways that is not of the tree; none: there is no pair
    uint32_t branch = kNowhere;  // the place at which that way left the tree of the other
    uint32_t from = kNowhere;    // the place that the step leaves
  };
  static constexpr uint32_t kNowhere = UINT32_MAX;
  uint32_t start_ = 0;  // place
  mutable std::map<uint32_t, std::vector<uint8_t>>
      without_group_;  // by group asked for: the nodes that ways off it reach
  std::vector<Paired> paired_;
};

}  // namespace tandem::twin
