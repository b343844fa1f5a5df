// Tensors as a predictive model takes and gives them: the words of the Open Inference Protocol v2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::runtime {

// The protocol's datatypes of a fixed size (it also has BYTES, texts, which no model here may use).
enum class DataType : uint8_t { boolean, uint8, uint16, uint32, uint64, int8, int16, int32, int64, fp16, fp32, fp64 };

std::string_view to_string(DataType type);  // the protocol's name: "BOOL", "UINT8", …, "FP16", "FP32", "FP64"
std::optional<DataType> parse_data_type(std::string_view name);
size_t element_bytes(DataType type);  // 1, 2, 4 or 8

// Eight dimensions are what the models of the public zoos have at most; the limit keeps messages short.
inline constexpr size_t kRankMax = 8;

using Shape = std::vector<int64_t>;

std::string to_string(const Shape& shape);  // "[-1,50]"

// The elements of a shape without unknown dimensions; nothing where one is negative, the rank is over kRankMax, or the
// count is over 2⁴⁰.
std::optional<uint64_t> element_count(const Shape& shape);

// What a model says of an input or output. A dimension of -1 may be anything.
struct TensorSpec {
  std::string name;
  DataType datatype = DataType::fp32;
  Shape shape;
  bool operator==(const TensorSpec&) const = default;
};

// A tensor's bytes are its elements in row-major order, little-endian, without gaps: element_count × element_bytes.
struct Tensor {
  std::string name;
  DataType datatype = DataType::fp32;
  Shape shape;  // every dimension ≥ 0
  std::string bytes;
  bool operator==(const Tensor&) const = default;
};

}  // namespace tandem::runtime
