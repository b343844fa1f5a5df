// One request's turn at one engine. Internal.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>

#include "gateway/gateway_core.h"

namespace tandem::gateway {

// Counts in the engine's live state from its making to its end; how it ended is told to the engine's health.
class EngineTurn {
 public:
  // `patience`: how long its first sign is waited for, a stream's first token or a whole answer, as the prediction has
  // it; > 0. `reading`: how much of that may go by, likewise, over the prompt alone; ≥ 0.
  // It begins at `began`.
  EngineTurn(GatewayCore& core, std::shared_ptr<EngineState> engine, Duration began, Duration patience,
             Duration reading = {});
  ~EngineTurn();
  EngineTurn(const EngineTurn&) = delete;
  EngineTurn& operator=(const EngineTurn&) = delete;

  // Until its first token, or its end, it counts as a prompt of which so many tokens are to be prefilled. Once.
  void begin_prefill(uint32_t tokens);
  void end_as(AttemptEnd how) { how_ = how; }
  Duration patience() const { return patience_; }
  Duration age() const { return core_.clock.monotonic() - began_; }
  // The engine has sent something.
  void note_sign(Duration now) {
    last_sign_ = now;
    engine_->note_sign(now);
  }
  // For how long, of the turn, it has sent nothing to anybody.
  Duration silence() const { return core_.clock.monotonic() - std::max(began_, engine_->last_sign()); }
  // The engine may be silent over somebody's long prompt, and not ill.
  bool may_be_reading() const { return engine_->may_be_reading(core_.clock.monotonic()); }
  // It has been waited for long enough: whatever comes of it says no more. It is a failure of the engine's now, unless
  // that may be reading, or is only late (not `is_silent`) and was not of late: up to twice `pace_of_others`.
  void give_up(bool is_silent = true, double pace_of_others = 1);
  bool given_up() const { return given_up_; }
  // Its first token has come with the last sign. Later calls change nothing.
  void note_first_token();
  // Likewise.
  void note_whole_answer() { note_pace(last_sign_); }
  // It has answered what was asked.
  void note_served(Surface surface) { engine_->note_served(surface); }
  // It has not come up to now, and is no longer waited for: it took longer than this.
  void give_up_first_token() { end_first_token(core_.clock.monotonic()); }

 private:
  void note_pace(Duration now);
  void end_first_token(Duration now);
  void end_reading();
  void end_prefill();
  void note_ejection(Duration returns_at);

  GatewayCore& core_;
  std::shared_ptr<EngineState> engine_;
  const Duration patience_;
  const Duration began_;
  Duration last_sign_ = began_;
  Duration reading_;                        // 0: not long, or over
  std::optional<uint32_t> prefill_tokens_;  // nothing: not counted, or over
  bool given_up_ = false;
  bool noted_ = false;
  AttemptEnd how_ = AttemptEnd::neutral;
};

}  // namespace tandem::gateway
