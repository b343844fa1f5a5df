#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "planner/certificate.h"
#include "planner/keep.h"
#include "planner/planner.h"
#include "planner/schedule.h"
#include "planner/totals.h"
#include "twin/cold_start.h"

namespace tandem::planner {
namespace {

constexpr const char* kReverse = " reverse";  // behind the id of a link: from b to a

// Six significant digits: more would claim what no forecast knows, and diff with every compiler.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

// The same, never above: a bound must stay one.
double rounded_down(double value) {
  const double near = rounded(value);
  if (near <= value) return near;
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  return std::floor(value * scale) / scale;
}

Json::Object hours_json(const DayPeriod& period) {
  return {{"from_hour", period.from_hour}, {"to_hour", period.to_hour()}, {"hours", period.hours}};
}

std::string site_of_pool(const grid::Snapshot& s, std::string_view pool) {
  const auto index = s.pools.find(pool);
  return index.valid() ? s.sites[s.pools[index].site].id : std::string();
}

Json cold_start_json(const grid::Snapshot& s, const v1::PlannedDeployment& row, const twin::ColdStarts& starts) {
  const auto pool = s.pools.find(row.pool());
  const auto model = s.models.find(row.model());
  if (!pool.valid() || !model.valid()) return nullptr;
  const auto start = starts.of(pool, model);
  if (!start) return nullptr;
  return Json::Object{{"transfer", rounded(start->transfer_s)}, {"load", rounded(start->load_s)}};
}

Json totals_json(const Totals& totals) {
  return Json::Object{{"accelerators_eur_per_hour", rounded(totals.accelerators_eur_per_hour)},
                      {"energy_eur_per_hour", rounded(totals.energy_eur_per_hour)},
                      {"transport_eur_per_hour", rounded(totals.transport_eur_per_hour)},
                      {"penalties_eur_per_hour", rounded(totals.penalties_eur_per_hour)},
                      {"moves_eur_per_hour", rounded(totals.moves_eur_per_hour)},
                      {"power_kw", rounded(totals.power_kw)},
                      {"carbon_kg_per_hour", rounded(totals.carbon_kg_per_hour)},
                      {"output_tokens_per_s", rounded(totals.output_tokens_per_s)},
                      {"cost_eur_per_mtok", rounded(totals.eur_per_million_tokens())},
                      {"joules_per_token", rounded(totals.joules_per_token())},
                      {"carbon_g_per_mtok", rounded(totals.carbon_g_per_million_tokens())}};
}

Json::Object deployment_json(const grid::Snapshot& s, const v1::PlannedDeployment& row,
                             const twin::ColdStarts& starts) {
  Json::Object json{{"id", row.id()},
                    {"model", row.model()},
                    {"pool", row.pool()},
                    {"site", site_of_pool(s, row.pool())},
                    {"profile", row.profile()},
                    {"tensor_parallel", row.tensor_parallel()},
                    {"replicas", row.replicas()},
                    {"batch", row.batch()},
                    {"utilization", rounded(row.utilization())},
                    {"power_w", rounded(row.power_w())},
                    {"cost_eur_per_hour", rounded(row.cost_eur_per_hour())},
                    {"cold_start_s", cold_start_json(s, row, starts)}};
  if (const auto pool = s.pools.find(row.pool()); pool.valid())
    json["accelerator"] = s.accelerators[s.pools[pool].accelerator].id;
  return json;
}

Json::Array alternatives_json(const grid::Snapshot& s, const v1::DemandPlan& planned) {
  Json::Array rows;
  // A gate may have ruled it out before its figures were known.
  const auto known = [](double value) { return value > 0 ? Json(rounded(value)) : Json(); };
  for (const v1::PlannedAlternative& alternative : planned.alternatives()) {
    rows.push_back(
        Json::Object{{"pool", alternative.pool()},
                     {"site", site_of_pool(s, alternative.pool())},
                     {"ruled_out_by", alternative.ruled_out_by()},
                     {"detail", alternative.detail()},
                     {"ttft_ms", known(alternative.ttft_ms())},
                     {"cost_eur_per_hour",
                      alternative.ruled_out_by() == "cost" ? Json(rounded(alternative.cost_eur_per_hour())) : Json()}});
  }
  return rows;
}

Json way_json(const v1::PlannedWay& way) {
  Json::Array links;
  for (const std::string& link : way.links()) links.emplace_back(link);
  return links;
}

Json::Object demand_json(const grid::Snapshot& s, const v1::DemandPlan& planned,
                         const std::map<std::string_view, std::string>& pool_of_deployment) {
  Json::Object json{{"id", planned.demand()},
                    {"rejected", rounded(planned.rejected())},
                    {"blocked_by", planned.blocked_by()},
                    {"reason", planned.reason()},
                    {"alternatives", alternatives_json(s, planned)}};
  Json::Array splits;
  double ttft_ms = 0, tpot_ms = 0, eur = 0;
  for (const v1::PlannedSplit& split : planned.splits()) {
    const auto found = pool_of_deployment.find(split.deployment());
    const std::string pool = found == pool_of_deployment.end() ? std::string() : found->second;
    Json::Object row{{"deployment", split.deployment()},
                     {"site", site_of_pool(s, pool)},
                     {"pool", pool},
                     {"fraction", split.fraction()},
                     {"ttft_ms", rounded(split.ttft_ms())},
                     {"tpot_ms", rounded(split.tpot_ms())},
                     {"round_trip_us", rounded(split.round_trip_us())},
                     {"cost_eur_per_hour", rounded(split.cost_eur_per_hour())}};
    if (split.has_primary()) row["primary"] = way_json(split.primary());
    if (split.has_second()) row["second"] = way_json(split.second());
    splits.push_back(std::move(row));
    ttft_ms = std::max(ttft_ms, split.ttft_ms());
    tpot_ms = std::max(tpot_ms, split.tpot_ms());
    eur += split.cost_eur_per_hour();
  }
  json["splits"] = std::move(splits);
  json["ttft_ms"] = rounded(ttft_ms);
  json["tpot_ms"] = rounded(tpot_ms);
  json["cost_eur_per_hour"] = rounded(eur);
  if (const auto index = s.demands.find(planned.demand()); index.valid()) {
    const grid::Demand& demand = s.demands[index];
    json["tenant"] = s.tenants[demand.tenant].id;
    json["region"] = s.regions[demand.region].id;
    json["model"] = s.models[demand.model].id;
    if (demand.flex_algo.valid()) json["flex_algo"] = s.flex_algos[demand.flex_algo].id;
    json["rate_per_s"] = rounded(demand.rate_per_s);
    json["ttft_promise_ms"] = rounded(demand.promise.ttft.value());
    json["tpot_promise_ms"] = rounded(demand.promise.tpot.value());
    json["quantile"] = demand.promise.quantile;
  }
  return json;
}

std::vector<uint32_t> demands_of(const grid::Snapshot& s, uint32_t model) {
  std::vector<uint32_t> demands;
  for (uint32_t d = 0; d < s.demands.size(); ++d)
    if (s.demands[size_t{d}].model.value == model) demands.push_back(d);
  return demands;
}

// Those above 0, by the ids of what they price.
Json prices_json(const grid::Snapshot& s, const Prices& prices) {
  const auto rows_of = [](const std::vector<double>& values, const auto& id_of) {
    Json::Array rows;
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] > 0) rows.push_back(Json::Object{{"id", id_of(i)}, {"eur_per_hour", values[i]}});
    return rows;
  };
  Json::Array fleets;
  for (const Prices::Fleets& of : prices.fleets) {
    const std::vector<uint32_t> demands = demands_of(s, of.model);
    Json::Array sets;
    for (const std::vector<double>& set : of.demand)
      sets.push_back(rows_of(set, [&](size_t i) { return s.demands[size_t{demands[i]}].id; }));
    fleets.push_back(Json::Object{
        {"model", s.models[size_t{of.model}].id}, {"eur_per_hour", of.eur_per_hour}, {"prices", std::move(sets)}});
  }
  return Json::Object{
      {"demands", rows_of(prices.demand, [&](size_t i) { return s.demands[i].id; })},
      {"pools", rows_of(prices.pool, [&](size_t i) { return s.pools[i].id; })},
      {"sites", rows_of(prices.site, [&](size_t i) { return s.sites[i].id; })},
      {"links", rows_of(prices.arc, [&](size_t i) { return s.links[i / 2].id + (i % 2 == 0 ? "" : kReverse); })},
      {"fleets", std::move(fleets)}};
}

}  // namespace

