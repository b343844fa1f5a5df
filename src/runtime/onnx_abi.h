// The part of ONNX Runtime's C interface that we call, as the library lays it out in memory. Internal.
//
// The interface is a table of functions whose places never change: new ones are added behind the last, which is how a
// program made for an old version runs with a new library. So what is needed of it is a page, the library's own headers
// are not, and a program built without the library uses it once it is there (docs/decisions/0018). The places are
// asserted below; predictor_test runs each function.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem::runtime::ort {

// The first version of the table that has all of these is older; with this one the library's releases since 1.16
// (2023) are taken.
inline constexpr uint32_t kApiVersion = 16;

struct Status;
struct Env;
struct Session;
struct SessionOptions;
struct RunOptions;
struct Value;
struct TypeInfo;
struct TensorInfo;
struct MemoryInfo;

inline constexpr int kWarning = 2;            // OrtLoggingLevel
inline constexpr int kInvalidArgument = 2;    // OrtErrorCode
inline constexpr int kTensor = 1;             // ONNXType
inline constexpr int kDeviceAllocator = 0;    // OrtAllocatorType
inline constexpr int kDefaultMemory = 0;      // OrtMemType
inline constexpr int kAllOptimizations = 99;  // GraphOptimizationLevel

struct Allocator {
  uint32_t version;  // kApiVersion, which says that there is nothing behind `info`
  void* (*alloc)(Allocator*, size_t bytes);
  void (*free)(Allocator*, void* block);
  const MemoryInfo* (*info)(const Allocator*);
};

using Unused = void (*)();

// What returns a Status returns null where it went well.
struct Api {
  Unused unused_0[1];
  int (*get_error_code)(const Status*);
  const char* (*get_error_message)(const Status*);
  Status* (*create_env)(int logging_level, const char* log_id, Env** out);
  Unused unused_4[3];
  Status* (*create_session)(const Env*, const char* model_path, const SessionOptions*, Session** out);
  Unused unused_8[1];
  Status* (*run)(Session*, const RunOptions*, const char* const* input_names, const Value* const* inputs,
                 size_t input_count, const char* const* output_names, size_t output_count, Value** outputs);
  Status* (*create_session_options)(SessionOptions** out);
  Unused unused_11[12];
  Status* (*set_graph_optimization_level)(SessionOptions*, int level);
  Status* (*set_intra_op_threads)(SessionOptions*, int threads);
  Status* (*set_inter_op_threads)(SessionOptions*, int threads);
  Unused unused_26[4];
  Status* (*input_count)(const Session*, size_t* out);
  Status* (*output_count)(const Session*, size_t* out);
  Unused unused_32[1];
  Status* (*input_type)(const Session*, size_t index, TypeInfo** out);
  Status* (*output_type)(const Session*, size_t index, TypeInfo** out);
  Unused unused_35[1];
  Status* (*input_name)(const Session*, size_t index, Allocator*, char** out);
  Status* (*output_name)(const Session*, size_t index, Allocator*, char** out);
  Unused unused_38[11];
  Status* (*create_tensor_with_data)(const MemoryInfo*, void* data, size_t bytes, const int64_t* shape, size_t rank,
                                     int element_type, Value** out);
  Unused unused_50[1];
  Status* (*tensor_data)(Value*, void** out);
  Unused unused_52[3];
  Status* (*tensor_info_of_type)(const TypeInfo*, const TensorInfo** out);  // owned by the TypeInfo
  Status* (*kind_of_type)(const TypeInfo*, int* out);
  Unused unused_57[3];
  Status* (*element_type)(const TensorInfo*, int* out);
  Status* (*rank)(const TensorInfo*, size_t* out);
  Status* (*dimensions)(const TensorInfo*, int64_t* out, size_t rank);
  Unused unused_63[2];
  Status* (*tensor_info_of_value)(const Value*, TensorInfo** out);
  Unused unused_66[3];
  Status* (*create_cpu_memory_info)(int allocator_type, int memory_type, MemoryInfo** out);
  Unused unused_70[6];
  Status* (*allocator_free)(Allocator*, void* block);
  Unused unused_77[1];
  Status* (*default_allocator)(Allocator** out);
  Unused unused_79[14];
  void (*release_status)(Status*);
  Unused unused_94[1];
  void (*release_session)(Session*);
  void (*release_value)(Value*);
  Unused unused_97[1];
  void (*release_type_info)(TypeInfo*);
  void (*release_tensor_info)(TensorInfo*);
  void (*release_session_options)(SessionOptions*);
  Unused unused_101[29];
  Status* (*add_session_config)(SessionOptions*, const char* key, const char* value);
  Unused unused_131[45];
  Status* (*register_allocator)(Env*, Allocator*);
};

#define TANDEM_ORT_PLACE(function, place) static_assert(offsetof(Api, function) == (place) * sizeof(Unused))
TANDEM_ORT_PLACE(get_error_code, 1);
TANDEM_ORT_PLACE(create_env, 3);
TANDEM_ORT_PLACE(create_session, 7);
TANDEM_ORT_PLACE(run, 9);
TANDEM_ORT_PLACE(create_session_options, 10);
TANDEM_ORT_PLACE(set_graph_optimization_level, 23);
TANDEM_ORT_PLACE(input_count, 30);
TANDEM_ORT_PLACE(input_type, 33);
TANDEM_ORT_PLACE(input_name, 36);
TANDEM_ORT_PLACE(create_tensor_with_data, 49);
TANDEM_ORT_PLACE(tensor_data, 51);
TANDEM_ORT_PLACE(tensor_info_of_type, 55);
TANDEM_ORT_PLACE(element_type, 60);
TANDEM_ORT_PLACE(tensor_info_of_value, 65);
TANDEM_ORT_PLACE(create_cpu_memory_info, 69);
TANDEM_ORT_PLACE(allocator_free, 76);
TANDEM_ORT_PLACE(default_allocator, 78);
TANDEM_ORT_PLACE(release_status, 93);
TANDEM_ORT_PLACE(release_session, 95);
TANDEM_ORT_PLACE(release_type_info, 98);
TANDEM_ORT_PLACE(add_session_config, 130);
TANDEM_ORT_PLACE(register_allocator, 176);
#undef TANDEM_ORT_PLACE

// What the library exports, as `OrtGetApiBase`.
struct ApiBase {
  const Api* (*get_api)(uint32_t version);  // null where the library is older than that version
  const char* (*version)();                 // "1.22.0"
};
using GetApiBase = const ApiBase* (*)();

}  // namespace tandem::runtime::ort
