#include "gateway/record.h"

#include "base/check.h"

namespace tandem::gateway {
namespace {

Json optional_us(const std::optional<Microseconds>& value) { return value ? Json(value->value()) : Json(); }

Json to_json(const std::optional<HedgeRecord>& hedge) {
  if (!hedge) return {};
  return Json::Object{{"first", hedge->first},
                      {"second", hedge->second},
                      {"after_us", hedge->after.value()},
                      {"won", hedge->second_won ? "second" : "first"}};
}

Json to_json(const std::vector<TrialPart>& trials) {
  Json::Array parts;
  for (const TrialPart& part : trials) parts.push_back(Json::Object{{"id", part.id}, {"side", to_string(part.side)}});
  return parts;
}

Json to_json(const routing::CandidateVerdict& verdict, const routing::RoutingTable& table) {
  const routing::Target& target = table.targets()[verdict.target];
  return Json::Object{{"deployment", target.deployment},
                      {"model", table.rows().models[target.model]},
                      {"site", target.site},
                      {"pool", target.pool},
                      {"chosen", verdict.chosen},
                      {"gate", routing::to_string(verdict.gate)},
                      {"round_trip_us", verdict.round_trip.value()},
                      {"predicted_ttft_us", verdict.predicted_ttft.value()},
                      {"cached_tokens", uint64_t{verdict.cached_tokens}},
                      {"cost_euros", verdict.euros},
                      {"plan_fraction", verdict.plan_fraction}};
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok: return "ok";
    case Outcome::client_error: return "client_error";
    case Outcome::rejected: return "rejected";
    case Outcome::upstream_error: return "upstream_error";
    case Outcome::cut: return "cut";
    case Outcome::cancelled: return "cancelled";
  }
  CHECK(false);
}

Json to_json(const RequestRecord& record) {
  return Json::Object{{"id", record.id},
                      {"request_id", record.request_id},
                      {"at", format_rfc3339(record.at)},
                      {"offset", record.offset},
                      {"tenant", record.tenant},
                      {"region", record.region},
                      {"asked_model", record.asked_model},
                      {"model", record.model},
                      {"deployment", record.deployment},
                      {"site", record.site},
                      {"reason", routing::to_string(record.reason)},
                      {"gate", routing::to_string(record.gate)},
                      {"outcome", to_string(record.outcome)},
                      {"refused", record.refused},
                      {"error", record.error},
                      {"status", record.status},
                      {"streamed", record.streamed},
                      {"attempts", record.attempts},
                      {"hedge", to_json(record.hedge)},
                      {"trials", to_json(record.trials)},
                      {"prompt_tokens", record.prompt_tokens},
                      {"output_tokens", record.output_tokens},
                      {"cached_tokens", record.cached_tokens},
                      {"tokens_counted", record.tokens_counted},
                      {"overhead_us", record.overhead.value()},
                      {"queued_us", record.queued.value()},
                      {"duration_us", record.duration.value()},
                      {"predicted_ttft_us", record.predicted_ttft.value()},
                      {"predicted_cached_tokens", uint64_t{record.predicted_cached_tokens}},
                      {"ttft_us", optional_us(record.ttft)},
                      {"tpot_us", optional_us(record.tpot)},
                      {"cost_euros", record.cost.value()},
                      {"energy_j", record.energy_j},
                      {"carbon_g", record.carbon_g},
                      {"promise_ttft_ms", record.promise_ttft.value()},
                      {"promise_tpot_ms", record.promise_tpot.value()},
                      {"promise_kept", record.promise_kept},
                      {"path", record.path},
                      {"request_bytes", record.request_bytes},
                      {"answer_bytes", record.answer_bytes},
                      {"trace_id", to_hex(record.trace_id)}};
}

Json to_json(const DecisionStory& story) {
  Json::Array candidates;
  for (const routing::CandidateVerdict& verdict : story.verdicts) candidates.push_back(to_json(verdict, *story.table));
  return Json::Object{{"request", to_json(story.record)},
                      {"plan", story.table->rows().plan_id},
                      {"live_as_then", story.live_as_then},
                      {"candidates", std::move(candidates)}};
}

}  // namespace tandem::gateway
