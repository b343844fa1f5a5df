// What every driver checks before it stores a batch and after it has read one. Internal to `log`.
#pragma once

#include <string>
#include <string_view>

#include "log/log.h"

namespace tandem::log {

inline constexpr Offset kOffsetMax = static_cast<Offset>(INT64_MAX);  // SQLite's and Kafka's offsets are signed

// Whether a batch may be appended after `head`. Errors: fenced, too_large, conflict, invalid_argument.
Result<void> check_next(const BatchHeader& head, const EncodedBatch& batch);

// Whether `next` continues the chain after `head`; conflict, saying how it does not.
Result<void> check_follows(const BatchHeader& head, const BatchHeader& next);

// Whether a stored header matches its hash and the body, unless it has expired (null), its digest; else corrupt.
Result<void> check_stored(const BatchHeader& header, const std::string_view* body);

}  // namespace tandem::log
