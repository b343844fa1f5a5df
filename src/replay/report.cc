#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text_table.h"
#include "replay/replay.h"

namespace tandem::replay {
namespace {

constexpr std::array<std::pair<const char*, double>, 4> kQuantiles{
    {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}}};
constexpr double kSameGoodput = 1e-3;  // closer than this, the cost decides
constexpr size_t kRowsShown = 12;      // a screen; the JSON has all

double fraction(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Json milliseconds_json(const Histogram& times_us) {
  Json::Object object{{"mean", times_us.mean() * 1e-3}, {"max", static_cast<double>(times_us.max()) * 1e-3}};
  for (const auto& [name, quantile] : kQuantiles)
    object[name] = static_cast<double>(times_us.percentile(quantile)) * 1e-3;
  return object;
}

Json::Object tally_json(const Tally& tally) {
  Json::Object object{{"requests", tally.requests},
                      {"served", tally.served},
                      {"good", tally.good},
                      {"late_first_token", tally.late},
                      {"slow_tokens", tally.slow},
                      {"goodput", fraction(tally.good, tally.requests)},
                      {"ttft_ms", milliseconds_json(tally.ttft_us)},
                      {"tpot_ms", milliseconds_json(tally.tpot_us)}};
  if (tally.promise)
    object["promise"] = Json::Object{{"ttft_ms", tally.promise->ttft.value()},
                                     {"tpot_ms", tally.promise->tpot.value()},
                                     {"quantile", tally.promise->quantile}};
  return object;
}

Json tallies_json(const std::map<std::string, Tally>& tallies) {
  Json::Object object;
  for (const auto& [name, tally] : tallies) object[name] = tally_json(tally);
  return object;
}

Json refuted_json(const std::vector<Report::Refuted>& refuted) {
  Json::Array rows;
  for (const Report::Refuted& row : refuted)
    rows.push_back(Json::Object{
        {"demand", row.demand}, {"requests", row.requests}, {"in_time", row.in_time}, {"quantile", row.quantile}});
  return rows;
}

std::string tally_rows(const char* what, const std::map<std::string, Tally>& tallies, size_t width) {
  std::vector<const std::pair<const std::string, Tally>*> rows;
  for (const auto& entry : tallies) rows.push_back(&entry);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto* a, const auto* b) { return a->second.requests > b->second.requests; });
  TextTable table({{what, TextTable::Align::left},
                   {"REQUESTS"},
                   {"GOODPUT"},
                   {"TTFT\nP50 MS"},
                   {"TTFT\nP99 MS"},
                   {"TPOT\nP50 MS"},
                   {"TPOT\nP99 MS"}});
  const auto ms = [](const Histogram& times, double quantile, int decimals) {
    return fmt::format("{:.{}f}", static_cast<double>(times.percentile(quantile)) * 1e-3, decimals);
  };
  for (size_t i = 0; i < std::min(rows.size(), kRowsShown); ++i) {
    const auto& [name, tally] = *rows[i];
    table.add({name, std::to_string(tally.requests), fmt::format("{:.2f}%", 100 * fraction(tally.good, tally.requests)),
               ms(tally.ttft_us, 0.5, 1), ms(tally.ttft_us, 0.99, 1), ms(tally.tpot_us, 0.5, 2),
               ms(tally.tpot_us, 0.99, 2)});
  }
  std::string out = "\n" + table.text(width);
  if (rows.size() > kRowsShown) out += fmt::format("and {} more: --json has them\n", rows.size() - kRowsShown);
  return out;
}

// More goodput first; where it is the same, less cost for a good token.
bool better(const Report& a, const Report& b) {
  if (std::abs(a.goodput() - b.goodput()) > kSameGoodput) return a.goodput() > b.goodput();
  return a.eur_per_million_good_tokens() < b.eur_per_million_good_tokens();
}

