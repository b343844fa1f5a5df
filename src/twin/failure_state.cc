#include "twin/failure_state.h"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <set>
#include <utility>

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
      steered_over(snapshot.links.size()),
      gbps(slots() + 1, 0),
      per_capacity(slots() + 1, 0) {
  plane_of({});
  for (const uint64_t bits : igp().network->jurisdictions) jurisdictions |= bits;
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
    const grid::NodeIndex anchor = active_anchor(snapshot, all[i].region)->node;
    for (PromiseWatch::Part& part : all[i].parts)
      for (auto* way : {&part.primary, &part.second})
        if (usable_slots_along(snapshot, *way, anchor, part.node).empty()) way->clear();
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
  for (const TrafficMatrix::Steered& flow : matrix.steered) {
    Steered own{flow.from.value, flow.to.value, flow.rate.value(),
                usable_slots_along(snapshot, flow.primary, flow.from, flow.to),
                usable_slots_along(snapshot, flow.second, flow.from, flow.to)};
    Toward& to = at(flow.flex_algo, flow.to);
    if (own.primary.empty() && own.second.empty()) {
      to.source[flow.from.value] += flow.rate.value();
      continue;
    }
    to.steered.push_back(static_cast<uint32_t>(steered.size()));
    for (const uint32_t slot : own.way()) {
      gbps[slot] += own.gbps;
      steered_over[slot / 2].push_back(static_cast<uint32_t>(steered.size()));
    }
    steered.push_back(std::move(own));
  }
  for (auto& [end, to] : by_end) {
    route(to);
    for (const uint32_t flow : to.steered) steered[flow].toward = static_cast<uint32_t>(toward.size());
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

namespace {

// Over the first of a part's ways that is whole from that anchor; nothing where none is.
std::optional<Microseconds> delay_over(const grid::Snapshot& snapshot, const PromiseWatch::Part& part,
                                       grid::NodeIndex anchor) {
  for (const auto* way : {&part.primary, &part.second}) {
    if (usable_slots_along(snapshot, *way, anchor, part.node).empty()) continue;
    Microseconds delay;
    for (const grid::LinkIndex link : *way) delay += snapshot.links[link].delay;
    return delay;
  }
  return std::nullopt;
}

}  // namespace

bool is_broken(const grid::Snapshot& snapshot, Networks& networks, const PromiseWatch& watch) {
  const RegionReach reach = networks.reach(watch.flex_algo, watch.region);
  return std::any_of(watch.parts.begin(), watch.parts.end(), [&](const PromiseWatch::Part& part) {
    if (!reach.anchor || !snapshot.usable(part.node)) return true;
    const auto too_long = [&](Microseconds round_trip) {
      return round_trip.value() > part.round_trip_max.value() * kPromiseTolerance;
    };
    if (const auto one_way = delay_over(snapshot, part, reach.anchor->node))
      return too_long(2 * (reach.anchor->access_delay + reach.anchor->backhaul_delay + *one_way));
    return !reach.reachable(part.node) || !watch.allowed.contains(reach.tree->jurisdictions(part.node)) ||
           too_long(round_trip(reach, part.node));
  });
}

bool leaves_residency(const grid::Snapshot& before, Networks& then, const grid::Snapshot& after, Networks& now,
                      const PromiseWatch& watch) {
  const auto outside = [&](const PathTree& tree, grid::NodeIndex node) {
    return tree.reachable(node) && !watch.allowed.contains(tree.jurisdictions(node));
  };
  // Of traffic that starts at a node: the routers it comes to, and what those beside the loss send on.
  const auto repaired = [&](const std::vector<PathTree::ArcShare>& shares, grid::NodeIndex start,
                            const PathTree& onward) {
    std::set<grid::NodeIndex> reached;
    if (after.usable(start)) reached.insert(start);
    for (const PathTree::ArcShare& share : shares) {
      const grid::Link& link = after.links[share.link];
      const grid::NodeIndex tail = share.forward ? link.a : link.b, head = share.forward ? link.b : link.a;
      if (!reached.contains(tail)) continue;
      if (after.usable(share.link))
        reached.insert(head);
      else if (outside(onward, tail))
        return true;
    }
    return false;
  };
  if (watch.allowed.contains(grid::JurisdictionSet::all())) return false;
  const RegionReach first = then.reach(watch.flex_algo, watch.region);
  const RegionReach last = now.reach(watch.flex_algo, watch.region);
  return std::any_of(watch.parts.begin(), watch.parts.end(), [&](const PromiseWatch::Part& part) {
    if (last.anchor && !delay_over(after, part, last.anchor->node) && after.usable(part.node) &&
        outside(*last.tree, part.node))
      return true;
    if (!first.reachable(part.node) || delay_over(before, part, first.anchor->node)) return false;
    const grid::NodeIndex anchor = first.anchor->node;
    return repaired(first.tree->shares_to(part.node), anchor, *now.tree(watch.flex_algo, part.node)) ||
           repaired(first.tree->shares_back(part.node), part.node, *now.tree(watch.flex_algo, anchor));
  });
}

PromiseJudge::PromiseJudge(const FailureStudy::State& state)
    : node_down(state.nodes(), 0),
      state_(state),
      longest_(state.nodes(), 0),
      seen_(state.nodes(), 0),
      elsewhere_(state.nodes(), kFarAway),
      reached_(state.nodes(), 0) {}

Judged PromiseJudge::judge(const Toward& to, const TowardView& view, const Reroute& reroute,
                           std::vector<uint32_t>* links) {
  const Scene scene{to, view, reroute, links, state_.mesh(to)};
  Judged judged;
  for (const uint32_t position : to.watches) {
    const PromiseWatch& watch = state_.watches[position];
    for (const grid::Anchor& anchor : state_.snapshot.regions[watch.region].anchors)
      for (const Mesh::Arc& arc : state_.igp().mesh.out_of(anchor.node.value)) scene.note(arc.slot >> 1);
    const grid::Anchor* anchor = anchor_left(scene, watch);
    Judged one = anchor == nullptr ? Judged{1, 0} : judge_at(scene, watch, *anchor);
    if (state_.is_bound(watch) && (repairs_leave(scene, watch) || one.left > 0)) one.left = 1;
    judged.broken += one.broken;
    judged.left += one.left;
  }
  return judged;
}

// As active_anchor, under the failures at hand.
const grid::Anchor* PromiseJudge::anchor_left(const Scene& scene, const PromiseWatch& watch) const {
  const grid::Anchor* isolated = nullptr;
  for (const grid::Anchor& anchor : state_.snapshot.regions[watch.region].anchors) {
    if (!state_.igp().network->usable[anchor.node.value] || node_down[anchor.node.value] != 0) continue;
    for (const Mesh::Arc& arc : state_.igp().mesh.out_of(anchor.node.value))
      if (!scene.down(arc.slot >> 1)) return &anchor;
    if (isolated == nullptr) isolated = &anchor;
  }
  return isolated;
}

// Over the first of a part's ways that is whole.
std::optional<double> PromiseJudge::delay_over_ways(const Scene& scene, const PromiseWatch::Part& part) const {
  for (const auto* way : {&part.primary, &part.second}) {
    double delay_us = 0;
    bool whole = !way->empty();
    for (const grid::LinkIndex link : *way) {
      scene.note(link.value);
      whole &= !scene.down(link.value);
      delay_us += state_.snapshot.links[link].delay.value();
    }
    if (whole) return delay_us;
  }
  return std::nullopt;
}

Judged PromiseJudge::judge_at(const Scene& scene, const PromiseWatch& watch, const grid::Anchor& anchor) {
  const uint32_t at = anchor.node.value;
  const bool at_home = at == scene.to.node;
  if (!at_home) measure_from(scene, at);
  Judged judged;
  for (const PromiseWatch::Part& part : watch.parts) {
    Way way = at_home ? walk(
                            scene, [&](uint32_t node) { return scene.reroute.distance(scene.view, node); },
                            part.node.value, at)
                      : walk(
                            scene, [&](uint32_t node) { return elsewhere_[node]; }, part.node.value, at);
    if (const auto delay_us = at_home ? delay_over_ways(scene, part) : std::nullopt) way = {true, *delay_us, 0};
    const bool here = node_down[part.node.value] == 0 && way.reachable;
    const bool outside = here && !watch.allowed.contains({way.jurisdictions});
    const double round_trip_us = 2 * (anchor.access_delay.value() + anchor.backhaul_delay.value() + way.delay_us);
    if (outside) judged.left = 1;
    if (!here || outside || round_trip_us > part.round_trip_max.value() * kPromiseTolerance) judged.broken = 1;
  }
  return judged;
}

// Whether the routers beside what failed send on over other jurisdictions, those on the branches from the anchor toward
// the node and those on the way back.
bool PromiseJudge::repairs_leave(const Scene& scene, const PromiseWatch& watch) {
  bool any = false;
  for (const PromiseWatch::Part& part : watch.parts) {
    if (!part.primary.empty() || !part.second.empty()) continue;  // its ends watch its ways
    const uint32_t node = part.node.value, anchor = scene.to.node;
    find_branches(scene, node);
    if (std::ranges::none_of(branches_, [&](const BranchArc& arc) { return scene.down(arc.link); })) continue;
    const auto outside = [&](const Way& way) { return way.reachable && !watch.allowed.contains({way.jurisdictions}); };
    any |= any_repair(scene, true, node, [&](uint32_t router) {
      return outside(walk(
          scene, [&](uint32_t n) { return scene.reroute.distance(scene.view, n); }, router, anchor));
    });
    bool measured = false;
    any |= any_repair(scene, false, anchor, [&](uint32_t router) {
      if (!measured) measure_from(scene, node);
      measured = true;
      return outside(walk(
          scene, [&](uint32_t n) { return elsewhere_[n]; }, router, node));
    });
  }
  return any;
}

// With everything up: the arcs of all branches from a node to the anchor, the farthest tail first.
void PromiseJudge::find_branches(const Scene& scene, uint32_t from) {
  branches_.clear();
  if (scene.to.routed[from].distance >= kFarAway) return;
  walked_.assign(1, from);
  seen_[from] = 1;
  for (size_t i = 0; i < walked_.size(); ++i) {
    const uint32_t tail = walked_[i];
    const double distance = scene.to.routed[tail].distance;
    for (const Mesh::Arc& arc : scene.mesh.out_of(tail)) {
      if (scene.to.routed[arc.to].distance + arc.weight != distance || !state_.passes(arc.to, scene.to.node)) continue;
      branches_.push_back({distance, tail, arc.to, arc.slot >> 1});
      if (seen_[arc.to] != 0) continue;
      seen_[arc.to] = 1;
      walked_.push_back(arc.to);
    }
  }
  for (const uint32_t node : walked_) seen_[node] = 0;
  std::sort(branches_.begin(), branches_.end(), [](const BranchArc& a, const BranchArc& b) {
    return a.distance != b.distance ? a.distance > b.distance : a.tail < b.tail;
  });
}

// Asks of each router that traffic from `start` comes to and whose next hop is gone: along the branches back to the
// anchor, or from it. Asks all of them: what they depend on is noted.
template <class Leaves>
bool PromiseJudge::any_repair(const Scene& scene, bool back, uint32_t start, const Leaves& leaves) {
  if (node_down[start] != 0) return false;
  std::vector<uint32_t> reached{start}, repairing;
  reached_[start] = 1;
  const auto pass = [&](const BranchArc& arc) {
    const uint32_t tail = back ? arc.tail : arc.head, head = back ? arc.head : arc.tail;
    if (reached_[tail] == 0) return;
    if (scene.down(arc.link)) {
      repairing.push_back(tail);
    } else if (reached_[head] == 0) {
      reached_[head] = 1;
      reached.push_back(head);
    }
  };
  if (back)
    std::for_each(branches_.begin(), branches_.end(), pass);
  else
    std::for_each(branches_.rbegin(), branches_.rend(), pass);
  for (const uint32_t node : reached) reached_[node] = 0;
  bool any = false;
  for (const uint32_t router : repairing) any |= leaves(router);
  return any;
}

// Over every equal-cost branch from a node to the destination, the farthest router first, so that the longest way to
// each is known when it is left.
template <class Distance>
PromiseJudge::Way PromiseJudge::walk(const Scene& scene, const Distance& distance, uint32_t from,
                                     uint32_t destination) {
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
    for (const Mesh::Arc& arc : scene.mesh.out_of(node)) {
      const uint32_t link = arc.slot >> 1;
      const double metric_left = distance(arc.to);
      if (metric_left + arc.weight != metric || scene.down(link) || !state_.passes(arc.to, destination)) continue;
      scene.note(link);
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

void PromiseJudge::measure_from(const Scene& scene, uint32_t node) {
  std::fill(elsewhere_.begin(), elsewhere_.end(), kFarAway);
  elsewhere_[node] = 0;
  frontier_.assign(1, {0, node});
  while (!frontier_.empty()) {
    std::pop_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    const auto [distance, at] = frontier_.back();
    frontier_.pop_back();
    if (distance > elsewhere_[at] || !state_.passes(at, node)) continue;
    for (const Mesh::Arc& arc : scene.mesh.out_of(at)) {
      if (scene.down(arc.slot >> 1) || distance + arc.weight >= elsewhere_[arc.to]) continue;
      elsewhere_[arc.to] = distance + arc.weight;
      frontier_.emplace_back(elsewhere_[arc.to], arc.to);
      std::push_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    }
  }
}

// ---- Traffic over ways of its own -----------------------------------------------------------------------------------

Diversion::Diversion(const FailureStudy::State& state)
    : state_(state), down_(state.snapshot.links.size(), 0), amount_(state.nodes(), 0) {}

void Diversion::add(std::span<const Taken* const> failures, std::vector<Reroute>& reroutes, double* loads) {
  failing_.clear();
  for (const Taken* taken : failures)
    for (const uint32_t link : taken->links)
      if (std::exchange(down_[link], uint8_t{1}) == 0) failing_.push_back(link);
  moved_.clear();
  for (const uint32_t link : failing_)
    moved_.insert(moved_.end(), state_.steered_over[link].begin(), state_.steered_over[link].end());
  std::sort(moved_.begin(), moved_.end());
  moved_.erase(std::unique(moved_.begin(), moved_.end()), moved_.end());
  for (const uint32_t f : moved_) {
    const Steered& flow = state_.steered[f];
    for (const uint32_t slot : flow.way()) loads[slot] -= flow.gbps;
    const bool second = !flow.primary.empty() && !flow.second.empty() &&
                        std::ranges::none_of(flow.second, [&](uint32_t slot) { return down_[slot / 2] != 0; });
    if (second)
      for (const uint32_t slot : flow.second) loads[slot] += flow.gbps;
    else
      over_branches(flow, reroutes, loads);
  }
  for (const uint32_t link : failing_) down_[link] = 0;
}

// Even splits from router to router, the farthest first.
void Diversion::over_branches(const Steered& flow, std::vector<Reroute>& reroutes, double* loads) {
  const Toward& to = state_.toward[flow.toward];
  const TowardView view = state_.view(to);
  const Mesh& mesh = state_.mesh(to);
  Reroute& reroute = reroutes[to.plane];
  scratch_.resize(state_.slots() + 1);
  for (const uint32_t link : failing_) reroute.down[link] = 2;
  reroute.follow(view, failing_, to.negligible, scratch_.data(), state_.lost_slot());
  const auto distance = [&](uint32_t node) { return reroute.distance(view, node); };
  if (distance(flow.from) >= kFarAway) {
    loads[state_.lost_slot()] += flow.gbps;
  } else {
    amount_[flow.from] = flow.gbps;
    frontier_.assign(1, {distance(flow.from), flow.from});
  }
  std::vector<const Mesh::Arc*> hops;
  while (!frontier_.empty()) {
    std::pop_heap(frontier_.begin(), frontier_.end());
    const auto [metric, node] = frontier_.back();
    frontier_.pop_back();
    const double gbps = std::exchange(amount_[node], 0.0);
    if (node == to.node) continue;
    hops.clear();
    for (const Mesh::Arc& arc : mesh.out_of(node))
      if (distance(arc.to) + arc.weight == metric && reroute.down[arc.slot >> 1] == 0 && view.passes(arc.to))
        hops.push_back(&arc);
    const double each = gbps / static_cast<double>(hops.size());
    for (const Mesh::Arc* arc : hops) {
      loads[arc->slot] += each;
      if (amount_[arc->to] == 0) {
        frontier_.emplace_back(distance(arc->to), arc->to);
        std::push_heap(frontier_.begin(), frontier_.end());
      }
      amount_[arc->to] += each;
    }
  }
  for (const uint32_t link : failing_) reroute.down[link] = 0;
}

}  // namespace tandem::twin
