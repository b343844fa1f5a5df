// What is known of one request when it has ended, and why it went where it went.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "base/units.h"
#include "gateway/trace.h"
#include "gateway/trial_report.h"  // IWYU pragma: export
#include "routing/routing.h"

namespace tandem::gateway {

enum class Outcome : uint8_t {
  ok,              // answered whole, to its last byte
  client_error,    // the request was at fault: malformed, or refused by the engine with a 4xx
  rejected,        // no site may or can serve it
  upstream_error,  // every engine tried failed before the first byte
  cut,             // the engine failed after the first byte; the client was told
  cancelled,       // the client left
};
std::string_view to_string(Outcome outcome);

// Of a stream that a second engine was asked for because the first had sent no token.
struct HedgeRecord {
  std::string first, second;  // deployments
  Microseconds after;         // from the first's turn to the second's
  bool second_won = false;
};

struct TrialPart {
  std::string id;
  TrialSide side = TrialSide::base;
};

// A field that was never known is empty or nothing.
struct RequestRecord {
  std::string request_id;  // the client's own or ours, as its answer's `x-request-id` has it
  std::string id;          // of the decision: `x-tandem-decision`; empty where it was refused before one
  Instant at;              // of arrival
  uint64_t offset = 0;     // of the routing table it was decided on
  std::string tenant;
  std::string region;
  std::string asked_model;  // its id, never an alias
  std::string model;        // that served it, and that its usage is billed to; else the one that was asked
  std::string deployment;   // the last one tried
  std::string site;
  routing::Reason reason = routing::Reason::rejected;
  routing::Gate gate = routing::Gate::none;  // where it was rejected, or the asked model where its fallback served
  Outcome outcome = Outcome::client_error;
  std::string refused;  // the `code` of the error object it was answered with: "rate_limit_exceeded", "capacity", …
  std::string error;    // of the last engine that failed, also where the next one answered
  int status = 0;       // of the answer; 499 where the client left before one
  bool streamed = false;
  uint32_t attempts = 0;  // engines tried
  std::optional<HedgeRecord> hedge;
  std::vector<TrialPart> trials;  // that it is counted for
  uint64_t prompt_tokens = 0;     // the engine's count, else our estimate
  uint64_t output_tokens = 0;     // the engine's count, else the tokens seen
  uint64_t cached_tokens = 0;     // of the prompt's, as the engine counts them
  bool tokens_counted = false;    // by the engine
  Microseconds overhead;          // spent in the gateway itself before the answer's first byte
  Microseconds queued;            // of it: waited here for a full engine
  Microseconds duration;          // from the request's last byte to the answer's last
  Microseconds predicted_ttft;
  uint32_t predicted_cached_tokens = 0;  // of the prompt
  std::optional<Microseconds> ttft;      // streamed answers: to the first token
  std::optional<Microseconds> tpot;      // streamed answers of two tokens and more: mean time from one to the next
  Euros cost;                            // of tokens and transport, at the table's prices; cached tokens cost nothing
  double energy_j = 0;                   // as the table says of the tokens, cooling included
  double carbon_g = 0;                   // of CO2
  Milliseconds promise_ttft;             // 0: none
  Milliseconds promise_tpot;             // 0: none
  // A stream: ok, ttft and tpot within the promise. A whole answer: ok, and there when a stream within the promise
  // would have brought its last token: duration ≤ ttft + tpot × (output tokens − 1).
  bool promise_kept = false;
  std::string path;            // "/v1/chat/completions"
  uint64_t request_bytes = 0;  // of the bodies
  uint64_t answer_bytes = 0;
  TraceId trace_id;                           // the client's, or our own where requests are traced
  std::shared_ptr<const RequestTrace> trace;  // null: not sampled
  // An engine worked for it to some end, so that its tokens count: not where it was refused, or failed at every engine.
  bool was_served() const {
    return attempts > 0 && (outcome == Outcome::ok || outcome == Outcome::cut || outcome == Outcome::cancelled);
  }
};

Json to_json(const RequestRecord& record);

// Of a request that has ended: nothing of it changes any more, and whoever needs it longer keeps it.
using SharedRecord = std::shared_ptr<const RequestRecord>;

// Where records go. Called on the gateway's thread when a request has ended, never with null: it must not block.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void on_request(const SharedRecord& record) = 0;
};

// A decision with all it weighed, the chosen target first, then by cost.
struct DecisionStory {
  RequestRecord record;
  std::shared_ptr<const routing::RoutingTable> table;  // that it was made on
  routing::RequestFacts facts;
  std::vector<routing::CandidateVerdict> verdicts;
  bool live_as_then = true;  // false: the in-flight counts weighed here are those of now, for it was not sampled
};

Json to_json(const DecisionStory& story);

}  // namespace tandem::gateway
