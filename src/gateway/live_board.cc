#include "gateway/live_board.h"

#include <algorithm>

#include "base/check.h"

namespace tandem::gateway {

void EngineState::begin() {
  live_.in_flight.atomic().fetch_add(1, std::memory_order_relaxed);
  if (is_steady_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::recovering && live_.in_flight >= allowance_) live_.healthy.atomic() = false;
}

std::optional<Duration> EngineState::end(AttemptEnd how, Duration now) {
  const uint32_t before = live_.in_flight.atomic().fetch_sub(1, std::memory_order_relaxed);
  CHECK(before > 0);
  if (how != AttemptEnd::failure && is_steady_.load(std::memory_order_acquire)) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (how == AttemptEnd::failure) return fail(now);
  if (how == AttemptEnd::success) succeed();
  if (phase_ == Phase::recovering && live_.in_flight < allowance_) live_.healthy.atomic() = true;
  return std::nullopt;
}

std::optional<Duration> EngineState::fail(Duration now) {
  ++failures_;
  is_steady_.store(false, std::memory_order_release);
  if (phase_ == Phase::ejected) return std::nullopt;  // one that had begun before
  if (phase_ != Phase::recovering && failures_ < options_.failures_to_eject) {
    phase_ = Phase::suspect;
    return std::nullopt;
  }
  phase_ = Phase::ejected;
  live_.healthy.atomic() = false;
  Duration pause = options_.ejection;
  for (uint32_t i = 0; i < ejections_ && pause < options_.ejection_max; ++i) pause = pause * 2;
  ++ejections_;
  returns_at_ = now + std::min(pause, options_.ejection_max);
  return returns_at_;
}

void EngineState::succeed() {
  if (phase_ == Phase::ejected) return;  // one that had begun before says nothing about now
  failures_ = 0;
  if (phase_ == Phase::recovering) {
    step_ *= 2;
    allowance_ = live_.in_flight + step_;
    if (step_ <= options_.recovery_in_flight_max) return;
  }
  phase_ = Phase::steady;
  ejections_ = 0;
  live_.healthy.atomic() = true;
  is_steady_.store(true, std::memory_order_release);
}

bool EngineState::readmit(Duration now) {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::ejected) return true;
  if (now < returns_at_) return false;
  phase_ = Phase::recovering;
  step_ = 1;
  allowance_ = live_.in_flight + step_;
  live_.healthy.atomic() = true;
  return true;
}

void LiveBoard::publish(std::shared_ptr<const routing::RoutingTable> table) {
  CHECK(table != nullptr);
  const std::lock_guard publishing(publish_mutex_);
  auto bound = std::make_shared<BoundTable>();
  bound->table = std::move(table);
  bind_engines(*bound);
  bind_meters(*bound);
  std::shared_ptr<const BoundTable> previous;  // let go outside the lock
  {
    const std::lock_guard lock(mutex_);
    previous = std::exchange(current_, std::move(bound));
    version_.fetch_add(1, std::memory_order_release);
  }
  previous.reset();
  std::erase_if(engines_, [this](const auto& entry) {
    if (!entry.second.engine.expired()) return false;
    prefixes_.forget(entry.second.number);
    free_numbers_.push_back(entry.second.number);
    return true;
  });
  std::erase_if(meters_, [](const auto& entry) { return entry.second.expired(); });
}

void LiveBoard::bind_engines(BoundTable& bound) {
  for (uint32_t target = 0; target < bound.table->targets().size(); ++target) {
    const std::string& deployment = bound.table->targets()[target].deployment;
    const auto [entry, fresh] = engines_.try_emplace(deployment);
    Known& known = entry->second;
    if (fresh && free_numbers_.empty()) {
      known.number = next_number_++;
    } else if (fresh) {
      known.number = free_numbers_.back();
      free_numbers_.pop_back();
    }
    std::shared_ptr<EngineState> engine = known.engine.lock();
    if (engine == nullptr) known.engine = engine = std::make_shared<EngineState>(deployment, known.number, options_);
    bound.target_of_engine.resize(std::max<size_t>(bound.target_of_engine.size(), known.number + size_t{1}));
    bound.target_of_engine[known.number] = target;
    bound.live.push_back(&engine->live());
    bound.engines.push_back(std::move(engine));
  }
}

void LiveBoard::bind_meters(BoundTable& bound) {
  const std::vector<routing::Tenant>& tenants = bound.table->rows().tenants;
  bound.meters.resize(tenants.size());
  for (size_t i = 0; i < tenants.size(); ++i) {
    if (!tenants[i].limits.any()) continue;
    std::weak_ptr<TenantMeter>& known = meters_[tenants[i].id];
    bound.meters[i] = known.lock();
    if (bound.meters[i] == nullptr) known = bound.meters[i] = std::make_shared<TenantMeter>();
  }
}

void LiveBoard::note_spending(Instant month_begin, const std::vector<Spending>& spending) {
  const std::lock_guard publishing(publish_mutex_);
  for (const Spending& one : spending) {
    const auto found = meters_.find(one.tenant);
    const auto meter = found == meters_.end() ? nullptr : found->second.lock();
    if (meter != nullptr) meter->note_spent(one.nano_eur, month_begin);
  }
}

std::shared_ptr<const BoundTable> LiveBoard::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void LiveBoard::refresh(std::shared_ptr<const BoundTable>& cached, uint64_t& version) const {
  const uint64_t newest = version_.load(std::memory_order_acquire);
  if (newest == version) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;  // the next request takes it
  cached = current_;
  version = version_.load(std::memory_order_relaxed);
}

void LiveBoard::note_ejection(std::shared_ptr<EngineState> engine, Duration returns_at) {
  prefixes_.forget(engine->number());  // most that fail so have been started anew when they return
  const std::lock_guard lock(ejected_mutex_);
  ejected_.emplace_back(returns_at, std::move(engine));
  next_return_ns_.store(std::min(next_return_ns_.load(std::memory_order_relaxed), returns_at.ns),
                        std::memory_order_relaxed);
}

void LiveBoard::readmit_due(Duration now) {
  if (now.ns < next_return_ns_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(ejected_mutex_);
  int64_t next = INT64_MAX;
  std::erase_if(ejected_, [&](const auto& entry) {
    const std::shared_ptr<EngineState> engine = entry.second.lock();
    if (engine == nullptr || engine->readmit(now)) return true;
    next = std::min(next, entry.first.ns);
    return false;
  });
  next_return_ns_.store(next, std::memory_order_relaxed);
}

SharedState::SharedState(HealthOptions options) : board_(std::make_unique<LiveBoard>(options)) {}
SharedState::~SharedState() = default;

void SharedState::publish(std::shared_ptr<const routing::RoutingTable> table) { board_->publish(std::move(table)); }

void SharedState::note_spending(Instant month_begin, const std::vector<Spending>& spending) {
  board_->note_spending(month_begin, spending);
}

std::shared_ptr<const routing::RoutingTable> SharedState::table() const {
  const auto bound = board_->current();
  return bound == nullptr ? nullptr : bound->table;
}

std::vector<DeploymentStatus> SharedState::deployments() const {
  std::vector<DeploymentStatus> result;
  const auto bound = board_->current();
  if (bound == nullptr) return result;
  for (const auto& engine : bound->engines)
    result.push_back({engine->deployment(), engine->live().in_flight, engine->live().healthy});
  return result;
}

}  // namespace tandem::gateway
