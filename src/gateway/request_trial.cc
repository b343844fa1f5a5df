// A request's part in trials: it may be served by a canary, and copied to shadows.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "gateway/request_run.h"
#include "gateway/shadow.h"

namespace tandem::gateway {

namespace asio = boost::asio;

void RequestRun::enter_trials() {
  if (bound_->table->rows().trials.empty()) return;
  const std::string client =
      completion_.user.empty() ? client_of(request_, core_.options.trusted_proxies) : completion_.user;
  asked_facts_ = facts_;
  trials_ = trials_for(*bound_->table, facts_, client);
  for (const routing::Trial* trial : trials_.compared) record_.trials.push_back({trial->id, TrialSide::base});
  for (const routing::Trial* trial : trials_.shadows) record_.trials.push_back({trial->id, TrialSide::base});
  if (trials_.canary == nullptr) return;
  facts_ = facts_for(*bound_->table, *trials_.canary, facts_);
  const routing::Decision tried = weigh(facts_, excluded_);
  if (tried.target && core_.queue.waiting_in(group_of(tried)) == 0)  // nobody waits for a trial
    record_.trials.push_back({trials_.canary->id, TrialSide::candidate});
  else
    leave_canary();
}

// What asked_facts_ were takes its usual way; it stands for neither side.
void RequestRun::leave_canary() {
  if (trials_.canary == nullptr) return;
  std::erase_if(record_.trials, [](const TrialPart& part) { return part.side == TrialSide::candidate; });
  trials_.canary = nullptr;
  facts_ = asked_facts_;
}

void RequestRun::fail_canary() {
  if (trials_.canary == nullptr) return;
  core_.trials.note(*bound_->table, *trials_.canary, TrialSide::candidate, {});
  leave_canary();
}

// Only where a place is free at once: what is tried must not take from those who are served.
void RequestRun::start_shadows() {
  const auto shadows = std::exchange(trials_.shadows, {});
  for (const routing::Trial* trial : shadows) {
    compared_.push_back(trial);
    const routing::RequestFacts facts = facts_for(*bound_->table, *trial, asked_facts_);
    const routing::Decision decision = routing::decide(*bound_->table, facts, bound_->live_pointers(), {}, draw_);
    const bool free =
        decision.target && core_.shadows_in_flight < core_.options.shadows_max &&
        bound_->live[*decision.target]->in_flight < bound_->table->targets()[*decision.target].concurrency_max &&
        core_.body_bytes_in_flight + request_.body.size() <= core_.options.body_bytes_in_flight_max;
    if (!free) {
      TrialSample dropped;
      dropped.dropped = true;
      core_.trials.note(*bound_->table, *trial, TrialSide::candidate, dropped);
      continue;
    }
    http::ClientRequest copy = request_for(bound_->table->targets()[*decision.target]);
    Shadow shadow{.core = held_, .place = ShadowPlace(held_, copy.body.size()), .bound = bound_};
    shadow.trial = trial;
    shadow.target = *decision.target;
    shadow.region = facts_.region;
    shadow.paths = facts.paths;
    shadow.streamed = completion_.stream;
    shadow.patience = patience(decision);
    shadow.prompt_tokens = facts_.prompt_tokens;
    shadow.request = std::move(copy);
    asio::co_spawn(core_.context, run_shadow(std::move(shadow)), asio::detached);
  }
  if (!shadows.empty()) look();  // their bodies are copied in our time, and not in the engine's
}

void RequestRun::note_trials(const RequestRecord& record) {
  if (record.outcome == Outcome::client_error || record.outcome == Outcome::cancelled) return;  // of neither's making
  TrialSample sample;
  sample.ok = record.outcome == Outcome::ok;
  sample.ttft = record.ttft;
  sample.tpot = record.tpot;
  sample.prompt_tokens = record.prompt_tokens;
  sample.output_tokens = record.output_tokens;
  sample.cached_tokens = record.cached_tokens;
  sample.cost = record.cost;
  for (const routing::Trial* trial : trials_.compared)
    core_.trials.note(*bound_->table, *trial, TrialSide::base, sample);
  for (const routing::Trial* trial : compared_) core_.trials.note(*bound_->table, *trial, TrialSide::base, sample);
  if (trials_.canary != nullptr) core_.trials.note(*bound_->table, *trials_.canary, TrialSide::candidate, sample);
}

}  // namespace tandem::gateway
