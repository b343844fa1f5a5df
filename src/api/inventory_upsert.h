// Rows of a feed over HTTP: entities found by their external ids, or made.
#pragma once

#include "api/inventory_edit.h"
#include "inventory/upsert.h"

namespace tandem::api {

struct UpsertBody {
  std::string source;  // "api:<name>"
  std::vector<inventory::Row> rows;
};

// {"source"?, "upsert": true, "items": [{"kind", "id"?, "name"?, "attributes"}]}.
// Errors: invalid_argument, its context the place in the body; too_large.
Result<UpsertBody> read_upsert(const Json& body);

// The rows against what is believed, and the events that they come to tried one after the other.
Trial try_upsert(const control::State& state, UpsertBody body, Instant now);

}  // namespace tandem::api
