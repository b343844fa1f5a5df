#include "planner/plan_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "twin/failures.h"

namespace tandem::planner {
namespace {

constexpr double kRoundingOfChecks = 1e-6;  // of capacity: plans travel as doubles, sums differ in their last bits

// One way as the plan names it: where it passes, or what is wrong with it.
struct Walked {
  std::string fault;
  std::vector<grid::LinkIndex> links;
  std::vector<grid::NodeIndex> between;
  Microseconds delay;
};

Walked walk(const grid::Snapshot& s, const v1::PlannedWay& way, grid::NodeIndex from, grid::NodeIndex to) {
  Walked walked;
  grid::NodeIndex at = from;
  std::set<grid::NodeIndex> seen{from};
  for (const std::string& id : way.links()) {
    const grid::LinkIndex index = s.links.find(id);
    if (!index.valid()) {
      walked.fault = fmt::format("takes '{}', which is not in the grid", id);
      return walked;
    }
    const grid::Link& link = s.links[index];
    if (at != from) {
      walked.between.push_back(at);
      if (s.nodes[at].overload) walked.fault = fmt::format("goes through {}, which is overloaded", s.nodes[at].id);
    }
    if (link.a != at && link.b != at) walked.fault = fmt::format("does not hang together at {}", id);
    if (!s.usable(index) || !s.usable(link.a) || !s.usable(link.b))
      walked.fault = fmt::format("takes {}, which is down", id);
    at = link.a == at ? link.b : link.a;
    if (!seen.insert(at).second) walked.fault = fmt::format("passes {} twice", s.nodes[at].id);
    if (!walked.fault.empty()) return walked;
    walked.links.push_back(index);
    walked.delay += link.delay;
  }
  if (at != to) walked.fault = fmt::format("ends at {}", s.nodes[at].id);
  return walked;
}

bool apart_by_node(grid::Diversity diversity) {
  return diversity == grid::Diversity::node || diversity == grid::Diversity::node_and_shared_risk;
}
bool apart_by_group(grid::Diversity diversity) {
  return diversity == grid::Diversity::shared_risk || diversity == grid::Diversity::node_and_shared_risk;
}

// The first thing both have and must not.
std::string shared_between(const grid::Snapshot& s, grid::Diversity diversity, const Walked& a, const Walked& b) {
  for (const grid::LinkIndex link : a.links)
    if (std::count(b.links.begin(), b.links.end(), link) > 0) return s.links[link].id;
  if (apart_by_node(diversity))
    for (const grid::NodeIndex node : a.between)
      if (std::count(b.between.begin(), b.between.end(), node) > 0) return s.nodes[node].id;
  if (apart_by_group(diversity))
    for (const grid::LinkIndex one : a.links)
      for (const grid::LinkIndex other : b.links)
        for (const grid::SharedRiskGroupIndex group : s.links[one].shared_risk_groups) {
          const auto& groups = s.links[other].shared_risk_groups;
          if (std::count(groups.begin(), groups.end(), group) > 0) return s.shared_risk_groups[group].id;
        }
  return {};
}

}  // namespace

CheckedWays check_ways(const grid::Snapshot& s, const grid::Demand& demand, const v1::PlannedSplit& split,
                       grid::NodeIndex anchor, grid::NodeIndex pool) {
  CheckedWays checked;
  if (demand.diversity == grid::Diversity::none) {
    if (split.has_primary() || split.has_second()) checked.faults.push_back("names ways, and asks for none");
    return checked;
  }
  if (!split.has_primary() || !split.has_second()) {
    checked.faults.push_back("asks for two ways, and the plan names none");
    return checked;
  }
  const Walked ways[] = {walk(s, split.primary(), anchor, pool), walk(s, split.second(), anchor, pool)};
  const grid::JurisdictionSet residency = s.tenants[demand.tenant].residency;
  for (const Walked& way : ways) {
    const char* name = &way == &ways[0] ? "primary" : "second";
    if (!way.fault.empty()) checked.faults.push_back(fmt::format("its {} way {}", name, way.fault));
    for (const grid::NodeIndex node : way.between)
      if (!residency.contains(s.jurisdiction_of(s.nodes[node].site)))
        checked.faults.push_back(fmt::format("its {} way leaves the residency of {} at {}", name,
                                             s.tenants[demand.tenant].id, s.nodes[node].id));
  }
  if (const std::string shared = shared_between(s, demand.diversity, ways[0], ways[1]); !shared.empty())
    checked.faults.push_back(fmt::format("its two ways share {}", shared));
  checked.round_trip = 2 * std::max(ways[0].delay, ways[1].delay);
  return checked;
}

namespace {

// What one direction of a demand's links carries, by 2 × link, + 1 in reverse.
void add_along(const grid::Snapshot& s, const grid::Demand& demand, double fraction,
               const std::vector<grid::LinkIndex>& links, std::vector<double>& gbps) {
  const auto anchor = twin::active_anchor(s, demand.region);
  if (!anchor) return;
  const double up = demand.rate_per_s * fraction * demand.upload_bytes * 8e-9;
  const double back = demand.rate_per_s * fraction * demand.download_bytes * 8e-9;
  grid::NodeIndex at = anchor->node;
  for (const grid::LinkIndex index : links) {
    const grid::Link& link = s.links[index];
    const size_t out = 2 * size_t{index.value} + (at == link.a ? 0 : 1);
    gbps[out] += up;
    gbps[out ^ 1] += back;
    at = at == link.a ? link.b : link.a;
  }
}

// All traffic of one kind between two nodes, or of a region to a pool's node and back.
struct RoutedFlow {
  grid::RegionIndex region;  // not valid: background, from `from`
  grid::NodeIndex from, to;
  grid::FlexAlgoIndex algo = {};  // by whose paths
  double up_gbps = 0, back_gbps = 0;
  std::vector<std::pair<uint32_t, double>> arcs = {};  // with everything up, Gbit/s
};

std::vector<std::pair<uint32_t, double>> arcs_of(const twin::PathTree& tree, const RoutedFlow& flow) {
  std::vector<std::pair<uint32_t, double>> arcs;
  const auto add = [&](const std::vector<twin::PathTree::ArcShare>& shares, double gbps) {
    for (const twin::PathTree::ArcShare& share : shares)
      arcs.emplace_back(2 * share.link.value + (share.forward ? 0 : 1), gbps * share.fraction);
  };
  if (flow.up_gbps > 0) add(tree.shares_to(flow.to), flow.up_gbps);
  if (flow.back_gbps > 0) add(tree.shares_back(flow.to), flow.back_gbps);
  return arcs;
}

class FailureCheck {
 public:
  FailureCheck(const grid::Snapshot& snapshot, const twin::Assignment& assignment) : s_(snapshot) {
    background_.assign(2 * s_.links.size(), 0);
    planned_ = background_;
    over_link_.resize(s_.links.size());
    add_flows(assignment);
    route();
  }

