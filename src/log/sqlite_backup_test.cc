#include <gtest/gtest.h>

#include <fstream>

#include "log/backup.h"
#include "log/batch.h"
#include "log/testing.h"

namespace tandem::log {
namespace {

// A log in use, whose last batches are in the write-ahead log only.
struct InUse {
  InUse() : log(std::move(*open_sqlite_log({directory.path()}))) {
    for (const size_t count : {1u, 3u, 200u}) append(count);
  }
  void append(size_t count) {
    const Head head = *log->head();
    ASSERT_TRUE(log->append(encode_batch(head.header, 1, Instant{head.header.at.ns + 1}, some_events(count, count))));
  }
  TemporaryDirectory directory;
  std::unique_ptr<Log> log;
};

TEST(Backup, IsTheLogAsItWasWhileTheWriterGoesOn) {
  InUse grid;
  TemporaryDirectory place;
  const std::filesystem::path copy = place.path() / "monday" / "log";
  const auto head = back_up_sqlite_log(grid.directory.path(), copy);
  ASSERT_TRUE(head) << to_string(head.error());
  EXPECT_EQ(head->last, 204u);
  grid.append(5);

  const auto found = verify_sqlite_log(copy);
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_TRUE(found->damage.empty()) << found->damage.front().what;
  EXPECT_EQ(found->last, 204u);
  EXPECT_EQ(found->head, head->header.hash);

  // It goes on from there, and what is written is found whole again.
  auto restored = std::move(*open_sqlite_log({copy}));
  EXPECT_EQ(restored->read(1, SIZE_MAX)->size(), 3u);
  ASSERT_TRUE(
      restored->append(encode_batch(restored->head()->header, 2, Instant{head->header.at.ns + 9}, some_events(9, 9))));
  restored.reset();
  EXPECT_TRUE(verify_sqlite_log(copy)->damage.empty());
  EXPECT_EQ(verify_sqlite_log(copy)->last, 213u);
}

TEST(Backup, OfAnEmptyLogIsOne) {
  TemporaryDirectory directory, place;
  const auto log = std::move(*open_sqlite_log({directory.path()}));
  const auto head = back_up_sqlite_log(directory.path(), place.path() / "log");
  ASSERT_TRUE(head) << to_string(head.error());
  EXPECT_EQ(head->last, 0u);
  EXPECT_TRUE(verify_sqlite_log(place.path() / "log")->damage.empty());
}

TEST(Backup, NeverReplacesALogAndNeedsOne) {
  InUse grid;
  TemporaryDirectory place;
  ASSERT_TRUE(back_up_sqlite_log(grid.directory.path(), place.path()));
  EXPECT_EQ(back_up_sqlite_log(grid.directory.path(), place.path()).error().code, ErrorCode::conflict);
  EXPECT_TRUE(verify_sqlite_log(place.path())->damage.empty());
  EXPECT_EQ(back_up_sqlite_log(place.path() / "nowhere", place.path() / "copy").error().code, ErrorCode::not_found);
}

TEST(Backup, CarriesNoDamageOn) {
  InUse grid;
  grid.log.reset();  // everything is in the database now
  TemporaryDirectory place;
  {
    std::fstream file(grid.directory.path() / "log.db", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(5 * 4096 + 100);
    file.put('!');
  }
  const auto head = back_up_sqlite_log(grid.directory.path(), place.path() / "log");
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().code, ErrorCode::corrupt) << to_string(head.error());
  EXPECT_TRUE(std::filesystem::is_empty(place.path() / "log"));
}

// Killed with its last batches in the write-ahead log only, which then is lost: what is left is a whole, shorter log.
TEST(Backup, DoesNotPassALostTailOff) {
  InUse grid;
  TemporaryDirectory killed, place;
  for (const char* name : {"log.db", "log.anchor"})
    std::filesystem::copy_file(grid.directory.path() / name, killed.path() / name);
  const auto head = back_up_sqlite_log(killed.path(), place.path() / "log");
  ASSERT_FALSE(head);
  EXPECT_NE(head.error().code, ErrorCode::conflict) << to_string(head.error());
  EXPECT_TRUE(std::filesystem::is_empty(place.path() / "log"));
}

}  // namespace
}  // namespace tandem::log
