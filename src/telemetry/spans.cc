#include "telemetry/spans.h"

#include <fmt/format.h>

#include <algorithm>

#include "telemetry/protobuf_writer.h"

namespace tandem::telemetry {
namespace {

using gateway::AttemptSpan;
using gateway::Outcome;
using gateway::RequestRecord;
using gateway::RequestTrace;

// Numbers of trace.proto, common.proto and resource.proto (OTLP 1.x, stable).
enum SpanField : uint32_t {
  kTraceId = 1,
  kSpanId = 2,
  kParentSpanId = 4,
  kName = 5,
  kKind = 6,
  kStart = 7,
  kEnd = 8,
  kAttributes = 9,
  kStatus = 15,
  kFlags = 16
};
constexpr uint64_t kServer = 2, kClient = 3;  // SpanKind
constexpr uint64_t kStatusError = 2;          // Status.StatusCode

std::string span_id_bytes(uint64_t id) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(id >> shift);
  return bytes;
}

// KeyValue{key = 1, value = 2}, AnyValue{string = 1, bool = 2, int = 3, double = 4}.
class Attributes {
 public:
  Attributes(ProtobufWriter& out, uint32_t field) : out_(out), field_(field) {}

  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    ProtobufWriter any;
    any.bytes(1, value);
    add(key, any);
  }
  void count(std::string_view key, uint64_t value) {
    ProtobufWriter any;
    any.varint(3, value);
    add(key, any);
  }
  void real(std::string_view key, double value) {
    ProtobufWriter any;
    any.real(4, value);
    add(key, any);
  }

 private:
  void add(std::string_view key, const ProtobufWriter& any) {
    ProtobufWriter pair;
    pair.bytes(1, key);
    pair.bytes(2, any.data());
    out_.bytes(field_, pair.data());
  }

  ProtobufWriter& out_;
  uint32_t field_;
};

std::string_view operation_of(const RequestRecord& record) {
  if (record.path == "/v1/embeddings") return "embeddings";
  return record.path == "/v1/completions" ? "text_completion" : "chat";
}

void begin_span(ProtobufWriter& span, const RequestRecord& record, uint64_t id, uint64_t parent, uint64_t kind) {
  const auto& trace_id = record.trace->context.trace_id.bytes;
  span.bytes(kTraceId, {reinterpret_cast<const char*>(trace_id.data()), trace_id.size()});
  span.bytes(kSpanId, span_id_bytes(id));
  if (parent != 0) span.bytes(kParentSpanId, span_id_bytes(parent));
  span.bytes(kName, fmt::format("{}{}{}", operation_of(record), record.model.empty() ? "" : " ", record.model));
  span.varint(kKind, kind);
  span.fixed32(kFlags, 1);
}

void set_times(ProtobufWriter& span, Instant began, Duration took) {
  span.fixed64(kStart, static_cast<uint64_t>(began.ns));
  span.fixed64(kEnd, static_cast<uint64_t>((began + took).ns));
}

void add_request(Attributes& attributes, const RequestRecord& record) {
  attributes.text("gen_ai.operation.name", operation_of(record));
  attributes.text("gen_ai.provider.name", "tandem");
  attributes.text("gen_ai.system", "tandem");  // its name until version 1.37 of the conventions
  attributes.text("gen_ai.request.model", record.model);
  if (record.trace->output_tokens_max) attributes.count("gen_ai.request.max_tokens", *record.trace->output_tokens_max);
}

void add_usage(Attributes& attributes, const RequestRecord& record) {
  attributes.text("gen_ai.response.model", record.model);
  attributes.count("gen_ai.usage.input_tokens", record.prompt_tokens);
  attributes.count("gen_ai.usage.output_tokens", record.output_tokens);
  if (record.cached_tokens > 0) attributes.count("gen_ai.usage.cache_read.input_tokens", record.cached_tokens);
}

