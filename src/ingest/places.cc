// A place for every node of a foreign topology.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ingest/network.h"

namespace tandem::ingest {
namespace {

constexpr double kRadians = std::numbers::pi / 180;
constexpr grid::Place kNowhere{Degrees(50), Degrees(10)};  // the middle of the drawing where a file has no geography
constexpr double kDrawingRadiusDegrees = 0.035;            // about 4 km: less than what a place may be off by

// A point on the unit sphere, so that means work across the date line.
struct Vector {
  double x = 0, y = 0, z = 0;
};

Vector to_vector(grid::Place p) {
  const double lat = p.latitude.value() * kRadians, lon = p.longitude.value() * kRadians;
  return {std::cos(lat) * std::cos(lon), std::cos(lat) * std::sin(lon), std::sin(lat)};
}

grid::Place mean_place(const std::vector<grid::Place>& places) {
  Vector sum;
  for (const grid::Place& place : places) {
    const Vector v = to_vector(place);
    sum = {sum.x + v.x, sum.y + v.y, sum.z + v.z};
  }
  const double across = std::hypot(sum.x, sum.y);
  if (across < 1e-12 && std::fabs(sum.z) < 1e-12) return places.front();  // opposite points have no mean
  return {Degrees(std::atan2(sum.z, across) / kRadians), Degrees(std::atan2(sum.y, sum.x) / kRadians)};
}

bool on_earth(grid::Place p) { return std::fabs(p.latitude.value()) <= 90 && std::fabs(p.longitude.value()) <= 180; }

bool is_geographic(const Topology& topology) {
  const TopologyNode* first = nullptr;
  bool differs = false;
  for (const TopologyNode& node : topology.nodes) {
    if (!node.place) continue;
    if (!on_earth(*node.place)) return false;
    if (first == nullptr) first = &node;
    differs |= node.place->latitude != first->place->latitude || node.place->longitude != first->place->longitude;
  }
  return first != nullptr && (differs || topology.nodes.size() == 1);
}

// The file's own drawing, or a circle in the order of the file, shrunk to a few kilometres.
std::vector<grid::Place> draw(const Topology& topology) {
  double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
  bool all_placed = true;
  for (const TopologyNode& node : topology.nodes) {
    if (!node.place) {
      all_placed = false;
      break;
    }
    low_x = std::min(low_x, node.place->longitude.value());
    high_x = std::max(high_x, node.place->longitude.value());
    low_y = std::min(low_y, node.place->latitude.value());
    high_y = std::max(high_y, node.place->latitude.value());
  }
  const double extent = std::max(high_x - low_x, high_y - low_y);
  const bool drawn = all_placed && std::isfinite(extent) && extent > 0;
  std::vector<grid::Place> places;
  for (size_t i = 0; i < topology.nodes.size(); ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(topology.nodes.size());
    double x = std::cos(angle), y = std::sin(angle);
    if (drawn) {
      x = std::numbers::sqrt2 * ((topology.nodes[i].place->longitude.value() - low_x) / extent - 0.5);
      y = std::numbers::sqrt2 * ((topology.nodes[i].place->latitude.value() - low_y) / extent - 0.5);
    }
    places.push_back({Degrees(kNowhere.latitude.value() + kDrawingRadiusDegrees * y),
                      Degrees(kNowhere.longitude.value() + kDrawingRadiusDegrees * x)});
  }
  return places;
}

std::vector<std::vector<size_t>> neighbours(const Topology& topology) {
  std::vector<std::vector<size_t>> result(topology.nodes.size());
  for (const TopologyEdge& edge : topology.edges) {
    if (edge.from == edge.to) continue;
    result[edge.from].push_back(edge.to);
    result[edge.to].push_back(edge.from);
  }
  for (auto& list : result) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return result;
}

}  // namespace

Places place_nodes(const Topology& topology, ErrorSink& report, std::vector<std::string>& notes) {
  if (!is_geographic(topology)) {
    notes.push_back(
        "The file has no geographic coordinates: sites are drawn within a few kilometres of 50 N, 10 E, for the eye "
        "only.");
    return {draw(topology), false};
  }
  std::vector<std::optional<grid::Place>> places;
  for (const TopologyNode& node : topology.nodes) places.push_back(node.place);
  const auto adjacent = neighbours(topology);
  // Rounds: those next to a placed node first, so that a chain of unplaced nodes fills from its ends.
  for (bool progress = true; progress;) {
    progress = false;
    std::vector<std::pair<size_t, grid::Place>> found;
    for (size_t i = 0; i < places.size(); ++i) {
      if (places[i]) continue;
      std::vector<grid::Place> around;
      for (const size_t other : adjacent[i])
        if (places[other]) around.push_back(*places[other]);
      if (!around.empty()) found.emplace_back(i, mean_place(around));
    }
    for (const auto& [node, place] : found) {
      places[node] = place;
      progress = true;
      report.warning(topology.nodes[node].line, fmt::format("node '{}' has no coordinates", topology.nodes[node].label),
                     "it is placed at the mean of its neighbours");
    }
  }
  std::vector<grid::Place> known;
  for (const auto& place : places)
    if (place) known.push_back(*place);
  const grid::Place middle = mean_place(known);
  Places result;
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i])
      report.warning(topology.nodes[i].line,
                     fmt::format("node '{}' has no coordinates and no neighbour that has", topology.nodes[i].label),
                     "it is placed in the middle of the network");
    result.places.push_back(places[i].value_or(middle));
  }
  return result;
}

}  // namespace tandem::ingest
