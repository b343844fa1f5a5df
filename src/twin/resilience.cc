#include "twin/resilience.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/check.h"
#include "twin/failure_state.h"

namespace tandem::twin {
namespace {

Gbps capacity_of(const grid::Snapshot& snapshot, size_t slot) {
  const grid::Link& link = snapshot.links[slot / 2];
  return slot % 2 == 0 ? link.capacity_ab : link.capacity_ba;
}

size_t slot_of(const PathTree::ArcShare& share) { return 2 * size_t{share.link.value} + (share.forward ? 0 : 1); }

// Sends what is at each router on to the destination. What would cross a link where `failed` is not 0 stops before it
// and is added to `stopped`. Returns what has no path.
double send(const FailureStudy::State& network, const Toward& to, std::vector<double> rates, std::span<double> loads,
            std::span<const uint8_t> failed, std::span<double> stopped) {
  double lost = 0;
  for (size_t i = to.order.size(); i-- > 0;) {
    const uint32_t node = to.order[i];
    if (rates[node] == 0 || (node == to.node && to.routed[node].distance == 0)) continue;
    if (to.routed[node].distance >= kFarAway) {
      lost += rates[node];
      continue;
    }
    const auto leads = [&](const Mesh::Arc& arc) {
      return to.routed[arc.to].distance + arc.weight == to.routed[node].distance && network.passes(arc.to, to.node);
    };
    const auto out = network.mesh(to).out_of(node);
    const double each = rates[node] / static_cast<double>(std::count_if(out.begin(), out.end(), leads));
    for (const Mesh::Arc& arc : out) {
      if (!leads(arc)) continue;
      if (failed[arc.slot / 2] != 0) {
        stopped[node] += each;
      } else {
        rates[arc.to] += each;
        loads[arc.slot] += each;
      }
    }
  }
  return lost;
}

// Progressive filling. All flows that are not yet held back have the same rate, `level_`.
class Filling {
 public:
  Filling(const grid::Snapshot& snapshot, const TrafficMatrix& matrix, std::span<const double> taken)
      : snapshot_(snapshot), matrix_(matrix), used_(taken.begin(), taken.end()) {
    CHECK(taken.size() == 2 * snapshot.links.size());
    weight_.assign(used_.size(), 0);
    full_.assign(used_.size(), 0);
    users_.resize(used_.size());
    rates_.resize(matrix.size());
    find_paths();
  }

  ElasticShares fill() {
    std::vector<uint32_t> by_wish;
    for (uint32_t f = 0; f < paths_.size(); ++f)
      if (!paths_[f].empty()) by_wish.push_back(f);
    std::sort(by_wish.begin(), by_wish.end(),
              [&](uint32_t a, uint32_t b) { return wish(a) != wish(b) ? wish(a) < wish(b) : a < b; });
    held_.assign(paths_.size(), 0);
    size_t next = 0;
    while (true) {
      while (next < by_wish.size() && held_[by_wish[next]] != 0) ++next;
      if (next == by_wish.size()) break;
      const double until_wish = wish(by_wish[next]) - level_;
      const auto [slot, until_full] = first_full();
      rise(std::max(0.0, std::min(until_wish, until_full)));
      if (until_wish <= until_full) {
        hold(by_wish[next]);
      } else {
        full_[slot] = 1;
        for (const auto& [flow, fraction] : users_[slot]) hold(flow);
      }
    }
    return {std::move(rates_), std::move(used_)};
  }

 private:
  double wish(uint32_t flow) const {
    const size_t flows = matrix_.flows.size();
    return (flow < flows ? matrix_.flows[flow].rate : matrix_.steered[flow - flows].rate).value();
  }

  void find_paths() {
    Networks networks(snapshot_);
    std::map<std::pair<grid::FlexAlgoIndex, grid::NodeIndex>, PathTree> trees;
    const auto branches = [&](grid::NodeIndex from, grid::NodeIndex to, grid::FlexAlgoIndex algo) {
      return trees.try_emplace({algo, to}, networks.of(algo), to).first->second.shares_back(from);
    };
    for (const TrafficMatrix::Flow& flow : matrix_.flows) add_path(branches(flow.from, flow.to, flow.flex_algo));
    for (const TrafficMatrix::Steered& flow : matrix_.steered) {
      std::vector<uint32_t> slots = usable_slots_along(snapshot_, flow.primary, flow.from, flow.to);
      if (slots.empty()) slots = usable_slots_along(snapshot_, flow.second, flow.from, flow.to);
      std::vector<PathTree::ArcShare> shares;
      for (const uint32_t slot : slots) shares.push_back({grid::LinkIndex(slot / 2), slot % 2 == 0, 1});
      add_path(slots.empty() ? branches(flow.from, flow.to, flow.flex_algo) : std::move(shares));
    }
  }

  void add_path(std::vector<PathTree::ArcShare> shares) {
    const auto flow = static_cast<uint32_t>(paths_.size());
    for (const PathTree::ArcShare& share : shares) {
      weight_[slot_of(share)] += share.fraction;
      users_[slot_of(share)].emplace_back(flow, share.fraction);
    }
    paths_.push_back(std::move(shares));
  }

  // Which link is full first if all rise together, and by how much they may until then.
  std::pair<size_t, double> first_full() const {
    constexpr double kNoWeight = 1e-9;  // what is left of a sum of fractions when all its flows are held
    std::pair<size_t, double> first{0, std::numeric_limits<double>::infinity()};
    for (size_t slot = 0; slot < weight_.size(); ++slot) {
      if (full_[slot] != 0 || weight_[slot] < kNoWeight) continue;
      const double room = (capacity_of(snapshot_, slot).value() - used_[slot]) / weight_[slot];
      if (room < first.second) first = {slot, room};
    }
    return first;
  }

