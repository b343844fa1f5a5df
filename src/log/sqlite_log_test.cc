#include <gtest/gtest.h>

#include "log/log.h"
#include "log/testing.h"

namespace tandem::log {
namespace {

std::unique_ptr<Log> open(const std::filesystem::path& directory, bool read_only = false) {
  auto log = open_sqlite_log({directory, read_only});
  EXPECT_TRUE(log) << to_string(log.error());
  return log ? std::move(*log) : nullptr;
}

// Appends batches of `sizes` events.
void fill(Log& log, const std::vector<size_t>& sizes, uint64_t seed = 1) {
  for (const size_t size : sizes) {
    const Head head = *log.head();
    const auto appended =
        log.append(encode_batch(head.header, 1, Instant{head.header.at.ns + 1}, some_events(seed++, size)));
    ASSERT_TRUE(appended) << to_string(appended.error());
  }
}

void expect_clean(const std::filesystem::path& directory, Offset last) {
  const auto found = verify_sqlite_log(directory);
  ASSERT_TRUE(found) << to_string(found.error());
  for (const auto& damage : found->damage) ADD_FAILURE() << damage.offset << ": " << damage.what;
  EXPECT_EQ(found->last, last);
  EXPECT_EQ(found->events, last);
}

TEST(SqliteLog, KeepsWhatWasAppended) {
  const TemporaryDirectory directory;
  BatchHeader last;
  {
    auto log = open(directory.path() / "deep" / "er");
    EXPECT_EQ(log->head()->last, 0u);
    EXPECT_EQ(log->head()->header, BatchHeader{});
    EXPECT_TRUE(log->read(1, 1 << 20)->empty());
    fill(*log, {1, 3, 100, 2'000});
    last = log->head()->header;
    EXPECT_EQ(last.last(), 2'104u);
    expect_clean(directory.path() / "deep" / "er", 2'104);
  }
  expect_clean(directory.path() / "deep" / "er", 2'104);
  for (const bool read_only : {true, false}) {
    auto log = open(directory.path() / "deep" / "er", read_only);
    EXPECT_EQ(log->head()->header, last);
    const auto batches = log->read(0, SIZE_MAX);
    ASSERT_TRUE(batches) << to_string(batches.error());
    ASSERT_EQ(batches->size(), 4u);
    EXPECT_EQ(encode_events((*batches)[3].events), encode_events(some_events(4, 2'000)));
    EXPECT_EQ((*batches)[3].header, last);
  }
}

TEST(SqliteLog, ReadsFromAnyOffsetWholeBatchesUpToALimit) {
  const TemporaryDirectory directory;
  auto log = open(directory.path());
  fill(*log, {2, 3, 4});
  const auto firsts = [&](Offset from, size_t limit) {
    std::vector<Offset> offsets;
    const auto batches = log->read(from, limit);
    EXPECT_TRUE(batches);
    for (const Batch& batch : *batches) offsets.push_back(batch.header.first);
    return offsets;
  };
  EXPECT_EQ(firsts(1, SIZE_MAX), (std::vector<Offset>{1, 3, 6}));
  EXPECT_EQ(firsts(2, SIZE_MAX), (std::vector<Offset>{1, 3, 6}));
  EXPECT_EQ(firsts(3, SIZE_MAX), (std::vector<Offset>{3, 6}));
  EXPECT_EQ(firsts(9, SIZE_MAX), (std::vector<Offset>{6}));
  EXPECT_EQ(firsts(10, SIZE_MAX), (std::vector<Offset>{}));
  EXPECT_EQ(firsts(UINT64_MAX, SIZE_MAX), (std::vector<Offset>{}));
  EXPECT_EQ(firsts(1, 0), (std::vector<Offset>{1}));
  EXPECT_EQ(firsts(1, 500), (std::vector<Offset>{1, 3}));
}

TEST(SqliteLog, RefusesWhatDoesNotFollowAndTakesTheNextAllTheSame) {
  const TemporaryDirectory directory;
  auto log = open(directory.path());
  fill(*log, {2});
  const BatchHeader head = log->head()->header;
  EXPECT_EQ(log->append(encode_batch(head, 0, head.at, some_events(1, 1))).error().code, ErrorCode::fenced);
  EXPECT_EQ(log->append(encode_batch({}, 1, head.at, some_events(1, 1))).error().code, ErrorCode::conflict);
  EXPECT_EQ(log->append(encode_batch(head, 1, Instant{0}, some_events(1, 1))).error().code, ErrorCode::conflict);
  EXPECT_EQ(log->append(encode_batch(head, 1, head.at, some_events(1, kBatchEventsMax + 1))).error().code,
            ErrorCode::too_large);
  EXPECT_EQ(log->head()->header, head);
  EXPECT_TRUE(log->append(encode_batch(head, 9, head.at, some_events(1, 1))));
  EXPECT_EQ(log->append(encode_batch(log->head()->header, 8, head.at, some_events(1, 1))).error().code,
            ErrorCode::fenced);
  expect_clean(directory.path(), 3);
}

TEST(SqliteLog, HasOneWriterAndAnyReaders) {
  const TemporaryDirectory directory;
  EXPECT_EQ(open_sqlite_log({directory.path(), true}).error().code, ErrorCode::not_found);
  EXPECT_EQ(verify_sqlite_log(directory.path()).error().code, ErrorCode::not_found);
  auto log = open(directory.path());
  fill(*log, {2});
  const auto second = open_sqlite_log({directory.path()});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos) << second.error().message;
  auto reader = open(directory.path(), true);
  EXPECT_EQ(reader->head()->last, 2u);
  EXPECT_EQ(reader->append(encode_batch(log->head()->header, 1, Instant{5}, some_events(1, 1))).error().code,
            ErrorCode::permission_denied);
  fill(*log, {3});
  EXPECT_EQ(reader->head()->last, 5u);
  log.reset();
  EXPECT_TRUE(open(directory.path()));
}

TEST(SqliteLog, AloneHoldsAllOnceItIsClosed) {
  const TemporaryDirectory directory;
  {
    auto log = open(directory.path());
    fill(*log, {10, 10});
    EXPECT_EQ(log->read(1, SIZE_MAX)->size(), 2u);  // a reader's connection must not keep the write-ahead log
    EXPECT_TRUE(std::filesystem::exists(directory.path() / "log.db-wal"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "log.db-wal"));
  EXPECT_EQ(std::filesystem::file_size(directory.path() / "log.db") % 4096, 0u);
}

}  // namespace
}  // namespace tandem::log
