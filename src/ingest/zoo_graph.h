// What a graph of the Topology Zoo says, whichever of its two syntaxes it is written in: attributes of nodes and edges
// by name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/lines.h"
#include "ingest/topology.h"

namespace tandem::ingest {

// The attributes of one node or edge as they are written, entities (`&#246;`) not decoded.
struct ZooRecord {
  std::map<std::string, std::string, std::less<>> values;
  int line = 0;

  std::string_view text(std::string_view key) const;  // empty where there is none
  std::optional<double> number(std::string_view key) const;
};

class ZooGraph {
 public:
  explicit ZooGraph(ErrorSink& errors) : errors_(errors) {}

  void set_name(std::string_view name);
  void set_directed(bool directed) { topology_.directed = directed; }
  // A node has an `id`, an edge `source` and `target`, the ids of nodes that may come later. False where there are more
  // than a topology may have, which is said.
  bool add_node(const ZooRecord& record);
  bool add_edge(const ZooRecord& record);
  // All that was added; edges to what is no node are said and left out.
  Topology finish();

 private:
  struct Edge {
    std::string source, target;  // ids of nodes
    TopologyEdge edge;
  };
  std::optional<size_t> find(std::string_view end, const std::string& id, int line) const;

  ErrorSink& errors_;
  Topology topology_;
  std::map<std::string, size_t, std::less<>> positions_;  // of the nodes, by id
  std::vector<Edge> edges_;
};

}  // namespace tandem::ingest
