#include "query/as_of.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"

namespace tandem::query {
namespace {

constexpr double kSecondsMax = 9e9;  // ~285 years, so that counting back stays within what Instant covers

// Seconds of a unit by its word, long or short, one or many.
std::optional<double> seconds_of(std::string_view unit) {
  static constexpr std::array<std::pair<std::string_view, double>, 23> kUnits{
      {{"s", 1},           {"sec", 1},          {"second", 1},
       {"seconds", 1},     {"m", 60},           {"min", 60},
       {"minute", 60},     {"minutes", 60},     {"h", 3'600},
       {"hr", 3'600},      {"hour", 3'600},     {"hours", 3'600},
       {"d", 86'400},      {"day", 86'400},     {"days", 86'400},
       {"w", 604'800},     {"wk", 604'800},     {"week", 604'800},
       {"weeks", 604'800}, {"mo", 2'629'746},   {"month", 2'629'746},
       {"y", 31'556'952},  {"year", 31'556'952}}};
  for (const auto& [name, seconds] : kUnits)
    if (iequals(name, unit) || (name.size() > 3 && iequals(std::string(name) + "s", unit))) return seconds;
  return std::nullopt;
}

std::optional<Instant> ago(std::string_view text, Instant now) {
  if (text.size() < 4 || !iequals(text.substr(text.size() - 3), "ago")) return std::nullopt;
  text = trim(text.substr(0, text.size() - 3));
  const size_t end = text.find_first_not_of("0123456789.");
  if (end == std::string_view::npos) return std::nullopt;
  const auto count = parse_number(text.substr(0, end));
  const auto unit = seconds_of(trim(text.substr(end)));
  if (!count || !unit || *count * *unit > kSecondsMax) return std::nullopt;
  return now - Duration{std::llround(*count * *unit * 1e9)};
}

bool ends_with_zone(std::string_view time) {
  return time.ends_with('Z') || time.ends_with('z') || time.find_first_of("+-") != std::string_view::npos;
}

// A date alone, or with a time that may lack seconds or a zone, as RFC 3339 wants it.
std::string completed(std::string_view text) {
  std::string whole(text.substr(0, 10));
  std::string_view time = text.size() > 11 ? text.substr(11) : std::string_view();
  if (time.empty()) return whole + "T00:00:00Z";
  whole += 'T';
  const bool seconds = time.size() > 5 && time[5] == ':';
  whole += time.substr(0, 5);
  whole += seconds ? std::string() : ":00";
  whole += time.substr(std::min<size_t>(5, time.size()));
  return ends_with_zone(time) ? whole : whole + 'Z';
}

}  // namespace

Result<AsOf> parse_as_of(std::string_view text, Instant now) {
  text = trim(text);
  if (const auto offset = parse_integer(text); offset && *offset >= 0) return AsOf(static_cast<log::Offset>(*offset));
  if (const auto instant = ago(text, now)) return AsOf(*instant);
  const bool dated = text.size() == 10 || (text.size() > 11 && (text[10] == 'T' || text[10] == 't' || text[10] == ' '));
  if (dated)
    if (const auto instant = parse_rfc3339(completed(text))) return AsOf(*instant);
  return fail(ErrorCode::invalid_argument,
              fmt::format("'{}' is no point in the past; give an offset of the log (1200), a date or time (2026-11-21, "
                          "2026-11-21T08:30Z) or how long ago (2 h ago)",
                          text.substr(0, 64)));
}

}  // namespace tandem::query
