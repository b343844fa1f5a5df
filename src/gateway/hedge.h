// Two engines asked for one stream: who gives the first token first answers, the other is cancelled. Internal.
//
// J. Dean, L. A. Barroso, "The Tail at Scale", CACM 2013: a second request after the time within which most first
// answers come costs a few percent more load and takes most of the tail away. The share of requests that may be hedged
// is bounded (GatewayOptions::hedge_fraction), so that engines slow from overload are not given more.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "gateway/engine_turn.h"
#include "gateway/openai_reply.h"
#include "http/http.h"

namespace tandem::gateway {

// One engine asked for a stream, up to its first token, by a coroutine of its own.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(std::shared_ptr<GatewayCore> core, uint32_t target, std::unique_ptr<EngineTurn> turn, StreamReader reader);

  // `on_settled` is called when `settled` becomes true, unless it was cancelled before.
  void start(http::Endpoint endpoint, http::ClientRequest request, std::function<void()> on_settled);
  // Ends it at its engine too, if it is still there; `on_settled` is not called any more. Dropping it does the same.
  void cancel();

  bool settled() const { return exchange_.has_value(); }
  // Settled, with a token, or with a refusal that is the client's to hear.
  bool answers() const;
  uint32_t target() const { return target_; }

  // What has come: of a settled one, to be taken once.
  Result<http::Exchange> take_exchange();
  http::Cancellation cancellation() const { return cancellation_; }
  EngineTurn& turn() { return *turn_; }  // until it is taken or cancelled
  std::unique_ptr<EngineTurn> take_turn() { return std::move(turn_); }
  StreamReader take_reader() { return std::move(reader_); }
  StreamReader::Step take_lead() { return std::move(lead_); }

 private:
  boost::asio::awaitable<void> run(http::Endpoint endpoint, http::ClientRequest request);
  boost::asio::awaitable<void> read_lead(http::Exchange& exchange);

  const std::shared_ptr<GatewayCore> core_;
  const uint32_t target_;
  std::unique_ptr<EngineTurn> turn_;
  StreamReader reader_;
  StreamReader::Step lead_;  // all up to the first token, or the error in its place
  http::Cancellation cancellation_;
  std::function<void()> on_settled_;
  std::optional<Result<http::Exchange>> exchange_;
};

// A status that is about the request and not about the engine: 400, 413, 422.
bool is_clients_fault(int status);
// A status of who answers no such requests at all: 404, 405, 501.
bool is_unknown_surface(int status);
bool is_event_stream(const http::Headers& headers);

class Race {
 public:
  explicit Race(boost::asio::io_context& context) : wake_(context) {}
  ~Race() { end(nullptr); }
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;

  void enter(std::shared_ptr<Attempt> attempt, http::Endpoint endpoint, http::ClientRequest request);
  // Until one answers, none is left that could, or the client has left (`stop`); for so long at most.
  boost::asio::awaitable<void> wait(std::optional<Duration> at_most);
  void stop();
  bool stopped() const { return stopped_; }
  // The first is waited for no longer: the second runs on, if there is one.
  void drop_first();

  // The first that answers; else the last that was entered, once all are settled; else null.
  std::shared_ptr<Attempt> winner() const;
  Attempt& first() const { return *attempts_.front(); }  // of those that were not dropped
  // All but this one end now, and it runs on alone; what had failed by itself counts against its engine.
  void end_for(const Attempt& winner) { end(&winner); }

 private:
  bool decided() const { return stopped_ || winner() != nullptr; }
  void end(const Attempt* winner);

  boost::asio::steady_timer wake_;
  std::vector<std::shared_ptr<Attempt>> attempts_;
  bool stopped_ = false;
};

}  // namespace tandem::gateway
