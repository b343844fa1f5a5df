#include "gateway/trial_report.h"

#include <algorithm>
#include <tuple>

#include "gateway/trial_comparison.h"

namespace tandem::gateway {
namespace {

Json quantiles_ms(const Histogram& times_us) {
  if (times_us.count() == 0) return {};
  return Json::Object{{"p50", static_cast<double>(times_us.percentile(0.5)) * 1e-3},
                      {"p95", static_cast<double>(times_us.percentile(0.95)) * 1e-3},
                      {"mean", times_us.mean() * 1e-3}};
}

Json to_json(const TrialTally& tally) {
  const auto per_answer = [&](double sum) {
    return tally.ok == 0 ? Json() : Json(sum / static_cast<double>(tally.ok));
  };
  return Json::Object{{"requests", tally.requests},
                      {"ok", tally.ok},
                      {"failed", tally.failed},
                      {"dropped", tally.dropped},
                      {"ttft_ms", quantiles_ms(tally.ttft_us)},
                      {"tpot_ms", quantiles_ms(tally.tpot_us)},
                      {"prompt_tokens", tally.prompt_tokens},
                      {"output_tokens", tally.output_tokens},
                      {"output_tokens_per_answer", per_answer(static_cast<double>(tally.output_tokens))},
                      {"cost_eur", tally.cost.value()},
                      {"eur_per_answer", per_answer(tally.cost.value())}};
}

}  // namespace

std::string_view to_string(TrialSide side) { return side == TrialSide::base ? "base" : "candidate"; }

void TrialTally::add(const TrialSample& sample) {
  ++requests;
  dropped += sample.dropped;
  failed += !sample.ok && !sample.dropped;
  if (!sample.ok) return;
  ++ok;
  prompt_tokens += sample.prompt_tokens;
  output_tokens += sample.output_tokens;
  cost = cost + sample.cost;
  output_tokens_squared += static_cast<double>(sample.output_tokens) * static_cast<double>(sample.output_tokens);
  cost_eur_squared += sample.cost.value() * sample.cost.value();
  if (sample.ttft) ttft_us.record(static_cast<uint64_t>(sample.ttft->value()));
  if (sample.tpot) tpot_us.record(static_cast<uint64_t>(sample.tpot->value()));
}

void TrialTally::add(const TrialTally& other) {
  requests += other.requests;
  ok += other.ok;
  failed += other.failed;
  dropped += other.dropped;
  prompt_tokens += other.prompt_tokens;
  output_tokens += other.output_tokens;
  cost = cost + other.cost;
  output_tokens_squared += other.output_tokens_squared;
  cost_eur_squared += other.cost_eur_squared;
  ttft_us.merge(other.ttft_us);
  tpot_us.merge(other.tpot_us);
}

std::vector<TrialReport> added_up(const std::vector<TrialReport>& reports) {
  const auto what = [](const TrialReport& report) {
    return std::tie(report.id, report.mode, report.model, report.to_model, report.to_site);
  };
  std::vector<TrialReport> sums;
  for (const TrialReport& report : reports) {
    const auto sum =
        std::find_if(sums.begin(), sums.end(), [&](const auto& each) { return what(each) == what(report); });
    if (sum == sums.end()) {
      sums.push_back(report);
      continue;
    }
    sum->base.add(report.base);
    sum->candidate.add(report.candidate);
  }
  return sums;
}

Json to_json(const TrialReport& report) {
  Json::Array comparison;
  for (const TrialDifference& difference : compare(report)) comparison.push_back(to_json(difference));
  return Json::Object{{"id", report.id},
                      {"mode", report.mode == grid::TrialMode::canary ? "canary" : "shadow"},
                      {"model", report.model},
                      {"to_model", report.to_model},
                      {"to_site", report.to_site},
                      {"share_fraction", report.share_fraction},
                      {"base", to_json(report.base)},
                      {"candidate", to_json(report.candidate)},
                      {"comparison", std::move(comparison)}};
}

}  // namespace tandem::gateway
