#include "twin/failure_state.h"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>

namespace tandem::twin {
namespace {

constexpr double kRoundingShare = 1e-13;
constexpr double kPromiseTolerance = 1 + 1e-9;  // a delay summed in another order is the same delay

std::vector<Failure> failures_of(const grid::Snapshot& snapshot, FailureKind kind) {
  std::vector<Failure> all;
  const auto add = [&](size_t rows, auto is_up) {
    for (size_t i = 0; i < rows; ++i)
      if (is_up(i)) all.push_back({kind, static_cast<uint32_t>(i)});
  };
  switch (kind) {
    case FailureKind::link:
      add(snapshot.links.size(), [&](size_t i) { return snapshot.usable(grid::LinkIndex(i)); });
      break;
    case FailureKind::node:
      add(snapshot.nodes.size(), [&](size_t i) { return snapshot.usable(grid::NodeIndex(i)); });
      break;
    case FailureKind::shared_risk_group: add(snapshot.shared_risk_groups.size(), [](size_t) { return true; }); break;
    case FailureKind::site:
      add(snapshot.sites.size(), [&](size_t i) { return snapshot.sites[i].state == grid::State::up; });
      break;
    case FailureKind::member:
      add(snapshot.links.size(),
          [&](size_t i) { return snapshot.links[i].members > 1 && snapshot.usable(grid::LinkIndex(i)); });
      break;
  }
  return all;
}

// One pass over links and nodes for each kind, not one for each failure: O(rows + what is taken).
std::vector<Taken> what_is_taken(const grid::Snapshot& snapshot, const std::vector<Failure>& failures) {
  std::map<std::pair<FailureKind, uint32_t>, uint32_t> position;
  for (size_t f = 0; f < failures.size(); ++f) position[{failures[f].kind, failures[f].row}] = static_cast<uint32_t>(f);
  std::vector<Taken> taken(failures.size());
  const auto offer = [&](FailureKind kind, uint32_t row, auto&& take) {
    if (const auto found = position.find({kind, row}); found != position.end()) take(taken[found->second]);
  };
  for (uint32_t i = 0; i < snapshot.nodes.size(); ++i) {
    if (!snapshot.usable(grid::NodeIndex(i))) continue;
    const auto take = [&](Taken& by) { by.nodes.push_back(i); };
    offer(FailureKind::node, i, take);
    offer(FailureKind::site, snapshot.nodes[i].site.value, take);
  }
  for (uint32_t i = 0; i < snapshot.links.size(); ++i) {
    if (!snapshot.usable(grid::LinkIndex(i))) continue;
    const grid::Link& link = snapshot.links[i];
    const auto take = [&](Taken& by) {
      if (by.links.empty() || by.links.back() != i) by.links.push_back(i);
    };
    offer(FailureKind::link, i, take);
    offer(FailureKind::member, i, [&](Taken& by) {
      if (link.members_up() <= link.members_min) return by.links.push_back(i);
      by.lowered = i;
      by.left = static_cast<double>(link.members_up() - 1) / link.members_up();
    });
    for (const grid::SharedRiskGroupIndex group : link.shared_risk_groups)
      offer(FailureKind::shared_risk_group, group.value, take);
    for (const grid::NodeIndex end : {link.a, link.b}) {
      offer(FailureKind::node, end.value, take);
      offer(FailureKind::site, snapshot.nodes[end].site.value, take);
    }
  }
  return taken;
}

}  // namespace

FailureStudy::State::State(const grid::Snapshot& its_snapshot, const TrafficMatrix& its_matrix, FailureKind its_kind)
    : snapshot(its_snapshot),
      matrix(its_matrix),
      kind(its_kind),
      networks(snapshot),
      failures(failures_of(snapshot, kind)),
      taken(what_is_taken(snapshot, failures)),
      takers(snapshot.links.size()),
      gbps(slots() + 1, 0),
      per_capacity(slots() + 1, 0) {
  plane_of({});
  for (uint32_t f = 0; f < taken.size(); ++f)
    for (const uint32_t link : taken[f].links) takers[link].push_back(f);
  for (size_t i = 0; i < snapshot.links.size(); ++i) {
    if (!snapshot.usable(grid::LinkIndex(i))) continue;
    per_capacity[2 * i] = 1 / snapshot.links[i].capacity_ab.value();
    per_capacity[2 * i + 1] = 1 / snapshot.links[i].capacity_ba.value();
  }
}

uint32_t FailureStudy::State::plane_of(grid::FlexAlgoIndex flex_algo) {
  const auto known =
      std::find_if(planes.begin(), planes.end(), [&](const Plane& plane) { return plane.flex_algo == flex_algo; });
  const auto position = static_cast<uint32_t>(known - planes.begin());
  if (known == planes.end()) {
    const auto& network = networks.of(flex_algo);
    planes.push_back({flex_algo, network, Mesh(*network, snapshot.links.size())});
  }
  return position;
}

void FailureStudy::State::watch(std::vector<PromiseWatch> all) {
  for (uint32_t i = 0; i < all.size(); ++i) {
    if (is_broken(snapshot, networks, all[i])) continue;
    watches.push_back(std::move(all[i]));
    watch_given.push_back(i);
  }
}

void FailureStudy::State::route_all() {
  std::map<std::pair<uint32_t, uint32_t>, Toward> by_end;  // plane, node
  const auto at = [&](grid::FlexAlgoIndex flex_algo, grid::NodeIndex node) -> Toward& {
    const uint32_t plane = plane_of(flex_algo);
    Toward& to = by_end[{plane, node.value}];
    to.node = node.value;
    to.plane = plane;
    to.source.resize(nodes(), 0);
    return to;
  };
  for (const TrafficMatrix::Flow& flow : matrix.flows)
    at(flow.flex_algo, flow.to).source[flow.from.value] += flow.rate.value();
  for (uint32_t i = 0; i < watches.size(); ++i)
    at(watches[i].flex_algo, active_anchor(snapshot, watches[i].region)->node).watches.push_back(i);
  for (auto& [end, to] : by_end) {
    route(to);
    toward.push_back(std::move(to));
  }
  for (size_t i = 0; i < slots(); ++i)
    undisturbed.utilization_max = std::max(undisturbed.utilization_max, gbps[i] * per_capacity[i]);
  undisturbed.lost_gbps = gbps[lost_slot()];
  offered_gbps = matrix.total().value();
}

void FailureStudy::State::route(Toward& to) {
  const Mesh& mesh = this->mesh(to);
  to.routed.assign(nodes(), {});
  for (uint32_t node = 0; node < nodes(); ++node) to.routed[node].flow = to.source[node];
  using Entry = std::pair<double, uint32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> frontier;
  if (planes[to.plane].network->usable[to.node]) {
    to.routed[to.node].distance = 0;
    frontier.emplace(0, to.node);
  }
  while (!frontier.empty()) {
    const auto [distance, node] = frontier.top();
    frontier.pop();
    if (distance > to.routed[node].distance) continue;
    to.order.push_back(static_cast<uint16_t>(node));
    if (!passes(node, to.node)) continue;
    for (const Mesh::Arc& arc : mesh.out_of(node)) {
      if (distance + arc.weight >= to.routed[arc.to].distance) continue;
      to.routed[arc.to].distance = distance + arc.weight;
      frontier.emplace(to.routed[arc.to].distance, arc.to);
    }
  }
  double total = 0;
  for (size_t i = to.order.size(); i-- > 1;) {
    const uint32_t node = to.order[i];
    total += to.source[node];
    const auto leads = [&](const Mesh::Arc& arc) {
      return to.routed[arc.to].distance + arc.weight == to.routed[node].distance && passes(arc.to, to.node);
    };
    const auto out = mesh.out_of(node);
    const auto hops = std::count_if(out.begin(), out.end(), leads);
    const double each = to.routed[node].flow / static_cast<double>(hops);
    for (const Mesh::Arc& arc : out) {
      if (!leads(arc)) continue;
      to.routed[node].slot = hops == 1 ? arc.slot : kManyHops;
      to.routed[node].to = static_cast<uint16_t>(arc.to);
      to.routed[arc.to].flow += each;
      gbps[arc.slot] += each;
    }
  }
  to.negligible = kRoundingShare * total;
  for (uint32_t node = 0; node < nodes(); ++node) {
    if (to.routed[node].distance < kFarAway) continue;
    to.order.push_back(static_cast<uint16_t>(node));
    to.routed[node].flow = 0;
    gbps[lost_slot()] += to.source[node];
  }
  to.rank.resize(nodes());
  for (size_t i = 0; i < nodes(); ++i) to.rank[to.order[i]] = static_cast<uint16_t>(i);
}

// ---- Promises ----------------------------------------------------------------------------------------------------

bool is_broken(const grid::Snapshot& snapshot, Networks& networks, const PromiseWatch& watch) {
  const RegionReach reach = reach_from(snapshot, networks.of(watch.flex_algo), watch.region);
  return std::any_of(watch.parts.begin(), watch.parts.end(), [&](const PromiseWatch::Part& part) {
    return !snapshot.usable(part.node) || !reach.reachable(part.node) ||
           !watch.allowed.contains(reach.tree->jurisdictions(part.node)) ||
           round_trip(reach, part.node).value() > part.round_trip_max.value() * kPromiseTolerance;
  });
}

PromiseJudge::PromiseJudge(const FailureStudy::State& state)
    : node_down(state.nodes(), 0),
      state_(state),
      longest_(state.nodes(), 0),
      seen_(state.nodes(), 0),
      elsewhere_(state.nodes(), kFarAway) {}

uint32_t PromiseJudge::broken(const Toward& to, const TowardView& view, const Reroute& reroute,
                              std::vector<uint32_t>* links) {
  uint32_t count = 0;
  mesh_ = &state_.mesh(to);
  for (const uint32_t position : to.watches) {
    const PromiseWatch& watch = state_.watches[position];
    if (links != nullptr)
      for (const grid::Anchor& anchor : state_.snapshot.regions[watch.region].anchors)
        for (const Mesh::Arc& arc : state_.igp().mesh.out_of(anchor.node.value)) links->push_back(arc.slot >> 1);
    const grid::Anchor* anchor = anchor_left(watch, reroute);
    if (anchor == nullptr || is_broken_at(watch, *anchor, to, view, reroute, links)) ++count;
  }
  return count;
}

// As active_anchor, under the failures at hand.
const grid::Anchor* PromiseJudge::anchor_left(const PromiseWatch& watch, const Reroute& reroute) const {
  const grid::Anchor* isolated = nullptr;
  for (const grid::Anchor& anchor : state_.snapshot.regions[watch.region].anchors) {
    if (!state_.igp().network->usable[anchor.node.value] || node_down[anchor.node.value] != 0) continue;
    for (const Mesh::Arc& arc : state_.igp().mesh.out_of(anchor.node.value))
      if (reroute.down[arc.slot >> 1] == 0) return &anchor;
    if (isolated == nullptr) isolated = &anchor;
  }
  return isolated;
}

bool PromiseJudge::is_broken_at(const PromiseWatch& watch, const grid::Anchor& anchor, const Toward& to,
                                const TowardView& view, const Reroute& reroute, std::vector<uint32_t>* links) {
  const bool at_home = anchor.node.value == to.node;
  if (!at_home) measure_from(anchor.node.value, reroute);
  bool any = false;
  for (const PromiseWatch::Part& part : watch.parts) {
    const Way way = at_home ? walk([&](uint32_t node) { return reroute.distance(view, node); }, part.node.value,
                                   anchor.node.value, reroute, links)
                            : walk([&](uint32_t node) { return elsewhere_[node]; }, part.node.value, anchor.node.value,
                                   reroute, links);
    const double round_trip_us = 2 * (anchor.access_delay.value() + anchor.backhaul_delay.value() + way.delay_us);
    any |= node_down[part.node.value] != 0 || !way.reachable || !watch.allowed.contains({way.jurisdictions}) ||
           round_trip_us > part.round_trip_max.value() * kPromiseTolerance;
  }
  return any;
}

// Over every equal-cost branch from a node to the destination, the farthest router first, so that the longest way to
// each is known when it is left.
template <class Distance>
PromiseJudge::Way PromiseJudge::walk(const Distance& distance, uint32_t from, uint32_t destination,
                                     const Reroute& reroute, std::vector<uint32_t>* links) {
  Way way;
  if (distance(from) >= kFarAway) return way;
  way.reachable = true;
  walked_.assign(1, from);
  seen_[from] = 1;
  longest_[from] = 0;
  frontier_.assign(1, {distance(from), from});
  while (!frontier_.empty()) {
    std::pop_heap(frontier_.begin(), frontier_.end());
    const auto [metric, node] = frontier_.back();
    frontier_.pop_back();
    way.jurisdictions |= state_.igp().network->jurisdictions[node];
    if (node == destination) break;
    for (const Mesh::Arc& arc : mesh_->out_of(node)) {
      const uint32_t link = arc.slot >> 1;
      const double metric_left = distance(arc.to);
      if (metric_left + arc.weight != metric || reroute.down[link] != 0 || !state_.passes(arc.to, destination))
        continue;
      if (links != nullptr) links->push_back(link);
      const double delay_us = longest_[node] + state_.snapshot.links[link].delay.value();
      if (seen_[arc.to] == 0) {
        seen_[arc.to] = 1;
        walked_.push_back(arc.to);
        longest_[arc.to] = delay_us;
        frontier_.emplace_back(metric_left, arc.to);
        std::push_heap(frontier_.begin(), frontier_.end());
      } else {
        longest_[arc.to] = std::max(longest_[arc.to], delay_us);
      }
    }
  }
  way.delay_us = longest_[destination];
  for (const uint32_t node : walked_) seen_[node] = 0;
  return way;
}

void PromiseJudge::measure_from(uint32_t node, const Reroute& reroute) {
  std::fill(elsewhere_.begin(), elsewhere_.end(), kFarAway);
  elsewhere_[node] = 0;
  frontier_.assign(1, {0, node});
  while (!frontier_.empty()) {
    std::pop_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    const auto [distance, at] = frontier_.back();
    frontier_.pop_back();
    if (distance > elsewhere_[at] || !state_.passes(at, node)) continue;
    for (const Mesh::Arc& arc : mesh_->out_of(at)) {
      if (reroute.down[arc.slot >> 1] != 0 || distance + arc.weight >= elsewhere_[arc.to]) continue;
      elsewhere_[arc.to] = distance + arc.weight;
      frontier_.emplace_back(elsewhere_[arc.to], arc.to);
      std::push_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    }
  }
}

}  // namespace tandem::twin
