// A foreign topology made whole: every node at a place with an id of its own, every link with length, delay and
// capacity.
#pragma once

#include <string>
#include <vector>

#include "grid/geography.h"
#include "ingest/ingest.h"
#include "ingest/lines.h"
#include "ingest/topology.h"

namespace tandem::ingest {

struct NetworkNode {
  std::string id;  // unique
  std::string name;
  std::string jurisdiction;  // ISO 3166 alpha-2
  grid::Place place;
  bool junction = false;  // carries traffic, serves nobody
  size_t degree = 0;      // links
  double users = 0;       // where the file says where they are
};

struct NetworkLink {
  std::string id;  // unique
  size_t a = 0, b = 0;
  Gbps capacity_ab, capacity_ba;
  Kilometres length;   // of fibre, > 0
  Microseconds delay;  // > 0
  double igp_metric = 1;
};

struct NetworkTraffic {
  size_t from = 0, to = 0;
  Gbps rate;
};

struct Network {
  std::string name;
  std::vector<NetworkNode> nodes;
  std::vector<NetworkLink> links;
  std::vector<NetworkTraffic> traffic;
};

// The rules are in docs/IMPORT.md. Warnings go to `report`, assumptions to `notes`.
Network make_network(const Topology& topology, const ImportOptions& options, ErrorSink& report,
                     std::vector<std::string>& notes);

// A place for every node; `geographic` is false where the file's own places are not on a map.
struct Places {
  std::vector<grid::Place> places;
  bool geographic = true;
};
Places place_nodes(const Topology& topology, ErrorSink& report, std::vector<std::string>& notes);

// The file's demands as traffic between nodes, the largest kTrafficMax of them, scaled so that the busiest link carries
// kBusiestFill of its capacity when each follows one shortest path.
inline constexpr size_t kTrafficMax = 2'000;
inline constexpr double kBusiestFill = 0.4;
std::vector<NetworkTraffic> scale_traffic(const Topology& topology, const Network& network,
                                          std::vector<std::string>& notes);

}  // namespace tandem::ingest
