// A copy of a request, sent to the candidate of a trial. Internal.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <utility>

#include "gateway/engine_turn.h"
#include "http/http.h"

namespace tandem::gateway {

// Its place among the copies under way and its bytes among the bodies, while it lasts.
class ShadowPlace {
 public:
  ShadowPlace(std::shared_ptr<GatewayCore> core, size_t bytes) : core_(std::move(core)), bytes_(bytes) {
    ++core_->shadows_in_flight;
    core_->body_bytes_in_flight += bytes_;
  }
  ~ShadowPlace() {
    if (core_ == nullptr) return;
    --core_->shadows_in_flight;
    core_->body_bytes_in_flight -= bytes_;
  }
  ShadowPlace(ShadowPlace&&) noexcept = default;
  ShadowPlace& operator=(ShadowPlace&&) = delete;

 private:
  std::shared_ptr<GatewayCore> core_;
  size_t bytes_;
};

// On its way to a candidate; nobody sees the answer.
struct Shadow {
  std::shared_ptr<GatewayCore> core;
  ShadowPlace place;
  std::shared_ptr<const BoundTable> bound;
  const routing::Trial* trial = nullptr;  // of `bound`
  uint32_t target = 0;
  uint32_t region = 0, paths = 0;
  bool streamed = false;
  double prompt_tokens = 0;  // estimated
  Duration patience = {};    // EngineTurn's
  http::ClientRequest request = {};
};
boost::asio::awaitable<void> run_shadow(Shadow shadow);

}  // namespace tandem::gateway
