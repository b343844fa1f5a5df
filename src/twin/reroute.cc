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
}

Reroute::Reroute(const Mesh& mesh)
    : down(mesh.links.size(), 0),
      mesh_(mesh),
      mark_(mesh.nodes(), kUntouched),
      near_(mesh.nodes(), kFarAway),
      inflow_(mesh.nodes(), 0),
      more_(mesh.nodes(), 0),
      pending_((mesh.nodes() + 63) / 64, 0),
      waits_(mesh.nodes(), 0) {
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
                     uint32_t lost_slot, std::vector<uint32_t>& touched) {
  loads_ = loads;
  lost_slot_ = lost_slot;
  touched_ = &touched;
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
  const double* distance = view.distance;
  stack_.clear();
  for (const uint32_t link : failing) {
    const Mesh::LinkEnds& ends = mesh_.links[link];
    if (!ends.usable || down[link] == 1) continue;
    if (distance[ends.a] < kFarAway && distance[ends.b] + ends.weight == distance[ends.a] &&
        passes<kClosed>(view, ends.b))
      stack_.push_back(static_cast<uint16_t>(ends.a));
    if (distance[ends.b] < kFarAway && distance[ends.a] + ends.weight == distance[ends.b] &&
        passes<kClosed>(view, ends.a))
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
    if (view.flow[node] == 0) continue;
    const double each = share_of(view.flow[node], hop_count_);
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
  const double distance = view.distance[node];
  bool kept = false;
  hop_count_ = behind_count_ = 0;
  for (const Mesh::Arc& arc : mesh_.out_of(node)) {
    const uint8_t level = down[arc.slot >> 1];
    if (level == 1) continue;
    const double other = view.distance[arc.to];
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
        best = std::min(best, view.distance[arc.to] + arc.weight);
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
    for (const uint16_t node : moved_)
      if (near_[node] >= kFarAway) loads_[lost_slot_] += view.source[node];
}

// A moved router's distance is known: its next hops are those it comes over, the others may come over it.
template <bool kClosed>
void Reroute::settle(const TowardView& view, double distance, uint32_t node) {
  settled_.push_back(static_cast<uint16_t>(node));
  new_first_.push_back(static_cast<uint32_t>(new_hops_.size()));
  for (const Mesh::Arc& arc : mesh_.out_of(node)) {
    if (down[arc.slot >> 1] != 0) continue;
    const bool moved = mark_[arc.to] == kMoved;
    const double other = moved ? near_[arc.to] : view.distance[arc.to];
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
  if (view.changed[node] != Changed::distance) {
    const uint16_t rank = view.rank[node];
    pending_[rank >> 6] |= uint64_t{1} << (rank & 63);
    pending_words_ = std::max<size_t>(pending_words_, (rank >> 6) + 1);
  } else if (std::exchange(waits_[node], uint8_t{1}) == 0) {
    displaced_.emplace_back(view.distance[node], node);
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
  if (!displaced_.empty() && (word == nullptr || displaced_.front().first >= view.distance[node])) {
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
    if (const uint32_t hop = view.only_hop[node]; hop != kManyHops && view.changed[node] == Changed::nothing) {
      add<kNote>(mesh_.arcs[hop].slot, more);
      pend(view, mesh_.arcs[hop].to, more);
      continue;
    }
    const double distance = view.distance[node];
    const double each = split_over(node, more, [&](const Mesh::Arc& arc) {
      return (view.distance[arc.to] + arc.weight == distance) & (down[arc.slot >> 1] == 0) &
             passes<kClosed>(view, arc.to);
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
  const double flow = view.flow[node];
  const double distance = view.distance[node];
  const auto leads = [&](const Mesh::Arc& arc) { return mark_[arc.to] != kMoved && down[arc.slot >> 1] == 0; };
  const double before = split_over(node, flow, [&](const Mesh::Arc& arc) {
    return view.distance[arc.to] + arc.weight == distance && down[arc.slot >> 1] != 1 && passes<kClosed>(view, arc.to);
  });
  size_t left = 0;
  for (size_t i = 0; i < hop_count_; ++i) left += leads(*hops_[i]) ? 1 : 0;
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
    all.push_back({near_[node], near_[node] < kFarAway ? inflow_[node] : 0, node, Changed::distance});
  for (const uint16_t node : visited_)
    all.push_back({view.distance[node], view.flow[node] + more_[node], node,
                   mark_[node] == kThinned ? std::max(view.changed[node], Changed::next_hops) : view.changed[node]});
}

}  // namespace tandem::twin
