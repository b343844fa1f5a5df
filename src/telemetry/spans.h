// A traced request as OpenTelemetry spans: one of kind server, and of kind client for each attempt at an engine, with
// the attributes of the semantic conventions for generative AI (gen_ai.*) and HTTP. Internal.
#pragma once

#include <string>
#include <vector>

#include "gateway/record.h"

namespace tandem::telemetry {

// Encoded `opentelemetry.proto.trace.v1.Span`s. `record.trace` must be there.
std::vector<std::string> spans_of(const gateway::RequestRecord& record);

struct SpanSource {
  std::string service;   // `service.name`
  std::string instance;  // `service.instance.id`
};
// An encoded `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`.
std::string export_request(const SpanSource& source, const std::vector<std::string>& spans);

}  // namespace tandem::telemetry
