// Sends traced requests as OpenTelemetry spans over OTLP/HTTP (protobuf), beside the request path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "gateway/record.h"
#include "http/message.h"

namespace tandem::telemetry {

struct OtlpEndpoint {
  bool is_tls = false;
  http::Endpoint server;
  std::string target;  // "/v1/traces"
  bool operator==(const OtlpEndpoint&) const = default;
};

// "http[s]://host[:port][/path]", as OTEL_EXPORTER_OTLP_ENDPOINT has it: `v1/traces` is added to the path where it does
// not end so; the port is 4318 where it is not said. Errors: invalid_argument with what would be right.
Result<OtlpEndpoint> parse_otlp_endpoint(std::string_view url);

struct SpanExporterOptions {
  OtlpEndpoint endpoint;
  std::string service = "tandem-gateway";  // `service.name`
  std::string instance;                    // `service.instance.id`
  size_t waiting_max = 4'096;              // traced requests of one lane, ~2 MB
  size_t batch_max = 256;                  // requests, some 700 spans or 0.5 MB: well under receivers' 4 MB
  Duration round = seconds(1);             // between looks at what waits
  Duration timeout = seconds(10);          // of one attempt, as the OTLP exporter's specification has it
  int attempts_max = 5;                    // of one batch, then it is dropped
  Duration pause_first = seconds(1);       // after a failure; doubles, or as the receiver's retry-after says
  Duration pause_max = seconds(30);
};

class SpanExporter {
 public:
  SpanExporter(SpanExporterOptions options, Metrics& metrics);
  ~SpanExporter();  // sends what waits while the receiver takes it, for a second at most; the rest is counted as
                    // dropped
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  // For one thread that records. Lanes go with the exporter. Requests that are not sampled cost a look.
  gateway::RecordSink& lane();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::telemetry
