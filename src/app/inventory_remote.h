// Rows of a feed taken in by a running grid, over its native API.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "inventory/upsert.h"

namespace tandem::app {

struct RemoteOptions {
  std::string url;  // http://127.0.0.1:8080
  bool dry_run = false;
  inventory::UpsertOptions upsert;  // `full` is said by post_listed
};

// What the grid said of each row it was asked about, in their order.
struct RemoteRow {
  inventory::Outcome outcome = inventory::Outcome::refused;
  std::string id;
  std::vector<inventory::RowProblem> problems;
};

// One request to a running grid, and the JSON of its answer, which may be that of an error. Errors: those of the
// network.
Result<Json> ask_grid(const std::string& url, const std::string& method, const std::string& target,
                      const std::string& body);

inline constexpr size_t kRemoteRowsMax = 2'000;  // of one request, taken in all or none

struct RemoteRows {
  std::vector<RemoteRow> rows;
  std::vector<std::string> notes;
};

// Where an import of this source was begun there, if it has not ended.
Result<std::optional<log::Offset>> find_import(const std::string& source, const RemoteOptions& options);
// Says how far an import is that is sent by several requests; nothing in a dry run.
Result<void> post_mark(const inventory::Row& mark, const RemoteOptions& options);

// Posts rows, at most kRemoteRowsMax of them. Errors: unavailable and others of the network; invalid_argument where the
// grid does not take the request as a whole.
Result<RemoteRows> post_rows(const std::vector<inventory::Row>& rows, const RemoteOptions& options);

// Says that these are all that the source sees of a kind; returns how many it saw before that are unseen now.
Result<size_t> post_listed(const std::string& kind, std::vector<std::string> ids, const RemoteOptions& options);

}  // namespace tandem::app
