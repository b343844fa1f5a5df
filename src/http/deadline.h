// One deadline that is moved often and passed seldom. Moving it later costs nothing: the timer is left as it is and
// looks again when it fires, so that a connection does not arm a timer for every request. Internal to the module.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "base/time.h"
#include "http/reactor.h"

namespace tandem::http {

class Deadline {
 public:
  Deadline(Reactor& reactor, std::function<void()> on_expiry)
      : reactor_(reactor), state_(std::make_shared<State>(reactor.context(), std::move(on_expiry))) {}
  ~Deadline() {
    state_->on_expiry = nullptr;
    stop();
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void set(Duration from_now) {
    state_->due = reactor_.now() + std::chrono::nanoseconds(from_now.ns);
    if (state_->due < state_->armed) arm(state_);
  }
  void clear() { state_->due = TimePoint::max(); }
  // Clears it and leaves nothing for the context to wait for.
  void stop() {
    clear();
    if (!state_->is_armed()) return;
    state_->armed = TimePoint::max();
    state_->timer.cancel();
  }

 private:
  using TimePoint = Reactor::TimePoint;

  struct State {
    State(boost::asio::io_context& context, std::function<void()> expiry)
        : timer(context), on_expiry(std::move(expiry)) {}
    bool is_armed() const { return armed != TimePoint::max(); }

    boost::asio::steady_timer timer;
    std::function<void()> on_expiry;  // empty once the owner is gone
    TimePoint due = TimePoint::max();
    TimePoint armed = TimePoint::max();
  };

  static void arm(const std::shared_ptr<State>& state) {
    state->armed = state->due;
    state->timer.expires_at(state->due);
    state->timer.async_wait([state](const boost::system::error_code& error) {
      if (error || !state->on_expiry) return;  // moved earlier, or the owner is gone
      state->armed = TimePoint::max();
      if (state->due == TimePoint::max()) return;
      if (state->due > TimePoint::clock::now()) return arm(state);
      state->due = TimePoint::max();
      const auto expire = state->on_expiry;  // a copy: the owner may go while it runs
      expire();
    });
  }

  Reactor& reactor_;
  std::shared_ptr<State> state_;
};

}  // namespace tandem::http
