#include <fmt/format.h>

#include "base/file.h"
#include "log/anchor.h"
#include "log/batch.h"
#include "log/checksum_vfs.h"
#include "log/log.h"
#include "log/sqlite.h"
#include "log/sqlite_schema.h"
#include "log/wal.h"

namespace tandem::log {

namespace {

constexpr size_t kDamageMax = 100;  // findings reported; the first ones tell what to restore

// One reading of a log from end to end. The order matters where another process is writing: the anchor is read before
// the transaction begins, so that the log seen is at least as long as the anchor says.
class Verifier {
 public:
  Verifier(const std::filesystem::path& directory, bool in_use) : directory_(directory), in_use_(in_use) {}

  Result<Verification> run();

 private:
  void damaged(Offset offset, std::string what) {
    if (found_.damage.size() < kDamageMax) found_.damage.push_back({offset, std::move(what)});
  }
  Result<void> read_anchor_file();
  Result<void> walk(Database& database);
  void check_batch(const BatchHeader& header, Statement& select_body);
  Result<void> check_wal();
  void check_anchor();
  Result<void> check_pages(Database& database);

  const std::filesystem::path& directory_;
  bool in_use_;
  Verification found_;
  BatchHeader head_;                     // of the last batch walked
  std::optional<AnchorReading> anchor_;  // nothing when there is no file
  bool anchor_met_ = false;              // the chain passes through the anchor's header
  WalReading wal_;
};

Result<Verification> Verifier::run() {
  TANDEM_TRY(read_anchor_file());
  auto database = Database::open(directory_ / kDatabaseFile, true);
  if (!database) {
    if (database.error().code != ErrorCode::corrupt) return tl::unexpected(database.error());
    damaged(1, database.error().message);
    return found_;
  }
  TANDEM_TRY(walk(*database));
  found_.last = head_.last();
  found_.head = head_.hash;
  TANDEM_TRY(check_wal());
  check_anchor();
  TANDEM_TRY(check_pages(*database));
  return found_;
}

Result<void> Verifier::read_anchor_file() {
  auto reading = Anchor::read(directory_ / kAnchorFile);
  if (reading) {
    anchor_ = std::move(*reading);
  } else if (reading.error().code != ErrorCode::not_found) {
    return tl::unexpected(reading.error());
  }
  return {};
}

// Damage ends up in `found_`; errors are those of a machine that cannot read its files.
Result<void> Verifier::walk(Database& database) {
  const auto note = [&](const Error& error) -> Result<void> {
    if (error.code != ErrorCode::corrupt) return tl::unexpected(error);
    damaged(head_.last() + 1, error.message);
    return {};
  };
  if (auto begun = database.run("BEGIN"); !begun) return note(begun.error());
  const auto made = is_log(database);
  if (!made) return note(made.error());
  if (!*made) return {};
  auto select = database.prepare("SELECT " TANDEM_LOG_HEADER_COLUMNS " FROM batch ORDER BY first");
  if (!select) return note(select.error());
  auto select_body = database.prepare("SELECT body FROM batch WHERE first = ?1");
  if (!select_body) return note(select_body.error());
  while (true) {
    const auto row = select->step();
    if (!row) return note(row.error());
    if (!*row) return {};
    const auto header = header_in(*select);
    if (!header) return note(header.error());
    check_batch(*header, *select_body);
    head_ = *header;
  }
}

void Verifier::check_batch(const BatchHeader& header, Statement& select_body) {
  found_.batches += 1;
  found_.events += header.count;
  const Offset expected = head_.last() + 1;
  if (auto follows = check_follows(head_, header); !follows) damaged(expected, follows.error().message);
  if (auto intact = check_stored(header, nullptr); !intact) damaged(header.first, intact.error().message);
  if (anchor_ && anchor_->newest && anchor_->newest->last == header.last()) {
    anchor_met_ = anchor_->newest->hash == header.hash;
  }
  select_body.bind(1, header.first);
  const auto row = select_body.step();
  if (!row) {
    damaged(header.first,
            fmt::format("the events of the batch at offset {} cannot be read: {}", header.first, row.error().message));
  } else if (*row && !select_body.is_null(0)) {
    const std::string_view body = select_body.blob(0);
    if (auto intact = check_stored(header, &body); !intact) {
      damaged(header.first, intact.error().message);
    } else if (auto events = decode_events(body, header.count); !events) {
      damaged(header.first, events.error().message);
    }
  }
  select_body.reset();
}

// Every frame that the anchor counted must be there. SQLite itself takes the first bad one for the end.
Result<void> Verifier::check_wal() {
  const std::filesystem::path path = directory_ / kWalFile;
  TANDEM_ASSIGN(wal_, read_wal(path));
  if (wal_.empty) return {};
  if (!wal_.header_is_whole) {
    if (!in_use_) damaged(head_.last() + 1, "log.db-wal: its header (bytes 0 to 31) fails its checksum");
    return {};
  }
  if (!anchor_ || !anchor_->newest) return {};
  const AnchorPoint& point = *anchor_->newest;
  if (wal_.salt != point.wal_salt || wal_.frames >= point.wal_frames) return {};
  // A writer may have begun the file anew while it was being read.
  TANDEM_ASSIGN(const WalReading again, read_wal(path));
  if (again.salt != wal_.salt || again.frames >= point.wal_frames) return {};
  const uint64_t frame_bytes = WalReading::kFrameHeaderBytes + kPageBytes;
  damaged(head_.last() + 1,
          fmt::format("log.db-wal: {} of {} frames are whole; the damage begins at byte {} or after", wal_.frames,
                      point.wal_frames, WalReading::kHeaderBytes + wal_.frames * frame_bytes));
  return {};
}

void Verifier::check_anchor() {
  if (!anchor_) {
    if (head_.count > 0) damaged(head_.last() + 1, "log.anchor is missing: a lost tail would not be noticed");
    return;
  }
  for (const std::string& problem : anchor_->damage) damaged(head_.last() + 1, problem);
  if (!anchor_->newest || anchor_->newest->last == 0 || anchor_met_) return;
  const AnchorPoint& point = *anchor_->newest;
  if (point.last > head_.last()) {
    damaged(head_.last() + 1,
            fmt::format("the log ended at offset {} and now ends at {}: its tail is lost", point.last, head_.last()));
  } else {
    damaged(point.last, fmt::format("the log is another one than the anchor saw: no header {} at offset {}",
                                    to_hex(point.hash), point.last));
  }
}

// Also the pages that no row covers, and those of which SQLite reads only a part.
Result<void> Verifier::check_pages(Database& database) {
  TANDEM_ASSIGN(const std::vector<uint64_t> pages, damaged_pages(database.handle(), kDamageMax, in_use_));
  const Offset offset = found_.damage.empty() ? head_.last() + 1 : found_.damage.front().offset;
  for (const uint64_t page : pages) {
    if (wal_.pages.contains(page)) continue;  // a torn checkpoint; the write-ahead log holds the page
    damaged(offset, fmt::format("log.db: page {} (bytes {} to {}) fails its checksum", page, (page - 1) * kPageBytes,
                                page * kPageBytes - 1));
  }
  return {};
}

}  // namespace

Result<Verification> verify_sqlite_log(const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory / kDatabaseFile, error)) {
    return fail(ErrorCode::not_found, "there is no log in " + directory.string());
  }
  const std::filesystem::path lock = directory / kLockFile;
  const bool in_use = WriterLock::is_held(lock);
  auto found = Verifier(directory, in_use).run();
  // A writer that came while we read may have looked like damage.
  if (found && !found->damage.empty() && !in_use && WriterLock::is_held(lock)) return Verifier(directory, true).run();
  return found;
}

}  // namespace tandem::log
