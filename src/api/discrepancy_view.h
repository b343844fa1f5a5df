// Where sources disagree, as the API shows it. Pure functions.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "http/message.h"
#include "inventory/reconcile.h"

namespace tandem::api {

inline constexpr size_t kDiscrepanciesDefault = 100;
inline constexpr size_t kDiscrepanciesMax = 1'000;

// {"discrepancies","found","accepted","offset"}, the youngest first: all, of one entity (`kind` and `id`), about one
// kind or of one type. Errors: invalid_argument, not_found (no such kind; a look back to before the history of what is
// read begins).
Result<Json> discrepancies_view(const inventory::Snapshot& snapshot, Instant now, const http::Request& request);

}  // namespace tandem::api
