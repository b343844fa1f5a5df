// The request path: OpenAI-compatible requests in, each answered by the site that keeps its promise at the lowest cost.
//
// A process has one SharedState and, per io_context thread, one Gateway. The core publishes routing tables into the
// SharedState; gateways never wait for it, and serve on the last table they have.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "gateway/record.h"  // IWYU pragma: export
#include "grid/nouns.h"
#include "http/http.h"
#include "routing/baseline.h"
#include "routing/routing.h"

namespace tandem::gateway {

class LiveBoard;

// When an engine that fails is left alone, and how it comes back.
struct HealthOptions {
  uint32_t failures_to_eject = 3;         // in a row: one or two are accidents
  uint32_t failures_of_32_to_eject = 12;  // of the last 32, from the first failure on: more than a third is no accident
  Duration ejection = seconds(1);         // the first time; doubles each time it is ejected again
  Duration ejection_max = seconds(30);    // an engine's restart takes about as long
  // Well for so long after its return, an engine's next ejection is a first one again: what comes and goes stays away
  // longer each time.
  Duration dwell = seconds(30);
  // On its return, and on its first day where others serve its model already, one request is let through, then two,
  // four, …, with each first token or answer, up to this many: a cold engine is slow.
  uint32_t recovery_in_flight_max = 32;
};

// What a tenant has spent of a month's budget.
struct Spending {
  std::string tenant;
  uint64_t nano_eur = 0;
};

struct DeploymentStatus {
  std::string deployment;
  uint32_t in_flight = 0;
  bool healthy = true;
};

// The table in force and the live state of every deployment, kept by deployment id across tables. Thread-safe.
class SharedState {
 public:
  explicit SharedState(HealthOptions options = {});
  ~SharedState();
  SharedState(const SharedState&) = delete;
  SharedState& operator=(const SharedState&) = delete;

  // Puts a table in force: each gateway uses it from its next request on. O(targets), on the caller's thread.
  void publish(std::shared_ptr<const routing::RoutingTable> table);
  // What the accounts say was spent since the month began, at least: of tenants with a budget in the table in force,
  // others are passed over. What the gateways serve themselves they count as it happens.
  void note_spending(Instant month_begin, const std::vector<Spending>& spending);
  std::shared_ptr<const routing::RoutingTable> table() const;  // null before the first
  std::vector<DeploymentStatus> deployments() const;           // of the table in force, in its order

 private:
  friend class Gateway;
  friend class TenantGate;
  std::unique_ptr<LiveBoard> board_;
};

// Sent to an engine beyond those it works on, as a part of them, so that it never runs dry between an answer's end and
// the next request's way there: a queue here can still choose who is next, one at the engine cannot.
inline constexpr double kEngineQueue = 0.125;

struct GatewayOptions {
  uint32_t number = 0;  // of this gateway within its process: part of its decisions' ids
  uint64_t seed = 1;    // of the draws among the plan's shares
  // One more engine when the first fails, and one for the case that both share a fault.
  uint32_t attempts_max = 3;
  // Retries as a share of requests (with ten to begin with): an outage must not double the load on what is left.
  double retry_fraction = 0.2;
  // Streams of tenants that pay for it which a second engine may be asked for too, as a share of them (with ten to
  // begin with): engines that are slow because they are full must not be given more.
  double hedge_fraction = 0.05;
  Duration hedge_delay_min = milliseconds(20);  // below it, two engines would work on most
  size_t shadows_max = 32;  // copies under way for trials; beyond it they are dropped, and counted as such
  // Requests that wait here while every engine that may serve them is full, and how long one may. 0: none wait.
  size_t waiting_max = 1'024;
  Duration wait_max = seconds(20);  // without a promise: longer, and people have left
  // An engine's first sign (a stream's first token, a whole answer) is waited for this many times as long as predicted,
  // and for half of the time promised at least, as long as another engine could still keep it, within bounds: less than
  // the first is what any process may stop for, and more than the second is not done without being ill. Then another
  // engine is asked, where one has room; but one that sends others their tokens is waited for until the promise is
  // broken. Where all engines of a model take longer than predicted, so does this.
  double patience_factor = 4;
  Duration patience_min = milliseconds(100);
  Duration patience_usual = milliseconds(500);
  // Between two pieces of a stream from an engine that is left alone: others were in vain there too.
  Duration stall_max = seconds(2);
  http::ClientTimeouts timeouts{.connect = seconds(1), .first_byte = seconds(60), .between_bytes = seconds(30)};
  Duration stream_duration_max = minutes(30);  // the longest contexts at the slowest decode take some ten minutes
  // Bodies of all requests under way: with the copy that is sent, half a gigabyte. Beyond it, requests get a 503.
  size_t body_bytes_in_flight_max = 256 * 1024 * 1024;
  size_t answer_bytes_max = 16 * 1024 * 1024;  // of a whole answer: as the largest request
  // Peers whose `x-forwarded-for` is believed; the last address in it that is not such a peer is the client's.
  std::vector<grid::Prefix> trusted_proxies = {};
  // Decisions kept to be explained, and the last tables kept for them. With live counts of up to `sampled_targets_max`
  // targets each (of models with more, every 64th decision is sampled), 4,096 take at most 12 MB.
  size_t decisions_kept = 4'096;
  size_t tables_kept = 8;
  size_t sampled_targets_max = 128;
  // Output tokens expected of a request that allows as many or does not say: near the mean of chat traffic (Azure 2023
  // conversation trace: 211).
  uint32_t usual_output_tokens = 256;
  // The share of traces begun here that are sampled, [0, 1]; those begun by a client are as its `traceparent` says.
  // Nothing: requests are not traced, and the client's `traceparent` goes to the engine as it is.
  std::optional<double> trace_ratio = std::nullopt;
  // Requests go where this says instead, whatever is planned or promised: to measure what Tandem's choice is worth.
  std::optional<routing::Baseline> baseline = std::nullopt;
};

// Runs on the thread of its io_context; only the methods said to be for any thread may be called from others. It may go
// before the requests it serves; what it was made with must stay until their coroutines are done or dropped.
//
// Every answer with a decision carries `x-tandem-site`, `x-tandem-model` (that served it), `x-tandem-decision`,
// `x-tandem-overhead-us`, `x-tandem-region-source` (header, address or default) and `x-request-id`. Engines are given,
// with the request, only `traceparent`, `tracestate`, `x-request-id` and `x-gateway-inference-objective` of the
// client's headers (with `trace_ratio`, a `traceparent` that names the attempt's span), and the tenant as
// `x-gateway-inference-fairness-id`; emulated ones also `x-tandem-path-rtt-us`, the round trip that they must add since
// there is no network under them.
class Gateway {
 public:
  Gateway(boost::asio::io_context& context, SharedState& shared, http::Client& client, Metrics& metrics,
          const Clock& clock, RecordSink& sink, GatewayOptions options = {});
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Answers any request whose target is under /v1/: chat/completions, completions, embeddings, responses, models;
  // others get a 404 object. Engines need not know responses: they are asked for the chat completion that it comes to.
  boost::asio::awaitable<void> handle(const http::Request& request, http::ResponseWriter& writer);

  // For a shutdown: ends what goes on beside requests, copies for trials and the last bytes of streams; requests under
  // way go on.
  void close();

  // For any thread. The last decisions, the latest first; and one of them explained, while it is kept.
  std::vector<RequestRecord> recent(size_t count_max) const;
  std::optional<DecisionStory> explain_decision(std::string_view id) const;
  std::vector<TrialReport> trials() const;  // of the table in force, as far as this gateway served them

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::gateway
