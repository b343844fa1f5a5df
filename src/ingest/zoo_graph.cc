#include "ingest/zoo_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace tandem::ingest {
namespace {

// Of what is quoted in an error.
constexpr size_t kQuotedBytesMax = 40;

std::string label_of(std::string_view text) { return clean_label(decode_entities(text)); }

}  // namespace

std::string_view ZooRecord::text(std::string_view key) const {
  const auto found = values.find(key);
  return found == values.end() ? std::string_view() : found->second;
}

std::optional<double> ZooRecord::number(std::string_view key) const { return parse_number(trim(text(key))); }

void ZooGraph::set_name(std::string_view name) { topology_.name = label_of(name); }

bool ZooGraph::add_node(const ZooRecord& record) {
  if (topology_.nodes.size() == kTopologyNodesMax) {
    errors_.error(record.line, fmt::format("there are more than {} nodes", kTopologyNodesMax),
                  "import a smaller network");
    return false;
  }
  const std::string_view id = record.text("id");
  if (id.empty()) {
    errors_.error(record.line, "a node has no id", "give it one, such as a number");
    return true;
  }
  if (!positions_.emplace(id, topology_.nodes.size()).second) {
    errors_.error(record.line, fmt::format("there are two nodes with the id {}", id.substr(0, kQuotedBytesMax)),
                  "give each its own");
    return true;
  }
  TopologyNode node;
  node.label = label_of(record.text("label"));
  if (node.label == "None" || node.label == "?") node.label.clear();
  node.country = label_of(record.text("Country"));
  node.junction = record.text("hyperedge") == "1" || record.text("Internal") == "0";
  node.line = record.line;
  const auto latitude = record.number("Latitude"), longitude = record.number("Longitude");
  if (latitude && longitude) {
    if (std::abs(*latitude) <= 90 && std::abs(*longitude) <= 180)
      node.place = grid::Place{Degrees(*latitude), Degrees(*longitude)};
    else
      errors_.warning(record.line, fmt::format("{}, {} is nowhere on Earth", *latitude, *longitude),
                      "the node is placed by its neighbours");
  }
  topology_.nodes.push_back(std::move(node));
  return true;
}

bool ZooGraph::add_edge(const ZooRecord& record) {
  if (edges_.size() == kTopologyEdgesMax) {
    errors_.error(record.line, fmt::format("there are more than {} edges", kTopologyEdgesMax),
                  "import a smaller network");
    return false;
  }
  TopologyEdge edge;
  edge.label = label_of(record.text("LinkLabel"));
  edge.capacity = std::max(0.0, record.number("LinkSpeedRaw").value_or(0) / 1e9);
  edge.line = record.line;
  edges_.push_back({std::string(record.text("source")), std::string(record.text("target")), std::move(edge)});
  return true;
}

Topology ZooGraph::finish() {
  for (Edge& added : edges_) {
    const auto from = find("source", added.source, added.edge.line), to = find("target", added.target, added.edge.line);
    if (!from || !to) continue;
    added.edge.from = *from;
    added.edge.to = *to;
    topology_.edges.push_back(std::move(added.edge));
  }
  return std::move(topology_);
}

std::optional<size_t> ZooGraph::find(std::string_view end, const std::string& id, int line) const {
  if (const auto found = positions_.find(id); found != positions_.end()) return found->second;
  errors_.error(line, fmt::format("the {} of this edge is '{}', which is no node", end, id.substr(0, kQuotedBytesMax)),
                "name the id of a node");
  return std::nullopt;
}

}  // namespace tandem::ingest
