#include "api/inference_message.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/json.h"

namespace tandem::api {
namespace {

using runtime::DataType;
using runtime::Shape;
using runtime::Tensor;

template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

std::string refusal(std::string_view body, std::optional<size_t> json_bytes = {}) {
  const auto request = decode_inference_request(body, json_bytes);
  if (request) return "";
  EXPECT_EQ(request.error().code, ErrorCode::invalid_argument);
  return request.error().message;
}

std::string one_input(std::string_view rest) { return R"({"inputs":[{"name":"x",)" + std::string(rest) + "}]}"; }

TEST(InferenceMessage, ReadsFlatAndNestedDataAlike) {
  const auto flat =
      decode_inference_request(one_input(R"("shape":[2,2],"datatype":"FP32","data":[1,2.5,-3,4e2])"), {}).value();
  const auto nested =
      decode_inference_request(one_input(R"("shape":[2,2],"datatype":"FP32","data":[[1,2.5],[-3,4e2]])"), {}).value();
  EXPECT_EQ(flat.inputs, (std::vector<Tensor>{{"x", DataType::fp32, {2, 2}, raw({1.f, 2.5f, -3.f, 400.f})}}));
  EXPECT_EQ(flat.inputs, nested.inputs);
}

TEST(InferenceMessage, ReadsEveryDatatypeAtItsLimits) {
  const auto bytes = [](std::string_view type, std::string_view data, int size = 2) {
    const auto request =
        decode_inference_request(one_input(R"("shape":[)" + std::to_string(size) + R"(],"datatype":")" +
                                           std::string(type) + R"(","data":)" + std::string(data)),
                                 {});
    EXPECT_TRUE(request) << request.error().message;
    return request ? request->inputs[0].bytes : "";
  };
  EXPECT_EQ(bytes("BOOL", "[true,false]"), std::string("\1\0", 2));
  EXPECT_EQ(bytes("UINT8", "[0,255]"), raw<uint8_t>({0, 255}));
  EXPECT_EQ(bytes("INT8", "[-128,127]"), raw<int8_t>({-128, 127}));
  EXPECT_EQ(bytes("UINT16", "[0,65535]"), raw<uint16_t>({0, 65535}));
  EXPECT_EQ(bytes("INT16", "[-32768,32767]"), raw<int16_t>({-32768, 32767}));
  EXPECT_EQ(bytes("UINT32", "[0,4294967295]"), raw<uint32_t>({0, 4294967295}));
  EXPECT_EQ(bytes("INT32", "[-2147483648,2147483647]"), raw<int32_t>({INT32_MIN, INT32_MAX}));
  EXPECT_EQ(bytes("UINT64", "[0,18446744073709551615]"), raw<uint64_t>({0, UINT64_MAX}));
  EXPECT_EQ(bytes("INT64", "[-9223372036854775808,9223372036854775807]"), raw<int64_t>({INT64_MIN, INT64_MAX}));
  EXPECT_EQ(bytes("FP64", "[1e300,-0.5]"), raw<double>({1e300, -0.5}));
}

TEST(InferenceMessage, SaysWhereARequestIsWrong) {
  EXPECT_EQ(refusal("nothing").find("the request is not JSON: "), 0u);
  EXPECT_EQ(refusal("[]"), "the request must be an object");
  EXPECT_EQ(refusal("{}"), "the request has no 'inputs'");
  EXPECT_EQ(refusal(R"({"inputs":[],"inputs":[]})"), "the request has 'inputs' twice");
  EXPECT_EQ(refusal(R"({"inputs":[{"name":"x"}]})"), "an input needs 'name', 'shape' and 'datatype'");
  EXPECT_EQ(refusal(one_input(R"("shape":[1],"datatype":"FP32")")),
            "input 'x' needs either 'data' or 'binary_data_size'");
  EXPECT_EQ(refusal(one_input(R"("shape":[1],"datatype":"FLOAT","data":[1])")).find("there is no datatype 'FLOAT'"),
            0u);
  EXPECT_EQ(refusal(one_input(R"("shape":[2],"datatype":"FP32","data":[1])")),
            "input 'x': 'data' has 1 elements, shape [2] has 2");
  EXPECT_EQ(refusal(one_input(R"("shape":[2],"datatype":"FP32","data":[1,2,3])")),
            "input 'x': 'data' has more than the 2 elements of shape [2]");
  EXPECT_EQ(refusal(one_input(R"("shape":[2],"datatype":"INT8","data":[1,128])")),
            "input 'x': element 1 of 'data' is no INT8 that JSON can carry");
  EXPECT_EQ(refusal(one_input(R"("shape":[1],"datatype":"FP32","data":["1"])")),
            "input 'x': element 0 of 'data' is no FP32 that JSON can carry");
  EXPECT_EQ(refusal(one_input(R"("shape":[1],"datatype":"FP32","data":[1e39])")),
            "input 'x': element 0 of 'data' is no FP32 that JSON can carry");
  EXPECT_EQ(refusal(one_input(R"("shape":[1],"datatype":"FP16","data":[1])")),
            "input 'x': FP16 is sent as binary data, not as JSON");
  EXPECT_EQ(refusal(one_input(R"("shape":[1],"datatype":"FP32","data":[[1]])")),
            "input 'x': 'data' is nested deeper than its shape");
  EXPECT_EQ(refusal(one_input(R"("shape":[-1],"datatype":"FP32","data":[1])")),
            "a size in 'shape' must be a whole number from 0 to 2147483647");
  EXPECT_EQ(refusal(one_input(R"("shape":[2147483647,2147483647],"datatype":"FP32","data":[1])")),
            "input 'x': shape [2147483647,2147483647] is too large");
  EXPECT_EQ(refusal(R"({"inputs":[],"parameters":{"timeout":-1}})"),
            "'timeout' (microseconds) must be a whole number from 0 to 3600000000");
}

TEST(InferenceMessage, TakesBinaryTensorsBehindTheJson) {
  const std::string json =
      R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}},)"
      R"({"name":"h","shape":[1],"datatype":"FP16","parameters":{"binary_data_size":2}},)"
      R"({"name":"b","shape":[1],"datatype":"INT8","data":[7]}]})";
  const std::string body = json + raw({1.f, 2.f}) + "hh";
  const auto request = decode_inference_request(body, json.size()).value();
  EXPECT_EQ(request.inputs[0].bytes, raw({1.f, 2.f}));
  EXPECT_EQ(request.inputs[1].bytes, "hh");
  EXPECT_EQ(request.inputs[2].bytes, "\7");
  EXPECT_EQ(refusal(body + "!", json.size()), "1 bytes are left over behind the binary inputs");
  EXPECT_EQ(refusal(body.substr(0, body.size() - 1), json.size()), "input 'h' needs 2 binary bytes and 1 are left");
  EXPECT_EQ(refusal(body, body.size() + 1).find("'inference-header-content-length' is"), 0u);
  EXPECT_EQ(refusal(json).find("input 'a' needs 8 binary bytes and 0 are left"), 0u);
  const std::string small =
      R"({"inputs":[{"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":4}}]})";
  EXPECT_EQ(refusal(small + "1234", small.size()), "input 'a': FP32 of shape [2] has 8 bytes, not 4");
}

