#include "gateway/request_metrics.h"

#include <cmath>

namespace tandem::gateway {
namespace {

// From a warm edge engine to a long prompt in a queue.
const std::vector<double> kTtftSeconds{0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30};
const std::vector<double> kOverheadSeconds{10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 5e-3, 20e-3};

constexpr const char* kHedges = "Streams that a second engine was asked for, by who gave the first token";

}  // namespace

RequestMetrics::RequestMetrics(Metrics& metrics)
    : metrics_(metrics),
      failovers_(
          metrics.counter("tandem_gateway_failovers_total", "Requests tried at a further engine after one failed")),
      hedges_won_(metrics.counter("tandem_gateway_hedges_total", kHedges, {{"won", "second"}})),
      hedges_lost_(metrics.counter("tandem_gateway_hedges_total", kHedges, {{"won", "first"}})),
      in_flight_(metrics.gauge("tandem_gateway_requests_in_flight", "Completion requests being answered now")),
      queued_(metrics.gauge("tandem_gateway_requests_queued", "Requests that wait for an engine with room")),
      table_offset_(metrics.gauge("tandem_gateway_table_offset", "Log offset of the routing table in force")),
      overhead_(metrics.histogram("tandem_gateway_overhead_seconds",
                                  "Time spent in the gateway itself before an answer's first byte", {},
                                  kOverheadSeconds)),
      queue_(metrics.histogram("tandem_gateway_queue_seconds", "Time that requests waited for an engine with room", {},
                               kTtftSeconds)) {}

RequestMetrics::Series& RequestMetrics::series_of(const RequestRecord& record) {
  key_.clear();
  for (const std::string* part : {&record.tenant, &record.model, &record.site}) key_.append(*part).push_back('\n');
  key_.push_back(static_cast<char>('0' + static_cast<int>(record.outcome)));
  key_.push_back(record.promise_kept ? '1' : '0');
  if (const auto found = series_.find(key_); found != series_.end()) return found->second;
  if (series_.size() >= kSeriesKept) series_.clear();
  Series series;
  series.requests = &metrics_.counter("tandem_gateway_requests_total", "Completion requests by how they ended",
                                      {{"tenant", record.tenant},
                                       {"model", record.model},
                                       {"site", record.site},
                                       {"outcome", std::string(to_string(record.outcome))}});
  const auto tokens = [&](const char* kind) {
    return &metrics_.counter("tandem_gateway_tokens_total", "Tokens of answered requests",
                             {{"tenant", record.tenant}, {"model", record.model}, {"kind", kind}});
  };
  series.prompt_tokens = tokens("prompt");
  series.output_tokens = tokens("output");
  series.cost = &metrics_.counter("tandem_gateway_cost_microeuros_total", "Cost of requests at the plan's prices",
                                  {{"tenant", record.tenant}, {"model", record.model}});
  if (record.outcome != Outcome::client_error)
    series.promises =
        &metrics_.counter("tandem_gateway_promises_total",
                          "Requests, but for those at fault themselves, by whether their promise was kept",
                          {{"tenant", record.tenant}, {"kept", record.promise_kept ? "true" : "false"}});
  if (!record.site.empty())
    series.ttft = &metrics_.histogram("tandem_gateway_ttft_seconds", "Time to first token of streamed answers",
                                      {{"model", record.model}, {"site", record.site}}, kTtftSeconds);
  return series_.emplace(key_, series).first->second;
}

void RequestMetrics::record(const RequestRecord& record) {
  Series& series = series_of(record);
  series.requests->add();
  if (record.queued.value() > 0) queue_.record(record.queued.value() * 1e-6);
  if (!record.refused.empty()) {
    auto known = refusals_.find(record.refused);
    if (known == refusals_.end())
      known = refusals_
                  .emplace(record.refused, &metrics_.counter("tandem_gateway_refusals_total",
                                                             "Requests answered with an error, by its code",
                                                             {{"code", record.refused}}))
                  .first;
    known->second->add();
  }
  if (record.tenant.empty()) return;  // not known whose it is: nothing more to count
  if (series.promises != nullptr) series.promises->add();
  if (record.attempts > 0) {
    series.prompt_tokens->add(record.prompt_tokens);
    series.output_tokens->add(record.output_tokens);
    series.cost->add(static_cast<uint64_t>(std::llround(record.cost.value() * 1e6)));
    overhead_.record(record.overhead.value() * 1e-6);
  }
  if (record.ttft && series.ttft != nullptr) series.ttft->record(record.ttft->value() * 1e-6);
  if (record.id.empty()) return;  // no decision was made
  Counter*& decisions = decisions_[{record.reason, record.gate}];
  if (decisions == nullptr)
    decisions = &metrics_.counter("tandem_gateway_decisions_total", "Routing decisions by reason and blocking gate",
                                  {{"reason", std::string(routing::to_string(record.reason))},
                                   {"gate", std::string(routing::to_string(record.gate))}});
  decisions->add();
}

}  // namespace tandem::gateway
