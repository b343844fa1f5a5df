#include <cstdlib>

#include "api/inference_message.h"
#include "base/json.h"

// The first byte says whether, and the second how far, the body is JSON. What is read holds as many bytes as its shapes
// say, and what echoes it, as JSON or binary, is JSON with as many bytes behind it as it promises.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::api;
  if (size < 2) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::optional<size_t> json_bytes;
  if (data[0] % 2 == 1) json_bytes = data[0] % 4 == 1 ? body.size() - std::min<size_t>(data[1], body.size()) : data[1];
  const auto request = decode_inference_request(body, json_bytes);
  if (!request) {
    if (request.error().code != ErrorCode::invalid_argument || request.error().message.empty()) std::abort();
    return 0;
  }
  runtime::PredictionAnswer echo;
  echo.outputs = request->inputs;
  for (const runtime::Tensor& tensor : request->inputs) {
    const auto elements = runtime::element_count(tensor.shape);
    if (!elements || tensor.bytes.size() != *elements * runtime::element_bytes(tensor.datatype)) std::abort();
  }
  const auto reply = encode_inference_reply(*request, "m", echo);
  if (!reply) return 0;
  const std::string_view json = std::string_view(reply->body).substr(0, reply->json_bytes.value_or(reply->body.size()));
  const auto parsed = parse_json(json);
  if (!parsed) std::abort();
  int64_t behind = 0;
  for (const Json& output : (*parsed)["outputs"].array()) behind += output["parameters"]["binary_data_size"].integer();
  if (static_cast<size_t>(behind) != reply->body.size() - json.size()) std::abort();
  return 0;
}