void set_error(ProtobufWriter& span, std::string_view type) {
  Attributes(span, kAttributes).text("error.type", type);
  ProtobufWriter status;
  status.varint(3, kStatusError);
  span.bytes(kStatus, status.data());
}

std::string server_span(const RequestRecord& record) {
  const RequestTrace& trace = *record.trace;
  ProtobufWriter span;
  begin_span(span, record, trace.context.span_id, trace.parent_span_id, kServer);
  set_times(span, record.at, nanoseconds(static_cast<int64_t>(record.duration.value() * 1e3)));
  Attributes attributes(span, kAttributes);
  add_request(attributes, record);
  if (record.was_served()) add_usage(attributes, record);
  attributes.text("http.request.method", "POST");
  attributes.text("url.path", record.path);
  attributes.count("http.response.status_code", static_cast<uint64_t>(std::max(record.status, 0)));
  attributes.text("tandem.request_id", record.request_id);
  attributes.text("tandem.decision", record.id);
  if (!record.id.empty()) attributes.text("tandem.reason", routing::to_string(record.reason));
  attributes.text("tandem.tenant", record.tenant);
  attributes.text("tandem.region", record.region);
  attributes.text("tandem.site", record.site);
  attributes.text("tandem.deployment", record.deployment);
  attributes.text("tandem.outcome", gateway::to_string(record.outcome));
  attributes.text("tandem.refused", record.refused);
  attributes.real("tandem.overhead_us", record.overhead.value());
  if (record.queued.value() > 0) attributes.real("tandem.queued_us", record.queued.value());
  if (record.ttft) attributes.real("tandem.ttft_us", record.ttft->value());
  // What the client did wrong is no error of a server's span (HTTP conventions).
  if (record.status >= 500 || record.outcome == Outcome::cut)
    set_error(span, record.outcome == Outcome::cut ? std::string("stream_cut") : fmt::format("{}", record.status));
  return span.data();
}

std::string client_span(const RequestRecord& record, const AttemptSpan& attempt, bool last) {
  ProtobufWriter span;
  begin_span(span, record, attempt.span_id, record.trace->context.span_id, kClient);
  set_times(span, attempt.began, attempt.took);
  Attributes attributes(span, kAttributes);
  add_request(attributes, record);
  if (last && record.was_served()) add_usage(attributes, record);
  attributes.text("server.address", attempt.host);
  attributes.count("server.port", attempt.port);
  attributes.text("http.request.method", "POST");
  if (attempt.status != 0) attributes.count("http.response.status_code", static_cast<uint64_t>(attempt.status));
  attributes.text("tandem.site", attempt.site);
  attributes.text("tandem.deployment", attempt.deployment);
  if (!attempt.error_type.empty()) set_error(span, attempt.error_type);
  return span.data();
}

}  // namespace

std::vector<std::string> spans_of(const RequestRecord& record) {
  std::vector<std::string> spans{server_span(record)};
  const auto& attempts = record.trace->attempts;
  for (size_t i = 0; i < attempts.size(); ++i)
    spans.push_back(client_span(record, attempts[i], i + 1 == attempts.size()));
  return spans;
}

std::string export_request(const SpanSource& source, const std::vector<std::string>& spans) {
  ProtobufWriter resource;
  Attributes attributes(resource, 1);
  attributes.text("service.name", source.service);
  attributes.text("service.instance.id", source.instance);
  ProtobufWriter scope;
  scope.bytes(1, "tandem.gateway");
  ProtobufWriter scope_spans;
  scope_spans.bytes(1, scope.data());
  for (const std::string& span : spans) scope_spans.bytes(2, span);
  ProtobufWriter resource_spans;
  resource_spans.bytes(1, resource.data());
  resource_spans.bytes(2, scope_spans.data());
  ProtobufWriter request;
  request.bytes(1, resource_spans.data());
  return request.data();
}

}  // namespace tandem::telemetry
