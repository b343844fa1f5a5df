#include "generate/generate.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/digest.h"
#include "generate/business.h"
#include "generate/days.h"

namespace tandem::generate {
namespace {

// Everything that was made, as entities.
class EntityWriter {
 public:
  EntityWriter(const World& world, const Business& business) : world_(world), business_(business) {}

  std::vector<grid::Entity> write(const Options& options) {
    add("grid", "grid",
        {{"name", fmt::format("Generated grid of {} sites, seed {}", options.sites, options.seed)},
         {"simulated", true}});
    add_sites();
    add_fibre();
    add_regions();
    add_compute();
    add_business();
    return std::move(entities_);
  }

 private:
  void add(std::string_view kind, std::string id, Json::Object attributes) {
    entities_.push_back({std::string(kind), std::move(id), std::move(attributes)});
  }

  struct TierPower {
    double eur_per_kwh, carbon_g, pue;
    size_t feeds;
  };
  static TierPower power_of(const LandSite& site) {
    switch (site.tier) {
      case grid::Tier::core: return {0.19, 360, 1.25, 2};
      case grid::Tier::near_edge: return {0.24, 360, 1.45, 1};
      case grid::Tier::cloud:
        return site.id == "cloud-1" ? TierPower{0.13, 280, 1.15, 2} : TierPower{0.065, 340, 1.12, 2};
      default: return {0.29, 360, 1.7, 1};
    }
  }

  void add_sites() {
    for (size_t i = 0; i < world_.land.sites.size(); ++i) {
      const LandSite& site = world_.land.sites[i];
      const TierPower power = power_of(site);
      Json::Array feeds;
      for (size_t k = 0; k < power.feeds; ++k) feeds.push_back(fmt::format("{}-feed-{}", site.id, k == 0 ? 'a' : 'b'));
      const double kilowatts = world_.equipment.power_limit_kw[i];
      add("site", site.id,
          {{"name", site.name},
           {"tier", grid::to_string(site.tier)},
           {"latitude_deg", site.place.latitude.value()},
           {"longitude_deg", site.place.longitude.value()},
           {"jurisdiction", site.jurisdiction},
           {"power_limit_kw", kilowatts},
           {"power_feeds", std::move(feeds)},
           {"power_price_eur_per_kwh", power.eur_per_kwh},
           {"carbon_g_per_kwh", site.jurisdiction == kNeighbour ? 110.0 : power.carbon_g},
           {"pue", power.pue},
           {"cooling_limit_kw", rounded_by(kilowatts * 1.1, 0.1)},
           {"model_store", site.tier == grid::Tier::core}});
    }
  }

  void add_fibre() {
    for (const FibreNode& node : world_.fibre.nodes)
      add("node", node.id, {{"site", world_.land.sites[node.site].id}, {"role", node.role}});
    for (const Duct& duct : world_.fibre.ducts) add("shared_risk_group", duct.id, {{"name", duct.name}});
    for (const FibreLink& link : world_.fibre.links) {
      Json::Object attributes{{"a", world_.fibre.nodes[link.a].id},
                              {"b", world_.fibre.nodes[link.b].id},
                              {"capacity_gbps", link.capacity_gbps},
                              {"length_km", link.km},
                              {"igp_metric", link.metric}};
      if (link.eur_per_gb > 0) attributes["cost_eur_per_gb"] = link.eur_per_gb;
      Json::Array ducts;
      for (const size_t duct : link.ducts) ducts.push_back(world_.fibre.ducts[duct].id);
      if (!ducts.empty()) attributes["shared_risk_groups"] = std::move(ducts);
      add("link", link.id, std::move(attributes));
    }
    for (const EverydayTraffic& traffic : world_.fibre.traffic) {
      const std::string &from = world_.fibre.nodes[traffic.from].id, &to = world_.fibre.nodes[traffic.to].id;
      add("traffic", fmt::format("everyday-{}-{}", from, to),
          {{"from", from}, {"to", to}, {"rate_gbps", traffic.gbps}});
    }
  }

  // The first one also has the loopback addresses, so that a client on this machine is somewhere.
  void add_regions() {
    size_t position = 0;
    for (const EquippedRegion& region : world_.equipment.regions) {
      Json::Array prefixes{fmt::format("10.{}.{}.0/24", position / 256, position % 256),
                           fmt::format("2001:db8:{:x}::/48", position)};
      if (position++ == 0) {
        prefixes.push_back("127.0.0.0/8");
        prefixes.push_back("::1/128");
      }
      Json::Array anchors;
      for (const RegionAnchor& anchor : region.anchors)
        anchors.push_back(Json::Object{{"node", world_.fibre.nodes[anchor.node].id},
                                       {"access_delay_us", anchor.access_us},
                                       {"backhaul_delay_us", anchor.backhaul_us}});
      add("region", region.id,
          {{"name", region.name},
           {"latitude_deg", region.place.latitude.value()},
           {"longitude_deg", region.place.longitude.value()},
           {"population", region.population},
           {"prefixes", std::move(prefixes)},
           {"anchors", std::move(anchors)}});
    }
  }

