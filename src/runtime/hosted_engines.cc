#include "runtime/hosted_engines.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <chrono>
#include <cmath>
#include <tuple>

namespace tandem::runtime {
namespace {

constexpr Duration kNever{INT64_MAX};
// Between two rounds of delivery: a round costs a wake-up of the thread, and no client sees a millisecond.
constexpr Duration kTickMin = milliseconds(1);
// However busy the thread is, tokens are not held longer than a screen is redrawn slowly.
constexpr Duration kTickMax = milliseconds(50);
// Lengths of chat answers: log-normal about a median of 180 tokens (the Azure 2023 conversation trace has 129 at the
// median and 211 at the mean), never longer than a long answer.
constexpr double kOutputMedian = 180, kOutputDeviation = 0.7, kOutputMax = 4'096;

// All but what a running engine can take over: replicas and prefix hits, which change with every plan.
bool same_engine(const EngineSpec& a, const EngineSpec& b) {
  EngineSpec adjusted = a;
  adjusted.replicas = b.replicas;
  adjusted.prefix_hit = b.prefix_hit;
  return adjusted == b;
}

}  // namespace

bool HostedEngine::serves(std::string_view name) const {
  const grid::Model& m = spec.model;
  return m.id == name || m.name == name || std::find(m.aliases.begin(), m.aliases.end(), name) != m.aliases.end();
}

HostedEngines::HostedEngines(boost::asio::io_context& context, const Clock& clock, uint64_t seed, uint32_t waiting_max)
    : clock_(clock), timer_(context), waiting_max_(waiting_max), random_(seed), armed_at_(kNever) {}

Result<HostedEngines::Checked> HostedEngines::check(std::vector<EngineSpec> specs) {
  Checked checked;
  std::set<std::tuple<std::string, std::string, std::string>> names;
  for (EngineSpec& spec : specs) {
    const std::string where = fmt::format("engine of model '{}' at pool '{}'", spec.model.id, spec.pool);
    if (!names.emplace(spec.pool, spec.model.id, spec.profile.id).second)
      return fail(ErrorCode::invalid_argument, "the engine is named twice", where);
    if (spec.model.context_tokens < 2)
      return fail(ErrorCode::invalid_argument, "the model's context must hold a prompt and an answer", where);
    auto profile = EngineProfile::from(spec.model, spec.profile);
    if (!profile) return fail(profile.error().code, profile.error().message, where);
    const auto engine = EngineModel::create(*profile, {.replicas = spec.replicas, .prefix_hit = spec.prefix_hit});
    if (!engine) return fail(engine.error().code, engine.error().message, where);
    checked.emplace_back(std::move(spec), std::move(*profile));
  }
  return checked;
}

void HostedEngines::set_engines(Checked specs) {
  const Duration now = clock_.monotonic();
  std::set<const HostedEngine*> wanted;
  for (auto& [spec, profile] : specs) {
    HostedPool& pool = pools_[spec.pool];
    pool.site = spec.site;
    const auto found = std::find_if(pool.engines.begin(), pool.engines.end(),
                                    [&](const auto& engine) { return same_engine(engine->spec, spec); });
    if (found != pool.engines.end()) {
      HostedEngine& engine = **found;
      wanted.insert(&engine);
      engine.spec.prefix_hit = spec.prefix_hit;
      engine.model.set_prefix_hit(spec.prefix_hit);
      if (engine.spec.replicas == spec.replicas) continue;
      engine.spec.replicas = spec.replicas;
      engine.model.set_replicas(spec.replicas, now);
      refresh(engine, now);
      continue;
    }
    const EngineOptions options{
        .replicas = spec.replicas, .prefix_hit = spec.prefix_hit, .waiting_max = waiting_max_, .token_events = true};
    EngineMetrics metrics(pool.metrics, spec.model.id);
    const auto engine = std::make_shared<HostedEngine>(HostedEngine{.spec = spec,
                                                                    .model = *EngineModel::create(profile, options),
                                                                    .metrics = metrics,
                                                                    .created_s = clock_.now().ns / 1'000'000'000,
                                                                    .next_event = kNever,
                                                                    .answers = {}});
    pool.engines.push_back(engine);
    engines_.push_back(engine);
    wanted.insert(engine.get());
  }
  for (const auto& engine : engines_) engine->draining = !wanted.contains(engine.get());
  drop_drained();
}

void HostedEngines::cut_site(const std::string& site) {
  cut_sites_.insert(site);
  const Duration now = clock_.monotonic();
  for (const auto& engine : engines_) {
    if (engine->spec.site != site) continue;
    engine->model.clear(now);
    engine->next_event = kNever;
    break_answers(*engine);
  }
  drop_drained();
  wake_all();
}

void HostedEngines::stop() {
  timer_.cancel();
  for (const auto& engine : engines_) break_answers(*engine);
  wake_all();
}

void HostedEngines::break_answers(HostedEngine& engine) {
  const auto answers = std::exchange(engine.answers, {});
  for (const auto& [tag, answer] : answers) {
    answer->cut = true;
    if (answer->abort) answer->abort();
    wake_later(answer);
  }
}

HostedPool* HostedEngines::find_pool(std::string_view name) {
  const auto found = pools_.find(name);
  return found == pools_.end() ? nullptr : &found->second;
}

Result<std::shared_ptr<HostedEngine>> HostedEngines::find_engine(HostedPool& pool, std::string_view model) const {
  std::shared_ptr<HostedEngine> best;
  bool leaving = pool.former_names.contains(model);
  const auto load = [](const HostedEngine& engine) {
    return static_cast<double>(engine.answers.size()) / engine.spec.replicas;
  };
  for (const auto& engine : pool.engines) {
    if (!engine->serves(model)) continue;
    if (engine->draining)
      leaving = true;
    else if (!best || load(*engine) < load(*best))
      best = engine;
  }
  if (best) return best;
  if (leaving) return fail(ErrorCode::unavailable, fmt::format("the model '{}' no longer runs here", model));
  return fail(ErrorCode::not_found, fmt::format("The model `{}` does not exist.", model));
}

std::string HostedEngines::metrics_text(HostedPool& pool) {
  for (const auto& engine : pool.engines) {
    double running = 0, waiting = 0, kv_usage = 0, replicas = 0;
    for (const auto& other : pool.engines) {
      if (other->spec.model.id != engine->spec.model.id) continue;
      running += other->model.running();
      waiting += other->model.waiting();
      kv_usage += other->model.kv_usage() * other->spec.replicas;
      replicas += other->spec.replicas;
    }
    engine->metrics.set_load(running, waiting, kv_usage / replicas);
  }
  return pool.metrics.prometheus_text();
}

std::shared_ptr<Answer> HostedEngines::begin(std::shared_ptr<HostedEngine> engine, const CompletionRequest& request,
                                             OutputLength length, Duration delay, std::function<void()> abort) {
  const Duration now = clock_.monotonic();
  const auto answer = std::make_shared<Answer>();
  answer->tag = ++tags_;
  answer->prompt_tokens = request.prompt_tokens;
  answer->length = length;
  answer->stream = request.stream;
  answer->abort = std::move(abort);
  answer->engine = std::move(engine);
  answer->engine->answers.emplace(answer->tag, answer);
  if (delay.ns > 0) {
    delayed_.push({now + delay, answer});
    schedule(now + delay);
  } else {
    submit(answer, now);
  }
  return answer;
}

void HostedEngines::submit(const std::shared_ptr<Answer>& answer, Duration now) {
  HostedEngine& engine = *answer->engine;
  const Submission submission = engine.model.submit(
      {.tag = answer->tag, .prompt_tokens = answer->prompt_tokens, .output_tokens = answer->length.tokens}, now);
  answer->admission = submission.admission;
  if (submission.admission == Admission::accepted) {
    answer->ticket = submission.ticket;
    answer->submitted = true;
    answer->submitted_at = now;
  } else {
    engine.answers.erase(answer->tag);
    wake_later(answer);
  }
  refresh(engine, now);
}

void HostedEngines::leave(const std::shared_ptr<Answer>& answer) {
  HostedEngine& engine = *answer->engine;
  answer->gone = true;
  answer->abort = nullptr;
  if (engine.answers.erase(answer->tag) == 0) return;
  if (answer->submitted) {
    const Duration now = clock_.monotonic();
    engine.model.cancel(answer->ticket, now);
    refresh(engine, now);
  }
  engine.metrics.aborted();
  if (engine.draining) drop_drained();
}

uint32_t HostedEngines::draw_output_tokens() {
  const double tokens = kOutputMedian * std::exp(random_.normal(0, kOutputDeviation));
  return static_cast<uint32_t>(std::clamp(tokens, 1.0, kOutputMax));
}

// After a call that may have changed when the model's next event is. What is due already stays due: the model keeps
// the events that a submission has found, and the timer is armed for them.
void HostedEngines::refresh(HostedEngine& engine, Duration now) {
  if (engine.next_event <= now) return;
  engine.next_event = engine.model.next_event_at().value_or(kNever);
  schedule(engine.next_event);
}

void HostedEngines::schedule(Duration at) {
  if (at >= armed_at_) return;
  armed_at_ = at;
  const Duration wait = std::max(at, earliest_tick_) - clock_.monotonic();
  timer_.expires_after(std::chrono::nanoseconds(std::max<int64_t>(0, wait.ns)));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) self->tick();
  });
}

