#include "log/simulated_log.h"

#include <gtest/gtest.h>

#include "log/testing.h"

namespace tandem::log {
namespace {

Result<void> append(Log& log, size_t count, Epoch epoch = 1) {
  const Head head = *log.head();
  return log.append(encode_batch(head.header, epoch, Instant{head.header.at.ns + 1}, some_events(head.last, count)));
}

TEST(SimulatedLog, ReadsBackWhatWasAppended) {
  SimulatedLog log(1);
  EXPECT_TRUE(log.read(1, 100)->empty());
  for (const size_t count : {2u, 3u, 4u}) ASSERT_TRUE(append(log, count));
  EXPECT_EQ(log.head()->last, 9u);
  const auto batches = log.read(4, SIZE_MAX);
  ASSERT_EQ(batches->size(), 2u);
  EXPECT_EQ((*batches)[0].header.first, 3u);
  EXPECT_EQ(encode_events((*batches)[1].events), encode_events(some_events(5, 4)));
  EXPECT_EQ(log.read(1, 0)->size(), 1u);
  EXPECT_TRUE(log.read(10, SIZE_MAX)->empty());
}

TEST(SimulatedLog, FencesFillsAndIsDamagedOnDemand) {
  SimulatedLog log(2);
  ASSERT_TRUE(append(log, 2));
  log.fence(5);
  EXPECT_EQ(append(log, 1, 4).error().code, ErrorCode::fenced);
  ASSERT_TRUE(append(log, 1, 5));
  log.set_capacity(0);
  EXPECT_EQ(append(log, 1, 5).error().code, ErrorCode::resource_exhausted);
  log.set_capacity(SIZE_MAX);
  ASSERT_TRUE(append(log, 1, 5));
  EXPECT_FALSE(log.damage(5));
  ASSERT_TRUE(log.damage(3));
  const auto read = log.read(1, SIZE_MAX);
  EXPECT_EQ(read.error().code, ErrorCode::corrupt);
  EXPECT_EQ(read.error().context, "offset 3");
  ASSERT_TRUE(log.lose_from(3));
  EXPECT_EQ(log.head()->last, 2u);
  EXPECT_TRUE(log.read(1, SIZE_MAX));
}

// Whatever fails: what was acknowledged stays, what was not is there whole or not at all, and a failed log says so
// until it is opened again.
TEST(SimulatedLog, NeverLosesWhatItAcknowledged) {
  size_t survived = 0;
  size_t lost = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimulatedLog log(seed, {.append_full = 0.05, .append_lost = 0.05, .append_unknown = 0.1, .read_failed = 0.05});
    Offset acknowledged = 0;
    Digest hash;
    for (int round = 0; round < 50; ++round) {
      const EncodedBatch batch = encode_batch(log.head()->header, 1, Instant{round}, some_events(seed, 1 + seed % 3));
      const auto appended = log.append(batch);
      if (appended) {
        acknowledged = batch.header.last();
        hash = batch.header.hash;
      } else if (appended.error().code == ErrorCode::io) {
        EXPECT_EQ(log.append(batch).error().code, ErrorCode::io);
        EXPECT_EQ(log.head()->last, acknowledged);
        log.crash();
        if (log.head()->header == batch.header) {
          ++survived;
          acknowledged = batch.header.last();
          hash = batch.header.hash;
        } else {
          ++lost;
        }
      }
      ASSERT_EQ(log.head()->last, acknowledged);
      ASSERT_EQ(log.head()->header.hash, hash);
    }
    log.set_faults({});
    EXPECT_TRUE(log.read(1, SIZE_MAX));
  }
  EXPECT_GT(survived, 100u);
  EXPECT_GT(lost, 100u);
}

}  // namespace
}  // namespace tandem::log
