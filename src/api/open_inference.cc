#include "api/open_inference.h"

#include <fmt/format.h>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/inference_message.h"
#include "base/text.h"

namespace tandem::api {

namespace asio = boost::asio;

// What a request is about.
struct OpenInference::Target {
  enum class Kind : uint8_t { nothing, server, live, ready, index, model, model_ready, infer };
  Kind kind = Kind::nothing;
  std::string model;
  uint64_t version = 0;  // 0: the latest

  static Target parse(std::string_view path);
  std::string_view allowed() const {
    if (kind == Kind::infer) return "POST";
    return kind == Kind::index ? "GET, HEAD, POST" : "GET, HEAD";
  }
  bool allows(std::string_view method) const {
    if (method == "POST") return kind == Kind::infer || kind == Kind::index;
    return (method == "GET" || method == "HEAD") && kind != Kind::infer;
  }
};

namespace {

constexpr std::string_view kJsonEnds = "inference-header-content-length";

// Counts a request's body for as long as it is being answered.
class HeldBytes {
 public:
  HeldBytes(std::atomic<size_t>& count, size_t bytes) : count_(count), bytes_(bytes) {
    count_.fetch_add(bytes_, std::memory_order_relaxed);
  }
  ~HeldBytes() { count_.fetch_sub(bytes_, std::memory_order_relaxed); }
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;

