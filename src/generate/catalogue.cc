#include "generate/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/random.h"
#include "generate/land.h"

namespace tandem::generate {
namespace {

// Purchase × 1.6 for server, rack and network, written off over four years.
constexpr std::array<AcceleratorType, kAcceleratorTypes> kTypes{{
    {"l4", "NVIDIA L4", 24, 300, 121, 16, 72, 0.114, 30, 1},
    {"l40s", "NVIDIA L40S", 48, 864, 362, 35, 350, 0.365, 30, 4},
    {"a100-80gb", "NVIDIA A100 SXM 80GB", 80, 2039, 312, 55, 400, 0.548, 12, 8},
    {"h100-80gb", "NVIDIA H100 SXM 80GB", 80, 3350, 989, 70, 700, 1.232, 10, 8},
    {"h200", "NVIDIA H200 SXM", 141, 4800, 989, 75, 700, 1.46, 10, 8},
    {"mi300x", "AMD Instinct MI300X", 192, 5300, 1307, 140, 750, 0.913, 14, 8},
}};

constexpr double kMemoryUsed = 0.9;           // of the accelerator's; the rest is activations and the runtime
constexpr double kBandwidthEfficiency = 0.7;  // of the data sheet's, reached by decode
constexpr double kComputeEfficiency = 0.45;   // of the data sheet's, reached by prefill
constexpr double kStepMs = 1.5;               // scheduling and kernel launches, each decode step
constexpr double kContextTokens = 1024;       // mean context whose KV cache a decode step reads
constexpr double kLeastBatch = 8;             // a replica that holds fewer is not worth starting
constexpr std::array kBatches{1u, 2u, 4u, 8u, 16u, 32u, 64u};

struct Shape {
  const char* size;
  double parameters, active;  // billion
  double weight_bytes;
  double layers, kv_heads, head_size, context;
  bool vision;
};
// The shapes of open models in use: of 3, 8, 24, 32, 70 and 180 billion parameters, a mixture of eight experts, and one
// that sees.
constexpr std::array<Shape, 8> kShapes{{{"3b", 3.2, 3.2, 2, 28, 8, 128, 131072, false},
                                        {"8b", 8, 8, 2, 32, 8, 128, 131072, false},
                                        {"vision-4b", 3.8, 3.8, 2, 36, 2, 128, 32768, true},
                                        {"24b", 24, 24, 2, 40, 8, 128, 32768, false},
                                        {"32b", 33, 33, 2, 64, 8, 128, 32768, false},
                                        {"8x7b", 47, 13, 2, 32, 8, 128, 32768, false},
                                        {"70b", 70, 70, 1, 80, 8, 128, 131072, false},
                                        {"180b", 180, 180, 1, 100, 8, 128, 32768, false}}};
constexpr std::array kTasks{"chat", "code", "voice", "translate", "extract", "search", "summary", "reason"};

// What one decode step reads of the weights: of a mixture of experts (2 of 8), those that the batch touches.
double weights_read_gb(const CatalogueModel& model, double batch) {
  if (model.active_billion == model.parameters_billion) return model.parameters_billion * model.weight_bytes;
  const double expert = (model.parameters_billion - model.active_billion) / 6;
  return (model.active_billion - 2 * expert + 8 * expert * (1 - std::pow(0.75, batch))) * model.weight_bytes;
}

double decode_ms(const CatalogueModel& model, const AcceleratorType& type, uint32_t parallel, double batch) {
  const double gigabytes = weights_read_gb(model, batch) + batch * kContextTokens * model.kv_bytes_per_token * 1e-9;
  const double memory_s = gigabytes / (type.bandwidth_gb_per_s * parallel * kBandwidthEfficiency);
  const double compute_s = batch * 2 * model.active_billion / (type.dense_tflops * 1e3 * parallel * kComputeEfficiency);
  const double exchange_ms = parallel > 1 ? 2 * model.layers * type.all_reduce_us * 1e-3 : 0;
  return rounded_by(std::max(memory_s, compute_s) * 1e3 + exchange_ms + kStepMs, 0.01);
}

// The fewest accelerators a replica that hold the weights and a batch; nothing where no number does.
std::optional<CatalogueProfile> make_profile(const Catalogue& catalogue, size_t model_position, size_t accelerator) {
  const CatalogueModel& model = catalogue.models[model_position];
  const AcceleratorType& type = kTypes[accelerator];
  for (uint32_t parallel = 1; parallel <= type.tensor_parallel_max; parallel *= 2) {
    const double kv_gb = rounded_by(type.memory_gb * parallel * kMemoryUsed - model.weights_gb(), 0.1);
    if (kv_gb * 1e9 < kLeastBatch * kContextTokens * model.kv_bytes_per_token) continue;
    CatalogueProfile profile{.id = fmt::format("{}-{}-tp{}", model.id, type.id, parallel),
                             .model = model_position,
                             .accelerator = accelerator,
                             .tensor_parallel = parallel,
                             .prefill_tokens_per_s = std::round(type.dense_tflops * 1e3 * parallel *
                                                                kComputeEfficiency / (2 * model.active_billion)),
                             .kv_memory_gb = kv_gb};
    for (size_t i = 0; i < kBatches.size(); ++i) {
      if (kBatches[i] * kContextTokens * model.kv_bytes_per_token > kv_gb * 1e9) break;
      const double depth = 0.5 + 0.4 * static_cast<double>(i) / (kBatches.size() - 1);
      profile.points.push_back({kBatches[i], decode_ms(model, type, parallel, kBatches[i]),
                                std::round(parallel * (type.idle_w + (type.peak_w - type.idle_w) * depth))});
    }
    return profile;
  }
  return std::nullopt;
}

// One of each shape first, then variants of them for other tasks, their sizes off by a few per cent as releases are.
void add_model(Catalogue& catalogue, size_t position, Random& random) {
  const size_t size_class = position < kShapes.size() ? position : random.below(kShapes.size());
  const Shape& shape = kShapes[size_class];
  const size_t round = position / kShapes.size();
  const char* task = position < kShapes.size() ? "chat" : kTasks[random.below(kTasks.size())];
  const double factor = position < kShapes.size() ? 1 : rounded_by(0.92 + 0.16 * random.uniform(), 0.01);
  CatalogueModel model{
      .id = round == 0 ? fmt::format("{}-{}", task, shape.size) : fmt::format("{}-{}-{}", task, shape.size, position),
      .name = fmt::format("{} {} release {}", task, shape.size, round + 1),
      .size_class = size_class,
      .vision = shape.vision,
      .parameters_billion = rounded_to(shape.parameters * factor, 3),
      .active_billion = rounded_to(shape.active * factor, 3),
      .weight_bytes = shape.weight_bytes,
      .layers = shape.layers,
      .kv_bytes_per_token = 2 * shape.layers * shape.kv_heads * shape.head_size * 2,
      .context_tokens = shape.context};
  catalogue.models.push_back(std::move(model));
}

}  // namespace

const AcceleratorType& accelerator_type(size_t position) { return kTypes[position]; }

double CatalogueModel::weights_gb() const { return rounded_by(parameters_billion * weight_bytes, 0.1); }

Catalogue make_catalogue(uint64_t models, uint64_t seed) {
  Random random(seed, kCatalogueStream);
  Catalogue catalogue;
  for (size_t i = 0; i < models; ++i) add_model(catalogue, i, random);
  for (size_t model = 0; model < models; ++model)
    for (size_t accelerator = 0; accelerator < kAcceleratorTypes; ++accelerator)
      if (auto profile = make_profile(catalogue, model, accelerator)) catalogue.profiles.push_back(std::move(*profile));
  catalogue.of_model.assign(models, std::vector<const CatalogueProfile*>(kAcceleratorTypes, nullptr));
  for (const CatalogueProfile& profile : catalogue.profiles)
    catalogue.of_model[profile.model][profile.accelerator] = &profile;
  return catalogue;
}

}  // namespace tandem::generate
