#include "gateway/hedge.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "base/text.h"

namespace tandem::gateway {

namespace asio = boost::asio;

bool is_clients_fault(int status) { return status == 400 || status == 413 || status == 422; }

bool is_unknown_surface(int status) { return status == 404 || status == 405 || status == 501; }

bool is_event_stream(const http::Headers& headers) {
  return iequals(trim(split(headers.value_or("content-type", ""), ';').front()), "text/event-stream");
}

Attempt::Attempt(std::shared_ptr<GatewayCore> core, uint32_t target, std::unique_ptr<EngineTurn> turn,
                 StreamReader reader)
    : core_(std::move(core)), target_(target), turn_(std::move(turn)), reader_(std::move(reader)) {}

void Attempt::start(http::Endpoint endpoint, http::ClientRequest request, std::function<void()> on_settled) {
  on_settled_ = std::move(on_settled);
  asio::co_spawn(
      core_->context,
      [](std::shared_ptr<Attempt> self, http::Endpoint to, http::ClientRequest what) -> asio::awaitable<void> {
        co_await self->run(std::move(to), std::move(what));
      }(shared_from_this(), std::move(endpoint), std::move(request)),
      asio::detached);
}

void Attempt::cancel() {
  on_settled_ = nullptr;
  if (turn_ != nullptr && !settled()) turn_->give_up_first_token();
  turn_.reset();  // its place is free from now on
  cancellation_.cancel();
  if (exchange_ && *exchange_) (*exchange_)->cancel();
}

asio::awaitable<void> Attempt::run(http::Endpoint endpoint, http::ClientRequest request) {
  Result<http::Exchange> exchange =
      co_await core_->client.send(std::move(endpoint), std::move(request), core_->options.timeouts, cancellation_);
  const bool streams = exchange && exchange->status() == 200 && is_event_stream(exchange->headers());
  if (streams) co_await read_lead(*exchange);
  if (cancellation_.cancelled()) co_return;
  if (turn_ != nullptr && lead_.tokens > 0) turn_->note_first_token();
  exchange_.emplace(std::move(exchange));
  if (on_settled_) on_settled_();
}

asio::awaitable<void> Attempt::read_lead(http::Exchange& exchange) {
  const Duration began = core_->clock.monotonic();
  while (lead_.tokens == 0 && !lead_.error && !reader_.ended()) {
    Result<std::optional<std::string>> piece = co_await exchange.read_some();
    if (!piece) {
      lead_.error = std::move(piece.error());
    } else if (!*piece) {
      lead_.error = Error{ErrorCode::unavailable, "the engine ended its stream without '[DONE]'", {}};
    } else {
      if (turn_ != nullptr) turn_->note_sign(core_->clock.monotonic());
      StreamReader::Step step = reader_.feed(**piece);
      lead_.forward += step.forward;
      lead_.tokens += step.tokens;
      lead_.has_data = lead_.has_data || step.has_data;
      lead_.error = std::move(step.error);
    }
    if (!lead_.error && lead_.tokens == 0 && lead_.forward.size() > StreamReader::kEventBytesMax)
      lead_.error = Error{ErrorCode::too_large, "the engine sends comments and no answer", {}};
    if (!lead_.error && core_->clock.monotonic() - began > core_->options.stream_duration_max)
      lead_.error = Error{ErrorCode::deadline_exceeded, "the stream took longer than is allowed", {}};
  }
}

Result<http::Exchange> Attempt::take_exchange() {
  Result<http::Exchange> taken = std::move(*exchange_);
  exchange_.reset();
  return taken;
}

bool Attempt::answers() const {
  if (!settled() || !*exchange_) return false;
  const int status = (*exchange_)->status();
  return is_clients_fault(status) || (status == 200 && is_event_stream((*exchange_)->headers()) && !lead_.error);
}

namespace {

// What has failed by itself counts against its engine. That it knows no such requests may be the model's nature: who
// answers its client finds out.
void end_one(Attempt& attempt) {
  if (attempt.settled() && !attempt.answers()) {
    const Result<http::Exchange> exchange = attempt.take_exchange();
    const bool is_engines_fault = exchange ? exchange->status() != 429 && !is_unknown_surface(exchange->status())
                                           : exchange.error().code != ErrorCode::resource_exhausted;
    if (const auto turn = attempt.take_turn(); turn != nullptr && is_engines_fault) turn->end_as(AttemptEnd::failure);
  }
  attempt.cancel();
}

}  // namespace

void Race::enter(std::shared_ptr<Attempt> attempt, http::Endpoint endpoint, http::ClientRequest request) {
  attempts_.push_back(attempt);
  attempt->start(std::move(endpoint), std::move(request), [this] { wake_.cancel(); });
}

asio::awaitable<void> Race::wait(std::optional<Duration> at_most) {
  const auto until = at_most ? std::chrono::steady_clock::now() + std::chrono::nanoseconds(at_most->ns)
                             : std::chrono::steady_clock::time_point::max();
  while (!decided()) {
    wake_.expires_at(until);
    boost::system::error_code woken;
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (!woken) co_return;  // the time is over
  }
}

void Race::stop() {
  stopped_ = true;
  wake_.cancel();
}

std::shared_ptr<Attempt> Race::winner() const {
  for (const auto& attempt : attempts_)
    if (attempt->answers()) return attempt;
  const bool all = std::all_of(attempts_.begin(), attempts_.end(), [](const auto& each) { return each->settled(); });
  return all && !attempts_.empty() ? attempts_.back() : nullptr;
}

void Race::drop_first() {
  if (attempts_.size() == 1) return stop();
  end_one(*attempts_.front());
  attempts_.erase(attempts_.begin());
  wake_.cancel();  // the other may have failed
}

void Race::end(const Attempt* winner) {
  for (const auto& attempt : attempts_)
    if (attempt.get() != winner) end_one(*attempt);
  attempts_.clear();
}

}  // namespace tandem::gateway
