#include "runtime/tensor_fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tandem::runtime {
namespace {

bool first_is_free(const TensorSpec& spec) { return !spec.shape.empty() && spec.shape.front() < 0; }

bool fits(const Shape& shape, const Shape& expected) {
  return std::equal(shape.begin(), shape.end(), expected.begin(), expected.end(),
                    [](int64_t is, int64_t wanted) { return is >= 0 && (wanted < 0 || is == wanted); });
}

std::string list_of(const std::vector<TensorSpec>& specs) {
  std::string text;
  for (const TensorSpec& spec : specs)
    text += fmt::format("{}'{}' {} {}", text.empty() ? "" : ", ", spec.name, to_string(spec.datatype),
                        to_string(spec.shape));
  return text;
}

Result<void> check_tensor(const TensorSpec& spec, const Tensor& tensor) {
  if (tensor.datatype != spec.datatype || !fits(tensor.shape, spec.shape))
    return fail(ErrorCode::invalid_argument,
                fmt::format("input '{}' must be {} {} (-1: any), not {} {}", spec.name, to_string(spec.datatype),
                            to_string(spec.shape), to_string(tensor.datatype), to_string(tensor.shape)));
  const auto elements = element_count(tensor.shape);
  const uint64_t bytes = elements ? *elements * element_bytes(tensor.datatype) : 0;
  if (!elements || tensor.bytes.size() != bytes)
    return fail(ErrorCode::invalid_argument,
                fmt::format("input '{}' of {} {} has {} bytes, not {}", spec.name, to_string(tensor.datatype),
                            to_string(tensor.shape), bytes, tensor.bytes.size()));
  return {};
}

Result<void> check_names(const ModelSignature& signature, const std::vector<Tensor>& inputs) {
  for (const Tensor& tensor : inputs) {
    const auto is_it = [&](const auto& other) { return other.name == tensor.name; };
    if (std::none_of(signature.inputs.begin(), signature.inputs.end(), is_it)) {
      std::vector<std::string> names;
      for (const TensorSpec& spec : signature.inputs) names.push_back(spec.name);
      const auto meant = nearest(tensor.name, names);
      return fail(ErrorCode::invalid_argument,
                  fmt::format("there is no input '{}'{}; the model takes {}", tensor.name,
                              meant ? fmt::format("; did you mean '{}'?", *meant) : "", list_of(signature.inputs)));
    }
    if (std::count_if(inputs.begin(), inputs.end(), is_it) > 1)
      return fail(ErrorCode::invalid_argument, fmt::format("input '{}' is given twice", tensor.name));
  }
  return {};
}

}  // namespace

ModelSignature signature_of(std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs, uint32_t max_batch) {
  ModelSignature signature;
  signature.has_rows = !inputs.empty() && std::all_of(inputs.begin(), inputs.end(), first_is_free) &&
                       std::all_of(outputs.begin(), outputs.end(), first_is_free);
  signature.rows_max = signature.has_rows ? max_batch : 1;
  signature.inputs = std::move(inputs);
  signature.outputs = std::move(outputs);
  return signature;
}

Result<uint64_t> fit(const ModelSignature& signature, std::vector<Tensor>& inputs) {
  TANDEM_TRY(check_names(signature, inputs));
  for (size_t i = 0; i < signature.inputs.size(); ++i) {
    const TensorSpec& spec = signature.inputs[i];
    const auto found = std::find_if(inputs.begin() + static_cast<ptrdiff_t>(i), inputs.end(),
                                    [&](const Tensor& tensor) { return tensor.name == spec.name; });
    if (found == inputs.end())
      return fail(ErrorCode::invalid_argument,
                  fmt::format("input '{}' is missing; the model takes {}", spec.name, list_of(signature.inputs)));
    std::swap(*found, inputs[i]);
    TANDEM_TRY(check_tensor(spec, inputs[i]));
  }
  if (!signature.has_rows) return 1;
  const int64_t rows = inputs.front().shape.front();
  for (const Tensor& tensor : inputs)
    if (tensor.shape.front() != rows)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("input '{}' has {} rows and input '{}' has {}", inputs.front().name, rows, tensor.name,
                              tensor.shape.front()));
  if (rows < 1)
    return fail(ErrorCode::invalid_argument, fmt::format("input '{}' must have a row at least", inputs.front().name));
  if (static_cast<uint64_t>(rows) > signature.rows_max)
    return fail(ErrorCode::too_large,
                fmt::format("a request may have {} rows, not {}: send several", signature.rows_max, rows));
  return static_cast<uint64_t>(rows);
}

bool can_join(const ModelSignature& signature, const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (!signature.has_rows) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!std::equal(a[i].shape.begin() + 1, a[i].shape.end(), b[i].shape.begin() + 1, b[i].shape.end())) return false;
  return true;
}

Result<std::vector<Tensor>> rows_of(const ModelSignature& signature, const std::vector<TensorView>& outputs,
                                    RowRange rows) {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorView& output = outputs[i];
    Tensor& tensor = tensors.emplace_back();
    tensor.name = signature.outputs[i].name;
    tensor.datatype = output.datatype;
    tensor.shape.assign(output.shape.begin(), output.shape.end());
    if (!signature.has_rows) {
      tensor.bytes = output.bytes;
      continue;
    }
    if (tensor.shape.empty() || tensor.shape.front() != static_cast<int64_t>(rows.of))
      return fail(ErrorCode::internal, fmt::format("the model gave output '{}' with shape {} to {} rows", tensor.name,
                                                   to_string(tensor.shape), rows.of));
    const uint64_t row_bytes = output.bytes.size() / rows.of;
    tensor.shape.front() = static_cast<int64_t>(rows.count);
    tensor.bytes = output.bytes.substr(rows.first * row_bytes, rows.count * row_bytes);
  }
  return tensors;
}

}  // namespace tandem::runtime
