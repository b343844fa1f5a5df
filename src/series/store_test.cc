#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <thread>

#include "series/queue.h"
#include "series/series.h"
#include "series/testing.h"

namespace tandem::series {
namespace {

std::unique_ptr<Store> open(const std::filesystem::path& directory) {
  auto store = Store::open({.directory = directory});
  EXPECT_TRUE(store) << to_string(store.error());
  return store ? std::move(*store) : nullptr;
}

std::vector<Usage> all_usage(const Store& store, const UsageQuery& query = {}) {
  std::vector<Usage> rows;
  const auto scanned = store.scan(query, [&](const Usage& row) {
    rows.push_back(row);
    return true;
  });
  EXPECT_TRUE(scanned) << to_string(scanned.error());
  return rows;
}

std::vector<Sample> all_samples(const Store& store, const SampleQuery& query) {
  std::vector<Sample> rows;
  const auto scanned = store.scan(query, [&](const Sample& row) {
    rows.push_back(row);
    return true;
  });
  EXPECT_TRUE(scanned) << to_string(scanned.error());
  return rows;
}

uint64_t requests(const std::vector<v1::UsageTotal>& totals) {
  uint64_t sum = 0;
  for (const auto& total : totals) sum += total.requests();
  return sum;
}

std::set<std::string> files(const std::filesystem::path& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) names.insert(std::filesystem::relative(entry.path(), directory).string());
  }
  return names;
}

// `per_minute` rows in each of `minutes` minutes from the start on.
std::vector<Usage> fill(Store& store, int minutes_count, int per_minute, int first_minute = 0) {
  Random random(1);
  std::vector<Usage> rows;
  for (int minute = first_minute; minute < first_minute + minutes_count; ++minute) {
    for (int i = 0; i < per_minute; ++i) {
      rows.push_back(some_usage(random, kStart + minutes(minute) + milliseconds(60'000 * i / per_minute)));
      EXPECT_TRUE(store.append(rows.back()));
    }
  }
  return rows;
}

TEST(Store, RowsAreThereBeforeAndAfterTheirWindowIsSealed) {
  const TemporaryDirectory directory;
  auto store = open(directory.path() / "deep" / "er");
  const std::vector<Usage> rows = fill(*store, 3, 50);
  EXPECT_TRUE(all_usage(*store).empty());  // not before they are flushed
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(all_usage(*store), rows);
  const auto totals = *store->totals({});
  EXPECT_EQ(requests(totals), 150u);
  const auto events = store->seal(kStart + minutes(2));
  ASSERT_TRUE(events) << to_string(events.error());
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ((*events)[0].from_ns(), kStart.ns);
  EXPECT_EQ((*events)[1].from_ns(), (kStart + minutes(1)).ns);
  EXPECT_EQ((*events)[1].rows(), 50u);
  EXPECT_EQ(all_usage(*store), rows);
  // From chunks' own totals or from rows: the same, but for the order in which costs were added.
  const auto sealed_totals = *store->totals({});
  ASSERT_EQ(sealed_totals.size(), totals.size());
  for (size_t i = 0; i < totals.size(); ++i) {
    EXPECT_EQ(sealed_totals[i].tenant() + sealed_totals[i].model() + sealed_totals[i].site(),
              totals[i].tenant() + totals[i].model() + totals[i].site());
    EXPECT_EQ(sealed_totals[i].requests(), totals[i].requests());
    EXPECT_EQ(sealed_totals[i].output_tokens(), totals[i].output_tokens());
    EXPECT_NEAR(sealed_totals[i].cost_eur(), totals[i].cost_eur(), 1e-12);
  }
  const UsageQuery one{.range = {}, .tenant = "tenant-2", .model = "", .site = "site-3"};
  EXPECT_EQ(requests(*store->totals(one)), all_usage(*store, one).size());
  EXPECT_EQ(all_usage(*store, {.range = {kStart + seconds(30), kStart + seconds(90)}}).size(), 50u);
  EXPECT_EQ(requests(*store->totals({.range = {kStart + seconds(30), kStart + seconds(150)}})), 100u);
  for (const Usage& row : all_usage(*store, one)) {
    EXPECT_EQ(row.tenant, "tenant-2");
    EXPECT_EQ(row.site, "site-3");
  }
  int seen = 0;
  ASSERT_TRUE(store->scan(UsageQuery{}, [&](const Usage&) { return ++seen < 7; }));
  EXPECT_EQ(seen, 7);
}

TEST(Store, WhatIsNotOnTheLogYetIsToldByWindow) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  fill(*store, 2, 10);
  EXPECT_TRUE(store->unconfirmed_usage().empty());  // not before it is flushed
  const auto sealed = *store->seal(kStart + minutes(1));
  ASSERT_EQ(sealed.size(), 1u);
  const auto both = store->unconfirmed_usage();
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].SerializeAsString(), sealed[0].SerializeAsString());
  EXPECT_EQ(both[1].from_ns(), (kStart + minutes(1)).ns);
  EXPECT_EQ(both[1].sha256(), "");
  EXPECT_EQ(requests({both[1].usage().begin(), both[1].usage().end()}), 10u);
  ASSERT_TRUE(store->confirm(sealed[0]));
  EXPECT_EQ(store->unconfirmed_usage().size(), 1u);
}

