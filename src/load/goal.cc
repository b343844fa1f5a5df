#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "load/load.h"

namespace tandem::load {
namespace {

using Value = std::optional<double>;

struct Figure {
  std::string_view name;
  bool at_least;  // the goal is a floor; else a ceiling
  bool is_share;  // [0, 1]
  Value (*of)(const LoadReport&);
};

Value share_of_requests(const LoadReport& report, uint64_t part) {
  if (report.requests == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(report.requests);
}

template <Histogram LoadReport::*times_us, int percent>
Value time_ms(const LoadReport& report) {
  if ((report.*times_us).count() == 0) return std::nullopt;
  return static_cast<double>((report.*times_us).percentile(percent / 100.0)) * 1e-3;
}

constexpr auto kTtft = &LoadReport::ttft_us;
constexpr auto kTpot = &LoadReport::tpot_us;
constexpr auto kWhole = &LoadReport::whole_us;

constexpr std::array<Figure, 18> kFigures{{
    {"goodput", true, true, [](const LoadReport& r) { return share_of_requests(r, r.good); }},
    {"ok", true, true, [](const LoadReport& r) { return share_of_requests(r, r.ok); }},
    {"goodput_per_s", true, false, [](const LoadReport& r) { return Value(r.goodput_per_s()); }},
    {"output_tokens_per_s", true, false, [](const LoadReport& r) { return Value(r.output_tokens_per_s()); }},
    {"rejected", false, true, [](const LoadReport& r) { return share_of_requests(r, r.rejected); }},
    {"failed", false, true, [](const LoadReport& r) { return share_of_requests(r, r.failed); }},
    {"ttft_ms_p50", false, false, time_ms<kTtft, 50>},
    {"ttft_ms_p90", false, false, time_ms<kTtft, 90>},
    {"ttft_ms_p95", false, false, time_ms<kTtft, 95>},
    {"ttft_ms_p99", false, false, time_ms<kTtft, 99>},
    {"tpot_ms_p50", false, false, time_ms<kTpot, 50>},
    {"tpot_ms_p90", false, false, time_ms<kTpot, 90>},
    {"tpot_ms_p95", false, false, time_ms<kTpot, 95>},
    {"tpot_ms_p99", false, false, time_ms<kTpot, 99>},
    {"whole_ms_p50", false, false, time_ms<kWhole, 50>},
    {"whole_ms_p90", false, false, time_ms<kWhole, 90>},
    {"whole_ms_p95", false, false, time_ms<kWhole, 95>},
    {"whole_ms_p99", false, false, time_ms<kWhole, 99>},
}};

std::string names() {
  std::string all;
  for (const Figure& figure : kFigures) all += (all.empty() ? "" : ", ") + std::string(figure.name);
  return all;
}

}  // namespace

Result<Goal> parse_goal(std::string_view text) {
  const size_t equals = text.find('=');
  const auto bound = equals == std::string_view::npos ? std::nullopt : parse_number(trim(text.substr(equals + 1)));
  const std::string_view name = trim(text.substr(0, equals));
  const auto found = std::ranges::find(kFigures, name, &Figure::name);
  if (found == kFigures.end())
    return fail(ErrorCode::invalid_argument, fmt::format("no figure '{}' to expect; one of {}", name, names()));
  if (!bound || *bound < 0)
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("'{}' must be a figure and a number of 0 or more, as goodput=0.99 or ttft_ms_p95=400", text));
  if (found->is_share && *bound > 1)
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}': {} is a share of the requests, from 0 to 1, as {}=0.99", text, name, name));
  return Goal{std::string(name), *bound, found->at_least};
}

Goal::Verdict Goal::judge(const LoadReport& report) const {
  const auto found = std::ranges::find(kFigures, figure, &Figure::name);
  Verdict verdict;
  if (found != kFigures.end()) verdict.value = found->of(report);
  verdict.met = verdict.value && (at_least ? *verdict.value >= bound : *verdict.value <= bound);
  return verdict;
}

}  // namespace tandem::load