  std::vector<std::string> check() {
    for (const grid::RestorationCase asked : s_.policy.restoration.cases) {
      switch (asked) {
        case grid::RestorationCase::links: check_all(twin::FailureKind::link, s_.links.size()); break;
        case grid::RestorationCase::nodes: check_all(twin::FailureKind::node, s_.nodes.size()); break;
        case grid::RestorationCase::shared_risk_groups:
          check_all(twin::FailureKind::shared_risk_group, s_.shared_risk_groups.size());
          break;
      }
    }
    if (overfilled_ > kOverfilledMax)
      found_.push_back(fmt::format("and {} more links are too full after a failure", overfilled_ - kOverfilledMax));
    return std::move(found_);
  }

 private:
  using Trees = std::map<std::pair<grid::NodeIndex, grid::FlexAlgoIndex>, twin::PathTree>;

  void add_flows(const twin::Assignment& assignment) {
    std::map<std::tuple<uint32_t, uint32_t, grid::FlexAlgoIndex>, RoutedFlow> planned, between;
    for (const twin::Assignment::Share& share : assignment.shares) {
      const grid::Demand& demand = s_.demands[share.demand];
      if (demand.diversity != grid::Diversity::none) {  // booked on both, whatever fails
        add_along(s_, demand, share.fraction, share.primary, planned_);
        add_along(s_, demand, share.fraction, share.second, planned_);
        continue;
      }
      const grid::NodeIndex node = s_.pools[share.pool].node;
      RoutedFlow& flow = planned[{demand.region.value, node.value, demand.flex_algo}];
      flow.region = demand.region;
      flow.to = node;
      flow.algo = demand.flex_algo;
      flow.up_gbps += demand.rate_per_s * share.fraction * demand.upload_bytes * 8e-9;
      flow.back_gbps += demand.rate_per_s * share.fraction * demand.download_bytes * 8e-9;
    }
    for (const grid::Traffic& traffic : s_.traffic) {
      RoutedFlow& flow = between[{traffic.from.value, traffic.to.value, {}}];
      flow.from = traffic.from;
      flow.to = traffic.to;
      flow.up_gbps += traffic.rate.value();
    }
    for (auto* flows : {&planned, &between})
      for (auto& [ends, flow] : *flows) flows_.push_back(std::move(flow));
  }

