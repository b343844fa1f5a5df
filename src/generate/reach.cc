#include "generate/reach.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "generate/routes.h"

namespace tandem::generate {
namespace {

constexpr double kIdleShare = 0.7;    // of the promised time to the first token
constexpr double kTokenShare = 0.75;  // of the promised time per token: prefills of others stretch the step
constexpr double kUtilization = 0.75;

// What a full batch holds of KV cache, sizes exponential: of requests under way, outputs are twice their mean, since
// long answers stay; and two deviations of the sum.
double kv_tokens(const BusinessTenant& tenant, double batch) {
  const double mean = tenant.prompt_tokens + 2 * tenant.output_tokens;
  const double variance = tenant.prompt_tokens * tenant.prompt_tokens + 2 * tenant.output_tokens * tenant.output_tokens;
  return batch * mean + 2 * std::sqrt(batch * variance);
}

uint32_t residency_bits(const BusinessTenant& tenant) {
  uint32_t bits = tenant.residency.empty() ? UINT32_MAX : 0;
  for (const std::string& code : tenant.residency) bits |= static_cast<uint32_t>(bit_of(code));
  return bits;
}

}  // namespace

Reach::Reach(const World& world) : world_(world) {
  const Routes routes(world.land, world.fibre);
  for (const EquippedPool& pool : world.equipment.pools) {
    const double peak_kw = accelerator_type(pool.accelerator).peak_w * 1e-3;
    const double fed = world.equipment.power_limit_kw[pool.site] / peak_kw - pool.reserve;
    accelerators_.push_back(std::max(0.0, std::min<double>(pool.spare(), std::floor(fed))));
    site_bit_.push_back(static_cast<uint32_t>(bit_of(world.land.sites[pool.site].jurisdiction)));
  }
  std::map<size_t, size_t> rows;
  for (const EquippedRegion& region : world.equipment.regions) {
    const auto [row, fresh] = rows.try_emplace(region.anchors[0].node, legs_.size());
    anchor_row_.push_back(row->second);
    if (!fresh) continue;
    const Routes::Tree tree = routes.tree_from(region.anchors[0].node);
    std::vector<Leg> legs;
    for (const EquippedPool& pool : world.equipment.pools) {
      const size_t node = world.fibre.router[pool.site];
      if (std::isinf(tree.metric[node]))
        legs.push_back({});
      else
        legs.push_back({static_cast<float>(2 * tree.km[node] * kMicrosecondsPerKm * 1e-3),
                        static_cast<uint32_t>(tree.jurisdictions[node])});
    }
    legs_.push_back(std::move(legs));
  }
}

std::vector<WayToServe> Reach::ways(const BusinessTenant& tenant, size_t region, size_t model,
                                    PromiseMs promise) const {
  const uint32_t allowed = residency_bits(tenant);
  // What a request takes and how soon its first token comes, by accelerator: the same in every pool of it.
  struct OnType {
    double accelerator_s = INFINITY, first_token_ms = 0;
    uint32_t tensor_parallel = 1;
  };
  std::vector<OnType> on_type(kAcceleratorTypes);
  const CatalogueModel& shape = world_.catalogue.models[model];
  for (size_t type = 0; type < kAcceleratorTypes; ++type) {
    const CatalogueProfile* profile = world_.catalogue.of_model[model][type];
    if (profile == nullptr) continue;
    OnType& on = on_type[type];
    on.tensor_parallel = profile->tensor_parallel;
    const double prompt_ms = tenant.prompt_tokens * (1 - tenant.prefix_hit) / profile->prefill_tokens_per_s * 1e3;
    const double prefill_ms = profile->prefill_overhead_ms + prompt_ms;
    // Prompts are spread as exponential ones are; each waits for half a step on average, and shares one.
    on.first_token_ms = profile->prefill_overhead_ms - std::log1p(-tenant.quantile) * prompt_ms +
                        1.5 * profile->points.front().decode_ms;
    const double held = profile->kv_memory_gb * 1e9 / shape.kv_bytes_per_token;
    for (const CataloguePoint& point : profile->points) {
      if (kv_tokens(tenant, point.batch) > held || point.decode_ms > promise.tpot * kTokenShare) continue;
      const double replica_s = prefill_ms * 1e-3 + tenant.output_tokens * point.decode_ms * 1e-3 / point.batch;
      on.accelerator_s = std::min(on.accelerator_s, replica_s * profile->tensor_parallel / kUtilization);
    }
  }
  const RegionAnchor& anchor = world_.equipment.regions[region].anchors[0];
  const double access_ms = 2 * (anchor.access_us + anchor.backhaul_us) * 1e-3;
  const std::vector<Leg>& legs = legs_[anchor_row_[region]];
  std::vector<WayToServe> ways;
  for (size_t pool = 0; pool < legs.size(); ++pool) {
    const OnType& on = on_type[world_.equipment.pools[pool].accelerator];
    if (std::isinf(on.accelerator_s) || accelerators_[pool] < on.tensor_parallel) continue;
    if (legs[pool].jurisdictions == 0 || ((legs[pool].jurisdictions | site_bit_[pool]) & ~allowed) != 0) continue;
    if (access_ms + legs[pool].round_trip_ms + on.first_token_ms > kIdleShare * promise.ttft) continue;
    ways.push_back({static_cast<uint32_t>(pool), on.accelerator_s});
  }
  return ways;
}

}  // namespace tandem::generate
