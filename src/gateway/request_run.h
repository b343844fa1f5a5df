// One completion request from its arrival to its record: checked, decided, tried at up to a few engines, answered.
// docs/LIFE_OF_A_REQUEST.md tells it in order. Internal.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/api_error.h"
#include "gateway/engine_turn.h"
#include "gateway/gateway_core.h"
#include "gateway/hedge.h"
#include "gateway/openai_reply.h"
#include "gateway/openai_request.h"
#include "gateway/request_headers.h"
#include "gateway/responses_reply.h"
#include "gateway/responses_request.h"

namespace tandem::gateway {

class RequestRun {
 public:
  static boost::asio::awaitable<void> run(std::shared_ptr<GatewayCore> core, Surface surface,
                                          const http::Request& request, http::ResponseWriter& writer);

  ~RequestRun();
  RequestRun(const RequestRun&) = delete;
  RequestRun& operator=(const RequestRun&) = delete;

 private:
  static constexpr int kClientLeft = 499;  // nginx's word for it; nobody reads it on the wire

  RequestRun(std::shared_ptr<GatewayCore> core, Surface surface, const http::Request& request,
             http::ResponseWriter& writer);

  using Turn = EngineTurn;
  // What a race has read of its winner's stream: up to the first token, or the error in its place.
  struct Lead {
    StreamReader reader;
    StreamReader::Step step;
  };
  // Nothing: the client has its answer, or has left. An error: nothing was sent to it and another engine may be tried.
  using TurnEnd = std::optional<ApiError>;

  void begin_trace();
  void begin_attempt(const routing::Target& target);
  void end_attempt();
  AttemptSpan& attempt() { return trace_->attempts[attempt_]; }  // under way; where it is traced
  void end_race(bool second_won);
  void add_trace(http::Headers& headers) const;  // for the engine whose turn it is
  Checked<std::monostate> prepare();
  Checked<CompletionRequest> read_body();
  Checked<CompletionRequest> read_completion(Surface surface, std::string_view body);
  Checked<std::monostate> take_request();
  Checked<std::monostate> take_tokens();
  void settle_limits();
  Checked<std::monostate> find_model();
  Checked<std::monostate> find_promise();
  void join();
  bool may_try_another(uint32_t failed);
  routing::Decision decide();
  // By the policy in force.
  routing::Decision weigh(const routing::RequestFacts& facts, const std::vector<uint32_t>& excluded) const;
  uint64_t group_of(uint32_t model) const;
  uint64_t group_of(const routing::Decision& decision) const;
  void note(const routing::Decision& decision);
  void begin_turn(const routing::Decision& decision);
  void note_prefix(const routing::Decision& decision);
  // Waits in line for a target with room: begins the turn there and tells it, or why there will be none.
  // `has_room`: it would start at once, but others wait for the same model and may come first.
  boost::asio::awaitable<Checked<uint32_t>> wait_for_room(bool has_room);
  Checked<Duration> time_to_wait(bool has_room) const;
  std::optional<Duration> time_at_engine() const;
  const grid::Promise& usual_promise() const;
  void charge_service();
  void keep_seen();
  ApiError rejection(const routing::Decision& decision) const;

  boost::asio::awaitable<TurnEnd> take_turn(uint32_t target);  // that `begin_turn` began
  // How long the first sign of the target that was decided for is waited for.
  Duration patience(const routing::Decision& decision) const;
  std::unique_ptr<Turn> turn_at(const routing::Decision& decision);
  Surface engine_surface() const { return responses_ ? Surface::chat_completions : surface_; }
  bool lacks_surface() const;
  bool counts_prefill(const routing::Target& target, double tokens) const;
  Duration reading(const routing::Decision& decision) const;
  double first_sign_ms(uint32_t target) const;
  double prefill_ms(const routing::Target& target) const;
  std::optional<double> tokens_to_sign() const;
  std::optional<Duration> promised_sign() const;
  // Until `silence_.stop()`; `abandon` ends what waits for the engine.
  void watch_engine(Turn& turn, std::function<void()> abandon);
  void on_silence();
  bool is_stalled();
  bool may_go_elsewhere();
  double pace_of_others(uint32_t target) const;
  bool has_another(uint32_t target) const;
  boost::asio::awaitable<TurnEnd> take_hedged_turn(uint32_t target, double quantile);
  Duration hedge_delay(uint32_t target, double quantile) const;
  // Another engine for the same model, where one has room and the budget lets it.
  std::optional<routing::Decision> second_engine(uint32_t target);
  void enter(Race& race, uint32_t target, std::unique_ptr<Turn> turn);
  const routing::Leg& leg_to(const routing::Target& target) const;
  void note_target(uint32_t target);
  void enter_trials();
  void leave_canary();
  void fail_canary();
  void start_shadows();
  void note_trials(const RequestRecord& record);
  // `lends`: what it lends of this request stays for as long as it needs.
  http::ClientRequest request_for(const routing::Target& target, bool lends = false) const;
  boost::asio::awaitable<TurnEnd> answer(Turn& turn, http::Exchange& exchange);
  boost::asio::awaitable<TurnEnd> answer_failure(Turn& turn, http::Exchange& exchange);
  boost::asio::awaitable<TurnEnd> answer_refusal(Turn& turn, http::Exchange& exchange);
  boost::asio::awaitable<TurnEnd> answer_whole(Turn& turn, http::Exchange& exchange);
  boost::asio::awaitable<TurnEnd> answer_stream(Turn& turn, http::Exchange& exchange);
  boost::asio::awaitable<StreamReader::Step> read_step(http::Exchange& exchange, StreamReader& reader);
  Result<void> shape(StreamReader::Step& step);
  std::optional<Result<void>> forward(std::string_view events);
  void note_sent(const StreamReader::Step& step);
  void note_lateness();
  boost::asio::awaitable<TurnEnd> break_off(Turn& turn, Error error);
  boost::asio::awaitable<TurnEnd> end_stream(Turn& turn, const StreamReader& reader, StreamReader::Step held);
  boost::asio::awaitable<void> answer_error(Outcome outcome, ApiError error);
  TurnEnd fail_turn(Turn& turn, Error error);
  TurnEnd leave(Turn& turn);
  TurnEnd leave();

