// A record of a traced request, for this module's tests.
#pragma once

#include <memory>
#include <string>

#include "gateway/record.h"

namespace tandem::telemetry {

inline gateway::RequestRecord served_record(std::string tenant = "acme") {
  gateway::RequestRecord record;
  record.request_id = "mine-1";
  record.id = "d-1";
  record.at = Instant{seconds(1'000).ns};
  record.tenant = std::move(tenant);
  record.path = "/v1/chat/completions";
  record.model = "small";
  record.region = "north";
  record.site = "ber";
  record.deployment = "a";
  record.reason = routing::Reason::cheapest;
  record.outcome = gateway::Outcome::ok;
  record.status = 200;
  record.streamed = true;
  record.attempts = 2;
  record.prompt_tokens = 7;
  record.output_tokens = 3;
  record.ttft = Microseconds(1'234.4);
  record.duration = Microseconds(5'000);
  record.overhead = Microseconds(41);
  record.request_bytes = 300;
  record.answer_bytes = 900;
  record.error = "unavailable: the engine said \"my prompt\"";
  const gateway::TraceContext context =
      gateway::read_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").value();
  auto trace = std::make_shared<gateway::RequestTrace>();
  trace->context = context;
  trace->parent_span_id = 0x1122334455667788;
  trace->output_tokens_max = 64;
  for (const char* site : {"par", "ber"}) {
    gateway::AttemptSpan attempt;
    attempt.span_id = trace->attempts.size() + 1;
    attempt.began = record.at + milliseconds(1);
    attempt.took = milliseconds(2);
    attempt.site = site;
    attempt.host = "192.0.2.1";
    attempt.port = 8'000;
    attempt.status = trace->attempts.empty() ? 503 : 200;
    attempt.error_type = trace->attempts.empty() ? "503" : "";
    trace->attempts.push_back(std::move(attempt));
  }
  record.trace_id = context.trace_id;
  record.trace = std::move(trace);
  return record;
}

inline gateway::SharedRecord shared_record(std::string tenant = "acme") {
  return std::make_shared<const gateway::RequestRecord>(served_record(std::move(tenant)));
}

}  // namespace tandem::telemetry
