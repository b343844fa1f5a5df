// Rows of a feed taken in by a running grid, over its native API.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "inventory/upsert.h"

namespace tandem::app {

struct RemoteOptions {
  std::string url;     // http://127.0.0.1:8080
  std::string source;
  bool dry_run = false;
};

// What the grid said of each row it was asked about, in their order.
struct RemoteRow {
  inventory::Outcome outcome = inventory::Outcome::refused;
  std::string id;
  std::vector<inventory::RowProblem> problems;
};

// One request to a running grid, and the JSON of its answer, which may be that of an error. Errors: those of the network.
Result<Json> ask_grid(const std::string& url, const std::string& method, const std::string& target, const std::string& body);

inline constexpr size_t kRemoteRowsMax = 2'000;  // of one request, taken in all or none

// Posts rows, at most kRemoteRowsMax of them. Errors: unavailable and others of the network; invalid_argument where the grid
// does not take the request as a whole.
Result<std::vector<RemoteRow>> post_rows(const std::vector<inventory::Row>& rows, const RemoteOptions& options);

}  // namespace tandem::app
