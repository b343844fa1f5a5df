// One ONNX model, loaded: ONNX Runtime behind values of ours. Internal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/onnx_abi.h"
#include "runtime/tensor.h"

namespace tandem::runtime {

// The library, loaded when it is first asked for and kept as long as the process: its environment is one a process.
class OnnxLibrary {
 public:
  // `path` empty: where the build has put it, else where the system's loader finds it. A later call gives the same
  // library, whatever its path. Errors: unavailable, saying what to do.
  static Result<const OnnxLibrary*> load(const std::filesystem::path& path);

  const std::string& version() const { return version_; }

 private:
  friend class OnnxSession;
  OnnxLibrary() = default;
  static Result<OnnxLibrary> open(const std::filesystem::path& path);
  Result<void> check(ort::Status* status, ErrorCode code) const;  // takes the status

  const ort::Api* api_ = nullptr;
  ort::Env* env_ = nullptr;
  ort::MemoryInfo* memory_ = nullptr;
  std::string version_;
};

// A tensor in somebody else's memory.
struct TensorView {
  DataType datatype = DataType::fp32;
  std::span<const int64_t> shape;
  std::string_view bytes;
};

class OnnxSession {
 public:
  // Reads the model and runs it once on zeros, `rows` of them where its first dimension is free, so that the first
  // request finds it warm. Errors: corrupt (no such model can be made of the file), invalid_argument (it has inputs or
  // outputs that are no tensors of numbers).
  static Result<std::unique_ptr<OnnxSession>> load(const OnnxLibrary& library, const std::filesystem::path& file,
                                                   uint32_t rows);
  ~OnnxSession();
  OnnxSession(const OnnxSession&) = delete;
  OnnxSession& operator=(const OnnxSession&) = delete;

  const std::vector<TensorSpec>& inputs() const { return inputs_; }
  const std::vector<TensorSpec>& outputs() const { return outputs_; }

  // Memory that the library asked for, as measured while it loaded: for the model, and at most for one run.
  uint64_t model_bytes() const { return model_bytes_; }
  uint64_t run_bytes() const { return run_bytes_; }

  // The outputs of one run, in the model's order, for as long as this lives.
  class Outputs {
   public:
    Outputs(Outputs&& other) noexcept = default;
    ~Outputs();
    const std::vector<TensorView>& tensors() const { return tensors_; }

   private:
    friend class OnnxSession;
    explicit Outputs(const ort::Api& api) : api_(&api) {}
    const ort::Api* api_;
    std::vector<ort::Value*> values_;
    std::vector<Shape> shapes_;
    std::vector<TensorView> tensors_;
  };

  // `inputs`: one for each of `inputs()`, in that order, which fit it. From any thread, also several at a time. Errors:
  // invalid_argument (the model refuses these), internal.
  Result<Outputs> run(std::span<const TensorView> inputs) const;

 private:
  explicit OnnxSession(const OnnxLibrary& library) : library_(library) {}
  Result<void> open(const std::filesystem::path& file);
  Result<void> describe();
  Result<TensorSpec> describe_one(bool input, size_t index) const;
  Result<void> read_outputs(Outputs& outputs) const;
  void warm_up(uint32_t rows);

  const OnnxLibrary& library_;
  ort::Session* session_ = nullptr;
  std::vector<TensorSpec> inputs_;
  std::vector<TensorSpec> outputs_;
  std::vector<const char*> input_names_;
  std::vector<const char*> output_names_;
  uint64_t model_bytes_ = 0;
  uint64_t run_bytes_ = 0;
};

}  // namespace tandem::runtime
