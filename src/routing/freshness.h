// How old the table in force is, and what may still be served on it.
#pragma once

#include "base/time.h"
#include "routing/routing.h"

namespace tandem::routing {

struct Freshness {
  Duration age;  // since it was published
  // The core renews a table at half of its validity; at three quarters of it, it has been lost. Everything is served.
  bool overdue = false;
  // After `valid_until`: requests bound to fewer jurisdictions than the grid has are refused, all others are served.
  bool stale = false;
};

inline Freshness freshness(const RoutingTable& table, Instant now) {
  const TableRows& rows = table.rows();
  Freshness result;
  result.age = now - rows.published_at;
  result.stale = now > rows.valid_until;
  const Duration validity = rows.valid_until - rows.published_at;
  result.overdue = result.stale || result.age > Duration{validity.ns / 4 * 3};
  return result;
}

}  // namespace tandem::routing
