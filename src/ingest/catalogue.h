// What an imported network is equipped with: accelerators, models and profiles, as sections of a grid file. The figures
// are those of examples/national.yaml; docs/IMPORT.md states the rule they follow.
#pragma once

#include <string_view>

namespace tandem::ingest {

inline constexpr std::string_view kCatalogue = R"(tandem: 1
accelerators:
  - {id: l4, name: NVIDIA L4, memory_gb: 24, idle_power_w: 16, peak_power_w: 72, price_eur_per_hour: 0.114}
  - {id: l40s, name: NVIDIA L40S, memory_gb: 48, idle_power_w: 35, peak_power_w: 350, price_eur_per_hour: 0.365}
  - {id: h100-80gb, name: NVIDIA H100 SXM 80GB, memory_gb: 80, idle_power_w: 70, peak_power_w: 700,
     price_eur_per_hour: 1.232}
models:
  - {id: llama-3.1-8b, name: Llama 3.1 8B Instruct, aliases: [llama-3.1-8b-instruct], parameters_billion: 8.03,
     weights_gb: 16.1, kv_bytes_per_token: 131072, context_tokens: 131072}
  - {id: llama-3.3-70b, name: "Llama 3.3 70B Instruct, FP8", aliases: [llama-3.3-70b-instruct],
     parameters_billion: 70.6, weights_gb: 70.6, kv_bytes_per_token: 327680, context_tokens: 131072}
profiles:
  - {id: llama-3.1-8b-l4-tp1, model: llama-3.1-8b, accelerator: l4, tensor_parallel: 1, prefill_tokens_per_s: 3390,
     prefill_overhead_ms: 15, kv_memory_gb: 5.5,
     points: [{batch: 1, decode_ms_per_token: 78.62, power_w: 44},
              {batch: 2, decode_ms_per_token: 79.25, power_w: 48},
              {batch: 4, decode_ms_per_token: 80.53, power_w: 51},
              {batch: 8, decode_ms_per_token: 83.09, power_w: 55},
              {batch: 16, decode_ms_per_token: 88.2, power_w: 59},
              {batch: 32, decode_ms_per_token: 98.43, power_w: 63}],
     source: "roofline estimate: docs/IMPORT.md"}
  - {id: llama-3.1-8b-l40s-tp1, model: llama-3.1-8b, accelerator: l40s, tensor_parallel: 1,
     prefill_tokens_per_s: 10143, prefill_overhead_ms: 15, kv_memory_gb: 27.1,
     points: [{batch: 1, decode_ms_per_token: 28.28, power_w: 192},
              {batch: 2, decode_ms_per_token: 28.5, power_w: 214},
              {batch: 4, decode_ms_per_token: 28.94, power_w: 234},
              {batch: 8, decode_ms_per_token: 29.83, power_w: 256},
              {batch: 16, decode_ms_per_token: 31.6, power_w: 276},
              {batch: 32, decode_ms_per_token: 35.16, power_w: 298},
              {batch: 64, decode_ms_per_token: 42.26, power_w: 319}],
     source: "roofline estimate: docs/IMPORT.md"}
  - {id: llama-3.1-8b-h100-80gb-tp1, model: llama-3.1-8b, accelerator: h100-80gb, tensor_parallel: 1,
     prefill_tokens_per_s: 27712, prefill_overhead_ms: 15, kv_memory_gb: 55.9,
     points: [{batch: 1, decode_ms_per_token: 8.41, power_w: 385},
              {batch: 2, decode_ms_per_token: 8.46, power_w: 427},
              {batch: 4, decode_ms_per_token: 8.58, power_w: 469},
              {batch: 8, decode_ms_per_token: 8.81, power_w: 511},
              {batch: 16, decode_ms_per_token: 9.26, power_w: 553},
              {batch: 32, decode_ms_per_token: 10.18, power_w: 595},
              {batch: 64, decode_ms_per_token: 12.01, power_w: 637}],
     source: "roofline estimate: docs/IMPORT.md"}
  - {id: llama-3.3-70b-l40s-tp4, model: llama-3.3-70b, accelerator: l40s, tensor_parallel: 4,
     prefill_tokens_per_s: 4615, prefill_overhead_ms: 15, kv_memory_gb: 102.2,
     points: [{batch: 1, decode_ms_per_token: 35.62, power_w: 770},
              {batch: 2, decode_ms_per_token: 35.76, power_w: 854},
              {batch: 4, decode_ms_per_token: 36.04, power_w: 938},
              {batch: 8, decode_ms_per_token: 36.59, power_w: 1022},
              {batch: 16, decode_ms_per_token: 37.7, power_w: 1106},
              {batch: 32, decode_ms_per_token: 39.92, power_w: 1190},
              {batch: 64, decode_ms_per_token: 44.36, power_w: 1274}],
     source: "roofline estimate: docs/IMPORT.md"}
  - {id: llama-3.3-70b-h100-80gb-tp2, model: llama-3.3-70b, accelerator: h100-80gb, tensor_parallel: 2,
     prefill_tokens_per_s: 6304, prefill_overhead_ms: 15, kv_memory_gb: 73.4,
     points: [{batch: 1, decode_ms_per_token: 18.22, power_w: 770},
              {batch: 2, decode_ms_per_token: 18.3, power_w: 854},
              {batch: 4, decode_ms_per_token: 18.44, power_w: 938},
              {batch: 8, decode_ms_per_token: 18.73, power_w: 1022},
              {batch: 16, decode_ms_per_token: 19.3, power_w: 1106},
              {batch: 32, decode_ms_per_token: 20.44, power_w: 1190},
              {batch: 64, decode_ms_per_token: 22.73, power_w: 1274}],
     source: "roofline estimate: docs/IMPORT.md"}
)";

}  // namespace tandem::ingest
