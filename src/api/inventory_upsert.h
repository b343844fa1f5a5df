// Rows of a feed over HTTP: entities found by their external ids, or made.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/inventory_edit.h"
#include "inventory/upsert.h"

namespace tandem::api {

struct UpsertBody {
  inventory::UpsertOptions options;
  std::vector<inventory::Row> rows;
};

// {"source"? | "feed"?, "upsert": true, "standing"?, "observed_at"?, "full"?, "partial"?, "defaults"?,
// "items": [{"kind", "id"?, "name"?, "attributes", "weak"?}]}. What is said is of "api:<source>", or of the feed as it
// is named. Errors: invalid_argument, its context the place in the body; too_large.
Result<UpsertBody> read_upsert(const Json& body);
// That a body has nothing that only an upsert may have. Errors: invalid_argument.
Result<void> check_no_upsert(const Json& body);

// The rows against what is believed, and the events that they come to tried one after the other.
Trial try_upsert(const control::State& state, UpsertBody body, Instant now);

// What a source lists of the entities of one kind in a range of ids, however many there are in all.
struct ListedBody {
  std::string source, actor;
  int64_t observed_at_ns = 0;
  std::vector<std::string> ids;      // ascending
  std::string after;                 // the range begins past it
  std::optional<std::string> up_to;  // and ends with it; nothing: with the last of the kind
};
inline constexpr size_t kListedMax = 10'000;         // ids of one request: 1.3 MB at most
inline constexpr size_t kPresencesReadMax = 50'000;  // entities read for one request: ~50 ms

// {"source"? | "feed"?, "ids": […], "after"?, "up_to"?, "observed_at"?}. Errors: invalid_argument, too_large.
Result<ListedBody> read_listed(const Json& body);
// What the source saw in that range and does not list is unseen: its events, and in `more` how many and, where there
// may be more, the id to go on after.
Trial try_listed(const control::State& state, const std::string& kind, const ListedBody& body);

}  // namespace tandem::api
