#include "api/branch_verdict.h"

#include <fmt/format.h>

#include <set>

#include "api/views.h"
#include "planner/planner.h"
#include "planner/schedule.h"

namespace tandem::api {
namespace {

using GridPointer = std::shared_ptr<const grid::Snapshot>;

// Ids of demands of which the plan says nothing, ascending.
std::set<std::string> unplanned(const grid::Snapshot& grid, const v1::Plan& plan) {
  std::set<std::string> ids;
  for (const grid::Demand& demand : grid.demands) ids.insert(demand.id);
  for (const v1::DemandPlan& planned : plan.demands()) ids.erase(planned.demand());
  return ids;
}

Json worst_link_of(const planner::Verdict& verdict) {
  if (verdict.worst_link.empty()) return nullptr;
  return Json::Object{{"id", verdict.worst_link}, {"utilization", verdict.worst_utilization}};
}

template <class Rows, class Make>
Json first_of(const Rows& rows, Make make) {
  Json::Array first;
  for (const auto& row : rows) {
    if (first.size() == kVerdictRowsMax) break;
    first.push_back(make(row));
  }
  return first;
}

}  // namespace

Result<Json> branch_verdict(const Published& published, const inventory::Branch& branch) {
  const control::State& state = published.state;
  const inventory::Snapshot* parent = state.branches.head(branch.parent, state.inventory);
  if (parent == nullptr) return fail(ErrorCode::not_found, fmt::format("its parent '{}' is gone", branch.parent));
  Json::Object answer{{"offset", state.head.last()},
                      {"branch", branch.name},
                      {"parent", branch.parent.empty() ? Json() : Json(branch.parent)},
                      {"plan_id", state.plan ? Json(state.plan->id()) : Json()}};
  if (!state.plan) return Json(std::move(answer));
  const v1::Plan& plan = *state.plan;
  const auto planned = [&](GridPointer grid) { return planner::grid_of_plan(std::move(grid), &plan); };
  const GridPointer before = planned(branch.parent.empty() ? state.grid : inventory::project(*parent, {}, nullptr));
  const GridPointer after = planned(inventory::project(inventory::try_merge(branch, *parent, 1).merged, {}, nullptr));
  const planner::Verdict there = planner::compare(*before, plan, *after);
  const planner::Verdict back = planner::compare(*after, plan, *before);  // what it mends is broken on the way back
  const std::set<std::string> not_planned = unplanned(*after, plan), not_planned_before = unplanned(*before, plan);
  answer["promises_kept"] = uint64_t{there.promises_kept - not_planned.size()};
  answer["promises_kept_before"] = uint64_t{back.promises_kept - not_planned_before.size()};
  answer["broken"] = uint64_t{there.promises_broken.size()};
  answer["mended"] = uint64_t{back.promises_broken.size()};
  answer["promises_broken"] = first_of(there.promises_broken, broken_json);
  answer["promises_mended"] = first_of(back.promises_broken, [](const planner::Verdict::Broken& mended) {
    return Json::Object{
        {"demand", mended.demand}, {"tenant", mended.tenant}, {"region", mended.region}, {"model", mended.model}};
  });
  answer["unplanned"] = uint64_t{not_planned.size()};
  answer["unplanned_demands"] = first_of(not_planned, [](const std::string& id) { return Json(id); });
  answer["worst_link"] = worst_link_of(there);
  answer["worst_link_before"] = worst_link_of(back);
  answer["cost_eur_per_hour"] = plan.cost_eur_per_hour();
  answer["cost_eur_per_hour_delta"] = there.cost_delta_eur_per_hour;
  return Json(std::move(answer));
}

}  // namespace tandem::api
