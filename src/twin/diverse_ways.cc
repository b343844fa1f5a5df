#include "twin/diverse_ways.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace tandem::twin {
namespace {

constexpr double kNoWay = std::numeric_limits<double>::infinity();

// By distance, then position: ties go the same way everywhere.
using Frontier =
    std::priority_queue<std::pair<double, uint32_t>, std::vector<std::pair<double, uint32_t>>, std::greater<>>;

}  // namespace

DiverseWays::DiverseWays(const grid::Snapshot& snapshot, std::shared_ptr<const Network> network, grid::NodeIndex from,
                         grid::Diversity diversity, grid::JurisdictionSet allowed)
    : snapshot_(snapshot),
      network_(std::move(network)),
      from_(from.value),
      diversity_(diversity),
      allowed_(allowed),
      distance_us_(snapshot.nodes.size(), kNoWay),
      before_(snapshot.nodes.size()) {
  CHECK(from_ < distance_us_.size());
  if (asks_groups()) {
    for (const grid::Link& link : snapshot_.links) {
      first_group_.push_back(static_cast<uint32_t>(groups_.size()));
      for (const grid::SharedRiskGroupIndex group : link.shared_risk_groups) groups_.push_back(group.value);
    }
    first_group_.push_back(static_cast<uint32_t>(groups_.size()));
  }
  if (!open(from_)) return;
  Frontier frontier;
  distance_us_[from_] = 0;
  frontier.emplace(0, from_);
  while (!frontier.empty()) {
    const auto [distance, node] = frontier.top();
    frontier.pop();
    if (distance > distance_us_[node] || (node != from_ && network_->is_closed(node))) continue;
    for (const Network::Arc& arc : network_->out_of(node)) {
      const double there = distance + length_us(arc);
      if (!open(arc.to) || !(there < distance_us_[arc.to])) continue;
      distance_us_[arc.to] = there;
      before_[arc.to] = {node, &arc};
      frontier.emplace(there, arc.to);
    }
  }
  pair_all();
}

bool DiverseWays::asks_nodes() const {
  return diversity_ == grid::Diversity::node || diversity_ == grid::Diversity::node_and_shared_risk;
}
bool DiverseWays::asks_groups() const {
  return diversity_ == grid::Diversity::shared_risk || diversity_ == grid::Diversity::node_and_shared_risk;
}
bool DiverseWays::open(uint32_t node) const {
  return network_->usable[node] != 0 && (network_->jurisdictions[node] & ~allowed_.bits) == 0;
}
bool DiverseWays::through(uint32_t node, uint32_t to) const {
  return node == from_ || (node != to && !network_->is_closed(node));
}
double DiverseWays::length_us(const Steps& steps) {
  double sum = 0;
  for (const Step& step : steps) sum += length_us(*step.arc);
  return sum;
}
std::span<const uint32_t> DiverseWays::groups_of(uint32_t link) const {
  return std::span(groups_).subspan(first_group_[link], first_group_[link + 1] - first_group_[link]);
}
DiverseWays::Avoid DiverseWays::nothing() const {
  return {std::vector<uint8_t>(snapshot_.nodes.size(), 0), std::vector<uint8_t>(snapshot_.links.size(), 0)};
}

// Dijkstra, ended at `to`.
std::optional<DiverseWays::Steps> DiverseWays::shortest(uint32_t from, uint32_t to, const Avoid& avoid) const {
  std::vector<double> distance(snapshot_.nodes.size(), kNoWay);
  std::vector<Step> before(distance.size());
  Frontier frontier;
  distance[from] = 0;
  frontier.emplace(0, from);
  while (!frontier.empty()) {
    const auto [metres, node] = frontier.top();
    frontier.pop();
    if (node == to) break;
    if (metres > distance[node] || (node != from && !through(node, to))) continue;
    for (const Network::Arc& arc : network_->out_of(node)) {
      const double there = metres + length_us(arc);
      if (!open(arc.to) || avoid.nodes[arc.to] || avoid.links[arc.link] || !(there < distance[arc.to])) continue;
      distance[arc.to] = there;
      before[arc.to] = {node, &arc};
      frontier.emplace(there, arc.to);
    }
  }
  if (!(distance[to] < kNoWay)) return std::nullopt;
  Steps steps;
  for (uint32_t node = to; node != from; node = before[node].from) steps.push_back(before[node]);
  std::reverse(steps.begin(), steps.end());
  return steps;
}

