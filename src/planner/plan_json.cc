#include <cmath>
#include <map>

#include "planner/planner.h"

namespace tandem::planner {
namespace {

// Six significant digits: more would claim what no forecast knows, and diff with every compiler.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

std::string site_of_pool(const grid::Snapshot& s, std::string_view pool) {
  const auto index = s.pools.find(pool);
  return index.valid() ? s.sites[s.pools[index].site].id : std::string();
}

Json::Object deployment_json(const grid::Snapshot& s, const v1::PlannedDeployment& row) {
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
                    {"cost_eur_per_hour", rounded(row.cost_eur_per_hour())}};
  if (const auto pool = s.pools.find(row.pool()); pool.valid())
    json["accelerator"] = s.accelerators[s.pools[pool].accelerator].id;
  return json;
}

Json::Array alternatives_json(const grid::Snapshot& s, const v1::DemandPlan& planned) {
  Json::Array rows;
  for (const v1::PlannedAlternative& alternative : planned.alternatives()) {
    rows.push_back(Json::Object{{"pool", alternative.pool()},
                                {"site", site_of_pool(s, alternative.pool())},
                                {"ruled_out_by", alternative.ruled_out_by()},
                                {"detail", alternative.detail()},
                                {"ttft_ms", rounded(alternative.ttft_ms())},
                                {"cost_eur_per_hour", rounded(alternative.cost_eur_per_hour())}});
  }
  return rows;
}

Json::Object demand_json(const grid::Snapshot& s, const v1::DemandPlan& planned,
                         const std::map<std::string_view, std::string>& site_of_deployment) {
  Json::Object json{{"id", planned.demand()},
                    {"rejected", rounded(planned.rejected())},
                    {"blocked_by", planned.blocked_by()},
                    {"reason", planned.reason()},
                    {"alternatives", alternatives_json(s, planned)}};
  Json::Array splits;
  double ttft_ms = 0, tpot_ms = 0, eur = 0;
  for (const v1::PlannedSplit& split : planned.splits()) {
    const auto site = site_of_deployment.find(split.deployment());
    splits.push_back(Json::Object{{"deployment", split.deployment()},
                                  {"site", site == site_of_deployment.end() ? std::string() : site->second},
                                  {"fraction", split.fraction()},
                                  {"ttft_ms", rounded(split.ttft_ms())},
                                  {"tpot_ms", rounded(split.tpot_ms())},
                                  {"round_trip_us", rounded(split.round_trip_us())},
                                  {"cost_eur_per_hour", rounded(split.cost_eur_per_hour())}});
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
    json["rate_per_s"] = rounded(demand.rate_per_s);
    json["ttft_promise_ms"] = rounded(demand.promise.ttft.value());
    json["tpot_promise_ms"] = rounded(demand.promise.tpot.value());
    json["quantile"] = demand.promise.quantile;
  }
  return json;
}

}  // namespace

Json plan_to_json(const v1::Plan& plan, const grid::Snapshot& snapshot) {
  const double cost = plan.cost_eur_per_hour();
  Json::Object json{{"plan_id", plan.id()},
                    {"offset", plan.base_offset()},
                    {"seed", plan.seed()},
                    {"work", plan.work()},
                    {"cost_eur_per_hour", rounded(cost)},
                    {"bound_eur_per_hour", rounded(plan.bound_eur_per_hour())},
                    {"gap", cost > 0 ? rounded((cost - plan.bound_eur_per_hour()) / cost) : 0.0},
                    {"moves", plan.moves()}};
  std::map<std::string_view, std::string> site_of_deployment;
  Json::Array deployments, demands;
  for (const v1::PlannedDeployment& row : plan.deployments()) {
    deployments.push_back(deployment_json(snapshot, row));
    site_of_deployment[row.id()] = site_of_pool(snapshot, row.pool());
  }
  for (const v1::DemandPlan& planned : plan.demands()) demands.push_back(demand_json(snapshot, planned, site_of_deployment));
  json["deployments"] = std::move(deployments);
  json["demands"] = std::move(demands);
  return json;
}

}  // namespace tandem::planner