  void rise(double by) {
    level_ += by;
    for (size_t slot = 0; slot < used_.size(); ++slot) used_[slot] += by * weight_[slot];
  }

  void hold(uint32_t flow) {
    if (held_[flow] != 0) return;
    held_[flow] = 1;
    rates_[flow] = Gbps(level_);
    for (const PathTree::ArcShare& share : paths_[flow])
      weight_[slot_of(share)] = std::max(0.0, weight_[slot_of(share)] - share.fraction);
  }

  const grid::Snapshot& snapshot_;
  const TrafficMatrix& matrix_;
  std::vector<double> used_, weight_;  // by slot: Gbit/s, and fractions of the flows that still rise
  std::vector<uint8_t> full_;          // by slot
  std::vector<std::vector<std::pair<uint32_t, double>>> users_;  // by slot: flow, fraction
  std::vector<std::vector<PathTree::ArcShare>> paths_;           // by flow
  std::vector<uint8_t> held_;                                    // by flow
  std::vector<Gbps> rates_;
  double level_ = 0;
};

}  // namespace

PlainLoads repair_loads(const grid::Snapshot& snapshot, const TrafficMatrix& matrix,
                        std::span<const Failure> failures) {
  const grid::Snapshot left = with_failures(snapshot, failures);
  TrafficMatrix plain, steered;
  plain.flows = matrix.flows;
  steered.steered = matrix.steered;
  FailureStudy::State before(snapshot, plain, FailureKind::link), after(left, plain, FailureKind::link);
  before.route_all();
  after.route_all();
  std::vector<uint8_t> failed(snapshot.links.size(), 0);
  for (size_t i = 0; i < failed.size(); ++i) failed[i] = left.usable(grid::LinkIndex(i)) ? 0 : 1;
  PlainLoads loads = plain_loads(left, steered);
  for (size_t t = 0; t < before.toward.size(); ++t) {
    std::vector<double> rates = before.toward[t].source, repaired(rates.size(), 0), none(rates.size(), 0);
    double lost = 0;
    for (size_t i = 0; i < rates.size(); ++i)  // what a failed router would have sent
      if (!left.usable(grid::NodeIndex(i))) lost += std::exchange(rates[i], 0.0);
    lost += send(before, before.toward[t], std::move(rates), loads.gbps, failed, repaired);
    lost += send(after, after.toward[t], std::move(repaired), loads.gbps, failed, none);
    loads.lost += Gbps(lost);
  }
  return loads;
}

Cascade cascade(const grid::Snapshot& snapshot, const TrafficMatrix& matrix, std::span<const Failure> failures,
                double trip, uint32_t rounds_max, const std::stop_token& stop) {
  Cascade cascade;
  std::vector<Failure> down(failures.begin(), failures.end());
  std::vector<grid::LinkIndex> tripped;
  while (cascade.rounds.size() <= rounds_max && !stop.stop_requested()) {
    const grid::Snapshot now = with_failures(snapshot, down);
    const PlainLoads loads = plain_loads(now, matrix);
    Cascade::Round round{std::move(tripped), 0, loads.lost};
    tripped.clear();
    for (size_t i = 0; i < snapshot.links.size(); ++i) {
      const double busier = std::max(loads.gbps[2 * i] / capacity_of(now, 2 * i).value(),
                                     loads.gbps[2 * i + 1] / capacity_of(now, 2 * i + 1).value());
      round.utilization_max = std::max(round.utilization_max, busier);
      if (busier > trip) tripped.push_back(grid::LinkIndex(i));
    }
    cascade.rounds.push_back(std::move(round));
    cascade.settled = tripped.empty();
    if (cascade.settled) break;
    for (const grid::LinkIndex link : tripped) down.push_back({FailureKind::link, link.value});
  }
  return cascade;
}

ElasticShares share_elastic(const grid::Snapshot& snapshot, const TrafficMatrix& matrix,
                            std::span<const double> taken) {
  return Filling(snapshot, matrix, taken).fill();
}

Result<std::vector<PathTree::ArcShare>> segment_shares(const grid::Snapshot& snapshot,
                                                       const std::shared_ptr<const Network>& network,
                                                       grid::NodeIndex from, grid::NodeIndex to,
                                                       std::span<const Segment> segments, size_t depth_max) {
  if (segments.size() > depth_max)
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} segments, and the router pushes at most {}", segments.size(), depth_max));
  std::vector<PathTree::ArcShare> shares;
  grid::NodeIndex at = from;
  const auto go = [&](grid::NodeIndex next) -> Result<void> {
    if (next == at) return {};
    const PathTree tree(network, next);
    if (!tree.reachable(at))
      return fail(ErrorCode::unavailable,
                  fmt::format("no path from {} to {}", snapshot.nodes[at].id, snapshot.nodes[next].id));
    const auto stretch = tree.shares_back(at);
    shares.insert(shares.end(), stretch.begin(), stretch.end());
    at = next;
    return {};
  };
  for (const Segment& segment : segments) {
    if (segment.kind == Segment::Kind::node) {
      TANDEM_TRY(go(segment.node));
      continue;
    }
    const grid::Link& link = snapshot.links[segment.link];
    if ((segment.forward ? link.a : link.b) != at)
      return fail(ErrorCode::invalid_argument, fmt::format("{} does not start at {}", link.id, snapshot.nodes[at].id));
    if (!snapshot.usable(segment.link)) return fail(ErrorCode::unavailable, fmt::format("{} is down", link.id));
    shares.push_back({segment.link, segment.forward, 1});
    at = segment.forward ? link.b : link.a;
  }
  TANDEM_TRY(go(to));
  return shares;
}

}  // namespace tandem::twin
