#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "load/load.h"

namespace tandem::load {
namespace {

constexpr std::array<std::pair<const char*, double>, 4> kQuantiles{
    {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}}};
constexpr size_t kSitesShown = 12;  // a screen; the JSON has all

double milliseconds_of(uint64_t microseconds) { return static_cast<double>(microseconds) * 1e-3; }

Json times_json(const Histogram& times_us) {
  Json::Object object{{"mean", times_us.mean() * 1e-3}, {"max", milliseconds_of(times_us.max())}};
  for (const auto& [name, quantile] : kQuantiles) object[name] = milliseconds_of(times_us.percentile(quantile));
  return object;
}

std::string times_row(std::string_view name, const Histogram& times_us) {
  std::string row = fmt::format("  {:<16}{:>10.1f}", name, times_us.mean() * 1e-3);
  for (const auto& quantile : kQuantiles)
    row += fmt::format("{:>10.1f}", milliseconds_of(times_us.percentile(quantile.second)));
  return row + fmt::format("{:>10.1f}\n", milliseconds_of(times_us.max()));
}

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string sites_table(const LoadReport& report) {
  std::vector<std::pair<std::string, SiteShare>> sites(report.sites.begin(), report.sites.end());
  std::stable_sort(sites.begin(), sites.end(),
                   [](const auto& a, const auto& b) { return a.second.requests > b.second.requests; });
  std::string out = fmt::format("\n  {:<28}{:>10}{:>10}{:>14}\n", "site", "requests", "share", "kept promise");
  for (size_t i = 0; i < std::min(sites.size(), kSitesShown); ++i) {
    const auto& [site, counts] = sites[i];
    out += fmt::format("  {:<28}{:>10}{:>9.1f}%{:>13.1f}%\n", site, counts.requests,
                       100 * share(counts.requests, report.ok), 100 * share(counts.good, counts.requests));
  }
  if (sites.size() > kSitesShown) out += fmt::format("  … and {} more\n", sites.size() - kSitesShown);
  return out;
}

}  // namespace

double LoadReport::goodput_fraction() const { return share(good, requests); }
double LoadReport::goodput_per_s() const { return elapsed_s > 0 ? static_cast<double>(good) / elapsed_s : 0; }
double LoadReport::output_tokens_per_s() const {
  return elapsed_s > 0 ? static_cast<double>(output_tokens) / elapsed_s : 0;
}

std::string progress_line(const LoadProgress& p) {
  const uint64_t ended = p.ok + p.rejected + p.failed;
  return fmt::format(
      "{:>5.0f} s  sent {}  under way {}  ok {}  rejected {}  failed {}  kept promise {:.1f} %  {:.0f} tokens/s",
      p.elapsed.seconds(), p.sent, p.outstanding, p.ok, p.rejected, p.failed, 100 * share(p.good, ended),
      p.elapsed.ns > 0 ? static_cast<double>(p.output_tokens) / p.elapsed.seconds() : 0.0);
}

Json to_json_report(const LoadOptions& options, const LoadReport& report) {
  Json::Object reasons, sites;
  for (const auto& [reason, count] : report.reasons) reasons[reason] = count;
  for (const auto& [site, counts] : report.sites)
    sites[site] = Json::Object{
        {"requests", counts.requests}, {"good", counts.good}, {"share", share(counts.requests, report.ok)}};
  Json::Array samples(report.error_samples.begin(), report.error_samples.end());
  Json::Object object{
      {"url", options.url},
      {"seed", options.seed},
      {"elapsed_s", report.elapsed_s},
      {"requests", report.requests},
      {"ok", report.ok},
      {"rejected", report.rejected},
      {"failed", report.failed},
      {"reasons", std::move(reasons)},
      {"good", report.good},
      {"goodput", report.goodput_fraction()},
      {"goodput_per_s", report.goodput_per_s()},
      {"slo", Json::Object{{"ttft_ms", options.slo_ttft.value()}, {"tpot_ms", options.slo_tpot.value()}}},
      {"ttft_ms", times_json(report.ttft_us)},
      {"tpot_ms", times_json(report.tpot_us)},
      {"whole_ms", times_json(report.whole_us)},
      {"prompt_tokens", report.prompt_tokens},
      {"output_tokens", report.output_tokens},
      {"output_tokens_per_s", report.output_tokens_per_s()},
      {"sites", std::move(sites)},
      {"emulated", report.emulated},
      {"send_lag_max_ms", report.send_lag_max.seconds() * 1e3},
      {"outstanding_peak", report.outstanding_peak},
      {"errors", std::move(samples)},
  };
  if (report.cost_eur) {
    object["cost_eur"] = *report.cost_eur;
    object["cost_eur_per_mtok"] =
        *report.cost_eur * 1e6 / static_cast<double>(std::max<uint64_t>(1, report.cost_tokens));
  }
  return object;
}

std::string to_table(const LoadOptions& options, const LoadReport& report) {
  std::string out = fmt::format("\n  {} requests in {:.1f} s: {} ok, {} rejected, {} failed\n", report.requests,
                                report.elapsed_s, report.ok, report.rejected, report.failed);
  out += fmt::format(
      "  goodput {:.2f} % ({:.1f}/s): first token within {:g} ms, then {:g} ms a token{}; a rejection is a miss\n",
      100 * report.goodput_fraction(), report.goodput_per_s(), options.slo_ttft.value(), options.slo_tpot.value(),
      options.send_slo ? "" : " (this command's measure, not the tenant's promise)");
  out += fmt::format("  {} prompt tokens, {} output tokens ({:.0f}/s)\n", report.prompt_tokens, report.output_tokens,
                     report.output_tokens_per_s());
  if (report.cost_eur)
    out += fmt::format("  cost {:.4f} EUR, {:.3f} EUR per million tokens\n", *report.cost_eur,
                       *report.cost_eur * 1e6 / static_cast<double>(std::max<uint64_t>(1, report.cost_tokens)));
  if (report.emulated > 0) out += fmt::format("  {} of the answers came from an emulator\n", report.emulated);
  out +=
      fmt::format("\n  {:<16}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "ms", "mean", "p50", "p90", "p95", "p99", "max");
  out += times_row(options.stream ? "first token" : "first token*", report.ttft_us);
  out += times_row("per token", report.tpot_us);
  out += times_row("whole answer", report.whole_us);
  if (!options.stream) out += "  * of an answer that is not streamed: the whole of it\n";
  if (report.send_lag_max > milliseconds(10))
    out +=
        fmt::format("  the generator was up to {:.1f} ms late in sending; the times count from when it should have\n",
                    report.send_lag_max.seconds() * 1e3);
  if (!report.sites.empty()) out += sites_table(report);
  if (!report.reasons.empty()) out += "\n  not answered\n";
  for (const auto& [reason, count] : report.reasons) out += fmt::format("  {:>10}  {}\n", count, reason);
  for (const std::string& sample : report.error_samples) out += fmt::format("    {}\n", sample);
  return out;
}

}  // namespace tandem::load