std::optional<DiverseWays::Steps> DiverseWays::first_way(uint32_t to) const {
  if (!(distance_us_[to] < kNoWay)) return std::nullopt;
  Steps steps;
  for (uint32_t node = to; node != from_; node = before_[node].from) steps.push_back(before_[node]);
  std::reverse(steps.begin(), steps.end());
  return steps;
}

uint32_t DiverseWays::above(uint32_t place) const {
  const auto nodes = static_cast<uint32_t>(snapshot_.nodes.size());
  if (place >= nodes) return place - nodes;  // an exit
  const uint32_t from = before_[place].from;
  return asks_nodes() ? nodes + from : from;
}

// visit(place, arc), all but arcs of the tree.
template <class Visit>
void DiverseWays::for_each_arc_out_of(uint32_t place, const Visit& visit) const {
  const auto nodes = static_cast<uint32_t>(snapshot_.nodes.size());
  if (asks_nodes() && place < nodes) return;  // an entry leads to its exit, in the tree
  const uint32_t node = node_of(place);
  if (node != from_ && network_->is_closed(node)) return;
  for (const Network::Arc& arc : network_->out_of(node))
    if (open(arc.to) && arc.to != from_ && before_[arc.to].arc != &arc) visit(arc.to, arc);
}

// The pairs to all places, in the order of their length. Places without a pair yet hang together as parts of the tree;
// the one that comes next splits its part, and each arc between what it parts, or out of it, may close a pair: the way
// of the tree to the arc's end, and that over the arc.
void DiverseWays::pair_all() {
  const auto nodes = static_cast<uint32_t>(snapshot_.nodes.size());
  const uint32_t places = asks_nodes() ? 2 * nodes : nodes;
  start_ = asks_nodes() ? nodes + from_ : from_;
  paired_.assign(places, {});
  const auto reached = [&](uint32_t place) { return distance_us_[node_of(place)] < kNoWay; };
  std::vector<std::vector<uint32_t>> below(places);
  std::vector<std::vector<std::pair<uint32_t, const Network::Arc*>>> into(places);
  for (uint32_t place = 0; place < places; ++place) {
    if (!reached(place) || place == start_ || node_of(place) == from_) continue;
    if (place >= nodes && network_->is_closed(place - nodes)) continue;
    below[above(place)].push_back(place);
  }
  for (uint32_t place = 0; place < places; ++place)
    if (reached(place))
      for_each_arc_out_of(place, [&](uint32_t to, const Network::Arc& arc) { into[to].emplace_back(place, &arc); });
  std::vector<double> more(places, kNoWay);  // beyond twice the shortest way
  std::vector<uint8_t> done(places, 0);
  std::vector<uint32_t> part(places, 0), parted;
  uint32_t parts = 0;
  Frontier frontier;
  more[start_] = 0;
  frontier.emplace(0, start_);
  while (!frontier.empty()) {
    const auto [here, place] = frontier.top();
    frontier.pop();
    if (done[place] != 0 || here > more[place]) continue;
    done[place] = 1;
    const uint32_t whole = part[place], fresh = parts + 1;
    const auto close = [&](uint32_t from, uint32_t to, const Network::Arc& arc) {
      const double there =
          here + std::max(0.0, length_us(arc) + distance_us_[node_of(from)] - distance_us_[node_of(to)]);
      if (!(there < more[to])) return;
      more[to] = there;
      paired_[to] = {{node_of(from), &arc}, place, from};
      frontier.emplace(there, to);
    };
    const auto was_here = [&](uint32_t other) {
      return done[other] == 0 && (part[other] == whole || part[other] >= fresh);
    };
    parted.clear();
    for (const uint32_t child : below[place]) {
      if (done[child] != 0) continue;
      ++parts;
      size_t next = parted.size();
      parted.push_back(child);
      for (; next < parted.size(); ++next) {
        part[parted[next]] = parts;
        for (const uint32_t lower : below[parted[next]])
          if (done[lower] == 0) parted.push_back(lower);
      }
    }
    for (const uint32_t one : parted) {
      for_each_arc_out_of(one, [&](uint32_t to, const Network::Arc& arc) {
        if (part[to] != part[one] && was_here(to)) close(one, to, arc);
      });
      for (const auto& [from, arc] : into[one])
        if (part[from] == whole && done[from] == 0) close(from, one, *arc);
    }
    for_each_arc_out_of(place, [&](uint32_t to, const Network::Arc& arc) {
      if (was_here(to)) close(place, to, arc);
    });
  }
}

