#include "runtime/onnx_session.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <optional>

#include "base/check.h"

namespace tandem::runtime {
namespace {

// What the library has asked for on this thread, less what it has given back: a model is loaded, and first run, on one.
struct Tally {
  int64_t bytes = 0;
  int64_t bytes_most = 0;
};
thread_local Tally tally;

ort::MemoryInfo* cpu_memory = nullptr;  // set once, before the allocator is registered

// As the library's own: its vector code likes cache lines.
constexpr size_t kAlignment = 64;

void* allocate(ort::Allocator*, size_t bytes) {
  void* block = std::aligned_alloc(kAlignment, (std::max<size_t>(bytes, 1) + kAlignment - 1) & ~(kAlignment - 1));
  if (block == nullptr) return nullptr;  // the library makes an error of it
  tally.bytes += static_cast<int64_t>(malloc_usable_size(block));
  tally.bytes_most = std::max(tally.bytes_most, tally.bytes);
  return block;
}

void release(ort::Allocator*, void* block) {
  if (block != nullptr) tally.bytes -= static_cast<int64_t>(malloc_usable_size(block));
  std::free(block);
}

const ort::MemoryInfo* memory_of(const ort::Allocator*) { return cpu_memory; }

// For the weights and activations of all models: with it a model's memory is known, and given back when it goes.
ort::Allocator counting_allocator{ort::kApiVersion, allocate, release, memory_of};

// ONNXTensorElementDataType, by DataType.
constexpr std::array<int, 12> kElementTypes{9, 2, 4, 12, 13, 3, 5, 6, 7, 10, 1, 11};

std::optional<DataType> data_type_of(int element_type) {
  const auto found = std::find(kElementTypes.begin(), kElementTypes.end(), element_type);
  if (found == kElementTypes.end()) return std::nullopt;
  return static_cast<DataType>(found - kElementTypes.begin());
}

Error no_library(const std::string& tried) {
  return {ErrorCode::unavailable,
          fmt::format("ONNX Runtime is not here, so no predictive model can be served: run "
                      "scripts/fetch-onnxruntime and start again, or name its shared library with --onnxruntime ({})",
                      tried)};
}

}  // namespace

Result<const OnnxLibrary*> OnnxLibrary::load(const std::filesystem::path& path) {
  static std::mutex mutex;
  static OnnxLibrary* library = nullptr;  // never released: its threads and caches may be in use until the very end
  const std::lock_guard lock(mutex);
  if (library == nullptr) {
    TANDEM_ASSIGN(OnnxLibrary opened, open(path));
    library = new OnnxLibrary(std::move(opened));
  }
  return library;
}

Result<OnnxLibrary> OnnxLibrary::open(const std::filesystem::path& path) {
  const std::vector<std::string> places = path.empty()
                                              ? std::vector<std::string>{"libonnxruntime.so.1", "libonnxruntime.so"}
                                              : std::vector<std::string>{path.string()};
  void* handle = nullptr;
  std::string tried;
  for (const std::string& place : places) {
    handle = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) break;
    if (tried.empty()) tried = ::dlerror();
  }
  if (handle == nullptr) return tl::unexpected(no_library(tried));
  const auto get_base = reinterpret_cast<ort::GetApiBase>(::dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) return tl::unexpected(no_library("that library is not ONNX Runtime"));
  OnnxLibrary library;
  library.version_ = get_base()->version();
  library.api_ = get_base()->get_api(ort::kApiVersion);
  if (library.api_ == nullptr)
    return tl::unexpected(no_library(fmt::format("version {} is older than 1.{}", library.version_, ort::kApiVersion)));
  const ort::Api& api = *library.api_;
  TANDEM_TRY(library.check(api.create_env(ort::kWarning, "tandem", &library.env_), ErrorCode::internal));
  TANDEM_TRY(library.check(api.create_cpu_memory_info(ort::kDeviceAllocator, ort::kDefaultMemory, &library.memory_),
                           ErrorCode::internal));
  cpu_memory = library.memory_;
  TANDEM_TRY(library.check(api.register_allocator(library.env_, &counting_allocator), ErrorCode::internal));
  return library;
}

Result<void> OnnxLibrary::check(ort::Status* status, ErrorCode code) const {
  if (status == nullptr) return {};
  if (api_->get_error_code(status) == ort::kInvalidArgument && code == ErrorCode::internal)
    code = ErrorCode::invalid_argument;
  std::string message = api_->get_error_message(status);
  api_->release_status(status);
  return fail(code, "ONNX Runtime: " + std::move(message));
}

