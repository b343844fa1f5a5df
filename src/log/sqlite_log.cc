#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/file.h"
#include "base/logging.h"
#include "log/anchor.h"
#include "log/batch.h"
#include "log/checksum_vfs.h"
#include "log/log.h"
#include "log/sqlite.h"
#include "log/sqlite_schema.h"
#include "log/wal.h"

namespace tandem::log {

namespace {

// Frames of the write-ahead log after which its pages are carried over to the database: 4 MiB, as SQLite has it.
constexpr int kCheckpointFrames = 1'000;

constexpr std::string_view kSelectHead = "SELECT " TANDEM_LOG_HEADER_COLUMNS " FROM batch ORDER BY first DESC LIMIT 1";
constexpr std::string_view kSelectHeaderAt = "SELECT " TANDEM_LOG_HEADER_COLUMNS
                                             " FROM batch WHERE first <= ?1 "
                                             "ORDER BY first DESC LIMIT 1";
constexpr std::string_view kSelectFrom =
    "SELECT " TANDEM_LOG_HEADER_COLUMNS
    ", body FROM batch "
    "WHERE first >= ifnull((SELECT max(first) FROM batch WHERE first <= ?1), 0) ORDER BY first";
constexpr std::string_view kInsert = "INSERT INTO batch (" TANDEM_LOG_HEADER_COLUMNS
                                     ", body) "
                                     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

// The last header of an open log; a default one when it is empty.
Result<BatchHeader> last_header(Statement& select_head) {
  const auto row = select_head.step();
  Result<BatchHeader> header = BatchHeader{};
  if (!row) {
    header = tl::unexpected(row.error());
  } else if (*row) {
    header = header_in(select_head);
    if (header) {
      if (auto good = check_stored(*header, nullptr); !good) header = tl::unexpected(good.error());
    }
  }
  select_head.reset();
  return header;
}

// A connection that reads, with its statements.
struct Reader {
  Database database;
  Statement select_from;
  Statement select_head;

  static Result<std::unique_ptr<Reader>> open(const std::filesystem::path& path) {
    auto reader = std::make_unique<Reader>();
    TANDEM_ASSIGN(reader->database, Database::open(path, true));
    TANDEM_ASSIGN(const bool made, is_log(reader->database));
    if (!made) return fail(ErrorCode::not_found, "there is no log in " + path.string());
    TANDEM_ASSIGN(reader->select_from, reader->database.prepare(kSelectFrom));
    TANDEM_ASSIGN(reader->select_head, reader->database.prepare(kSelectHead));
    return reader;
  }

  Result<std::vector<Batch>> read(Offset from, size_t bytes_limit) {
    select_from.bind(1, std::clamp<Offset>(from, 1, kOffsetMax));
    auto batches = collect(from, bytes_limit);
    select_from.reset();
    return batches;
  }

 private:
  Result<std::vector<Batch>> collect(Offset from, size_t bytes_limit) {
    std::vector<Batch> batches;
    size_t bytes = 0;
    while (batches.empty() || bytes < bytes_limit) {
      TANDEM_ASSIGN(const bool row, select_from.step());
      if (!row) break;
      Batch batch;
      TANDEM_ASSIGN(batch.header, header_in(select_from));
      if (batch.header.last() < from) continue;  // `from` is past the end
      if (!batches.empty()) {
        if (auto follows = check_follows(batches.back().header, batch.header); !follows) {
          return fail(ErrorCode::corrupt, follows.error().message, follows.error().context);
        }
      }
      const bool expired = select_from.is_null(kBodyColumn);
      const std::string_view body = select_from.blob(kBodyColumn);
      TANDEM_TRY(check_stored(batch.header, expired ? nullptr : &body));
      if (!expired) {
        TANDEM_ASSIGN(batch.events, decode_events(body, batch.header.count));
      }
      bytes += body.size();
      batches.push_back(std::move(batch));
    }
    return batches;
  }
};

// Connections for readers on any thread: as many as read at once, kept for the next.
class Readers {
 public:
  explicit Readers(std::filesystem::path path) : path_(std::move(path)) {}