 private:
  std::atomic<size_t>& count_;
  const size_t bytes_;
};

std::optional<uint64_t> read_version(std::string_view text) {
  const auto version = parse_integer(text);
  if (!version || *version < 1) return std::nullopt;
  return static_cast<uint64_t>(*version);
}

asio::awaitable<void> respond(http::ResponseWriter& writer, int status, http::Headers headers, std::string body,
                              std::string_view type = "application/json") {
  headers.set("content-type", type);
  const Result<void> sent = co_await writer.respond(status, std::move(headers), std::move(body));
  static_cast<void>(sent);  // the client has gone: nobody is left to tell
}

std::string error_body(std::string message) { return to_json(Json::Object{{"error", std::move(message)}}); }

void add_error_headers(ErrorCode code, http::Headers& headers) {
  if (code == ErrorCode::unauthenticated) headers.set("www-authenticate", "Bearer");
  if (code == ErrorCode::resource_exhausted && !headers.find("retry-after")) headers.set("retry-after", "1");
}

asio::awaitable<void> respond_error(http::ResponseWriter& writer, http::Headers headers, Error error) {
  add_error_headers(error.code, headers);
  std::string body = error_body(std::move(error.message));
  co_await respond(writer, describe(error.code).http_status, std::move(headers), std::move(body));
}

// Resumes on the caller's thread. Where that has ended by then, the answer is dropped, and the caller with it.
asio::awaitable<Result<runtime::PredictionAnswer>> predict(runtime::Predictor& predictor,
                                                           runtime::PredictionRequest request) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(Result<runtime::PredictionAnswer>)>(
      [&predictor](auto handler, runtime::PredictionRequest asked) {
        const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        predictor.submit(std::move(asked), [shared](Result<runtime::PredictionAnswer> answer) {
          auto executor = asio::get_associated_executor(*shared);
          asio::post(executor, [shared, answer = std::move(answer)]() mutable { (*shared)(std::move(answer)); });
        });
      },
      asio::use_awaitable, std::move(request));
}

Result<std::optional<size_t>> json_bytes_of(const http::Headers& headers) {
  std::optional<size_t> bytes;
  for (const http::Header& header : headers) {
    if (!iequals(header.name, kJsonEnds)) continue;
    const auto number = parse_integer(header.value);
    if (bytes || !number || *number < 0)
      return fail(ErrorCode::invalid_argument, fmt::format("'{}' must be one whole number of bytes", kJsonEnds));
    bytes = static_cast<size_t>(*number);
  }
  return bytes;
}

// Of a request that came in and was not answered well; `refused` in the words of /v1, where it has some for that.
void note_failure(ErrorCode code, gateway::RequestRecord& record) {
  record.status = describe(code).http_status;
  record.refused = code == ErrorCode::not_found ? "model_not_found" : std::string(describe(code).name);
  record.outcome = code == ErrorCode::internal ? gateway::Outcome::upstream_error
                   : record.status < 500       ? gateway::Outcome::client_error
                                               : gateway::Outcome::rejected;
}

Json tensors_json(const std::vector<runtime::TensorSpec>& specs) {
  Json::Array list;
  for (const runtime::TensorSpec& spec : specs) {
    Json::Array shape(spec.shape.begin(), spec.shape.end());
    list.push_back(
        Json::Object{{"name", spec.name}, {"datatype", to_string(spec.datatype)}, {"shape", std::move(shape)}});
  }
  return list;
}

bool can_answer(const runtime::ModelStatus& status) {
  return status.state == runtime::ModelState::ready || status.state == runtime::ModelState::evicted;
}

Json milliseconds_json(const std::optional<Microseconds>& time) { return time ? Json(time->value() * 1e-3) : Json(); }

Json recent_json(const runtime::RecentPredictions& recent) {
  const auto per_s = [&](uint64_t count) {
    return recent.span.ns > 0 ? static_cast<double>(count) / recent.span.seconds() : 0.0;
  };
  return Json::Object{
      {"span_s", recent.span.seconds()},
      {"requests_per_s", per_s(recent.requests)},
      {"predictions_per_s", per_s(recent.rows)},
      {"errors", recent.errors},
      {"rows_per_batch",
       recent.runs > 0 ? Json(static_cast<double>(recent.rows) / static_cast<double>(recent.runs)) : Json()},
      {"answer_ms_p50", milliseconds_json(recent.answer_p50)},
      {"answer_ms_p99", milliseconds_json(recent.answer_p99)}};
}

Json status_json(const runtime::ModelStatus& status) {
  return Json::Object{{"model", status.model},
                      {"version", status.version},
                      {"state", to_string(status.state)},
                      {"reason", status.reason.empty() ? Json() : Json(status.reason)},
                      {"memory_bytes", status.memory_bytes},
                      {"predictions", status.predictions},
                      {"errors", status.errors},
                      {"evictions", status.evictions},
                      {"recent", recent_json(status.recent)},
                      {"max_batch", static_cast<int64_t>(status.config.max_batch)},
                      {"batch_deadline_us", status.config.batch_deadline.ns / 1'000},
                      {"inputs", tensors_json(status.inputs)},
                      {"outputs", tensors_json(status.outputs)}};
}

Error no_repository() {
  return {ErrorCode::not_found,
          "no predictive models are served here; start with --model-repository DIR, which holds "
          "<model>/<version>/model.onnx"};
}

}  // namespace

OpenInference::Target OpenInference::Target::parse(std::string_view path) {
  std::vector<std::string_view> parts = split(path.substr(1), '/');
  Target target;
  const auto is = [&](std::initializer_list<std::string_view> wanted) {
    return std::equal(parts.begin(), parts.end(), wanted.begin(), wanted.end());
  };
  if (is({"v2"})) target.kind = Kind::server;
  if (is({"v2", "health", "live"})) target.kind = Kind::live;
  if (is({"v2", "health", "ready"})) target.kind = Kind::ready;
  if (is({"v2", "repository", "index"})) target.kind = Kind::index;
  if (parts.size() < 3 || parts[1] != "models" || parts[2].empty()) return target;
  const auto model = http::percent_decode(parts[2]);
  if (!model) return target;
  target.model = *model;
  parts.erase(parts.begin(), parts.begin() + 3);
  if (parts.size() >= 2 && parts[0] == "versions") {
    const auto version = read_version(parts[1]);
    if (!version) return target;
    target.version = *version;
    parts.erase(parts.begin(), parts.begin() + 2);
  }
  if (parts.empty()) target.kind = Kind::model;
  if (is({"ready"})) target.kind = Kind::model_ready;
  if (is({"infer"})) target.kind = Kind::infer;
  return target;
}

asio::awaitable<void> OpenInference::handle(const http::Request& request, http::ResponseWriter& writer,
                                            gateway::TenantGate& gate) const {
  using Kind = Target::Kind;
  Target target = Target::parse(request.target);
  if (target.kind == Kind::infer && target.allows(request.method)) {
    co_await infer(std::move(target), request, writer, gate);
    co_return;
  }
  http::Headers headers;
  headers.set("x-request-id", gate.request_id(request));
  if (target.kind == Kind::nothing || !target.allows(request.method)) {
    co_await refuse(target, request, std::move(headers), writer);
    co_return;
  }
  std::string tenant;
  if (target.kind != Kind::server && target.kind != Kind::live && target.kind != Kind::ready) {
    auto known = gate.identify(request);
    if (!known) {
      Error error = std::move(known.error());
      co_await respond_error(writer, std::move(headers), std::move(error));
      co_return;
    }
    tenant = std::move(*known);
  }
  Result<Json> answer = read(target, tenant);
  if (!answer) {
    Error error = std::move(answer.error());
    co_await respond_error(writer, std::move(headers), std::move(error));
    co_return;
  }
  // Readiness is in the status, as the protocol has it: 200 or a 4xx.
  const bool is_ready = (*answer)["ready"].boolean(true);
  std::string body = to_json(*answer);
  co_await respond(writer, is_ready ? 200 : 400, std::move(headers), std::move(body));
}

// There is nothing at this path, or not by this method.
asio::awaitable<void> OpenInference::refuse(const Target& target, const http::Request& request, http::Headers headers,
                                            http::ResponseWriter& writer) const {
  const bool known = target.kind != Target::Kind::nothing;
  if (known) headers.set("allow", target.allowed());
  if (known && request.method == "OPTIONS") {
    const Result<void> sent = co_await writer.respond(204, std::move(headers), std::string());
    static_cast<void>(sent);  // the client has gone: nobody is left to tell
    co_return;
  }
  std::string body =
      error_body(known ? fmt::format("{} is not allowed at this path; use {}", request.method, target.allowed())
                       : fmt::format("there is nothing at {} {}", request.method, request.target.substr(0, 256)));
  co_await respond(writer, known ? 405 : 404, std::move(headers), std::move(body));
}

Result<Json> OpenInference::read(const Target& target, std::string_view tenant) const {
  using Kind = Target::Kind;
  if (target.kind == Kind::server)
    return Json(Json::Object{{"name", "tandem"},
                             {"version", options_.version},
                             {"extensions", Json::Array{"binary_tensor_data", "model_repository(index)"}}});
  if (target.kind == Kind::live) return Json(Json::Object{{"live", true}});
  if (target.kind == Kind::ready) return Json(Json::Object{{"ready", predictor_ != nullptr && predictor_->settled()}});
  if (predictor_ == nullptr) return tl::unexpected(no_repository());
  if (target.kind == Kind::index) return repository_index(tenant);
  return model_view(target, tenant);
}

Result<Json> OpenInference::model_view(const Target& target, std::string_view tenant) const {
  TANDEM_ASSIGN(const runtime::ModelStatus status, predictor_->model(target.model, target.version));
  if (!status.config.may_use(tenant))
    return fail(ErrorCode::not_found, fmt::format("there is no model '{}', or your key may not use it", target.model));
  if (target.kind == Target::Kind::model_ready)
    return Json(Json::Object{{"name", status.model}, {"ready", can_answer(status)}});
  if (!status.reason.empty())
    return fail(ErrorCode::unavailable,
                fmt::format("{} version {} cannot be served: {}", status.model, status.version, status.reason));
  Json::Array versions;
  for (const runtime::ModelStatus& each : predictor_->models())
    if (each.model == status.model) versions.push_back(std::to_string(each.version));
  return Json(Json::Object{{"name", status.model},
                           {"versions", std::move(versions)},
                           {"platform", "onnxruntime_onnx"},
                           {"inputs", tensors_json(status.inputs)},
                           {"outputs", tensors_json(status.outputs)}});
}

Json OpenInference::repository_index(std::string_view tenant) const {
  Json::Array list;
  for (const runtime::ModelStatus& status : predictor_->models())
    if (status.config.may_use(tenant))
      list.push_back(Json::Object{{"name", status.model},
                                  {"version", std::to_string(status.version)},
                                  {"state", can_answer(status) ? "READY" : "UNAVAILABLE"},
                                  {"reason", can_answer(status)      ? ""
                                             : status.reason.empty() ? "loading"
                                                                     : status.reason}});
  return list;
}

Json OpenInference::models_view() const {
  Json::Array list;
  runtime::PredictorMemory memory;
  if (predictor_ != nullptr) {
    memory = predictor_->memory();
    for (const runtime::ModelStatus& status : predictor_->models()) list.push_back(status_json(status));
  }
  return Json::Object{{"site", options_.site.empty() ? Json() : Json(options_.site)},
                      {"memory_bytes", memory.used_bytes},
                      {"memory_bytes_max", memory.max_bytes},
                      {"models", std::move(list)}};
}

Result<InferenceRequest> OpenInference::decode(const http::Request& request) const {
  if (predictor_ == nullptr) return tl::unexpected(no_repository());
  if (body_bytes_in_flight_.load(std::memory_order_relaxed) > options_.body_bytes_in_flight_max)
    return fail(ErrorCode::resource_exhausted,
                "as many bytes of predictions' requests are held as may be; try again shortly");
  TANDEM_ASSIGN(const std::optional<size_t> json_bytes, json_bytes_of(request.headers));
  return decode_inference_request(request.body, json_bytes);
}

asio::awaitable<Result<InferenceReply>> OpenInference::answer(const Target& target, const http::Request& request,
                                                              gateway::RequestRecord& record) const {
  const HeldBytes held(body_bytes_in_flight_, request.body.size());
  Result<InferenceRequest> asked = decode(request);
  if (!asked) co_return tl::unexpected(asked.error());
  runtime::PredictionRequest prediction;
  prediction.model = target.model;
  prediction.version = target.version;
  prediction.tenant = record.tenant;
  prediction.inputs = std::move(asked->inputs);
  prediction.timeout = asked->timeout;
  const Result<runtime::PredictionAnswer> answer = co_await predict(*predictor_, std::move(prediction));
  if (!answer) co_return tl::unexpected(answer.error());
  const double share = static_cast<double>(answer->rows) / static_cast<double>(answer->batch_rows);
  record.cost = Euros(answer->run.seconds() * share * options_.core_eur_per_hour / 3'600);
  co_return encode_inference_reply(*asked, target.model, *answer);
}

asio::awaitable<void> OpenInference::infer(Target target, const http::Request& request, http::ResponseWriter& writer,
                                           gateway::TenantGate& gate) const {
  // A name that is not in the repository is a client's own invention: it becomes no label and no account.
  const bool known = predictor_ != nullptr && predictor_->model(target.model, 0).has_value();
  gateway::TenantGate::Visit visit = gate.admit(request, known ? target.model : std::string());
  http::Headers headers = std::move(visit.headers);
  std::string body;
  int status = 200;
  Result<InferenceReply> reply = InferenceReply();
  std::optional<std::string> wrong_type;  // JSON that tensors follow has another
  if (!visit.refused && !request.headers.find(kJsonEnds)) wrong_type = gateway::wrong_content_type(request.headers);
  if (visit.refused)
    reply = tl::unexpected(*visit.refused);
  else if (wrong_type)
    reply = fail(ErrorCode::invalid_argument, std::move(*wrong_type));
  else
    reply = co_await answer(target, request, visit.record);
  if (reply) {
    visit.record.status = status;
    visit.record.outcome = gateway::Outcome::ok;
    if (reply->json_bytes) headers.set(kJsonEnds, fmt::format("{}", *reply->json_bytes));
    body = std::move(reply->body);
  } else {
    if (!visit.refused) note_failure(reply.error().code, visit.record);
    if (wrong_type) visit.record.status = 415;
    status = visit.record.status;
    add_error_headers(reply.error().code, headers);
    body = error_body(std::move(reply.error().message));
  }
  visit.record.answer_bytes = body.size();
  gate.conclude(std::move(visit));  // before the answer's bytes: whoever has read them finds the account as it is
  const bool is_binary = reply && reply->json_bytes.has_value();
  co_await respond(writer, status, std::move(headers), std::move(body),
                   is_binary ? "application/octet-stream" : "application/json");
}

}  // namespace tandem::api
