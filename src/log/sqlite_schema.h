// How a log lies in its database: one table, one row a batch. Internal to `log`.
#pragma once

#include "log/log.h"
#include "log/sqlite.h"

namespace tandem::log {

inline constexpr char kDatabaseFile[] = "log.db";
inline constexpr char kWalFile[] = "log.db-wal";
inline constexpr char kAnchorFile[] = "log.anchor";
inline constexpr char kLockFile[] = "log.lock";

inline constexpr uint64_t kApplicationId = 0x544e444d;  // "TNDM", at byte 68 of the file, for `file` and for us
inline constexpr uint64_t kFormatVersion = 1;

// The body comes last: what reads headers alone does not touch the pages bodies overflow to.
inline constexpr char kCreateTable[] =
    "CREATE TABLE batch ("
    "  first INTEGER PRIMARY KEY,"  // offset of its first event
    "  count INTEGER NOT NULL, epoch INTEGER NOT NULL, at_ns INTEGER NOT NULL,"
    "  body_sha256 BLOB NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL,"
    "  body BLOB)"  // NULL when it has expired
    " STRICT";

#define TANDEM_LOG_HEADER_COLUMNS "first, count, epoch, at_ns, body_sha256, previous, hash"
inline constexpr int kBodyColumn = 7;  // of a SELECT of the header columns and the body

// The header in the current row of a SELECT of the header columns; corrupt when a value is out of its range.
Result<BatchHeader> header_in(const Statement& row);

// Whether an open database is a log of this format: application id, version, page size, reserved bytes, table. False
// for an empty one. Errors: corrupt, io.
Result<bool> is_log(Database& database);

}  // namespace tandem::log