Json plan_to_json(const v1::Plan& plan, const grid::Snapshot& snapshot, const Prices* prices) {
  const double cost = plan.cost_eur_per_hour();
  Json::Object json{{"plan_id", plan.id()},
                    {"offset", plan.base_offset()},
                    {"seed", plan.seed()},
                    {"work", plan.work()},
                    {"draft", plan.draft()},
                    {"origin", plan.draft()    ? "draft"
                               : plan.mended() ? "quick"
                                               : "whole"},
                    {"reason", plan.reason()},
                    {"cost_eur_per_hour", rounded(cost)},
                    {"bound_eur_per_hour", rounded_down(plan.bound_eur_per_hour())},
                    {"gap", cost > 0 ? rounded((cost - plan.bound_eur_per_hour()) / cost) : 0.0},
                    {"moves", plan.moves()},
                    {"totals", totals_json(totals_of(snapshot, plan))}};
  if (plan.has_hours()) json["hours"] = hours_json(period_of(plan.hours()));
  const twin::Forecast carried = twin::forecast(snapshot, assignment_of(snapshot, plan));
  const twin::ColdStarts starts(snapshot, carried);
  std::map<std::string_view, std::string> pool_of_deployment;
  Json::Array deployments, demands;
  for (const v1::PlannedDeployment& row : plan.deployments()) {
    deployments.push_back(deployment_json(snapshot, row, starts));
    pool_of_deployment[row.id()] = row.pool();
  }
  for (const v1::DemandPlan& planned : plan.demands())
    demands.push_back(demand_json(snapshot, planned, pool_of_deployment));
  json["deployments"] = std::move(deployments);
  json["demands"] = std::move(demands);
  if (prices != nullptr) json["prices"] = prices_json(snapshot, *prices);
  return json;
}

