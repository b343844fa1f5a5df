// Foreign topologies as their files have them: labels, edges, demands, in the files' own order and direction.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "grid/geography.h"

namespace tandem::ingest {

inline constexpr size_t kTopologyBytesMax = 64u << 20;
inline constexpr size_t kTopologyNodesMax = 10'000;  // the largest published networks have a few thousand
inline constexpr size_t kTopologyEdgesMax = 200'000;
inline constexpr size_t kSiteListMax = 2'000;  // sites between which fibre is laid
inline constexpr size_t kSiteUsersMax = 1'000'000;
inline constexpr size_t kTopologyDemandsMax = 4'000'000;  // every pair of 2,000 nodes

struct TopologyNode {
  std::string label;                 // UTF-8; may be empty and need not be unique
  std::optional<grid::Place> place;  // as the file has it, when it is one
  std::string country;               // a name, as the file has it; empty where it has none
  bool junction = false;             // stands for a shared medium or for somebody else's network
  double users = 0;                  // nearest to it, where the file says where users are
  int line = 0;
};

struct TopologyEdge {
  std::string label;
  size_t from = 0, to = 0;  // positions in Topology::nodes
  double capacity = 0;      // in Topology::capacity_unit; 0 where it is not known
  double weight = 0;        // of the IGP; 0 where it is not known
  double delay_us = 0;      // one way; 0 where it is not known
  int line = 0;
};

struct TopologyDemand {
  std::string label;
  size_t from = 0, to = 0;
  double rate = 0;  // in Topology::capacity_unit
};

struct Topology {
  enum class CapacityUnit : uint8_t { gbps, not_stated };

  std::string name;  // as the file gives it; may be empty
  std::vector<TopologyNode> nodes;
  std::vector<TopologyEdge> edges;
  bool directed = false;  // each edge is one direction only
  std::vector<TopologyDemand> demands;
  CapacityUnit capacity_unit = CapacityUnit::gbps;
};

// Each parser reads all it can and adds an error with its line for whatever it cannot: with no error the topology is
// whole, and every edge and demand refers to nodes that are there.

// Topology Zoo: GML with Latitude, Longitude, Country, LinkSpeedRaw (bit/s). Text is UTF-8 or ISO-8859-1, labels may
// have HTML entities (S. Knight et al., "The Internet Topology Zoo", IEEE JSAC 29(9), 2011; M. Himsolt, "GML", 1997).
Topology parse_topology_zoo(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics);

// GraphML with the same attributes (U. Brandes et al., "GraphML Progress Report", GD 2001). A node without a label is
// called by its id where that is no number.
Topology parse_graphml(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics);

// SNDlib native format, networks (S. Orlowski et al., "SNDlib 1.0", Networks 55(3), 2010).
Topology parse_sndlib(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics);

// REPETITA `.graph`: weights, bandwidth in kbit/s, delay in µs (S. Gay et al., "REPETITA", arXiv:1710.08665).
Topology parse_repetita(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics);

// REPETITA `.demands` of that graph, in kbit/s, appended to `topology.demands` in Gbit/s.
void parse_repetita_demands(std::string_view bytes, std::string_view file_name, Topology& topology,
                            std::vector<Diagnostic>& diagnostics);

// A list of sites as CSV with columns LATITUDE and LONGITUDE, and NAME or SITE_ID where there is one (as the EUA data
// set has them: P. Lai et al., "Optimal Edge User Allocation in Edge Computing", ICSOC 2018). It names no links: sites
// are joined as neighbours. O(sites² · log sites).
Topology parse_site_list(std::string_view bytes, std::string_view file_name, std::vector<Diagnostic>& diagnostics);

// Users as CSV with the same columns, each counted at the nearest of the sites.
void parse_site_users(std::string_view bytes, std::string_view file_name, Topology& topology,
                      std::vector<Diagnostic>& diagnostics);

}  // namespace tandem::ingest
