#include "log/sqlite_schema.h"

#include <fmt/format.h>

#include "log/batch.h"
#include "log/checksum_vfs.h"

namespace tandem::log {

namespace {

Result<uint64_t> single_integer(Database& database, const char* sql) {
  TANDEM_ASSIGN(Statement statement, database.prepare(sql));
  TANDEM_ASSIGN(const bool row, statement.step());
  if (!row) return fail(ErrorCode::corrupt, fmt::format("no answer to {}", sql));
  return statement.integer(0);
}

}  // namespace

Result<BatchHeader> header_in(const Statement& row) {
  BatchHeader header;
  header.first = row.integer(0);
  const uint64_t count = row.integer(1);
  header.count = static_cast<uint32_t>(count);
  header.epoch = row.integer(2);
  header.at.ns = static_cast<int64_t>(row.integer(3));
  TANDEM_ASSIGN(header.body_sha256, row.digest(4));
  TANDEM_ASSIGN(header.previous, row.digest(5));
  TANDEM_ASSIGN(header.hash, row.digest(6));
  if (header.first == 0 || header.first > kOffsetMax || count == 0 || count > kBatchEventsMax) {
    return fail(ErrorCode::corrupt, fmt::format("a stored batch at offset {} counts {} events", header.first, count),
                fmt::format("offset {}", header.first));
  }
  return header;
}

Result<bool> is_log(Database& database) {
  TANDEM_ASSIGN(const uint64_t tables, single_integer(database, "SELECT count(*) FROM sqlite_schema"));
  if (tables == 0) return false;
  TANDEM_ASSIGN(const uint64_t application, single_integer(database, "PRAGMA application_id"));
  TANDEM_ASSIGN(const uint64_t version, single_integer(database, "PRAGMA user_version"));
  TANDEM_ASSIGN(const uint64_t page_size, single_integer(database, "PRAGMA page_size"));
  int reserved = -1;  // asks, and changes nothing
  const int code = sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  if (code != SQLITE_OK) return tl::unexpected(sqlite_error(database.handle(), code, "reading the page layout"));
  if (application != kApplicationId || version != kFormatVersion) {
    return fail(ErrorCode::corrupt, fmt::format("log.db is no log of format {}: application id {:#x}, format {}",
                                                kFormatVersion, application, version));
  }
  if (page_size != kPageBytes || reserved != static_cast<int>(kPageReservedBytes)) {
    return fail(ErrorCode::corrupt, fmt::format("log.db has pages of {} bytes with {} reserved", page_size, reserved));
  }
  return true;
}

}  // namespace tandem::log
