// All of one grid at one log offset: immutable, shared by all readers, dense. ~10⁵ to 10⁶ rows.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grid/nouns.h"
#include "grid/table.h"

namespace tandem::grid {

// One direction of a link, as seen from the node it leaves.
struct Arc {
  LinkIndex link;
  NodeIndex to;
  bool forward = true;  // from link.a to link.b
};

// Compressed sparse rows: the arcs out of each node, whatever the state of their links, ordered by link.
class Adjacency {
 public:
  Adjacency() = default;
  Adjacency(size_t nodes, const Table<Link>& links);
  std::span<const Arc> out_of(NodeIndex node) const {
    return std::span(arcs_).subspan(first_[node.value], first_[node.value + 1] - first_[node.value]);
  }

 private:
  std::vector<uint32_t> first_{0};
  std::vector<Arc> arcs_;
};

// The rows a snapshot is made from; every index refers into the vectors here.
struct Rows {
  std::string name;
  bool simulated = false;                  // the world behind it may be cut and powered down by a click
  std::vector<std::string> jurisdictions;  // ISO 3166 codes, ascending; at most kJurisdictionsMax
  Policy policy;
  std::vector<Site> sites;
  std::vector<Node> nodes;
  std::vector<SharedRiskGroup> shared_risk_groups;
  std::vector<Link> links;
  std::vector<FlexAlgo> flex_algos;
  std::vector<Region> regions;
  std::vector<Accelerator> accelerators;
  std::vector<Pool> pools;
  std::vector<Model> models;
  std::vector<Profile> profiles;
  std::vector<Deployment> deployments;
  std::vector<Tenant> tenants;
  std::vector<DayProfile> day_profiles;
  std::vector<Demand> demands;
  std::vector<Trial> trials;
  std::vector<Traffic> traffic;
};

struct Snapshot {
  uint64_t offset = 0;  // of the last event it contains; 0 for a grid that is not on a log
  std::string name;
  bool simulated = false;
  std::vector<std::string> jurisdictions;
  Policy policy;
  Table<Site> sites;
  Table<Node> nodes;
  Table<SharedRiskGroup> shared_risk_groups;
  Table<Link> links;
  Table<FlexAlgo> flex_algos;
  Table<Region> regions;
  Table<Accelerator> accelerators;
  Table<Pool> pools;
  Table<Model> models;
  Table<Profile> profiles;
  Table<Deployment> deployments;
  Table<Tenant> tenants;
  Table<DayProfile> day_profiles;
  Table<Demand> demands;
  Table<Trial> trials;
  Table<Traffic> traffic;
  std::shared_ptr<const Adjacency> adjacency;  // shared while no link is added, removed or rewired

  // A link carries traffic when it, enough of its members, both its nodes and both their sites are up.
  bool usable(LinkIndex link) const;
  // A node forwards when it and its site are up.
  bool usable(NodeIndex node) const {
    return nodes[node].state == State::up && sites[nodes[node].site].state == State::up;
  }
  JurisdictionSet jurisdiction_of(SiteIndex site) const { return {uint64_t{1} << sites[site].jurisdiction}; }

  bool operator==(const Snapshot& other) const;  // by value, adjacency aside (it follows from the links)
};

Snapshot make_snapshot(Rows rows, uint64_t offset);

// `snapshot` with one link, site or node replaced, at a later offset. The ends of a link must stay the same.
Snapshot with_link(const Snapshot& snapshot, LinkIndex index, Link link, uint64_t offset);
Snapshot with_site(const Snapshot& snapshot, SiteIndex index, Site site, uint64_t offset);
Snapshot with_node(const Snapshot& snapshot, NodeIndex index, Node node, uint64_t offset);

// The link when one more of its members is down. At least one must be up.
Link without_member(Link link);

std::string_view to_string(Tier tier);
std::string_view to_string(State state);
std::string_view to_string(NodeRole role);

}  // namespace tandem::grid