  void add_compute() {
    for (size_t i = 0; i < kAcceleratorTypes; ++i) {
      const AcceleratorType& type = accelerator_type(i);
      add("accelerator", type.id,
          {{"name", type.name},
           {"memory_gb", type.memory_gb},
           {"idle_power_w", type.idle_w},
           {"peak_power_w", type.peak_w},
           {"price_eur_per_hour", type.eur_per_hour}});
    }
    for (const EquippedPool& pool : world_.equipment.pools) {
      Json::Object attributes{{"site", world_.land.sites[pool.site].id},
                              {"node", world_.fibre.nodes[world_.fibre.router[pool.site]].id},
                              {"accelerator", accelerator_type(pool.accelerator).id},
                              {"count", int64_t{pool.count}}};
      if (pool.reserve > 0)
        attributes["radio_reserve"] =
            Json::Array{Json::Object{{"from_hour", 17.0}, {"to_hour", 22.0}, {"accelerators", int64_t{pool.reserve}}}};
      add("pool", pool.id, std::move(attributes));
    }
    for (const CatalogueModel& model : world_.catalogue.models)
      add("model", model.id,
          {{"name", model.name},
           {"parameters_billion", model.parameters_billion},
           {"weights_gb", model.weights_gb()},
           {"kv_bytes_per_token", model.kv_bytes_per_token},
           {"context_tokens", static_cast<int64_t>(model.context_tokens)}});
    for (const CatalogueProfile& profile : world_.catalogue.profiles) add_profile(profile);
  }

  void add_profile(const CatalogueProfile& profile) {
    Json::Array points;
    for (const CataloguePoint& point : profile.points)
      points.push_back(Json::Object{
          {"batch", int64_t{point.batch}}, {"decode_ms_per_token", point.decode_ms}, {"power_w", point.power_w}});
    add("profile", profile.id,
        {{"model", world_.catalogue.models[profile.model].id},
         {"accelerator", accelerator_type(profile.accelerator).id},
         {"tensor_parallel", int64_t{profile.tensor_parallel}},
         {"prefill_tokens_per_s", profile.prefill_tokens_per_s},
         {"prefill_overhead_ms", profile.prefill_overhead_ms},
         {"kv_memory_gb", profile.kv_memory_gb},
         {"points", std::move(points)},
         {"source", "roofline estimate: docs/IMPORT.md"}});
  }

  // A key is "sk-<tenant>-example", good from this machine only.
  void add_business() {
    for (const BusinessTenant& tenant : business_.tenants) {
      Json::Array models, residency;
      for (const size_t model : tenant.models) models.push_back(world_.catalogue.models[model].id);
      for (const std::string& code : tenant.residency) residency.push_back(code);
      Json::Object attributes{
          {"name", tenant.name},
          {"keys", Json::Array{Json::Object{{"sha256", to_hex(sha256("sk-" + tenant.id + "-example"))},
                                            {"loopback_only", true}}}},
          {"data_class", tenant.data_class},
          {"models", std::move(models)},
          {"ttft_ms", tenant.promise.ttft},
          {"tpot_ms", tenant.promise.tpot},
          {"quantile", tenant.quantile},
          {"priority", tenant.priority}};
      if (!residency.empty()) attributes["residency"] = std::move(residency);
      add("tenant", tenant.id, std::move(attributes));
    }
    for (const BusinessDemand& demand : business_.demands) {
      const BusinessTenant& tenant = business_.tenants[demand.tenant];
      const std::string &region = world_.equipment.regions[demand.region].id,
                        &model = world_.catalogue.models[demand.model].id;
      Json::Object attributes{{"tenant", tenant.id},
                              {"region", region},
                              {"model", model},
                              {"rate_per_s", demand.rate_per_s},
                              {"prompt_tokens", tenant.prompt_tokens},
                              {"output_tokens", tenant.output_tokens}};
      if (tenant.prefix_hit > 0) attributes["prefix_hit"] = tenant.prefix_hit;
      if (tenant.upload_bytes > 0) attributes["upload_bytes"] = tenant.upload_bytes;
      if (demand.promise.ttft != tenant.promise.ttft) attributes["ttft_ms"] = demand.promise.ttft;
      if (demand.promise.tpot != tenant.promise.tpot) attributes["tpot_ms"] = demand.promise.tpot;
      add("demand", fmt::format("{}-{}-{}", tenant.id, region, model), std::move(attributes));
    }
  }

  const World& world_;
  const Business& business_;
  std::vector<grid::Entity> entities_;
};

Result<void> check_options(const Options& options) {
  const auto outside = [](std::string_view what, uint64_t value, uint64_t least, uint64_t most) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} {}: give {} to {}", value, what, least, most));
  };
  if (options.sites < 4 || options.sites > kSitesMax) return outside("sites", options.sites, 4, kSitesMax);
  if (options.demands > kDemandsMax) return outside("demands", options.demands, 0, kDemandsMax);
  if (options.models < 1 || options.models > kModelsMax) return outside("models", options.models, 1, kModelsMax);
  if (!(options.load > 0 && options.load <= 1))
    return fail(ErrorCode::invalid_argument, fmt::format("a load of {}: give more than 0, at most 1", options.load));
  return {};
}

// Canonical form. What is wrong here is wrong with the generator.
void make_canonical(std::vector<grid::Entity>& entities) {
  for (grid::Entity& entity : entities) {
    std::vector<grid::Problem> problems;
    entity.attributes = grid::check_attributes(*grid::find_kind(entity.kind), entity.attributes, problems);
    CHECK(problems.empty());
  }
}

}  // namespace

Result<std::vector<grid::Entity>> generate_grid(const Options& options) {
  TANDEM_TRY(check_options(options));
  const Land land = make_land(options.sites, options.seed);
  const Fibre fibre = make_fibre(land, options.seed);
  const Equipment equipment = make_equipment(land, fibre, options.seed);
  const Catalogue catalogue = make_catalogue(options.models, options.seed);
  const World world{land, fibre, equipment, catalogue};
  const Business business = make_business(world, options.demands, options.load, options.seed);
  std::vector<grid::Entity> entities = EntityWriter(world, business).write(options);
  if (options.days) give_days(entities);
  make_canonical(entities);
  return entities;
}

}  // namespace tandem::generate
