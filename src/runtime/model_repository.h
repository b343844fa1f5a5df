// A folder of predictive models, laid out as Triton and KServe have theirs:
//
//   <repository>/<model>/<version>/model.onnx     versions are whole numbers above 0
//   <repository>/<model>/config.yaml              optional; see ModelConfig
//
// Names that begin with a dot, and files beside the folders, are passed over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/time.h"

namespace tandem::runtime {

// How a model is served; the keys of config.yaml. An unknown key is an error.
struct ModelConfig {
  // max_batch: rows of one run, 1 to 4,096. 1: requests are never put together. Beyond 256 rows a small model's time a
  // row no longer falls.
  uint32_t max_batch = 256;
  // batch_deadline_us: how long the first request of a batch waits for others, 0 to 1,000,000. A fifth of a
  // millisecond fills a batch at 100,000 requests a second and is not felt by a client on a network.
  Duration batch_deadline = microseconds(200);
  // instances: batches of this model that may run at the same time, 1 to 64.
  uint32_t instances = 1;
  // queue_max: rows that wait, 1 to 1,000,000; beyond it, requests are refused. At 100,000 rows a second 8,192 wait
  // 80 ms.
  uint32_t queue_max = 8'192;
  // tenants: those that may use it; absent or empty: all.
  std::vector<std::string> tenants;
  bool may_use(std::string_view tenant) const;  // an empty one always may
  bool operator==(const ModelConfig&) const = default;
};

struct ModelFile {
  std::string model;  // letters, digits, '.', '_' and '-', at most 128
  uint64_t version = 1;
  std::filesystem::path path;
  ModelConfig config;
};

// Versions in a repository: each has series of its own among the metrics.
inline constexpr size_t kModelFilesMax = 256;

struct ModelRepository {
  std::vector<ModelFile> files;  // by model, then version, ascending
  std::vector<Diagnostic> diagnostics;
};

// Reads the folder's names and configurations, not the models. What has an error is left out of `files`.
ModelRepository scan_model_repository(const std::filesystem::path& directory);

// config.yaml by itself. Errors, each with its line, are added to `diagnostics`.
ModelConfig parse_model_config(std::string_view bytes, std::string_view file_name,
                               std::vector<Diagnostic>& diagnostics);

}  // namespace tandem::runtime