// From the end back: each place where a way left the other's tree is passed once over its own step and once along the
// tree.
std::optional<std::pair<DiverseWays::Steps, DiverseWays::Steps>> DiverseWays::disjoint(uint32_t to) const {
  if (paired_.empty() || paired_[to].step.arc == nullptr) return std::nullopt;
  std::vector<uint32_t> marked;
  for (uint32_t place = to; place != start_; place = paired_[place].branch) marked.push_back(place);
  const auto take_way = [&] {
    Steps steps;
    for (uint32_t place = to; place != start_;) {
      const auto mark = std::find(marked.begin(), marked.end(), place);
      if (mark != marked.end()) {
        steps.push_back(paired_[place].step);
        place = paired_[place].from;
        marked.erase(mark);
        continue;
      }
      if (place < snapshot_.nodes.size()) steps.push_back(before_[place]);
      place = above(place);
    }
    std::reverse(steps.begin(), steps.end());
    return steps;
  };
  Steps one = take_way(), other = take_way();
  if (length_us(other) < length_us(one)) std::swap(one, other);
  return std::pair(std::move(one), std::move(other));
}

const std::vector<uint8_t>& DiverseWays::reached_without(uint32_t group) const {
  const auto [entry, fresh] = without_group_.try_emplace(group);
  std::vector<uint8_t>& seen = entry->second;
  if (!fresh) return seen;
  seen.assign(snapshot_.nodes.size(), 0);
  seen[from_] = 1;
  std::vector<uint32_t> stack{from_};
  while (!stack.empty()) {
    const uint32_t node = stack.back();
    stack.pop_back();
    if (node != from_ && network_->is_closed(node)) continue;
    for (const Network::Arc& arc : network_->out_of(node)) {
      const auto groups = groups_of(arc.link);
      if (seen[arc.to] != 0 || !open(arc.to) || std::find(groups.begin(), groups.end(), group) != groups.end())
        continue;
      seen[arc.to] = 1;
      stack.push_back(arc.to);
    }
  }
  return seen;
}

// What every way rides, both of these do.
std::optional<uint32_t> DiverseWays::unavoidable_group(const Steps& a, const Steps& b, uint32_t to) const {
  std::set<uint32_t> of_a, both;
  for (const Step& step : a)
    for (const uint32_t group : groups_of(step.arc->link)) of_a.insert(group);
  for (const Step& step : b)
    for (const uint32_t group : groups_of(step.arc->link))
      if (of_a.contains(group)) both.insert(group);
  for (const uint32_t group : both)
    if (reached_without(group)[to] == 0) return group;
  return std::nullopt;
}

DiverseWays::Avoid DiverseWays::without_group(uint32_t group) const {
  Avoid avoid = nothing();
  for (uint32_t link = 0; link < avoid.links.size(); ++link)
    for (const uint32_t of_link : groups_of(link)) avoid.links[link] |= of_link == group;
  return avoid;
}

DiverseWays::Avoid DiverseWays::beside(const Steps& primary) const {
  Avoid avoid = nothing();
  std::set<uint32_t> groups;
  for (const Step& step : primary) {
    avoid.links[step.arc->link] = 1;
    if (asks_nodes() && step.from != from_) avoid.nodes[step.from] = 1;
    for (const uint32_t group : groups_of(step.arc->link)) groups.insert(group);
  }
  if (groups.empty()) return avoid;
  for (uint32_t link = 0; link < avoid.links.size(); ++link)
    for (const uint32_t group : groups_of(link)) avoid.links[link] |= groups.contains(group);
  return avoid;
}

bool DiverseWays::share_a_group(const Steps& a, const Steps& b) const {
  std::set<uint32_t> groups;
  for (const Step& step : a)
    for (const uint32_t group : groups_of(step.arc->link)) groups.insert(group);
  return std::any_of(b.begin(), b.end(), [&](const Step& step) {
    const auto of_link = groups_of(step.arc->link);
    return std::any_of(of_link.begin(), of_link.end(), [&](uint32_t group) { return groups.contains(group); });
  });
}