Result<std::unique_ptr<OnnxSession>> OnnxSession::load(const OnnxLibrary& library, const std::filesystem::path& file,
                                                       uint32_t rows) {
  std::unique_ptr<OnnxSession> session(new OnnxSession(library));
  tally = {};
  TANDEM_TRY(session->open(file));
  TANDEM_TRY(session->describe());
  session->model_bytes_ = static_cast<uint64_t>(std::max<int64_t>(tally.bytes, 0));
  tally.bytes_most = tally.bytes;
  session->warm_up(rows);
  session->run_bytes_ = static_cast<uint64_t>(std::max<int64_t>(tally.bytes_most, 0)) - session->model_bytes_;
  return session;
}

OnnxSession::~OnnxSession() {
  if (session_ != nullptr) library_.api_->release_session(session_);
}

Result<void> OnnxSession::open(const std::filesystem::path& file) {
  const ort::Api& api = *library_.api_;
  ort::SessionOptions* options = nullptr;
  TANDEM_TRY(library_.check(api.create_session_options(&options), ErrorCode::internal));
  const auto released =
      std::unique_ptr<ort::SessionOptions, void (*)(ort::SessionOptions*)>(options, api.release_session_options);
  // One thread a run, the caller's: more requests are served by more runs, which share nothing.
  TANDEM_TRY(library_.check(api.set_intra_op_threads(options, 1), ErrorCode::internal));
  TANDEM_TRY(library_.check(api.set_inter_op_threads(options, 1), ErrorCode::internal));
  TANDEM_TRY(library_.check(api.set_graph_optimization_level(options, ort::kAllOptimizations), ErrorCode::internal));
  TANDEM_TRY(library_.check(api.add_session_config(options, "session.use_env_allocators", "1"), ErrorCode::internal));
  auto opened = library_.check(api.create_session(library_.env_, file.c_str(), options, &session_), ErrorCode::corrupt);
  if (!opened) {  // tenants are told what is wrong with a model, and not where on this machine it lies
    std::string& message = opened.error().message;
    for (size_t at; (at = message.find(file.native())) != std::string::npos;)
      message.replace(at, file.native().size(), "the file");
  }
  return opened;
}

Result<void> OnnxSession::describe() {
  size_t inputs = 0;
  size_t outputs = 0;
  TANDEM_TRY(library_.check(library_.api_->input_count(session_, &inputs), ErrorCode::corrupt));
  TANDEM_TRY(library_.check(library_.api_->output_count(session_, &outputs), ErrorCode::corrupt));
  for (size_t i = 0; i < inputs + outputs; ++i) {
    const bool input = i < inputs;
    TANDEM_ASSIGN(TensorSpec spec, describe_one(input, input ? i : i - inputs));
    (input ? inputs_ : outputs_).push_back(std::move(spec));
  }
  for (const TensorSpec& spec : inputs_) input_names_.push_back(spec.name.c_str());
  for (const TensorSpec& spec : outputs_) output_names_.push_back(spec.name.c_str());
  return {};
}

Result<TensorSpec> OnnxSession::describe_one(bool input, size_t index) const {
  const ort::Api& api = *library_.api_;
  TensorSpec spec;
  ort::Allocator* allocator = nullptr;
  char* name = nullptr;
  TANDEM_TRY(library_.check(api.default_allocator(&allocator), ErrorCode::internal));
  TANDEM_TRY(library_.check((input ? api.input_name : api.output_name)(session_, index, allocator, &name),
                            ErrorCode::corrupt));
  spec.name = name;
  TANDEM_TRY(library_.check(api.allocator_free(allocator, name), ErrorCode::internal));
  ort::TypeInfo* type = nullptr;
  TANDEM_TRY(library_.check((input ? api.input_type : api.output_type)(session_, index, &type), ErrorCode::corrupt));
  const auto released = std::unique_ptr<ort::TypeInfo, void (*)(ort::TypeInfo*)>(type, api.release_type_info);
  int kind = 0;
  TANDEM_TRY(library_.check(api.kind_of_type(type, &kind), ErrorCode::corrupt));
  const auto refuse = [&](const char* what) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} '{}' is {}; only tensors of numbers are served (scikit-learn's converter has "
                            "zipmap=False for that)",
                            input ? "input" : "output", spec.name, what));
  };
  if (kind != ort::kTensor) return refuse("a map or a sequence");
  const ort::TensorInfo* info = nullptr;
  TANDEM_TRY(library_.check(api.tensor_info_of_type(type, &info), ErrorCode::corrupt));
  int element_type = 0;
  size_t rank = 0;
  TANDEM_TRY(library_.check(api.element_type(info, &element_type), ErrorCode::corrupt));
  TANDEM_TRY(library_.check(api.rank(info, &rank), ErrorCode::corrupt));
  const auto datatype = data_type_of(element_type);
  if (!datatype) return refuse("of texts or another type that has no datatype here");
  if (rank > kRankMax) return refuse("of more dimensions than a message may have");
  spec.datatype = *datatype;
  spec.shape.resize(rank);
  TANDEM_TRY(library_.check(api.dimensions(info, spec.shape.data(), rank), ErrorCode::corrupt));
  return spec;
}

