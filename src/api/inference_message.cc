#include "api/inference_message.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "base/json.h"

namespace tandem::api {
namespace {

using runtime::DataType;
using runtime::Tensor;
using simdjson::dom::element;

constexpr size_t kIdBytesMax = 1'024;
constexpr size_t kDepthMax = 64;              // what parses nests less deeply than a stack can bear
constexpr size_t kParserBytesMin = 4 * 1024;  // of JSON; a row of fifty features is a kilobyte
constexpr size_t kParserBytesKept = 1 << 20;  // a parser holds some ten times as much
constexpr int64_t kTimeoutUsMax = 3'600'000'000;

tl::unexpected<Error> malformed(std::string message) { return fail(ErrorCode::invalid_argument, std::move(message)); }

Result<std::string> take_text(element value, std::string_view what, size_t bytes_max) {
  if (!value.is_string()) return malformed(fmt::format("{} must be a text", what));
  const std::string_view text = value.get_string().value();
  if (text.empty() || text.size() > bytes_max)
    return malformed(fmt::format("{} must have 1 to {} bytes", what, bytes_max));
  return std::string(text);
}

// The members of an object, none of them twice: two readers could take different ones.
template <class Read>
Result<void> for_members(element value, std::string_view what, Read read) {
  if (!value.is_object()) return malformed(fmt::format("{} must be an object", what));
  std::vector<std::string_view> seen;
  for (const auto& [key, member] : simdjson::dom::object(value)) {
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      return malformed(fmt::format("{} has '{}' twice", what, key.substr(0, 64)));
    seen.push_back(key);
    if (seen.size() > kTensorsMax) return malformed(fmt::format("{} has too many members", what));
    TANDEM_TRY(read(key, member));
  }
  return {};
}

template <class Read>
Result<void> for_entries(element value, std::string_view what, Read read) {
  if (!value.is_array()) return malformed(fmt::format("{} must be an array", what));
  const simdjson::dom::array list(value);
  if (list.size() > kTensorsMax) return malformed(fmt::format("{} may have {} entries", what, kTensorsMax));
  for (const element each : list) TANDEM_TRY(read(each));
  return {};
}

Result<bool> take_flag(element value, std::string_view what) {
  if (!value.is_bool()) return malformed(fmt::format("{} must be true or false", what));
  return bool(value);
}

Result<int64_t> take_whole(element value, std::string_view what, int64_t least, int64_t most) {
  int64_t number = 0;
  if (value.get_int64().get(number) != simdjson::SUCCESS || number < least || number > most)
    return malformed(fmt::format("{} must be a whole number from {} to {}", what, least, most));
  return number;
}

// ---- elements ----

template <class T>
void append_bytes(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
bool append_integer(std::string& out, element value) {
  if constexpr (std::is_signed_v<T>) {
    int64_t number = 0;
    if (value.get_int64().get(number) != simdjson::SUCCESS) return false;
    if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) return false;
    append_bytes(out, static_cast<T>(number));
  } else {
    uint64_t number = 0;
    if (value.get_uint64().get(number) != simdjson::SUCCESS) return false;
    if (number > std::numeric_limits<T>::max()) return false;
    append_bytes(out, static_cast<T>(number));
  }
  return true;
}

// False where the element is not of that datatype.
bool append_element(std::string& out, DataType type, element value) {
  switch (type) {
    case DataType::boolean:
      if (!value.is_bool()) return false;
      out.push_back(bool(value) ? 1 : 0);
      return true;
    case DataType::uint8: return append_integer<uint8_t>(out, value);
    case DataType::uint16: return append_integer<uint16_t>(out, value);
    case DataType::uint32: return append_integer<uint32_t>(out, value);
    case DataType::uint64: return append_integer<uint64_t>(out, value);
    case DataType::int8: return append_integer<int8_t>(out, value);
    case DataType::int16: return append_integer<int16_t>(out, value);
    case DataType::int32: return append_integer<int32_t>(out, value);
    case DataType::int64: return append_integer<int64_t>(out, value);
    case DataType::fp16: return false;
    case DataType::fp32:
    case DataType::fp64: break;
  }
  double number = 0;
  if (value.get_double().get(number) != simdjson::SUCCESS) return false;
  if (type == DataType::fp64) {
    append_bytes(out, number);
    return true;
  }
  const auto single = static_cast<float>(number);
  if (!std::isfinite(single)) return false;
  append_bytes(out, single);
  return true;
}

// Nested as deep as the shape has dimensions, or flat; either way row-major.
Result<void> append_elements(Tensor& tensor, element value, uint64_t elements_max, size_t depth) {
  for (const element each : simdjson::dom::array(value)) {
    if (each.is_array()) {
      if (depth + 1 >= std::max<size_t>(tensor.shape.size(), 1))
        return malformed(fmt::format("input '{}': 'data' is nested deeper than its shape", tensor.name));
      TANDEM_TRY(append_elements(tensor, each, elements_max, depth + 1));
      continue;
    }
    const uint64_t position = tensor.bytes.size() / element_bytes(tensor.datatype);
    if (position >= elements_max)
      return malformed(fmt::format("input '{}': 'data' has more than the {} elements of shape {}", tensor.name,
                                   elements_max, runtime::to_string(tensor.shape)));
    if (!append_element(tensor.bytes, tensor.datatype, each))
      return malformed(fmt::format("input '{}': element {} of 'data' is no {} that JSON can carry", tensor.name,
                                   position, to_string(tensor.datatype)));
  }
  return {};
}

Result<void> take_data(Tensor& tensor, element data, uint64_t elements) {
  if (!data.is_array()) return malformed(fmt::format("input '{}': 'data' must be an array", tensor.name));
  if (tensor.datatype == DataType::fp16)
    return malformed(fmt::format("input '{}': FP16 is sent as binary data, not as JSON", tensor.name));
  // What is promised is not reserved: a shape costs the sender nothing.
  tensor.bytes.reserve(std::min<uint64_t>(elements, simdjson::dom::array(data).size()) *
                       element_bytes(tensor.datatype));
  TANDEM_TRY(append_elements(tensor, data, elements, 0));
  const uint64_t given = tensor.bytes.size() / element_bytes(tensor.datatype);
  if (given != elements)
    return malformed(fmt::format("input '{}': 'data' has {} elements, shape {} has {}", tensor.name, given,
                                 runtime::to_string(tensor.shape), elements));
  return {};
}

// ---- the request ----

Result<runtime::Shape> take_shape(element value) {
  if (!value.is_array()) return malformed("'shape' must be an array of sizes");
  const simdjson::dom::array sizes(value);
  if (sizes.size() > runtime::kRankMax)
    return malformed(fmt::format("a shape may have {} dimensions", runtime::kRankMax));
  runtime::Shape shape;
  for (const element size : sizes) {
    TANDEM_ASSIGN(const int64_t number, take_whole(size, "a size in 'shape'", 0, INT32_MAX));
    shape.push_back(number);
  }
  return shape;
}

class RequestDecoder {
 public:
  explicit RequestDecoder(std::string_view binary) : binary_(binary) {}