void HostedEngines::tick() {
  const Duration start = clock_.monotonic();
  armed_at_ = kNever;
  while (!delayed_.empty() && delayed_.top().at <= start) {
    const auto answer = delayed_.top().answer;
    delayed_.pop();
    if (!answer->cut && !answer->gone) submit(answer, start);
  }
  for (const auto& engine : engines_)
    if (engine->next_event <= start) advance(*engine, start);
  drop_drained();
  wake_all();

  const Duration end = clock_.monotonic();
  earliest_tick_ = end + std::clamp(end - start, kTickMin, kTickMax);
  Duration next = delayed_.empty() ? kNever : delayed_.top().at;
  for (const auto& engine : engines_) next = std::min(next, engine->next_event);
  armed_at_ = kNever;
  schedule(next);
}

void HostedEngines::advance(HostedEngine& engine, Duration now) {
  for (const EngineEvent& event : engine.model.advance(now)) take_event(engine, event);
  engine.next_event = engine.model.next_event_at().value_or(kNever);
}

void HostedEngines::take_event(HostedEngine& engine, const EngineEvent& event) {
  const auto found = engine.answers.find(event.tag);
  if (found == engine.answers.end()) return;  // its client left after this had happened in the model
  const std::shared_ptr<Answer> answer = found->second;
  answer->ready += event.tokens;
  if (event.kind == EngineEvent::Kind::first_token)
    engine.metrics.first_token(event.at - answer->submitted_at, answer->prompt_tokens);
  else if (event.tokens > 0)
    engine.metrics.tokens(event.at - answer->last_at, event.tokens);
  answer->last_at = event.at;
  if (event.kind == EngineEvent::Kind::finish) {
    answer->finished = true;
    engine.metrics.finished(event.at - answer->submitted_at, answer->length.limited);
    engine.answers.erase(found);
  }
  if (answer->stream || answer->finished) wake_later(answer);
}

void HostedEngines::wake_later(const std::shared_ptr<Answer>& answer) {
  if (std::exchange(answer->to_wake, true)) return;
  to_wake_.push_back(answer);
}

// Runs each coroutine until it waits again. It may begin or leave answers meanwhile, so the list is taken first.
void HostedEngines::wake_all() {
  const auto answers = std::exchange(to_wake_, {});
  for (const auto& answer : answers) {
    answer->to_wake = false;
    answer->wakeup.notify();
  }
}

void HostedEngines::drop_drained() {
  const auto is_drained = [](const auto& engine) { return engine->draining && engine->answers.empty(); };
  if (std::none_of(engines_.begin(), engines_.end(), is_drained)) return;
  for (auto& [name, pool] : pools_) {
    for (const auto& engine : pool.engines) {
      if (!is_drained(engine)) continue;
      engine->metrics.set_load(0, 0, 0);
      const grid::Model& model = engine->spec.model;
      pool.former_names.insert({model.id, model.name});
      pool.former_names.insert(model.aliases.begin(), model.aliases.end());
    }
    std::erase_if(pool.engines, is_drained);
  }
  std::erase_if(engines_, is_drained);
}

}  // namespace tandem::runtime
