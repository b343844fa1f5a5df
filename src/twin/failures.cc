#include "twin/failures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/check.h"
#include "twin/failure_sweep.h"

namespace tandem::twin {
namespace {

constexpr std::string_view kKindNames[] = {"link", "node", "shared_risk_group", "site", "member"};
constexpr std::string_view kClassNames[] = {"links", "nodes", "srlgs", "sites", "members"};
constexpr double kLoadTolerance = 1e-9;    // of the load
constexpr double kTotalTolerance = 1e-11;  // of all traffic

// A failure keeps the offset: it is a what-if, not an event.
grid::Snapshot with_link_down(const grid::Snapshot& snapshot, grid::LinkIndex index) {
  grid::Link link = snapshot.links[index];
  link.state = grid::State::down;
  return grid::with_link(snapshot, index, std::move(link), snapshot.offset);
}

}  // namespace

Result<FailureClass> parse_failure_class(std::string_view text) {
  for (size_t kind = 0; kind < std::size(kClassNames); ++kind)
    for (const uint32_t at_once : {1u, 2u})
      if (text == fmt::format("{}:{}", kClassNames[kind], at_once) && (text != "members:2"))
        return FailureClass{static_cast<FailureKind>(kind), at_once};
  return fail(
      ErrorCode::invalid_argument,
      fmt::format(
          "no class of failures '{}'; one of links:1, links:2, nodes:1, nodes:2, srlgs:1, srlgs:2, sites:1, sites:2 or "
          "members:1",
          text));
}

std::string_view kind_name(FailureKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::string_view failed_id(const grid::Snapshot& snapshot, Failure failure) {
  switch (failure.kind) {
    case FailureKind::link:
    case FailureKind::member: return snapshot.links[failure.row].id;
    case FailureKind::node: return snapshot.nodes[failure.row].id;
    case FailureKind::shared_risk_group: return snapshot.shared_risk_groups[failure.row].id;
    case FailureKind::site: return snapshot.sites[failure.row].id;
  }
  return {};
}

grid::Snapshot with_failures(const grid::Snapshot& snapshot, std::span<const Failure> failures) {
  grid::Snapshot after = snapshot;
  for (const Failure& failure : failures) {
    if (failure.kind == FailureKind::link) {
      after = with_link_down(after, grid::LinkIndex(failure.row));
    } else if (failure.kind == FailureKind::member) {
      if (after.links[failure.row].members_up() > 0)
        after = grid::with_link(after, grid::LinkIndex(failure.row), without_member(after.links[failure.row]),
                                snapshot.offset);
    } else if (failure.kind == FailureKind::node) {
      grid::Node node = after.nodes[failure.row];
      node.state = grid::State::down;
      after = grid::with_node(after, grid::NodeIndex(failure.row), std::move(node), snapshot.offset);
    } else if (failure.kind == FailureKind::site) {
      grid::Site site = after.sites[failure.row];
      site.state = grid::State::down;
      after = grid::with_site(after, grid::SiteIndex(failure.row), std::move(site), snapshot.offset);
    } else {
      for (size_t i = 0; i < snapshot.links.size(); ++i) {
        const auto& groups = snapshot.links[i].shared_risk_groups;
        if (std::find(groups.begin(), groups.end(), grid::SharedRiskGroupIndex(failure.row)) != groups.end())
          after = with_link_down(after, grid::LinkIndex(i));
      }
    }
  }
  return after;
}

bool hurts_more(const FailureOutcome& a, const FailureOutcome& b) {
  if (a.residencies_left != b.residencies_left) return a.residencies_left > b.residencies_left;
  if (a.promises_broken != b.promises_broken) return a.promises_broken > b.promises_broken;
  if (a.utilization_max != b.utilization_max) return a.utilization_max > b.utilization_max;
  if (a.lost_gbps != b.lost_gbps) return a.lost_gbps > b.lost_gbps;
  return a.failed < b.failed;
}

FailureStudy::FailureStudy(std::unique_ptr<State> state) : state_(std::move(state)) {}
FailureStudy::~FailureStudy() = default;
FailureStudy::FailureStudy(FailureStudy&&) noexcept = default;
FailureStudy& FailureStudy::operator=(FailureStudy&&) noexcept = default;

Result<FailureStudy> FailureStudy::make(const grid::Snapshot& snapshot, const TrafficMatrix& matrix,
                                        std::vector<PromiseWatch> watches, FailureKind kind) {
  std::set<std::pair<grid::FlexAlgoIndex, grid::NodeIndex>> wanted;
  for (const TrafficMatrix::Flow& flow : matrix.flows) wanted.emplace(flow.flex_algo, flow.to);
  for (const TrafficMatrix::Steered& flow : matrix.steered) wanted.emplace(flow.flex_algo, flow.to);
  for (const PromiseWatch& watch : watches)
    if (const auto anchor = active_anchor(snapshot, watch.region)) wanted.emplace(watch.flex_algo, anchor->node);
  const size_t destinations = wanted.size();
  if (snapshot.nodes.size() > UINT16_MAX || snapshot.nodes.size() * destinations > kStateMax)
    return fail(ErrorCode::too_large, fmt::format("{} nodes with traffic to {} of them: at most {} combinations",
                                                  snapshot.nodes.size(), destinations, kStateMax));
  auto state = std::make_unique<State>(snapshot, matrix, kind);
  state->watch(std::move(watches));
  state->route_all();
  return FailureStudy(std::move(state));
}

std::span<const Failure> FailureStudy::failures() const { return state_->failures; }

uint64_t FailureStudy::scenarios(uint32_t at_once) const {
  const uint64_t n = state_->failures.size();
  return at_once == 1 ? n : n * (n - (n > 0 ? 1 : 0)) / 2;
}

const FailureOutcome& FailureStudy::undisturbed() const { return state_->undisturbed; }

std::span<const double> FailureStudy::undisturbed_gbps() const {
  return std::span(state_->gbps).first(state_->slots());
}

Sweep FailureStudy::run(uint32_t at_once, const SweepOptions& options, std::stop_token stop) const {
  CHECK(at_once == 1 || state_->kind != FailureKind::member);
  SweepRun sweep(*state_, options, scenarios(at_once), at_once, stop);
  const SingleFailures singles = sweep.single_failures(at_once == 2);
  if (at_once == 1)
    sweep.report_singles(singles);
  else if (!stop.stop_requested())
    sweep.pairs(singles);
  return sweep.finish();
}

KeptScenario FailureStudy::plain(std::array<uint32_t, 2> failed) const {
  const Failure failures[] = {state_->failures[failed[0]], state_->failures[failed[1]]};
  const grid::Snapshot after =
      with_failures(state_->snapshot, std::span(failures).first(failed[0] == failed[1] ? 1 : 2));
  Networks networks(after);
  PlainLoads loads = plain_loads(after, state_->matrix);
  KeptScenario scenario;
  scenario.outcome.failed = failed;
  scenario.outcome.lost_gbps = loads.lost.value();
  for (size_t i = 0; i < after.links.size(); ++i)
    scenario.outcome.utilization_max =
        std::max({scenario.outcome.utilization_max, loads.gbps[2 * i] / after.links[i].capacity_ab.value(),
                  loads.gbps[2 * i + 1] / after.links[i].capacity_ba.value()});
  scenario.gbps = std::move(loads.gbps);
  Networks before(state_->snapshot);
  for (size_t i = 0; i < state_->watches.size(); ++i) {
    const PromiseWatch& watch = state_->watches[i];
    if (is_broken(after, networks, watch)) scenario.promises.push_back(state_->watch_given[i]);
    if (leaves_residency(state_->snapshot, before, after, networks, watch))
      scenario.left.push_back(state_->watch_given[i]);
  }
  scenario.outcome.promises_broken = static_cast<uint32_t>(scenario.promises.size());
  scenario.outcome.residencies_left = static_cast<uint32_t>(scenario.left.size());
  return scenario;
}

std::string difference(const grid::Snapshot& snapshot, const KeptScenario& swept, const KeptScenario& plain,
                       Gbps total_traffic) {
  const double slack = kTotalTolerance * total_traffic.value();
  for (size_t slot = 0; slot < plain.gbps.size(); ++slot) {
    if (std::abs(swept.gbps[slot] - plain.gbps[slot]) <= kLoadTolerance * plain.gbps[slot] + slack) continue;
    return fmt::format("{} carries {} Gbit/s {}, plainly computed {}", snapshot.links[slot / 2].id, swept.gbps[slot],
                       slot % 2 == 0 ? "from a to b" : "from b to a", plain.gbps[slot]);
  }
  if (std::abs(swept.outcome.lost_gbps - plain.outcome.lost_gbps) > kLoadTolerance * plain.outcome.lost_gbps + slack)
    return fmt::format("{} Gbit/s are lost, plainly computed {}", swept.outcome.lost_gbps, plain.outcome.lost_gbps);
  if (swept.outcome.promises_broken != plain.outcome.promises_broken)
    return fmt::format("{} promises are broken, plainly computed {}", swept.outcome.promises_broken,
                       plain.outcome.promises_broken);
  if (swept.outcome.residencies_left != plain.outcome.residencies_left)
    return fmt::format("{} residencies are left, plainly computed {}", swept.outcome.residencies_left,
                       plain.outcome.residencies_left);
  return {};
}

}  // namespace tandem::twin
