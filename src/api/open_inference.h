// Predictive models over HTTP, by the Open Inference Protocol v2 (KServe's, and Triton's):
//
//   GET  /v2, /v2/health/live, /v2/health/ready
//   GET  /v2/models/{model}[/versions/{version}][/ready]
//   POST /v2/models/{model}[/versions/{version}]/infer      JSON, or with binary tensors
//   GET  /v2/repository/index                               (POST too, as Triton has it)
//
// Keys, residency, limits and accounts are those of /v1 (gateway/tenant_gate.h); health is for anybody. Errors are
// {"error": "what is wrong"} with a status. A prediction's `parameters.timeout` is Triton's: microseconds to its
// answer. It costs the time its rows took on a core.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <string>

#include "base/json.h"
#include "gateway/tenant_gate.h"
#include "http/http.h"
#include "runtime/predictor.h"

namespace tandem::api {

struct InferenceRequest;
struct InferenceReply;

struct OpenInferenceOptions {
  std::string version;    // of the program
  std::string site = {};  // of the grid, where this process stands; empty: not said
  // What an hour of one core costs: near what the large clouds ask for a vCPU of theirs.
  double core_eur_per_hour = 0.04;
  // Bodies of all predictions under way, as read: a body may be many times as large as the tensors in it. As the
  // gateway has it for its own (GatewayOptions); beyond it, requests get a 503.
  size_t body_bytes_in_flight_max = 256 * 1024 * 1024;
};

// Thread-safe: one serves all threads, each with a gate of its own.
class OpenInference {
 public:
  // `predictor` null: no folder of models is served, which every answer says. It must outlive this.
  OpenInference(runtime::Predictor* predictor, OpenInferenceOptions options)
      : predictor_(predictor), options_(std::move(options)) {}

  // Any request whose target is /v2 or under /v2/.
  boost::asio::awaitable<void> handle(const http::Request& request, http::ResponseWriter& writer,
                                      gateway::TenantGate& gate) const;

  // For GET /api/v1/predictive-models: {"site","memory_bytes","memory_bytes_max","models":[…]}.
  Json models_view() const;

 private:
  struct Target;
  boost::asio::awaitable<void> infer(Target target, const http::Request& request, http::ResponseWriter& writer,
                                     gateway::TenantGate& gate) const;
  boost::asio::awaitable<Result<InferenceReply>> answer(const Target& target, const http::Request& request,
                                                        gateway::RequestRecord& record) const;
  boost::asio::awaitable<void> refuse(const Target& target, const http::Request& request, http::Headers headers,
                                      http::ResponseWriter& writer) const;
  Result<InferenceRequest> decode(const http::Request& request) const;
  Result<Json> read(const Target& target, std::string_view tenant) const;
  Result<Json> model_view(const Target& target, std::string_view tenant) const;
  Json repository_index(std::string_view tenant) const;

  runtime::Predictor* const predictor_;
  const OpenInferenceOptions options_;
  mutable std::atomic<size_t> body_bytes_in_flight_{0};
};

}  // namespace tandem::api
