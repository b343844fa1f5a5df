// Accelerators that are sold, models of the usual shapes, and what the one does with the other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tandem::generate {

struct AcceleratorType {
  const char* id;
  const char* name;
  double memory_gb, bandwidth_gb_per_s, dense_tflops;  // the maker's data sheet, BF16
  double idle_w, peak_w;
  double eur_per_hour;
  double all_reduce_us;  // between accelerators of one replica; our estimate
  uint32_t tensor_parallel_max;
};

enum AcceleratorPosition : size_t { kL4, kL40s, kA100, kH100, kH200, kMi300x, kAcceleratorTypes };
const AcceleratorType& accelerator_type(size_t position);

struct CatalogueModel {
  std::string id;
  std::string name;
  size_t size_class = 0;  // of the shapes, ascending by parameters
  bool vision = false;
  double parameters_billion = 0, active_billion = 0;
  double weight_bytes = 2;
  double layers = 0;
  double kv_bytes_per_token = 0;
  double context_tokens = 0;
  double weights_gb() const;
};

struct CataloguePoint {
  uint32_t batch = 1;
  double decode_ms = 0, power_w = 0;
};

struct CatalogueProfile {
  std::string id;
  size_t model = 0, accelerator = 0;
  uint32_t tensor_parallel = 1;
  double prefill_tokens_per_s = 0, prefill_overhead_ms = 15, kv_memory_gb = 0;
  std::vector<CataloguePoint> points = {};
};

inline constexpr size_t kTiny = 0, kSmall = 1, kVision = 2, kMedium = 3, kMixture = 5, kLarge = 6, kHuge = 7;

struct Catalogue {
  std::vector<CatalogueModel> models;
  std::vector<CatalogueProfile> profiles;                      // by model, then accelerator
  std::vector<std::vector<const CatalogueProfile*>> of_model;  // null where the accelerator cannot; by accelerator
};
Catalogue make_catalogue(uint64_t models, uint64_t seed);

}  // namespace tandem::generate
