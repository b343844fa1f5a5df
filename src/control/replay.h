// Folding a stretch of the log.
#pragma once

#include "control/control.h"

namespace tandem::control {

// Folds the events after the state's own offset up to `to`, or to the end where that comes first. Calls nothing but
// `fold`, and `refresh` once at the end. `State::head` is of the last batch folded whole.
Result<void> replay_onto(State& state, const log::Log& log, log::Offset to);

// A checkpoint's bytes and back. Errors: corrupt.
void encode_checkpoint(const State& state, const CheckpointStore::Sink& sink);
std::string encode_checkpoint(const State& state);
Result<State> decode_checkpoint(std::string_view bytes);

}  // namespace tandem::control
