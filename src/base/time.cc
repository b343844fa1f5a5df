#include "base/time.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <optional>

namespace tandem {
namespace {

using std::chrono::sys_days;

constexpr int64_t kSecond = 1'000'000'000;

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Takes `digits` decimal digits off the front of `text`.
std::optional<int> take_number(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// The fraction after the point, in nanoseconds; digits beyond the ninth are dropped.
std::optional<int64_t> take_fraction_ns(std::string_view& text) {
  int64_t ns = 0;
  int64_t scale = kSecond / 10;
  size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits, scale /= 10)
    ns += scale * (text[digits] - '0');
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return ns;
}

std::optional<int64_t> take_offset_s(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return 0;
  const bool west = !text.empty() && text.front() == '-';
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
  const int64_t offset = *hour * 3600 + *minute * 60;
  return west ? -offset : offset;
}

std::optional<Instant> parse(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day || !(take(text, 'T') || take(text, 't') || take(text, ' '))) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take(text, ':')) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  int64_t fraction_ns = 0;
  if (take(text, '.')) {
    const auto fraction = take_fraction_ns(text);
    if (!fraction) return std::nullopt;
    fraction_ns = *fraction;
  }
  const auto offset_s = take_offset_s(text);
  if (!offset_s || !text.empty()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(unsigned(*month)),
                                         std::chrono::day(unsigned(*day))};
  if (!date.ok() || *year < 1678 || *year > 2261) return std::nullopt;
  const int64_t day_s = int64_t{sys_days(date).time_since_epoch().count()} * 86'400;
  return Instant{(day_s + *hour * 3600 + *minute * 60 + *second - *offset_s) * kSecond + fraction_ns};
}

}  // namespace

std::string format_rfc3339(Instant t) {
  const int64_t total_s = floor_divide(t.ns, kSecond);
  const int64_t days = floor_divide(total_s, 86'400);
  const int64_t in_day_s = total_s - days * 86'400;
  const std::chrono::year_month_day date{sys_days(std::chrono::days(days))};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), in_day_s / 3600, in_day_s / 60 % 60, in_day_s % 60,
                     t.ns - total_s * kSecond);
}

Result<Instant> parse_rfc3339(std::string_view text) {
  if (const auto instant = parse(text)) return *instant;
  return fail(
      ErrorCode::invalid_argument,
      fmt::format("'{}' is not a time; write it as 2026-11-21T08:16:00Z (years 1678 to 2261)", text.substr(0, 64)));
}

Instant SystemClock::now() const {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

Duration SystemClock::monotonic() const {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

}  // namespace tandem
