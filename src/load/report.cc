#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text_table.h"
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

std::string times_table(const LoadOptions& options, const LoadReport& report) {
  std::string out =
      fmt::format("\n  {:<16}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "ms", "mean", "p50", "p90", "p95", "p99", "max");
  out += times_row(options.stream ? "first token" : "first token*", report.ttft_us);
  out += times_row("per token", report.tpot_us);
  out += times_row("whole answer", report.whole_us);
  if (!options.stream) out += "  * of an answer that is not streamed: the whole of it\n";
  return out;
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

// The most frequent first.
std::vector<std::pair<std::string, uint64_t>> by_count(const std::map<std::string, uint64_t>& counts) {
  std::vector<std::pair<std::string, uint64_t>> order(counts.begin(), counts.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return order;
}

std::vector<std::string> promises_told(const LoadReport& report) {
  std::vector<std::string> told;
  for (const auto& [promise, answers] : report.promises) {
    const std::string_view who = promise.source == LoadPromise::Source::server ? "as the server promises"
                                 : promise.source == LoadPromise::Source::stated
                                     ? "as asked for"
                                     : "the usual: the server names no promise";
    told.push_back(fmt::format("{} answers by first token within {:g} ms, then {:g} ms a token ({})", answers,
                               promise.ttft_ms, promise.tpot_ms, who));
  }
  return told;
}

std::string goals_table(const LoadReport& report, const std::vector<Goal>& goals) {
  std::string out = goals.empty() ? "" : "\n  expected\n";
  for (const Goal& goal : goals) {
    const Goal::Verdict verdict = goal.judge(report);
    out += fmt::format("  {:>10}  {} {} {:g}: {}\n", verdict.met ? "met" : "MISSED", goal.figure,
                       goal.at_least ? "at least" : "at most", goal.bound,
                       verdict.value ? fmt::format("{:.4g}", *verdict.value) : "there is none");
  }
  return out;
}

}  // namespace

std::string_view to_string(LoadPromise::Source source) {
  switch (source) {
    case LoadPromise::Source::stated: return "stated";
    case LoadPromise::Source::server: return "server";
    case LoadPromise::Source::usual: break;
  }
  return "usual";
}

double LoadReport::goodput_fraction() const { return share(good, requests); }
double LoadReport::goodput_per_s() const { return sending_s > 0 ? static_cast<double>(good) / sending_s : 0; }
double LoadReport::output_tokens_per_s() const {
  return sending_s > 0 ? static_cast<double>(output_tokens) / sending_s : 0;
}

std::string progress_line(const LoadProgress& p) {
  const uint64_t ended = p.ok + p.rejected + p.failed;
  return fmt::format("sent {}, under way {}, ok {}, failed {}, goodput {:.1f} %, {:.0f} tokens/s", p.sent,
                     p.outstanding, p.ok, p.rejected + p.failed, 100 * share(p.good, ended),
                     p.elapsed.ns > 0 ? static_cast<double>(p.output_tokens) / p.elapsed.seconds() : 0.0);
}

Json to_json_report(const LoadOptions& options, const LoadReport& report, const std::vector<Goal>& goals) {
  Json::Object reasons, sites;
  for (const auto& [reason, count] : report.reasons) reasons[reason] = count;
  for (const auto& [site, counts] : report.sites)
    sites[site] = Json::Object{
        {"requests", counts.requests}, {"good", counts.good}, {"share", share(counts.requests, report.ok)}};
  Json::Array errors, promises, expected;
  for (const auto& [error, count] : by_count(report.errors))
    errors.push_back(Json::Object{{"error", error}, {"count", count}});
  for (const auto& [promise, answers] : report.promises)
    promises.push_back(Json::Object{{"ttft_ms", promise.ttft_ms},
                                    {"tpot_ms", promise.tpot_ms},
                                    {"source", to_string(promise.source)},
                                    {"answers", answers}});
  for (const Goal& goal : goals) {
    const Goal::Verdict verdict = goal.judge(report);
    expected.push_back(Json::Object{{"figure", goal.figure},
                                    {goal.at_least ? "at_least" : "at_most", goal.bound},
                                    {"value", verdict.value ? Json(*verdict.value) : Json()},
                                    {"met", verdict.met}});
  }
  Json::Object object{
      {"url", options.url},
      {"seed", options.seed},
      {"sending_s", report.sending_s},
      {"drain_s", report.drain_s},
      {"requests", report.requests},
      {"ok", report.ok},
      {"rejected", report.rejected},
      {"failed", report.failed},
      {"reasons", std::move(reasons)},
      {"good", report.good},
      {"goodput", report.goodput_fraction()},
      {"goodput_per_s", report.goodput_per_s()},
      {"promises", std::move(promises)},
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
      {"errors", std::move(errors)},
      {"expected", std::move(expected)},
  };
  if (report.cost_eur) {
    object["cost_eur"] = *report.cost_eur;
    object["cost_eur_per_mtok"] =
        *report.cost_eur * 1e6 / static_cast<double>(std::max<uint64_t>(1, report.cost_tokens));
  }
  return object;
}

std::string to_table(const LoadOptions& options, const LoadReport& report, const std::vector<Goal>& goals,
                     size_t width) {
  std::string out = "\n";
  const auto say = [&](const std::string& sentence) { out += wrapped(sentence, width, 4) + "\n"; };
  const auto count = [&](uint64_t answers, const std::string& what) {
    out += wrapped(fmt::format("  {:>10}  {}", answers, what), width, 14) + "\n";
  };
  say(fmt::format("  {} requests in {:.1f} s, answers {:.1f} s more: {} ok, {} rejected, {} failed", report.requests,
                  report.sending_s, report.drain_s, report.ok, report.rejected, report.failed));
  say(fmt::format("  goodput {:.2f} % ({:.1f}/s): kept their promise; a rejection is a miss",
                  100 * report.goodput_fraction(), report.goodput_per_s()));
  for (const std::string& promise : promises_told(report)) say("    " + promise);
  say(fmt::format("  {} prompt tokens, {} output tokens ({:.0f}/s)", report.prompt_tokens, report.output_tokens,
                  report.output_tokens_per_s()));
  if (report.cost_eur)
    say(fmt::format("  cost {:.4f} EUR, {:.3f} EUR per million tokens", *report.cost_eur,
                    *report.cost_eur * 1e6 / static_cast<double>(std::max<uint64_t>(1, report.cost_tokens))));
  if (report.emulated > 0) say(fmt::format("  {} of the answers came from an emulator", report.emulated));
  if (report.ok > 0) out += times_table(options, report);
  if (report.send_lag_max > milliseconds(10))
    say(fmt::format("  the generator was up to {:.1f} ms late in sending; the times count from when it should have",
                    report.send_lag_max.seconds() * 1e3));
  if (!report.sites.empty()) out += sites_table(report);
  if (!report.reasons.empty()) out += "\n  not answered\n";
  for (const auto& [reason, answers] : by_count(report.reasons)) count(answers, reason);
  if (!report.errors.empty()) out += "\n  in the server's words\n";
  for (const auto& [error, answers] : by_count(report.errors)) count(answers, error);
  return out + goals_table(report, goals);
}

}  // namespace tandem::load