namespace {

Json::Object day_cost_json(const DayCost& day) {
  return {{"cost_eur_per_day", rounded(day.eur)},
          {"moves", day.moves},
          {"energy_kwh", rounded(day.energy_kwh)},
          {"replicas_max", day.replicas_max}};
}

// What a person compares between periods; the whole plan has the rest.
void add_brief(const grid::Snapshot& s, const v1::Plan& plan, Json::Object& period) {
  uint32_t replicas = 0;
  Json::Array deployments, missed;
  for (const v1::PlannedDeployment& row : plan.deployments()) {
    replicas += row.replicas();
    deployments.push_back(Json::Object{{"id", row.id()},
                                       {"model", row.model()},
                                       {"pool", row.pool()},
                                       {"site", site_of_pool(s, row.pool())},
                                       {"replicas", row.replicas()}});
  }
  int64_t demands_missed = 0;
  for (const v1::DemandPlan& planned : plan.demands()) {
    if (planned.rejected() <= 0) continue;
    if (++demands_missed > static_cast<int64_t>(kMissedNamedMax)) continue;
    missed.push_back(Json::Object{
        {"demand", planned.demand()}, {"rejected", rounded(planned.rejected())}, {"blocked_by", planned.blocked_by()}});
  }
  period["cost_eur_per_hour"] = rounded(plan.cost_eur_per_hour());
  period["bound_eur_per_hour"] = rounded_down(plan.bound_eur_per_hour());
  period["replicas"] = replicas;
  period["deployments"] = std::move(deployments);
  period["demands"] = static_cast<int64_t>(plan.demands_size());
  period["demands_missed"] = demands_missed;
  period["missed"] = std::move(missed);
}

}  // namespace

