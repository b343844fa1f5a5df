// The point in the past that a reader asks for.
#pragma once

#include <string_view>
#include <variant>

#include "base/result.h"
#include "base/time.h"
#include "log/log.h"

namespace tandem::query {

using AsOf = std::variant<log::Offset, Instant>;

// "1200" is an offset of the log; "2026-11-21", "2026-11-21T08:30" and "2026-11-21T08:30:00+01:00" are times, in UTC
// where they name no zone, a date its first instant; "2 h ago", "90 min ago", "3 days ago" count back from `now`.
// Errors: invalid_argument, naming these forms.
Result<AsOf> parse_as_of(std::string_view text, Instant now);

}  // namespace tandem::query
