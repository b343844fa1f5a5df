// A request that waits for an engine with room.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cmath>

#include "gateway/request_run.h"

namespace tandem::gateway {

namespace asio = boost::asio;

// The time to the first token once an engine has the request, at the promise's quantile: what the soonest of them takes
// when idle, and how much longer they took of late. One that was full works on others' prompts first. Nothing where
// none may serve it.
std::optional<Duration> RequestRun::time_at_engine() const {
  const auto soonest = routing::soonest_ttft(*bound_->table, facts_);
  if (!soonest) return std::nullopt;
  const auto late = core_.lateness.find(waiting_.group);
  const auto longer = late == core_.lateness.end()
                          ? std::nullopt
                          : late->second.quantile(usual_promise().quantile, core_.clock.monotonic());
  return nanoseconds(static_cast<int64_t>(soonest->value() * 1e3)) + longer.value_or(Duration{});
}

// How long this request may wait so that its promise can still be kept. Nothing that could not be in time takes up
// what others wait for: it is refused at once.
Checked<Duration> RequestRun::time_to_wait(bool has_room) const {
  Duration time = core_.options.wait_max;
  if (has_room) return time;
  const std::optional<Duration> at_engine = time_at_engine();
  if (!at_engine) time = {};
  if (facts_.ttft.value() > 0 && at_engine) {
    const Microseconds left = to_microseconds(facts_.ttft) - elapsed();
    time = std::min(time, nanoseconds(static_cast<int64_t>(left.value() * 1e3)) - *at_engine);
  }
  const Duration now = core_.clock.monotonic();
  const auto rate = core_.turn_rates.find(waiting_.group);
  Duration expected;
  if (rate != core_.turn_rates.end())
    expected = rate->second.time_for(core_.queue.ahead_of(waiting_) + 1, now).value_or(Duration{});
  if (time.ns > 0 && expected <= time) return time;
  constexpr double kRetryMaxS = 60;
  ApiError error;
  error.code = ErrorCode::quota_exceeded;
  error.reason = "capacity";
  error.retry_after_s = static_cast<int>(std::ceil(std::clamp(expected.seconds(), 1.0, kRetryMaxS)));
  error.message = fmt::format(
      "Every site that may serve '{}' is at its capacity, and a turn would come too late for this request; try again "
      "shortly.",
      record_.model);
  return tl::unexpected(std::move(error));
}

asio::awaitable<Checked<uint32_t>> RequestRun::wait_for_room(bool has_room) {
  const Checked<Duration> time = time_to_wait(has_room);
  if (!time) co_return tl::unexpected(time.error());
  const Duration began = core_.clock.monotonic();
  asio::steady_timer timer(core_.context, std::chrono::nanoseconds(time->ns));
  std::optional<uint32_t> target;
  bool gave_way = false;
  waiting_.start = [&] {
    const routing::Decision decision = weigh(facts_, excluded_);
    if (!decision.target) return false;
    const uint64_t group = group_of(decision);
    if (group != waiting_.group && core_.queue.waiting_in(group) > 0) return false;  // a fallback others wait for
    note(decision);
    begin_turn(decision);
    core_.turn_rates[waiting_.group].note(core_.clock.monotonic());
    target = decision.target;
    timer.cancel();
    return true;
  };
  waiting_.give_way = [&] {
    gave_way = true;
    timer.cancel();
  };
  writer_.on_disconnect([&timer] { timer.cancel(); });
  if (core_.queue.waiting_in(waiting_.group) == 0) core_.turn_rates.erase(waiting_.group);  // the pace of another time
  const bool entered = !writer_.peer_closed() && core_.queue.enter(waiting_);
  if (entered) {
    core_.metrics.queued().add(1);
    core_.watch_queue();
    if (has_room) core_.serve_queue();
    boost::system::error_code woken;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    core_.metrics.queued().add(-1);
    core_.queue.leave(waiting_);
  }
  writer_.on_disconnect({});
  const Duration waited = look() - began;
  record_.queued = record_.queued + microseconds_of(waited);
  waited_ = waited_ + waited;
  if (target) co_return *target;
  const char* why = !entered || gave_way ? "so many wait already" : "none had room in time";
  ApiError error;
  error.code = ErrorCode::quota_exceeded;
  error.reason = !entered || gave_way ? "queue_full" : "queue_timeout";
  error.retry_after_s = 1;
  error.message =
      fmt::format("Every site that may serve '{}' is at its capacity, and {}; try again shortly.", record_.model, why);
  co_return tl::unexpected(std::move(error));
}

}  // namespace tandem::gateway