// Ways by ascending delay, each a candidate for the shorter of a pair: once twice its delay is no less than that of the
// best pair, none that follows is part of a better one.
std::optional<std::pair<DiverseWays::Steps, DiverseWays::Steps>> DiverseWays::enumerate(uint32_t to) const {
  const auto links_of = [](const Steps& steps) {
    std::vector<uint32_t> links;
    for (const Step& step : steps) links.push_back(step.arc->link);
    return links;
  };
  std::vector<Steps> taken;
  std::map<std::pair<double, std::vector<uint32_t>>, Steps> waiting;
  const auto wait = [&](Steps steps) {
    auto key = std::pair(length_us(steps), links_of(steps));
    waiting.try_emplace(std::move(key), std::move(steps));
  };
  wait(*first_way(to));
  std::optional<std::pair<Steps, Steps>> best;
  double best_us = kNoWay;
  while (taken.size() < kPrimariesMax && !waiting.empty()) {
    taken.push_back(std::move(waiting.begin()->second));
    waiting.erase(waiting.begin());
    const Steps primary = taken.back();
    const double primary_us = length_us(primary);
    if (2 * primary_us >= best_us) break;
    if (auto second = shortest(from_, to, beside(primary)); second && primary_us + length_us(*second) < best_us) {
      best_us = primary_us + length_us(*second);
      best = std::pair(primary, std::move(*second));
    }
    Avoid avoid = nothing();
    for (size_t kept = 0; kept < primary.size(); ++kept) {  // the next ways leave this one after `kept` links
      avoid.links.assign(avoid.links.size(), 0);
      for (const Steps& other : taken)
        if (other.size() > kept &&
            std::equal(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(kept), primary.begin(),
                       [](const Step& a, const Step& b) { return a.arc->link == b.arc->link; }))
          avoid.links[other[kept].arc->link] = 1;
      avoid.nodes[primary[kept].from] = 1;
      if (const auto rest = shortest(primary[kept].from, to, avoid)) {
        Steps steps(primary.begin(), primary.begin() + static_cast<std::ptrdiff_t>(kept));
        steps.insert(steps.end(), rest->begin(), rest->end());
        wait(std::move(steps));
      }
    }
  }
  if (best && length_us(best->second) < length_us(best->first)) std::swap(best->first, best->second);
  return best;
}

// Where everything asked for is on the shortest way, so is what is on every way.
std::optional<std::string> DiverseWays::unavoidable(uint32_t to) const {
  const auto first = first_way(to);
  if (!first) return "there is not even one";
  Avoid avoid = nothing();
  for (const Step& step : *first) {
    if (!asks_nodes() || step.from == from_) continue;
    avoid.nodes[step.from] = 1;
    if (!shortest(from_, to, avoid)) return fmt::format("every way passes {}", snapshot_.nodes[size_t{step.from}].id);
    avoid.nodes[step.from] = 0;
  }
  for (const Step& step : *first) {
    avoid.links[step.arc->link] = 1;
    if (!shortest(from_, to, avoid))
      return fmt::format("every way takes {}", snapshot_.links[size_t{step.arc->link}].id);
    avoid.links[step.arc->link] = 0;
  }
  if (!asks_groups()) return std::nullopt;
  std::set<uint32_t> groups;
  for (const Step& step : *first)
    for (const uint32_t group : groups_of(step.arc->link)) groups.insert(group);
  for (const uint32_t group : groups)
    if (!shortest(from_, to, without_group(group)))
      return fmt::format("every way rides {}", snapshot_.shared_risk_groups[size_t{group}].id);
  return std::nullopt;
}

Way DiverseWays::way(const Steps& steps) const {
  Way way;
  for (const Step& step : steps) {
    way.links.emplace_back(step.arc->link);
    way.forward.push_back(step.arc->forward);
    way.delay += Microseconds(step.arc->delay_us);
    way.euros_per_byte += step.arc->euros_per_byte;
  }
  return way;
}

std::optional<WayPair> DiverseWays::pair(grid::NodeIndex to) const {
  if (!(distance_us_[to.value] < kNoWay)) return std::nullopt;
  if (to.value == from_) return WayPair{};
  auto found = disjoint(to.value);
  if (!found) return std::nullopt;
  if (asks_groups() && share_a_group(found->first, found->second)) {
    if (unavoidable_group(found->first, found->second, to.value)) return std::nullopt;
    found = enumerate(to.value);
    if (!found) return std::nullopt;
  }
  return WayPair{way(found->first), way(found->second)};
}

std::string DiverseWays::obstacle(grid::NodeIndex to) const {
  if (const auto cause = unavoidable(to.value)) return *cause;
  return fmt::format("none of the {} shortest has one beside it", kPrimariesMax);
}

}  // namespace tandem::twin