// What fails on zeros may work on a request; it is then only not warm.
void OnnxSession::warm_up(uint32_t rows) {
  std::vector<Shape> shapes;
  std::vector<std::string> zeros;
  std::vector<TensorView> views;
  for (const TensorSpec& spec : inputs_) {
    Shape shape = spec.shape;
    for (size_t i = 0; i < shape.size(); ++i)
      if (shape[i] < 0) shape[i] = i == 0 ? rows : 1;
    const auto elements = element_count(shape);
    constexpr uint64_t kElementsMax = 1 << 26;  // beyond it, the first request does the warming
    if (!elements || *elements > kElementsMax) return;
    zeros.emplace_back(*elements * element_bytes(spec.datatype), '\0');
    shapes.push_back(std::move(shape));
  }
  for (size_t i = 0; i < inputs_.size(); ++i) views.push_back({inputs_[i].datatype, shapes[i], zeros[i]});
  const auto outputs = run(views);
  static_cast<void>(outputs);
}

OnnxSession::Outputs::~Outputs() {
  for (ort::Value* value : values_)
    if (value != nullptr) api_->release_value(value);
}

Result<OnnxSession::Outputs> OnnxSession::run(std::span<const TensorView> inputs) const {
  CHECK(inputs.size() == inputs_.size());
  const ort::Api& api = *library_.api_;
  Outputs taken(api);  // owns the inputs' values, not their bytes
  Outputs given(api);
  taken.values_.resize(inputs.size(), nullptr);
  given.values_.resize(outputs_.size(), nullptr);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorView& input = inputs[i];
    // The library only reads an input's bytes.
    TANDEM_TRY(library_.check(
        api.create_tensor_with_data(library_.memory_, const_cast<char*>(input.bytes.data()), input.bytes.size(),
                                    input.shape.data(), input.shape.size(),
                                    kElementTypes[static_cast<size_t>(input.datatype)], &taken.values_[i]),
        ErrorCode::internal));
  }
  TANDEM_TRY(library_.check(api.run(session_, nullptr, input_names_.data(), taken.values_.data(), inputs.size(),
                                    output_names_.data(), outputs_.size(), given.values_.data()),
                            ErrorCode::internal));
  TANDEM_TRY(read_outputs(given));
  return given;
}

Result<void> OnnxSession::read_outputs(Outputs& outputs) const {
  const ort::Api& api = *library_.api_;
  outputs.shapes_.resize(outputs.values_.size());
  for (size_t i = 0; i < outputs.values_.size(); ++i) {
    ort::TensorInfo* info = nullptr;
    TANDEM_TRY(library_.check(api.tensor_info_of_value(outputs.values_[i], &info), ErrorCode::internal));
    const auto released = std::unique_ptr<ort::TensorInfo, void (*)(ort::TensorInfo*)>(info, api.release_tensor_info);
    size_t rank = 0;
    TANDEM_TRY(library_.check(api.rank(info, &rank), ErrorCode::internal));
    outputs.shapes_[i].resize(rank);
    TANDEM_TRY(library_.check(api.dimensions(info, outputs.shapes_[i].data(), rank), ErrorCode::internal));
    const auto elements = element_count(outputs.shapes_[i]);
    if (!elements) return fail(ErrorCode::internal, fmt::format("output '{}' is too large", outputs_[i].name));
    void* data = nullptr;
    TANDEM_TRY(library_.check(api.tensor_data(outputs.values_[i], &data), ErrorCode::internal));
    outputs.tensors_.push_back(
        {outputs_[i].datatype, outputs.shapes_[i],
         std::string_view(static_cast<const char*>(data), *elements * element_bytes(outputs_[i].datatype))});
  }
  return {};
}

}  // namespace tandem::runtime
