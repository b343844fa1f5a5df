// What the requests of one gateway share. Internal.
#pragma once

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/random.h"
#include "gateway/aside.h"
#include "gateway/decision_ring.h"
#include "gateway/fair_queue.h"
#include "gateway/gateway.h"
#include "gateway/live_board.h"
#include "gateway/openai_reply.h"
#include "gateway/openai_request.h"
#include "gateway/request_ids.h"
#include "gateway/request_metrics.h"
#include "gateway/silence.h"
#include "gateway/trial_board.h"

namespace tandem::gateway {

inline Microseconds microseconds_of(Duration duration) { return Microseconds(static_cast<double>(duration.ns) * 1e-3); }

// Bounds retries, or hedges, to a share of requests, so that an outage does not multiply the load on what is left (the
// token bucket of Finagle's RetryBudget).
class RetryBudget {
 public:
  static constexpr double kAtStart = 10;  // a gateway that has served nothing yet may retry too
  static constexpr double kMax = 100;     // what quiet hours may save up

  explicit RetryBudget(double fraction) : fraction_(fraction) {}
  void note_request() { left_ = std::min(left_ + fraction_, kMax); }
  bool take() { return left_ >= 1 ? (left_ -= 1, true) : false; }

 private:
  double fraction_;
  double left_ = kAtStart;
};

// How fast those who wait for a model get their turn.
class TurnRate {
 public:
  void note(Duration now);
  // Until `ahead` have had theirs; nothing while it is not known.
  std::optional<Duration> time_for(size_t ahead, Duration now) const;

 private:
  std::optional<Duration> last_;
  double interval_s_ = 0;  // smoothed; 0: not known
};

// How much longer the first tokens of a model's streams took than they would have at an idle engine.
class Lateness {
 public:
  static constexpr Duration kRemembered = minutes(1);  // a load that has passed makes nobody hurry

  void note(Duration late, Duration now);
  // As FirstTokens::quantile.
  std::optional<Duration> quantile(double quantile, Duration now) const;

 private:
  FirstTokens times_;
  Duration since_;
};

struct GatewayCore : std::enable_shared_from_this<GatewayCore> {
  GatewayCore(boost::asio::io_context& io_context, LiveBoard& live_board, http::Client& http_client, Metrics& registry,
              const Clock& time, RecordSink& record_sink, GatewayOptions gateway_options)
      : context(io_context),
        board(live_board),
        client(http_client),
        clock(time),
        sink(record_sink),
        options(std::move(gateway_options)),
        metrics(registry),
        trials(registry),
        random(options.seed, options.number),
        trace_ids(~options.seed, options.number),
        retries(options.retry_fraction),
        hedges(options.hedge_fraction),
        ring(options.decisions_kept, options.tables_kept),
        queue(options.waiting_max),
        queue_timer(io_context),
        silence(io_context),
        ids('d', time.now(), options.number) {}

  // The table in force; null before the first.
  const std::shared_ptr<const BoundTable>& table() {
    const uint64_t before = table_version;
    board.refresh(bound, table_version);
    if (table_version != before && bound != nullptr) metrics.table_taken(bound->table->offset());
    return bound;
  }

  // Of `options.baseline`, for that table; until the next call. Who asks for an older one gets its own turns.
  routing::BaselineRouter& baseline_on(const std::shared_ptr<const BoundTable>& table) {
    if (table != bound) return older_baseline.emplace(*table->table, *options.baseline, options.seed);
    if (baseline_table != table) {
      baseline_table = table;
      baseline.emplace(*table->table, *options.baseline, options.seed);
    }
    return *baseline;
  }

  // An engine may have room: lets those who wait look for it, not now but next.
  void serve_queue();
  // Room that other gateways make, or a recovered engine, is told to nobody: somebody looks while any wait.
  void watch_queue();

  boost::asio::io_context& context;
  LiveBoard& board;
  http::Client& client;
  const Clock& clock;
  RecordSink& sink;
  const GatewayOptions options;
  RequestMetrics metrics;
  TrialBoard trials;
  Random random;
  Random trace_ids;  // its own: a traced request takes the same way as one that is not
  RetryBudget retries;
  RetryBudget hedges;
  DecisionRing ring;
  FairQueue queue;
  std::unordered_map<uint64_t, TurnRate> turn_rates;  // by group of those who wait; looked up only
  std::unordered_map<uint64_t, Lateness> lateness;    // likewise
  boost::asio::steady_timer queue_timer;
  bool watching_queue = false;
  SilenceWatch silence;
  Aside aside;
  bool serving_queue = false;  // posted
  RequestReader reader;
  const std::shared_ptr<ReplyParser> replies = make_reply_parser();
  http::Headers spare_headers;  // of an answer that is sent: the memory of the next one's
  size_t body_bytes_in_flight = 0;
  size_t shadows_in_flight = 0;
  RequestIds ids;
  std::shared_ptr<const BoundTable> bound;
  uint64_t table_version = 0;
  std::shared_ptr<const BoundTable> baseline_table;  // that `baseline` knows
  std::optional<routing::BaselineRouter> baseline;
  std::optional<routing::BaselineRouter> older_baseline;  // of a request that began before
};

}  // namespace tandem::gateway