  // Runs `use` on a connection that nobody else has.
  template <class Use>
  auto with(Use use) -> decltype(use(std::declval<Reader&>())) {
    std::unique_ptr<Reader> reader;
    {
      const std::lock_guard guard(mutex_);
      if (!idle_.empty()) {
        reader = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    if (!reader) {
      TANDEM_ASSIGN(reader, Reader::open(path_));
    }
    auto result = use(*reader);
    const std::lock_guard guard(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(reader));
    return result;
  }

 private:
  static constexpr size_t kIdleMax = 8;  // a few threads of queries and one that replays

  std::filesystem::path path_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_;
};

class ReadOnlyLog final : public Log {
 public:
  explicit ReadOnlyLog(std::filesystem::path path) : readers_(std::move(path)) {}

  Result<void> append(const EncodedBatch&) override {
    return fail(ErrorCode::permission_denied, "the log was opened for reading only");
  }
  Result<std::vector<Batch>> read(Offset from, size_t bytes_limit) const override {
    return readers_.with([&](Reader& reader) { return reader.read(from, bytes_limit); });
  }
  Result<Head> head() const override {
    return readers_.with([](Reader& reader) -> Result<Head> {
      TANDEM_ASSIGN(BatchHeader header, last_header(reader.select_head));
      return Head{header.last(), header};
    });
  }

 private:
  mutable Readers readers_;
};

class SqliteLog final : public Log {
 public:
  static Result<std::unique_ptr<Log>> open(const std::filesystem::path& directory);
  ~SqliteLog() override;

  Result<void> append(const EncodedBatch& batch) override;
  Result<std::vector<Batch>> read(Offset from, size_t bytes_limit) const override {
    return readers_.with([&](Reader& reader) { return reader.read(from, bytes_limit); });
  }
  Result<Head> head() const override {
    const std::lock_guard guard(head_mutex_);
    return Head{head_.last(), head_};
  }

 private:
  explicit SqliteLog(std::filesystem::path directory)
      : directory_(std::move(directory)), readers_(directory_ / kDatabaseFile) {}

  Result<void> open_database();
  Result<void> open_anchor();
  Result<void> store(const BatchHeader& header, std::string_view body);
  Result<void> write_anchor();
  Result<void> empty_wal();

  std::filesystem::path directory_;
  WriterLock lock_;  // first taken, last released
  Database database_;
  Statement begin_, commit_, rollback_, insert_, select_head_;
  Anchor anchor_;
  File wal_;
  int wal_frames_ = 0;             // after the last commit, as SQLite reports them
  std::optional<Error> failed_;    // why no append is taken any more
  mutable std::mutex head_mutex_;  // guards head_ alone: everything else belongs to the one writer
  BatchHeader head_;
  mutable Readers readers_;  // closed before the writer's connection, which then removes the write-ahead log
};

Result<std::unique_ptr<Log>> SqliteLog::open(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail(ErrorCode::io, fmt::format("making {}: {}", directory.string(), error.message()));
  std::unique_ptr<SqliteLog> log(new SqliteLog(directory));
  TANDEM_ASSIGN(log->lock_, WriterLock::take(directory / kLockFile));
  TANDEM_TRY(log->open_database());
  TANDEM_TRY(log->open_anchor());
  return std::unique_ptr<Log>(std::move(log));
}

Result<void> SqliteLog::open_database() {
  TANDEM_ASSIGN(database_, Database::open(directory_ / kDatabaseFile, false));
  TANDEM_TRY(
      reserve_checksum_bytes(database_.handle()));  // neither this nor the page size changes a database that is there
  TANDEM_TRY(database_.run(fmt::format("PRAGMA page_size = {}", kPageBytes).c_str()));
  TANDEM_TRY(database_.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0"));
  TANDEM_ASSIGN(const bool made, is_log(database_));
  if (!made) {
    TANDEM_TRY(database_.run(fmt::format("BEGIN; PRAGMA application_id = {}; PRAGMA user_version = {}; {}; COMMIT",
                                         kApplicationId, kFormatVersion, kCreateTable)
                                 .c_str()));
    TANDEM_TRY(is_log(database_));
  }
  TANDEM_ASSIGN(begin_, database_.prepare("BEGIN IMMEDIATE"));
  TANDEM_ASSIGN(commit_, database_.prepare("COMMIT"));
  TANDEM_ASSIGN(rollback_, database_.prepare("ROLLBACK"));
  TANDEM_ASSIGN(insert_, database_.prepare(kInsert));
  TANDEM_ASSIGN(select_head_, database_.prepare(kSelectHead));
  const auto count_frames = [](void* own, sqlite3*, const char*, int frames) {
    static_cast<SqliteLog*>(own)->wal_frames_ = frames;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(database_.handle(), count_frames, this);
  TANDEM_TRY(empty_wal());
  TANDEM_ASSIGN(head_, last_header(select_head_));
  return {};
}

// Carries the write-ahead log over, so that log.db alone holds all. Readers may hold it up; then it stays as it is.
Result<void> SqliteLog::empty_wal() {
  const int code = sqlite3_wal_checkpoint_v2(database_.handle(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code == SQLITE_OK) wal_frames_ = 0;
  if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY) return {};
  return tl::unexpected(sqlite_error(database_.handle(), code, "emptying the write-ahead log"));
}

// The log must hold what the anchor last saw: its head there, or further back on the chain.
Result<void> SqliteLog::open_anchor() {
  const std::filesystem::path path = directory_ / kAnchorFile;
  auto reading = Anchor::read(path);
  if (!reading && reading.error().code != ErrorCode::not_found) return tl::unexpected(reading.error());
  if (!reading) {
    if (head_.count > 0)
      log_warning("{} was missing: the log is taken as it stands, up to {}", path.string(), head_.last());
    reading = AnchorReading{};
  }
  for (const std::string& problem : reading->damage) log_warning("{}", problem);
  if (!reading->damage.empty() && !reading->newest) {
    return fail(ErrorCode::corrupt,
                "the log's anchor is damaged, so that a lost tail would not be noticed; `tandem log "
                "verify` shows the log, and removing the file accepts the log as it stands",
                path.string());
  }
  if (const auto& point = reading->newest; point && point->last > 0) {
    TANDEM_ASSIGN(Statement select, database_.prepare(kSelectHeaderAt));
    select.bind(1, std::min(point->last, kOffsetMax));
    TANDEM_ASSIGN(const bool row, select.step());
    BatchHeader header;
    if (row) {
      TANDEM_ASSIGN(header, header_in(select));
    }
    if (header.last() != point->last || header.hash != point->hash) {
      return fail(
          ErrorCode::corrupt,
          fmt::format("the log ended at offset {} with header {}, now it ends at {} without it: `tandem log verify` "
                      "shows what is lost",
                      point->last, to_hex(point->hash), head_.last()),
          fmt::format("offset {}", std::min(point->last, head_.last()) + 1));
    }
  }
  TANDEM_ASSIGN(anchor_, Anchor::open(path, reading->newest));
  return write_anchor();
}

SqliteLog::~SqliteLog() {
  if (database_.handle() == nullptr) return;
  // Best effort: what fails here is repeated when the log is opened again.
  if (auto emptied = empty_wal(); !emptied) log_warning("closing the log: {}", to_string(emptied.error()));
  if (!failed_ && anchor_.is_open()) {
    if (auto written = write_anchor(); !written) log_warning("closing the log: {}", to_string(written.error()));
    if (auto synced = anchor_.sync(); !synced) log_warning("closing the log: {}", to_string(synced.error()));
  }
}

Result<void> SqliteLog::append(const EncodedBatch& batch) {
  if (failed_) return tl::unexpected(*failed_);
  TANDEM_TRY(check_next(head_, batch));
  if (auto stored = store(batch.header, batch.body); !stored) {
    // A failed write or sync leaves open what is on the disk: only reading it afresh can tell.
    if (stored.error().code == ErrorCode::io) {
      failed_ = stored.error();
      failed_->message += "; whether the batch is stored shows when the log is opened again";
    }
    return stored;
  }
  {
    const std::lock_guard guard(head_mutex_);
    head_ = batch.header;
  }
  if (auto anchored = write_anchor(); !anchored) {
    failed_ = anchored.error();
    return anchored;
  }
  if (wal_frames_ >= kCheckpointFrames) {
    const int code = sqlite3_wal_checkpoint_v2(database_.handle(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    // The batch is durable all the same, and the next append tries again.
    if (code != SQLITE_OK) log_warning("{}", sqlite_error(database_.handle(), code, "checkpointing the log").message);
  }
  return {};
}

// One transaction: nobody wrote since we looked, the row, the commit.
Result<void> SqliteLog::store(const BatchHeader& header, std::string_view body) {
  const auto began = begin_.step();
  begin_.reset();
  if (!began) return tl::unexpected(began.error());
  auto stored = [&]() -> Result<void> {
    TANDEM_ASSIGN(const BatchHeader last, last_header(select_head_));
    if (last.epoch > header.epoch) {
      return fail(ErrorCode::fenced,
                  fmt::format("epoch {} has written; this writer's is {}", last.epoch, header.epoch));
    }
    if (last != head_)
      return fail(ErrorCode::conflict, fmt::format("another writer has moved the log to {}", last.last()));
    insert_.bind(1, header.first);
    insert_.bind(2, uint64_t{header.count});
    insert_.bind(3, header.epoch);
    insert_.bind(4, static_cast<uint64_t>(header.at.ns));
    insert_.bind(5, header.body_sha256.view());
    insert_.bind(6, header.previous.view());
    insert_.bind(7, header.hash.view());
    insert_.bind(8, body);
    const auto inserted = insert_.step();
    insert_.reset();
    if (!inserted) return tl::unexpected(inserted.error());
    const auto committed = commit_.step();
    commit_.reset();
    if (!committed) return tl::unexpected(committed.error());
    return {};
  }();
  if (!stored && sqlite3_get_autocommit(database_.handle()) == 0) {
    const auto rolled_back = rollback_.step();
    rollback_.reset();
    if (!rolled_back) failed_ = rolled_back.error();
  }
  return stored;
}

Result<void> SqliteLog::write_anchor() {
  AnchorPoint point{.last = head_.last(), .epoch = head_.epoch, .hash = head_.hash};
  if (wal_frames_ > 0) {
    if (!wal_.is_open()) {
      TANDEM_ASSIGN(wal_, File::open(directory_ / kWalFile, File::Mode::read));
    }
    TANDEM_ASSIGN(const std::string header, wal_.read_at(0, WalReading::kHeaderBytes));
    point.wal_salt = wal_salt(header);
    point.wal_frames = static_cast<uint64_t>(wal_frames_);
  }
  return anchor_.write(point);
}

}  // namespace

Result<std::unique_ptr<Log>> open_sqlite_log(const SqliteLogOptions& options) {
  if (!options.read_only) return SqliteLog::open(options.directory);
  const std::filesystem::path path = options.directory / kDatabaseFile;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return fail(ErrorCode::not_found, "there is no log in " + options.directory.string());
  }
  return std::make_unique<ReadOnlyLog>(path);
}

}  // namespace tandem::log