Json schedule_to_json(const Schedule& schedule, const grid::Snapshot& snapshot, bool plans) {
  Json::Object json = day_cost_json(schedule.day);
  json["bound_eur_per_day"] = rounded_down(schedule.bound_eur);
  json["gap"] = schedule.day.eur > 0 ? rounded((schedule.day.eur - schedule.bound_eur) / schedule.day.eur) : 0.0;
  json["move_penalty_eur"] = snapshot.policy.move_penalty.value();
  json["peak_all_day"] = day_cost_json(schedule.peak_all_day);
  json["kept_all_day"] = day_cost_json(schedule.kept_all_day);
  json["ignoring_moves"] = day_cost_json(schedule.ignoring_moves);
  Json::Array periods;
  for (const PlannedPeriod& planned : schedule.periods) {
    Json::Object period = hours_json(planned.period);
    period["moves"] = planned.moves;
    period["power_kw"] = rounded(planned.power_kw);
    add_brief(snapshot, planned.plan, period);
    if (plans) period["plan"] = plan_to_json(planned.plan, grid_of_hours(snapshot, planned.period), &planned.prices);
    periods.push_back(std::move(period));
  }
  json["periods"] = std::move(periods);
  return json;
}

// ---- Reading one back -----------------------------------------------------------------------------------------------

namespace {

constexpr size_t kPriceSetsMax = 64;          // of a model's fleets; a plan has a few
constexpr uint32_t kReplicasMax = 1'000'000;  // a deployment; more accelerators than any pool

class PlanReader {
 public:
  explicit PlanReader(const grid::Snapshot& snapshot) : s_(snapshot) {}

  Result<PricedPlan> read(const Json& document) {
    PricedPlan priced;
    v1::Plan& plan = priced.plan;
    plan.set_id(text(document, "plan_id", "plan"));
    plan.set_cost_eur_per_hour(number(document, "cost_eur_per_hour", "plan"));
    plan.set_bound_eur_per_hour(number(document, "bound_eur_per_hour", "plan"));
    plan.set_moves(count(document, "moves", "plan"));
    for (const Json& row : rows(document, "deployments", "plan")) read_deployment(row, plan.add_deployments());
    for (const Json& row : rows(document, "demands", "plan")) read_demand(row, plan.add_demands());
    read_prices(document["prices"], &priced.prices);
    if (!fault_.empty()) return fail(ErrorCode::invalid_argument, fault_);
    return priced;
  }

 private:
  void say(std::string_view where, std::string_view key, std::string_view wanted) {
    if (fault_.empty()) fault_ = fmt::format("{}: '{}' must be {}", where, key, wanted);
  }
  std::string text(const Json& from, std::string_view key, std::string_view where) {
    if (!from[key].is_string()) say(where, key, "a text");
    return std::string(from[key].text());
  }
  double number(const Json& from, std::string_view key, std::string_view where) {
    if (!from[key].is_number()) say(where, key, "a number");
    return from[key].number();
  }
  uint32_t count(const Json& from, std::string_view key, std::string_view where) {
    const int64_t value = from[key].integer(-1);
    if (value < 0 || value > kReplicasMax) say(where, key, "a whole number up to 1,000,000");
    return static_cast<uint32_t>(std::clamp<int64_t>(value, 0, kReplicasMax));
  }
  const Json::Array& rows(const Json& from, std::string_view key, std::string_view where) {
    if (!from[key].is_array()) say(where, key, "a list");
    return from[key].array();
  }

  void read_deployment(const Json& from, v1::PlannedDeployment* to) {
    to->set_id(text(from, "id", "deployment"));
    to->set_pool(text(from, "pool", to->id()));
    to->set_model(text(from, "model", to->id()));
    to->set_profile(text(from, "profile", to->id()));
    to->set_tensor_parallel(count(from, "tensor_parallel", to->id()));
    to->set_replicas(count(from, "replicas", to->id()));
    to->set_batch(count(from, "batch", to->id()));
  }

