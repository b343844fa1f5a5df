// Every byte counts: whatever is changed in the files of a log, verification says so; and whatever a killed or a busy
// writer leaves, it does not.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include "log/log.h"
#include "log/sqlite.h"
#include "log/testing.h"
#include "log/wal.h"

namespace tandem::log {
namespace {

std::unique_ptr<Log> open_writable(const std::filesystem::path& directory) {
  auto log = open_sqlite_log({directory});
  EXPECT_TRUE(log) << to_string(log.error());
  return log ? std::move(*log) : nullptr;
}

void append_some(Log& log, size_t count, uint64_t seed = 1) {
  const Head head = *log.head();
  const auto appended =
      log.append(encode_batch(head.header, 1, Instant{head.header.at.ns + 1}, some_events(seed, count)));
  ASSERT_TRUE(appended) << to_string(appended.error());
}

// A log whose last batch spills over to other pages.
void make_log(const std::filesystem::path& directory) {
  auto log = open_writable(directory);
  for (const size_t count : {1u, 3u, 2u, 30u}) append_some(*log, count, count);
}

Verification verify(const std::filesystem::path& directory) {
  const auto found = verify_sqlite_log(directory);
  EXPECT_TRUE(found) << to_string(found.error());
  return found ? *found : Verification{};
}

std::string list(const Verification& found) {
  std::string text;
  for (const auto& damage : found.damage) text += std::to_string(damage.offset) + ": " + damage.what + "\n";
  return text;
}

// Changes each `step`-th byte of a file in turn and expects each change to be found, with an offset within the log or
// just after it.
void flip_each(const std::filesystem::path& directory, const char* name, uint8_t mask, size_t step,
               size_t limit = SIZE_MAX) {
  ASSERT_TRUE(verify(directory).damage.empty()) << list(verify(directory));
  const Offset last = verify(directory).last;
  std::fstream file(directory / name, std::ios::binary | std::ios::in | std::ios::out);
  const size_t size = std::min(limit, static_cast<size_t>(std::filesystem::file_size(directory / name)));
  ASSERT_GT(size, 0u);
  const auto change = [&](size_t at) {
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ mask);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
    file.flush();
  };
  for (size_t at = 0; at < size; at += step) {
    change(at);
    const Verification found = verify(directory);
    ASSERT_FALSE(found.damage.empty()) << name << ": byte " << at << " was changed and nobody noticed";
    ASSERT_GE(found.damage.front().offset, 1u) << list(found);
    ASSERT_LE(found.damage.front().offset, last + 1) << list(found);
    change(at);
  }
  EXPECT_TRUE(verify(directory).damage.empty()) << list(verify(directory));
}

// The files of a log as a killed writer leaves them: with a write-ahead log that was not carried over.
void make_log_with_wal(const std::filesystem::path& directory) {
  const TemporaryDirectory original;
  auto log = open_writable(original.path());
  for (const size_t count : {2u, 1u, 20u}) append_some(*log, count, count);
  for (const char* name : {"log.db", "log.db-wal", "log.anchor"}) {
    std::filesystem::copy_file(original.path() / name, directory / name);
  }
}

size_t valid_wal_bytes(const std::filesystem::path& directory) {
  return WalReading::kHeaderBytes + read_wal(directory / "log.db-wal")->frames * (WalReading::kFrameHeaderBytes + 4096);
}

TEST(SqliteDamage, ChangedBytesAreFound) {
  const TemporaryDirectory directory;
  make_log(directory.path());
  flip_each(directory.path(), "log.db", 0x01, 29);
  flip_each(directory.path(), "log.anchor", 0x80, 3);
}

TEST(SqliteDamage, ChangedBytesOfTheWriteAheadLogAreFound) {
  const TemporaryDirectory directory;
  make_log_with_wal(directory.path());
  flip_each(directory.path(), "log.db-wal", 0x10, 61, valid_wal_bytes(directory.path()));
}

// A page of the database that the write-ahead log holds anew is no part of the log: a checkpoint that lost power may
// have torn it. Whatever is in it, the log reads whole, and opening it writes the page again.
TEST(SqliteDamage, PagesThatTheWriteAheadLogReplacesDoNotMatter) {
  for (const size_t at : {0u, 16u, 17u, 20u, 24u, 28u, 100u, 4'000u, 4'095u, 4'096u, 5'000u, 8'191u}) {
    const TemporaryDirectory directory;
    make_log_with_wal(directory.path());
    ASSERT_TRUE(read_wal(directory.path() / "log.db-wal")->pages.contains(at / 4096 + 1));
    const auto path = directory.path() / "log.db";
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(static_cast<std::streamoff>(at)).put('!');
    EXPECT_TRUE(verify(directory.path()).damage.empty()) << at << "\n" << list(verify(directory.path()));
    EXPECT_EQ(open_writable(directory.path())->head()->last, 23u) << at;
    EXPECT_TRUE(verify(directory.path()).damage.empty()) << at << "\n" << list(verify(directory.path()));
  }
}

TEST(SqliteDamageSoak, EveryByteIsFound) {
  for (const uint8_t mask : {uint8_t{0x01}, uint8_t{0xff}}) {
    const TemporaryDirectory directory;
    make_log(directory.path());
    flip_each(directory.path(), "log.db", mask, 1);
    flip_each(directory.path(), "log.anchor", mask, 1);
    const TemporaryDirectory killed;
    make_log_with_wal(killed.path());
    flip_each(killed.path(), "log.db-wal", mask, 1, valid_wal_bytes(killed.path()));
  }
}

TEST(SqliteDamage, TheOffsetIsThatOfTheFirstEventThatCannotBeTrusted) {
  const TemporaryDirectory directory;
  make_log(directory.path());  // batches at 1, 2, 5 and 7 to 36; the last fills pages of its own at the end
  const auto path = directory.path() / "log.db";
  const auto size = std::filesystem::file_size(path);
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out)
      .seekp(static_cast<std::streamoff>(size - 100))
      .put('!');
  const Verification found = verify(directory.path());
  ASSERT_FALSE(found.damage.empty());
  EXPECT_EQ(found.damage.front().offset, 7u) << list(found);
  EXPECT_EQ(found.batches, 4u);
  auto log = open_writable(directory.path());
  EXPECT_EQ(log->read(1, 1)->size(), 1u);
  const auto read = log->read(7, 1);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::corrupt);
}

