// What is known of one request for distributed tracing: W3C Trace Context (REC 2021-11-23), in and out, and the spans
// that the gateway adds: one for the request, one for each attempt at an engine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace tandem::gateway {

struct TraceId {
  std::array<uint8_t, 16> bytes{};  // all zero: none
  bool operator==(const TraceId&) const = default;
  explicit operator bool() const { return *this != TraceId{}; }
};
std::string to_hex(const TraceId& id);  // 32 digits; empty for none

// A span of a trace, as `traceparent` names it.
struct TraceContext {
  TraceId trace_id;
  uint64_t span_id = 0;  // never 0
  bool sampled = false;
  bool operator==(const TraceContext&) const = default;
};

// The value of a `traceparent` header; nothing where it is none: then the trace begins anew.
std::optional<TraceContext> read_traceparent(std::string_view value);
std::string to_traceparent(const TraceContext& context);

// Whether a trace that begins here is sampled: a fraction `ratio` ∈ [0, 1] of them, the same ones everywhere, by the
// id's last eight bytes (OpenTelemetry's TraceIdRatioBased).
bool is_sampled(const TraceId& id, double ratio);

// One engine's turn.
struct AttemptSpan {
  uint64_t span_id = 0;
  Instant began;
  Duration took;
  std::string deployment;
  std::string site;
  std::string host;
  uint16_t port = 0;
  int status = 0;          // that the engine answered with; 0: none
  std::string error_type;  // empty: none; a code of ours ("deadline_exceeded") or the status as text
};

struct RequestTrace {
  TraceContext context;         // of the request's own span
  uint64_t parent_span_id = 0;  // the client's; 0: the trace begins here
  std::optional<uint32_t> output_tokens_max;
  std::vector<AttemptSpan> attempts;
};

}  // namespace tandem::gateway
