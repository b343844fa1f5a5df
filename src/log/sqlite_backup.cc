#include <fmt/format.h>

#include <optional>
#include <vector>

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
  return tl::unexpected(sqlite_error(nullptr, code, "copying the log"));
}

// Where the log in a directory ended after its last commit; nothing where that was never said.
Result<std::optional<AnchorPoint>> anchored(const std::filesystem::path& directory) {
  auto reading = Anchor::read(directory / kAnchorFile);
  if (!reading && reading.error().code == ErrorCode::not_found) return std::nullopt;
  if (!reading) return tl::unexpected(reading.error());
  if (!reading->newest && !reading->damage.empty())
    return fail(ErrorCode::corrupt, reading->damage.front(), directory.string());
  return reading->newest;
}

Result<void> write_anchor(const std::filesystem::path& directory, const AnchorPoint& at) {
  TANDEM_ASSIGN(Anchor anchor, Anchor::open(directory / kAnchorFile, std::nullopt));
  TANDEM_TRY(anchor.write({.last = at.last, .epoch = at.epoch, .hash = at.hash}));
  return anchor.sync();
}

Result<Head> copy_log(const std::filesystem::path& from, const std::filesystem::path& to) {
  // Before the pages: the writer goes on from there, and what ends earlier has lost something.
  TANDEM_ASSIGN(const std::optional<AnchorPoint> ended, anchored(from));
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
  if (ended) TANDEM_TRY(write_anchor(to, *ended));
  TANDEM_ASSIGN(const Verification found, verify_sqlite_log(to));
  if (!found.damage.empty()) return fail(ErrorCode::corrupt, found.damage.front().what, from.string());
  if (last.count > 0) TANDEM_TRY(write_anchor(to, {.last = last.last(), .epoch = last.epoch, .hash = last.hash}));
  TANDEM_TRY(sync_directory(to));
  return Head{last.last(), last};
}

// Makes a directory and those above it, and their names durable.
Result<void> make_directories(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> parents;
  std::error_code error;
  for (std::filesystem::path at = std::filesystem::absolute(directory); !std::filesystem::exists(at, error);
       at = at.parent_path())
    parents.push_back(at.parent_path());
  std::filesystem::create_directories(directory, error);
  if (error) return fail(ErrorCode::io, fmt::format("making {}: {}", directory.string(), error.message()));
  for (const std::filesystem::path& parent : parents) TANDEM_TRY(sync_directory(parent));
  return {};
}

}  // namespace

Result<Head> back_up_sqlite_log(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  if (!std::filesystem::exists(from / kDatabaseFile, error))
    return fail(ErrorCode::not_found, "there is no log in " + from.string());
  TANDEM_TRY(make_directories(to));
  TANDEM_ASSIGN(const WriterLock lock, WriterLock::take(to / "backup.lock"));
  for (const char* name : {kDatabaseFile, kWalFile, kAnchorFile})
    if (std::filesystem::exists(std::filesystem::symlink_status(to / name, error)))
      return fail(ErrorCode::conflict, "there is a log already; name a new directory", to.string());
  auto head = copy_log(from, to);
  if (!head)
    for (const char* name : {kDatabaseFile, kWalFile, "log.db-shm", "log.db-journal", kAnchorFile})
      std::filesystem::remove(to / name, error);
  std::filesystem::remove(to / "backup.lock", error);
  return head;
}

}  // namespace tandem::log
