// Engines and tenants as all gateways of a process see them: in flight, health, what is used of limits, and the table
// that names them. Internal.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gateway/first_tokens.h"
#include "gateway/gateway.h"
#include "gateway/openai_request.h"
#include "gateway/prefix_board.h"
#include "gateway/tenant_meter.h"
#include "routing/room.h"
#include "routing/routing.h"

namespace tandem::gateway {

// How an attempt at an engine ended, for its health.
enum class AttemptEnd : uint8_t { success, failure, neutral };  // neutral: the client left, or the engine was only busy

// One deployment, for as long as any table or request refers to it.
class EngineState {
 public:
  EngineState(std::string deployment, uint32_t number, const HealthOptions& options,
              std::shared_ptr<routing::TargetLive> live = std::make_shared<routing::TargetLive>())
      : live_place_(std::move(live)),
        live_(*live_place_),
        options_(options),
        deployment_(std::move(deployment)),
        number_(number) {}

  const std::string& deployment() const { return deployment_; }
  uint32_t number() const { return number_; }  // a small one of its own as long as it is there
  const routing::TargetLive& live() const { return live_; }
  FirstTokens& first_tokens() { return first_tokens_; }

  void begin() {
    const uint32_t in_flight = live_.in_flight.atomic().fetch_add(1) + 1;
    if (is_full_at(in_flight)) show_room();
  }
  // It is new while others serve its model: it is given requests a few at a time first. Before anything began.
  void start_slowly();
  // A prompt of which it must prefill so many tokens is on its way there; that is over.
  void begin_prefill(uint32_t tokens) {
    live_.prefill_tokens.atomic().fetch_add(tokens, std::memory_order_relaxed);
    const uint32_t prefills = live_.prefills.atomic().fetch_add(1) + 1;  // before it is asked from where they wait
    if (prefills >= waits_from_) show_room();
  }
  void end_prefill(uint32_t tokens) {
    live_.prefill_tokens.atomic().fetch_sub(tokens, std::memory_order_relaxed);
    const uint32_t prefills = live_.prefills.atomic().fetch_sub(1);
    if (prefills >= waits_from_) show_room();
  }
  // A first token has come: one that starts slowly is let do more.
  void ramp_up();
  // Returns when it has become ejected by this: the time of its return; else nothing.
  std::optional<Duration> end(AttemptEnd how, Duration now);
  // The same of an attempt that goes on, or whose end says no more.
  std::optional<Duration> fail(Duration now);
  // It has answered such a request; whether it ever did.
  void note_served(Surface surface) {
    const auto bit = static_cast<uint8_t>(1u << static_cast<unsigned>(surface));
    if ((served_.load(std::memory_order_relaxed) & bit) == 0) served_.fetch_or(bit, std::memory_order_relaxed);
  }
  bool has_served(Surface surface) const {
    return (served_.load(std::memory_order_relaxed) >> static_cast<unsigned>(surface) & 1) != 0;
  }
  bool has_served_any() const { return served_.load(std::memory_order_relaxed) != 0; }
  // When it last sent anything that was asked for, to a few milliseconds.
  Duration last_sign() const { return {last_sign_ns_.load(std::memory_order_relaxed)}; }
  // A long prompt, for which it may send nothing to anybody for so long after; the same again once that is over.
  void begin_long_prompt(Duration began, Duration time);
  void end_long_prompt(Duration began, Duration time);
  // Somebody waits for it no longer.
  void note_given_up(Duration now);
  // Its silence may be that of a long prompt: one that it had before anybody gave it up since its last sign. What it
  // is given later excuses nothing, or a hung engine would be excused for ever.
  bool may_be_reading(Duration now) const;
  void note_sign(Duration now);
  // How many times as long as was expected its first signs take of late, ≥ 1.
  double pace() const { return pace_.load(std::memory_order_relaxed); }
  void note_pace(double times);
  // Lets it back in, carefully, if its ejection is over. False while it is not.
  bool readmit(Duration now);
  // From now on `bits` say at that lane whether it has room and how long prompts wait, as of that row; where it was
  // shown before they say for ever that it may have some, and that none wait.
  void show_room_in(std::shared_ptr<routing::RoomBits> bits, uint32_t lane,
                    const routing::RoutingTable::Candidate& row);

 private:
  enum class Phase : uint8_t { steady, suspect, ejected, recovering };
  std::optional<Duration> fail_locked(Duration now);
  void succeed(Duration now);
  void recover();
  void allow(uint32_t more);
  bool is_full_at(uint32_t in_flight) const { return in_flight == full_at_ || in_flight == promised_full_at_; }
  void show_room();
  void show_room_locked();

