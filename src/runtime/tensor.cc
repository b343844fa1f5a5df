#include "runtime/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace tandem::runtime {
namespace {

struct DataTypeRow {
  std::string_view name;
  size_t bytes;
};
// By DataType.
constexpr std::array<DataTypeRow, 12> kDataTypes{{{"BOOL", 1},
                                                  {"UINT8", 1},
                                                  {"UINT16", 2},
                                                  {"UINT32", 4},
                                                  {"UINT64", 8},
                                                  {"INT8", 1},
                                                  {"INT16", 2},
                                                  {"INT32", 4},
                                                  {"INT64", 8},
                                                  {"FP16", 2},
                                                  {"FP32", 4},
                                                  {"FP64", 8}}};

}  // namespace

std::string_view to_string(DataType type) { return kDataTypes[static_cast<size_t>(type)].name; }

size_t element_bytes(DataType type) { return kDataTypes[static_cast<size_t>(type)].bytes; }

std::optional<DataType> parse_data_type(std::string_view name) {
  for (size_t i = 0; i < kDataTypes.size(); ++i)
    if (kDataTypes[i].name == name) return static_cast<DataType>(i);
  return std::nullopt;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

std::optional<uint64_t> element_count(const Shape& shape) {
  constexpr uint64_t kElementsMax = uint64_t{1} << 40;
  if (shape.size() > kRankMax) return std::nullopt;
  uint64_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    const auto size = static_cast<uint64_t>(dimension);
    if (size > kElementsMax || (size > 0 && count > kElementsMax / size)) return std::nullopt;
    count *= size;
  }
  return count;
}

}  // namespace tandem::runtime