runtime::PredictionAnswer answer() {
  runtime::PredictionAnswer made;
  made.version = 3;
  made.batch_rows = 8;
  made.outputs = {{"y", DataType::fp32, {3}, raw({0.1f, 2.f, std::numeric_limits<float>::infinity()})},
                  {"z", DataType::boolean, {2}, std::string("\1\0", 2)},
                  {"h", DataType::fp16, {1}, "hh"}};
  return made;
}

TEST(InferenceMessage, WritesTheOutputsThatWereAskedFor) {
  InferenceRequest request;
  request.id = "q\"1";
  request.outputs = {{"z", {}}, {"y", false}};
  const auto reply = encode_inference_reply(request, "m", answer()).value();
  EXPECT_FALSE(reply.json_bytes);
  EXPECT_EQ(
      reply.body,
      R"({"model_name":"m","model_version":"3","id":"q\"1","parameters":{"batch_rows":8,"queue_us":0,"run_us":0},)"
      R"("outputs":[{"name":"z","datatype":"BOOL","shape":[2],"data":[true,false]},)"
      R"({"name":"y","datatype":"FP32","shape":[3],"data":[0.1,2,null]}]})");
  request.outputs = {{"w", {}}};
  EXPECT_EQ(encode_inference_reply(request, "m", answer()).error().message, "the model has no output 'w'");
  request.outputs = {{"h", {}}};
  EXPECT_EQ(encode_inference_reply(request, "m", answer()).error().message.find("output 'h' is FP16"), 0u);
}

TEST(InferenceMessage, WritesBinaryOutputsBehindTheJson) {
  InferenceRequest request;
  request.binary_outputs = true;
  request.outputs = {{"y", {}}, {"z", false}, {"h", {}}};
  const auto reply = encode_inference_reply(request, "m", answer()).value();
  ASSERT_TRUE(reply.json_bytes);
  const Json json = parse_json(std::string_view(reply.body).substr(0, *reply.json_bytes)).value();
  EXPECT_EQ(json["outputs"].array()[0]["parameters"]["binary_data_size"].integer(), 12);
  EXPECT_TRUE(json["outputs"].array()[1]["data"].array()[0].boolean());
  EXPECT_EQ(reply.body.substr(*reply.json_bytes), answer().outputs[0].bytes + "hh");
}

}  // namespace
}  // namespace tandem::api
