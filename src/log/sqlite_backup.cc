#include <fmt/format.h>

#include "base/file.h"
#include "log/anchor.h"
#include "log/backup.h"
#include "log/batch.h"
#include "log/checksum_vfs.h"
#include "log/sqlite.h"
#include "log/sqlite_schema.h"

namespace tandem::log {

namespace {

constexpr int kAllPages = -1;  // in one step, so that the copy is of one moment: in WAL mode that holds up no writer

// SQLite's online backup between two connections of our layer, which checks each page it reads and gives each that it
// writes its checksum.
Result<void> copy_pages(Database& from, Database& to) {
  sqlite3_backup* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (backup == nullptr)
    return tl::unexpected(sqlite_error(to.handle(), sqlite3_errcode(to.handle()), "beginning the copy"));
  const int stepped = sqlite3_backup_step(backup, kAllPages);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped == SQLITE_DONE && finished == SQLITE_OK) return {};
  const int code = stepped == SQLITE_DONE ? finished : stepped;
  return tl::unexpected(
      sqlite_error(nullptr, code, "copying the log"));
}

Result<Head> copy_log(const std::filesystem::path& from, const std::filesystem::path& to) {
  TANDEM_ASSIGN(Database source, Database::open(from / kDatabaseFile, true));
  TANDEM_ASSIGN(const bool made, is_log(source));
  if (!made) return fail(ErrorCode::not_found, "there is no log in " + from.string());
  BatchHeader last;
  {
    TANDEM_ASSIGN(Database copy, Database::open(to / kDatabaseFile, false));
    TANDEM_TRY(reserve_checksum_bytes(copy.handle()));
    TANDEM_TRY(copy.run(fmt::format("PRAGMA page_size = {}; PRAGMA synchronous = FULL", kPageBytes).c_str()));
    TANDEM_TRY(copy_pages(source, copy));
    TANDEM_ASSIGN(Statement select,
                  copy.prepare("SELECT " TANDEM_LOG_HEADER_COLUMNS " FROM batch ORDER BY first DESC LIMIT 1"));
    TANDEM_ASSIGN(const bool row, select.step());
    if (row) {
      TANDEM_ASSIGN(last, header_in(select));
    }
  }
  if (last.count > 0) {
    TANDEM_ASSIGN(Anchor anchor, Anchor::open(to / kAnchorFile, std::nullopt));
    TANDEM_TRY(anchor.write({.last = last.last(), .epoch = last.epoch, .hash = last.hash}));
    TANDEM_TRY(anchor.sync());
  }
  TANDEM_TRY(sync_directory(to));
  return Head{last.last(), last};
}

}  // namespace

Result<Head> back_up_sqlite_log(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  if (!std::filesystem::exists(from / kDatabaseFile, error))
    return fail(ErrorCode::not_found, "there is no log in " + from.string());
  std::filesystem::create_directories(to, error);
  if (error) return fail(ErrorCode::io, fmt::format("making {}: {}", to.string(), error.message()));
  for (const char* name : {kDatabaseFile, kWalFile, kAnchorFile})
    if (std::filesystem::exists(to / name, error))
      return fail(ErrorCode::conflict, "there is a log already; name a new directory", to.string());
  auto head = copy_log(from, to);
  if (!head)
    for (const char* name : {kDatabaseFile, kWalFile, "log.db-shm", "log.db-journal", kAnchorFile})
      std::filesystem::remove(to / name, error);
  return head;
}

}  // namespace tandem::log