  void route() {
    twin::Networks networks(s_);
    Trees trees;
    for (uint32_t f = 0; f < flows_.size(); ++f) {
      RoutedFlow& flow = flows_[f];
      if (flow.region.valid()) {
        const auto anchor = twin::active_anchor(s_, flow.region);
        if (!anchor) continue;
        flow.from = anchor->node;
        regions_[flow.region.value].push_back(f);
      }
      flow.arcs =
          arcs_of(trees.try_emplace({flow.from, flow.algo}, networks.of(flow.algo), flow.from).first->second, flow);
      std::set<uint32_t> links;
      for (const auto& [arc, gbps] : flow.arcs) {
        (flow.region.valid() ? planned_ : background_)[arc] += gbps;
        links.insert(arc / 2);
      }
      for (const uint32_t link : links) over_link_[link].push_back(f);
    }
  }

  void check_all(twin::FailureKind kind, size_t rows) {
    for (uint32_t row = 0; row < rows; ++row) check_case({kind, row});
  }

  void check_case(twin::Failure failure) {
    const grid::Snapshot after = twin::with_failures(s_, std::span(&failure, 1));
    std::set<uint32_t> touched;
    for (uint32_t l = 0; l < s_.links.size(); ++l)
      if (s_.usable(grid::LinkIndex(l)) && !after.usable(grid::LinkIndex(l)))
        touched.insert(over_link_[l].begin(), over_link_[l].end());
    for (const auto& [region, flows] : regions_)
      if (const auto anchor = twin::active_anchor(after, grid::RegionIndex(region));
          !anchor || anchor->node != flows_[flows.front()].from)
        touched.insert(flows.begin(), flows.end());
    std::vector<double> planned = planned_, background = background_;
    twin::Networks networks(after);
    Trees trees;
    for (const uint32_t f : touched) {
      const RoutedFlow& flow = flows_[f];
      std::vector<double>& gbps = flow.region.valid() ? planned : background;
      for (const auto& [arc, carried] : flow.arcs) gbps[arc] -= carried;
      grid::NodeIndex from = flow.from;
      if (flow.region.valid()) {
        const auto anchor = twin::active_anchor(after, flow.region);
        if (!anchor) continue;
        from = anchor->node;
      }
      const twin::PathTree& tree = trees.try_emplace({from, flow.algo}, networks.of(flow.algo), from).first->second;
      for (const auto& [arc, carried] : arcs_of(tree, flow)) gbps[arc] += carried;
    }
    for (uint32_t arc = 0; arc < planned.size(); ++arc) judge(failure, arc, planned[arc], background[arc]);
  }

