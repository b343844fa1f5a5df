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
#include "gateway/tenant_gate.h"
#include "gateway/tenant_limits.h"

namespace tandem::gateway {

namespace asio = boost::asio;

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
  Outcome outcome = Outcome::rejected;
  std::optional<ApiError> refusal;
  if (Checked<std::monostate> prepared = self.prepare(); !prepared) {
    refusal = std::move(prepared.error());
    if (status_of(*refusal) < 500 && refusal->code != ErrorCode::quota_exceeded) outcome = Outcome::client_error;
  } else {
    self.join();
    for (bool again = true; again;) {
      const routing::Decision decision = self.decide();
      std::optional<uint32_t> target = decision.target;
      std::optional<ApiError> none;
      const bool full = decision.blocking == routing::Gate::capacity && self.core_.options.waiting_max > 0;
      if (target ? self.turn_ == nullptr : full) {
        const bool has_room = target.has_value();
        target.reset();
        Checked<uint32_t> found = co_await self.wait_for_room(has_room);
        if (found)
          target = *found;
        else
          none = std::move(found.error());
      }
      if (!target) {
        if (!refusal) refusal = none ? std::move(none) : self.rejection(decision);
        break;
      }
      if (self.record_.attempts > 1) self.core_.metrics.failed_over();
      self.start_shadows();
      refusal = co_await self.take_turn(*target);
      self.silence_.stop();
      self.turn_.reset();
      self.end_attempt();
      again = refusal && self.may_try_another(*target);
      if (refusal) outcome = Outcome::upstream_error;
    }
  }
  if (refusal) co_await self.answer_error(outcome, *std::move(refusal));
  self.finish();
}

Checked<std::monostate> RequestRun::prepare() {
  record_.request_id = core_.ids.of(request_);
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
  if (auto wrong = wrong_content_type(request_.headers))
    return tl::unexpected(
        ApiError{ErrorCode::invalid_argument, std::move(*wrong), {}, "unsupported_content_type", 415});

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
  if (auto assured = assure_residency(*bound_->table, facts_.allowed, record_.at); !assured) return assured;
  return take_tokens();
}

Checked<CompletionRequest> RequestRun::read_body() {
  if (surface_ != Surface::responses) return read_completion(surface_, request_.body);
  auto responses = read_responses_request(request_.body);
  if (!responses) return tl::unexpected(std::move(responses.error()));
  responses_ = std::move(*responses);
  core_.body_bytes_in_flight += responses_->chat_body.size();
  return read_completion(Surface::chat_completions, responses_->chat_body);
}

Checked<CompletionRequest> RequestRun::read_completion(Surface surface, std::string_view body) {
  if (body.size() <= routing::PrefixHasher::kStepBytes) return core_.reader.read(surface, body);
  routing::PrefixHasher prefix;
  auto completion = core_.reader.read(surface, body, &prefix);
  prefix_.assign(prefix.points().begin(), prefix.points().end());
  return completion;
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
    meter_->spend(static_cast<uint64_t>(std::llround(record_.cost.value() * 1e9)),
                  record_.at + (looked_at_ - arrived_));
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
  if (core_.options.waiting_max > 0) facts_.queue_per_concurrency = kEngineQueue;
  record_.streamed = completion_.stream;
  record_.prompt_tokens = static_cast<uint64_t>(completion_.prompt_tokens);
  return {};
}

const grid::Promise& RequestRun::usual_promise() const {
  const auto* planned = bound_->table->split(facts_.tenant, facts_.region, facts_.model);
  return planned != nullptr ? planned->promise : bound_->table->rows().tenants[facts_.tenant].promise;
}

Checked<std::monostate> RequestRun::find_promise() {
  const auto stated = stated_promise(request_.headers);
  if (!stated) return tl::unexpected(stated.error());
  const grid::Promise& usual = usual_promise();
  facts_.ttft = record_.promise_ttft = stated->ttft.value_or(usual.ttft);
  facts_.tpot = record_.promise_tpot = stated->tpot.value_or(usual.tpot);
  return {};
}

// From here on it is among those that are to be served.
void RequestRun::join() {
  core_.retries.note_request();
  const routing::Tenant& tenant = bound_->table->rows().tenants[facts_.tenant];
  core_.queue.arrive(record_.tenant, tenant.priority, tenant.weight);
  waiting_.tenant = record_.tenant;
  waiting_.priority = tenant.priority;
  draw_ = core_.random.uniform();
  facts_.hits = core_.board.prefixes().find(prefix_, *bound_, arrived_);
  enter_trials();
}

