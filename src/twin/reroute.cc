#include "twin/reroute.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "base/check.h"

namespace tandem::twin {

Mesh::Mesh(const Network& network, size_t link_count) : links(link_count) {
  first = network.first;
  arcs.reserve(network.arcs.size());
  for (uint32_t node = 0; node < nodes(); ++node) {
    for (const Network::Arc& arc : network.out_of(node)) {
      arcs.push_back({arc.metric, arc.to, 2 * arc.link + (arc.forward ? 0 : 1)});
      if (arc.forward) links[arc.link] = {node, arc.to, arc.metric, true};
    }
  }
}

Reroute::Reroute(const Mesh& mesh)
    : down(mesh.links.size(), 0),
      mesh_(mesh),
      mark_(mesh.nodes(), kUntouched),
      near_(mesh.nodes(), kFarAway),
      inflow_(mesh.nodes(), 0),
      more_(mesh.nodes(), 0),
      pending_((mesh.nodes() + 63) / 64, 0) {
  CHECK(mesh.nodes() <= UINT16_MAX);
}

void Reroute::reset() {
  for (const uint16_t node : moved_) mark_[node] = kUntouched;
  for (const uint16_t node : thinned_) mark_[node] = kUntouched;
  for (const uint16_t node : visited_) more_[node] = 0;
  moved_.clear();
  thinned_.clear();
  visited_.clear();
}

void Reroute::follow(const TowardView& view, std::span<const uint32_t> failing, double negligible, double* loads,
                     uint32_t lost_slot, std::vector<uint32_t>* touched) {
  reset();
  loads_ = loads;
  lost_slot_ = lost_slot;
  touched_ = touched;
  negligible_ = negligible;
  find_moved(view, failing);
  if (moved_.empty() && thinned_.empty()) return;
  if (!moved_.empty()) {
    find_distances(view);
    withdraw(view);
    send_anew(view);
  }
  for (const uint16_t node : thinned_) pend(view, node, 0);
  carry_on(view);
}

// A router whose every next hop fails or leads to one that is moved is moved itself. Marks only grow, so each router is
// asked again whenever one of its next hops is marked, and the last answer is right.
void Reroute::find_moved(const TowardView& view, std::span<const uint32_t> failing) {
  const double* distance = view.distance;
  stack_.clear();
  for (const uint32_t link : failing) {
    const Mesh::LinkEnds& ends = mesh_.links[link];
    if (!ends.usable || down[link] == 1) continue;
    if (distance[ends.a] < kFarAway && distance[ends.b] + ends.weight == distance[ends.a])
      stack_.push_back(static_cast<uint16_t>(ends.a));
    if (distance[ends.b] < kFarAway && distance[ends.a] + ends.weight == distance[ends.b])
      stack_.push_back(static_cast<uint16_t>(ends.b));
  }
  while (!stack_.empty()) {
    const uint16_t node = stack_.back();
    stack_.pop_back();
    if (mark_[node] == kMoved) continue;
    if (keeps_next_hop(view, node)) {
      if (mark_[node] == kUntouched) thinned_.push_back(node);
      mark_[node] = kThinned;
      continue;
    }
    mark_[node] = kMoved;
    moved_.push_back(node);
    for (const Mesh::Arc& arc : mesh_.out_of(node))
      if (distance[node] + arc.weight == distance[arc.to] && mark_[arc.to] != kMoved && down[arc.slot >> 1] != 1)
        stack_.push_back(static_cast<uint16_t>(arc.to));
  }
  std::erase_if(thinned_, [&](uint16_t node) { return mark_[node] == kMoved; });
}

bool Reroute::keeps_next_hop(const TowardView& view, uint32_t node) const {
  for (const Mesh::Arc& arc : mesh_.out_of(node))
    if (view.distance[arc.to] + arc.weight == view.distance[node] && mark_[arc.to] != kMoved && down[arc.slot >> 1] == 0)
      return true;
  return false;
}

// Dijkstra among the moved routers, from what their neighbours outside offer.
void Reroute::find_distances(const TowardView& view) {
  frontier_.clear();
  settled_.clear();
  for (const uint16_t node : moved_) {
    double best = kFarAway;
    for (const Mesh::Arc& arc : mesh_.out_of(node))
      if (mark_[arc.to] != kMoved && down[arc.slot >> 1] == 0)
        best = std::min(best, view.distance[arc.to] + arc.weight);
    near_[node] = best;
    inflow_[node] = 0;
    if (best < kFarAway) frontier_.emplace_back(best, node);
  }
  std::make_heap(frontier_.begin(), frontier_.end(), std::greater<>());
  while (!frontier_.empty()) {
    const auto [distance, node] = frontier_.front();
    std::pop_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    frontier_.pop_back();
    if (distance > near_[node]) continue;
    settled_.push_back(static_cast<uint16_t>(node));
    for (const Mesh::Arc& arc : mesh_.out_of(node)) {
      if (mark_[arc.to] != kMoved || distance + arc.weight >= near_[arc.to] || down[arc.slot >> 1] != 0) continue;
      near_[arc.to] = distance + arc.weight;
      frontier_.emplace_back(near_[arc.to], arc.to);
      std::push_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    }
  }
}

// All that moved routers sent is taken back. Flow among them goes with them; what left them is missing downstream.
void Reroute::withdraw(const TowardView& view) {
  for (const uint16_t node : moved_) {
    if (near_[node] >= kFarAway) loads_[lost_slot_] += view.source[node];
    const double flow = view.flow[node];
    if (flow == 0) continue;
    uint32_t next_hops = 0;
    const double distance = view.distance[node];
    const auto leads = [&](const Mesh::Arc& arc) {
      return view.distance[arc.to] + arc.weight == distance && down[arc.slot >> 1] != 1;
    };
    for (const Mesh::Arc& arc : mesh_.out_of(node)) next_hops += leads(arc) ? 1 : 0;
    const double each = flow / next_hops;
    for (const Mesh::Arc& arc : mesh_.out_of(node)) {
      if (!leads(arc)) continue;
      add(arc.slot, -each);
      if (mark_[arc.to] != kMoved) pend(view, arc.to, -each);
    }
  }
}

// From the farthest moved router inward: what starts there and what came from those behind it. No router outside sends
// into them: it would be farther than it was.
void Reroute::send_anew(const TowardView& view) {
  for (size_t i = settled_.size(); i-- > 0;) {
    const uint16_t node = settled_[i];
    const double flow = inflow_[node] += view.source[node];
    if (flow == 0) continue;
    uint32_t next_hops = 0;
    const auto leads = [&](const Mesh::Arc& arc) {
      return distance(view, arc.to) + arc.weight == near_[node] && down[arc.slot >> 1] == 0;
    };
    for (const Mesh::Arc& arc : mesh_.out_of(node)) next_hops += leads(arc) ? 1 : 0;
    const double each = flow / next_hops;
    for (const Mesh::Arc& arc : mesh_.out_of(node)) {
      if (!leads(arc)) continue;
      add(arc.slot, each);
      if (mark_[arc.to] == kMoved)
        inflow_[arc.to] += each;
      else
        pend(view, arc.to, each);
    }
  }
}

void Reroute::pend(const TowardView& view, uint32_t node, double gbps) {
  more_[node] += gbps;
  const uint16_t rank = view.rank[node];
  pending_[rank >> 6] |= uint64_t{1} << (rank & 63);
}

// From the farthest router with a change of flow to the destination: what is passed on always has a lower rank.
void Reroute::carry_on(const TowardView& view) {
  for (size_t word = pending_.size(); word-- > 0;) {
    while (pending_[word] != 0) {
      const int bit = 63 - std::countl_zero(pending_[word]);
      pending_[word] &= ~(uint64_t{1} << bit);
      const uint16_t node = view.order[64 * word + static_cast<size_t>(bit)];
      visited_.push_back(node);
      const double more = more_[node];
      if (node == view.destination) continue;
      if (mark_[node] == kThinned) {
        carry_thinned(view, node, more);
        continue;
      }
      if (std::abs(more) <= negligible_) continue;
      uint32_t next_hops = 0;
      const double distance = view.distance[node];
      const auto leads = [&](const Mesh::Arc& arc) {
        return view.distance[arc.to] + arc.weight == distance && down[arc.slot >> 1] == 0;
      };
      for (const Mesh::Arc& arc : mesh_.out_of(node)) next_hops += leads(arc) ? 1 : 0;
      const double each = more / next_hops;
      for (const Mesh::Arc& arc : mesh_.out_of(node)) {
        if (!leads(arc)) continue;
        add(arc.slot, each);
        pend(view, arc.to, each);
      }
    }
  }
}

// A router that lost some of its equal-cost next hops: its whole flow goes over the rest.
void Reroute::carry_thinned(const TowardView& view, uint32_t node, double more) {
  const double flow = view.flow[node];
  const double distance = view.distance[node];
  uint32_t next_hops = 0, left = 0;
  const auto led = [&](const Mesh::Arc& arc) {
    return view.distance[arc.to] + arc.weight == distance && down[arc.slot >> 1] != 1;
  };
  const auto leads = [&](const Mesh::Arc& arc) { return mark_[arc.to] != kMoved && down[arc.slot >> 1] == 0; };
  for (const Mesh::Arc& arc : mesh_.out_of(node)) {
    if (!led(arc)) continue;
    ++next_hops;
    left += leads(arc) ? 1 : 0;
  }
  const double before = flow / next_hops, after = (flow + more) / left;
  for (const Mesh::Arc& arc : mesh_.out_of(node)) {
    if (!led(arc)) continue;
    const double change = leads(arc) ? after - before : -before;
    if (change == 0) continue;
    add(arc.slot, change);
    if (mark_[arc.to] != kMoved) pend(view, arc.to, change);
  }
}

void Reroute::links_of_moved(const TowardView& view, std::vector<uint32_t>& links) const {
  for (const uint16_t node : moved_) {
    if (near_[node] >= kFarAway) continue;
    for (const Mesh::Arc& arc : mesh_.out_of(node))
      if (distance(view, arc.to) + arc.weight == near_[node] && down[arc.slot >> 1] == 0) links.push_back(arc.slot >> 1);
  }
}

void Reroute::apply(const TowardView& view, TowardRows& after) const {
  const size_t nodes = mesh_.nodes();
  after.distance.assign(view.distance, view.distance + nodes);
  after.flow.assign(view.flow, view.flow + nodes);
  after.order.resize(nodes);
  after.rank.assign(view.rank, view.rank + nodes);
  for (const uint16_t node : visited_) after.flow[node] += more_[node];
  for (const uint16_t node : moved_) {
    after.distance[node] = near_[node];
    after.flow[node] = near_[node] < kFarAway ? inflow_[node] : 0;
  }
  if (moved_.empty()) {
    after.order.assign(view.order, view.order + nodes);
    return;
  }
  // The others keep their order; the moved are merged in as they were settled, the unreachable come last.
  size_t filled = 0, next = 0;
  for (size_t i = 0; i < nodes; ++i) {
    const uint16_t node = view.order[i];
    if (mark_[node] == kMoved) continue;
    while (next < settled_.size() && near_[settled_[next]] < view.distance[node]) after.order[filled++] = settled_[next++];
    after.order[filled++] = node;
  }
  while (next < settled_.size()) after.order[filled++] = settled_[next++];
  for (const uint16_t node : moved_)
    if (near_[node] >= kFarAway) after.order[filled++] = node;
  CHECK(filled == nodes);
  for (size_t i = 0; i < nodes; ++i) after.rank[after.order[i]] = static_cast<uint16_t>(i);
}

}  // namespace tandem::twin