  void read_demand(const Json& from, v1::DemandPlan* to) {
    to->set_demand(text(from, "id", "demand"));
    to->set_rejected(number(from, "rejected", to->demand()));
    to->set_blocked_by(text(from, "blocked_by", to->demand()));
    for (const Json& row : rows(from, "splits", to->demand())) {
      v1::PlannedSplit* split = to->add_splits();
      split->set_deployment(text(row, "deployment", to->demand()));
      split->set_fraction(number(row, "fraction", to->demand()));
      if (!row["primary"].is_null()) read_way(row, "primary", to->demand(), split->mutable_primary());
      if (!row["second"].is_null()) read_way(row, "second", to->demand(), split->mutable_second());
    }
  }

  void read_way(const Json& from, std::string_view key, std::string_view where, v1::PlannedWay* to) {
    for (const Json& link : rows(from, key, where)) {
      if (!link.is_string()) say(where, key, "a list of links");
      to->add_links(std::string(link.text()));
    }
  }

  void read_prices(const Json& from, Prices* to) {
    const auto read_rows = [&](std::string_view key, size_t size, std::vector<double>& values,
                               const auto& position_of) {
      read_values(rows(from, key, "prices"), size, values, position_of);
    };
    const auto in = [](const auto& table) {
      return [&table](std::string_view id) {
        const auto found = table.find(id);
        return found.valid() ? size_t{found.value} : SIZE_MAX;
      };
    };
    read_rows("demands", s_.demands.size(), to->demand, in(s_.demands));
    read_rows("pools", s_.pools.size(), to->pool, in(s_.pools));
    read_rows("sites", s_.sites.size(), to->site, in(s_.sites));
    read_rows("links", 2 * s_.links.size(), to->arc, [&](std::string_view id) {
      const bool reverse = id.ends_with(kReverse);
      if (reverse) id.remove_suffix(std::string_view(kReverse).size());
      const auto found = s_.links.find(id);
      return found.valid() ? 2 * size_t{found.value} + reverse : SIZE_MAX;
    });
    if (from["fleets"].is_null()) return;
    for (const Json& row : rows(from, "fleets", "prices")) read_fleets(row, to);
  }

  template <class PositionOf>
  void read_values(const Json::Array& from, size_t size, std::vector<double>& values, const PositionOf& position_of) {
    values.assign(size, 0);
    for (const Json& row : from) {
      const std::string id = text(row, "id", "prices");
      const double eur = number(row, "eur_per_hour", id);
      if (const size_t at = position_of(id); at < size)
        values[at] = eur;
      else
        say("prices", id, "of this grid");
    }
  }

  void read_fleets(const Json& from, Prices* to) {
    const std::string id = text(from, "model", "fleets");
    const auto model = s_.models.find(id);
    if (!model.valid()) return say("fleets", id, "a model of this grid");
    if (!to->fleets.empty() && to->fleets.back().model >= model.value) return say("fleets", id, "after the one before");
    Prices::Fleets& fleets = to->fleets.emplace_back();
    fleets.model = model.value;
    fleets.eur_per_hour = number(from, "eur_per_hour", id);
    const std::vector<uint32_t> demands = demands_of(s_, model.value);
    const Json::Array& sets = rows(from, "prices", id);
    if (sets.size() > kPriceSetsMax) return say(id, "prices", "at most 64");
    for (const Json& set : sets) {
      if (!set.is_array()) return say(id, "prices", "lists");
      read_values(set.array(), demands.size(), fleets.demand.emplace_back(), [&](std::string_view demand) {
        const auto found = s_.demands.find(demand);
        const auto at = std::ranges::lower_bound(demands, found.valid() ? found.value : UINT32_MAX);
        return at != demands.end() && *at == found.value ? static_cast<size_t>(at - demands.begin()) : SIZE_MAX;
      });
    }
  }

  const grid::Snapshot& s_;
  std::string fault_;
};

}  // namespace

Result<PricedPlan> plan_from_json(const Json& document, const grid::Snapshot& snapshot) {
  return PlanReader(snapshot).read(document);
}

