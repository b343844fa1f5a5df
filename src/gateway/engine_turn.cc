#include "gateway/engine_turn.h"

#include <utility>

#include "base/logging.h"

namespace tandem::gateway {

EngineTurn::EngineTurn(GatewayCore& core, std::shared_ptr<EngineState> engine, Duration began, Duration patience,
                       Duration reading)
    : core_(core), engine_(std::move(engine)), patience_(patience), began_(began) {
  engine_->begin();
  if (reading <= core.options.patience_usual) return;  // nobody's patience is shorter for long
  reading_ = reading;
  engine_->begin_long_prompt(began_, reading_);
}

EngineTurn::~EngineTurn() {
  end_reading();
  end_prefill();
  // A good one ended with what came last.
  const Duration now = how_ == AttemptEnd::success ? last_sign_ : core_.clock.monotonic();
  const auto returns_at = engine_->end(given_up_ ? AttemptEnd::neutral : how_, now);
  core_.serve_queue();
  if (!returns_at) return;
  core_.board.prefixes().forget(engine_->number());  // most that fail so have been started anew when they return
  note_ejection(*returns_at);
}

void EngineTurn::note_ejection(Duration returns_at) {
  log_warning("engine {} keeps failing and is left alone for {:.1f} s", engine_->deployment(),
              (returns_at - core_.clock.monotonic()).seconds());
  core_.board.note_ejection(engine_, returns_at);
}

void EngineTurn::give_up(bool is_silent, double pace_of_others) {
  constexpr double kFarSlower = 2;
  if (std::exchange(given_up_, true)) return;
  const Duration now = core_.clock.monotonic();
  end_first_token(now);
  engine_->note_given_up(now);
  if (may_be_reading()) return;
  const bool is_slow = engine_->pace() >= kFarSlower * pace_of_others;  // as the requests before this one found it
  note_pace(now);
  if (!is_silent && !is_slow) return;
  if (const auto returns_at = engine_->fail(now)) note_ejection(*returns_at);
}

void EngineTurn::end_reading() {
  if (reading_.ns > 0) engine_->end_long_prompt(began_, std::exchange(reading_, {}));
}

void EngineTurn::begin_prefill(uint32_t tokens) {
  prefill_tokens_ = tokens;
  engine_->begin_prefill(tokens);
}

void EngineTurn::end_prefill() {
  if (prefill_tokens_) engine_->end_prefill(*std::exchange(prefill_tokens_, std::nullopt));
}

// Patience is this many times what is expected.
void EngineTurn::note_pace(Duration now) {
  engine_->note_pace(core_.options.patience_factor * (now - began_).seconds() / patience_.seconds());
}

void EngineTurn::note_first_token() {
  if (noted_) return;
  end_first_token(last_sign_);
  note_pace(last_sign_);
  engine_->ramp_up();
}

void EngineTurn::end_first_token(Duration now) {
  end_reading();
  end_prefill();
  if (!std::exchange(noted_, true)) engine_->first_tokens().note(now - began_);
}

}  // namespace tandem::gateway