TEST(Store, AWindowsEventComesUntilItIsConfirmed) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  fill(*store, 2, 10);
  const auto events = *store->seal(kStart + minutes(2));
  ASSERT_EQ(events.size(), 2u);
  v1::WindowSealed other = events[0];
  other.set_sha256("another");
  EXPECT_EQ(store->confirm(other).error().code, ErrorCode::not_found);
  other.set_from_ns(0);
  EXPECT_EQ(store->confirm(other).error().code, ErrorCode::not_found);
  ASSERT_TRUE(store->confirm(events[0]));
  ASSERT_TRUE(store->confirm(events[0]));  // twice does no harm
  store.reset();
  store = open(directory.path());
  const auto again = *store->seal(kStart);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].SerializeAsString(), events[1].SerializeAsString());
  ASSERT_TRUE(store->confirm(again[0]));
  EXPECT_TRUE(store->seal(kStart)->empty());
  EXPECT_EQ(all_usage(*store).size(), 20u);
}

TEST(Store, FlushedUsageOutlivesTheProcessAndSamplesOfOpenMinutesDoNot) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  std::vector<Usage> rows = fill(*store, 2, 10);
  ASSERT_TRUE(store->append(Sample{kStart, "s", 1}));
  ASSERT_TRUE(store->flush());
  Random random(8);
  rows.push_back(some_usage(random, kStart + seconds(119)));
  ASSERT_TRUE(store->append(rows.back()));
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(store->append(some_usage(random, kStart + seconds(119))));  // never flushed
  store.reset();  // writes nothing, as a killed process would not
  store = open(directory.path());
  EXPECT_EQ(all_usage(*store), rows);
  EXPECT_TRUE(all_samples(*store, {.range = {}, .series = "s"}).empty());
  // What came before and after goes into one chunk.
  ASSERT_TRUE(store->append(some_usage(random, kStart + seconds(61))));
  const auto events = *store->seal(kStart + minutes(5));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].rows(), 12u);
  EXPECT_EQ(files(directory.path()).size(), 3u);  // two chunks and the lock: the journals are gone
  EXPECT_EQ(store->rows_lost(), 0u);
}

// A process killed at any step of sealing: the rows are there once, and each window's event comes.
TEST(Store, SealingMayStopAnywhere) {
  const TemporaryDirectory before;
  const TemporaryDirectory after;
  std::vector<Usage> rows;
  {
    auto store = open(before.path());
    rows = fill(*store, 1, 10);
    ASSERT_TRUE(store->flush());
  }
  std::filesystem::copy(before.path(), after.path(), std::filesystem::copy_options::recursive);
  ASSERT_EQ(open(after.path())->seal(kStart + minutes(1))->size(), 1u);
  const auto journal = std::filesystem::path("journal") / (std::to_string(kStart.ns) + ".usage");
  const auto chunk = std::filesystem::path("requests") / "2025-11-21T08" / (std::to_string(kStart.ns) + ".chunk.new");
  ASSERT_TRUE(std::filesystem::exists(after.path() / chunk)) << chunk;
  const std::string bytes = [&] {
    std::ifstream file(after.path() / chunk, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  // While the chunk is written; and when it is, but the journal still there.
  for (const bool written : {false, true}) {
    const TemporaryDirectory directory;
    std::filesystem::copy(before.path(), directory.path(), std::filesystem::copy_options::recursive);
    std::filesystem::create_directories((directory.path() / chunk).parent_path());
    std::ofstream(directory.path() / (chunk.string() + (written ? "" : ".tmp")), std::ios::binary)
        << bytes.substr(0, written ? bytes.size() : bytes.size() / 2);
    auto store = open(directory.path());
    EXPECT_EQ(all_usage(*store), rows);
    EXPECT_EQ(std::filesystem::exists(directory.path() / journal), !written);
    const auto events = *store->seal(kStart + minutes(1));
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].rows(), 10u);
    EXPECT_EQ(all_usage(*store), rows);
  }
}

