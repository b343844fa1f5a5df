// The routing table: what the gateway needs of a snapshot and a plan, and nothing else.
#include <algorithm>
#include <charconv>
#include <map>

#include "planner/planner.h"
#include "planner/problem.h"

namespace tandem::planner {
namespace {

// "http://host:port/base", with [v6] addresses; a trailing "/" or "/v1" is dropped, because requests bring "/v1/…".
// Nothing when it is not such a URL.
std::optional<EngineEndpoint> parse_engine_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  EngineEndpoint endpoint;
  const size_t slash = std::min(url.find('/'), url.size());
  std::string_view authority = url.substr(0, slash), path = url.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.ends_with("/v1")) path.remove_suffix(3);
  endpoint.base_path = path;
  endpoint.port = 80;
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return std::nullopt;
  if (const size_t colon = authority.find(':', bracket); colon != std::string_view::npos) {
    const std::string_view port = authority.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size() || endpoint.port == 0) return std::nullopt;
    authority = authority.substr(0, colon);
  }
  if (bracket > 0) authority = authority.substr(1, bracket - 1);
  endpoint.host = authority;
  if (endpoint.host.empty()) return std::nullopt;
  return endpoint;
}

// A grid file's fallbacks end; those that facts have made may not, and then the model that closes a circle has none.
void cut_circles(std::vector<routing::ModelTraits>& models) {
  for (routing::ModelTraits& model : models) {
    size_t steps = 0;
    for (auto next = model.fallback; next && model.fallback; next = models[*next].fallback)
      if (&models[*next] == &model || ++steps > models.size()) model.fallback.reset();
  }
}

void add_names(const grid::Snapshot& s, const TableOptions& options, routing::TableRows& rows) {
  rows.jurisdictions = s.jurisdictions;
  for (const grid::Site& site : s.sites) rows.sites.push_back(site.id);
  for (const grid::Region& region : s.regions) {
    for (const grid::Prefix& prefix : region.prefixes)
      rows.prefixes.push_back({prefix, static_cast<uint32_t>(rows.regions.size())});
    rows.regions.push_back(region.id);
  }
  for (const grid::Model& model : s.models) {
    const uint32_t position = static_cast<uint32_t>(rows.models.size());
    rows.model_names.emplace_back(model.id, position);
    for (const std::string& alias : model.aliases) rows.model_names.emplace_back(alias, position);
    rows.models.push_back(model.id);
    if (options.model_known_at) rows.models_known_at.push_back(options.model_known_at(model.id));
    routing::ModelTraits traits{.fallback = {}, .context_tokens = model.context_tokens};
    if (const grid::ModelIndex fallback = s.models.find(model.fallback); fallback.valid())
      traits.fallback = fallback.value;
    rows.model_traits.push_back(traits);
  }
  cut_circles(rows.model_traits);
  for (const grid::Tenant& tenant : s.tenants) {
    const uint32_t position = static_cast<uint32_t>(rows.tenants.size());
    for (const grid::ApiKey& key : tenant.keys) rows.keys.push_back({key.sha256, position, key.loopback_only});
    std::vector<uint32_t> models;
    for (const grid::ModelIndex model : tenant.models) models.push_back(model.value);
    std::sort(models.begin(), models.end());
    rows.tenants.push_back({tenant.id, tenant.residency, tenant.promise, std::move(models), tenant.priority,
                            tenant.weight, tenant.limits, tenant.fallbacks, tenant.hedge_quantile});
  }
  for (const grid::Trial& trial : s.trials)
    if (trial.share_fraction > 0 && rows.trials.size() < grid::kTrialsMax)
      rows.trials.push_back(
          {trial.id, trial.mode, trial.model.value, trial.to_model.valid() ? trial.to_model.value : trial.model.value,
           trial.to_site.valid() ? std::optional(trial.to_site.value) : std::nullopt, trial.share_fraction});
}