// Changes through SQLite carry good page checksums: the chain and the anchor find them.
TEST(SqliteDamage, RowsChangedByAnotherHandAreFound) {
  const std::vector<std::pair<const char*, Offset>> changes = {
      {"DELETE FROM batch WHERE first = 7", 7},
      {"DELETE FROM batch WHERE first = 2", 2},
      {"DELETE FROM batch", 1},
      {"UPDATE batch SET epoch = 2 WHERE first = 5", 5},
      {"UPDATE batch SET at_ns = 0 WHERE first = 5", 5},
      {"UPDATE batch SET count = 2 WHERE first = 2", 2},
      {"UPDATE batch SET count = 0 WHERE first = 2", 2},
      {"UPDATE batch SET body = zeroblob(100) WHERE first = 5", 5},
      {"UPDATE batch SET hash = x'00' WHERE first = 5", 5},
      {"UPDATE batch SET first = 6 WHERE first = 5", 5},
      {"DROP TABLE batch", 1},
      {"ALTER TABLE batch RENAME TO other", 1},
      {"PRAGMA user_version = 7", 1},
  };
  for (const auto& [change, offset] : changes) {
    const TemporaryDirectory directory;
    make_log(directory.path());
    {
      auto database = Database::open(directory.path() / "log.db", false);
      ASSERT_TRUE(database && database->run(change)) << change;
    }
    const Verification found = verify(directory.path());
    ASSERT_FALSE(found.damage.empty()) << change;
    EXPECT_EQ(found.damage.front().offset, offset) << change << "\n" << list(found);
  }
}

TEST(SqliteDamage, AnExpiredBodyLeavesTheHeadersWhole) {
  const TemporaryDirectory directory;
  make_log(directory.path());
  {
    auto database = Database::open(directory.path() / "log.db", false);
    ASSERT_TRUE(database && database->run("UPDATE batch SET body = NULL WHERE first >= 5"));
  }
  EXPECT_TRUE(verify(directory.path()).damage.empty()) << list(verify(directory.path()));
  auto log = open_writable(directory.path());
  const auto batches = log->read(4, SIZE_MAX);
  ASSERT_EQ(batches->size(), 3u);
  EXPECT_EQ((*batches)[0].events.size(), 3u);
  EXPECT_TRUE((*batches)[2].events.empty());
}

TEST(SqliteDamage, ALostTailIsFoundAndNotWrittenOver) {
  const TemporaryDirectory directory;
  make_log_with_wal(directory.path());
  std::filesystem::remove(directory.path() / "log.db-wal");
  const Verification found = verify(directory.path());
  ASSERT_FALSE(found.damage.empty());
  EXPECT_EQ(found.damage.front().offset, found.last + 1);
  const auto log = open_sqlite_log({directory.path()});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::corrupt);
  EXPECT_EQ(log.error().context, "offset 1");
  // An operator may accept what is left.
  std::filesystem::remove(directory.path() / "log.anchor");
  EXPECT_EQ(open_writable(directory.path())->head()->last, 0u);
  EXPECT_TRUE(verify(directory.path()).damage.empty());
}

TEST(SqliteDamage, CutOrMissingFilesAreFound) {
  for (const char* name : {"log.db", "log.anchor"}) {
    const TemporaryDirectory directory;
    make_log(directory.path());
    std::filesystem::resize_file(directory.path() / name, std::filesystem::file_size(directory.path() / name) - 1);
    EXPECT_FALSE(verify(directory.path()).damage.empty()) << name;
    std::filesystem::resize_file(directory.path() / name, 0);
    EXPECT_FALSE(verify(directory.path()).damage.empty()) << name;
  }
  const TemporaryDirectory directory;
  make_log(directory.path());
  std::filesystem::remove(directory.path() / "log.anchor");
  EXPECT_EQ(verify(directory.path()).damage.size(), 1u);
}

