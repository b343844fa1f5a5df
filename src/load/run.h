// One run of a load on one io_context. Internal to the module.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>

#include "http/http.h"
#include "load/answer_meter.h"
#include "load/load.h"
#include "load/request_body.h"
#include "load/schedule.h"

namespace tandem::load {

class Run {
 public:
  Run(const LoadOptions& options, Target target, const Clock& clock,
      const std::function<void(const LoadProgress&)>& progress, std::stop_token stop);
  LoadReport run();

 private:
  struct Sent {
    PlannedRequest planned;
    Duration counted_from;  // the intended sending in the open loop, the sending in the closed one
  };

  boost::asio::awaitable<void> send_when_due();
  boost::asio::awaitable<void> send_in_turn();
  boost::asio::awaitable<void> watch();
  boost::asio::awaitable<void> wait_until(Duration since_start);
  boost::asio::awaitable<void> send(PlannedRequest planned, Duration counted_from);
  boost::asio::awaitable<void> receive(const Sent& sent, http::Exchange exchange);
  boost::asio::awaitable<Result<void>> read_answer(http::Exchange& exchange, AnswerMeter& meter);
  boost::asio::awaitable<void> reject(http::Exchange exchange);

  Duration now() const { return clock_.monotonic() - start_; }
  bool sending() const { return !stop_.stop_requested() && now() < options_.duration; }
  void sender_ended();
  void end_if_idle();
  void count_ok(const Sent& sent, const http::Headers& headers, const AnswerMeter& meter);
  void count_cost(const http::Headers& headers, uint64_t tokens);
  void count_failure(std::string reason, std::string_view sample);
  LoadPromise promise_of(const http::Headers& headers) const;
  LoadProgress progress() const;

  const LoadOptions& options_;
  Target target_;
  const Clock& clock_;
  const std::function<void(const LoadProgress&)>& tell_;
  std::stop_token stop_;
  boost::asio::io_context context_;
  boost::asio::steady_timer due_, second_;
  http::Client client_;
  Schedule schedule_;
  LoadReport report_;
  std::list<http::Cancellation> outstanding_;
  Duration start_;
  Duration sending_ended_;  // since the start
  uint64_t sent_ = 0;
  uint32_t senders_ = 0;
  bool giving_up_ = false;  // the grace is over: what is outstanding is being cancelled
};

}  // namespace tandem::load
