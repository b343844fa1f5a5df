// Predictions over real sockets. They need ONNX Runtime; scripts/fetch-onnxruntime brings it.
#include "api/open_inference.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>

#include "routing/drawn_table.h"
#include "support/onnx_models.h"
#include "support/temporary_directory.h"

namespace tandem::api {
namespace {

namespace asio = boost::asio;

struct Inferred {
  int status = 0;
  http::Headers headers;
  std::string text;
  Json json() const { return parse_json(text).value_or(Json()); }
  std::string error() const { return std::string(json()["error"].text()); }
};

class InferenceRecords final : public gateway::RecordSink {
 public:
  void on_request(const gateway::SharedRecord& record) override { all.push_back(*record); }
  std::vector<gateway::RequestRecord> all;
};

class OpenInferenceTest : public ::testing::Test {
 protected:
  OpenInferenceTest() {
    shared_.publish(std::make_shared<routing::RoutingTable>(
        routing::draw_table("jurisdiction DE FR\nregion north\nsite ber DE\nmodel small\ntenant acme key=sk-acme\n"
                            "tenant other key=sk-other\ntenant slow key=sk-slow rpm=1\ntarget a ber small port=1\n")));
  }

  // Models m (versions 1 and 2), private (of `other` alone) and torn.
  void SetUp() override {
    const auto& root = directory_.path();
    test_support::put_model(root, "m", 1, test_support::scaling_model(2));
    test_support::put_model(root, "m", 2, test_support::scaling_model(3));
    test_support::put_file(root / "m" / "config.yaml", "max_batch: 4\n");
    test_support::put_model(root, "private", 1, test_support::scaling_model(2));
    test_support::put_file(root / "private" / "config.yaml", "tenants: [other]\n");
    test_support::put_model(root, "torn", 1, "torn");
    runtime::PredictorOptions options;
    options.repository = root;
    predictor_ = runtime::Predictor::open(std::move(options), clock_, metrics_).value();
    predictor_->wait_until_settled();
    serve(predictor_.get());
    const std::string reason = predictor_->model("m", 1)->reason;
    if (reason.find("fetch-onnxruntime") != std::string::npos) GTEST_SKIP() << "skipped: " << reason;
  }

  void serve(runtime::Predictor* predictor, size_t body_bytes_max = 1 << 20) {
    server_.reset();
    inference_ = std::make_unique<OpenInference>(
        predictor, OpenInferenceOptions{.version = "1.2", .body_bytes_in_flight_max = body_bytes_max});
    server_ = http::Server::listen(context_, {}, [this](const http::Request& request, http::ResponseWriter& writer) {
                return inference_->handle(request, writer, gate_);
              }).value();
  }

  Inferred ask(std::string method, std::string target, std::string body = {}, http::Headers headers = {}) {
    if (!headers.find("authorization")) headers.add("authorization", "Bearer sk-acme");
    Inferred answer;
    bool ended = false;
    http::ClientRequest request{std::move(method), std::move(target), std::move(headers), std::move(body)};
    asio::co_spawn(context_, exchange(std::move(request), answer, ended), asio::detached);
    while (!ended) context_.run_one();
    return answer;
  }
  Inferred infer(std::string body, std::string path = "/v2/models/m/infer", std::string key = "sk-acme") {
    http::Headers headers;
    headers.add("authorization", "Bearer " + key);
    return ask("POST", std::move(path), std::move(body), std::move(headers));
  }
  asio::awaitable<void> exchange(http::ClientRequest request, Inferred& answer, bool& ended) {
    http::Endpoint endpoint{"127.0.0.1", server_->port()};
    auto sent = co_await client_.send(std::move(endpoint), std::move(request), {});
    if (sent) {
      answer.status = sent->status();
      answer.headers = sent->headers();
      auto body = co_await sent->read_all(1 << 20);
      if (body) answer.text = std::move(*body);
    }
    ended = true;
  }

  static constexpr const char* kRequest =
      R"({"id":"7","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})";

  SystemClock clock_;
  Metrics metrics_;
  InferenceRecords records_;
  gateway::SharedState shared_;
  gateway::TenantGate gate_{shared_, metrics_, clock_, records_};
  test_support::TemporaryDirectory directory_;
  asio::io_context context_;
  http::Client client_{context_};
  std::unique_ptr<runtime::Predictor> predictor_;
  std::unique_ptr<OpenInference> inference_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(OpenInferenceTest, InfersWithTheLatestVersionOrTheOneAskedFor) {
  const Inferred latest = infer(kRequest);
  ASSERT_EQ(latest.status, 200) << latest.text;
  EXPECT_EQ(latest.json()["id"].text(), "7");
  EXPECT_EQ(latest.json()["model_version"].text(), "2");
  EXPECT_EQ(to_json(latest.json()["outputs"].array()[0]["data"]), "[3,6]");
  const Inferred first = infer(kRequest, "/v2/models/m/versions/1/infer");
  EXPECT_EQ(to_json(first.json()["outputs"].array()[0]["data"]), "[2,4]");
}

TEST_F(OpenInferenceTest, TakesAndGivesBinaryTensors) {
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],)"
      R"("parameters":{"binary_data_output":true}})";
  const float values[] = {1.5f, -2.f};
  http::Headers headers;
  headers.add("inference-header-content-length", std::to_string(json.size()));
  const Inferred answer = ask("POST", "/v2/models/m/infer",
                              json + std::string(reinterpret_cast<const char*>(values), sizeof values), headers);
  ASSERT_EQ(answer.status, 200) << answer.text;
  const size_t at = std::stoul(std::string(answer.headers.value_or("inference-header-content-length", "0")));
  ASSERT_EQ(answer.text.size(), at + 8);
  float outputs[2];
  std::memcpy(outputs, answer.text.data() + at, sizeof outputs);
  EXPECT_EQ(outputs[0], 4.5f);
  EXPECT_EQ(outputs[1], -6.f);
}

