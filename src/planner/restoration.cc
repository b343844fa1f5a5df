#include "planner/restoration.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "planner/problem.h"
#include "planner/search.h"

namespace tandem::planner {
namespace {

constexpr double kOverfilledFrom = 1e-6;  // of capacity, by a plan's traffic: less is rounding

twin::FailureKind failure_kind(grid::RestorationCase asked) {
  switch (asked) {
    case grid::RestorationCase::links: return twin::FailureKind::link;
    case grid::RestorationCase::shared_risk_groups: return twin::FailureKind::shared_risk_group;
    case grid::RestorationCase::nodes: return twin::FailureKind::node;
  }
  return twin::FailureKind::link;
}

double arc_capacity_gbps(const grid::Snapshot& snapshot, uint32_t arc) {
  const grid::Link& link = snapshot.links[size_t{arc / 2}];
  return (arc % 2 == 0 ? link.capacity_ab : link.capacity_ba).value();
}

// Loads, by arc, in a world: what is booked stays where it is.
std::vector<double> planned_gbps(const Terrain& world, const PlannedTraffic& traffic) {
  std::vector<double> gbps = traffic.booked_gbps;
  for (const PlannedTraffic::Flow& flow : traffic.flows) {
    const uint32_t view = world.view_of(flow.region, flow.algo);
    if (view == UINT32_MAX || !world.views[view]->legs[flow.pool].reachable) continue;
    for (const ArcUse& use : world.views[view]->arc_uses(flow.pool))
      gbps[use.arc] += flow.up_gbps * use.up + flow.back_gbps * use.back;
  }
  return gbps;
}

// Links as wide as what is not booked, so that utilisation beyond the policy's share says that too much is there.
grid::Snapshot narrowed(const grid::Snapshot& snapshot, const std::vector<double>& booked_gbps, double headroom) {
  grid::Snapshot narrow = snapshot;
  for (uint32_t l = 0; l < snapshot.links.size(); ++l) {
    const double ab = booked_gbps[2 * l], ba = booked_gbps[2 * l + 1];
    if (ab <= 0 && ba <= 0) continue;
    grid::Link link = snapshot.links[size_t{l}];
    const auto left = [&](Gbps capacity, double booked) {
      return Gbps(std::max(1e-9 * capacity.value(), capacity.value() - booked / headroom));
    };
    link.capacity_ab = left(link.capacity_ab, ab);
    link.capacity_ba = left(link.capacity_ba, ba);
    narrow = grid::with_link(narrow, grid::LinkIndex(l), std::move(link), snapshot.offset);
  }
  return narrow;
}

// What is booked alone is too much for a link, which no utilisation by the rest shows.
bool overbooked(const grid::Snapshot& snapshot, const std::vector<double>& booked_gbps, double headroom) {
  for (uint32_t arc = 0; arc < booked_gbps.size(); ++arc)
    if (booked_gbps[arc] > headroom * arc_capacity_gbps(snapshot, arc)) return true;
  return false;
}

// Regions whose traffic surfaces elsewhere after a failure, which the study of failures does not know of.
bool moves_an_anchor(const Terrain& terrain, const grid::Snapshot& after) {
  for (uint32_t r = 0; r < after.regions.size(); ++r)
    if (after.regions[size_t{r}].anchors.size() > 1 &&
        twin::active_anchor(after, grid::RegionIndex(r)) != terrain.anchors[r])
      return true;
  return false;
}

}  // namespace

PlannedTraffic planned_traffic(const Problem& problem, const Search& search) {
  PlannedTraffic traffic;
  traffic.booked_gbps.assign(problem.arc_spare_gbps.size(), 0);
  std::map<std::tuple<uint32_t, uint32_t, grid::FlexAlgoIndex>, PlannedTraffic::Flow> flows;
  for (uint32_t d = 0; d < problem.demands.size(); ++d) {
    const DemandRow& demand = problem.demands[d];
    for (const Member& member : search.placement(d).members) {
      const uint32_t pool = problem.candidates[problem.options[member.option].candidate].pool;
      const double part = static_cast<double>(member.share) / kWhole;
      if (demand.ways != UINT32_MAX) {
        for (const ArcUse& use : problem.base_arc_uses(demand, pool))
          traffic.booked_gbps[use.arc] += part * (demand.up_gbps * use.up + demand.back_gbps * use.back);
        continue;
      }
      PlannedTraffic::Flow& flow = flows[{demand.row->region.value, pool, demand.row->flex_algo}];
      flow.region = demand.row->region.value;
      flow.pool = pool;
      flow.algo = demand.row->flex_algo;
      flow.up_gbps += part * demand.up_gbps;
      flow.back_gbps += part * demand.back_gbps;
    }
  }
  for (const auto& [ends, flow] : flows) traffic.flows.push_back(flow);
  return traffic;
}

std::string Restoration::text(const Problem& problem, size_t row) const {
  const grid::Snapshot& s = problem.snapshot;
  const RestorationRow& at = rows_[row];
  const grid::Link& link = s.links[size_t{at.arc / 2}];
  const bool forward = at.arc % 2 == 0;
  return fmt::format("once {} has failed, {} from {} to {}", twin::failed_id(s, at.failure), link.id,
                     s.nodes[forward ? link.a : link.b].id, s.nodes[forward ? link.b : link.a].id);
}

std::vector<twin::Failure> Restoration::suspects(const Problem& problem, const PlannedTraffic& traffic,
                                                 twin::FailureKind kind) const {
  const grid::Snapshot& s = problem.snapshot;
  const double headroom = s.policy.restoration.link_headroom;
  twin::TrafficMatrix matrix = twin::own_traffic(s, {});
  for (const PlannedTraffic::Flow& flow : traffic.flows) {
    const grid::NodeIndex anchor = problem.terrain->anchors[flow.region]->node, node = s.pools[size_t{flow.pool}].node;
    if (anchor == node) continue;
    if (flow.up_gbps > 0) matrix.flows.push_back({anchor, node, Gbps(flow.up_gbps), flow.algo});
    if (flow.back_gbps > 0) matrix.flows.push_back({node, anchor, Gbps(flow.back_gbps), flow.algo});
  }
  const auto study = twin::FailureStudy::make(narrowed(s, traffic.booked_gbps, headroom), matrix, {}, kind);
  std::vector<twin::Failure> found;
  // Too large to be studied, or too full in any case: every failure is worked out.
  if (!study || overbooked(s, traffic.booked_gbps, headroom)) {
    const size_t rows = kind == twin::FailureKind::link   ? s.links.size()
                        : kind == twin::FailureKind::node ? s.nodes.size()
                                                          : s.shared_risk_groups.size();
    for (uint32_t row = 0; row < rows; ++row) found.push_back({kind, row});
    return found;
  }
  std::vector<uint8_t> suspect(study->failures().size(), 0);
  twin::SweepOptions options;
  options.worst = 0;
  options.threads = 2;
  options.progress = [&](std::span<const twin::FailureOutcome> outcomes, uint64_t, uint64_t) {
    for (const twin::FailureOutcome& outcome : outcomes)
      if (outcome.utilization_max > headroom) suspect[outcome.failed[0]] = 1;
  };
  (void)study->run(1, options, {});
  for (size_t f = 0; f < suspect.size(); ++f) {
    const twin::Failure failure = study->failures()[f];
    if (suspect[f] || moves_an_anchor(*problem.terrain, twin::with_failures(s, std::span(&failure, 1))))
      found.push_back(failure);
  }
  return found;
}

size_t Restoration::add_overfilled(const Problem& problem, const PlannedTraffic& traffic) {
  size_t added = 0;
  for (const grid::RestorationCase asked : problem.snapshot.policy.restoration.cases)
    for (const twin::Failure& failure : suspects(problem, traffic, failure_kind(asked)))
      added += add_overfilled(problem, traffic, failure);
  if (added > 0) uses_.clear();
  return added;
}

size_t Restoration::add_overfilled(const Problem& problem, const PlannedTraffic& traffic, twin::Failure failure) {
  const grid::Snapshot& s = problem.snapshot;
  const auto known =
      std::find_if(cases_.begin(), cases_.end(), [&](const Case& other) { return other.failure == failure; });
  Case fresh;
  if (known == cases_.end()) {
    fresh.failure = failure;
    fresh.world =
        std::make_shared<const Terrain>(twin::with_failures(s, std::span(&failure, 1)), problem.terrain.get());
    fresh.row_of_arc.assign(problem.arc_spare_gbps.size(), UINT32_MAX);
  }
  Case& at = known == cases_.end() ? fresh : *known;
  const std::vector<double> planned = planned_gbps(*at.world, traffic);
  size_t added = 0;
  for (uint32_t arc = 0; arc < planned.size(); ++arc) {
    const double capacity = arc_capacity_gbps(s, arc);
    const double spare = s.policy.restoration.link_headroom * capacity - at.world->arc_background_gbps[arc];
    if (planned[arc] <= kOverfilledFrom * capacity || planned[arc] <= spare + 0.5 * kOverfilledFrom * capacity ||
        at.row_of_arc[arc] != UINT32_MAX)
      continue;
    at.row_of_arc[arc] = static_cast<uint32_t>(rows_.size());
    rows_.push_back({failure, arc, spare});
    ++added;
  }
  if (added > 0 && known == cases_.end()) cases_.push_back(std::move(fresh));
  return added;
}

const std::vector<ArcUse>& Restoration::arc_uses(const Problem& problem, const DemandRow& row, uint32_t pool) const {
  const bool has_ways = row.ways != UINT32_MAX;
  const uint32_t region = row.row->region.value;
  // At most 128 flex algorithms: the IGP's own paths are 0 of 8 bits.
  const uint64_t from =
      has_ways ? (uint64_t{1} << 31) + row.ways : uint64_t{row.row->flex_algo.value + 1} << 23 | region;
  const auto [entry, fresh] = uses_.try_emplace(from << 32 | pool);
  if (!fresh) return entry->second;
  entry->second = problem.base_arc_uses(row, pool);
  const size_t arcs = problem.arc_spare_gbps.size();
  for (const Case& at : cases_) {
    const uint32_t view = at.world->view_of(region, row.row->flex_algo);
    const bool cut_off = !has_ways && (view == UINT32_MAX || !at.world->views[view]->legs[pool].reachable);
    if (cut_off) continue;
    const std::vector<ArcUse>& uses =
        has_ways ? problem.base_arc_uses(row, pool) : at.world->views[view]->arc_uses(pool);
    for (const ArcUse& use : uses)
      if (const uint32_t of_arc = at.row_of_arc[use.arc]; of_arc != UINT32_MAX)
        entry->second.push_back({static_cast<uint32_t>(arcs + of_arc), use.up, use.back});
  }
  std::sort(entry->second.begin(), entry->second.end(), [](const ArcUse& a, const ArcUse& b) { return a.arc < b.arc; });
  return entry->second;
}

// What stands is counted on the rows too, and what they do not bear is taken off them: of the lowest precedence first,
// then what the row carries most of.
void Search::heed_rows() {
  commit();
  since_best_ = 0;
  arc_gbps_.assign(problem_.arcs_and_rows(), 0);
  std::vector<std::vector<std::pair<uint32_t, double>>> on_row(problem_.restoration.rows().size());  // demand, Gbit/s
  const size_t arcs = problem_.arc_spare_gbps.size();
  for (uint32_t d = 0; d < placements_.size(); ++d) {
    const DemandRow& demand = problem_.demands[d];
    for (const Member& member : placements_[d].members) {
      const uint32_t pool = problem_.candidates[problem_.options[member.option].candidate].pool;
      for (const ArcUse& use : problem_.arc_uses(demand, pool)) {
        const double gbps = (demand.up_gbps * use.up + demand.back_gbps * use.back) * member.share / kWhole;
        arc_gbps_[use.arc] += gbps;
        if (use.arc >= arcs && gbps > 0) on_row[use.arc - arcs].emplace_back(d, gbps);
      }
    }
  }
  const auto worth = [&](uint32_t d) {
    return problem_.demands[d].precedence * (problem_.demands[d].served_before ? kPrecedence : 1);
  };
  for (size_t r = 0; r < on_row.size(); ++r) {
    std::sort(on_row[r].begin(), on_row[r].end(), [&](const auto& a, const auto& b) {
      const double x = worth(a.first), y = worth(b.first);
      return x != y ? x < y : a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    const auto arc = static_cast<uint32_t>(arcs + r);
    for (const auto& [d, gbps] : on_row[r]) {
      if (arc_gbps_[arc] <= std::max(0.0, problem_.spare_gbps(arc)) + 1e-9) break;
      take_off(d);
    }
  }
  commit();
}

// Out of the plan; where what shares its deployments could not go on without it, all that hangs together with it.
void Search::take_off(uint32_t d) {
  if (placements_[d].members.empty()) return;
  const Mark mark = begin();
  if (take_out(d)) return;
  roll_back(mark);
  std::vector<uint32_t> all{d};
  std::vector<uint8_t> taken(placements_.size(), 0);
  taken[d] = 1;
  for (size_t i = 0; i < all.size(); ++i)
    for (const Member& member : placements_[all[i]].members)
      for (const uint32_t other : demands_on(problem_.options[member.option].candidate))
        if (!std::exchange(taken[other], 1)) all.push_back(other);
  CHECK(take_out(all));  // a deployment that serves nothing always fits
}

}  // namespace tandem::planner
