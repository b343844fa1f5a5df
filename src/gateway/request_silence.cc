// A request whose engine is silent: how long it is waited for, and what is done then.
#include <algorithm>

#include "gateway/request_run.h"

namespace tandem::gateway {

// As if nothing of the prompt were cached and all of the body belonged to it, and the answer were as long as it may be.
// What cannot be told beforehand, a whole answer of any length or what pictures come to, is waited for to the timeout.
Duration RequestRun::patience(const routing::Decision& decision) const {
  const GatewayOptions& options = core_.options;
  const routing::Target& target = bound_->table->targets()[*decision.target];
  const bool is_at_once = completion_.stream || surface_ == Surface::embeddings;
  if (!completion_.is_text || (!is_at_once && !completion_.output_tokens_max)) return options.timeouts.first_byte;
  const double tokens = is_at_once ? 0 : static_cast<double>(*completion_.output_tokens_max) * completion_.choices;
  double expected_ms = decision.predicted_ttft.value() * 1e-3 + tokens * target.tpot.value();
  if (target.prefill_tokens_per_s > 0)
    expected_ms += routing::estimate_tokens(request_.body.size()) / target.prefill_tokens_per_s * 1e3;
  Duration least = options.patience_usual;
  if (facts_.ttft.value() > 0 && (is_at_once || facts_.tpot.value() > 0)) {
    const double promised_ms = facts_.ttft.value() + tokens * facts_.tpot.value();
    least = std::clamp(nanoseconds(static_cast<int64_t>(promised_ms / 2 * 1e6)), options.patience_min, least);
  }
  const double most_ms = options.timeouts.first_byte.seconds() * 1e3;
  return std::max(least,
                  nanoseconds(static_cast<int64_t>(std::min(options.patience_factor * expected_ms, most_ms) * 1e6)));
}

void RequestRun::watch_engine(Turn& turn, std::function<void()> abandon) {
  watched_ = &turn;
  abandon_ = std::move(abandon);
  core_.silence.watch(silence_, turn.patience());
}

void RequestRun::on_silence() {
  if (writer_.started() ? !is_stalled() : !may_go_elsewhere()) return;
  watched_->give_up();
  abandon_();
}

// A stream that has begun can only be cut, so it is waited for until others gave its engine up.
bool RequestRun::is_stalled() {
  if (!bound_->live[*target_]->healthy) return true;
  core_.silence.watch(silence_, core_.options.stall_max);
  return false;
}

// Where all engines are slower than predicted, this one is compared with the others. One that nobody could replace is
// waited for, and not ill for that.
bool RequestRun::may_go_elsewhere() {
  const Duration patience = watched_->patience();
  const double pace = pace_of_others(*target_);
  const Duration more = nanoseconds(static_cast<int64_t>(patience.seconds() * pace * 1e9)) - watched_->age();
  core_.silence.watch(silence_, std::max(more, patience));  // once more, where it stays
  if (more.ns > 0 || record_.attempts >= core_.options.attempts_max || !has_another(*target_)) return false;
  watched_->give_up();
  if (trials_.canary == nullptr && !core_.retries.take()) return false;  // what is tried costs nobody an answer
  retry_taken_ = trials_.canary == nullptr;
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
  const std::span<const routing::TargetLive* const> live(bound_->live);
  const routing::Decision decision = routing::decide(*bound_->table, facts, live, excluded, draw_);
  return decision.target && core_.queue.waiting_in(group_of(decision)) == 0;
}

}  // namespace tandem::gateway