TEST_F(OpenInferenceTest, EveryAnswerHasAnIdAndItsRecordHasItToo) {
  http::Headers named;
  named.add("x-request-id", "mine-1");
  EXPECT_EQ(ask("GET", "/v2/health/live", {}, named).headers.value_or("x-request-id", ""), "mine-1");
  for (const char* path : {"/v2", "/v2/models/m", "/v2/nothing", "/v2/models/n"})
    EXPECT_NE(ask("GET", path).headers.value_or("x-request-id", ""), "") << path;
  EXPECT_NE(ask("GET", "/v2").headers.value_or("x-request-id", ""),
            ask("GET", "/v2").headers.value_or("x-request-id", ""));
  for (const char* key : {"sk-acme", "sk-nobody"}) {
    const Inferred answer = infer(kRequest, "/v2/models/m/infer", key);
    EXPECT_EQ(answer.headers.value_or("x-request-id", ""), records_.all.back().request_id) << key;
  }
}

TEST_F(OpenInferenceTest, SaysByWhichMethodsAPathIsThere) {
  const Inferred asked = ask("OPTIONS", "/v2/models/m/infer");
  EXPECT_EQ(asked.status, 204);
  EXPECT_EQ(asked.headers.value_or("allow", ""), "POST");
  EXPECT_EQ(ask("HEAD", "/v2/health/live").status, 200);
  EXPECT_EQ(ask("DELETE", "/v2/repository/index").headers.value_or("allow", ""), "GET, HEAD, POST");
}

TEST_F(OpenInferenceTest, ErrorsHaveTheProtocolsShapeAndAStatus) {
  const Inferred wrong = infer(R"({"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.error(), "input 'x' must be FP32 [-1,2] (-1: any), not FP32 [1,3]");
  EXPECT_EQ(infer("{").status, 400);
  EXPECT_EQ(infer(R"({"inputs":[{"name":"x","shape":[5,2],"datatype":"INT8","data":[0,0,0,0,0,0,0,0,0,0]}]})").status,
            400);
  EXPECT_EQ(infer(R"({"inputs":[{"name":"x","shape":[5,2],"datatype":"FP32","data":[0,0,0,0,0,0,0,0,0,0]}]})").status,
            413);
  EXPECT_EQ(infer(kRequest, "/v2/models/n/infer").status, 404);
  EXPECT_EQ(infer(kRequest, "/v2/models/m/versions/9/infer").status, 404);
  EXPECT_EQ(infer(kRequest, "/v2/models/torn/infer").status, 503);
  EXPECT_EQ(ask("GET", "/v2/models/m/infer").status, 405);
  EXPECT_EQ(ask("GET", "/v2/models/m/versions/x").status, 404);
  EXPECT_EQ(ask("GET", "/v2/nothing").status, 404);
  http::Headers form;
  form.add("content-type", "application/x-www-form-urlencoded");
  EXPECT_EQ(ask("POST", "/v2/models/m/infer", kRequest, form).status, 415);
  http::Headers torn;
  torn.add("inference-header-content-length", "-1");
  EXPECT_EQ(ask("POST", "/v2/models/m/infer", kRequest, torn).status, 400);
}

TEST_F(OpenInferenceTest, KnowsTenantsAndHoldsThemToTheirLimits) {
  EXPECT_EQ(infer(kRequest, "/v2/models/m/infer", "sk-nobody").status, 401);
  EXPECT_EQ(infer(kRequest, "/v2/models/private/infer").status, 404);
  EXPECT_EQ(infer(kRequest, "/v2/models/private/infer", "sk-other").status, 200);
  EXPECT_EQ(infer(kRequest, "/v2/models/m/infer", "sk-slow").status, 200);
  const Inferred refused = infer(kRequest, "/v2/models/m/infer", "sk-slow");
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.headers.find("retry-after"));
}