  http::Headers answer_headers(std::string_view content_type);
  http::Headers stream_headers();
  void note_usage(const std::optional<Usage>& usage, uint64_t output_tokens_seen);
  Usage usage() const;  // as noted
  ResponsesReply& responses_reply();
  Duration look();  // at the clock: `looked_at_` is now
  Microseconds elapsed() const { return microseconds_of(looked_at_ - arrived_); }
  void conclude(RequestRecord& record) const;
  void keep_decision(Outcome outcome);
  SharedRecord ended_record();
  void finish();

  const std::shared_ptr<GatewayCore> held_;  // a request may outlive its gateway: until its coroutine is dropped
  GatewayCore& core_;
  const Surface surface_;
  const http::Request& request_;
  http::ResponseWriter& writer_;
  const Duration arrived_;
  Duration looked_at_ = arrived_;  // the clock, last: each look is 25 ns or more
  std::shared_ptr<const BoundTable> bound_;
  CompletionRequest completion_;
  std::optional<ResponsesRequest> responses_;  // where that was asked: what the engine gets is its chat completion
  std::optional<ResponsesReply> responses_reply_;
  std::optional<TraceContext> span_;     // the request's own; nothing where requests are not traced
  std::shared_ptr<RequestTrace> trace_;  // the record's; null: not sampled
  size_t attempt_ = 0;                   // in it, that is under way
  RegionSource region_source_ = RegionSource::header;
  std::optional<uint64_t> kept_at_;  // in the ring
  Duration concluded_at_;            // the record, when it was kept
  bool is_lost_ = false;             // its answer: the client left before the last bytes of it
  TenantMeter* meter_ = nullptr;     // null: the tenant has no limits
  uint64_t tokens_taken_ = 0;        // of the tenant's limit, until the answer tells how many it were
  std::optional<RateMeter::Standing> requests_standing_, tokens_standing_;
  const std::shared_ptr<KeptRequest> kept_ = core_.ring.begin();
  // This run's alone until they are kept.
  RequestRecord& record_ = kept_->record;
  KeptDecision& decision_ = kept_->decision;
  routing::RequestFacts& facts_ = decision_.facts;
  bool is_decided_ = false;
  std::vector<routing::PrefixPoint> prefix_;     // of its prompt; of a short one none
  routing::RequestFacts asked_facts_;            // without what a canary changes; where the grid has trials
  TrialParts trials_;                            // of bound_'s table
  std::vector<const routing::Trial*> compared_;  // whose shadow was sent a copy, or would have been
  std::vector<uint32_t> excluded_;
  double draw_ = 0;
  std::unique_ptr<Turn>
      turn_;  // dropped where the coroutine ends or is dropped; the engine's count is right either way
  std::optional<http::Cancellation> sending_;  // of the turn, where one engine is asked
  std::optional<Lead> lead_;
  SilenceWatch::Entry silence_{[this] { on_silence(); }};
  Turn* watched_ = nullptr;  // whose silence that is
  std::function<void()> abandon_;
  bool has_second_ = false;   // engine, that runs on where the watched one is given up
  bool retry_taken_ = false;  // from the budget, for the next attempt
  FairQueue::Waiting waiting_;
  bool charged_ = false;            // its tenant, for what it is expected to be
  std::optional<uint32_t> target_;  // of the last attempt
  Duration waited_;                 // for engines, up to the answer's first byte
  size_t bytes_down_ = 0;
  std::optional<Microseconds> first_token_at_;  // since arrival
  Microseconds last_token_at_;
};

}  // namespace tandem::gateway
