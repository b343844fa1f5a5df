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

// What becomes of one plan: of that in force, or of one that the schedule has for other hours.
struct Compared {
  const v1::Plan* plan = nullptr;
  planner::Verdict there, back;  // what it mends is broken on the way back
  std::set<std::string> not_planned, not_planned_before;
};

Compared compare(const v1::Plan& plan, const GridPointer& whole_day, const GridPointer& merged) {
  const GridPointer before = planner::grid_of_plan(whole_day, &plan), after = planner::grid_of_plan(merged, &plan);
  return {&plan, planner::compare(*before, plan, *after), planner::compare(*after, plan, *before),
          unplanned(*after, plan), unplanned(*before, plan)};
}

bool is_for_the_hours_of(const v1::Plan& plan, const v1::Plan& other) {
  return plan.has_hours() && planner::period_of(plan.hours()) == planner::period_of(other.hours());
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
  const GridPointer before = branch.parent.empty() ? state.grid : inventory::project(*parent, {}, nullptr);
  const GridPointer after = inventory::project(inventory::try_merge(branch, *parent, 1).merged, {}, nullptr);
  Compared worst = compare(*state.plan, before, after);
  if (state.schedule)
    for (const v1::ScheduledPeriod& period : state.schedule->periods()) {
      if (is_for_the_hours_of(*state.plan, period.plan())) continue;
      Compared there = compare(period.plan(), before, after);
      if (there.there.promises_broken.size() > worst.there.promises_broken.size()) worst = std::move(there);
    }
  const auto& [of, there, back, not_planned, not_planned_before] = worst;
  const v1::Plan& plan = *of;
  answer["hours"] = hours_json(plan);
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
