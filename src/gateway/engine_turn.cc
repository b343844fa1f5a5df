#include "gateway/engine_turn.h"

#include <utility>

#include "base/logging.h"

namespace tandem::gateway {

EngineTurn::EngineTurn(GatewayCore& core, std::shared_ptr<EngineState> engine)
    : core_(core), engine_(std::move(engine)), began_(core.clock.monotonic()) {
  engine_->begin();
}

EngineTurn::~EngineTurn() {
  const Duration now = core_.clock.monotonic();
  const auto returns_at = engine_->end(how_, now);
  core_.serve_queue();
  if (!returns_at) return;
  log_warning("engine {} keeps failing and is left alone for {:.1f} s", engine_->deployment(),
              (*returns_at - now).seconds());
  core_.board.note_ejection(std::move(engine_), *returns_at);
}

void EngineTurn::note_first_token() {
  if (noted_) return;
  give_up_first_token();
  engine_->ramp_up();
}

void EngineTurn::give_up_first_token() {
  if (!std::exchange(noted_, true)) engine_->first_tokens().note(core_.clock.monotonic() - began_);
}

}  // namespace tandem::gateway
