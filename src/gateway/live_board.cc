#include "gateway/live_board.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace tandem::gateway {

std::optional<Duration> EngineState::end(AttemptEnd how, Duration now) {
  const uint32_t before = live_.in_flight.atomic().fetch_sub(1);
  CHECK(before > 0);
  if (is_full_at(before)) show_room();
  if (how == AttemptEnd::neutral) return std::nullopt;
  if (how == AttemptEnd::success && is_steady_.load(std::memory_order_acquire)) return std::nullopt;
  if (how == AttemptEnd::failure) return fail(now);
  const std::lock_guard lock(mutex_);
  succeed(now);
  return std::nullopt;
}

std::optional<Duration> EngineState::fail(Duration now) {
  const std::lock_guard lock(mutex_);
  return fail_locked(now);
}

// The threads write it often enough as it is.
void EngineState::note_sign(Duration now) {
  constexpr Duration kApart = milliseconds(5);
  const int64_t last = last_sign_ns_.load(std::memory_order_relaxed);
  if (now.ns - kApart.ns > last) last_sign_ns_.store(now.ns, std::memory_order_relaxed);
}

void EngineState::begin_long_prompt(Duration began, Duration time) {
  const std::lock_guard lock(mutex_);
  long_prompts_.push_back({began, time});
}

void EngineState::end_long_prompt(Duration began, Duration time) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(long_prompts_, LongPrompt{began, time});
  if (found != long_prompts_.end()) long_prompts_.erase(found);
}

void EngineState::note_given_up(Duration now) {
  const std::lock_guard lock(mutex_);
  if (given_up_at_ < last_sign() || given_up_at_.ns == INT64_MIN) given_up_at_ = now;
}

bool EngineState::may_be_reading(Duration now) const {
  const std::lock_guard lock(mutex_);
  const Duration last = last_sign();
  const bool is_given_up = given_up_at_.ns != INT64_MIN && given_up_at_ >= last;
  return std::ranges::any_of(long_prompts_, [&](const LongPrompt& prompt) {
    return (!is_given_up || prompt.began <= given_up_at_) && now < std::max(prompt.began, last) + prompt.time;
  });
}

// Two threads at once may lose one of many.
void EngineState::note_pace(double times) {
  constexpr double kPaceMax = 1'000;
  const double before = pace();
  if (before <= 1 && times <= 1) return;
  const double after = (before + std::clamp(times, 1.0, kPaceMax)) / 2;
  pace_.store(static_cast<float>(after < 1.01 ? 1 : after), std::memory_order_relaxed);
}

std::optional<Duration> EngineState::fail_locked(Duration now) {
  ++failures_;
  is_steady_.store(false, std::memory_order_release);
  if (phase_ == Phase::ejected) return std::nullopt;  // one that had begun before
  history_ = history_ << 1 | 1;
  const bool often = static_cast<uint32_t>(std::popcount(history_)) >= options_.failures_of_32_to_eject;
  if (phase_ != Phase::recovering && failures_ < options_.failures_to_eject && !often) {
    phase_ = Phase::suspect;
    return std::nullopt;
  }
  const bool was_well = phase_ != Phase::recovering && now - steady_since_ >= options_.dwell;
  if (was_well) ejections_ = 0;
  phase_ = Phase::ejected;
  live_.healthy.atomic() = false;
  show_room_locked();
  Duration pause = options_.ejection;
  for (uint32_t i = 0; i < ejections_ && pause < options_.ejection_max; ++i) pause = pause * 2;
  ++ejections_;
  returns_at_ = now + std::min(pause, options_.ejection_max);
  return returns_at_;
}

void EngineState::succeed(Duration now) {
  if (phase_ == Phase::ejected) return;  // one that had begun before says nothing about now
  failures_ = 0;
  history_ <<= 1;
  if (phase_ == Phase::recovering) {
    allow(step_ * 2);
    if (step_ <= options_.recovery_in_flight_max) return;
    steady_since_ = now;
    history_ = 0;
  }
  live_.in_flight_max.atomic() = UINT32_MAX;
  show_room_locked();
  phase_ = Phase::suspect;
  if (history_ != 0) return;
  phase_ = Phase::steady;
  is_steady_.store(true, std::memory_order_release);
}

void EngineState::allow(uint32_t more) {
  step_ = more;
  live_.in_flight_max.atomic() = live_.in_flight + step_;
  show_room_locked();
}

void EngineState::recover() {
  phase_ = Phase::recovering;
  failures_ = 0;
  history_ = 0;
  allow(1);
}

void EngineState::start_slowly() {
  const std::lock_guard lock(mutex_);
  is_steady_.store(false, std::memory_order_release);
  recover();
}

