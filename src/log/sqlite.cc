#include "log/sqlite.h"

#include <fmt/format.h>

#include "base/check.h"
#include "log/checksum_vfs.h"
#include "log/log.h"

namespace tandem::log {

namespace {

// How long a reader waits for another process that recovers or truncates the write-ahead log, both of which take
// milliseconds.
constexpr int kBusyTimeoutMs = 10'000;

constexpr int kRowBytesMax = static_cast<int>(kBatchBytesMax) + 4'096;  // a body and its header

}  // namespace

Error sqlite_error(sqlite3* database, int code, std::string_view doing) {
  const int extended = database != nullptr ? sqlite3_extended_errcode(database) : code;
  const char* reason = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code);
  if (extended == SQLITE_IOERR_DATA) {
    return {ErrorCode::corrupt, fmt::format("{}: a page fails its checksum", doing), {}};
  }
  switch (code & 0xff) {
    case SQLITE_FULL: return {ErrorCode::resource_exhausted, fmt::format("{}: the disk is full", doing), {}};
    case SQLITE_ERROR:  // our SQL is right, so the schema is not ours
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return {ErrorCode::corrupt, fmt::format("{}: {}", doing, reason), {}};
    default: return {ErrorCode::io, fmt::format("{}: {} (SQLite {})", doing, reason, extended), {}};
  }
}

void Statement::bind(int parameter, uint64_t value) {
  CHECK(sqlite3_bind_int64(statement_.get(), parameter, static_cast<int64_t>(value)) == SQLITE_OK);
}

void Statement::bind(int parameter, std::string_view bytes) {
  const int code = sqlite3_bind_blob64(statement_.get(), parameter, bytes.data(), bytes.size(), SQLITE_STATIC);
  CHECK(code == SQLITE_OK);
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return tl::unexpected(sqlite_error(sqlite3_db_handle(statement_.get()), code, sqlite3_sql(statement_.get())));
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

uint64_t Statement::integer(int column) const {
  return static_cast<uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

std::string_view Statement::blob(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return {static_cast<const char*>(bytes), static_cast<size_t>(size)};
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

Result<Digest> Statement::digest(int column) const {
  const std::string_view bytes = blob(column);
  Digest digest;
  if (bytes.size() != digest.bytes.size()) return fail(ErrorCode::corrupt, "a stored digest is not 32 bytes long");
  std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

Result<Database> Database::open(const std::filesystem::path& path, bool read_only) {
  const int flags =
      (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, checksum_vfs());
  Database database;
  database.database_.reset(handle);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(handle, code, "opening " + path.string()));
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kRowBytesMax);
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  Statement statement;
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(database_.get(), code, sql));
  statement.statement_.reset(handle);
  return statement;
}

Result<void> Database::run(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(database_.get(), code, sql));
  return {};
}

}  // namespace tandem::log
