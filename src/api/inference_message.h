// Requests and answers of the Open Inference Protocol v2 as bytes: JSON, and its binary tensor extension, in which an
// input's or output's elements follow the JSON. Pure functions. Internal to the module.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/predictor.h"
#include "runtime/tensor.h"

namespace tandem::api {

// Of each, so that looking at names stays cheap; models have a few.
inline constexpr size_t kTensorsMax = 64;

struct InferenceRequest {
  struct WantedOutput {
    std::string name;
    std::optional<bool> binary;  // nothing: as `binary_outputs` says
  };
  std::string id;  // the client's own, given back; may be empty
  std::vector<runtime::Tensor> inputs;
  std::vector<WantedOutput> outputs;  // empty: all
  bool binary_outputs = false;
  Duration timeout;  // of `parameters.timeout`, in microseconds; 0: not given
};

// `json_bytes`: of `inference-header-content-length`, where the JSON ends and binary tensors begin; nothing: no binary.
// Elements may be nested as the shape says, or flat. Errors: invalid_argument, naming the place; resource_exhausted.
Result<InferenceRequest> decode_inference_request(std::string_view body, std::optional<size_t> json_bytes);

struct InferenceReply {
  std::string body;
  std::optional<size_t> json_bytes;  // where the binary outputs begin
};

// Numbers are written in the shortest form that reads back the same; one that JSON cannot say (infinite, or none) as
// null. FP16 goes as binary alone. Errors: invalid_argument (an output that the model does not have, FP16 as JSON).
Result<InferenceReply> encode_inference_reply(const InferenceRequest& request, std::string_view model,
                                              const runtime::PredictionAnswer& answer);

}  // namespace tandem::api
