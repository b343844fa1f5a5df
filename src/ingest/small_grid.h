// A small grid file that uses every kind and attribute, for the tests of this module.
#pragma once

#include <string_view>

namespace tandem::ingest {

inline constexpr std::string_view kSmallGrid = R"(tandem: 1
name: "Kleinnetz: a test"
simulated: true
policy: {link_headroom: 0.7, rejection_penalty_eur: 0.1, move_penalty_eur: 1, restoration: {cases: ["links:1", "srlgs:1"], link_headroom: 0.9}}
sites:
  - {id: muc, name: München, tier: core, latitude_deg: 48.14, longitude_deg: 11.58, jurisdiction: DE, power_limit_kw: 200,
     power_feeds: [north, south], power_price_eur_per_kwh: 0.22, carbon_g_per_kwh: 380, pue: 1.3, cooling_limit_kw: 250}
  - id: sbg
    name: Salzburg
    tier: near_edge
    latitude_deg: 47.8
    longitude_deg: 13.04
    jurisdiction: AT
    power_limit_kw: 20
    state: down
nodes:
  - {id: muc-r, site: muc}
  - {id: muc-upf, site: muc, role: upf, state: up}
  - {id: sbg-r, site: sbg, role: router}
shared_risk_groups:
  - {id: duct-a8, name: Along the A8}
links:
  - {id: muc-sbg, a: muc-r, b: sbg-r, capacity_gbps: 100, capacity_reverse_gbps: 40, length_km: 150, igp_metric: 15,
     cost_eur_per_gb: 0.0004, shared_risk_groups: [duct-a8]}
  - {id: muc-up, a: muc-r, b: muc-upf, capacity_gbps: 200, delay_us: 5}
regions:
  - id: oberland
    name: Oberland
    latitude_deg: 47.8
    longitude_deg: 11.5
    population: 300000
    prefixes: [10.1.0.0/16, "2001:db8:1::/48"]
    anchors:
      - {node: muc-upf, access_delay_us: 4000, backhaul_delay_us: 600}
      - {node: sbg-r, access_delay_us: 4000}
accelerators:
  - {id: l4, name: L4, memory_gb: 24, idle_power_w: 16, peak_power_w: 72, price_eur_per_hour: 0.25}
pools:
  - {id: muc-l4, site: muc, node: muc-r, accelerator: l4, count: 8, radio_reserve: [{from_hour: 17, to_hour: 1, accelerators: 2}]}
  - {id: sbg-l4, site: sbg, node: sbg-r, accelerator: l4, count: 2, engine_url: "http://127.0.0.1:9000"}
models:
  - {id: small-8b, aliases: [small, "small-8b-instruct"], version: 3.10, parameters_billion: 8, weights_gb: 8.5,
     kv_bytes_per_token: 131072, context_tokens: 8192, fallback: ""}
profiles:
  - id: small-8b-l4
    model: small-8b
    accelerator: l4
    tensor_parallel: 1
    prefill_tokens_per_s: 2500
    prefill_overhead_ms: 12
    kv_memory_gb: 12
    points:
      - {batch: 1, decode_ms_per_token: 32, power_w: 60}
      - {batch: 8, decode_ms_per_token: 40, power_w: 72}
    source: made up for tests
deployments:
  - {id: pinned, pool: muc-l4, model: small-8b, replicas: 2}
tenants:
  - {id: bank, name: Bank, keys: [{sha256: "9d5ed678fe57bcca610140957afab571e6bd59b7db1cf3dcd3bb2a26ed3a93e2", loopback_only: true}],
     residency: [DE], data_class: personal, models: [small-8b], ttft_ms: 500, tpot_ms: 50, quantile: 0.99, priority: 5, diversity: link,
     limits: {requests_per_minute: 600, tokens_per_minute: 90000, budget_eur_per_month: 250}, fallbacks: true, hedge_quantile: 0.95}
demands:
  - {id: bank-oberland, tenant: bank, region: oberland, model: small-8b, rate_per_s: 2.5, prompt_tokens: 600,
     output_tokens: 150, upload_bytes: 3000, download_bytes: 40000, prefix_hit: 0.2, ttft_ms: 800, tpot_ms: 60, quantile: 0.9, priority: 2, diversity: shared_risk}
traffic:
  - {id: bg, from: muc-upf, to: sbg-r, rate_gbps: 12}
trials:
  - {id: at-home, name: At home, mode: canary, model: small-8b, to_model: small-8b, to_site: muc, share_fraction: 0.1}
)";

}  // namespace tandem::ingest