  Result<InferenceRequest> read(element root) {
    bool has_inputs = false;
    TANDEM_TRY(for_members(root, "the request", [&](std::string_view key, element value) -> Result<void> {
      if (key == "id" && !value.is_null()) {
        TANDEM_ASSIGN(request_.id, take_text(value, "'id'", kIdBytesMax));
      } else if (key == "inputs") {
        has_inputs = true;
        return for_entries(value, "'inputs'", [&](element input) { return read_input(input); });
      } else if (key == "outputs") {
        return for_entries(value, "'outputs'", [&](element output) { return read_output(output); });
      } else if (key == "parameters") {
        return read_parameters(value);
      }
      return {};
    }));
    if (!has_inputs) return malformed("the request has no 'inputs'");
    if (!binary_.empty())
      return malformed(fmt::format("{} bytes are left over behind the binary inputs", binary_.size()));
    return std::move(request_);
  }

 private:
  Result<void> read_parameters(element value) {
    return for_members(value, "'parameters'", [&](std::string_view key, element member) -> Result<void> {
      if (key == "timeout") {
        TANDEM_ASSIGN(const int64_t timeout_us, take_whole(member, "'timeout' (microseconds)", 0, kTimeoutUsMax));
        request_.timeout = microseconds(timeout_us);
      } else if (key == "binary_data_output") {
        TANDEM_ASSIGN(request_.binary_outputs, take_flag(member, "'binary_data_output'"));
      }
      return {};
    });
  }