const Report* find(const std::vector<Report>& reports, Policy policy) {
  const auto found = std::find_if(reports.begin(), reports.end(), [&](const Report& r) { return r.policy == policy; });
  return found == reports.end() ? nullptr : &*found;
}

}  // namespace

double Report::goodput() const { return fraction(all.good, all.requests); }

double Report::eur_per_million_tokens() const {
  return output_tokens == 0 ? 0 : eur_per_hour() * measured_s / 3600 / static_cast<double>(output_tokens) * 1e6;
}

double Report::eur_per_million_good_tokens() const {
  return good_output_tokens == 0 ? 0
                                 : eur_per_hour() * measured_s / 3600 / static_cast<double>(good_output_tokens) * 1e6;
}

double Report::joules_per_token() const {
  return output_tokens == 0 ? 0 : energy_kwh * 3.6e6 / static_cast<double>(output_tokens);
}

std::string verdict(const std::vector<Report>& reports) {
  if (reports.size() < 2) return {};
  const Report* best = &reports.front();
  for (const Report& report : reports)
    if (better(report, *best)) best = &report;
  std::string text = fmt::format("{} is best: {:.2f} % of requests good, {:.3f} EUR per million good tokens",
                                 to_string(best->policy), 100 * best->goodput(), best->eur_per_million_good_tokens());
  if (best->rate_factor != 1)
    text += fmt::format(" (asked for {:g} times what the plans were made for)", best->rate_factor);
  const Report *centralise = find(reports, Policy::centralise), *tandem = find(reports, Policy::tandem);
  if (centralise != nullptr && tandem != nullptr) {
    if (better(*centralise, *tandem))
      text += "; centralising wins here: core and cloud sites alone serve more in time, or the same for less";
    else
      text += fmt::format("; centralising everything would give {:.2f} % at {:.3f}", 100 * centralise->goodput(),
                          centralise->eur_per_million_good_tokens());
    text += fmt::format(" (the joint plan itself keeps {:.0f} % of its accelerators at core and cloud sites)",
                        100 * fraction(tandem->central_accelerators, tandem->accelerators));
  }
  return text;
}

Json to_json_report(const Report& report) {
  Json::Object object = tally_json(report.all);
  Json::Object rejected;
  for (const auto& [why, count] : report.rejected) rejected[why] = count;
  object["policy"] = to_string(report.policy);
  object["seed"] = report.seed;
  object["rate_factor"] = report.rate_factor;
  object["measured_s"] = report.measured_s;
  object["simulated_requests"] = report.simulated;
  object["rejected"] = std::move(rejected);
  object["unfinished"] = report.unfinished;
  object["demands"] = Json::Object{{"kept", report.demands_kept},
                                   {"broken", report.demands_broken},
                                   {"planned", report.planned_kept},
                                   {"planned_and_kept", report.planned_and_kept},
                                   {"refuted", refuted_json(report.refuted)}};
  object["residency_violations"] = report.residency_violations;
  object["prompt_tokens"] = report.prompt_tokens;
  object["output_tokens"] = report.output_tokens;
  object["cached_tokens"] = report.cached_tokens;
  object["good_output_tokens"] = report.good_output_tokens;
  object["replicas"] = report.replicas;
  object["accelerators"] = report.accelerators;
  object["central_accelerators"] = report.central_accelerators;
  object["moves"] = report.moves;
  object["cost_eur_per_hour"] = Json::Object{{"accelerators", report.accelerators_eur_per_hour},
                                             {"energy", report.energy_eur_per_hour},
                                             {"transport", report.transport_eur_per_hour},
                                             {"total", report.eur_per_hour()}};
  object["cost_eur_per_mtok"] = report.eur_per_million_tokens();
  object["cost_eur_per_good_mtok"] = report.eur_per_million_good_tokens();
  object["joules_per_token"] = report.joules_per_token();
  object["energy_kwh"] = report.energy_kwh;
  object["carbon_kg"] = report.carbon_kg;
  object["worst_link"] = Json::Object{{"link", report.worst_link}, {"utilization", report.worst_link_utilization}};
  object["tenants"] = tallies_json(report.tenants);
  object["sites"] = tallies_json(report.sites);
  return object;
}

