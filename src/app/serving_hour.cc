#include "app/serving_hour.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace tandem::app {
namespace {

constexpr std::string_view kOthers = "other";
constexpr std::string_view kUnknown = "unknown";  // whose request has no key that is known

int64_t minute_of(Instant time) { return time.ns / minutes(1).ns; }

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

// The entry for `name`; where there are as many as may be, that for all others.
template <class Map>
auto& bounded_entry(Map& map, std::string_view name) {
  if (const auto found = map.find(name); found != map.end()) return found->second;
  return map[std::string(map.size() < ServingHour::kNamesMax ? name : kOthers)];
}

}  // namespace

void TtftClasses::record(Microseconds ttft) {
  const double octaves = std::log2(std::max(ttft.value(), kFirstUs) / kFirstUs);
  const auto last = static_cast<double>(counts_.size() - 1);
  ++counts_[static_cast<size_t>(std::min(octaves * kPerDoubling, last))];
  ++count_;
}

void TtftClasses::merge(const TtftClasses& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
}

std::optional<double> TtftClasses::quantile_ms(double quantile) const {
  if (count_ == 0) return std::nullopt;
  const auto wanted = static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
  uint64_t below = 0;
  size_t i = 0;
  while (i + 1 < counts_.size() && (below += counts_[i]) < wanted) ++i;
  return kFirstUs * 1e-3 * std::exp2((static_cast<double>(i) + 0.5) / kPerDoubling);
}

void ServingHour::Cell::add(const gateway::RequestRecord& record) {
  ++requests;
  // Nothing was promised to who is not known, nor to who asks what cannot be.
  if (!record.tenant.empty() && record.outcome != gateway::Outcome::client_error) ++promised;
  if (record.promise_kept) ++kept;
  if (!record.refused.empty()) {
    ++rejected;
    ++bounded_entry(refusals, record.refused);
  }
  if (record.was_served()) {
    prompt_tokens += record.prompt_tokens;
    output_tokens += record.output_tokens;
    cost_eur += record.cost.value();
  }
  if (record.ttft) ttft.record(*record.ttft);
}

void ServingHour::Cell::merge(const Cell& other) {
  requests += other.requests;
  promised += other.promised;
  kept += other.kept;
  rejected += other.rejected;
  prompt_tokens += other.prompt_tokens;
  output_tokens += other.output_tokens;
  cost_eur += other.cost_eur;
  ttft.merge(other.ttft);
  for (const auto& [code, count] : other.refusals) bounded_entry(refusals, code) += count;
}

Json ServingHour::Cell::json(Duration time) const {
  const auto per_s = [&](uint64_t count) { return static_cast<double>(count) / time.seconds(); };
  return Json::Object{
      {"requests", requests},
      {"requests_per_s", per_s(requests)},
      {"goodput_fraction", promised > 0 ? Json(static_cast<double>(kept) / static_cast<double>(promised)) : Json()},
      {"ttft_p50_ms", or_null(ttft.quantile_ms(0.5))},
      {"ttft_p95_ms", or_null(ttft.quantile_ms(0.95))},
      {"prompt_tokens_per_s", per_s(prompt_tokens)},
      {"output_tokens_per_s", per_s(output_tokens)},
      {"cost_eur", cost_eur},
      {"rejected", rejected}};
}

ServingHour::Cell& ServingHour::cell_of(Cells& cells, const std::string& name) { return bounded_entry(cells, name); }

void ServingHour::add(const gateway::RequestRecord& record, Instant now) {
  const int64_t number = minute_of(now);
  if (minutes_.empty() || minutes_.back().number < number) minutes_.emplace_back().number = number;
  while (minutes_.front().number <= number - kMinutes) minutes_.pop_front();
  Minute& minute = minutes_.back();
  minute.total.add(record);
  if (!record.site.empty()) cell_of(minute.sites, record.site).add(record);
  cell_of(minute.tenants, record.tenant.empty() ? std::string(kUnknown) : record.tenant).add(record);
}

Json ServingHour::list(const Cells& cells, const char* key, Duration time) {
  std::vector<std::pair<std::string_view, const Cell*>> order;
  for (const auto& [name, cell] : cells) order.emplace_back(name, &cell);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second->requests > b.second->requests; });
  Json::Array rows;
  for (const auto& [name, cell] : order) {
    Json::Object row = cell->json(time).object();
    row[key] = name;
    rows.push_back(std::move(row));
  }
  return rows;
}

Json ServingHour::view(const api::ServingQuestion& question, Instant now) const {
  const int64_t last = minute_of(now);
  const int64_t oldest = last - std::clamp<int64_t>(question.minutes, 1, kMinutes) + 1;
  const int64_t first = std::clamp(minute_of(begun_), oldest, last);
  const Instant from = std::min(std::max(Instant{first * minutes(1).ns}, begun_), now);
  const Cell none;
  // The cell asked for, of a minute.
  const auto asked_of = [&](const Minute& minute) -> const Cell& {
    const bool by_site = !question.site.empty();
    if (!by_site && question.tenant.empty()) return minute.total;
    const Cells& cells = by_site ? minute.sites : minute.tenants;
    const auto found = cells.find(by_site ? question.site : question.tenant);
    return found == cells.end() ? none : found->second;
  };
  Cell total;
  Cells sites, tenants;
  Json::Array series;
  auto minute = std::find_if(minutes_.begin(), minutes_.end(), [&](const Minute& m) { return m.number >= first; });
  for (int64_t number = first; number <= last; ++number) {
    const Instant at{number * minutes(1).ns};
    const bool here = minute != minutes_.end() && minute->number == number;
    const Cell& asked = here ? asked_of(*minute) : none;
    // Of the first and of the open one, the part that is known.
    const Duration time = std::max(std::min(now, at + minutes(1)) - std::max(at, from), seconds(1));
    Json::Object row = asked.json(time).object();
    row["at"] = format_rfc3339(at);
    series.push_back(std::move(row));
    total.merge(asked);
    if (!here) continue;
    for (const auto& [name, cell] : minute->sites) cell_of(sites, name).merge(cell);
    for (const auto& [name, cell] : minute->tenants) cell_of(tenants, name).merge(cell);
    ++minute;
  }
  const Duration span = std::max(now - from, seconds(1));
  Json::Array rejections;
  for (const auto& [code, requests] : total.refusals)
    rejections.push_back(Json::Object{{"code", code}, {"requests", requests}});
  return Json::Object{{"from", format_rfc3339(from)},       {"to", format_rfc3339(now)},
                      {"total", total.json(span)},          {"minutes", std::move(series)},
                      {"sites", list(sites, "site", span)}, {"tenants", list(tenants, "tenant", span)},
                      {"rejections", std::move(rejections)}};
}

}  // namespace tandem::app
