// Predictions a second over HTTP, on one core that clients, server and predictor share: the example's model of 50
// features, so many rows a request, as JSON and as binary tensors.
#include <benchmark/benchmark.h>
#include <sched.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include <fmt/format.h>

#include "api/open_inference.h"
#include "routing/drawn_table.h"

namespace tandem::api {
namespace {

namespace asio = boost::asio;

constexpr int kClients = 32;

class NoRecords final : public gateway::RecordSink {
  void on_request(const gateway::SharedRecord&) override {}
};

http::ClientRequest prediction(int64_t rows, bool binary) {
  http::ClientRequest request{"POST", "/v2/models/site-ttft/infer", http::Headers(), {}};
  request.headers.add("authorization", "Bearer sk-acme");
  std::string values;
  std::string bytes;
  for (int64_t i = 0; i < rows * 50; ++i) {
    const auto value = static_cast<float>(i % 997) * 0.37f;
    values += fmt::format("{}{}", i > 0 ? "," : "", value);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  const std::string data = binary ? fmt::format(R"("parameters":{{"binary_data_size":{}}})", bytes.size())
                                  : fmt::format(R"("data":[{}])", values);
  request.body = fmt::format(
      R"({{"inputs":[{{"name":"features","datatype":"FP32","shape":[{},50],{}}}],"parameters":{{"binary_data_output":{}}}}})",
      rows, data, binary);
  if (!binary) return request;
  request.headers.add("inference-header-content-length", fmt::format("{}", request.body.size()));
  request.body += bytes;
  return request;
}

class ServedModel {
 public:
  ServedModel() {
    shared_.publish(std::make_shared<routing::RoutingTable>(
        routing::draw_table("jurisdiction DE\nregion north\nsite ber DE\nmodel small\ntenant acme key=sk-acme\ntarget "
                            "a ber small port=1\n")));
    runtime::PredictorOptions options;
    options.repository = std::string(TANDEM_SOURCE_DIR) + "/examples/predict/models";
    predictor_ = runtime::Predictor::open(std::move(options), clock_, metrics_).value();
    predictor_->wait_until_settled();
    inference_ = std::make_unique<OpenInference>(predictor_.get(), OpenInferenceOptions{});
    server_ = http::Server::listen(context_, {}, [this](const http::Request& request, http::ResponseWriter& writer) {
                return inference_->handle(request, writer, gate_);
              }).value();
  }

  std::string reason() const { return predictor_->model("site-ttft", 0)->reason; }

  // Delays of so many requests, sorted, in microseconds.
  std::vector<double> run(const http::ClientRequest& request, size_t requests) {
    delays_us_.clear();
    left_ = requests;
    int running = kClients;
    for (int i = 0; i < kClients; ++i) asio::co_spawn(context_, ask(request), [&](std::exception_ptr) { --running; });
    while (running > 0) context_.run_one();
    std::sort(delays_us_.begin(), delays_us_.end());
    return delays_us_;
  }

 private:
  asio::awaitable<void> ask(http::ClientRequest request) {
    while (left_ > 0) {
      --left_;
      const Duration begun = clock_.monotonic();
      http::Endpoint endpoint{"127.0.0.1", server_->port()};
      http::ClientRequest copy = request;
      auto sent = co_await client_.send(std::move(endpoint), std::move(copy), {});
      if (!sent || sent->status() != 200) continue;
      const auto body = co_await sent->read_all(1 << 20);
      if (body) delays_us_.push_back(static_cast<double>((clock_.monotonic() - begun).ns) * 1e-3);
    }
  }

  SystemClock clock_;
  Metrics metrics_;
  NoRecords records_;
  gateway::SharedState shared_;
  gateway::TenantGate gate_{shared_, metrics_, clock_, records_};
  asio::io_context context_;
  http::Client client_{context_};
  std::unique_ptr<runtime::Predictor> predictor_;
  std::unique_ptr<OpenInference> inference_;
  std::unique_ptr<http::Server> server_;
  size_t left_ = 0;
  std::vector<double> delays_us_;
};

void infer_over_http(benchmark::State& state, bool binary) {
  cpu_set_t before;
  cpu_set_t one;
  sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  sched_setaffinity(0, sizeof one, &one);
  const int64_t rows = state.range(0);
  const auto requests = static_cast<size_t>(rows == 1 ? 40'000 : 4'000);
  for (auto _ : state) {
    ServedModel served;
    if (const std::string reason = served.reason(); !reason.empty()) {
      state.SkipWithError(reason.c_str());
      break;
    }
    const http::ClientRequest request = prediction(rows, binary);
    served.run(request, kClients);
    const auto begun = std::chrono::steady_clock::now();
    const std::vector<double> delays_us = served.run(request, requests);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    if (delays_us.size() != requests) state.SkipWithError("requests failed");
    state.counters["requests/s"] = static_cast<double>(requests) / seconds;
    state.counters["predictions/s"] = static_cast<double>(requests) * static_cast<double>(rows) / seconds;
    state.counters["p50_us"] = delays_us[delays_us.size() / 2];
    state.counters["p99_us"] = delays_us[delays_us.size() * 99 / 100];
  }
  sched_setaffinity(0, sizeof before, &before);
}

BENCHMARK_CAPTURE(infer_over_http, json, false)->Arg(1)->Arg(64)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(infer_over_http, binary, true)
    ->Arg(1)
    ->Arg(64)
    ->Arg(256)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::api
