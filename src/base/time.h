// Time is injected: the core is told what time it is, and only `SystemClock` asks the machine.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tandem {

// A point in UTC, in nanoseconds since 1970-01-01T00:00:00Z. Covers 1677 to 2262.
struct Instant {
  int64_t ns = 0;
  constexpr auto operator<=>(const Instant&) const = default;
};

// A length of time in nanoseconds; may be negative.
struct Duration {
  int64_t ns = 0;
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr double seconds() const { return static_cast<double>(ns) * 1e-9; }
};

constexpr Duration nanoseconds(int64_t n) { return {n}; }
constexpr Duration microseconds(int64_t n) { return {n * 1'000}; }
constexpr Duration milliseconds(int64_t n) { return {n * 1'000'000}; }
constexpr Duration seconds(int64_t n) { return {n * 1'000'000'000}; }
constexpr Duration minutes(int64_t n) { return seconds(60 * n); }
constexpr Duration hours(int64_t n) { return seconds(3600 * n); }

constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
constexpr Instant operator-(Instant t, Duration d) { return {t.ns - d.ns}; }
constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
constexpr Duration operator*(Duration d, int64_t n) { return {d.ns * n}; }

// RFC 3339 in UTC with nanoseconds, e.g. "2026-11-21T08:16:00.000000000Z"; parsing takes any number of fraction digits
// and a numeric offset.
std::string format_rfc3339(Instant t);
Result<Instant> parse_rfc3339(std::string_view text);

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;         // may jump when the machine's time is set
  virtual Duration monotonic() const = 0;  // since an arbitrary start; never goes back
};

// The machine's clock. Not for any module down to `control`.
class SystemClock final : public Clock {
 public:
  Instant now() const override;
  Duration monotonic() const override;
};

}  // namespace tandem
