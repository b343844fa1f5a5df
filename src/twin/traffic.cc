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
  for (const Steered& flow : steered) sum += flow.rate;
  return sum;
}

std::vector<uint32_t> slots_along(const grid::Snapshot& snapshot, std::span<const grid::LinkIndex> links,
                                  grid::NodeIndex from, grid::NodeIndex to) {
  std::vector<uint32_t> slots;
  grid::NodeIndex at = from;
  for (const grid::LinkIndex index : links) {
    const grid::Link& link = snapshot.links[index];
    if (at != link.a && at != link.b) return {};
    slots.push_back(2 * index.value + (at == link.a ? 0 : 1));
    at = at == link.a ? link.b : link.a;
  }
  if (at != to) slots.clear();
  return slots;
}

std::vector<uint32_t> usable_slots_along(const grid::Snapshot& snapshot, std::span<const grid::LinkIndex> links,
                                         grid::NodeIndex from, grid::NodeIndex to) {
  if (std::any_of(links.begin(), links.end(), [&](grid::LinkIndex link) { return !snapshot.usable(link); })) return {};
  return slots_along(snapshot, links, from, to);
}

namespace {

// The flows of a plan, those of equal ends and ways as one.
class OwnTraffic {
 public:
  explicit OwnTraffic(const grid::Snapshot& snapshot) : snapshot_(snapshot) {}

  void add(grid::NodeIndex from, grid::NodeIndex to, grid::FlexAlgoIndex algo, double gbps) {
    flows_[{from, to, algo}] += gbps;
  }

  void add(const Assignment::Share& share, grid::NodeIndex anchor, double up_gbps, double back_gbps) {
    const grid::NodeIndex node = snapshot_.pools[share.pool].node;
    const grid::FlexAlgoIndex algo = snapshot_.demands[share.demand].flex_algo;
    const auto leads = [&](const Links& way) { return !slots_along(snapshot_, way, anchor, node).empty(); };
    const Links primary = leads(share.primary) ? share.primary : Links(),
                second = leads(share.second) ? share.second : Links();
    if (primary.empty() && second.empty()) {
      add(anchor, node, algo, up_gbps);
      add(node, anchor, algo, back_gbps);
      return;
    }
    const auto reversed = [](Links way) {
      std::reverse(way.begin(), way.end());
      return way;
    };
    steered_[{anchor, node, algo, primary, second}] += up_gbps;
    steered_[{node, anchor, algo, reversed(primary), reversed(second)}] += back_gbps;
  }

  TrafficMatrix finish() const {
    TrafficMatrix matrix;
    for (const auto& [key, gbps] : flows_) {
      const auto& [from, to, algo] = key;
      if (gbps > 0) matrix.flows.push_back({from, to, Gbps(gbps), algo});
    }
    for (const auto& [key, gbps] : steered_) {
      const auto& [from, to, algo, primary, second] = key;
      if (gbps > 0) matrix.steered.push_back({from, to, Gbps(gbps), algo, primary, second});
    }
    return matrix;
  }

 private:
  using Links = std::vector<grid::LinkIndex>;

  const grid::Snapshot& snapshot_;
  std::map<std::tuple<grid::NodeIndex, grid::NodeIndex, grid::FlexAlgoIndex>, double> flows_;
  std::map<std::tuple<grid::NodeIndex, grid::NodeIndex, grid::FlexAlgoIndex, Links, Links>, double> steered_;
};

void add_demands(const grid::Snapshot& snapshot, const Assignment& assignment, OwnTraffic& own) {
  for (const Assignment::Share& share : assignment.shares) {
    const grid::Demand& demand = snapshot.demands[share.demand];
    const auto anchor = active_anchor(snapshot, demand.region);
    if (!anchor || anchor->node == snapshot.pools[share.pool].node) continue;
    const double gbps_per_byte = demand.rate_per_s * share.fraction * 8 * kGigabitsPerBit;
    own.add(share, anchor->node, gbps_per_byte * demand.upload_bytes, gbps_per_byte * demand.download_bytes);
  }
}

}  // namespace

TrafficMatrix own_traffic(const grid::Snapshot& snapshot, const Assignment& assignment) {
  OwnTraffic own(snapshot);
  for (const grid::Traffic& traffic : snapshot.traffic)
    if (traffic.from != traffic.to) own.add(traffic.from, traffic.to, {}, traffic.rate.value());
  add_demands(snapshot, assignment, own);
  TrafficMatrix matrix = own.finish();
  matrix.formula = fmt::format("{} flows: the grid's background traffic, and its demands as planned", matrix.size());
  return matrix;
}

TrafficMatrix demand_traffic(const grid::Snapshot& snapshot, const Assignment& assignment) {
  OwnTraffic own(snapshot);
  add_demands(snapshot, assignment, own);
  TrafficMatrix matrix = own.finish();
  matrix.formula = fmt::format("{} flows: the grid's demands as planned", matrix.size());
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
  for (const TrafficMatrix::Steered& flow : matrix.steered) {
    std::vector<uint32_t> slots = usable_slots_along(snapshot, flow.primary, flow.from, flow.to);
    if (slots.empty()) slots = usable_slots_along(snapshot, flow.second, flow.from, flow.to);
    for (const uint32_t slot : slots) loads.gbps[slot] += flow.rate.value();
    if (!slots.empty()) continue;
    std::vector<double>& rates = by_destination[{flow.flex_algo, flow.to}];
    rates.resize(snapshot.nodes.size());
    rates[flow.from.value] += flow.rate.value();
  }
  for (auto& [key, rates] : by_destination)
    loads.lost += Gbps(PathTree(networks.of(key.first), key.second).collect(std::move(rates), loads.gbps));
  return loads;
}

}  // namespace tandem::twin
