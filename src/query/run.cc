#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <memory>

#include "base/text.h"
#include "query/authorizer.h"
#include "query/budget.h"
#include "query/catalogue.h"
#include "query/explain.h"
#include "query/functions.h"
#include "query/query.h"
#include "query/virtual_table.h"

namespace tandem::query {
namespace {

constexpr int kStepsBetweenCounting = 1'000;  // often enough that a query ends within a millisecond of its limit

// What a statement may hold. Each is far above what a person writes and far below what takes long to plan.
struct StatementLimit {
  int what;
  int value;
};
constexpr std::array kStatementLimits{
    StatementLimit{SQLITE_LIMIT_LENGTH, 4 << 20},  // the longest text: a list of 100,000 prefixes as JSON
    StatementLimit{SQLITE_LIMIT_SQL_LENGTH, static_cast<int>(kSqlBytesMax)},
    StatementLimit{SQLITE_LIMIT_COLUMN, 1'000},
    StatementLimit{SQLITE_LIMIT_EXPR_DEPTH, 200},  // each level is a frame of the stack
    StatementLimit{SQLITE_LIMIT_COMPOUND_SELECT, 50},
    StatementLimit{SQLITE_LIMIT_VDBE_OP, 100'000},
    StatementLimit{SQLITE_LIMIT_FUNCTION_ARG, 100},
    StatementLimit{SQLITE_LIMIT_ATTACHED, 0},
    StatementLimit{SQLITE_LIMIT_LIKE_PATTERN_LENGTH, static_cast<int>(kPatternBytesMax)},
    StatementLimit{SQLITE_LIMIT_VARIABLE_NUMBER, 1'000},
    StatementLimit{SQLITE_LIMIT_TRIGGER_DEPTH, 1},
    StatementLimit{SQLITE_LIMIT_WORKER_THREADS, 0},
};

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

tl::unexpected<Error> forbidden(std::string_view what) {
  return fail(ErrorCode::permission_denied,
              fmt::format("a query only reads the tables of schema_tables: {} is not allowed", what));
}

// One query, from its connection to its table. A connection is made for each: it takes ~0.1 ms and leaves nothing
// behind.
class Run {
 public:
  Run(const inventory::Snapshot& snapshot, std::string_view sql, const Limits& limits)
      : sql_(sql),
        limits_(limits),
        budget_(limits.memory_bytes_max, limits.steps_max, limits.stop, limits.now),
        latest_(snapshot.as_of({})),
        context_{snapshot, latest_, budget_, authority_, discrepancies_, failure_} {}

  Result<Table> answer(const Json::Array& parameters) {
    const BudgetScope scope(budget_);
    TANDEM_ASSIGN(const Database database, open());
    TANDEM_ASSIGN(const Statement statement, prepare(database.get()));
    TANDEM_TRY(bind(database.get(), statement.get(), parameters));
    return read(database.get(), statement.get());
  }

 private:
  Result<Database> open();
  Result<Statement> prepare(sqlite3* database);
  Result<void> bind(sqlite3* database, sqlite3_stmt* statement, const Json::Array& parameters);
  Result<Table> read(sqlite3* database, sqlite3_stmt* statement);
  tl::unexpected<Error> error(sqlite3* database, int code) const;

  std::string_view sql_;
  const Limits& limits_;
  Budget budget_;
  inventory::Snapshot latest_;
  Authority authority_;
  std::optional<std::vector<inventory::Discrepancy>> discrepancies_;
  std::optional<Error> failure_;
  Context context_;
};

Result<Database> Run::open() {
  sqlite3* opened = nullptr;
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(":memory:", &opened, kFlags, sealed_file_system());
  Database database(opened);
  if (code != SQLITE_OK) return error(opened, code);
  for (const int option :
       {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_DQS_DML,
        SQLITE_DBCONFIG_DQS_DDL, SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW})
    sqlite3_db_config(opened, option, 0, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  for (const StatementLimit& limit : kStatementLimits) sqlite3_limit(opened, limit.what, limit.value);
  // What does not fit in memory ends the query: nothing is written anywhere. SQLite's own tables are connected before
  // they would have to ask whether they may tell their columns.
  constexpr const char* kStart = "PRAGMA temp_store = MEMORY; SELECT 1 FROM json_each('[]'), json_tree('[]')";
  if (const int started = sqlite3_exec(opened, kStart, nullptr, nullptr, nullptr); started != SQLITE_OK)
    return error(opened, started);
  install_functions(opened);
  for (const auto& table : catalogue().tables()) register_table(opened, *table, context_);
  install_authorizer(opened, authority_);
  const auto count = [](void* budget) { return static_cast<Budget*>(budget)->spend(kStepsBetweenCounting) ? 0 : 1; };
  sqlite3_progress_handler(opened, kStepsBetweenCounting, count, &budget_);
  return database;
}

Result<Statement> Run::prepare(sqlite3* database) {
  sqlite3_stmt* prepared = nullptr;
  const char* tail = nullptr;
  const int size = static_cast<int>(sql_.size());
  const int code = sqlite3_prepare_v3(database, sql_.data(), size, 0, &prepared, &tail);
  Statement statement(prepared);
  if (code != SQLITE_OK) return error(database, code);
  if (!statement)
    return fail(ErrorCode::invalid_argument, "there is no statement; tables are told by SELECT * FROM schema_tables");
  // Comments and semicolons may follow, which prepare to nothing.
  const std::string_view rest = sql_.substr(static_cast<size_t>(tail - sql_.data()));
  sqlite3_stmt* second = nullptr;
  const int second_code = sqlite3_prepare_v3(database, rest.data(), static_cast<int>(rest.size()), 0, &second, nullptr);
  const Statement following(second);
  if (second_code != SQLITE_OK || following)
    return fail(ErrorCode::invalid_argument,
                fmt::format("one statement at a time; a second starts at '{}'", trim(rest).substr(0, 32)));
  // VACUUM and REINDEX ask for no authority.
  if (sqlite3_stmt_readonly(statement.get()) == 0 || sqlite3_column_count(statement.get()) == 0)
    return forbidden("this");
  return statement;
}

Result<void> Run::bind(sqlite3* database, sqlite3_stmt* statement, const Json::Array& parameters) {
  const int wanted = sqlite3_bind_parameter_count(statement);
  if (wanted != static_cast<int>(parameters.size()))
    return fail(ErrorCode::invalid_argument,
                fmt::format("the statement has {} parameters, and {} values were given", wanted, parameters.size()));
  for (int i = 0; i < wanted; ++i) {
    const Json& value = parameters[static_cast<size_t>(i)];
    int code = SQLITE_OK;
    if (value.is_bool() || value.is_integer()) {
      code = sqlite3_bind_int64(statement, i + 1, value.is_bool() ? int64_t{value.boolean()} : value.integer());
    } else if (value.is_number()) {
      code = sqlite3_bind_double(statement, i + 1, value.number());
    } else if (!value.is_null()) {
      const std::string text = value.is_string() ? std::string(value.text()) : tandem::to_json(value);
      code = sqlite3_bind_text64(statement, i + 1, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    if (code != SQLITE_OK) return error(database, code);
  }
  return {};
}

std::string hex_of(const void* bytes, int size) {
  const std::string_view view(static_cast<const char*>(bytes), static_cast<size_t>(size));
  std::string text;
  for (const char c : view) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

// `type` is what the column was declared as; null for an expression.
Json value_of(sqlite3_stmt* statement, int column, const char* type) {
  const std::string_view declared = type == nullptr ? std::string_view() : std::string_view(type);
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL: return nullptr;
    case SQLITE_INTEGER: {
      const int64_t integer = sqlite3_column_int64(statement, column);
      if (declared == "BOOLEAN") return integer != 0;
      return integer;
    }
    case SQLITE_FLOAT: return sqlite3_column_double(statement, column);
    case SQLITE_BLOB: return hex_of(sqlite3_column_blob(statement, column), sqlite3_column_bytes(statement, column));
    default: break;
  }
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  if (text == nullptr) return nullptr;
  const std::string_view view(text, static_cast<size_t>(sqlite3_column_bytes(statement, column)));
  if (declared.starts_with("JSON"))
    if (auto json = parse_json(view)) return std::move(*json);
  return view;
}

Result<Table> Run::read(sqlite3* database, sqlite3_stmt* statement) {
  constexpr size_t kCellBytes = sizeof(Json);
  Table table;
  table.offset = context_.snapshot.offset();
  const int columns = sqlite3_column_count(statement);
  std::vector<const char*> types;
  for (int i = 0; i < columns; ++i) {
    const char* name = sqlite3_column_name(statement, i);
    table.columns.push_back({name == nullptr ? "" : name, false});
    types.push_back(sqlite3_column_decltype(statement, i));
  }
  size_t bytes = 0;
  for (;;) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) return error(database, code);
    Json::Array row;
    row.reserve(static_cast<size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      const int type = sqlite3_column_type(statement, i);
      if (type == SQLITE_TEXT || type == SQLITE_BLOB)
        bytes += 2 * static_cast<size_t>(sqlite3_column_bytes(statement, i));
      bytes += kCellBytes;
      row.push_back(value_of(statement, i, types[static_cast<size_t>(i)]));
    }
    if (table.rows.size() == limits_.rows_max || bytes > limits_.result_bytes_max) {
      table.truncated = true;
      break;
    }
    table.rows.push_back(std::move(row));
  }
  for (size_t i = 0; i < table.columns.size(); ++i) {
    bool any = false, all = true;
    for (const Json::Array& row : table.rows) {
      any |= row[i].is_number();
      all &= row[i].is_number() || row[i].is_null();
    }
    table.columns[i].number = any && all;
  }
  return table;
}

tl::unexpected<Error> Run::error(sqlite3* database, int code) const {
  switch (budget_.end()) {
    case Budget::End::none: break;
    case Budget::End::memory:
      return fail(ErrorCode::too_large,
                  fmt::format("the query takes more than {} MB of memory; sort or group fewer rows",
                              limits_.memory_bytes_max >> 20));
    case Budget::End::steps:
      return fail(ErrorCode::too_large,
                  fmt::format("the query takes more than {} steps; narrow it by an id, a reference or a LIMIT",
                              limits_.steps_max));
    case Budget::End::stopped:
      return fail(ErrorCode::deadline_exceeded,
                  "the query takes longer than it may; narrow it by an id, a reference or a LIMIT");
  }
  if (failure_) return tl::unexpected(*failure_);
  const int primary = code & 0xff;
  if (primary == SQLITE_AUTH || !authority_.denied.empty())
    return forbidden(authority_.denied.empty() ? "this" : authority_.denied);
  if (primary == SQLITE_TOOBIG)
    return fail(ErrorCode::too_large, fmt::format("a text or the statement is longer than {} bytes", 4 << 20));
  if (primary == SQLITE_NOMEM) return fail(ErrorCode::resource_exhausted, "there is no memory for this query now");
  const std::string_view message = database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database);
  if (primary == SQLITE_ERROR || primary == SQLITE_MISMATCH || primary == SQLITE_RANGE || primary == SQLITE_CONSTRAINT)
    return fail(ErrorCode::invalid_argument, explain_mistake(sql_, message, sqlite3_error_offset(database)));
  return fail(ErrorCode::internal, fmt::format("the query failed: {}", message));
}

}  // namespace

Result<Table> run(const inventory::Snapshot& snapshot, std::string_view sql, const Limits& limits,
                  const Json::Array& parameters) {
  if (sql.size() > kSqlBytesMax)
    return fail(ErrorCode::too_large,
                fmt::format("a statement has at most {} bytes; this one has {}", kSqlBytesMax, sql.size()));
  if (sql.find('\0') != std::string_view::npos || !is_utf8(sql))
    return fail(ErrorCode::invalid_argument, "the statement is not text in UTF-8");
  sealed_file_system();  // SQLite's own start is not the query's to pay for
  return Run(snapshot, sql, limits).answer(parameters);
}

}  // namespace tandem::query