  Result<void> read_input(element value) {
    Tensor tensor;
    std::optional<element> data;
    std::optional<int64_t> binary_bytes;
    bool has_shape = false, has_type = false;
    TANDEM_TRY(for_members(value, "an input", [&](std::string_view key, element member) -> Result<void> {
      if (key == "name") {
        TANDEM_ASSIGN(tensor.name, take_text(member, "an input's 'name'", kIdBytesMax));
      } else if (key == "shape") {
        has_shape = true;
        TANDEM_ASSIGN(tensor.shape, take_shape(member));
      } else if (key == "datatype") {
        has_type = true;
        TANDEM_ASSIGN(const std::string name, take_text(member, "'datatype'", 16));
        const auto type = runtime::parse_data_type(name);
        if (!type)
          return malformed(
              fmt::format("there is no datatype '{}'; BOOL, INT8 to INT64, UINT8 to UINT64, FP16, FP32 and "
                          "FP64 are served",
                          name));
        tensor.datatype = *type;
      } else if (key == "data") {
        data = member;
      } else if (key == "parameters") {
        return for_members(member, "an input's 'parameters'", [&](std::string_view name, element size) -> Result<void> {
          if (name != "binary_data_size") return {};
          TANDEM_ASSIGN(binary_bytes, take_whole(size, "'binary_data_size'", 0, INT32_MAX));
          return {};
        });
      }
      return {};
    }));
    if (tensor.name.empty() || !has_shape || !has_type)
      return malformed("an input needs 'name', 'shape' and 'datatype'");
    if (data.has_value() == binary_bytes.has_value())
      return malformed(fmt::format("input '{}' needs either 'data' or 'binary_data_size'", tensor.name));
    const auto elements = runtime::element_count(tensor.shape);
    if (!elements)
      return malformed(fmt::format("input '{}': shape {} is too large", tensor.name, runtime::to_string(tensor.shape)));
    TANDEM_TRY(data ? take_data(tensor, *data, *elements) : take_binary(tensor, *binary_bytes, *elements));
    request_.inputs.push_back(std::move(tensor));
    return {};
  }

  Result<void> take_binary(Tensor& tensor, int64_t bytes, uint64_t elements) {
    const auto size = static_cast<uint64_t>(bytes);
    if (size != elements * element_bytes(tensor.datatype))
      return malformed(fmt::format("input '{}': {} of shape {} has {} bytes, not {}", tensor.name,
                                   to_string(tensor.datatype), runtime::to_string(tensor.shape),
                                   elements * element_bytes(tensor.datatype), size));
    if (size > binary_.size())
      return malformed(
          fmt::format("input '{}' needs {} binary bytes and {} are left", tensor.name, size, binary_.size()));
    tensor.bytes = binary_.substr(0, size);
    binary_.remove_prefix(size);
    return {};
  }

  Result<void> read_output(element value) {
    InferenceRequest::WantedOutput wanted;
    TANDEM_TRY(for_members(value, "an output", [&](std::string_view key, element member) -> Result<void> {
      if (key == "name") {
        TANDEM_ASSIGN(wanted.name, take_text(member, "an output's 'name'", kIdBytesMax));
      } else if (key == "parameters") {
        return for_members(member, "an output's 'parameters'",
                           [&](std::string_view name, element flag) -> Result<void> {
                             if (name != "binary_data") return {};
                             TANDEM_ASSIGN(wanted.binary, take_flag(flag, "'binary_data'"));
                             return {};
                           });
      }
      return {};
    }));
    if (wanted.name.empty()) return malformed("an output needs a 'name'");
    request_.outputs.push_back(std::move(wanted));
    return {};
  }

