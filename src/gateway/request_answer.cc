// What comes back from the engine in turn, and what goes to the client.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cmath>

#include "base/check.h"
#include "base/text.h"
#include "gateway/request_run.h"
#include "gateway/tenant_limits.h"

namespace tandem::gateway {

namespace asio = boost::asio;

namespace {

constexpr size_t kRefusalBytesMax = 64 * 1024;  // an error object is under a kilobyte

constexpr http::FieldName kContentTypeField("content-type");
constexpr http::FieldName kRequestIdField("x-request-id");
constexpr http::FieldName kRetryAfterField("retry-after");
constexpr http::FieldName kCacheControlField("cache-control");
constexpr http::FieldName kDecisionField("x-tandem-decision");
constexpr http::FieldName kOverheadField("x-tandem-overhead-us");
constexpr http::FieldName kRegionSourceField("x-tandem-region-source");
constexpr http::FieldName kPromiseTtftField("x-tandem-promise-ttft-ms");
constexpr http::FieldName kPromiseTpotField("x-tandem-promise-tpot-ms");
constexpr http::FieldName kSiteField("x-tandem-site");
constexpr http::FieldName kModelField("x-tandem-model");

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

asio::awaitable<RequestRun::TurnEnd> RequestRun::answer(Turn& turn, http::Exchange& exchange) {
  if (trace_) attempt().status = exchange.status();
  if (exchange.status() != 200) return answer_failure(turn, exchange);
  responses_reply_.reset();  // what an engine before this one began
  return completion_.stream ? answer_stream(turn, exchange) : answer_whole(turn, exchange);
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::answer_failure(Turn& turn, http::Exchange& exchange) {
  const int status = exchange.status();
  if (is_clients_fault(status)) co_return co_await answer_refusal(turn, exchange);
  if (is_unknown_surface(status) && lacks_surface()) {
    turn.end_as(AttemptEnd::neutral);
    ApiError error;
    error.code = ErrorCode::invalid_argument;
    error.message = surface_ == Surface::embeddings
                        ? fmt::format("The model '{}' makes no embeddings.", record_.model)
                        : fmt::format("The model '{}' does not answer at {}.", record_.model, path_of(surface_));
    error.param = "model";
    error.reason = "unsupported_model";
    silence_.stop();
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

// Nothing is wrong with an engine that does not know such requests where none of its model's ever answered one, but
// others: it writes text, or makes vectors. Where nothing is known of the model yet, it is taken to write text.
bool RequestRun::lacks_surface() const {
  const BoundTable& bound = *bound_;
  const auto any_engine = [&](auto has) {
    const auto targets = bound.table->targets_of_model(bound.table->targets()[*target_].model);
    return std::ranges::any_of(targets, [&](uint32_t target) { return has(*bound.engines[target]); });
  };
  if (any_engine([&](const EngineState& engine) { return engine.has_served(engine_surface()); })) return false;
  return surface_ == Surface::embeddings ||
         any_engine([](const EngineState& engine) { return engine.has_served_any(); });
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
  is_lost_ = !sent;
  co_return std::nullopt;
}

asio::awaitable<RequestRun::TurnEnd> RequestRun::answer_whole(Turn& turn, http::Exchange& exchange) {
  const Duration read_from = looked_at_;
  std::optional<Result<std::string>> read = exchange.take_all(core_.options.answer_bytes_max);
  if (!read) {
    read = co_await exchange.read_all(core_.options.answer_bytes_max);
    waited_ = waited_ + (look() - read_from);
  }
  Result<std::string>& body = *read;
  if (body) turn.note_sign(looked_at_);
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
  turn.note_served(engine_surface());
  bytes_down_ = body->size();
  record_.status = 200;
  http::Headers headers = answer_headers("application/json");
  keep_decision(Outcome::ok);
  std::optional<Result<void>> sent = writer_.respond_now(200, headers, *body);
  core_.spare_headers = std::move(headers);
  if (!sent) sent = co_await writer_.rest();
  is_lost_ = !*sent;
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
    // The last events go out with the answer's end.
    const bool waits_for_end = reader.ended() && !step.error;
    if ((held.has_data || writer_.started()) && !waits_for_end) {
      std::optional<Result<void>> sent = forward(held.forward);
      if (!sent) sent = co_await writer_.rest();
      if (!*sent) co_return leave(turn);
      note_sent(held);
      held = {};
    }
    if (step.error && !writer_.started()) co_return fail_turn(turn, *step.error);
    if (!step.error) continue;
    Error error = *std::move(step.error);
    TurnEnd end = co_await break_off(turn, std::move(error));
    co_return end;
  }
  TurnEnd end = co_await end_stream(turn, reader, std::move(held));
  if (!exchange.take_some()) asio::co_spawn(core_.context, read_to_end(held_, std::move(exchange)), asio::detached);
  co_return end;
}

asio::awaitable<StreamReader::Step> RequestRun::read_step(http::Exchange& exchange, StreamReader& reader) {
  const Duration read_from = looked_at_;
  if (writer_.started()) core_.silence.watch(silence_, core_.options.stall_max);
  std::optional<Result<std::optional<std::string>>> read = exchange.take_some();
  if (!read) read = co_await exchange.read_some();
  Result<std::optional<std::string>>& piece = *read;
  if (writer_.started()) silence_.stop();
  const Duration now = look();
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

// As ResponseWriter::write_now has it.
std::optional<Result<void>> RequestRun::forward(std::string_view events) {
  if (writer_.started()) return writer_.write_now(events);
  return writer_.start_now(200, stream_headers(), events);
}

http::Headers RequestRun::stream_headers() {
  silence_.stop();  // while it is written the client is waited for, not the engine
  http::Headers headers = answer_headers("text/event-stream; charset=utf-8");
  headers.add(kCacheControlField, "no-cache");
  record_.status = 200;
  return headers;
}

void RequestRun::note_sent(const StreamReader::Step& step) {
  bytes_down_ += step.forward.size();
  if (step.tokens == 0) return;
  if (turn_ != nullptr) turn_->note_first_token();
  look();
  last_token_at_ = elapsed();
  if (first_token_at_) return;
  first_token_at_ = last_token_at_;
  if (turn_ != nullptr) note_lateness();
}

void RequestRun::note_lateness() {
  routing::RequestFacts served = facts_;
  served.model = bound_->table->targets()[*target_].model;
  served.paths = bound_->table->paths_of(served.tenant, served.region, served.model);
  const Microseconds alone = routing::predict_ttft(*bound_->table, served, *target_, routing::TargetLive());
  const Microseconds late = microseconds_of(turn_->age()) - alone;
  core_.lateness[group_of(served.model)].note(nanoseconds(static_cast<int64_t>(late.value() * 1e3)),
                                              core_.clock.monotonic());
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
  if (!reader.engine_error()) turn.note_served(engine_surface());
  note_usage(reader.usage(), reader.tokens());
  std::optional<http::Headers> headers;  // of a stream that came in one piece: it goes on as it came, in one message
  if (!writer_.started()) headers = stream_headers();
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
  std::optional<Result<void>> finished =
      headers ? writer_.respond_now(200, *headers, held.forward) : writer_.finish_now(held.forward);
  if (!finished) finished = co_await writer_.rest();
  is_lost_ = !*finished && !reader.engine_error();
  co_return std::nullopt;
}

asio::awaitable<void> RequestRun::answer_error(Outcome outcome, ApiError error) {
  record_.status = writer_.peer_closed() ? kClientLeft : status_of(error);
  http::Headers headers = answer_headers("application/json");
  if (error.retry_after_s > 0) add_number(headers, kRetryAfterField, static_cast<uint64_t>(error.retry_after_s));
  record_.refused = code_of(error);
  std::string body = body_of(error);
  bytes_down_ = body.size();
  keep_decision(writer_.peer_closed() ? Outcome::cancelled : outcome);
  const Result<void> sent = co_await writer_.respond(status_of(error), std::move(headers), std::move(body));
  is_lost_ = !sent;
}

http::Headers RequestRun::answer_headers(std::string_view content_type) {
  record_.overhead = microseconds_of(look() - arrived_ - waited_);
  http::Headers headers = std::move(core_.spare_headers);
  headers.clear();
  headers.add(kContentTypeField, content_type);
  headers.add(kRequestIdField, record_.request_id);
  if (meter_ != nullptr) {
    const grid::TenantLimits& limits = bound_->table->rows().tenants[facts_.tenant].limits;
    if (requests_standing_) add_standing(headers, kRequestHeaders, limits.requests_per_minute, *requests_standing_);
    if (tokens_standing_) add_standing(headers, kTokenHeaders, limits.tokens_per_minute, *tokens_standing_);
  }
  if (record_.id.empty()) return headers;
  headers.add(kDecisionField, record_.id);
  add_number(headers, kOverheadField, static_cast<uint64_t>(std::max(0LL, std::llround(record_.overhead.value()))));
  headers.add(kRegionSourceField, to_string(region_source_));
  const auto add_promise = [&](http::FieldName name, Milliseconds promise) {
    const double ms = promise.value();
    if (ms <= 0) return;
    const bool is_whole = ms < 1e9 && ms == std::floor(ms);  // as most are, and those are made in a tenth of the time
    if (is_whole)
      add_number(headers, name, static_cast<uint64_t>(ms));
    else
      headers.add(name, fmt::format("{:g}", ms));
  };
  add_promise(kPromiseTtftField, record_.promise_ttft);
  add_promise(kPromiseTpotField, record_.promise_tpot);
  if (record_.site.empty()) return headers;
  headers.add(kSiteField, record_.site);
  headers.add(kModelField, record_.model);
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

}  // namespace tandem::gateway
