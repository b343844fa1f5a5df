// A request whose engine is silent: how long it is waited for, and what is done then.
#include <algorithm>

#include "gateway/request_run.h"

namespace tandem::gateway {

// As if nothing of the prompt were cached and all of the body belonged to it, and the answer were as long as it may be.
// What cannot be told beforehand, a whole answer of any length or what pictures come to, is waited for to the timeout.
Duration RequestRun::patience(const routing::Decision& decision) const {
  const GatewayOptions& options = core_.options;
  const routing::Target& target = bound_->table->targets()[*decision.target];
  const std::optional<double> tokens = tokens_to_sign();
  if (!tokens || !completion_.is_text) return options.timeouts.first_byte;
  const double expected_ms = first_sign_ms(*decision.target) + *tokens * target.tpot.value();
  Duration least = options.patience_usual;
  if (const auto promised = promised_sign())
    least = std::clamp(nanoseconds(promised->ns / 2), options.patience_min, options.patience_usual);
  const double most_ms = options.timeouts.first_byte.seconds() * 1e3;
  return std::max(least,
                  nanoseconds(static_cast<int64_t>(std::min(options.patience_factor * expected_ms, most_ms) * 1e6)));
}

// As predicted, without a wait for prompts sent there before: at an engine that hangs there are ever more of them.
double RequestRun::first_sign_ms(uint32_t target) const {
  routing::TargetLive live = *bound_->live[target];
  live.prefills = 0;
  return routing::predict_ttft(*bound_->table, facts_, target, live).value() * 1e-3 +
         prefill_ms(bound_->table->targets()[target]);
}

// All of the body's.
double RequestRun::prefill_ms(const routing::Target& target) const {
  if (target.prefill_tokens_per_s <= 0) return 0;
  return routing::estimate_tokens(request_.body.size()) / target.prefill_tokens_per_s * 1e3;
}

// An engine that reads a prompt in one piece sends nothing to anybody meanwhile.
Duration RequestRun::reading(const routing::Decision& decision) const {
  const double expected_ms = first_sign_ms(*decision.target);
  return nanoseconds(static_cast<int64_t>(std::min(core_.options.patience_factor * expected_ms, 1e9) * 1e6));
}

std::unique_ptr<RequestRun::Turn> RequestRun::turn_at(const routing::Decision& decision) {
  const Duration waited_for = patience(decision);
  auto turn = std::make_unique<Turn>(core_, bound_->engines[*decision.target], look(), waited_for,
                                     std::min(waited_for, reading(decision)));
  const double computed = std::max(0.0, facts_.prompt_tokens - decision.cached_tokens);
  if (counts_prefill(bound_->table->targets()[*decision.target], computed))
    turn->begin_prefill(static_cast<uint32_t>(computed));
  return turn;
}

// Of a whole answer the first token is not seen: as many of them count to their end as are in their prefill at a time.
bool RequestRun::counts_prefill(const routing::Target& target, double tokens) const {
  if (target.prefill_tokens_per_s <= 0) return false;
  if (tokens_to_sign() == 0.0) return true;
  const double prefill_ms = target.prefill_overhead.value() + tokens / target.prefill_tokens_per_s * 1e3;
  const double stay_ms = prefill_ms + facts_.output_tokens * target.tpot.value();
  return core_.random.uniform() * stay_ms < prefill_ms;
}

// How many tokens are made before anything can be seen of them, at most; nothing: it cannot be told.
std::optional<double> RequestRun::tokens_to_sign() const {
  if (completion_.stream || surface_ == Surface::embeddings) return 0;
  if (!completion_.output_tokens_max) return std::nullopt;
  return static_cast<double>(*completion_.output_tokens_max) * completion_.choices;
}

std::optional<Duration> RequestRun::promised_sign() const {
  const std::optional<double> tokens = tokens_to_sign();
  if (!tokens || facts_.ttft.value() <= 0 || (*tokens > 0 && facts_.tpot.value() <= 0)) return std::nullopt;
  const double promised_ms = facts_.ttft.value() + *tokens * facts_.tpot.value();
  return nanoseconds(static_cast<int64_t>(std::min(promised_ms, 1e9) * 1e6));
}

void RequestRun::watch_engine(Turn& turn, std::function<void()> abandon) {
  watched_ = &turn;
  abandon_ = std::move(abandon);
  core_.silence.watch(silence_, turn.patience());
}

void RequestRun::on_silence() {
  if (writer_.started() ? !is_stalled() : !may_go_elsewhere()) return;
  watched_->give_up();
  const std::function<void()> abandon = abandon_;  // which may watch another
  abandon();
}

// A stream that has begun can only be cut, so it is waited for until others gave its engine up.
bool RequestRun::is_stalled() {
  if (!bound_->live[*target_]->healthy && !watched_->may_be_reading()) return true;
  core_.silence.watch(silence_, core_.options.stall_max);
  return false;
}

// Where all engines are slower than predicted, this one is compared with the others. One that sends others their tokens
// is slow and not hung: it is waited for until the promise is broken. One that nobody could replace is waited for, and
// not ill for that.
bool RequestRun::may_go_elsewhere() {
  const double pace = pace_of_others(*target_);
  const Duration patience = nanoseconds(static_cast<int64_t>(static_cast<double>(watched_->patience().ns) * pace));
  Duration more = patience - watched_->silence();
  if (const auto promised = promised_sign()) more = std::min(more, std::max(patience, *promised) - watched_->age());
  core_.silence.watch(silence_, more.ns > 0 ? more : patience);
  if (more.ns > 0) return false;
  if (!has_second_ && (record_.attempts >= core_.options.attempts_max || !has_another(*target_))) return false;
  watched_->give_up(watched_->silence() >= patience, pace);
  const bool needs_retry = trials_.canary == nullptr && !has_second_;  // what is tried costs nobody an answer
  if (needs_retry && !core_.retries.take()) return false;
  retry_taken_ = needs_retry;
  silence_.stop();
  return true;
}

// Of the one that keeps its time best; 1 where there is none.
double RequestRun::pace_of_others(uint32_t target) const {
  double best = 0;
  for (const uint32_t other : bound_->table->targets_of_model(bound_->table->targets()[target].model)) {
    const EngineState& engine = *bound_->engines[other];
    if (other != target && engine.live().healthy && (best == 0 || engine.pace() < best)) best = engine.pace();
  }
  return std::max(best, 1.0);
}

bool RequestRun::has_another(uint32_t target) const {
  const routing::RequestFacts& facts = trials_.canary != nullptr ? asked_facts_ : facts_;
  std::vector<uint32_t> excluded = excluded_;
  excluded.push_back(target);
  const routing::Decision decision = weigh(facts, excluded);
  return decision.target && core_.queue.waiting_in(group_of(decision)) == 0;
}

}  // namespace tandem::gateway