// After a turn that failed before anything was sent.
bool RequestRun::may_try_another(uint32_t failed) {
  const bool was_canary = trials_.canary != nullptr;
  fail_canary();
  excluded_.push_back(failed);
  return record_.attempts < core_.options.attempts_max &&
         (std::exchange(retry_taken_, false) || was_canary || core_.retries.take());
}

routing::Decision RequestRun::weigh(const routing::RequestFacts& facts, const std::vector<uint32_t>& excluded) const {
  if (core_.options.baseline) {
    constexpr size_t kPoint = 3;  // beyond what everybody's prompts begin with, before what is one request's own
    std::optional<uint64_t> prefix;
    if (!prefix_.empty()) prefix = prefix_[std::min(kPoint, prefix_.size() - 1)].hash;
    return core_.baseline_on(bound_).choose(facts, bound_->live_pointers(), excluded, prefix);
  }
  return routing::decide(*bound_->table, facts, bound_->live_pointers(), excluded, draw_);
}

routing::Decision RequestRun::decide() {
  core_.board.readmit_due(looked_at_);
  const routing::Decision decision = weigh(facts_, excluded_);
  if (!std::exchange(is_decided_, true))
    record_.id = request_id(request_.headers) ? core_.ids.next() : record_.request_id;
  // Where an earlier attempt failed and nothing is left, the decision that was carried out stays on the record.
  if (!decision.target && record_.attempts > 0) return decision;
  note(decision);
  waiting_.group = group_of(decision);
  if (decision.target && core_.queue.waiting_in(waiting_.group) == 0) begin_turn(decision);
  return decision;
}

// Who waits for the same model waits in the same line.
uint64_t RequestRun::group_of(uint32_t model) const {
  return std::hash<std::string>{}(bound_->table->rows().models[model]);
}

uint64_t RequestRun::group_of(const routing::Decision& decision) const {
  return group_of(decision.target ? bound_->table->targets()[*decision.target].model : facts_.model);
}

void RequestRun::note(const routing::Decision& decision) {
  decision_.draw = draw_;
  decision_.excluded = excluded_;
  keep_seen();
  record_.reason = decision.reason;
  record_.gate = decision.blocking;
  record_.predicted_ttft = decision.predicted_ttft;
  record_.predicted_cached_tokens = decision.cached_tokens;
}

void RequestRun::begin_turn(const routing::Decision& decision) {
  note_target(*decision.target);
  ++record_.attempts;
  turn_ = turn_at(decision);
  note_prefix(decision);
  begin_attempt(bound_->table->targets()[*decision.target]);
  charge_service();
}

// Its engine will have the prompt.
void RequestRun::note_prefix(const routing::Decision& decision) {
  const double computed = facts_.prompt_tokens - std::min<double>(decision.cached_tokens, facts_.prompt_tokens);
  core_.board.prefixes().note(prefix_, *bound_, *decision.target, computed + facts_.output_tokens, arrived_);
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
  if (table.targets_of_model(*model).size() > core_.options.sampled_targets_max &&
      core_.ids.given() % kSampledEvery != 0)
    return;
  decision_.seen.clear();
  for (; model; model = facts_.fallbacks ? table.traits(*model).fallback : std::nullopt)
    for (const uint32_t target : table.targets_of_model(*model))
      decision_.seen.push_back({target, *bound_->live[target]});
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
      error.message = bound_->table->rows().plan_id.empty()
                          ? "The first plan is being made: before it no model runs anywhere; try again shortly."
                          : fmt::format("No site with '{}' is up.", model);
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

  const Duration sent_at = looked_at_;  // as the turn began
  http::Endpoint endpoint{target.host, target.port};
  http::ClientRequest request = request_for(target, true);
  Result<http::Exchange> exchange =
      co_await core_.client.send(std::move(endpoint), std::move(request), core_.options.timeouts, *sending_);
  waited_ = waited_ + (look() - sent_at);
  if (writer_.peer_closed()) co_return leave(turn);
  if (!exchange) co_return fail_turn(turn, exchange.error());
  co_return co_await answer(turn, *exchange);
}

