#include "gateway/request_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cmath>
#include <variant>

#include "base/check.h"
#include "base/logging.h"
#include "base/text.h"
#include "gateway/tenant_limits.h"
#include "routing/freshness.h"

namespace tandem::gateway {

namespace asio = boost::asio;

namespace {

constexpr size_t kRefusalBytesMax = 64 * 1024;  // an error object is under a kilobyte
constexpr int kClientLeft = 499;                // nginx's word for it; nobody reads it on the wire

Error engine_error(int status) {
  if (status == 429) return {ErrorCode::quota_exceeded, "every engine that may answer is busy", {}};
  return {ErrorCode::unavailable, fmt::format("the engine answered with status {}", status), {}};
}

asio::awaitable<void> read_to_end(std::shared_ptr<GatewayCore> core, http::Exchange exchange) {
  const Aside::Work work(core->aside, [&exchange] { exchange.cancel(); });
  // What ends a stream after "[DONE]" is at most a chunk's trailer; more than that is not worth the connection.
  const Result<std::optional<std::string>> rest = co_await exchange.read_some();
  static_cast<void>(rest);
}

}  // namespace

RequestRun::RequestRun(std::shared_ptr<GatewayCore> core, Surface surface, const http::Request& request,
                       http::ResponseWriter& writer)
    : held_(std::move(core)),
      core_(*held_),
      surface_(surface),
      request_(request),
      writer_(writer),
      arrived_(core_.clock.monotonic()) {
  record_.at = core_.clock.now();
  record_.path = path_of(surface_);
  record_.request_bytes = request_.body.size();
  core_.metrics.in_flight().add(1);
  core_.body_bytes_in_flight += request_.body.size();
}

RequestRun::~RequestRun() {
  core_.queue.leave(waiting_);
  core_.metrics.in_flight().add(-1);
  core_.body_bytes_in_flight -= request_.body.size() + (responses_ ? responses_->chat_body.size() : 0);
}

asio::awaitable<void> RequestRun::run(std::shared_ptr<GatewayCore> core, Surface surface, const http::Request& request,
                                      http::ResponseWriter& writer) {
  RequestRun self(std::move(core), surface, request, writer);
  Checked<std::monostate> prepared = self.prepare();
  if (prepared) {
    co_await self.serve();
  } else {
    ApiError error = std::move(prepared.error());
    const bool clients_fault = status_of(error) < 500 && error.code != ErrorCode::quota_exceeded;
    const Outcome outcome = clients_fault ? Outcome::client_error : Outcome::rejected;
    co_await self.answer_error(outcome, std::move(error));
  }
  self.finish();
}

Checked<std::monostate> RequestRun::prepare() {
  request_id_ = request_id(request_.headers).value_or("");
  begin_trace();
  bound_ = core_.table();
  if (bound_ == nullptr) return refuse(ErrorCode::unavailable, "The gateway has no routing table yet.");
  const routing::RoutingTable& table = *bound_->table;
  record_.offset = table.offset();

  const auto tenant = authenticate(table, request_);
  if (!tenant) return tl::unexpected(tenant.error());
  facts_.tenant = *tenant;
  record_.tenant = table.rows().tenants[*tenant].id;
  if (auto taken = take_request(); !taken) return taken;

  if (core_.body_bytes_in_flight > core_.options.body_bytes_in_flight_max)
    return refuse(ErrorCode::resource_exhausted,
                  "The gateway holds as many request bodies as it may; try again shortly.");

  const auto region = find_region(table, request_, core_.options.trusted_proxies);
  if (!region) return tl::unexpected(region.error());
  facts_.region = region->region;
  region_source_ = region->source;
  record_.region = table.rows().regions[region->region];

  const auto allowed = allowed_jurisdictions(table, *tenant, request_.headers);
  if (!allowed) return tl::unexpected(allowed.error());
  facts_.allowed = *allowed;

  auto completion = read_body();
  if (!completion) return tl::unexpected(std::move(completion.error()));
  completion_ = std::move(*completion);
  if (auto found = find_model(); !found) return found;
  if (auto found = find_promise(); !found) return found;
  if (auto fresh = check_freshness(); !fresh) return fresh;
  return take_tokens();
}

Checked<CompletionRequest> RequestRun::read_body() {
  if (surface_ != Surface::responses) return core_.reader.read(surface_, request_.body, &prefix_);
  auto responses = read_responses_request(request_.body);
  if (!responses) return tl::unexpected(std::move(responses.error()));
  responses_ = std::move(*responses);
  core_.body_bytes_in_flight += responses_->chat_body.size();
  return core_.reader.read(Surface::chat_completions, responses_->chat_body, &prefix_);
}

// Before anything is read of a request: a flood of them costs no more than a look at a key.
Checked<std::monostate> RequestRun::take_request() {
  meter_ = bound_->meters[facts_.tenant].get();
  if (meter_ == nullptr) return {};
  const grid::TenantLimits& limits = bound_->table->rows().tenants[facts_.tenant].limits;
  if (auto within = check_budget(limits, meter_->spent_nano_eur(record_.at), record_.tenant, record_.at); !within)
    return within;
  if (limits.requests_per_minute == 0) return {};
  requests_standing_ = meter_->requests.take(limits.requests_per_minute, 1, arrived_);
  if (requests_standing_->admitted) return {};
  return over_limit(record_.tenant, "requests", limits.requests_per_minute, 1, *requests_standing_);
}

// The prompt's and as many as an answer usually has, or may have; what they were counts when it has ended.
Checked<std::monostate> RequestRun::take_tokens() {
  if (meter_ == nullptr) return {};
  const grid::TenantLimits& limits = bound_->table->rows().tenants[facts_.tenant].limits;
  if (limits.tokens_per_minute == 0) return {};
  const auto wanted = static_cast<uint64_t>(facts_.prompt_tokens + facts_.output_tokens);
  tokens_standing_ = meter_->tokens.take(limits.tokens_per_minute, wanted, arrived_);
  if (!tokens_standing_->admitted)
    return over_limit(record_.tenant, "tokens", limits.tokens_per_minute, wanted, *tokens_standing_);
  tokens_taken_ = wanted;
  return {};
}

void RequestRun::settle_limits() {
  if (meter_ == nullptr) return;
  const grid::TenantLimits& limits = bound_->table->rows().tenants[facts_.tenant].limits;
  const uint64_t used = record_.was_served() ? record_.prompt_tokens + record_.output_tokens : 0;
  if (tokens_taken_ > 0) meter_->tokens.settle(limits.tokens_per_minute, tokens_taken_, used);
  if (record_.cost.value() > 0)
    meter_->spend(static_cast<uint64_t>(std::llround(record_.cost.value() * 1e9)), core_.clock.now());
}

Checked<std::monostate> RequestRun::find_model() {
  const routing::RoutingTable& table = *bound_->table;
  const auto model = table.find_model(completion_.model);
  if (!model || !table.may_use(facts_.tenant, *model)) {
    std::vector<std::string> usable;
    for (const auto& [name, position] : table.rows().model_names)
      if (table.may_use(facts_.tenant, position)) usable.push_back(name);
    const auto meant = nearest(completion_.model, usable);
    return refuse(ErrorCode::not_found,
                  fmt::format("The model '{}' does not exist or your key may not use it{}", completion_.model,
                              meant ? fmt::format("; did you mean '{}'?", *meant) : "."),
                  "model", "model_not_found");
  }
  facts_.model = *model;
  facts_.paths = table.paths_of(facts_.tenant, facts_.region, facts_.model);
  record_.asked_model = record_.model = table.rows().models[*model];
  // A vector of one model means nothing to another.
  facts_.fallbacks = table.rows().tenants[facts_.tenant].fallbacks && surface_ != Surface::embeddings;
  facts_.prompt_tokens = completion_.prompt_tokens;
  facts_.output_tokens =
      static_cast<double>(completion_.choices) *
      std::min(completion_.output_tokens_max.value_or(UINT32_MAX), core_.options.usual_output_tokens);
  facts_.bytes = static_cast<double>(request_.body.size());
  if (core_.options.waiting_max > 0) facts_.queue_per_concurrency = core_.options.engine_queue;
  record_.streamed = completion_.stream;
  record_.prompt_tokens = static_cast<uint64_t>(completion_.prompt_tokens);
  return {};
}

Checked<std::monostate> RequestRun::find_promise() {
  const auto stated = stated_promise(request_.headers);
  if (!stated) return tl::unexpected(stated.error());
  const auto* planned = bound_->table->split(facts_.tenant, facts_.region, facts_.model);
  const grid::Promise& usual =
      planned != nullptr ? planned->promise : bound_->table->rows().tenants[facts_.tenant].promise;
  facts_.ttft = record_.promise_ttft = stated->ttft.value_or(usual.ttft);
  facts_.tpot = record_.promise_tpot = stated->tpot.value_or(usual.tpot);
  return {};
}

// A table that nobody has renewed may be wrong about where paths lead: what must stay inside a border then stops.
Checked<std::monostate> RequestRun::check_freshness() const {
  if (!routing::freshness(*bound_->table, record_.at).stale) return {};
  const routing::TableRows& rows = bound_->table->rows();
  const uint64_t everywhere = rows.jurisdictions.size() == grid::kJurisdictionsMax
                                  ? UINT64_MAX
                                  : (uint64_t{1} << rows.jurisdictions.size()) - 1;
  if (facts_.allowed.contains({everywhere})) return {};
  return refuse(ErrorCode::unavailable,
                "The routing table is out of date, so the residency of this request cannot be assured.", {},
                "residency_not_assured");
}

asio::awaitable<void> RequestRun::serve() {
  core_.retries.note_request();
  const routing::Tenant& tenant = bound_->table->rows().tenants[facts_.tenant];
  core_.queue.arrive(record_.tenant, tenant.priority, tenant.weight);
  waiting_.tenant = record_.tenant;
  waiting_.priority = tenant.priority;
  draw_ = core_.random.uniform();
  facts_.hits = core_.board.prefixes().find(prefix_.points(), *bound_, arrived_);
  enter_trials();
  std::optional<ApiError> last;
  for (;;) {
    const routing::Decision decision = decide();
    std::optional<uint32_t> target = decision.target;
    ApiError none;
    if (!target && !last) none = rejection(decision);
    const bool full = decision.blocking == routing::Gate::capacity && core_.options.waiting_max > 0;
    if (target ? turn_ == nullptr : full) {
      const bool has_room = target.has_value();
      target.reset();
      Checked<uint32_t> found = co_await wait_for_room(has_room);
      if (found)
        target = *found;
      else
        none = std::move(found.error());
    }
    if (!target) {
      const Outcome outcome = last ? Outcome::upstream_error : Outcome::rejected;
      ApiError error = last ? *std::move(last) : std::move(none);
      co_await answer_error(outcome, std::move(error));
      co_return;
    }
    if (record_.attempts > 1) core_.metrics.failed_over();
    start_shadows();
    TurnEnd end = co_await take_turn(*target);
    silence_.stop();
    turn_.reset();
    end_attempt();
    if (!end) co_return;
    last = std::move(end);
    const bool was_canary = trials_.canary != nullptr;
    fail_canary();
    excluded_.push_back(*target);
    if (record_.attempts < core_.options.attempts_max &&
        (std::exchange(retry_taken_, false) || was_canary || core_.retries.take()))
      continue;
    ApiError error = *std::move(last);
    co_await answer_error(Outcome::upstream_error, std::move(error));
    co_return;
  }
}

routing::Decision RequestRun::weigh() {
  if (core_.options.baseline) {
    constexpr size_t kPoint = 3;  // beyond what everybody's prompts begin with, before what is one request's own
    const auto points = prefix_.points();
    std::optional<uint64_t> prefix;
    if (!points.empty()) prefix = points[std::min(kPoint, points.size() - 1)].hash;
    return core_.baseline_on(bound_).choose(facts_, bound_->live_pointers(), excluded_, prefix);
  }
  return routing::decide(*bound_->table, facts_, bound_->live_pointers(), excluded_, draw_);
}

routing::Decision RequestRun::decide() {
  core_.board.readmit_due(core_.clock.monotonic());
  const routing::Decision decision = weigh();
  if (kept_ == nullptr) {
    kept_ = std::make_shared<KeptDecision>();
    record_.id = core_.next_id();
    if (request_id_.empty()) request_id_ = record_.id;
  }
  // Where an earlier attempt failed and nothing is left, the decision that was carried out stays on the record.
  if (!decision.target && record_.attempts > 0) return decision;
  note(decision);
  waiting_.group = group_of(decision);
  if (decision.target && core_.queue.waiting_in(waiting_.group) == 0) begin_turn(decision);
  return decision;
}

// Who waits for the same model waits in the same line.
uint64_t RequestRun::group_of(const routing::Decision& decision) const {
  const routing::RoutingTable& table = *bound_->table;
  const uint32_t model = decision.target ? table.targets()[*decision.target].model : facts_.model;
  return std::hash<std::string>{}(table.rows().models[model]);
}

void RequestRun::note(const routing::Decision& decision) {
  kept_->draw = draw_;
  kept_->excluded = excluded_;
  keep_seen();
  record_.reason = decision.reason;
  record_.gate = decision.blocking;
  record_.predicted_ttft = decision.predicted_ttft;
  record_.predicted_cached_tokens = decision.cached_tokens;
}

void RequestRun::begin_turn(const routing::Decision& decision) {
  note_target(*decision.target);
  ++record_.attempts;
  turn_ = std::make_unique<Turn>(core_, bound_->engines[*decision.target], patience(decision));
  note_prefix(decision);
  begin_attempt(bound_->table->targets()[*decision.target]);
  charge_service();
}

// Its engine will have the prompt.
void RequestRun::note_prefix(const routing::Decision& decision) {
  const double computed = facts_.prompt_tokens - std::min<double>(decision.cached_tokens, facts_.prompt_tokens);
  core_.board.prefixes().note(prefix_.points(), *bound_, *decision.target, computed + facts_.output_tokens, arrived_);
}

// The way that the model's traffic takes, whichever was asked for.
const routing::Leg& RequestRun::leg_to(const routing::Target& target) const {
  const uint32_t paths = bound_->table->paths_of(facts_.tenant, facts_.region, target.model);
  return bound_->table->leg(facts_.region, target.site_position, paths);
}

void RequestRun::note_target(uint32_t position) {
  const routing::Target& target = bound_->table->targets()[position];
  target_ = position;
  record_.model = bound_->table->rows().models[target.model];
  record_.deployment = target.deployment;
  record_.site = target.site;
}

// As expected; `finish` puts it right.
void RequestRun::charge_service() {
  if (std::exchange(charged_, true)) return;
  core_.queue.charge(record_.tenant, facts_.prompt_tokens, facts_.output_tokens);
}

void RequestRun::keep_seen() {
  constexpr uint64_t kSampledEvery = 64;
  const routing::RoutingTable& table = *bound_->table;
  std::optional<uint32_t> model = facts_.model;
  if (table.targets_of_model(*model).size() > core_.options.sampled_targets_max && core_.sequence % kSampledEvery != 0)
    return;
  kept_->seen.clear();
  for (; model; model = facts_.fallbacks ? table.traits(*model).fallback : std::nullopt)
    for (const uint32_t target : table.targets_of_model(*model)) kept_->seen.push_back({target, *bound_->live[target]});
}

ApiError RequestRun::rejection(const routing::Decision& decision) const {
  using routing::Gate;
  const std::string& model = record_.model;
  ApiError error;
  error.code = ErrorCode::unavailable;
  error.reason = routing::to_string(decision.blocking);
  switch (decision.blocking) {
    case Gate::residency:
      error.code = ErrorCode::permission_denied;
      error.message = fmt::format("'{}' runs nowhere in the jurisdictions allowed for this request.", model);
      break;
    case Gate::path_residency:
      error.code = ErrorCode::permission_denied;
      error.message = fmt::format(
          "Every way from region '{}' to a site with '{}' may touch a jurisdiction not allowed for this request.",
          record_.region, model);
      break;
    case Gate::plan: {
      const auto* planned = bound_->table->split(facts_.tenant, facts_.region, facts_.model);
      const bool all = planned != nullptr && planned->turned_away >= 1;
      if (!all) error.code = ErrorCode::quota_exceeded;
      if (!all) error.retry_after_s = 1;
      error.message = fmt::format(
          "The plan turns {} of the requests for '{}' from region '{}' away: it has no room for them.",
          all ? std::string("all") : fmt::format("{:.0f} %", planned == nullptr ? 0 : planned->turned_away * 100),
          model, record_.region);
      break;
    }
    case Gate::capacity:
      error.code = ErrorCode::quota_exceeded;
      error.message = fmt::format("Every site that may serve '{}' is at its capacity; try again shortly.", model);
      error.retry_after_s = 1;
      break;
    case Gate::unreachable:
      error.message = fmt::format("Region '{}' is cut off from every site with '{}'.", record_.region, model);
      break;
    default:
      error.message = fmt::format("No site with '{}' is up.", model);
      error.retry_after_s = 1;
      break;
  }
  return error;
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::take_turn(uint32_t target_position) {
  const double hedge_quantile = bound_->table->rows().tenants[facts_.tenant].hedge_quantile;
  if (hedge_quantile > 0 && completion_.stream) co_return co_await take_hedged_turn(target_position, hedge_quantile);
  const routing::Target& target = bound_->table->targets()[target_position];
  Turn& turn = *turn_;
  sending_.emplace();
  writer_.on_disconnect([this] { sending_->cancel(); });
  watch_engine(turn, [this] { sending_->cancel(); });

  const Duration sent_at = core_.clock.monotonic();
  http::Endpoint endpoint{target.host, target.port};
  http::ClientRequest request = request_for(target);
  Result<http::Exchange> exchange =
      co_await core_.client.send(std::move(endpoint), std::move(request), core_.options.timeouts, *sending_);
  waited_ = waited_ + (core_.clock.monotonic() - sent_at);
  if (writer_.peer_closed()) co_return leave(turn);
  if (!exchange) co_return fail_turn(turn, exchange.error());
  co_return co_await answer(turn, *exchange);
}

http::ClientRequest RequestRun::request_for(const routing::Target& target) const {
  http::ClientRequest request;
  request.method = "POST";
  request.target = target.base_path;
  request.target += path_of(responses_ ? Surface::chat_completions : surface_);
  request.headers.add("content-type", "application/json");
  add_trace(request.headers);
  request.headers.add("x-request-id", request_id_);
  add_inference_extension(request_.headers, record_.tenant, request.headers);
  if (target.emulated) {
    const Microseconds round_trip = leg_to(target).round_trip;
    request.headers.add("x-tandem-path-rtt-us", fmt::format("{:.0f}", round_trip.value()));
  }
  request.body = rewrite(responses_ ? responses_->chat_body : request_.body, completion_,
                         bound_->table->rows().models[target.model]);
  return request;
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::answer(Turn& turn, http::Exchange& exchange) {
  if (trace_) attempt().status = exchange.status();
  if (exchange.status() != 200) return answer_failure(turn, exchange);
  responses_reply_.reset();  // what an engine before this one began
  return completion_.stream ? answer_stream(turn, exchange) : answer_whole(turn, exchange);
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::answer_failure(Turn& turn, http::Exchange& exchange) {
  const int status = exchange.status();
  if (is_clients_fault(status)) co_return co_await answer_refusal(turn, exchange);
  if (surface_ == Surface::embeddings && (status == 404 || status == 405 || status == 501)) {
    turn.end_as(AttemptEnd::neutral);  // a model that writes text: nothing is wrong with its engine
    ApiError error;
    error.code = ErrorCode::invalid_argument;
    error.message = fmt::format("The model '{}' makes no embeddings.", record_.model);
    error.param = "model";
    error.reason = "unsupported_model";
    co_await answer_error(Outcome::client_error, std::move(error));
    co_return std::nullopt;
  }
  if (status == 429) {
    turn.end_as(AttemptEnd::neutral);  // it is alive; the next decision goes elsewhere
    ApiError busy{
        ErrorCode::quota_exceeded, "Every engine that may answer is busy; try again shortly.", "", "capacity", 0, 1};
    co_return busy;
  }
  co_return fail_turn(turn, engine_error(status));
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::answer_refusal(Turn& turn, http::Exchange& exchange) {
  Result<std::string> body = co_await exchange.read_all(kRefusalBytesMax);
  silence_.stop();
  if (writer_.peer_closed()) co_return leave(turn);
  if (!body) co_return fail_turn(turn, body.error());
  turn.end_as(AttemptEnd::success);
  record_.status = exchange.status();
  if (!read_whole_reply(*body, *core_.replies)) {  // not an object: put the engine's words into one
    ApiError error;
    error.code = ErrorCode::invalid_argument;
    error.message = fmt::format("The engine refused the request with status {}.", exchange.status());
    *body = body_of(error);
  }
  http::Headers headers = answer_headers("application/json");
  bytes_down_ = body->size();
  keep_decision(Outcome::client_error);
  const Result<void> sent = co_await writer_.respond(record_.status, std::move(headers), std::move(*body));
  if (!sent) record_.outcome = Outcome::cancelled;
  co_return std::nullopt;
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::answer_whole(Turn& turn, http::Exchange& exchange) {
  const Duration read_from = core_.clock.monotonic();
  Result<std::string> body = co_await exchange.read_all(core_.options.answer_bytes_max);
  waited_ = waited_ + (core_.clock.monotonic() - read_from);
  silence_.stop();
  if (writer_.peer_closed()) co_return leave(turn);
  if (!body) co_return fail_turn(turn, body.error());
  const Result<WholeReply> reply = read_whole_reply(*body, *core_.replies);
  if (!reply) co_return fail_turn(turn, reply.error());
  const auto estimated = static_cast<uint64_t>(routing::estimate_tokens(reply->text_bytes));
  note_usage(reply->usage, estimated);
  if (responses_) {
    body = responses_reply().whole(*body, reply->usage.value_or(usage()));
    if (!body) co_return fail_turn(turn, body.error());
  } else if (!reply->usage) {
    *body = with_usage(*body, usage());
  }
  turn.end_as(AttemptEnd::success);
  turn.note_whole_answer();
  bytes_down_ = body->size();
  record_.status = 200;
  http::Headers headers = answer_headers("application/json");
  keep_decision(Outcome::ok);
  const Result<void> sent = co_await writer_.respond(200, std::move(headers), std::move(*body));
  if (!sent) record_.outcome = Outcome::cancelled;
  co_return std::nullopt;
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::answer_stream(Turn& turn, http::Exchange& exchange) {
  if (!is_event_stream(exchange.headers())) {
    const Error error{ErrorCode::corrupt, "the engine did not answer with a stream of events", {}};
    co_return fail_turn(turn, error);
  }
  StreamReader reader = lead_ ? std::move(lead_->reader) : StreamReader(!completion_.include_usage, core_.replies);
  StreamReader::Step held;  // whole events not sent yet: before the first that carries something, nothing is sent
  while (lead_ || !reader.ended()) {
    StreamReader::Step step;
    if (lead_)
      step = std::move(std::exchange(lead_, std::nullopt)->step);
    else
      step = co_await read_step(exchange, reader);
    note_usage(reader.usage(), reader.tokens());
    if (writer_.peer_closed()) co_return leave(turn);
    Result<void> shaped = shape(step);
    if (!shaped && !writer_.started()) co_return fail_turn(turn, shaped.error());
    if (!shaped && !step.error) step.error = std::move(shaped.error());
    if (held.forward.empty())
      held.forward = std::move(step.forward);
    else
      held.forward += step.forward;
    held.tokens += step.tokens;
    held.has_data = held.has_data || step.has_data;
    if (!held.has_data && !writer_.started() && held.forward.size() > StreamReader::kEventBytesMax && !step.error)
      step.error = Error{ErrorCode::too_large, "the engine sends comments and no answer", {}};
    // The last events go out with the answer's end, unless they are the first too.
    const bool waits_for_end = reader.ended() && !step.error && writer_.started();
    if ((held.has_data || writer_.started()) && !waits_for_end) {
      StreamReader::Step sent = std::exchange(held, {});
      const bool stays = co_await forward(std::move(sent));
      if (!stays) co_return leave(turn);
    }
    if (step.error && !writer_.started()) co_return fail_turn(turn, *step.error);
    if (!step.error) continue;
    Error error = *std::move(step.error);
    TurnEnd end = co_await break_off(turn, std::move(error));
    co_return end;
  }
  TurnEnd end = co_await end_stream(turn, reader, std::move(held));
  asio::co_spawn(core_.context, read_to_end(held_, std::move(exchange)), asio::detached);
  co_return end;
}

asio::awaitable<StreamReader::Step> RequestRun::read_step(http::Exchange& exchange, StreamReader& reader) {
  const Duration read_from = core_.clock.monotonic();
  if (writer_.started()) core_.silence.watch(silence_, core_.options.stall_max);
  Result<std::optional<std::string>> piece = co_await exchange.read_some();
  if (writer_.started()) silence_.stop();
  const Duration now = core_.clock.monotonic();
  if (piece && *piece && turn_ != nullptr) turn_->note_sign(now);
  if (!writer_.started()) waited_ = waited_ + (now - read_from);
  StreamReader::Step step;
  if (!piece)
    step.error = std::move(piece.error());
  else if (!*piece)
    step.error = Error{ErrorCode::unavailable, "the engine ended its stream without '[DONE]'", {}};
  else
    step = reader.feed(**piece);
  if (!step.error && now - arrived_ > core_.options.stream_duration_max)
    step.error = Error{ErrorCode::deadline_exceeded, "the stream took longer than is allowed", {}};
  co_return step;
}

// What goes on to the client is as it asked for it.
Result<void> RequestRun::shape(StreamReader::Step& step) {
  if (!responses_) return {};
  const std::string chunks = std::exchange(step.forward, {});
  return responses_reply().add_events(chunks, step.forward);
}

asio::awaitable<bool> RequestRun::forward(StreamReader::Step step) {
  Result<void> written;
  if (!writer_.started()) {
    http::Headers headers = answer_headers("text/event-stream; charset=utf-8");
    headers.add("cache-control", "no-cache");
    record_.status = 200;
    written = co_await writer_.start(200, std::move(headers), step.forward);
  } else {
    written = co_await writer_.write(step.forward);
  }
  if (!written) co_return false;
  note_sent(step);
  co_return true;
}

void RequestRun::note_sent(const StreamReader::Step& step) {
  bytes_down_ += step.forward.size();
  if (step.tokens == 0) return;
  if (turn_ != nullptr) turn_->note_first_token();
  last_token_at_ = elapsed();
  if (!first_token_at_) first_token_at_ = last_token_at_;
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::break_off(Turn& turn, Error error) {
  turn.end_as(AttemptEnd::failure);
  record_.error = to_string(error);
  if (trace_) attempt().error_type = describe(error.code).name;
  keep_decision(Outcome::cut);
  ApiError told;
  told.code = ErrorCode::unavailable;
  told.message = "The answer was cut off because the engine failed; what came so far is incomplete.";
  told.reason = "stream_cut";
  std::string event;
  if (responses_)
    responses_reply().fail_with(told.message, usage(), event);
  else
    event = http::format_sse({}, {}, body_of(told));
  const Result<void> finished = co_await writer_.finish(event);
  static_cast<void>(finished);  // the client has gone: nothing is left to tell it
  co_return std::nullopt;
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::end_stream(Turn& turn, const StreamReader& reader,
                                                            StreamReader::Step held) {
  turn.end_as(reader.engine_error() ? AttemptEnd::failure : AttemptEnd::success);
  note_usage(reader.usage(), reader.tokens());
  note_sent(held);
  std::string last;
  if (responses_ && reader.engine_error()) {
    responses_reply().fail_with("The engine reported an error; what came so far is incomplete.", usage(), last);
  } else if (responses_) {
    responses_reply().end(reader.usage().value_or(usage()), last);
  } else if (completion_.include_usage && !reader.usage()) {
    last = fmt::format(R"({{"id":"{}","object":"{}","created":{},"model":)", record_.id,
                       surface_ == Surface::chat_completions ? "chat.completion.chunk" : "text_completion",
                       record_.at.ns / 1'000'000'000);
    append_json_string(last, record_.model);
    last += R"(,"choices":[],"usage":)" + usage_json({record_.prompt_tokens, record_.output_tokens}) + '}';
    last = http::format_sse({}, {}, last);
  }
  if (!responses_) last += "data: [DONE]\n\n";
  bytes_down_ += last.size();
  keep_decision(reader.engine_error() ? Outcome::cut : Outcome::ok);
  held.forward += last;
  const Result<void> finished = co_await writer_.finish(held.forward);
  if (!finished && !reader.engine_error()) record_.outcome = Outcome::cancelled;
  co_return std::nullopt;
}

asio::awaitable<void> RequestRun::answer_error(Outcome outcome, ApiError error) {
  record_.status = writer_.peer_closed() ? kClientLeft : status_of(error);
  http::Headers headers = answer_headers("application/json");
  if (error.retry_after_s > 0) headers.add("retry-after", fmt::format("{}", error.retry_after_s));
  record_.refused = code_of(error);
  std::string body = body_of(error);
  bytes_down_ = body.size();
  keep_decision(writer_.peer_closed() ? Outcome::cancelled : outcome);
  const Result<void> sent = co_await writer_.respond(status_of(error), std::move(headers), std::move(body));
  if (!sent) record_.outcome = Outcome::cancelled;
}

RequestRun::TurnEnd RequestRun::fail_turn(Turn& turn, Error error) {
  const bool is_ours = error.code == ErrorCode::resource_exhausted;
  turn.end_as(is_ours ? AttemptEnd::neutral : AttemptEnd::failure);
  if (turn.given_up())
    error = {ErrorCode::deadline_exceeded,
             fmt::format("the engine gave no sign for {:.0f} ms", turn.age().seconds() * 1e3),
             {}};
  record_.error = to_string(error);
  if (trace_) attempt().error_type = describe(error.code).name;
  ApiError told;
  told.code = error.code == ErrorCode::deadline_exceeded ? ErrorCode::deadline_exceeded : ErrorCode::unavailable;
  told.message = told.code == ErrorCode::deadline_exceeded ? "The engine did not answer in time."
                                                           : "The engine that was to answer failed; try again shortly.";
  told.reason = "engine_failed";
  told.retry_after_s = 1;
  if (!is_ours || turn.given_up()) return told;
  told.code = ErrorCode::resource_exhausted;
  told.message = "The gateway has no connection left to reach an engine with; try again shortly.";
  told.reason = "connections";
  return told;
}

RequestRun::TurnEnd RequestRun::leave(Turn& turn) {
  turn.end_as(AttemptEnd::neutral);
  return leave();
}

RequestRun::TurnEnd RequestRun::leave() {
  record_.outcome = Outcome::cancelled;
  if (record_.status == 0) record_.status = kClientLeft;
  return std::nullopt;
}

http::Headers RequestRun::answer_headers(std::string_view content_type) {
  record_.overhead = microseconds_of(core_.clock.monotonic() - arrived_ - waited_);
  http::Headers headers = http::content_type(content_type);
  if (!request_id_.empty()) headers.add("x-request-id", request_id_);
  if (meter_ != nullptr) {
    const grid::TenantLimits& limits = bound_->table->rows().tenants[facts_.tenant].limits;
    if (requests_standing_) add_standing(headers, kRequestHeaders, limits.requests_per_minute, *requests_standing_);
    if (tokens_standing_) add_standing(headers, kTokenHeaders, limits.tokens_per_minute, *tokens_standing_);
  }
  if (record_.id.empty()) return headers;
  headers.add("x-tandem-decision", record_.id);
  headers.add("x-tandem-overhead-us", std::to_string(std::llround(record_.overhead.value())));
  headers.add("x-tandem-region-source", to_string(region_source_));
  const auto add_promise = [&](const char* name, Milliseconds promise) {
    if (promise.value() > 0) headers.add(name, fmt::format("{:g}", promise.value()));
  };
  add_promise("x-tandem-promise-ttft-ms", record_.promise_ttft);
  add_promise("x-tandem-promise-tpot-ms", record_.promise_tpot);
  if (record_.site.empty()) return headers;
  headers.add("x-tandem-site", record_.site);
  headers.add("x-tandem-model", record_.model);
  return headers;
}

Usage RequestRun::usage() const {
  Usage usage{record_.prompt_tokens, record_.output_tokens};
  usage.cached_tokens = record_.cached_tokens;
  return usage;
}

// Made when an engine answers: by then the request has its id.
ResponsesReply& RequestRun::responses_reply() {
  if (!responses_reply_) {
    ResponseHead head{record_.id, record_.at.ns / 1'000'000'000, record_.model, responses_->echo};
    responses_reply_.emplace(std::move(head), core_.options.answer_bytes_max);
  }
  return *responses_reply_;
}

void RequestRun::note_usage(const std::optional<Usage>& usage, uint64_t output_tokens_seen) {
  record_.tokens_counted = usage.has_value();
  if (usage) record_.prompt_tokens = usage->prompt_tokens;
  if (usage) record_.cached_tokens = usage->cached_tokens;
  record_.output_tokens = usage ? usage->completion_tokens : output_tokens_seen;
}

Microseconds RequestRun::elapsed() const { return microseconds_of(core_.clock.monotonic() - arrived_); }

// Everything that follows from what is known of the request so far and from its outcome.
void RequestRun::conclude() {
  record_.duration = elapsed();
  record_.answer_bytes = bytes_down_;
  const auto tokens = static_cast<double>(record_.output_tokens);
  if (record_.streamed && first_token_at_) {
    record_.ttft = first_token_at_;
    if (tokens > 1) record_.tpot = (last_token_at_ - *first_token_at_) / (tokens - 1);
  }
  record_.cost = {};
  if (target_ && record_.was_served()) {
    const routing::Target& target = bound_->table->targets()[*target_];
    const routing::Leg& leg = leg_to(target);
    const auto computed = static_cast<double>(record_.prompt_tokens - record_.cached_tokens);
    record_.cost = Euros(computed * target.euros_per_prompt_token + tokens * target.euros_per_output_token +
                         (facts_.bytes + static_cast<double>(bytes_down_)) * leg.euros_per_byte);
    record_.energy_j = computed * target.joules_per_prompt_token + tokens * target.joules_per_output_token;
    record_.carbon_g = record_.energy_j * target.carbon_g_per_joule;
  }
  const auto within = [](Microseconds value, Milliseconds promise) {
    return promise.value() <= 0 || value <= to_microseconds(promise);
  };
  record_.promise_kept = false;
  if (record_.outcome == Outcome::ok) {
    if (record_.streamed)
      record_.promise_kept = within(record_.ttft.value_or(record_.duration), record_.promise_ttft) &&
                             within(record_.tpot.value_or(Microseconds()), record_.promise_tpot);
    else
      record_.promise_kept =
          record_.promise_ttft.value() <= 0 || record_.promise_tpot.value() <= 0 ||
          within(record_.duration, record_.promise_ttft + record_.promise_tpot * std::max(tokens - 1, 0.0));
  }
}

// Before the answer's last bytes: whoever has read them finds the decision, and their limits as it left them.
void RequestRun::keep_decision(Outcome outcome) {
  record_.outcome = outcome;
  if (kept_ == nullptr || kept_at_) return;
  conclude();
  settle_limits();
  kept_->facts = facts_;
  kept_->bound = bound_;
  kept_at_ = core_.ring.keep(std::make_shared<const RequestRecord>(record_), std::move(kept_), bound_);
}

void RequestRun::finish() {
  keep_decision(record_.outcome);
  conclude();
  if (charged_) {
    const bool served = record_.was_served();
    core_.queue.charge(record_.tenant, (served ? static_cast<double>(record_.prompt_tokens) : 0) - facts_.prompt_tokens,
                       (served ? static_cast<double>(record_.output_tokens) : 0) - facts_.output_tokens);
  }
  note_trials();
  core_.metrics.record(record_);
  core_.sink.on_request(record_);
  if (kept_at_) core_.ring.settle(*kept_at_, std::make_shared<const RequestRecord>(std::move(record_)));
}

}  // namespace tandem::gateway
