#include "twin/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace tandem::twin {
namespace {

constexpr double kGigabitsPerBit = 1e-9;

// T(i, j) = m(i) · m(j) between usable nodes, scaled until the busiest link is filled as wanted.
TrafficMatrix matrix_by_mass(const grid::Snapshot& snapshot, const std::vector<double>& mass, double fill) {
  TrafficMatrix matrix;
  for (size_t i = 0; i < mass.size(); ++i)
    for (size_t j = 0; j < mass.size(); ++j)
      if (i != j && mass[i] * mass[j] > 0)
        matrix.flows.push_back({grid::NodeIndex(i), grid::NodeIndex(j), Gbps(mass[i] * mass[j])});
  const PlainLoads loads = plain_loads(snapshot, matrix);
  double busiest = 0;
  for (size_t i = 0; i < snapshot.links.size(); ++i) {
    const grid::Link& link = snapshot.links[i];
    busiest = std::max(
        {busiest, loads.gbps[2 * i] / link.capacity_ab.value(), loads.gbps[2 * i + 1] / link.capacity_ba.value()});
  }
  const double scale = busiest > 0 ? fill / busiest : 0;
  if (scale == 0) matrix.flows.clear();
  for (TrafficMatrix::Flow& flow : matrix.flows) flow.rate = flow.rate * scale;
  return matrix;
}

}  // namespace

Gbps TrafficMatrix::total() const {
  Gbps sum;
  for (const Flow& flow : flows) sum += flow.rate;
  return sum;
}

TrafficMatrix own_traffic(const grid::Snapshot& snapshot, const Assignment& assignment) {
  TrafficMatrix matrix;
  std::map<std::tuple<grid::NodeIndex, grid::NodeIndex, grid::FlexAlgoIndex>, double> rates;
  for (const grid::Traffic& traffic : snapshot.traffic)
    if (traffic.from != traffic.to) rates[{traffic.from, traffic.to, {}}] += traffic.rate.value();
  for (const Assignment::Share& share : assignment.shares) {
    const grid::Demand& demand = snapshot.demands[share.demand];
    const grid::NodeIndex node = snapshot.pools[share.pool].node;
    const auto anchor = active_anchor(snapshot, demand.region);
    if (!anchor || anchor->node == node) continue;
    const double bits_up = demand.rate_per_s * share.fraction * demand.upload_bytes * 8;
    const double bits_back = demand.rate_per_s * share.fraction * demand.download_bytes * 8;
    rates[{anchor->node, node, demand.flex_algo}] += bits_up * kGigabitsPerBit;
    rates[{node, anchor->node, demand.flex_algo}] += bits_back * kGigabitsPerBit;
  }
  for (const auto& [key, gbps] : rates) {
    const auto& [from, to, flex_algo] = key;
    if (gbps > 0) matrix.flows.push_back({from, to, Gbps(gbps), flex_algo});
  }
  matrix.formula =
      fmt::format("{} flows: the grid's background traffic, and its demands as planned", matrix.flows.size());
  return matrix;
}

TrafficMatrix gravity_traffic(const grid::Snapshot& snapshot, double fill) {
  std::vector<double> mass(snapshot.nodes.size(), 0);
  for (const grid::Region& region : snapshot.regions) mass[region.anchors.front().node.value] += region.population;
  double smallest = 0;
  for (const double m : mass)
    if (m > 0 && (smallest == 0 || m < smallest)) smallest = m;
  for (size_t i = 0; i < mass.size(); ++i) {
    if (!snapshot.usable(grid::NodeIndex(i)))
      mass[i] = 0;
    else if (mass[i] == 0)
      mass[i] = smallest > 0 ? smallest : 1;
  }
  TrafficMatrix matrix = matrix_by_mass(snapshot, mass, fill);
  matrix.formula = fmt::format(
      "{} flows: gravity between all pairs of nodes by the population of their regions, the busiest link {:.0f} % full",
      matrix.flows.size(), 100 * fill);
  return matrix;
}

TrafficMatrix uniform_traffic(const grid::Snapshot& snapshot, double fill) {
  std::vector<double> mass(snapshot.nodes.size(), 0);
  for (size_t i = 0; i < mass.size(); ++i) mass[i] = snapshot.usable(grid::NodeIndex(i)) ? 1 : 0;
  TrafficMatrix matrix = matrix_by_mass(snapshot, mass, fill);
  matrix.formula = fmt::format("{} flows: the same between all pairs of nodes, the busiest link {:.0f} % full",
                               matrix.flows.size(), 100 * fill);
  return matrix;
}

PlainLoads plain_loads(const grid::Snapshot& snapshot, const TrafficMatrix& matrix) {
  PlainLoads loads{std::vector<double>(2 * snapshot.links.size(), 0), Gbps()};
  Networks networks(snapshot);
  std::map<std::pair<grid::FlexAlgoIndex, grid::NodeIndex>, std::vector<double>> by_destination;
  for (const TrafficMatrix::Flow& flow : matrix.flows) {
    std::vector<double>& rates = by_destination[{flow.flex_algo, flow.to}];
    rates.resize(snapshot.nodes.size());
    rates[flow.from.value] += flow.rate.value();
  }
  for (auto& [key, rates] : by_destination)
    loads.lost += Gbps(PathTree(networks.of(key.first), key.second).collect(std::move(rates), loads.gbps));
  return loads;
}

}  // namespace tandem::twin
