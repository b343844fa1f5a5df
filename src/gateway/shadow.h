// A copy of a request, sent to the candidate of a trial. Internal.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "gateway/engine_turn.h"
#include "http/http.h"

namespace tandem::gateway {

// On its way to a candidate; nobody sees the answer.
struct Shadow {
  std::shared_ptr<GatewayCore> core;
  std::shared_ptr<const BoundTable> bound;
  const routing::Trial* trial = nullptr;  // of `bound`
  uint32_t target = 0;
  uint32_t region = 0, paths = 0;
  bool streamed = false;
  double prompt_tokens = 0;  // estimated
  Duration patience;         // EngineTurn's
  http::ClientRequest request;
};
boost::asio::awaitable<void> run_shadow(Shadow shadow);

}  // namespace tandem::gateway
