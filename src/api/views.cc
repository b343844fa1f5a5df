#include "api/views.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "inventory/inventory.h"
#include "log/print.h"
#include "ontology/ontology.h"
#include "planner/planner.h"
#include "planner/schedule.h"
#include "planner/totals.h"

namespace tandem::api {
namespace {

using grid::LinkIndex;
using grid::SiteIndex;

const grid::Snapshot& grid_of(const Published& published) { return *published.state.grid; }

SiteIndex site_of(const grid::Snapshot& grid, grid::NodeIndex node) { return grid.nodes[node].site; }

Json::Array pools_of(const Published& published, SiteIndex site) {
  const grid::Snapshot& grid = grid_of(published);
  Json::Array pools;
  for (const grid::Pool& pool : grid.pools) {
    if (pool.site != site) continue;
    uint32_t in_use = 0;
    if (published.state.plan)
      for (const v1::PlannedDeployment& deployment : published.state.plan->deployments())
        if (deployment.pool() == pool.id) in_use += deployment.replicas() * deployment.tensor_parallel();
    pools.push_back(Json::Object{{"id", pool.id},
                                 {"accelerator", grid.accelerators[pool.accelerator].id},
                                 {"count", pool.count},
                                 {"in_use", in_use}});
  }
  return pools;
}

uint32_t accelerators_at(const grid::Snapshot& grid, SiteIndex site) {
  uint32_t count = 0;
  for (const grid::Pool& pool : grid.pools)
    if (pool.site == site) count += pool.count;
  return count;
}

Json::Object site_fields(const Published& published, SiteIndex index) {
  const grid::Snapshot& grid = grid_of(published);
  const grid::Site& site = grid.sites[index];
  return {{"id", site.id},
          {"name", site.name},
          {"tier", to_string(site.tier)},
          {"latitude_deg", site.latitude.value()},
          {"longitude_deg", site.longitude.value()},
          {"jurisdiction", grid.jurisdictions[site.jurisdiction]},
          {"state", to_string(site.state)},
          {"power_limit_kw", site.power_limit.value()},
          {"pools", pools_of(published, index)},
          {"accelerators", accelerators_at(grid, index)}};
}

Json::Array risk_groups(const grid::Snapshot& grid, const grid::Link& link) {
  Json::Array groups;
  for (const auto group : link.shared_risk_groups) groups.push_back(grid.shared_risk_groups[group].id);
  return groups;
}

Json::Object link_fields(const Published& published, LinkIndex index) {
  const grid::Snapshot& grid = grid_of(published);
  const grid::Link& link = grid.links[index];
  const twin::Forecast& forecast = published.forecast;
  return {{"id", link.id},
          {"a_site", grid.sites[site_of(grid, link.a)].id},
          {"b_site", grid.sites[site_of(grid, link.b)].id},
          {"capacity_gbps", link.capacity_ab.value()},
          {"capacity_reverse_gbps", link.capacity_ba.value()},
          {"delay_us", link.delay.value()},
          {"length_km", link.length.value()},
          {"members", int64_t{link.members}},
          {"members_up", int64_t{link.members_up()}},
          {"state", to_string(link.state)},
          {"usable", grid.usable(index)},
          {"srlgs", risk_groups(grid, link)},
          {"utilization_ab", forecast.utilization_ab[index.value]},
          {"utilization_ba", forecast.utilization_ba[index.value]}};
}

Json::Object region_fields(const grid::Snapshot& grid, const grid::Region& region) {
  Json::Array anchors;
  for (const grid::Anchor& anchor : region.anchors) anchors.push_back(grid.sites[site_of(grid, anchor.node)].id);
  return {{"id", region.id},
          {"name", region.name},
          {"latitude_deg", region.latitude.value()},
          {"longitude_deg", region.longitude.value()},
          {"population", region.population},
          {"anchors", std::move(anchors)}};
}

template <class Row>
Json::Array ids(const grid::Table<Row>& table) {
  Json::Array result;
  for (const Row& row : table) result.push_back(row.id);
  return result;
}

Json::Array deployments_at(const Published& published, const Activity& activity, std::string_view site,
                           double* power_w) {
  Json::Array result;
  if (!published.state.plan || !published.table) return result;
  for (const v1::PlannedDeployment& planned : published.state.plan->deployments()) {
    const auto position = published.table->find_target(planned.id());
    if (!position) continue;
    const routing::Target& target = published.table->targets()[*position];
    if (target.site != site) continue;
    const Activity::Deployment live = activity.deployment(planned.id());
    *power_w += planned.power_w();
    result.push_back(Json::Object{{"id", planned.id()},
                                  {"model", planned.model()},
                                  {"pool", planned.pool()},
                                  {"replicas", planned.replicas()},
                                  {"up", target.up},
                                  {"utilization", planned.utilization()},
                                  {"requests_per_s", live.requests_per_s},
                                  {"in_flight", live.in_flight},
                                  {"tpot_ms", planned.decode_ms_per_token()},
                                  {"emulated", target.emulated}});
  }
  return result;
}

Json verdict_json(const planner::Verdict& verdict) {
  Json::Array broken;
  for (const planner::Verdict::Broken& promise : verdict.promises_broken) broken.push_back(broken_json(promise));
  Json worst = nullptr;
  if (!verdict.worst_link.empty())
    worst = Json::Object{{"id", verdict.worst_link}, {"utilization", verdict.worst_utilization}};
  return Json::Object{{"promises_broken", std::move(broken)},
                      {"promises_kept", verdict.promises_kept},
                      {"worst_link", std::move(worst)},
                      {"cost_eur_per_hour_delta", verdict.cost_delta_eur_per_hour}};
}

template <class Row>
tl::unexpected<Error> no_such(std::string_view what, std::string_view id, const grid::Table<Row>& rows) {
  std::vector<std::string> known;
  for (const Row& row : rows) known.push_back(row.id);
  const auto meant = nearest(id.substr(0, grid::kIdBytesMax), known);
  return fail(ErrorCode::not_found, fmt::format("no {} '{}' in this grid{}", what, id.substr(0, 128),
                                                meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
}

}  // namespace

Json broken_json(const planner::Verdict::Broken& promise) {
  return Json::Object{{"demand", promise.demand}, {"tenant", promise.tenant}, {"region", promise.region},
                      {"model", promise.model},   {"reason", promise.reason}, {"fraction", promise.fraction}};
}

Json grid_view(const Published& published) {
  const grid::Snapshot& grid = grid_of(published);
  Json::Array sites, links, regions;
  for (size_t i = 0; i < grid.sites.size(); ++i) sites.push_back(site_fields(published, SiteIndex(i)));
  for (size_t i = 0; i < grid.links.size(); ++i) links.push_back(link_fields(published, LinkIndex(i)));
  for (const grid::Region& region : grid.regions) regions.push_back(region_fields(grid, region));
  return Json::Object{{"offset", published.state.head.last()},
                      {"name", grid.name},
                      {"simulated", grid.simulated},
                      {"sites", std::move(sites)},
                      {"links", std::move(links)},
                      {"regions", std::move(regions)},
                      {"models", ids(grid.models)},
                      {"tenants", ids(grid.tenants)}};
}

Result<Json> site_view(const Published& published, const Activity& activity, std::string_view id) {
  const grid::Snapshot& grid = grid_of(published);
  const SiteIndex index = grid.sites.find(id);
  if (!index.valid()) return no_such("site", id, grid.sites);
  const grid::Site& site = grid.sites[index];
  Json::Object view = site_fields(published, index);
  Json::Array nodes, links;
  for (const grid::Node& node : grid.nodes)
    if (node.site == index) nodes.push_back(node.id);
  for (const grid::Link& link : grid.links)
    if (site_of(grid, link.a) == index || site_of(grid, link.b) == index) links.push_back(link.id);
  double power_w = 0;
  view["offset"] = published.state.head.last();
  view["deployments"] = deployments_at(published, activity, site.id, &power_w);
  view["nodes"] = std::move(nodes);
  view["links"] = std::move(links);
  view["power_w"] = power_w * site.pue;
  view["price_eur_per_kwh"] = site.power_price.value();
  view["carbon_gco2_per_kwh"] = site.carbon.value();
  view["pue"] = site.pue;
  view["cooling_limit_kw"] = site.cooling_limit.value();
  return view;
}

Result<Json> link_view(const Published& published, std::string_view id) {
  const grid::Snapshot& grid = grid_of(published);
  const LinkIndex index = grid.links.find(id);
  if (!index.valid()) return no_such("link", id, grid.links);
  const grid::Link& link = grid.links[index];
  std::set<std::string> sharing;
  for (const grid::Link& other : grid.links) {
    const bool shares = std::any_of(other.shared_risk_groups.begin(), other.shared_risk_groups.end(), [&](auto group) {
      return std::find(link.shared_risk_groups.begin(), link.shared_risk_groups.end(), group) !=
             link.shared_risk_groups.end();
    });
    if (shares && other.id != link.id) sharing.insert(other.id);
  }
  Json::Object view = link_fields(published, index);
  view["offset"] = published.state.head.last();
  view["load_ab_gbps"] = published.forecast.links[index.value].ab.value();
  view["load_ba_gbps"] = published.forecast.links[index.value].ba.value();
  view["shares_risk_with"] = Json::Array(sharing.begin(), sharing.end());
  return view;
}

namespace {

// As the plan in force takes it: at the hours that it is for.
std::shared_ptr<const grid::Snapshot> planned_grid(const Published& published) {
  return planner::grid_of_plan(published.state.grid, published.state.plan.get());
}

Json::Object hours_object(const v1::PlannedHours& hours) {
  return {{"from_hour", hours.from_hour()}, {"to_hour", planner::period_of(hours).to_hour()}, {"hours", hours.hours()}};
}

Json::Object period_json(const v1::Schedule& schedule, const control::PeriodAt& at) {
  const v1::PlannedHours& hours = schedule.periods(at.period).plan().hours();
  Json::Object view = hours_object(hours);
  view["begins_at"] = format_rfc3339(at.begins_at);
  view["ends_at"] = format_rfc3339(at.ends_at);
  return view;
}

// Which period it is, and which comes next; null without a schedule.
Json turn_json(const control::State& state, Instant now) {
  if (!state.schedule || !state.plan) return nullptr;
  const v1::Schedule& schedule = *state.schedule;
  const control::PeriodAt at = control::period_at(schedule, now);
  const v1::PlannedHours& hours = schedule.periods(at.period).plan().hours();
  Json::Object view{
      {"schedule_id", schedule.id()},
      {"accepted_at_offset", state.schedule_offset},
      {"stale", state.schedule_stale},
      {"in_force", state.plan->has_hours() && planner::period_of(state.plan->hours()) == planner::period_of(hours)},
      {"period", period_json(schedule, at)},
      {"next", nullptr}};
  if (schedule.periods_size() > 1) {
    const control::PeriodAt then = control::period_after(schedule, at);
    const v1::Plan& plan = schedule.periods(then.period).plan();
    Json::Object next = period_json(schedule, then);
    next["moves"] = planner::moves_between(*state.plan, plan);
    next["prepared"] = state.preparing == planner::period_of(plan.hours());
    view["next"] = std::move(next);
  }
  return view;
}

}  // namespace

Json hours_json(const v1::Plan& plan) { return plan.has_hours() ? Json(hours_object(plan.hours())) : Json(); }

Json schedule_view(const Published& published, Instant now, uint32_t periods_wanted) {
  const control::State& state = published.state;
  Json::Object view{{"schedule_id", nullptr}, {"periods", Json::Array{}}};
  if (state.schedule) {
    view = planner::schedule_to_json(planner::schedule_of(*state.schedule), grid_of(published), false).object();
    view["schedule_id"] = state.schedule->id();
    view["accepted_at_offset"] = state.schedule_offset;
    view["reason"] = state.schedule->reason();
  }
  view["offset"] = state.head.last();
  view["now"] = turn_json(state, now);
  if (const std::string note = control::why_few_periods(grid_of(published), periods_wanted); !note.empty())
    view["note"] = note;
  if (state.pending && state.pending->is_schedule()) view["replanning"] = state.pending->plan_id;
  return view;
}

Json plan_view(const Published& published, Instant now) {
  Json::Object view{{"plan_id", nullptr}, {"deployments", Json::Array{}}, {"demands", Json::Array{}}};
  if (published.state.plan) {
    view = planner::plan_to_json(*published.state.plan, *planned_grid(published)).object();
    view["accepted_at_offset"] = published.state.plan_offset;
  }
  view["offset"] = published.state.head.last();
  view["schedule"] = turn_json(published.state, now);
  if (published.state.pending && !published.state.pending->is_schedule())
    view["replanning"] = published.state.pending->plan_id;
  return view;
}

Result<Json> state_preview(const Published& published, Thing thing, std::string_view id, grid::State state) {
  const auto planned = planned_grid(published);
  const grid::Snapshot& grid = *planned;
  grid::Snapshot after;
  if (thing == Thing::link) {
    const LinkIndex index = grid.links.find(id);
    if (!index.valid()) return no_such("link", id, grid.links);
    grid::Link link = grid.links[index];
    link.state = state;
    after = with_link(grid, index, std::move(link), grid.offset);
  } else {
    const SiteIndex index = grid.sites.find(id);
    if (!index.valid()) return no_such("site", id, grid.sites);
    grid::Site site = grid.sites[index];
    site.state = state;
    after = with_site(grid, index, std::move(site), grid.offset);
  }
  Json::Object view;
  if (published.state.plan) {
    view = verdict_json(planner::compare(grid, *published.state.plan, after)).object();
    view["hours"] = hours_json(*published.state.plan);
  }
  view["offset"] = published.state.head.last();
  if (state == grid::State::down)
    view["way_back"] = thing == Thing::link ? "Restore the link." : "Power the site up again.";
  else
    view["way_back"] = thing == Thing::link ? "Cut it again." : "Power it down again.";
  return view;
}

Json plan_message(const Published& published) {
  const v1::Plan& plan = *published.state.plan;
  const double cost = plan.cost_eur_per_hour();
  return Json::Object{
      {"offset", published.state.head.last()},
      {"plan_id", plan.id()},
      {"cost_eur_per_hour", cost},
      {"penalties_eur_per_hour", planner::totals_of(*planned_grid(published), plan).penalties_eur_per_hour},
      {"bound_eur_per_hour", plan.bound_eur_per_hour()},
      {"gap", cost > 0 ? (cost - plan.bound_eur_per_hour()) / cost : 0.0},
      {"moves", plan.moves()}};
}

Result<Json> ontology_view(std::string_view kind) {
  const auto& built_in = ontology::Ontology::built_in();
  if (kind.empty()) return to_json(built_in);
  const ontology::Kind* found = built_in.find(kind);
  if (!found) return fail(ErrorCode::not_found, built_in.unknown_kind(kind));
  return to_json(built_in, *found);
}

Json events_view(const std::vector<log::Batch>& batches, log::Offset from, size_t limit, bool brief) {
  Json::Array events;
  log::Offset next = from;
  for (const log::Batch& batch : batches) {
    for (size_t i = 0; i < batch.events.size() && events.size() < limit; ++i) {
      const log::Offset offset = batch.header.first + i;
      if (offset < from) continue;
      Json::Object entry = log_message(batch.events[i], offset, batch.header.at).object();
      if (!brief) entry["body"] = log::event_to_json(batch.events[i]);
      events.push_back(std::move(entry));
      next = offset + 1;
    }
  }
  return Json::Object{{"events", std::move(events)}, {"next", next}};
}

Json log_message(const log::Event& event, log::Offset offset, Instant at) {
  const log::EventDescription description = log::describe(event);
  return Json::Object{{"offset", offset},
                      {"at", format_rfc3339(at)},
                      {"actor", event.actor()},
                      {"kind", description.kind},
                      {"summary", description.summary}};
}

Json load_message(const Published& published, Json flows, Json goodput) {
  const grid::Snapshot& grid = grid_of(published);
  Json::Array links;
  for (size_t i = 0; i < grid.links.size(); ++i) {
    links.push_back(
        Json::Array{grid.links[i].id, published.forecast.utilization_ab[i], published.forecast.utilization_ba[i]});
  }
  return Json::Object{{"offset", published.state.head.last()},
                      {"links", std::move(links)},
                      {"flows", std::move(flows)},
                      {"goodput", std::move(goodput)}};
}

namespace {

bool same_place(const grid::Site& a, const grid::Site& b) {
  return a.id == b.id && a.name == b.name && a.tier == b.tier && a.latitude == b.latitude && a.longitude == b.longitude;
}

bool same_span(const grid::Snapshot& before, const grid::Link& a, const grid::Snapshot& after, const grid::Link& b) {
  const auto site = [](const grid::Snapshot& grid, grid::NodeIndex node) -> const std::string& {
    return grid.sites[site_of(grid, node)].id;
  };
  return a.id == b.id && site(before, a.a) == site(after, b.a) && site(before, a.b) == site(after, b.b) &&
         a.capacity_ab == b.capacity_ab && a.capacity_ba == b.capacity_ba;
}

bool same_region(const grid::Region& a, const grid::Region& b) {
  return a.id == b.id && a.name == b.name && a.latitude == b.latitude && a.longitude == b.longitude;
}

}  // namespace

std::optional<Json> grid_message(const grid::Snapshot& before, const grid::Snapshot& after) {
  const auto same_rows = [](const auto& a, const auto& b, auto same_row) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i)
      if (!same_row(a[i], b[i])) return false;
    return true;
  };
  const auto same_link = [&](const grid::Link& a, const grid::Link& b) { return same_span(before, a, after, b); };
  const bool same = same_rows(before.sites, after.sites, same_place) &&
                    same_rows(before.links, after.links, same_link) &&
                    same_rows(before.regions, after.regions, same_region);
  if (same) return std::nullopt;
  return Json::Object{
      {"offset", after.offset}, {"sites", uint64_t{after.sites.size()}}, {"links", uint64_t{after.links.size()}}};
}

std::optional<Json> state_message(const grid::Snapshot& before, const grid::Snapshot& after) {
  Json::Array sites, links;
  for (const grid::Site& site : after.sites) {
    const SiteIndex old = before.sites.find(site.id);
    if (!old.valid() || before.sites[old].state != site.state)
      sites.push_back(Json::Object{{"id", site.id}, {"state", to_string(site.state)}});
  }
  for (const grid::Link& link : after.links) {
    const LinkIndex old = before.links.find(link.id);
    if (!old.valid() || before.links[old].state != link.state)
      links.push_back(Json::Object{{"id", link.id}, {"state", to_string(link.state)}});
  }
  if (sites.empty() && links.empty()) return std::nullopt;
  return Json::Object{{"offset", after.offset}, {"sites", std::move(sites)}, {"links", std::move(links)}};
}

}  // namespace tandem::api