// The shortest time per token that the plan says any of its demands has of each deployment. Those of short answers have
// a longer one at the same quantile; taken for all, it would keep out demands that the plan has judged by their own.
std::map<std::string_view, double> planned_tpot(const v1::Plan& plan) {
  std::map<std::string_view, double> tpot;
  for (const v1::DemandPlan& demand : plan.demands())
    for (const v1::PlannedSplit& split : demand.splits()) {
      const auto [entry, fresh] = tpot.try_emplace(split.deployment(), split.tpot_ms());
      if (!fresh) entry->second = std::min(entry->second, split.tpot_ms());
    }
  return tpot;
}

// What a deployment was planned for: its requests, and the strictest of each kind of promise on them.
struct Planned {
  twin::Mix mix;
  std::map<std::tuple<double, double, double, double, double>, twin::Asked> asked;
};

void add_targets(const grid::Snapshot& s, const v1::Plan& plan, const TableOptions& options, routing::TableRows& rows,
                 std::map<std::string_view, uint32_t>& positions) {
  const auto tpot = planned_tpot(plan);
  for (const v1::PlannedDeployment& row : plan.deployments()) {
    const auto pool_index = s.pools.find(row.pool());
    const auto model = s.models.find(row.model());
    const auto profile_index = s.profiles.find(row.profile());
    if (!pool_index.valid() || !model.valid() || !profile_index.valid()) continue;
    const grid::Pool& pool = s.pools[pool_index];
    const grid::Site& site = s.sites[pool.site];
    const grid::Profile& profile = s.profiles[profile_index];
    routing::Target target;
    target.deployment = row.id();
    target.site = site.id;
    target.pool = pool.id;
    target.site_position = pool.site.value;
    target.model = model.value;
    target.jurisdiction = s.jurisdiction_of(pool.site);
    std::optional<EngineEndpoint> engine = options.emulator;
    if (pool.engine_url.empty())
      engine->base_path += "/pools/" + pool.id;
    else
      engine = parse_engine_url(pool.engine_url);
    target.up = site.state == grid::State::up && s.usable(pool.node) && engine.has_value();
    if (engine) {
      target.host = engine->host;
      target.port = engine->port;
      target.base_path = engine->base_path;
    }
    target.emulated = pool.engine_url.empty();
    target.replicas = row.replicas();
    target.concurrency_max = row.replicas() * row.batch();
    target.prefill_tokens_per_s = profile.prefill_tokens_per_s;
    target.prefill_overhead = profile.prefill_overhead;
    const auto stretched = tpot.find(row.id());
    target.tpot = Milliseconds(stretched == tpot.end() ? row.decode_ms_per_token() : stretched->second);
    // A replica-second costs this much per second of work it does; below a tenth of its capacity a standby's price
    // would say nothing about one request.
    const double busy = row.replicas() * std::max(0.1, row.utilization());
    const double eur_per_work_s = busy > 0 ? row.cost_eur_per_hour() / 3600 / busy : 0;
    const double watts_per_work = busy > 0 ? row.power_w() * site.pue / busy : 0;
    const double decode_s = row.batch() > 0 ? row.decode_ms_per_token() * 1e-3 / row.batch() : 0;
    target.euros_per_prompt_token = eur_per_work_s / profile.prefill_tokens_per_s;
    target.euros_per_output_token = eur_per_work_s * decode_s;
    target.joules_per_output_token = watts_per_work * decode_s;
    target.joules_per_prompt_token = watts_per_work / profile.prefill_tokens_per_s;
    target.carbon_g_per_joule = site.carbon.value() / 3.6e6;
    const double kv_bytes_per_token = s.models[model].kv_bytes_per_token;
    if (kv_bytes_per_token > 0)
      target.kv_tokens = row.replicas() * profile.kv_memory.value() * 1e9 / kv_bytes_per_token;
    positions[row.id()] = static_cast<uint32_t>(rows.targets.size());
    rows.targets.push_back(std::move(target));
  }
}

// A site's traffic meets the network at the nodes of its pools (of its first node when it has none); where there are
// several, the leg takes the worst of those that can be reached.
std::vector<std::vector<grid::NodeIndex>> nodes_of_sites(const grid::Snapshot& s) {
  std::vector<std::vector<grid::NodeIndex>> nodes(s.sites.size());
  for (const grid::Pool& pool : s.pools) {
    auto& of_site = nodes[pool.site.value];
    if (std::find(of_site.begin(), of_site.end(), pool.node) == of_site.end()) of_site.push_back(pool.node);
  }
  for (size_t i = 0; i < s.nodes.size(); ++i)
    if (auto& of_site = nodes[s.nodes[i].site.value]; of_site.empty()) of_site.emplace_back(i);
  return nodes;
}

