// One request's turn at one engine. Internal.
#pragma once

#include <memory>

#include "gateway/gateway_core.h"

namespace tandem::gateway {

// Counts in the engine's live state from its making to its end; how it ended is told to the engine's health.
class EngineTurn {
 public:
  EngineTurn(GatewayCore& core, std::shared_ptr<EngineState> engine);
  ~EngineTurn();
  EngineTurn(const EngineTurn&) = delete;
  EngineTurn& operator=(const EngineTurn&) = delete;

  void end_as(AttemptEnd how) { how_ = how; }
  // Its first token has come. Later calls change nothing.
  void note_first_token();
  // It has not come up to now, and is no longer waited for: it took longer than this.
  void give_up_first_token();

 private:
  GatewayCore& core_;
  std::shared_ptr<EngineState> engine_;
  const Duration began_;
  bool noted_ = false;
  AttemptEnd how_ = AttemptEnd::neutral;
};

}  // namespace tandem::gateway
