#include "gateway/gateway.h"

#include <boost/asio/post.hpp>
#include <chrono>

#include <fmt/format.h>

#include "base/text.h"
#include "gateway/gateway_core.h"
#include "gateway/request_headers.h"
#include "gateway/request_run.h"

namespace tandem::gateway {

namespace asio = boost::asio;

void TurnRate::note(Duration now) {
  constexpr double kSmoothing = 0.1;  // of ten or so
  if (last_) {
    const double interval_s = (now - *last_).seconds();
    interval_s_ = interval_s_ == 0 ? interval_s : interval_s_ + kSmoothing * (interval_s - interval_s_);
  }
  last_ = now;
}

std::optional<Duration> TurnRate::time_for(size_t ahead, Duration now) const {
  if (interval_s_ == 0) return std::nullopt;
  const double since_s = last_ ? (now - *last_).seconds() : 0;  // a long silence is news too
  return nanoseconds(static_cast<int64_t>(std::max(interval_s_, since_s) * 1e9 * static_cast<double>(ahead)));
}

void Lateness::note(Duration late, Duration now) {
  if (now - since_ > kRemembered) {
    times_.forget();
    since_ = now;
  }
  times_.note(late);
}

std::optional<Duration> Lateness::quantile(double quantile, Duration now) const {
  return now - since_ > kRemembered ? std::nullopt : times_.quantile(quantile);
}

namespace {
constexpr size_t kLooksMax = 64;  // at those who wait, each a decision: a hundred microseconds at most
constexpr auto kQueueWatch = std::chrono::milliseconds(5);
}  // namespace

void GatewayCore::serve_queue() {
  if (queue.size() == 0 || std::exchange(serving_queue, true)) return;
  asio::post(context, [weak = weak_from_this()] {
    const auto core = weak.lock();
    if (core == nullptr) return;
    core->serving_queue = false;
    core->board.readmit_due(core->clock.monotonic());
    core->queue.serve(kLooksMax);
    if (core->queue.size() == 0) core->turn_rates.clear();  // a pause says nothing of the next time
  });
}

void GatewayCore::watch_queue() {
  if (queue.size() == 0 || std::exchange(watching_queue, true)) return;
  queue_timer.expires_after(kQueueWatch);
  queue_timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto core = weak.lock();
    if (core == nullptr || error) return;
    core->watching_queue = false;
    core->serve_queue();
    core->watch_queue();
  });
}

class Gateway::Impl {
 public:
  template <class... Arguments>
  explicit Impl(Arguments&&... arguments)
      : core(std::make_shared<GatewayCore>(std::forward<Arguments>(arguments)...)) {}

  asio::awaitable<void> handle(const http::Request& request, http::ResponseWriter& writer);
  asio::awaitable<void> handle_other(const http::Request& request, http::ResponseWriter& writer);
  asio::awaitable<void> refuse_method(const http::Request& request, http::ResponseWriter& writer, const char* allowed);
  asio::awaitable<void> send_error(const http::Request& request, http::ResponseWriter& writer, http::Headers headers,
                                   ApiError error);
  asio::awaitable<void> list_models(const http::Request& request, http::ResponseWriter& writer);

  const std::shared_ptr<GatewayCore> core;
};

namespace {

constexpr std::string_view kModels = "/v1/models";

// It is as old as the grid's knowledge of it; OpenAI's clients want a number: 0 where that is not known.
std::string model_json(const routing::TableRows& rows, uint32_t model) {
  const int64_t created_s = rows.models_known_at.empty() ? 0 : rows.models_known_at[model].ns / 1'000'000'000;
  std::string json = R"({"id":)";
  append_json_string(json, rows.models[model]);
  return json + fmt::format(R"(,"object":"model","created":{},"owned_by":"tandem"}})", created_s);
}

// The answer to GET /v1/models or /v1/models/{id}: what the key's tenant may use.
Checked<std::string> models_json(const routing::RoutingTable& table, const http::Request& request) {
  const auto tenant = authenticate(table, request);
  if (!tenant) return tl::unexpected(tenant.error());
  if (request.target != kModels) {
    const auto name = http::percent_decode(std::string_view(request.target).substr(kModels.size() + 1));
    const auto model = name ? table.find_model(*name) : std::nullopt;
    if (!model || !table.may_use(*tenant, *model))
      return refuse(ErrorCode::not_found, "There is no such model, or your key may not use it.", "model",
                    "model_not_found");
    return model_json(table.rows(), *model);
  }
  std::string json = R"({"object":"list","data":[)";
  bool first = true;
  for (uint32_t model = 0; model < table.rows().models.size(); ++model) {
    if (!table.may_use(*tenant, model)) continue;
    if (!std::exchange(first, false)) json += ',';
    json += model_json(table.rows(), model);
  }
  return json + "]}";
}

}  // namespace