// Whose paths the table knows: the IGP's first, then those of each flex algorithm that is asked for, ascending.
std::vector<grid::FlexAlgoIndex> paths_in_use(const grid::Snapshot& s) {
  std::vector<grid::FlexAlgoIndex> paths(1);
  std::vector<uint8_t> asked(s.flex_algos.size(), 0);
  for (const grid::Tenant& tenant : s.tenants)
    if (tenant.flex_algo.valid()) asked[tenant.flex_algo.value] = 1;
  for (const grid::Demand& demand : s.demands)
    if (demand.flex_algo.valid()) asked[demand.flex_algo.value] = 1;
  for (size_t i = 0; i < asked.size(); ++i)
    if (asked[i] != 0) paths.emplace_back(i);
  return paths;
}

uint32_t position_of(const std::vector<grid::FlexAlgoIndex>& paths, grid::FlexAlgoIndex algo) {
  return static_cast<uint32_t>(std::find(paths.begin(), paths.end(), algo) - paths.begin());
}

void add_legs(const grid::Snapshot& s, const std::vector<grid::FlexAlgoIndex>& paths, routing::TableRows& rows) {
  const auto nodes = nodes_of_sites(s);
  rows.paths = static_cast<uint32_t>(paths.size());
  for (const grid::FlexAlgoIndex algo : paths) {
    const auto network = twin::make_network(s, algo);
    for (size_t r = 0; r < s.regions.size(); ++r) {
      const twin::RegionReach reach = twin::reach_from(s, network, grid::RegionIndex(r));
      for (size_t i = 0; i < s.sites.size(); ++i) {
        routing::Leg& leg = rows.legs.emplace_back();
        for (const grid::NodeIndex node : nodes[i]) {
          if (!reach.reachable(node)) continue;
          leg.reachable = true;
          leg.round_trip = std::max(leg.round_trip, twin::round_trip(reach, node));
          leg.jurisdictions = leg.jurisdictions | reach.tree->jurisdictions(node);
          leg.euros_per_byte = std::max(leg.euros_per_byte, reach.tree->euros_per_byte(node));
        }
      }
    }
  }
  for (size_t t = 0; t < s.tenants.size(); ++t) rows.tenants[t].paths = position_of(paths, s.tenants[t].flex_algo);
}

// How much each target may hold at once before what was planned for it breaks.
void add_promised(const grid::Snapshot& s, const v1::Plan& plan, const std::map<std::string_view, uint32_t>& positions,
                  const std::vector<grid::FlexAlgoIndex>& paths, routing::TableRows& rows) {
  std::vector<Planned> planned(rows.targets.size());
  std::vector<const grid::Profile*> profiles(rows.targets.size());
  std::vector<uint32_t> batch(rows.targets.size());
  for (const v1::PlannedDeployment& row : plan.deployments())
    if (const auto at = positions.find(row.id()); at != positions.end()) {
      profiles[at->second] = &s.profiles[s.profiles.find(row.profile())];
      batch[at->second] = row.batch();
    }
  for (const v1::DemandPlan& row : plan.demands()) {
    const auto index = s.demands.find(row.demand());
    if (!index.valid()) continue;
    const grid::Demand& demand = s.demands[index];
    for (const v1::PlannedSplit& split : row.splits()) {
      const auto at = positions.find(split.deployment());
      if (at == positions.end()) continue;
      const routing::Target& target = rows.targets[at->second];
      const size_t from = size_t{position_of(paths, demand.flex_algo)} * s.regions.size() + demand.region.value;
      const routing::Leg& leg = rows.legs[from * s.sites.size() + target.site_position];
      const twin::RequestSizes sizes = twin::sizes_of(*profiles[at->second], demand);
      const double ttft_ms = demand.promise.ttft.value() - leg.round_trip.value() * 1e-3;
      Planned& of = planned[at->second];
      of.mix.add(sizes, demand.rate_per_s * split.fraction());
      const twin::Asked asked{sizes, ttft_ms, demand.promise.tpot.value(), demand.promise.quantile};
      const auto [entry, fresh] = of.asked.try_emplace(
          {sizes.prefill_ms, sizes.prefill_variance, sizes.inverse_output, asked.tpot_ms, asked.quantile}, asked);
      if (!fresh) entry->second.ttft_ms = std::min(entry->second.ttft_ms, ttft_ms);
    }
  }
  for (size_t t = 0; t < planned.size(); ++t) {
    const auto& points = profiles[t]->points;
    const auto point = std::ranges::find(points, batch[t], &grid::OperatingPoint::batch);
    if (point == points.end()) continue;
    std::vector<twin::Asked> asked;
    for (const auto& [kind, strictest] : planned[t].asked) asked.push_back(strictest);
    rows.targets[t].in_flight_kept =
        twin::in_flight_kept(*profiles[t], *point, rows.targets[t].replicas, planned[t].mix, asked);
  }
}

