#include "gateway/tenant_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/calendar.h"

namespace tandem::gateway {
namespace {

// As OpenAI writes them: "1s", "6m0s", "120ms".
std::string short_time(Duration time) {
  if (time < seconds(1)) return std::to_string((time.ns + 999'999) / 1'000'000) + "ms";
  if (time < minutes(1)) return fmt::format("{:.3g}s", time.seconds());
  const int64_t whole_s = (time.ns + seconds(1).ns - 1) / seconds(1).ns;
  return fmt::format("{}m{}s", whole_s / 60, whole_s % 60);
}

}  // namespace

Checked<std::monostate> check_budget(const grid::TenantLimits& limits, uint64_t spent_nano_eur,
                                     const std::string& tenant, Instant now) {
  const double budget = limits.budget_per_month.value();
  const double spent = static_cast<double>(spent_nano_eur) * 1e-9;
  if (budget <= 0 || spent < budget) return {};
  const Instant next = begin_of_next_month(now);  // at midnight
  constexpr size_t kDateBytes = std::string_view("2026-12-01").size();
  auto refused = refuse(ErrorCode::quota_exceeded,
                        fmt::format("Tenant '{}' has spent its budget of {:.2f} EUR a month ({:.2f} EUR spent); it "
                                    "begins anew on {} (UTC).",
                                    tenant, budget, spent, format_rfc3339(next).substr(0, kDateBytes)),
                        {}, "insufficient_quota");
  refused.value().retry_after_s = static_cast<int>(std::ceil((next - now).seconds()));
  return refused;
}

tl::unexpected<ApiError> over_limit(const std::string& tenant, const char* what, uint64_t per_minute, uint64_t wanted,
                                    const RateMeter::Standing& standing) {
  ApiError error;
  error.code = ErrorCode::quota_exceeded;
  error.reason = "rate_limit_exceeded";
  if (standing.wait.ns == INT64_MAX) {
    error.message = fmt::format("This request of {} {} is over the limit of tenant '{}', {} a minute.", wanted, what,
                                tenant, per_minute);
  } else {
    error.message = fmt::format(
        "Tenant '{}' has reached its limit of {} {} a minute; {} asked, {} left. Try again in "
        "{:.3f} s.",
        tenant, per_minute, what, wanted, standing.remaining, standing.wait.seconds());
    error.retry_after_s = static_cast<int>(std::ceil(std::max(standing.wait.seconds(), 1e-3)));
  }
  return tl::unexpected(std::move(error));
}

void add_number(http::Headers& headers, http::FieldName name, uint64_t number) {
  std::array<char, 20> digits;
  const char* const end = std::to_chars(digits.begin(), digits.end(), number).ptr;
  headers.add(name, {digits.data(), static_cast<size_t>(end - digits.data())});
}

void add_standing(http::Headers& headers, const LimitHeaders& names, uint64_t per_minute,
                  const RateMeter::Standing& standing) {
  add_number(headers, names.limit, per_minute);
  add_number(headers, names.remaining, standing.remaining);
  headers.add(names.reset, short_time(standing.reset));
}

}  // namespace tandem::gateway
