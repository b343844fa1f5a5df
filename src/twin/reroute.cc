#include "twin/reroute.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <utility>

#include "base/check.h"

namespace tandem::twin {

namespace {

template <bool kClosed>
bool passes(const TowardView& view, uint32_t node) {
  if constexpr (kClosed)
    return view.passes(node);
  else
    return true;
}

}  // namespace

Mesh::Mesh(const Network& network, size_t link_count) : links(link_count) {
  first = network.first;
  arcs.reserve(network.arcs.size());
  for (uint32_t node = 0; node < nodes(); ++node) {
    for (const Network::Arc& arc : network.out_of(node)) {
      arcs.push_back({arc.metric, arc.to, 2 * arc.link + (arc.forward ? 0 : 1)});
      if (arc.forward) links[arc.link] = {node, arc.to, arc.metric, true};
    }
  }
  head.assign(2 * link_count, 0);
  for (const Arc& arc : arcs) head[arc.slot] = static_cast<uint16_t>(arc.to);
}

Reroute::Reroute(const Mesh& mesh)
    : down(mesh.links.size(), 0),
      mesh_(mesh),
      mark_(mesh.nodes(), kUntouched),
      near_(mesh.nodes(), kFarAway),
      inflow_(mesh.nodes(), 0),
      more_(mesh.nodes(), 0),
      pending_((mesh.nodes() + 63) / 64, 0),
      waits_(mesh.nodes(), 0),
      new_slot_(mesh.nodes(), kNoHop),
      position_(mesh.nodes(), 0),
      hops_left_(mesh.nodes(), 0) {
  CHECK(mesh.nodes() <= UINT16_MAX);
  size_t degree_max = 0;
  for (uint32_t node = 0; node < mesh.nodes(); ++node) degree_max = std::max(degree_max, mesh.out_of(node).size());
  hops_.resize(degree_max + 1);
  behind_.resize(degree_max + 1);
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
                     uint32_t lost_slot) {
  loads_ = loads;
  lost_slot_ = lost_slot;
  follow_any<false>(view, failing, negligible);
}

void Reroute::follow(const TowardView& view, std::span<const uint32_t> failing, double negligible, double* loads,
                     uint32_t lost_slot, std::span<uint64_t> touched) {
  loads_ = loads;
  lost_slot_ = lost_slot;
  touched_ = touched.data();
  follow_any<true>(view, failing, negligible);
}

template <bool kNote>
void Reroute::follow_any(const TowardView& view, std::span<const uint32_t> failing, double negligible) {
  if (view.closed != nullptr)
    follow_all<kNote, true>(view, failing, negligible);
  else
    follow_all<kNote, false>(view, failing, negligible);
}

template <bool kNote, bool kClosed>
void Reroute::follow_all(const TowardView& view, std::span<const uint32_t> failing, double negligible) {
  reset();
  negligible_ = negligible;
  if constexpr (!kNote) {
    if (follow_trees<kClosed>(view, failing)) {
      carry_on<kNote, kClosed>(view, negligible);
      return;
    }
  }
  find_seeds<kClosed>(view, failing);
  if (stack_.empty()) return;
  find_moved<kNote, kClosed>(view);
  if (!moved_.empty()) {
    find_distances<kClosed>(view);
    send_anew<kNote>(view);
  }
  for (const uint16_t node : thinned_) pend(view, node, 0);
  carry_on<kNote, kClosed>(view, negligible);
}

// The even share of each arc out of a node for which `leads` holds; keeps those arcs.
template <class Leads>
double Reroute::split_over(uint32_t node, double gbps, const Leads& leads) {
  size_t count = 0;
  for (const Mesh::Arc& arc : mesh_.out_of(node)) {
    hops_[count] = &arc;
    count += leads(arc) ? 1 : 0;
  }
  hop_count_ = count;
  return share_of(gbps, count);
}

// The routers that used a failing link.
template <bool kClosed>
void Reroute::find_seeds(const TowardView& view, std::span<const uint32_t> failing) {
  stack_.clear();
  for (const uint32_t link : failing) {
    const Mesh::LinkEnds& ends = mesh_.links[link];
    if (!ends.usable || down[link] == 1) continue;
    if (view.routed[ends.a].distance < kFarAway &&
        view.routed[ends.b].distance + ends.weight == view.routed[ends.a].distance && passes<kClosed>(view, ends.b))
      stack_.push_back(static_cast<uint16_t>(ends.a));
    if (view.routed[ends.b].distance < kFarAway &&
        view.routed[ends.a].distance + ends.weight == view.routed[ends.b].distance && passes<kClosed>(view, ends.a))
      stack_.push_back(static_cast<uint16_t>(ends.b));
  }
}

// A router whose every next hop fails or leads to one that is moved is moved itself. Marks only grow, so each router is
// asked again whenever one of its next hops is marked, and the last answer is right. All that moved routers sent is
// taken back: flow among them goes with them, what left them over a failing link is missing downstream.
template <bool kNote, bool kClosed>
void Reroute::find_moved(const TowardView& view) {
  bool any_kept = false;
  while (!stack_.empty()) {
    const uint16_t node = stack_.back();
    stack_.pop_back();
    if (mark_[node] == kMoved) continue;
    if (look_around<kClosed>(view, node)) {
      if (mark_[node] == kUntouched) thinned_.push_back(node);
      mark_[node] = kThinned;
      any_kept = true;
      continue;
    }
    mark_[node] = kMoved;
    moved_.push_back(node);
    for (size_t i = 0; i < behind_count_; ++i)
      if (mark_[behind_[i]] != kMoved) stack_.push_back(behind_[i]);
    if (view.routed[node].flow == 0) continue;
    const double each = share_of(view.routed[node].flow, hop_count_);
    for (size_t i = 0; i < hop_count_; ++i) {
      const Mesh::Arc& arc = *hops_[i];
      add<kNote>(arc.slot, -each);
      if (down[arc.slot >> 1] == 2) pend(view, arc.to, -each);  // let go where that one turns out to be moved as well
    }
  }
  if (any_kept) std::erase_if(thinned_, [&](uint16_t node) { return mark_[node] == kMoved; });
}

// Gathers a node's next hops and the nodes behind it; whether a next hop is left to it.
template <bool kClosed>
bool Reroute::look_around(const TowardView& view, uint32_t node) {
  const double distance = view.routed[node].distance;
  bool kept = false;
  hop_count_ = behind_count_ = 0;
  for (const Mesh::Arc& arc : mesh_.out_of(node)) {
    const uint8_t level = down[arc.slot >> 1];
    if (level == 1) continue;
    const double other = view.routed[arc.to].distance;
    if (other + arc.weight == distance && passes<kClosed>(view, arc.to)) {
      hops_[hop_count_++] = &arc;
      kept |= level == 0 && mark_[arc.to] != kMoved;
    } else if (distance + arc.weight == other && passes<kClosed>(view, node)) {
      behind_[behind_count_++] = static_cast<uint16_t>(arc.to);
    }
  }
  return kept;
}

// Dijkstra among the moved routers, from what their neighbours outside offer.
template <bool kClosed>
void Reroute::find_distances(const TowardView& view) {
  frontier_.clear();
  settled_.clear();
  new_hops_.clear();
  new_first_.clear();
  for (const uint16_t node : moved_) {
    double best = kFarAway;
    for (const Mesh::Arc& arc : mesh_.out_of(node))
      if (mark_[arc.to] != kMoved && down[arc.slot >> 1] == 0 && passes<kClosed>(view, arc.to))
        best = std::min(best, view.routed[arc.to].distance + arc.weight);
    near_[node] = best;
    inflow_[node] = 0;
    if (best < kFarAway) frontier_.emplace_back(best, node);
  }
  if (frontier_.size() > 1) std::make_heap(frontier_.begin(), frontier_.end(), std::greater<>());
  while (!frontier_.empty()) {
    const auto [distance, node] = frontier_.front();
    if (frontier_.size() > 1) std::pop_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    frontier_.pop_back();
    if (distance == near_[node]) settle<kClosed>(view, distance, node);
  }
  if (settled_.size() < moved_.size())
    for (const uint16_t node : moved_) {
      if (near_[node] < kFarAway) continue;
      loads_[lost_slot_] += view.source[node];
      new_slot_[node] = kNoHop;
    }
}

// A moved router's distance is known: its next hops are those it comes over, the others may come over it.
template <bool kClosed>
void Reroute::settle(const TowardView& view, double distance, uint32_t node) {
  settled_.push_back(static_cast<uint16_t>(node));
  new_first_.push_back(static_cast<uint32_t>(new_hops_.size()));
  for (const Mesh::Arc& arc : mesh_.out_of(node)) {
    if (down[arc.slot >> 1] != 0) continue;
    const bool moved = mark_[arc.to] == kMoved;
    const double other = moved ? near_[arc.to] : view.routed[arc.to].distance;
    if (other + arc.weight == distance && passes<kClosed>(view, arc.to)) {
      new_hops_.push_back(&arc);
    } else if (moved && distance + arc.weight < other && passes<kClosed>(view, node)) {
      near_[arc.to] = distance + arc.weight;
      frontier_.emplace_back(near_[arc.to], arc.to);
      std::push_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    }
  }
}

// From the farthest moved router inward: what starts there and what came from those behind it. No router outside sends
// into them: it would be farther than it was.
template <bool kNote>
void Reroute::send_anew(const TowardView& view) {
  size_t end = new_hops_.size();
  for (size_t i = settled_.size(); i-- > 0;) {
    const uint16_t node = settled_[i];
    const size_t first = new_first_[i], count = end - first;
    end = first;
    new_slot_[node] = count == 1 ? new_hops_[first]->slot : kManyHops;
    const double flow = inflow_[node] += view.source[node];
    if (flow == 0) continue;
    const double each = share_of(flow, count);
    for (size_t hop = first; hop < first + count; ++hop) {
      const Mesh::Arc& arc = *new_hops_[hop];
      add<kNote>(arc.slot, each);
      if (mark_[arc.to] == kMoved)
        inflow_[arc.to] += each;
      else
        pend(view, arc.to, each);
    }
  }
}

void Reroute::pend(const TowardView& view, uint32_t node, double gbps) {
  more_[node] += gbps;
  if (view.routed[node].changed != Changed::distance) {
    const uint16_t rank = view.rank[node];
    pending_[rank >> 6] |= uint64_t{1} << (rank & 63);
    pending_words_ = std::max<size_t>(pending_words_, (rank >> 6) + 1);
  } else if (std::exchange(waits_[node], uint8_t{1}) == 0) {
    displaced_.emplace_back(view.routed[node].distance, node);
    std::push_heap(displaced_.begin(), displaced_.end());
  }
}

// The farthest node whose change has to be carried on, taken off; UINT32_MAX when there is none. What is passed on
// always goes to a nearer node, so each comes once.
uint32_t Reroute::next_pending(const TowardView& view) {
  while (pending_words_ > 0 && pending_[pending_words_ - 1] == 0) --pending_words_;
  uint32_t node = UINT32_MAX;
  uint64_t* word = nullptr;
  uint64_t bit = 0;
  if (pending_words_ > 0) {
    word = &pending_[pending_words_ - 1];
    const auto position = static_cast<size_t>(63 - std::countl_zero(*word));
    bit = uint64_t{1} << position;
    node = view.order[64 * (pending_words_ - 1) + position];
  }
  if (!displaced_.empty() && (word == nullptr || displaced_.front().first >= view.routed[node].distance)) {
    node = displaced_.front().second;
    std::pop_heap(displaced_.begin(), displaced_.end());
    displaced_.pop_back();
    waits_[node] = 0;
  } else if (word != nullptr) {
    *word &= ~bit;
  }
  return node;
}

template <bool kNote, bool kClosed>
void Reroute::carry_on(const TowardView& view, double negligible) {
  for (uint32_t node = next_pending(view); node != UINT32_MAX; node = next_pending(view)) {
    if (mark_[node] == kMoved) {
      more_[node] = 0;
      continue;
    }
    visited_.push_back(static_cast<uint16_t>(node));
    const double more = more_[node];
    if (node == view.destination) continue;
    if (mark_[node] == kThinned) {
      carry_thinned<kNote, kClosed>(view, node, more);
      continue;
    }
    if (std::abs(more) <= negligible) continue;
    if (const Routed hop = view.routed[node]; hop.slot < kNoHop) {
      if constexpr (kNote) {
        add<kNote>(hop.slot, more);
        pend(view, hop.to, more);
      } else {
        carry(view, node, more);
      }
      continue;
    }
    const double distance = view.routed[node].distance;
    const double each = split_over(node, more, [&](const Mesh::Arc& arc) {
      const int nearer = view.routed[arc.to].distance + arc.weight == distance, up = down[arc.slot >> 1] == 0;
      return (nearer & up & int{passes<kClosed>(view, arc.to)}) != 0;  // no branches: most arcs fail at any of them
    });
    for (size_t i = 0; i < hop_count_; ++i) {
      add<kNote>(hops_[i]->slot, each);
      pend(view, hops_[i]->to, each);
    }
  }
}

// A router that lost some of its equal-cost next hops: its whole flow goes over the rest.
template <bool kNote, bool kClosed>
void Reroute::carry_thinned(const TowardView& view, uint32_t node, double more) {
  const double flow = view.routed[node].flow;
  const double distance = view.routed[node].distance;
  const auto leads = [&](const Mesh::Arc& arc) { return mark_[arc.to] != kMoved && down[arc.slot >> 1] == 0; };
  const double before = split_over(node, flow, [&](const Mesh::Arc& arc) {
    return view.routed[arc.to].distance + arc.weight == distance && down[arc.slot >> 1] != 1 &&
           passes<kClosed>(view, arc.to);
  });
  size_t left = 0;
  for (size_t i = 0; i < hop_count_; ++i) {
    if (!leads(*hops_[i])) continue;
    ++left;
    new_slot_[node] = left == 1 ? hops_[i]->slot : kManyHops;
  }
  const double after = (flow + more) / static_cast<double>(left);
  for (size_t i = 0; i < hop_count_; ++i) {
    const Mesh::Arc& arc = *hops_[i];
    const double change = leads(arc) ? after - before : -before;
    if (change == 0) continue;
    add<kNote>(arc.slot, change);
    if (mark_[arc.to] != kMoved) pend(view, arc.to, change);
  }
}

void Reroute::links_of_moved(const TowardView& view, std::vector<uint32_t>& links) const {
  for (const uint16_t node : moved_) {
    if (near_[node] >= kFarAway) continue;
    for (const Mesh::Arc& arc : mesh_.out_of(node))
      if (distance(view, arc.to) + arc.weight == near_[node] && down[arc.slot >> 1] == 0 && view.passes(arc.to))
        links.push_back(arc.slot >> 1);
  }
}

void Reroute::changes(const TowardView& view, std::vector<NodeChange>& all) const {
  for (const uint16_t node : moved_)
    all.push_back({near_[node], near_[node] < kFarAway ? inflow_[node] : 0, new_slot_[node], node, Changed::distance});
  for (const uint16_t node : visited_)
    all.push_back({view.routed[node].distance, view.routed[node].flow + more_[node],
                   mark_[node] == kThinned ? new_slot_[node] : view.routed[node].slot, node,
                   mark_[node] == kThinned ? std::max(view.routed[node].changed, Changed::next_hops)
                                           : view.routed[node].changed});
}

// ---- Where what loses a next hop loses all
// ---------------------------------------------------------------------------------

// Follows failing links where every router that loses a next hop loses all of them, so that what moves hangs together
// as trees, with a few edges between. Whether it could: where not, nothing has changed.
template <bool kClosed>
bool Reroute::follow_trees(const TowardView& view, std::span<const uint32_t> failing) {
  branches_.clear();
  edges_.clear();
  losers_.clear();
  find_tops<kClosed>(view, failing);
  const bool whole = find_subtrees<kClosed>(view);
  for (const uint16_t node : losers_) hops_left_[node] = 0;
  if (!whole) {
    for (const uint16_t node : moved_) mark_[node] = kUntouched;
    moved_.clear();
    return false;
  }
  if (moved_.empty()) return true;
  near_over_trees<kClosed>(view);
  send_over_trees<kClosed>(view);
  return true;
}

void Reroute::add_branch(uint32_t node, uint32_t parent, double weight, uint32_t up) {
  mark_[node] = kMoved;
  position_[node] = static_cast<uint16_t>(moved_.size());
  moved_.push_back(static_cast<uint16_t>(node));
  branches_.push_back({.weight = weight, .parent = parent, .up = up});
}

// Counts a next hop of a router with several as lost; whether it was the last.
template <bool kClosed>
bool Reroute::loses_last_hop(const TowardView& view, uint32_t node) {
  if (hops_left_[node] == 0) {
    const double distance = view.routed[node].distance;
    for (const Mesh::Arc& arc : mesh_.out_of(node))
      if (down[arc.slot >> 1] != 1 && view.routed[arc.to].distance + arc.weight == distance &&
          passes<kClosed>(view, arc.to))
        ++hops_left_[node];
    losers_.push_back(static_cast<uint16_t>(node));
  }
  return --hops_left_[node] == 0;
}

// The routers whose next hops fail.
template <bool kClosed>
void Reroute::find_tops(const TowardView& view, std::span<const uint32_t> failing) {
  for (const uint32_t link : failing) {
    const Mesh::LinkEnds& ends = mesh_.links[link];
    if (!ends.usable || down[link] == 1) continue;
    for (const bool back : {false, true}) {
      const uint32_t node = back ? ends.b : ends.a, other = back ? ends.a : ends.b;
      const Routed& at = view.routed[node];
      if (at.slot >> 1 == link || (at.slot == kManyHops && view.routed[other].distance + ends.weight == at.distance &&
                                   passes<kClosed>(view, other) && loses_last_hop<kClosed>(view, node)))
        add_branch(node, kOutside, 0, kNoHop);
    }
  }
}

// All that come over them, and the edges that are not of their trees. Whether none is left with some of several hops.
template <bool kClosed>
bool Reroute::find_subtrees(const TowardView& view) {
  for (uint32_t i = 0; i < moved_.size(); ++i) {
    const uint32_t node = moved_[i];
    const uint32_t up = branches_[i].up;
    for (const Mesh::Arc& arc : mesh_.out_of(node)) {
      if (arc.slot == up || down[arc.slot >> 1] != 0) continue;
      const Routed& there = view.routed[arc.to];
      if (there.slot == (arc.slot ^ 1)) {
        add_branch(arc.to, i, arc.weight, there.slot);
        continue;
      }
      if (there.slot == kManyHops && view.routed[node].distance + arc.weight == there.distance &&
          passes<kClosed>(view, node) && loses_last_hop<kClosed>(view, arc.to))
        add_branch(arc.to, i, arc.weight, arc.slot ^ 1);
      edges_.push_back({i, &arc});
    }
  }
  return std::all_of(losers_.begin(), losers_.end(), [&](uint16_t node) { return mark_[node] == kMoved; });
}

// Distances from what the edges out of the trees offer, passed on inward and outward, then over the edges between
// branches.
template <bool kClosed>
void Reroute::near_over_trees(const TowardView& view) {
  const auto offer = [](Branch& to, double distance, uint32_t slot, uint32_t next) {
    if (distance < to.near) {
      to.near = distance;
      to.slot = slot;
      to.next = next;
    } else if (distance == to.near && distance < kFarAway) {
      to.slot = kManyHops;
    }
  };
  for (const Edge& edge : edges_)
    if (mark_[edge.arc->to] != kMoved && passes<kClosed>(view, edge.arc->to))
      offer(branches_[edge.branch], view.routed[edge.arc->to].distance + edge.arc->weight, edge.arc->slot, kOutside);
  const auto count = static_cast<uint32_t>(branches_.size());
  for (uint32_t i = count; i-- > 0;) {
    const Branch& branch = branches_[i];
    if (branch.parent != kOutside && passes<kClosed>(view, moved_[i]))
      offer(branches_[branch.parent], branch.near + branch.weight, branch.up ^ 1, i);
  }
  for (uint32_t i = 0; i < count; ++i) {
    Branch& branch = branches_[i];
    if (branch.parent != kOutside)
      offer(branch, branches_[branch.parent].near + branch.weight, branch.up, branch.parent);
  }
  near_over_edges<kClosed>(view);
  for (uint32_t i = 0; i < count; ++i) near_[moved_[i]] = branches_[i].near;
}

// Where an edge between branches is shorter, all that it is shorter for: Dijkstra from the branches that it improves.
template <bool kClosed>
void Reroute::near_over_edges(const TowardView& view) {
  frontier_.clear();
  const auto offer = [&](uint32_t to, double distance, uint32_t slot, uint32_t next) {
    Branch& branch = branches_[to];
    if (distance < branch.near) {
      branch.near = distance;
      branch.slot = slot;
      branch.next = next;
      frontier_.emplace_back(distance, to);
      std::push_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    } else if (distance == branch.near && distance < kFarAway && slot != branch.slot) {
      branch.slot = kManyHops;
    }
  };
  for (const Edge& edge : edges_)
    if (mark_[edge.arc->to] == kMoved && passes<kClosed>(view, edge.arc->to)) {
      const uint32_t from = position_[edge.arc->to];
      offer(edge.branch, branches_[from].near + edge.arc->weight, edge.arc->slot, from);
    }
  while (!frontier_.empty()) {
    std::pop_heap(frontier_.begin(), frontier_.end(), std::greater<>());
    const auto [distance, from] = frontier_.back();
    frontier_.pop_back();
    if (distance != branches_[from].near || !passes<kClosed>(view, moved_[from])) continue;
    for (const Mesh::Arc& arc : mesh_.out_of(moved_[from]))
      if (down[arc.slot >> 1] == 0 && mark_[arc.to] == kMoved)
        offer(position_[arc.to], distance + arc.weight, arc.slot ^ 1, from);
  }
}

// The arcs out of a moved router that are as short as any.
template <bool kClosed>
void Reroute::find_new_hops(const TowardView& view, uint32_t node) {
  hop_count_ = 0;
  for (const Mesh::Arc& arc : mesh_.out_of(node))
    if (down[arc.slot >> 1] == 0 && distance(view, arc.to) + arc.weight == near_[node] && passes<kClosed>(view, arc.to))
      hops_[hop_count_++] = &arc;
}

// What passed the branches is taken back and goes their new ways, each once all behind it have sent.
template <bool kClosed>
void Reroute::send_over_trees(const TowardView& view) {
  const auto count = static_cast<uint32_t>(branches_.size());
  for (uint32_t i = 0; i < count; ++i) {
    const Branch& branch = branches_[i];
    branches_[i].flow += view.source[moved_[i]];
    if (branch.slot == kManyHops) {
      find_new_hops<kClosed>(view, moved_[i]);
      for (size_t hop = 0; hop < hop_count_; ++hop)
        if (mark_[hops_[hop]->to] == kMoved) ++branches_[position_[hops_[hop]->to]].behind;
    } else if (branch.next != kOutside) {
      ++branches_[branch.next].behind;
    }
  }
  ready_.clear();
  for (uint32_t i = 0; i < count; ++i)
    if (branches_[i].behind == 0) ready_.push_back(i);
  while (!ready_.empty()) {
    const uint32_t i = ready_.back();
    ready_.pop_back();
    take_back<kClosed>(view, branches_[i], moved_[i]);
    pass_on<kClosed>(view, i);
  }
}

template <bool kClosed>
void Reroute::take_back(const TowardView& view, const Branch& branch, uint32_t node) {
  const Routed& before = view.routed[node];
  if (before.slot != kManyHops) {
    loads_[before.slot] -= before.flow;
    if (branch.parent == kOutside && mark_[before.to] != kMoved) carry(view, before.to, -before.flow);
    return;
  }
  const double each = split_over(node, before.flow, [&](const Mesh::Arc& arc) {
    return down[arc.slot >> 1] != 1 && view.routed[arc.to].distance + arc.weight == before.distance &&
           passes<kClosed>(view, arc.to);
  });
  for (size_t hop = 0; hop < hop_count_; ++hop) {
    loads_[hops_[hop]->slot] -= each;
    if (mark_[hops_[hop]->to] != kMoved) carry(view, hops_[hop]->to, -each);
  }
}

template <bool kClosed>
void Reroute::pass_on(const TowardView& view, uint32_t i) {
  const Branch& branch = branches_[i];
  if (branch.slot == kNoHop) {
    loads_[lost_slot_] += view.source[moved_[i]];
    return;
  }
  const auto send = [&](uint32_t slot, uint32_t node, double gbps) {
    loads_[slot] += gbps;
    if (mark_[node] != kMoved) return carry(view, node, gbps);
    Branch& next = branches_[position_[node]];
    next.flow += gbps;
    if (--next.behind == 0) ready_.push_back(position_[node]);
  };
  if (branch.slot != kManyHops) return send(branch.slot, mesh_.head[branch.slot], branch.flow);
  find_new_hops<kClosed>(view, moved_[i]);
  const double each = share_of(branch.flow, hop_count_);
  for (size_t hop = 0; hop < hop_count_; ++hop) send(hops_[hop]->slot, hops_[hop]->to, each);
}

// Over next hops that are the only ones, as far as they go.
void Reroute::carry(const TowardView& view, uint32_t node, double gbps) {
  if (std::abs(gbps) <= negligible_) return;
  for (;;) {
    const Routed& at = view.routed[node];
    if (at.slot >= kNoHop) break;
    loads_[at.slot] += gbps;
    node = at.to;
  }
  if (view.routed[node].slot == kManyHops) pend(view, node, gbps);
}

}  // namespace tandem::twin
