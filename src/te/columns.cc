#include "te/columns.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/check.h"

namespace tandem::te {
namespace {

constexpr float kForbidden = 1e30f;  // a price nobody pays; sums of four stay finite
constexpr double kOfferMin = 1e-9;   // of the level, which starts at 1
// What single precision may lose in a sum of prices, of all of it: taken off bounds.
constexpr double kRounding = 1e-6;

std::vector<double> part_per_gbps(const Problem& problem, double scale) {
  std::vector<double> parts;
  for (const Arc& arc : problem.arcs) parts.push_back(1 / (arc.capacity_gbps * scale));
  return parts;
}

// The price of a Gbit/s on each arc.
void set_lengths(const Problem& problem, std::span<const double> prices, const std::vector<double>& per_gbps,
                 std::vector<double>& lengths) {
  lengths.resize(prices.size());
  for (uint32_t a = 0; a < prices.size(); ++a) lengths[a] = std::max(0.0, prices[problem.row(a)]) * per_gbps[a];
}

// What no policy moves has one column, in a group behind those of pairs.
double price_of_unmoved(const GroupedSimplex& simplex, std::span<const Pair> pairs, std::span<const double> prices) {
  const auto group = static_cast<uint32_t>(pairs.size());
  return group < simplex.groups() ? simplex.price(simplex.key(group), prices) : 0;
}

// The smallest sum of two rows, element by element: the inner loop of all pricing. Single precision, eight at a time;
// what is chosen is priced again in double precision.
using Lanes [[gnu::vector_size(32)]] = float;
constexpr size_t kLanes = 8;

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
[[gnu::target_clones("avx2", "default")]]
#endif
float smallest_sum(const float* a, const float* b, size_t size) {
  Lanes best;
  for (size_t k = 0; k < kLanes; ++k) best[k] = kForbidden;
  for (size_t i = 0; i < size; i += kLanes) {
    Lanes x, y;
    std::memcpy(&x, a + i, sizeof x);
    std::memcpy(&y, b + i, sizeof y);
    const Lanes sum = x + y;
    best = sum < best ? sum : best;
  }
  float smallest = kForbidden;
  for (size_t k = 0; k < kLanes; ++k) smallest = std::min(smallest, best[k]);
  return smallest;
}

uint32_t position_of_sum(const float* a, const float* b, size_t size, float sum) {
  for (size_t i = 0; i < size; ++i) {
    if (a[i] + b[i] == sum) return static_cast<uint32_t>(i);
  }
  return SegmentRoutes::kNoNode;
}

}  // namespace

std::vector<Pair> pairs_of(const Problem& problem) {
  std::map<std::pair<uint32_t, uint32_t>, double> rates;
  for (const Demand& demand : problem.demands)
    if (!demand.fixed) rates[{demand.to, demand.from}] += demand.rate_gbps;
  std::vector<Pair> pairs;
  for (const auto& [ends, rate] : rates) pairs.push_back({ends.second, ends.first, rate});
  return pairs;
}

uint32_t group_of(std::span<const Pair> pairs, const Demand& demand) {
  const auto ends = [](const auto& of) { return std::pair(of.to, of.from); };
  const auto found = std::lower_bound(pairs.begin(), pairs.end(), ends(demand),
                                      [&](const Pair& pair, const auto& wanted) { return ends(pair) < wanted; });
  CHECK(found != pairs.end() && ends(*found) == ends(demand));
  return static_cast<uint32_t>(found - pairs.begin());
}

std::optional<GroupedSimplex::Column> unmoved_column(const Problem& problem, std::span<const Pair> pairs,
                                                     const SegmentRoutes& routes, double scale) {
  std::map<uint32_t, double> borne;
  const std::vector<double> parts = part_per_gbps(problem, scale);
  for (const Steered& steered : problem.steered)
    for (const uint32_t arc : steered.primary) borne[arc] += steered.demand.rate_gbps * parts[arc];
  for (const Demand& demand : problem.demands) {
    if (!demand.fixed) continue;
    for (const auto& entry : routes.entries({demand.from, demand.to, demand.rate_gbps}, SegmentRoutes::kPlain))
      borne[entry.row] += entry.value;
  }
  if (borne.empty()) return std::nullopt;
  GroupedSimplex::Column column{static_cast<uint32_t>(pairs.size()), SegmentRoutes::kPlain, 0, {}};
  for (const auto& [row, part] : borne) column.entries.push_back({row, part});
  return column;
}

SegmentRoutes::SegmentRoutes(const Problem& problem, const SegmentPaths& paths, double scale, uint32_t segments_max,
                             bool adjacency)
    : problem_(problem),
      paths_(paths),
      segments_max_(segments_max),
      nodes_(problem.nodes.size()),
      waypoints_(nodes_ + (adjacency ? problem.arcs.size() : 0)),
      stride_((waypoints_ + kLanes - 1) / kLanes * kLanes),
      per_gbps_(part_per_gbps(problem, scale)),
      sum_(problem.arcs.size(), 0) {}

std::vector<uint32_t> SegmentRoutes::waypoints(uint64_t tag) {
  std::vector<uint32_t> nodes;
  for (const auto node : {static_cast<uint32_t>(tag >> 20), static_cast<uint32_t>(tag & 0xFFFFF)}) {
    if (node != kNoNode) nodes.push_back(node);
  }
  return nodes;
}

uint64_t SegmentRoutes::tag_of(std::span<const uint32_t> waypoints) {
  CHECK(waypoints.size() <= 2);
  if (waypoints.empty()) return kPlain;
  return (uint64_t{waypoints.size() == 2 ? waypoints.front() : kNoNode} << 20) | waypoints.back();
}

std::vector<GroupedSimplex::Entry> SegmentRoutes::entries(const Pair& pair, uint64_t tag) const {
  touched_.clear();
  const auto add = [&](uint32_t arc, double fraction) {
    if (sum_[arc] == 0) touched_.push_back(arc);
    sum_[arc] += fraction;
  };
  const auto add_leg = [&](uint32_t from, uint32_t to) {
    for (const ArcFraction& share : paths_.between(from, to)) add(share.arc, static_cast<double>(share.fraction));
  };
  uint32_t at = pair.from;
  for (const uint32_t waypoint : {static_cast<uint32_t>(tag >> 20), static_cast<uint32_t>(tag & 0xFFFFF)}) {
    if (waypoint == kNoNode) continue;
    add_leg(at, problem_.start_of(waypoint));
    if (problem_.names_link(waypoint)) add(problem_.row(problem_.link_of(waypoint)), 1);
    at = problem_.end_of(waypoint);
  }
  add_leg(at, pair.to);
  std::vector<GroupedSimplex::Entry> entries;
  entries.reserve(touched_.size());
  for (const uint32_t arc : touched_) {
    entries.push_back({arc, sum_[arc] * pair.rate_gbps * per_gbps_[arc]});
    sum_[arc] = 0;
  }
  return entries;
}

void SegmentRoutes::set_prices(std::span<const double> prices) {
  set_lengths(problem_, prices, per_gbps_, lengths_);
  leg_.resize(nodes_ * nodes_);
  for (uint32_t to = 0; to < nodes_; ++to) {
    for (uint32_t from = 0; from < nodes_; ++from) {
      if (from == to) continue;
      const auto shares = paths_.between(from, to);
      double sum = shares.empty() ? static_cast<double>(kForbidden) : 0;
      for (const ArcFraction& share : shares) sum += lengths_[share.arc] * static_cast<double>(share.fraction);
      leg_[to * nodes_ + from] = sum;
    }
  }
  into_.assign((segments_max_ > 2 ? waypoints_ : nodes_) * stride_, kForbidden);
  first_.assign(nodes_ * stride_, kForbidden);
  for (uint32_t w = 0; w < waypoints_; ++w) {
    if (!problem_.may_name(w)) continue;
    const uint32_t end = problem_.end_of(w);
    for (uint32_t from = 0; from < nodes_; ++from) first_[from * stride_ + w] = way(from, w);
    for (uint32_t to = 0; to < into_.size() / stride_; ++to)
      into_[to * stride_ + w] = problem_.names_link(w) && to == end ? 0 : way(end, to);
  }
  if (segments_max_ <= 2) return;
  two_legs_.assign(nodes_ * stride_, kForbidden);
  for (size_t from = 0; from < nodes_; ++from) {
    for (uint32_t w = 0; w < waypoints_; ++w) {
      if (problem_.may_name(w))
        two_legs_[from * stride_ + w] = smallest_sum(&first_[from * stride_], &into_[w * stride_], stride_);
    }
  }
}

float SegmentRoutes::way(uint32_t from, uint32_t waypoint) const {
  const double to_start = leg(from, problem_.start_of(waypoint));
  if (!problem_.names_link(waypoint)) return from == waypoint ? kForbidden : static_cast<float>(to_start);
  return std::min(kForbidden, static_cast<float>(to_start + lengths_[problem_.link_of(waypoint)]));
}

double SegmentRoutes::price(const Pair& pair, uint64_t tag) const {
  double sum = 0;
  uint32_t at = pair.from;
  for (const uint32_t waypoint : waypoints(tag)) {
    sum += leg(at, problem_.start_of(waypoint));
    if (problem_.names_link(waypoint)) sum += lengths_[problem_.link_of(waypoint)];
    at = problem_.end_of(waypoint);
  }
  return pair.rate_gbps * (sum + leg(at, pair.to));
}

SegmentRoutes::Detour SegmentRoutes::cheapest_detour(const Pair& pair) const {
  const float* const first = &first_[pair.from * stride_];
  const float* const into = &into_[pair.to * stride_];
  const float one = smallest_sum(first, into, stride_);
  if (segments_max_ <= 2) return {one, false};
  const float two = smallest_sum(&two_legs_[pair.from * stride_], into, stride_);
  return two < one * (1 - 1e-6f) ? Detour{two, true} : Detour{one, false};
}

uint64_t SegmentRoutes::tag_of(const Pair& pair, const Detour& detour) const {
  const float* const first = &first_[pair.from * stride_];
  const float* const into = &into_[pair.to * stride_];
  if (!detour.longer) return (uint64_t{kNoNode} << 20) | position_of_sum(first, into, waypoints_, detour.price);
  const float* const two_legs = &two_legs_[pair.from * stride_];
  const uint32_t last = position_of_sum(two_legs, into, waypoints_, detour.price);
  const uint32_t before = position_of_sum(first, &into_[last * stride_], waypoints_, two_legs[last]);
  return (uint64_t{before} << 20) | last;
}

GroupedSimplex::Column SegmentColumns::make(uint32_t group, uint64_t tag, double cost) const {
  return {group, tag, tag == SegmentRoutes::kPlain ? 0 : cost, routes_.entries(pairs_[group], tag)};
}

double SegmentColumns::offers(const GroupedSimplex& simplex, std::span<const double> prices, double cost,
                              std::vector<Offer>& offers) {
  offers.clear();
  routes_.set_prices(prices);
  double total = price_of_unmoved(simplex, pairs_, prices);
  for (uint32_t g = 0; g < pairs_.size(); ++g) {
    const Pair& pair = pairs_[g];
    const double plain = pair.rate_gbps * routes_.leg(pair.from, pair.to);
    const GroupedSimplex::Column& key = simplex.key(g);
    const double own = key.tag == SegmentRoutes::kPlain ? plain : simplex.price(key, prices);
    // Nothing is cheaper than free.
    if (plain == 0 && own <= kOfferMin) continue;
    const SegmentRoutes::Detour detour = routes_.cheapest_detour(pair);
    const double steered = pair.rate_gbps * static_cast<double>(detour.price);
    total += std::min(plain, steered);
    const double saving = own - std::min(plain, steered + cost);
    if (saving <= kOfferMin) continue;
    offers.push_back({saving, g, steered + cost < plain ? routes_.tag_of(pair, detour) : SegmentRoutes::kPlain});
  }
  return total * (1 - kRounding);
}

FlowColumns::FlowColumns(const Problem& problem, std::span<const Pair> pairs, double scale)
    : problem_(problem),
      pairs_(pairs),
      nodes_(problem.nodes.size()),
      by_to_(problem, ArcIndex::By::to),
      per_gbps_(part_per_gbps(problem, scale)),
      next_(nodes_ * nodes_, kNoArc) {}

GroupedSimplex::Column FlowColumns::make(uint32_t group, uint64_t tag, double cost) const {
  const Pair& pair = pairs_[group];
  GroupedSimplex::Column column{group, tag, cost, {}};
  for (uint32_t node = pair.from; node != pair.to;) {
    const uint32_t arc = next_[pair.to * nodes_ + node];
    CHECK(arc != kNoArc && column.entries.size() < nodes_);
    column.entries.push_back({problem_.row(arc), pair.rate_gbps * per_gbps_[arc]});
    node = problem_.arcs[arc].to;
  }
  return column;
}

double FlowColumns::offers(const GroupedSimplex& simplex, std::span<const double> prices, double cost,
                           std::vector<Offer>& offers) {
  offers.clear();
  set_lengths(problem_, prices, per_gbps_, lengths_);
  double total = price_of_unmoved(simplex, pairs_, prices);
  for (uint32_t g = 0; g < pairs_.size(); ++g) {
    const Pair& pair = pairs_[g];
    if (g == 0 || pairs_[g - 1].to != pair.to)
      distances_.find(problem_, by_to_, lengths_, pair.to, distance_, nullptr,
                      std::span(next_).subspan(pair.to * nodes_, nodes_));
    const double cheapest = pair.rate_gbps * distance_[pair.from];
    total += cheapest;
    const double saving = simplex.price(simplex.key(g), prices) - cheapest - cost;
    if (saving > kOfferMin) offers.push_back({saving, g, kPath});
  }
  return total;
}

}  // namespace tandem::te
