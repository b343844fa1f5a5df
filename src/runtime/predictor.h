// Predictive models of a site, run by ONNX Runtime on this machine's cores: tensors in, tensors out.
//
// - Models come from a folder (model_repository.h), several versions of one side by side. They are loaded in the
//   background, run once to be warm, and kept within a memory budget: the one that was least recently used gives way,
//   and is loaded again when it is asked for.
// - Requests for the same model are put together into one run, up to its `max_batch` rows, for at most its
//   `batch_deadline` or for as long as the most urgent of them can wait. What a request is answered does not depend on
//   which others it ran with, except in the last bits of a floating-point number: sums of other lengths of vectors are
//   rounded otherwise.
// - Everything that waits has a bound; a request that could not be answered in time is refused and costs no run.
//
// Without the library, or with a model that cannot be loaded, the rest works and requests say what is wrong.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "base/units.h"
#include "runtime/model_repository.h"
#include "runtime/tensor.h"

namespace tandem::runtime {

struct PredictorOptions {
  std::filesystem::path repository;
  std::filesystem::path library;  // libonnxruntime.so; empty: where the build has put it, else the system's
  // Weights of all loaded models and what their runs need, as measured when each was loaded. A thousand small models,
  // or one of the largest that answer in milliseconds on a core.
  uint64_t memory_bytes_max = uint64_t{1} << 30;
  // Inputs of all requests that wait: sixteen of the largest that HTTP takes.
  uint64_t queued_bytes_max = uint64_t{256} << 20;
  uint32_t threads = 1;             // that run batches, 1 to 256: the cores given to predictions
  Duration wait_max = seconds(30);  // of a request that names no deadline: a large model's load, and more
};

struct PredictionRequest {
  std::string model;
  uint64_t version = 0;        // 0: the latest
  std::string tenant;          // who asks; empty: nobody in particular, whom every model serves
  std::vector<Tensor> inputs;  // in any order
  Duration timeout;            // from now until its answer; 0: PredictorOptions::wait_max
};

struct PredictionAnswer {
  uint64_t version = 0;
  std::vector<Tensor> outputs;  // in the model's order
  uint32_t rows = 0;            // of this request
  uint32_t batch_rows = 0;      // of the run that answered it
  Duration queued;
  Duration run;  // of the whole batch
};

enum class ModelState : uint8_t { waiting, loading, ready, evicted, failed };
std::string_view to_string(ModelState state);

// Of a model version's requests over the last one to two minutes.
struct RecentPredictions {
  Duration span;                                       // that is looked at
  uint64_t requests = 0, errors = 0;                   // answered, and refused or failed
  uint64_t runs = 0, rows = 0;                         // batches, and rows in them
  std::optional<Microseconds> answer_p50, answer_p99;  // from arrival to answer; nothing where none was answered
};

// Of all models together.
struct PredictorMemory {
  uint64_t used_bytes = 0, max_bytes = 0;
};

struct ModelStatus {
  std::string model;
  uint64_t version = 0;
  ModelState state = ModelState::waiting;
  std::string reason;  // of `failed`
  ModelConfig config;
  uint64_t memory_bytes = 0;       // while it is loaded
  uint64_t predictions = 0;        // rows answered since the start
  uint64_t errors = 0;             // requests refused or failed since the start
  uint64_t evictions = 0;          // since the start
  RecentPredictions recent;        // only where all are asked for: it is not for every request
  std::vector<TensorSpec> inputs;  // known once it has been loaded
  std::vector<TensorSpec> outputs;
};

// Thread-safe.
class Predictor {
 public:
  // Called once for each request: on a thread of the predictor, or within `submit` where it is refused there. It must
  // not block, nor destroy the predictor.
  using Answered = std::function<void(Result<PredictionAnswer>)>;

  // Reads the names in the repository, and starts to load the models. `clock` and `metrics` must outlive it.
  // Errors: not_found (no such folder), invalid_argument (all that is wrong in it).
  static Result<std::unique_ptr<Predictor>> open(PredictorOptions options, const Clock& clock, Metrics& metrics);

  // Answers what waits with `unavailable`, and returns when the runs under way have ended.
  ~Predictor();
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  // Errors given to `answered`: not_found (model or version, or the tenant may not use it), invalid_argument (a tensor
  // is missing, unknown, or not as the model has it: what was expected and what came), too_large (more rows than
  // `max_batch`), resource_exhausted (the queue is full), deadline_exceeded (it could not be answered in time),
  // unavailable (the model cannot be loaded, and why; or the predictor ends), internal.
  void submit(PredictionRequest request, Answered answered);

  // Every version in the repository, by name, then version.
  std::vector<ModelStatus> models() const;
  // Errors: not_found. `version` 0: the latest.
  Result<ModelStatus> model(std::string_view name, uint64_t version) const;
  PredictorMemory memory() const;
  // Each model was loaded, or has failed, once: who comes now finds those warm that the budget has room for.
  bool settled() const;
  // Waits until it is.
  void wait_until_settled() const;

 private:
  class State;
  explicit Predictor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tandem::runtime
