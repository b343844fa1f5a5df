// Months, as bills and budgets have them.
#pragma once

#include "base/time.h"

namespace tandem {

// Where the calendar month begins that `at` is in, and the one after it, UTC.
Instant begin_of_month(Instant at);
Instant begin_of_next_month(Instant at);

}  // namespace tandem