  // Overload that is there without the plan is not the plan's, unless it adds to it.
  void judge(twin::Failure failure, uint32_t arc, double planned, double background) {
    const grid::Link& link = s_.links[size_t{arc / 2}];
    const bool forward = arc % 2 == 0;
    const double capacity = (forward ? link.capacity_ab : link.capacity_ba).value();
    const double allowed = s_.policy.restoration.link_headroom * capacity;
    if (planned <= kRoundingOfChecks * capacity || planned + background <= allowed + kRoundingOfChecks * capacity)
      return;
    if (++overfilled_ > kOverfilledMax) return;
    found_.push_back(fmt::format("once {} has failed, link {} from {} to {}: {:.2f} Gbit/s, headroom ends at {:.2f}",
                                 twin::failed_id(s_, failure), link.id, s_.nodes[forward ? link.a : link.b].id,
                                 s_.nodes[forward ? link.b : link.a].id, planned + background, allowed));
  }

  const grid::Snapshot& s_;
  std::vector<RoutedFlow> flows_;
  std::map<uint32_t, std::vector<uint32_t>> regions_;  // with an anchor: their flows
  std::vector<std::vector<uint32_t>> over_link_;       // flows with a branch over it
  std::vector<double> planned_, background_;           // by arc, with everything up
  std::vector<std::string> found_;
  size_t overfilled_ = 0;
};

}  // namespace

std::vector<double> booked_on_second_ways(const grid::Snapshot& snapshot, const twin::Assignment& assignment) {
  std::vector<double> gbps(2 * snapshot.links.size(), 0);
  for (const twin::Assignment::Share& share : assignment.shares)
    if (!share.second.empty()) add_along(snapshot, snapshot.demands[share.demand], share.fraction, share.second, gbps);
  return gbps;
}

std::vector<std::string> residencies_left_after_failures(const grid::Snapshot& snapshot,
                                                         const twin::Assignment& assignment) {
  if (!snapshot.policy.resident_repairs) return {};
  std::vector<twin::PromiseWatch> watches;
  std::vector<grid::DemandIndex> demands;
  for (const twin::Assignment::Share& share : assignment.shares) {
    const grid::Demand& demand = snapshot.demands[share.demand];
    const grid::JurisdictionSet residency = snapshot.tenants[demand.tenant].residency;
    if (residency == grid::JurisdictionSet::all()) continue;
    const twin::PromiseWatch::Part part{snapshot.pools[share.pool].node, Microseconds(1e300), share.primary,
                                        share.second};
    watches.push_back({demand.region, residency, {part}, demand.flex_algo});
    demands.push_back(share.demand);
  }
  std::vector<std::string> found;
  if (watches.empty()) return found;
  for (const auto kind : {twin::FailureKind::link, twin::FailureKind::node}) {
    const auto study = twin::FailureStudy::make(snapshot, {}, watches, kind);
    if (!study) {
      found.push_back(fmt::format("whether repairs stay resident cannot be told: {}", study.error().message));
      return found;
    }
    std::vector<std::array<uint32_t, 2>> leaving;
    twin::SweepOptions options;
    options.worst = kOverfilledMax;
    for (const twin::FailureOutcome& outcome : study->run(1, options, {}).worst)
      if (outcome.residencies_left > 0) leaving.push_back(outcome.failed);
    for (const auto& failed : leaving)
      for (const uint32_t watch : study->plain(failed).left)
        if (found.size() < kOverfilledMax)
          found.push_back(fmt::format("demand {}: once {} has failed, its traffic leaves the residency of {}",
                                      snapshot.demands[demands[watch]].id,
                                      twin::failed_id(snapshot, study->failures()[failed[0]]),
                                      snapshot.tenants[snapshot.demands[demands[watch]].tenant].id));
  }
  return found;
}

std::vector<std::string> overfilled_after_failures(const grid::Snapshot& snapshot, const twin::Assignment& assignment) {
  if (snapshot.policy.restoration.cases.empty()) return {};
  return FailureCheck(snapshot, assignment).check();
}

}  // namespace tandem::planner