CheckedPlan check_plan(const grid::Snapshot& snapshot, const PricedPlan& priced) {
  const v1::Plan& plan = priced.plan;
  constexpr double kTolerance = 1e-5;  // relative: the document has six digits
  CheckedPlan checked{cost_of(snapshot, plan), proven_bound(snapshot, priced.prices), violations(snapshot, plan)};
  if (!(std::abs(checked.cost_eur_per_hour - plan.cost_eur_per_hour()) <=
        kTolerance * std::max(1.0, checked.cost_eur_per_hour)))
    checked.faults.push_back(fmt::format("it says that it costs {} €/h, its rows cost {}", plan.cost_eur_per_hour(),
                                         checked.cost_eur_per_hour));
  if (!(plan.bound_eur_per_hour() <= checked.bound_eur_per_hour * (1 + 1e-7) + 1e-9))
    checked.faults.push_back(fmt::format("it says that no plan costs less than {} €/h, its prices prove {}",
                                         plan.bound_eur_per_hour(), checked.bound_eur_per_hour));
  return checked;
}

Result<CheckedPlan> check_schedule(const Json& document, const grid::Snapshot& snapshot) {
  const Json::Array& rows = document["periods"].array();
  if (rows.empty() || rows.size() > kPeriodsMax)
    return fail(ErrorCode::invalid_argument, fmt::format("schedule: 'periods' must be a list of 1 to {}", kPeriodsMax));
  CheckedPlan day;
  std::vector<v1::Plan> plans;
  int64_t hours_before = 0;
  for (const Json& row : rows) {
    const int64_t from = row["from_hour"].integer(-1), hours = row["hours"].integer(-1);
    if (from < 0 || from >= int64_t{kPeriodsMax} || hours < 1 || hours > int64_t{kPeriodsMax})
      return fail(ErrorCode::invalid_argument, "schedule: 'from_hour' must be 0 to 23, and 'hours' 1 to 24");
    if (!plans.empty() && from != (rows[0]["from_hour"].integer() + hours_before) % kPeriodsMax)
      day.faults.push_back(fmt::format("the period from {} h does not follow the one before it", from));
    hours_before += hours;
    const DayPeriod period{static_cast<uint32_t>(from), static_cast<uint32_t>(hours)};
    const grid::Snapshot grid = grid_of_hours(snapshot, period);
    TANDEM_ASSIGN(const PricedPlan priced, plan_from_json(row["plan"], grid));
    const CheckedPlan checked = check_plan(grid, priced);
    for (const std::string& fault : checked.faults) day.faults.push_back(fmt::format("from {} h: {}", from, fault));
    if (priced.plan.moves() > 0)
      day.faults.push_back(fmt::format("from {} h: its plan counts moves, which the day counts", from));
    day.cost_eur_per_hour += static_cast<double>(hours) * checked.cost_eur_per_hour;
    day.bound_eur_per_hour += static_cast<double>(hours) * checked.bound_eur_per_hour;
    plans.push_back(priced.plan);
  }
  if (hours_before != int64_t{kPeriodsMax})
    day.faults.push_back(fmt::format("its periods have {} hours together", hours_before));
  uint64_t moves = 0;
  for (size_t p = 0; p < plans.size() && plans.size() > 1; ++p)
    moves += moves_between(plans[(p + plans.size() - 1) % plans.size()], plans[p]);
  day.cost_eur_per_hour += static_cast<double>(moves) * snapshot.policy.move_penalty.value();
  const double said = document["cost_eur_per_day"].number(), bound = document["bound_eur_per_day"].number();
  if (!(std::abs(said - day.cost_eur_per_hour) <= 1e-5 * std::max(1.0, day.cost_eur_per_hour)))
    day.faults.push_back(
        fmt::format("it says that the day costs {} €, its plans and moves cost {}", said, day.cost_eur_per_hour));
  if (!(bound <= day.bound_eur_per_hour * (1 + 1e-7) + 1e-9))
    day.faults.push_back(fmt::format("it says that no such day costs less than {} €, its prices prove {}", bound,
                                     day.bound_eur_per_hour));
  day.cost_eur_per_hour /= kPeriodsMax;
  day.bound_eur_per_hour /= kPeriodsMax;
  return day;
}

}  // namespace tandem::planner