TEST(Store, LateRowsCountInTheNextWindow) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  Random random(2);
  ASSERT_TRUE(store->append(some_usage(random, kStart + seconds(5))));
  ASSERT_EQ(store->seal(kStart + seconds(119))->size(), 1u);
  const Usage late = some_usage(random, kStart + seconds(6));
  ASSERT_TRUE(store->append(late));
  EXPECT_EQ(store->seal(kStart + seconds(119))->size(), 1u);
  const auto events = *store->seal(kStart + minutes(2));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].from_ns(), (kStart + minutes(1)).ns);
  EXPECT_EQ(all_usage(*store, {.range = {kStart + seconds(6), kStart + seconds(7)}}), std::vector{late});
}

TEST(Store, HostileTimesOpenNoWindowForEachRow) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(store->append(Sample{kStart + hours(i), "s", 1}));
  const auto events = *store->seal(kStart + hours(10'000));
  EXPECT_EQ(events.size(), 64u);
  EXPECT_EQ(all_samples(*store, {.range = {}, .series = "s"}).size(), 1'000u);
  EXPECT_EQ(all_samples(*store, {.range = {kStart + hours(500), kStart + hours(501)}, .series = "s"}).size(), 1u);
  EXPECT_FALSE(store->append(Sample{Instant{-1}, "s", 1}));
}

TEST(Store, OldHoursExpireUnlessTheirEventIsOutstanding) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  std::vector<v1::WindowSealed> events;
  for (int minute = 0; minute < 180; minute += 60) {
    fill(*store, 60, 1, minute);
    events = *store->seal(kStart + minutes(minute + 60));
  }
  ASSERT_EQ(events.size(), 180u);
  for (const auto& event : events) {
    if (event.from_ns() == (kStart + minutes(7)).ns) continue;
    ASSERT_TRUE(store->confirm(event));
  }
  ASSERT_TRUE(store->expire(kStart + minutes(119)));
  EXPECT_EQ(all_usage(*store).size(), 121u);
  ASSERT_TRUE(store->confirm(events[7]));
  ASSERT_TRUE(store->expire(kStart + minutes(120)));
  EXPECT_EQ(all_usage(*store).size(), 60u);
  EXPECT_EQ(files(directory.path()).size(), 61u);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "requests" / "2025-11-21T08"));
  store.reset();
  EXPECT_EQ(all_usage(*open(directory.path())).size(), 60u);
}

TEST(Store, ADamagedChunkIsNamed) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  fill(*store, 1, 10);
  const auto events = *store->seal(kStart + minutes(1));
  ASSERT_TRUE(store->confirm(events[0]));
  const auto path = directory.path() / "requests" / "2025-11-21T08" / (std::to_string(kStart.ns) + ".chunk");
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(300).put('!');
  const auto scanned = store->scan(UsageQuery{}, [](const Usage&) { return true; });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::corrupt);
  EXPECT_EQ(scanned.error().context, path.string());
  EXPECT_EQ(store->totals({}).error().code, ErrorCode::corrupt);
  EXPECT_TRUE(store->totals({.range = {kStart + minutes(1), kStart + minutes(2)}}));
}