TEST(SqliteDamage, OneBadAnchorSlotIsMendedWhenTheLogIsOpened) {
  for (const int slot : {0, 1}) {
    const TemporaryDirectory directory;
    make_log(directory.path());
    std::fstream(directory.path() / "log.anchor", std::ios::binary | std::ios::in | std::ios::out)
        .seekp(slot * 128 + 20)
        .put('!');
    EXPECT_FALSE(verify(directory.path()).damage.empty());
    append_some(*open_writable(directory.path()), 1);
    EXPECT_TRUE(verify(directory.path()).damage.empty()) << list(verify(directory.path()));
  }
}

// A writer at full speed, its checkpoints included, never looks like damage.
void verify_while_writing(int batches) {
  const TemporaryDirectory directory;
  auto log = open_writable(directory.path());
  append_some(*log, 1);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < batches; ++i) append_some(*log, i % 7 == 0 ? 1 : 400);
    done = true;
  });
  Offset last = 0;
  int rounds = 0;
  while (!done) {
    const Verification found = verify(directory.path());
    EXPECT_TRUE(found.damage.empty()) << list(found);
    EXPECT_GE(found.last, last);
    last = found.last;
    ++rounds;
  }
  writer.join();
  EXPECT_GT(rounds, 0);
  EXPECT_EQ(verify(directory.path()).last, log->head()->last);
  log.reset();
  EXPECT_TRUE(verify(directory.path()).damage.empty());
}

TEST(SqliteDamage, AWriterAtWorkIsNoDamage) { verify_while_writing(120); }
TEST(SqliteDamageSoak, AWriterAtWorkIsNoDamage) { verify_while_writing(500); }

// Kills a writing process at random moments: what it had reported as appended is there, and nothing looks damaged.
void kill_writers(int rounds) {
  const TemporaryDirectory directory;
  Random random(5);
  Offset acknowledged = 0;
  for (int round = 0; round < rounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto log = open_sqlite_log({directory.path()});
      if (!log) ::_exit(3);
      for (uint64_t seed = 0;; ++seed) {
        const Head head = *(*log)->head();
        const EncodedBatch batch =
            encode_batch(head.header, 1, Instant{head.header.at.ns + 1}, some_events(seed, 1 + seed * 37 % 300));
        if (!(*log)->append(batch)) ::_exit(4);
        const Offset last = batch.header.last();
        if (::write(ends[1], &last, sizeof last) != sizeof last) ::_exit(5);
      }
    }
    ::close(ends[1]);
    ::usleep(static_cast<useconds_t>(random.below(60'000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer stopped by itself: " << WEXITSTATUS(status);
    for (Offset last = 0; ::read(ends[0], &last, sizeof last) == sizeof last;) acknowledged = last;
    ::close(ends[0]);
    if (std::filesystem::exists(directory.path() / "log.db")) {
      const Verification found = verify(directory.path());
      ASSERT_TRUE(found.damage.empty()) << list(found);
      ASSERT_GE(found.last, acknowledged);
    }
  }
  auto log = open_writable(directory.path());
  ASSERT_TRUE(log);
  EXPECT_GT(log->head()->last, 0u);
  EXPECT_GE(log->head()->last, acknowledged);
}

TEST(SqliteDamage, AKilledWriterLosesNothingItAcknowledged) { kill_writers(15); }
TEST(SqliteDamageSoak, AKilledWriterLosesNothingItAcknowledged) {
  for (int i = 0; i < 5; ++i) kill_writers(20);
}

// A disk that refuses to write more, here by a limit on the size of files.
TEST(SqliteDamage, AfterAFailedWriteNothingIsTakenUntilTheLogIsOpenedAgain) {
  const TemporaryDirectory directory;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    auto log = open_sqlite_log({directory.path()});
    if (!log) ::_exit(100);
    const rlimit limit{.rlim_cur = 400'000, .rlim_max = 400'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(101);
    for (int acknowledged = 0;; ++acknowledged) {
      const BatchHeader head = (*log)->head()->header;
      const EncodedBatch batch = encode_batch(head, 1, Instant{head.at.ns + 1}, some_events(1, 100));
      const auto appended = (*log)->append(batch);
      if (appended) continue;
      const auto again = (*log)->append(batch);
      const bool refused = appended.error().code == ErrorCode::io && !again && again.error().code == ErrorCode::io;
      ::_exit(refused && (*log)->head()->header == head ? acknowledged : 102);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  const int acknowledged = WEXITSTATUS(status);
  ASSERT_GT(acknowledged, 3);
  ASSERT_LT(acknowledged, 100);
  EXPECT_TRUE(verify(directory.path()).damage.empty()) << list(verify(directory.path()));
  auto log = open_writable(directory.path());
  EXPECT_GE(log->head()->last, Offset(acknowledged) * 100);
  append_some(*log, 1'000);
  EXPECT_TRUE(verify(directory.path()).damage.empty()) << list(verify(directory.path()));
}

}  // namespace
}  // namespace tandem::log