void EngineState::ramp_up() {
  if (is_steady_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(mutex_);
  // The last step is a whole answer's: an engine that begins well and breaks off is not well.
  if (phase_ == Phase::recovering && step_ * 2 <= options_.recovery_in_flight_max) allow(step_ * 2);
}

bool EngineState::readmit(Duration now) {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::ejected) return true;
  if (now < returns_at_) return false;
  recover();
  live_.healthy.atomic() = true;
  show_room_locked();
  return true;
}

void EngineState::show_room_in(std::shared_ptr<routing::RoomBits> bits, uint32_t lane,
                               const routing::RoutingTable::Candidate& row) {
  const std::lock_guard lock(mutex_);
  if (room_bits_ != nullptr) {
    room_bits_->set(lane_, true, true);
    room_bits_->set_wait(lane_, 0);
  }
  room_bits_ = std::move(bits);
  lane_ = lane;
  row_ = row;
  show_room_locked();
}

void EngineState::show_room() {
  const std::lock_guard lock(mutex_);
  show_room_locked();
}

void EngineState::show_room_locked() {
  if (room_bits_ == nullptr) return;
  const uint32_t most = live_.in_flight_max;
  const routing::Room room = routing::room_of(row_, room_bits_->queue_per_concurrency());
  full_at_ = std::min(most, room.any);
  promised_full_at_ = std::min(most, room.promised);
  waits_from_ = row_.replicas;
  const uint32_t in_flight = live_.in_flight.atomic().load();
  const bool healthy = live_.healthy;
  room_bits_->set(lane_, healthy && in_flight < full_at_, healthy && in_flight < promised_full_at_);
  live_.prefills.atomic().load();  // what is read below has seen all that was counted before
  room_bits_->set_wait(lane_, routing::wait_for_prefills_us(row_, live_));
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
  forget_expired();
}

// An engine that no table and no request has any more: what comes back under its name is another.
void LiveBoard::forget_expired() {
  std::erase_if(engines_, [this](const auto& entry) {
    if (!entry.second.engine.expired()) return false;
    prefixes_.forget(entry.second.number);
    free_numbers_.push_back(entry.second.number);
    return true;
  });
  std::erase_if(meters_, [](const auto& entry) { return entry.second.expired(); });
}

void LiveBoard::bind_engines(BoundTable& bound) {
  const routing::RoutingTable& table = *bound.table;
  const auto count = static_cast<uint32_t>(table.targets().size());
  std::vector<bool> is_served(table.rows().models.size());  // by an engine that was there before
  bound.engines.resize(count);
  bound.live.resize(count);
  bound.room = std::make_shared<routing::RoomBits>(table, kEngineQueue);
  // Held before anything is counted: an engine that only a request still has may go at any moment.
  for (uint32_t target = 0; target < count; ++target) {
    const auto known = engines_.find(table.targets()[target].deployment);
    if (known != engines_.end()) bound.engines[target] = known->second.engine.lock();
    if (bound.engines[target] != nullptr) is_served[table.targets()[target].model] = true;
  }
  forget_expired();
  // Of new engines, those that a decision looks at one after another are so kept: it reads a few cache lines, not one
  // for each. Threads that write to neighbours at once wait for each other, for less than a tenth of a microsecond.
  const auto added = static_cast<size_t>(std::ranges::count(bound.engines, nullptr));
  const std::shared_ptr<routing::TargetLive[]> places(new routing::TargetLive[added]);
  ptrdiff_t next_place = 0;
  for (uint32_t position = 0; position < count; ++position) {
    const uint32_t target = table.candidate_at(position).target;
    std::shared_ptr<EngineState>& engine = bound.engines[target];
    if (engine == nullptr) {
      const std::string& deployment = table.targets()[target].deployment;
      const std::shared_ptr<routing::TargetLive> place(places, &places[next_place++]);
      engine = std::make_shared<EngineState>(deployment, take_number(), options_, place);
      engines_[deployment] = {engine, engine->number()};
      if (is_served[table.targets()[target].model]) engine->start_slowly();
    }
    bound.target_of_engine.resize(std::max<size_t>(bound.target_of_engine.size(), engine->number() + size_t{1}));
    bound.target_of_engine[engine->number()] = target;
    bound.live[target] = &engine->live();
    bound.ordered_live.push_back(&engine->live());
    engine->show_room_in(bound.room, table.lane_of(position), table.candidate_at(position));
  }
}

uint32_t LiveBoard::take_number() {
  if (free_numbers_.empty()) return next_number_++;
  const uint32_t number = free_numbers_.back();
  free_numbers_.pop_back();
  return number;
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
  std::unique_lock lock(mutex_, std::defer_lock);
  if (cached == nullptr)
    lock.lock();  // it has none to serve on
  else if (!lock.try_lock())
    return;  // the next request takes it
  cached = current_;
  version = version_.load(std::memory_order_relaxed);
}

void LiveBoard::note_ejection(std::shared_ptr<EngineState> engine, Duration returns_at) {
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