TEST(Store, SamplesRollUp) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  for (int i = 0; i < 120; ++i) ASSERT_TRUE(store->append(Sample{kStart + seconds(i), "load{link=\"a\"}", double(i)}));
  ASSERT_TRUE(store->append(Sample{kStart + seconds(3), "load{link=\"a\"}", std::nan("")}));
  ASSERT_TRUE(store->append(Sample{kStart + seconds(3), "load{link=\"b\"}", 1'000}));
  ASSERT_EQ(store->seal(kStart + minutes(1))->size(), 1u);
  const Range range{kStart + seconds(10), kStart + seconds(100)};
  const auto buckets = store->roll_up({.range = range, .series = "load{link=\"a\"}"}, seconds(60));
  ASSERT_TRUE(buckets) << to_string(buckets.error());
  const std::vector<Bucket> expected = {{kStart + seconds(10), 60, 2'370, 10, 69, 69},
                                        {kStart + seconds(70), 30, 2'535, 70, 99, 99}};
  EXPECT_EQ(*buckets, expected);
  EXPECT_EQ(all_samples(*store, {.range = {}, .series = "load", .prefix = true}).size(), 122u);
  EXPECT_FALSE(store->roll_up({.range = range, .series = "s"}, Duration{0}));
  EXPECT_FALSE(store->roll_up({.range = {}, .series = "s"}, seconds(1)));
}

TEST(Store, AFullQueueSaysSoAndCounts) {
  const TemporaryDirectory directory;
  auto store = *Store::open({.directory = directory.path(), .queue_rows = 4, .open_rows_max = 6});
  const auto put = [&](int count) {
    int taken = 0;
    for (int i = 0; i < count; ++i) taken += store->append(Sample{kStart, "s", 1}) ? 1 : 0;
    return taken;
  };
  EXPECT_EQ(put(6), 4);
  EXPECT_EQ(store->rows_lost(), 2u);
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(put(4), 4);
  ASSERT_TRUE(store->flush());  // room for two more
  EXPECT_EQ(put(4), 2);
  ASSERT_EQ(store->seal(kStart + minutes(1))->at(0).rows(), 6u);
  EXPECT_EQ(put(1), 0);
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(put(1), 1);
}

TEST(Store, HasOneOwner) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  EXPECT_EQ(Store::open({.directory = directory.path()}).error().code, ErrorCode::conflict);
}

TEST(Store, ThreadsAppendWhileTheOwnerSealsAndOthersRead) {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  constexpr int kThreads = 3, kRows = 20'000;
  std::atomic<int> running = kThreads;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Random random(static_cast<uint64_t>(t));
      for (int i = 0; i < kRows; ++i) {
        const Usage row = some_usage(random, kStart + milliseconds(20 * i));
        while (!store->append(row)) std::this_thread::yield();
      }
      --running;
    });
  }
  std::thread reader([&] {
    while (running > 0) EXPECT_TRUE(store->totals({}));
  });
  uint64_t sealed = 0;
  const auto seal = [&](Instant before) {
    const auto events = store->seal(before);
    ASSERT_TRUE(events);
    for (const auto& event : *events) {
      sealed += event.rows();
      ASSERT_TRUE(store->confirm(event));
    }
  };
  for (int minute = 0; running > 0; ++minute) seal(kStart + minutes(minute % 7));
  for (auto& thread : threads) thread.join();
  reader.join();
  seal(kStart + minutes(100));
  EXPECT_EQ(sealed, uint64_t{kThreads} * kRows);
  EXPECT_EQ(requests(*store->totals({})), uint64_t{kThreads} * kRows);
}

TEST(Queue, KeepsTheOrderOfEachProducerAndIsBounded) {
  BoundedQueue<std::pair<int, int>> queue(64);
  std::vector<std::thread> producers;
  for (int p = 0; p < 3; ++p) {
    producers.emplace_back([&, p] {
      for (int i = 0; i < 5'000; ++i) {
        for (std::pair<int, int> value{p, i}; !queue.push(value);) std::this_thread::yield();
      }
    });
  }
  std::array<int, 3> next{};
  std::pair<int, int> value;
  for (int taken = 0; taken < 15'000;) {
    if (!queue.pop(value)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(value.second, next[static_cast<size_t>(value.first)]++);
    ++taken;
  }
  for (auto& thread : producers) thread.join();
  EXPECT_FALSE(queue.pop(value));
  for (int i = 0; i < 64; ++i) EXPECT_TRUE(queue.push(value));
  EXPECT_FALSE(queue.push(value));
}

}  // namespace
}  // namespace tandem::series
