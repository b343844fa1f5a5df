#include "load/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "base/text.h"

namespace tandem::load {
namespace asio = boost::asio;

namespace {

constexpr size_t kErrorsMax = 10;              // a person reads them
constexpr size_t kPromisesMax = 64;            // a tenant has one a demand
constexpr size_t kReasonsMax = 64;             // the rest is counted as "other": the server chooses their names
constexpr size_t kSitesMax = 10'000;           // as many sites as a grid may have; beyond, a server makes names up
constexpr size_t kAnswerBytesMax = 64u << 20;  // of a whole answer: far above any context
constexpr size_t kErrorBytesMax = 64u << 10;

// An answer's first byte may take as long as a full queue of long prompts does.
constexpr http::ClientTimeouts kTimeouts{
    .connect = seconds(10), .first_byte = minutes(10), .between_bytes = minutes(2)};

}  // namespace

Run::Run(const LoadOptions& options, Target target, const Clock& clock,
         const std::function<void(const LoadProgress&)>& progress, std::stop_token stop)
    : options_(options),
      target_(std::move(target)),
      clock_(clock),
      tell_(progress),
      stop_(std::move(stop)),
      due_(context_),
      second_(context_),
      client_(context_, client_options(options, target_)),
      schedule_(options) {}

LoadReport Run::run() {
  start_ = clock_.monotonic();
  senders_ = std::max(1u, options_.concurrency);
  if (options_.concurrency == 0)
    asio::co_spawn(context_, send_when_due(), asio::detached);
  else
    for (uint32_t i = 0; i < options_.concurrency; ++i) asio::co_spawn(context_, send_in_turn(), asio::detached);
  asio::co_spawn(context_, watch(), asio::detached);
  context_.run();
  report_.sending_s = sending_ended_.seconds();
  report_.drain_s = std::max(0.0, (now() - sending_ended_).seconds());
  return std::move(report_);
}

// The open loop. Sleeps end early when the run is stopped.
asio::awaitable<void> Run::send_when_due() {
  while (const auto planned = schedule_.next()) {
    co_await wait_until(planned->at);
    if (stop_.stop_requested()) break;
    report_.send_lag_max = std::max(report_.send_lag_max, now() - planned->at);
    if (outstanding_.size() >= options_.outstanding_max) {
      ++report_.requests;
      count_failure("client_overflow", "as many requests were under way as this generator may have");
    } else {
      asio::co_spawn(context_, send(*planned, planned->at), asio::detached);
    }
  }
  sender_ended();
}

asio::awaitable<void> Run::wait_until(Duration since_start) {
  while (!stop_.stop_requested()) {
    const Duration left = since_start - now();
    if (left.ns <= 0) break;
    due_.expires_after(std::chrono::nanoseconds(left.ns));
    boost::system::error_code cancelled;  // by `watch`, when the run is stopped: then it looks again
    co_await due_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
}

// One client of the closed loop.
asio::awaitable<void> Run::send_in_turn() {
  while (sending()) {
    const auto planned = schedule_.next();
    if (!planned) break;
    co_await send(*planned, now());
  }
  sender_ended();
}

void Run::sender_ended() {
  // A process that fills the duration ends with it, not with its last arrival; a client that is still waiting for its
  // answer then sends no more.
  const bool fills = !stop_.stop_requested() && options_.concurrency == 0 && options_.process != Process::trace &&
                     !schedule_.gave_all();
  if (--senders_ == 0) sending_ended_ = fills ? options_.duration : std::min(now(), options_.duration);
  end_if_idle();
}

void Run::end_if_idle() {
  if (senders_ == 0 && outstanding_.empty()) second_.cancel();
}

// Tells the progress each second, and ends the waiting for answers when the grace is over.
asio::awaitable<void> Run::watch() {
  // Stopping is looked for more often than progress is told: a person who presses a key waits.
  constexpr Duration kLook = milliseconds(100);
  std::optional<Duration> give_up_at;
  Duration tell_at = seconds(1);
  while (senders_ > 0 || !outstanding_.empty()) {
    second_.expires_after(std::chrono::nanoseconds(kLook.ns));
    boost::system::error_code cancelled;  // all have ended
    co_await second_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    if (stop_.stop_requested()) due_.cancel();
    if (!give_up_at && (senders_ == 0 || !sending()))
      give_up_at = stop_.stop_requested() ? now() : now() + options_.grace;
    if (give_up_at && now() >= *give_up_at && !giving_up_) {
      giving_up_ = true;
      const std::list<http::Cancellation> outstanding = outstanding_;  // each removes itself while we go
      for (http::Cancellation cancellation : outstanding) cancellation.cancel();
    }
    if (now() < tell_at) continue;
    tell_at = tell_at + seconds(1);
    if (tell_) tell_(progress());
  }
  if (tell_) tell_(progress());
  context_.stop();  // the client's idle connections need not be waited for
}

asio::awaitable<void> Run::send(PlannedRequest planned, Duration counted_from) {
  const Sent sent{planned, counted_from};
  const auto place = outstanding_.emplace(outstanding_.end());
  const http::Cancellation cancellation = *place;
  ++report_.requests;
  ++sent_;
  report_.outstanding_peak = std::max<uint64_t>(report_.outstanding_peak, outstanding_.size());
  http::ClientRequest request = make_request(options_, planned, target_.base_path);
  auto exchange = co_await client_.send(target_.endpoint, std::move(request), kTimeouts, cancellation);
  if (exchange) {
    co_await receive(sent, std::move(*exchange));
  } else {
    const Error& error = exchange.error();
    count_failure(giving_up_ ? "unfinished" : std::string(describe(error.code).name), error.message);
  }
  outstanding_.erase(place);
  end_if_idle();
}

asio::awaitable<void> Run::receive(const Sent& sent, http::Exchange exchange) {
  if (exchange.status() != 200) {
    co_await reject(std::move(exchange));
    co_return;
  }
  AnswerMeter meter;
  const auto read = co_await read_answer(exchange, meter);
  if (meter.error())
    count_failure("stream_error", *meter.error());
  else if (!read)
    count_failure(giving_up_ ? "unfinished" : "stream_broken", read.error().message);
  else if (!meter.done())
    count_failure("stream_broken", "the answer ended without [DONE]");
  else
    count_ok(sent, exchange.headers(), meter);
}

asio::awaitable<Result<void>> Run::read_answer(http::Exchange& exchange, AnswerMeter& meter) {
  if (!options_.stream) {
    const auto body = co_await exchange.read_all(kAnswerBytesMax);
    if (!body) co_return tl::unexpected(body.error());
    if (!meter.feed_whole(*body, now())) co_return fail(ErrorCode::corrupt, "the answer is no completion");
    co_return Result<void>();
  }
  for (;;) {
    const auto piece = co_await exchange.read_some();
    if (!piece) co_return tl::unexpected(piece.error());
    if (!*piece) co_return Result<void>();
    auto fed = meter.feed(**piece, now());
    if (!fed) co_return fed;
  }
}

asio::awaitable<void> Run::reject(http::Exchange exchange) {
  const int status = exchange.status();
  const auto body = co_await exchange.read_all(kErrorBytesMax);
  const ServerError error = read_server_error(body ? std::string_view(*body) : std::string_view("(no readable body)"));
  const std::string reason = fmt::format("{} {}", status, error.type);
  count_failure(reason, error.message);
  const bool refused = (status >= 400 && status < 500) || status == 503;
  if (!refused) co_return;
  --report_.failed;
  ++report_.rejected;
}

void Run::count_failure(std::string reason, std::string_view sample) {
  ++report_.failed;
  std::string error = fmt::format("{}: {}", reason, sample);
  if (report_.errors.size() < kErrorsMax || report_.errors.contains(error)) ++report_.errors[std::move(error)];
  const bool known = report_.reasons.contains(reason);
  ++report_.reasons[known || report_.reasons.size() < kReasonsMax ? std::move(reason) : std::string("other")];
}

void Run::count_ok(const Sent& sent, const http::Headers& headers, const AnswerMeter& meter) {
  const auto microseconds_since = [](Duration later, Duration earlier) {
    return static_cast<uint64_t>(std::max<int64_t>(0, (later - earlier).ns / 1'000));
  };
  // An answer of no text has its end as its first token.
  const Duration first_at = meter.first_at().value_or(now());
  const uint64_t ttft_us = microseconds_since(first_at, sent.counted_from);
  const std::optional<Duration> per_token = meter.per_token();
  ++report_.ok;
  report_.ttft_us.record(ttft_us);
  report_.whole_us.record(microseconds_since(now(), sent.counted_from));
  if (per_token) report_.tpot_us.record(static_cast<uint64_t>(per_token->ns / 1'000));
  report_.output_tokens += meter.output_tokens();
  report_.prompt_tokens += meter.prompt_tokens().value_or(sent.planned.prompt_tokens);
  const LoadPromise promise = promise_of(headers);
  if (report_.promises.size() < kPromisesMax || report_.promises.contains(promise)) ++report_.promises[promise];
  const bool good = static_cast<double>(ttft_us) <= promise.ttft_ms * 1e3 &&
                    (!per_token || static_cast<double>(per_token->ns) <= promise.tpot_ms * 1e6);
  report_.good += good;
  if (const auto site = headers.find("x-tandem-site"); site && (report_.sites.size() < kSitesMax)) {
    SiteShare& share = report_.sites[std::string(*site)];
    ++share.requests;
    share.good += good;
  }
  report_.emulated += headers.value_or("x-tandem-emulated", "") == "true";
  count_cost(headers, meter.output_tokens() + meter.prompt_tokens().value_or(sent.planned.prompt_tokens));
}

// A flag's, else the server's, else the usual, for each of both.
LoadPromise Run::promise_of(const http::Headers& headers) const {
  LoadPromise promise;
  if (options_.slo_ttft || options_.slo_tpot) promise.source = LoadPromise::Source::stated;
  const auto part = [&](const std::optional<Milliseconds>& stated, std::string_view header, Milliseconds usual) {
    if (stated) return stated->value();
    const auto text = headers.find(header);
    const auto said = text ? parse_number(*text) : std::nullopt;
    if (!said || *said <= 0) return usual.value();
    promise.source = LoadPromise::Source::server;
    return *said;
  };
  promise.ttft_ms = part(options_.slo_ttft, "x-tandem-promise-ttft-ms", kUsualTtft);
  promise.tpot_ms = part(options_.slo_tpot, "x-tandem-promise-tpot-ms", kUsualTpot);
  return promise;
}

void Run::count_cost(const http::Headers& headers, uint64_t tokens) {
  const auto text = headers.find("x-tandem-cost-eur-per-mtok");
  const auto euros_per_million = text ? parse_number(*text) : std::nullopt;
  if (!euros_per_million) return;
  report_.cost_eur = report_.cost_eur.value_or(0) + *euros_per_million * static_cast<double>(tokens) * 1e-6;
  report_.cost_tokens += tokens;
}

LoadProgress Run::progress() const {
  return {.elapsed = now(),
          .sent = sent_,
          .outstanding = outstanding_.size(),
          .ok = report_.ok,
          .good = report_.good,
          .rejected = report_.rejected,
          .failed = report_.failed,
          .output_tokens = report_.output_tokens};
}

Result<LoadReport> run_load(const LoadOptions& options, const Clock& clock,
                            const std::function<void(const LoadProgress&)>& progress, std::stop_token stop) {
  TANDEM_TRY(check_options(options));
  TANDEM_ASSIGN(Target target, target_of(options));
  Run run(options, std::move(target), clock, progress, std::move(stop));
  return run.run();
}

}  // namespace tandem::load