  std::string_view binary_;
  InferenceRequest request_;
};

// ---- the reply ----

template <class T>
void write_elements(std::string& out, std::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    if (at > 0) out += ',';
    if constexpr (std::is_floating_point_v<T>)
      if (!std::isfinite(value)) {
        out += "null";
        continue;
      }
    if constexpr (sizeof(T) == 1)
      fmt::format_to(std::back_inserter(out), "{}", static_cast<int>(value));
    else
      fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void write_data(std::string& out, const Tensor& tensor) {
  switch (tensor.datatype) {
    case DataType::boolean:
      for (size_t i = 0; i < tensor.bytes.size(); ++i) {
        if (i > 0) out += ',';
        out += tensor.bytes[i] != 0 ? "true" : "false";
      }
      return;
    case DataType::uint8: return write_elements<uint8_t>(out, tensor.bytes);
    case DataType::uint16: return write_elements<uint16_t>(out, tensor.bytes);
    case DataType::uint32: return write_elements<uint32_t>(out, tensor.bytes);
    case DataType::uint64: return write_elements<uint64_t>(out, tensor.bytes);
    case DataType::int8: return write_elements<int8_t>(out, tensor.bytes);
    case DataType::int16: return write_elements<int16_t>(out, tensor.bytes);
    case DataType::int32: return write_elements<int32_t>(out, tensor.bytes);
    case DataType::int64: return write_elements<int64_t>(out, tensor.bytes);
    case DataType::fp32: return write_elements<float>(out, tensor.bytes);
    case DataType::fp64: return write_elements<double>(out, tensor.bytes);
    case DataType::fp16: return;  // refused before
  }
}

Result<void> write_output(const Tensor& tensor, bool binary, std::string& json, std::string& behind) {
  if (!binary && tensor.datatype == DataType::fp16)
    return malformed(
        fmt::format("output '{}' is FP16, which JSON cannot carry; ask for it with "
                    "\"parameters\":{{\"binary_data\":true}}",
                    tensor.name));
  json += R"({"name":)";
  append_json_string(json, tensor.name);
  fmt::format_to(std::back_inserter(json), R"(,"datatype":"{}","shape":{})", to_string(tensor.datatype),
                 runtime::to_string(tensor.shape));
  if (binary) {
    fmt::format_to(std::back_inserter(json), R"(,"parameters":{{"binary_data_size":{}}}}})", tensor.bytes.size());
    behind += tensor.bytes;
    return {};
  }
  json += R"(,"data":[)";
  write_data(json, tensor);
  json += "]}";
  return {};
}

}  // namespace

Result<InferenceRequest> decode_inference_request(std::string_view body, std::optional<size_t> json_bytes) {
  if (json_bytes && *json_bytes > body.size())
    return malformed(
        fmt::format("'inference-header-content-length' is {} and the body has {} bytes", *json_bytes, body.size()));
  thread_local std::unique_ptr<simdjson::dom::parser> kept;  // its buffers are most of a small request's allocations
  std::unique_ptr<simdjson::dom::parser> parser = std::move(kept);
  if (parser == nullptr) parser = std::make_unique<simdjson::dom::parser>();
  const std::string_view json = body.substr(0, json_bytes.value_or(body.size()));
  if ((parser->capacity() < json.size() || parser->max_depth() != kDepthMax) &&
      parser->allocate(std::max(json.size(), kParserBytesMin), kDepthMax) != simdjson::SUCCESS)
    return fail(ErrorCode::resource_exhausted, "there is no memory to read the request");
  element root;
  const auto error = parser->parse(json.data(), json.size()).get(root);
  auto request = error == simdjson::SUCCESS
                     ? RequestDecoder(json_bytes ? body.substr(*json_bytes) : std::string_view()).read(root)
                     : malformed(fmt::format("the request is not JSON: {}", simdjson::error_message(error)));
  if (parser->capacity() <= kParserBytesKept) kept = std::move(parser);
  return request;
}

Result<InferenceReply> encode_inference_reply(const InferenceRequest& request, std::string_view model,
                                              const runtime::PredictionAnswer& answer) {
  InferenceReply reply;
  std::string behind;
  std::string& json = reply.body;
  json = R"({"model_name":)";
  append_json_string(json, model);
  fmt::format_to(std::back_inserter(json), R"(,"model_version":"{}")", answer.version);
  if (!request.id.empty()) {
    json += R"(,"id":)";
    append_json_string(json, request.id);
  }
  fmt::format_to(std::back_inserter(json), R"(,"parameters":{{"batch_rows":{},"queue_us":{},"run_us":{}}},"outputs":[)",
                 answer.batch_rows, answer.queued.ns / 1'000, answer.run.ns / 1'000);
  bool first = true;
  const auto write = [&](const Tensor& tensor, bool binary) {
    if (!std::exchange(first, false)) json += ',';
    return write_output(tensor, binary, json, behind);
  };
  for (const InferenceRequest::WantedOutput& wanted : request.outputs) {
    const auto found = std::find_if(answer.outputs.begin(), answer.outputs.end(),
                                    [&](const Tensor& tensor) { return tensor.name == wanted.name; });
    if (found == answer.outputs.end()) return malformed(fmt::format("the model has no output '{}'", wanted.name));
    TANDEM_TRY(write(*found, wanted.binary.value_or(request.binary_outputs)));
  }
  if (request.outputs.empty())
    for (const Tensor& tensor : answer.outputs) TANDEM_TRY(write(tensor, request.binary_outputs));
  json += "]}";
  if (behind.empty()) return reply;
  reply.json_bytes = json.size();
  json += behind;
  return reply;
}

}  // namespace tandem::api