std::string to_table(const Report& report, size_t width) {
  std::string out = "\n";
  const auto say = [&](const std::string& sentence) { out += wrapped(sentence, width, 4) + "\n"; };
  say(fmt::format("  {}: {} requests in {:.0f} s, {} served, goodput {:.2f} % (a rejection is a miss)",
                  to_string(report.policy), report.all.requests, report.measured_s, report.all.served,
                  100 * report.goodput()));
  say(fmt::format(
      "  {} demands kept their promise, {} did not; of {} planned whole {} did, {} missed it by more than chance; {} "
      "requests outside their residency",
      report.demands_kept, report.demands_broken, report.planned_kept, report.planned_and_kept, report.refuted.size(),
      report.residency_violations));
  for (size_t i = 0; i < std::min(report.refuted.size(), kRowsShown); ++i) {
    const Report::Refuted& row = report.refuted[i];
    say(fmt::format("    {}: {} of {} in time, {:g} % promised", row.demand, row.in_time, row.requests,
                    100 * row.quantile));
  }
  say(fmt::format(
      "  {:.2f} EUR/h ({:.2f} accelerators, {:.2f} energy, {:.2f} transport): {:.3f} EUR per million tokens, {:.2f} J "
      "a token, {:.1f} kg CO2",
      report.eur_per_hour(), report.accelerators_eur_per_hour, report.energy_eur_per_hour,
      report.transport_eur_per_hour, report.eur_per_million_tokens(), report.joules_per_token(), report.carbon_kg));
  if (!report.worst_link.empty())
    say(fmt::format("  busiest link {}: {:.1f} %", report.worst_link, 100 * report.worst_link_utilization));
  const auto count = [&](uint64_t requests, std::string_view what) {
    out += fmt::format("  {:>10}  {}\n", requests, what);
  };
  count(report.all.late, "served with the first token too late");
  count(report.all.slow, "served with tokens too slow");
  for (const auto& [why, requests] : report.rejected) count(requests, "turned away: " + why);
  if (report.unfinished > 0) count(report.unfinished, "not finished an hour after the last arrival");
  return out + tally_rows("TENANT", report.tenants, width) + tally_rows("SITE", report.sites, width);
}

std::string to_table(const std::vector<Report>& reports, size_t width) {
  TextTable table({{"POLICY", TextTable::Align::left},
                   {"GOODPUT"},
                   {"DEMANDS\nKEPT"},
                   {"EUR/H"},
                   {"EUR PER\nMTOK OK"},
                   {"TTFT\nP95 MS"},
                   {"TPOT\nP95 MS"},
                   {"J PER\nTOKEN"},
                   {"OUT OF\nRESID."},
                   {"BUSY\nLINK"}});
  for (const Report& report : reports)
    table.add({std::string(to_string(report.policy)), fmt::format("{:.2f}%", 100 * report.goodput()),
               fmt::format("{:.1f}%", 100 * fraction(report.demands_kept, report.demands_kept + report.demands_broken)),
               fmt::format("{:.2f}", report.eur_per_hour()),
               fmt::format("{:.3f}", report.eur_per_million_good_tokens()),
               fmt::format("{:.1f}", static_cast<double>(report.all.ttft_us.percentile(0.95)) * 1e-3),
               fmt::format("{:.2f}", static_cast<double>(report.all.tpot_us.percentile(0.95)) * 1e-3),
               fmt::format("{:.2f}", report.joules_per_token()), std::to_string(report.residency_violations),
               fmt::format("{:.1f}%", 100 * report.worst_link_utilization)});
  return table.text(width) + wrapped(verdict(reports), width) + "\n";
}

}  // namespace tandem::replay