http::ClientRequest RequestRun::request_for(const routing::Target& target, bool lends) const {
  constexpr http::FieldName kContentType("content-type");
  constexpr http::FieldName kRequestId("x-request-id");
  constexpr http::FieldName kPathRoundTrip("x-tandem-path-rtt-us");
  http::ClientRequest request;
  request.method = "POST";
  request.target = target.base_path;
  request.target += path_of(engine_surface());
  request.headers.add(kContentType, "application/json");
  add_trace(request.headers);
  request.headers.add(kRequestId, record_.request_id);
  add_inference_extension(request_.headers, record_.tenant, request.headers);
  if (target.emulated) {
    const Microseconds round_trip = leg_to(target).round_trip;
    request.headers.add(kPathRoundTrip, fmt::format("{:.0f}", round_trip.value()));
  }
  const std::string& body = responses_ ? responses_->chat_body : request_.body;
  std::optional<std::string> rewritten = rewrite(body, completion_, bound_->table->rows().models[target.model]);
  if (rewritten)
    request.body = *std::move(rewritten);
  else if (lends)
    request.lent_body = body;
  else
    request.body = body;
  return request;
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

Duration RequestRun::look() { return looked_at_ = core_.clock.monotonic(); }

// Everything that follows from what is known of the request so far and from its outcome.
void RequestRun::conclude(RequestRecord& record) const {
  record.duration = elapsed();
  record.answer_bytes = bytes_down_;
  const auto tokens = static_cast<double>(record.output_tokens);
  if (record.streamed && first_token_at_) {
    record.ttft = first_token_at_;
    if (tokens > 1) record.tpot = (last_token_at_ - *first_token_at_) / (tokens - 1);
  }
  record.cost = {};
  if (target_ && record.was_served()) {
    const routing::Target& target = bound_->table->targets()[*target_];
    const routing::Leg& leg = leg_to(target);
    const auto computed = static_cast<double>(record.prompt_tokens - record.cached_tokens);
    record.cost = Euros(computed * target.euros_per_prompt_token + tokens * target.euros_per_output_token +
                        (facts_.bytes + static_cast<double>(bytes_down_)) * leg.euros_per_byte);
    record.energy_j = computed * target.joules_per_prompt_token + tokens * target.joules_per_output_token;
    record.carbon_g = record.energy_j * target.carbon_g_per_joule;
  }
  const auto within = [](Microseconds value, Milliseconds promise) {
    return promise.value() <= 0 || value <= to_microseconds(promise);
  };
  record.promise_kept = false;
  if (record.outcome == Outcome::ok) {
    if (record.streamed)
      record.promise_kept = within(record.ttft.value_or(record.duration), record.promise_ttft) &&
                            within(record.tpot.value_or(Microseconds()), record.promise_tpot);
    else
      record.promise_kept =
          record.promise_ttft.value() <= 0 || record.promise_tpot.value() <= 0 ||
          within(record.duration, record.promise_ttft + record.promise_tpot * std::max(tokens - 1, 0.0));
  }
}

// Before the answer's last bytes: whoever has read them finds the decision, and their limits as it left them. The
// record is others' to read from here on.
void RequestRun::keep_decision(Outcome outcome) {
  if (kept_at_) return;
  record_.outcome = outcome;
  if (!is_decided_) return;
  conclude(record_);
  concluded_at_ = looked_at_;
  settle_limits();
  decision_.bound = bound_;
  kept_at_ = core_.ring.keep(kept_, bound_);
}

// The record, as it was kept where its last bytes were taken at once.
SharedRecord RequestRun::ended_record() {
  constexpr Duration kAtOnce = nanoseconds(100'000);
  if (kept_at_ && !is_lost_ && look() - concluded_at_ <= kAtOnce) return SharedRecord(kept_, &record_);
  look();
  const auto ended =
      kept_at_ ? std::make_shared<RequestRecord>(record_) : std::shared_ptr<RequestRecord>(kept_, &record_);
  if (is_lost_) ended->outcome = Outcome::cancelled;
  conclude(*ended);
  if (kept_at_) core_.ring.settle(*kept_at_, ended);
  return ended;
}

void RequestRun::finish() {
  keep_decision(record_.outcome);
  const SharedRecord record = ended_record();
  if (charged_) {
    const bool served = record->was_served();
    core_.queue.charge(record->tenant, (served ? static_cast<double>(record->prompt_tokens) : 0) - facts_.prompt_tokens,
                       (served ? static_cast<double>(record->output_tokens) : 0) - facts_.output_tokens);
  }
  note_trials(*record);
  core_.metrics.record(*record);
  core_.sink.on_request(record);
}

}  // namespace tandem::gateway
