#include "gateway/shadow.h"

#include <optional>

#include "gateway/hedge.h"
#include "gateway/openai_reply.h"

namespace tandem::gateway {

namespace asio = boost::asio;

namespace {

// Reads the answer to its end and drops it; false where it was none.
asio::awaitable<bool> measure(Shadow& shadow, http::Exchange& exchange, EngineTurn& turn, TrialSample& sample) {
  const Clock& clock = shadow.core->clock;
  const Duration began = clock.monotonic();
  std::optional<Usage> usage;
  if (!shadow.streamed) {
    const Result<std::string> body = co_await exchange.read_all(shadow.core->options.answer_bytes_max);
    if (!body) co_return false;
    const Result<WholeReply> reply = read_whole_reply(*body);
    if (!reply) co_return false;
    usage = reply->usage;
    sample.output_tokens = static_cast<uint64_t>(routing::estimate_tokens(reply->text_bytes));
  } else {
    StreamReader reader(false);
    std::optional<Duration> first;
    Duration last;
    while (!reader.ended()) {
      const Result<std::optional<std::string>> piece = co_await exchange.read_some();
      if (!piece || !*piece) co_return false;
      const StreamReader::Step step = reader.feed(**piece);
      last = clock.monotonic();
      if (step.error || last - began > shadow.core->options.stream_duration_max) co_return false;
      if (step.tokens > 0 && !first) first = last;
      turn.note_sign(last);
      if (step.tokens > 0) turn.note_first_token();
    }
    if (reader.engine_error()) co_return false;
    usage = reader.usage();
    sample.output_tokens = reader.tokens();
    if (first) sample.ttft = microseconds_of(*first - sample.began);
    if (first && reader.tokens() > 1)
      sample.tpot = microseconds_of(last - *first) / static_cast<double>(reader.tokens() - 1);
  }
  if (usage) sample.prompt_tokens = usage->prompt_tokens;
  if (usage) sample.output_tokens = usage->completion_tokens;
  if (usage) sample.cached_tokens = usage->cached_tokens;
  co_return true;
}

}  // namespace

asio::awaitable<void> run_shadow(Shadow shadow) {
  GatewayCore& core = *shadow.core;
  const routing::Target& target = shadow.bound->table->targets()[shadow.target];
  TrialSample sample;
  sample.began = core.clock.monotonic();
  EngineTurn turn(core, shadow.bound->engines[shadow.target], sample.began, shadow.patience);
  sample.prompt_tokens = static_cast<uint64_t>(shadow.prompt_tokens);
  const double bytes = static_cast<double>(shadow.request.body.size());
  http::Endpoint endpoint{target.host, target.port};
  http::ClientRequest request = std::move(shadow.request);
  http::Cancellation cancellation;
  const Aside::Work work(core.aside, [&cancellation] { cancellation.cancel(); });
  Result<http::Exchange> exchange =
      co_await core.client.send(std::move(endpoint), std::move(request), core.options.timeouts, cancellation);
  const bool answered = exchange && exchange->status() == 200;
  if (answered) sample.ok = co_await measure(shadow, *exchange, turn, sample);
  const bool neutral =
      exchange && !answered &&
      (exchange->status() == 429 || is_clients_fault(exchange->status()) || is_unknown_surface(exchange->status()));
  const bool is_engines_fault =
      !neutral && !cancellation.cancelled() && (exchange || exchange.error().code != ErrorCode::resource_exhausted);
  turn.end_as(sample.ok ? AttemptEnd::success : is_engines_fault ? AttemptEnd::failure : AttemptEnd::neutral);
  if (sample.ok)
    sample.cost =
        Euros(static_cast<double>(sample.prompt_tokens - sample.cached_tokens) * target.euros_per_prompt_token +
              static_cast<double>(sample.output_tokens) * target.euros_per_output_token +
              bytes * shadow.bound->table->leg(shadow.region, target.site_position, shadow.paths).euros_per_byte);
  if (cancellation.cancelled()) co_return;
  core.trials.note(*shadow.bound->table, *shadow.trial, TrialSide::candidate, sample);
}

}  // namespace tandem::gateway