TEST_F(OpenInferenceTest, EveryRequestIsOnTheTenantsAccount) {
  infer(kRequest);
  infer("{");
  infer(kRequest, "/v2/models/invented-by-a-client/infer");
  ASSERT_EQ(records_.all.size(), 3u);
  EXPECT_EQ(records_.all[0].tenant, "acme");
  EXPECT_EQ(records_.all[0].model, "m");
  EXPECT_EQ(records_.all[0].outcome, gateway::Outcome::ok);
  EXPECT_GT(records_.all[0].cost.value(), 0);
  EXPECT_EQ(records_.all[1].outcome, gateway::Outcome::client_error);
  EXPECT_EQ(records_.all[1].status, 400);
  EXPECT_EQ(records_.all[2].model, "");  // no label of its own
}

TEST_F(OpenInferenceTest, RecordsHaveTheFieldsAndCodesOfTheOtherApi) {
  const Inferred answer = infer(kRequest, "/v2/models/m/versions/1/infer");
  EXPECT_EQ(records_.all.back().path, "/v2/models/m/versions/1/infer");
  EXPECT_EQ(records_.all.back().request_bytes, std::string(kRequest).size());
  EXPECT_EQ(records_.all.back().answer_bytes, answer.text.size());
  EXPECT_EQ(records_.all.back().refused, "");
  const Inferred unknown = infer(kRequest, "/v2/models/n/infer");
  EXPECT_EQ(records_.all.back().refused, "model_not_found");
  EXPECT_EQ(records_.all.back().answer_bytes, unknown.text.size());
  infer(kRequest, "/v2/models/torn/infer");
  EXPECT_EQ(records_.all.back().refused, "unavailable");
  EXPECT_EQ(records_.all.back().model, "torn");
  infer(kRequest, "/v2/models/m/infer", "sk-slow");
  const Inferred refused = infer(kRequest, "/v2/models/m/infer", "sk-slow");
  EXPECT_EQ(records_.all.back().refused, "rate_limit_exceeded");
  EXPECT_EQ(records_.all.back().model, "m") << "whom the gate refuses is known to have asked for it";
  EXPECT_EQ(records_.all.back().answer_bytes, refused.text.size());
}

TEST_F(OpenInferenceTest, TellsOfMemoryAndOfWhatCameOfRequests) {
  infer(kRequest);
  infer("{\"inputs\":[]}");
  const Json view = inference_->models_view();
  EXPECT_TRUE(view["site"].is_null());
  EXPECT_GT(view["memory_bytes"].integer(), 0);
  EXPECT_EQ(view["memory_bytes_max"].integer(), int64_t{1} << 30);
  const Json& m = view["models"].array().at(1);  // version 2
  EXPECT_EQ(m["version"].integer(), 2);
  EXPECT_EQ(m["predictions"].integer(), 1);
  EXPECT_EQ(m["errors"].integer(), 1);
  EXPECT_EQ(m["evictions"].integer(), 0);
  EXPECT_EQ(m["recent"]["errors"].integer(), 1);
  EXPECT_EQ(m["recent"]["rows_per_batch"].number(), 1);
  EXPECT_GT(m["recent"]["answer_ms_p99"].number(), 0);
}

TEST_F(OpenInferenceTest, DescribesTheServerAndItsModels) {
  EXPECT_EQ(ask("GET", "/v2").json()["version"].text(), "1.2");
  EXPECT_EQ(ask("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(ask("GET", "/v2/health/ready").status, 200);
  const Json model = ask("GET", "/v2/models/m").json();
  EXPECT_EQ(to_json(model["versions"]), R"(["1","2"])");
  EXPECT_EQ(to_json(model["inputs"]), R"([{"datatype":"FP32","name":"x","shape":[-1,2]}])");
  EXPECT_EQ(ask("GET", "/v2/models/m/versions/1/ready").status, 200);
  EXPECT_EQ(ask("GET", "/v2/models/torn/ready").status, 400);
  EXPECT_EQ(ask("GET", "/v2/models/torn").status, 503);
  EXPECT_EQ(ask("GET", "/v2/models/private").status, 404);
  const Inferred index = ask("POST", "/v2/repository/index");
  EXPECT_EQ(index.json().array().size(), 3u) << index.text;  // what this tenant may use
  EXPECT_EQ(index.json().array()[0]["state"].text(), "READY");
  EXPECT_EQ(index.json().array()[2]["state"].text(), "UNAVAILABLE");
  EXPECT_EQ(inference_->models_view()["models"].array().size(), 4u);
}

TEST_F(OpenInferenceTest, HoldsNoMoreBytesOfBodiesThanItMay) {
  serve(predictor_.get(), 200);
  EXPECT_EQ(infer(kRequest).status, 200);
  const Inferred refused = infer(kRequest + std::string(200, ' '));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.value_or("retry-after", ""), "1");
  EXPECT_EQ(infer(kRequest).status, 200);  // what was refused is not held
}

TEST_F(OpenInferenceTest, WithoutARepositorySaysSo) {
  serve(nullptr);
  const Inferred answer = infer(kRequest);
  EXPECT_EQ(answer.status, 404);
  EXPECT_NE(answer.error().find("--model-repository"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v2/health/ready").status, 400);
}

}  // namespace
}  // namespace tandem::api
