// Whether tensors are what a model takes, and how rows of several requests go into one run and come out again. Pure
// functions. Internal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "runtime/onnx_session.h"
#include "runtime/tensor.h"

namespace tandem::runtime {

struct ModelSignature {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  // The first dimension of every input and output is free: it counts rows, and rows of several requests may share a
  // run. Else a request runs alone, and counts as one row.
  bool has_rows = false;
  uint64_t rows_max = 1;  // of a run
};
ModelSignature signature_of(std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs, uint32_t max_batch);

// Puts the inputs into the model's order and counts their rows.
// Errors: invalid_argument (missing, unknown or twice; another datatype, shape or count of bytes), too_large.
Result<uint64_t> fit(const ModelSignature& signature, std::vector<Tensor>& inputs);

// Both fit the signature: can they share a run? Not where they differ in a free dimension other than the first.
bool can_join(const ModelSignature& signature, const std::vector<Tensor>& a, const std::vector<Tensor>& b);

struct RowRange {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t of = 0;  // the run's
};
// Those rows of a run's outputs. Errors: internal (the model's outputs have other rows than its inputs).
Result<std::vector<Tensor>> rows_of(const ModelSignature& signature, const std::vector<TensorView>& outputs,
                                    RowRange rows);

}  // namespace tandem::runtime