asio::awaitable<void> Gateway::Impl::handle(const http::Request& request, http::ResponseWriter& writer) {
  for (const Surface surface :
       {Surface::chat_completions, Surface::completions, Surface::embeddings, Surface::responses}) {
    if (request.target != path_of(surface)) continue;
    return request.method == "POST" ? RequestRun::run(core, surface, request, writer)
                                    : refuse_method(request, writer, "POST");
  }
  return handle_other(request, writer);
}

asio::awaitable<void> Gateway::Impl::handle_other(const http::Request& request, http::ResponseWriter& writer) {
  const std::string_view target = request.target;
  const bool one_model =
      target.starts_with(kModels) && target.size() > kModels.size() + 1 && target[kModels.size()] == '/';
  if (target == kModels || one_model) {
    if (request.method == "GET" || request.method == "HEAD")
      co_await list_models(request, writer);
    else
      co_await refuse_method(request, writer, "GET, HEAD");
    co_return;
  }
  ApiError error;
  error.code = ErrorCode::not_found;
  error.message = fmt::format("There is nothing at {} {}.", request.method, request.target);
  error.reason = "unknown_url";
  if (target.starts_with("/v1/responses/")) {
    error.message = "Responses are not kept here: read them from the answer to POST /v1/responses.";
    error.reason = "response_not_found";
  }
  http::Headers headers = http::json_headers();
  co_await send_error(request, writer, std::move(headers), std::move(error));
}

asio::awaitable<void> Gateway::Impl::refuse_method(const http::Request& request, http::ResponseWriter& writer,
                                                   const char* allowed) {
  http::Headers headers = http::json_headers();
  headers.add("allow", allowed);
  if (request.method == "OPTIONS") {
    headers.remove("content-type");
    const Result<void> sent = co_await writer.respond(204, std::move(headers), std::string());
    static_cast<void>(sent);
    co_return;
  }
  ApiError error;
  error.code = ErrorCode::invalid_argument;
  error.status = 405;
  error.message = fmt::format("{} is not allowed at {}; use {}.", request.method, request.target, allowed);
  error.reason = "method_not_allowed";
  co_await send_error(request, writer, std::move(headers), std::move(error));
}

asio::awaitable<void> Gateway::Impl::send_error(const http::Request& request, http::ResponseWriter& writer,
                                                http::Headers headers, ApiError error) {
  headers.add("x-request-id", core->ids.of(request));
  std::string body = body_of(error);
  const Result<void> sent = co_await writer.respond(status_of(error), std::move(headers), std::move(body));
  static_cast<void>(sent);  // the client has gone: nobody is left to tell
}

asio::awaitable<void> Gateway::Impl::list_models(const http::Request& request, http::ResponseWriter& writer) {
  const auto bound = core->table();
  Checked<std::string> json = bound == nullptr ? refuse(ErrorCode::unavailable, "The gateway has no routing table yet.")
                                               : models_json(*bound->table, request);
  if (!json) {
    http::Headers headers = http::json_headers();
    ApiError error = std::move(json.error());
    co_await send_error(request, writer, std::move(headers), std::move(error));
    co_return;
  }
  http::Headers headers = http::json_headers();
  headers.add("x-request-id", core->ids.of(request));
  const Result<void> sent = co_await writer.respond(200, std::move(headers), std::move(*json));
  static_cast<void>(sent);
}

Gateway::Gateway(asio::io_context& context, SharedState& shared, http::Client& client, Metrics& metrics,
                 const Clock& clock, RecordSink& sink, GatewayOptions options)
    : impl_(std::make_unique<Impl>(context, *shared.board_, client, metrics, clock, sink, std::move(options))) {}
Gateway::~Gateway() { close(); }

void Gateway::close() { impl_->core->aside.end(); }

asio::awaitable<void> Gateway::handle(const http::Request& request, http::ResponseWriter& writer) {
  return impl_->handle(request, writer);
}

std::vector<RequestRecord> Gateway::recent(size_t count_max) const { return impl_->core->ring.recent(count_max); }

std::vector<TrialReport> Gateway::trials() const {
  const auto bound = impl_->core->board.current();
  return bound == nullptr ? std::vector<TrialReport>{} : impl_->core->trials.reports(*bound->table);
}

std::optional<DecisionStory> Gateway::explain_decision(std::string_view id) const {
  return impl_->core->ring.explain(id);
}

}  // namespace tandem::gateway