  const std::shared_ptr<routing::TargetLive> live_place_;
  routing::TargetLive& live_;
  // In flight when it has no room, as shown. Who counts past one of them shows it again, under the lock: the last to do
  // so has seen all that was counted before. Nobody's count is missed while they change, since each thread counts, or
  // changes them, before it looks at the other (the default order, in which all threads see the same).
  std::atomic<uint32_t> full_at_{UINT32_MAX}, promised_full_at_{UINT32_MAX};
  // Prompts to be prefilled from which on one more waits: each that is counted there is shown in the same way.
  std::atomic<uint32_t> waits_from_{UINT32_MAX};
  FirstTokens first_tokens_;
  std::atomic<int64_t> last_sign_ns_{INT64_MIN};
  std::atomic<float> pace_{1};
  std::atomic<uint8_t> served_{0};     // a bit each surface
  std::atomic<bool> is_steady_{true};  // read without the lock: nothing to do for most
  const HealthOptions options_;
  std::string deployment_;
  const uint32_t number_;
  mutable std::mutex mutex_;  // guards what is below, which only troubled engines and long prompts need
  Phase phase_ = Phase::steady;
  uint32_t failures_ = 0;   // in a row
  uint32_t history_ = 0;    // of the last 32 since it was steady, a bit each, the latest lowest: set where it failed
  uint32_t ejections_ = 0;  // with less than the dwell between them
  uint32_t step_ = 0;       // while recovering: requests let in beyond those in flight at the last good sign
  Duration returns_at_;
  Duration steady_since_;
  struct LongPrompt {
    Duration began, time;
    bool operator==(const LongPrompt&) const = default;
  };
  std::vector<LongPrompt> long_prompts_;
  Duration given_up_at_{INT64_MIN};               // for the first time since its last sign
  std::shared_ptr<routing::RoomBits> room_bits_;  // null: shown nowhere
  uint32_t lane_ = 0;
  routing::RoutingTable::Candidate row_;
};

// A table with the state of each of its targets. Immutable.
struct BoundTable {
  std::shared_ptr<const routing::RoutingTable> table;
  std::vector<std::shared_ptr<EngineState>> engines;     // by target
  std::vector<const routing::TargetLive*> live;          // of each
  std::vector<const routing::TargetLive*> ordered_live;  // the same in the order of the table's candidates
  std::shared_ptr<routing::RoomBits> room;               // which of them have some
  routing::LivePointers live_pointers() const { return {ordered_live, room.get()}; }
  std::vector<std::optional<uint32_t>> target_of_engine;  // by the engine's number; nothing: not in this table
  std::vector<std::shared_ptr<TenantMeter>> meters;       // by tenant; null where it has no limits
};

class LiveBoard {
 public:
  explicit LiveBoard(HealthOptions options) : options_(options) {}

  void publish(std::shared_ptr<const routing::RoutingTable> table);
  std::shared_ptr<const BoundTable> current() const;
  void note_spending(Instant month_begin, const std::vector<Spending>& spending);

  // Takes the newer table if there is one and nobody is publishing at this moment. Waits only for the first.
  void refresh(std::shared_ptr<const BoundTable>& cached, uint64_t& version) const;

  PrefixBoard& prefixes() { return prefixes_; }

  void note_ejection(std::shared_ptr<EngineState> engine, Duration returns_at);
  // Lets back in every engine whose ejection is over. One relaxed load when there is none.
  void readmit_due(Duration now);

 private:
  void forget_expired();
  void bind_engines(BoundTable& bound);
  uint32_t take_number();
  void bind_meters(BoundTable& bound);

  HealthOptions options_;
  std::mutex publish_mutex_;  // one publisher at a time
  mutable std::mutex mutex_;  // guards current_; held for a pointer's copy
  std::shared_ptr<const BoundTable> current_;
  std::atomic<uint64_t> version_{0};
  struct Known {
    std::weak_ptr<EngineState> engine;
    uint32_t number = 0;
  };
  std::map<std::string, Known> engines_;  // of the last tables, by deployment; publisher only
  std::vector<uint32_t> free_numbers_;    // below next_number_
  uint32_t next_number_ = 0;
  PrefixBoard prefixes_;
  std::map<std::string, std::weak_ptr<TenantMeter>> meters_;  // likewise, by tenant

  std::atomic<int64_t> next_return_ns_{INT64_MAX};
  std::mutex ejected_mutex_;
  std::vector<std::pair<Duration, std::weak_ptr<EngineState>>> ejected_;
};

}  // namespace tandem::gateway
