#include <fmt/format.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/grid_file_events.h"
#include "app/output.h"
#include "app/personal_keys.h"
#include "app/terminal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "control/control.h"
#include "ingest/ingest.h"
#include "log/log.h"
#include "query/as_of.h"
#include "query/query.h"

namespace tandem::app {
namespace {

Result<inventory::Snapshot> snapshot_of_file(const std::filesystem::path& file) {
  TANDEM_ASSIGN(const std::string bytes, read_file(file, ingest::kGridFileBytesMax));
  const ingest::GridFile parsed = ingest::parse_grid_file(bytes, file.string());
  print_diagnostics(parsed.diagnostics);
  if (has_errors(parsed.diagnostics)) return fail(ErrorCode::invalid_argument, "the grid file has errors");
  inventory::Snapshot snapshot;
  for (const log::Event& event : grid_file_events(parsed.entities, snapshot))
    snapshot.fold(event, snapshot.offset() + 1, {});
  return snapshot;
}

// Nothing for now. An offset is what was believed then, a time what was true then.
Result<inventory::AsOf> point_asked_for(const std::string& as_of, log::Offset last, Instant now) {
  inventory::AsOf point;
  if (as_of.empty()) return point;
  TANDEM_ASSIGN(const query::AsOf asked, query::parse_as_of(as_of, now));
  if (const auto* time = std::get_if<Instant>(&asked)) {
    point.valid = *time;
    return point;
  }
  point.recorded = std::get<log::Offset>(asked);
  if (*point.recorded > last)
    return fail(ErrorCode::not_found, fmt::format("the log ends at offset {}, before {}", last, *point.recorded));
  return point;
}

Result<inventory::Snapshot> snapshot_of_data(const QueryOptions& options, Instant now) {
  log::SqliteLogOptions log_options;
  log_options.directory = options.data / "log";
  log_options.read_only = true;
  auto opened = log::open_sqlite_log(log_options);
  if (!opened && opened.error().code == ErrorCode::not_found)
    return fail(ErrorCode::not_found, opened.error().message +
                                          "; --data names the directory of a grid that ran, --grid a "
                                          "grid file");
  TANDEM_ASSIGN(const std::unique_ptr<log::Log> log, std::move(opened));
  TANDEM_ASSIGN(const log::Head head, log->head());
  TANDEM_ASSIGN(const inventory::AsOf point, point_asked_for(options.as_of, head.last, now));
  const auto checkpoints = control::directory_checkpoints(options.data / "checkpoints");
  TANDEM_ASSIGN(const control::State state, control::state_at(*log, *checkpoints, head.last));
  const auto keys = keys_to_read(options.data);
  if (options.branch.empty()) return state.inventory.opened_by(keys).as_of(point);
  if (const auto branch = state.branches.find(options.branch)) return branch->head.opened_by(keys).as_of(point);
  std::vector<std::string> names;
  for (const auto& branch : state.branches.all()) names.push_back(branch->name);
  const auto meant = nearest(options.branch, names);
  return fail(ErrorCode::not_found, fmt::format("no branch '{}'{}", options.branch.substr(0, 64),
                                                meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
}

// ".tables" and ".schema link", as people know them, and what is listed where nothing is asked.
Result<std::string> statement_of(const std::string& text) {
  const std::string_view asked = trim(text);
  if (asked.empty() || asked == ".tables") return std::string("SELECT * FROM schema_tables");
  if (!asked.starts_with('.')) return text;
  if (asked == ".schema") return std::string("SELECT * FROM schema_columns");
  if (asked.starts_with(".schema ")) {
    const std::string_view table = trim(asked.substr(8));
    if (table.find('\'') == std::string_view::npos)
      return fmt::format("SELECT name, type, unit, refers_to, description FROM schema_columns WHERE table_name = '{}'",
                         table);
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("'{}' is neither SQL nor .tables nor .schema TABLE", asked.substr(0, 64)));
}

Result<query::Table> answer(const QueryOptions& options) {
  const SystemClock clock;
  const Instant now = clock.now();
  TANDEM_ASSIGN(const std::string sql, statement_of(options.sql));
  TANDEM_ASSIGN(const inventory::Snapshot snapshot,
                options.grid.empty() ? snapshot_of_data(options, now) : snapshot_of_file(options.grid));
  query::Limits limits;
  limits.rows_max = options.rows_max;
  limits.now = options.as_of.empty() ? now : snapshot.time();
  const Duration end = clock.monotonic() + Duration{static_cast<int64_t>(options.time_limit_s * 1e9)};
  limits.stop = [&] { return clock.monotonic() >= end; };
  return query::run(snapshot, sql, limits);
}

}  // namespace

int run_query(const QueryOptions& options) {
  const auto table = answer(options);
  if (!table) return report(table.error());
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  if (options.json) {
    const Json document = query::as_json(*table);
    fmt::print("{}\n", terminal ? to_json_pretty(document) : to_json(document));
  } else if (options.csv) {
    fmt::print("{}", query::as_csv(*table));
    if (table->truncated)
      fmt::print(stderr, "tandem: there are more than {} rows; --limit gives more of them\n", table->rows.size());
  } else {
    fmt::print("{}", query::as_text(*table, terminal_width()));
  }
  return 0;
}

}  // namespace tandem::app
