// Small ONNX models, written byte by byte for tests: protocol buffers' wire format with onnx.proto's field numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::test_support {

class Message {
 public:
  Message& number(int field, uint64_t value) {
    varint(static_cast<uint64_t>(field) << 3);
    varint(value);
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    varint(static_cast<uint64_t>(field) << 3 | 2);
    varint(value.size());
    out_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.out_); }
  const std::string& text() const { return out_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<char>(value | 0x80));
    out_.push_back(static_cast<char>(value));
  }
  std::string out_;
};

inline constexpr int kFloat = 1, kInt64 = 7, kString = 8;  // TensorProto.DataType

// A dimension of -1 is free.
inline Message value_info(std::string_view name, int type, const std::vector<int64_t>& shape) {
  Message dimensions;
  for (const int64_t size : shape)
    dimensions.message(1, size < 0 ? Message().bytes(2, "n") : Message().number(1, static_cast<uint64_t>(size)));
  return Message().bytes(1, name).message(
      2, Message().message(1, Message().number(1, static_cast<uint64_t>(type)).message(2, dimensions)));
}

inline std::string model_of(const Message& graph) {
  return Message().number(1, 8).message(7, graph).message(8, Message().number(2, 13)).text();
}

// y = x × factor, row by row. With `ballast`, which must be the last dimension, it holds as many more floats.
inline std::string scaling_model(float factor, const std::vector<int64_t>& shape = {-1, 2}, size_t ballast = 1) {
  Message graph;
  graph.message(1, Message().bytes(1, "x").bytes(1, "factor").bytes(2, "scaled").bytes(4, "Mul"));
  graph.message(1, Message().bytes(1, "scaled").bytes(1, "nothing").bytes(2, "y").bytes(4, "Add"));
  graph.bytes(2, "scaling");
  const auto constant = [&](std::string_view name, size_t size, float value) {
    const std::string_view one(reinterpret_cast<const char*>(&value), sizeof value);
    std::string raw;
    for (size_t i = 0; i < size; ++i) raw += one;
    graph.message(5, Message().number(1, size).number(2, kFloat).bytes(8, name).bytes(9, raw));
  };
  constant("factor", 1, factor);
  constant("nothing", ballast, 0);
  graph.message(11, value_info("x", kFloat, shape));
  graph.message(12, value_info("y", kFloat, shape));
  return model_of(graph);
}

// Sums all rows: what it says of one depends on the others of its run, so requests must not share one.
inline std::string summing_model() {
  Message graph;
  graph.message(1, Message().bytes(1, "x").bytes(2, "y").bytes(4, "ReduceSum"));
  graph.bytes(2, "summing");
  graph.message(11, value_info("x", kFloat, {-1, 2}));
  graph.message(12, value_info("y", kFloat, {1, 1}));
  return model_of(graph);
}

// Gives its input, of a type of choice.
inline std::string echo_model(int type) {
  Message graph;
  graph.message(1, Message().bytes(1, "x").bytes(2, "y").bytes(4, "Identity"));
  graph.bytes(2, "echo");
  graph.message(11, value_info("x", type, {-1}));
  graph.message(12, value_info("y", type, {-1}));
  return model_of(graph);
}

// y = x × W, a square of ones.
inline std::string product_model(size_t size) {
  const float one = 1;
  std::string raw;
  for (size_t i = 0; i < size * size; ++i) raw.append(reinterpret_cast<const char*>(&one), sizeof one);
  Message graph;
  graph.message(1, Message().bytes(1, "x").bytes(1, "w").bytes(2, "y").bytes(4, "MatMul"));
  graph.bytes(2, "product");
  graph.message(5, Message().number(1, size).number(1, size).number(2, kFloat).bytes(8, "w").bytes(9, raw));
  graph.message(11, value_info("x", kFloat, {-1, static_cast<int64_t>(size)}));
  graph.message(12, value_info("y", kFloat, {-1, static_cast<int64_t>(size)}));
  return model_of(graph);
}

inline void put_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

inline void put_model(const std::filesystem::path& repository, std::string_view model, int version,
                      std::string_view bytes) {
  put_file(repository / model / std::to_string(version) / "model.onnx", bytes);
}

}  // namespace tandem::test_support