// Demands of one tenant, region and model are one row, their shares weighted by their rates.
void add_splits(const grid::Snapshot& s, const v1::Plan& plan, const std::map<std::string_view, uint32_t>& positions,
                const std::vector<grid::FlexAlgoIndex>& paths, routing::TableRows& rows) {
  struct Sum {
    std::map<uint32_t, double> rate_by_target;
    double rate = 0;
    double rate_turned_away = 0;
    grid::Promise promise;
    grid::FlexAlgoIndex flex_algo;
  };
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, Sum> sums;
  for (const v1::DemandPlan& planned : plan.demands()) {
    const auto index = s.demands.find(planned.demand());
    if (!index.valid()) continue;
    const grid::Demand& demand = s.demands[index];
    Sum& sum = sums[{demand.tenant.value, demand.region.value, demand.model.value}];
    if (sum.rate == 0 && sum.rate_by_target.empty()) {
      sum.promise = demand.promise;
      sum.flex_algo = demand.flex_algo;
    }
    sum.promise.ttft = std::min(sum.promise.ttft, demand.promise.ttft);
    sum.promise.tpot = std::min(sum.promise.tpot, demand.promise.tpot);
    sum.promise.quantile = std::max(sum.promise.quantile, demand.promise.quantile);
    const double rate = std::max(demand.rate_per_s, 1e-9);  // a demand without traffic yet still has its shares
    sum.rate += rate;
    sum.rate_turned_away += rate * planned.rejected();
    for (const v1::PlannedSplit& split : planned.splits())
      if (const auto target = positions.find(split.deployment()); target != positions.end())
        sum.rate_by_target[target->second] += rate * split.fraction();
  }
  for (const auto& [key, sum] : sums) {
    routing::TableRows::DemandSplit row;
    std::tie(row.tenant, row.region, row.model) = key;
    row.promise = sum.promise;
    row.paths = position_of(paths, sum.flex_algo);
    row.turned_away = std::clamp(sum.rate_turned_away / sum.rate, 0.0, 1.0);
    for (const auto& [target, rate] : sum.rate_by_target)  // a sum of shares may round to a little more than all
      row.splits.push_back({target, std::min(1.0, rate / sum.rate)});
    rows.demand_splits.push_back(std::move(row));
  }
}

}  // namespace

std::shared_ptr<const routing::RoutingTable> make_routing_table(const grid::Snapshot& snapshot, const v1::Plan& plan,
                                                                const TableOptions& options) {
  routing::TableRows rows;
  rows.offset = options.offset;
  rows.plan_id = plan.id();
  rows.published_at = options.published_at;
  rows.valid_until = options.valid_until;
  rows.admission_by_plan = snapshot.policy.admission_by_plan;
  add_names(snapshot, options, rows);
  std::map<std::string_view, uint32_t> positions;
  add_targets(snapshot, plan, options, rows, positions);
  const std::vector<grid::FlexAlgoIndex> paths = paths_in_use(snapshot);
  add_legs(snapshot, paths, rows);
  add_promised(snapshot, plan, positions, paths, rows);
  add_splits(snapshot, plan, positions, paths, rows);
  return std::make_shared<const routing::RoutingTable>(std::move(rows));
}

}  // namespace tandem::planner
