// How a request is traced.
#include <fmt/format.h>

#include <algorithm>

#include "gateway/request_run.h"

namespace tandem::gateway {
namespace {

uint64_t next_id(Random& random) {
  uint64_t id = 0;
  while (id == 0) id = uint64_t{random.next()} << 32 | random.next();
  return id;
}

TraceId next_trace_id(Random& random) {
  TraceId id;
  for (size_t half = 0; half < 2; ++half) {
    const uint64_t bits = next_id(random);
    for (size_t i = 0; i < 8; ++i) id.bytes[half * 8 + i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  }
  return id;
}

}  // namespace

// A client's trace goes on as the client has it; one that begins here is sampled by the ratio.
void RequestRun::begin_trace() {
  const auto header = request_.headers.find("traceparent");
  const std::optional<TraceContext> parent = header ? read_traceparent(*header) : std::nullopt;
  if (parent) record_.trace_id = parent->trace_id;
  if (!core_.options.trace_ratio) return;
  span_.emplace();
  span_->trace_id = parent ? parent->trace_id : next_trace_id(core_.trace_ids);
  span_->span_id = next_id(core_.trace_ids);
  span_->sampled = parent ? parent->sampled : is_sampled(span_->trace_id, *core_.options.trace_ratio);
  record_.trace_id = span_->trace_id;
  if (!span_->sampled) return;
  trace_ = std::make_shared<RequestTrace>();
  trace_->context = *span_;
  trace_->parent_span_id = parent ? parent->span_id : 0;
  record_.trace = trace_;
}

void RequestRun::begin_attempt(const routing::Target& target) {
  if (!trace_) return;
  trace_->output_tokens_max = completion_.output_tokens_max;
  AttemptSpan attempt;
  attempt.span_id = next_id(core_.trace_ids);
  attempt.began = record_.at + (core_.clock.monotonic() - arrived_);
  attempt.deployment = target.deployment;
  attempt.site = target.site;
  attempt.host = target.host;
  attempt.port = target.port;
  trace_->attempts.push_back(std::move(attempt));
  attempt_ = trace_->attempts.size() - 1;
}

void RequestRun::end_attempt() {
  if (!trace_) return;
  AttemptSpan& attempt = this->attempt();
  attempt.took = record_.at + (core_.clock.monotonic() - arrived_) - attempt.began;
  if (attempt.error_type.empty() && attempt.status >= 400) attempt.error_type = fmt::format("{}", attempt.status);
  const bool cancelled = is_lost_ || record_.outcome == Outcome::cancelled;
  if (attempt.error_type.empty() && cancelled) attempt.error_type = "cancelled";
}

// The two attempts of a race are one after the other in the list; the one that is not `won` is over.
void RequestRun::end_race(bool second_won) {
  if (!trace_) return;
  const size_t second = trace_->attempts.size() - 1;
  attempt_ = second_won ? second - 1 : second;
  attempt().error_type = "cancelled";
  end_attempt();
  attempt_ = second_won ? second : second - 1;
}

void RequestRun::add_trace(http::Headers& headers) const {
  const auto parent = request_.headers.find("traceparent");
  if (span_) {
    TraceContext attempt = *span_;
    if (trace_) attempt.span_id = trace_->attempts[attempt_].span_id;
    headers.add("traceparent", to_traceparent(attempt));
  } else if (parent) {
    headers.add("traceparent", *parent);
  }
  // Its trace's own; one that begins here has none.
  const bool goes_on = !span_ || (parent && read_traceparent(*parent));
  if (const auto state = request_.headers.find("tracestate"); state && goes_on) headers.add("tracestate", *state);
}

}  // namespace tandem::gateway
