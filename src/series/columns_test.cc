#include "series/columns.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/digest.h"
#include "series/chunk.h"
#include "series/journal.h"
#include "series/testing.h"

namespace tandem::series {
namespace {

UsageRows usage_rows(uint64_t seed, size_t count) {
  Random random(seed);
  UsageRows rows;
  for (size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(rows.push(some_usage(random, kStart + milliseconds(static_cast<int64_t>(random.below(60'000))))));
  }
  return rows;
}

SampleRows sample_rows(uint64_t seed, size_t count) {
  Random random(seed);
  SampleRows rows;
  for (size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(rows.push({kStart + milliseconds(static_cast<int64_t>(random.below(60'000))),
                           "load{link=\"" + std::to_string(random.below(7)) + "\"}", random.normal(0, 1)}));
  }
  return rows;
}

std::vector<Usage> by_time(const UsageRows& rows, size_t first = 0) {
  std::vector<Usage> list;
  for (size_t i = first; i < rows.size(); ++i) list.push_back(rows.row(i));
  std::ranges::stable_sort(list, {}, &Usage::at);
  return list;
}

TEST(Columns, UsageReadsBackByTime) {
  for (const size_t count : {0u, 1u, 2u, 1'000u}) {
    const UsageRows rows = usage_rows(count, count);
    const auto back = decode_usage(encode(rows));
    ASSERT_TRUE(back) << to_string(back.error());
    EXPECT_EQ(by_time(*back), by_time(rows));
    EXPECT_TRUE(std::ranges::is_sorted(back->at_ns));
    const auto tail = decode_usage(encode(rows, count / 2));
    ASSERT_TRUE(tail);
    EXPECT_EQ(by_time(*tail), by_time(rows, count / 2));
  }
}

TEST(Columns, RowsOfAnEarlierVersionReadBack) {
  UsageRows rows;
  Random random(3);
  for (int i = 0; i < 10; ++i) {
    Usage row = some_usage(random, kStart + seconds(i));
    row.cached_tokens = 0;
    row.energy_j = row.carbon_g = 0;
    EXPECT_TRUE(rows.push(row));
  }
  const std::string bytes = encode(rows);
  const auto back = decode_usage(std::string_view(bytes).substr(0, bytes.size() - 10 * (1 + 8 + 8)));
  ASSERT_TRUE(back);
  EXPECT_EQ(by_time(*back), by_time(rows));
}

TEST(Columns, EstimatedTokensAreCountedApartToo) {
  const UsageRows rows = usage_rows(9, 500);
  v1::UsageTotal all;
  for (const v1::UsageTotal& total : totals_of(rows, {})) {
    all.set_estimated_requests(all.estimated_requests() + total.estimated_requests());
    all.set_estimated_output_tokens(all.estimated_output_tokens() + total.estimated_output_tokens());
    all.set_cached_tokens(all.cached_tokens() + total.cached_tokens());
  }
  uint64_t requests = 0, output = 0, cached = 0;
  for (const Usage& row : by_time(rows)) {
    cached += row.cached_tokens;
    if (!row.estimated) continue;
    ++requests;
    output += row.output_tokens;
  }
  EXPECT_GT(requests, 0u);
  EXPECT_EQ(all.estimated_requests(), requests);
  EXPECT_EQ(all.estimated_output_tokens(), output);
  EXPECT_EQ(all.cached_tokens(), cached);
}

TEST(Columns, ABusyWindowGoesOnTheLogInParts) {
  v1::WindowSealed window;
  window.set_from_ns(kStart.ns);
  window.set_sha256("digest");
  window.add_usage()->set_tenant("one");
  ASSERT_EQ(parts_of(window).size(), 1u);
  EXPECT_EQ(parts_of(window)[0].parts(), 0u);
  for (size_t i = 0; i < 2 * kTotalsPerEvent; ++i) {
    v1::UsageTotal& total = *window.add_usage();
    for (std::string* name : {total.mutable_tenant(), total.mutable_model(), total.mutable_site()})
      *name = std::string(kTextBytesMax, 'x');
    for (const auto set : {&v1::UsageTotal::set_requests, &v1::UsageTotal::set_kept, &v1::UsageTotal::set_prompt_tokens,
                           &v1::UsageTotal::set_output_tokens, &v1::UsageTotal::set_cached_tokens,
                           &v1::UsageTotal::set_estimated_requests, &v1::UsageTotal::set_estimated_prompt_tokens,
                           &v1::UsageTotal::set_estimated_output_tokens})
      (total.*set)(UINT32_MAX);
    total.set_cost_eur(1);
    total.set_energy_j(1);
    total.set_carbon_g(1);
  }
  const auto parts = parts_of(window);
  ASSERT_EQ(parts.size(), 3u);
  int totals = 0;
  for (uint32_t i = 0; i < parts.size(); ++i) {
    EXPECT_EQ(parts[i].part(), i);
    EXPECT_EQ(parts[i].parts(), 3u);
    EXPECT_EQ(parts[i].from_ns(), kStart.ns);
    EXPECT_LT(parts[i].ByteSizeLong(), 4u << 20);
    totals += parts[i].usage_size();
  }
  EXPECT_EQ(parts[0].usage(0).tenant(), "one");
  EXPECT_EQ(totals, window.usage_size());
}

TEST(Columns, ExtremesReadBack) {
  UsageRows rows;
  Usage row;
  row.at = Instant{INT64_MAX - hours(24).ns};
  row.tenant = std::string(kTextBytesMax, 'x');
  row.prompt_tokens = UINT32_MAX;
  row.ttft_us = row.tpot_us = row.duration_us = UINT64_MAX;
  row.cost_eur = std::numeric_limits<double>::max();
  row.outcome = Outcome::cancelled;
  row.kept = true;
  ASSERT_TRUE(check(row));
  rows.push(row);
  rows.push(Usage{});
  const auto back = decode_usage(encode(rows));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->row(1), row);
  EXPECT_EQ(back->row(0), Usage{});

  SampleRows samples;
  for (const double value : {std::numeric_limits<double>::infinity(), -0.0, std::nan("")}) {
    samples.push({Instant{samples.size() == 1 ? INT64_MAX : INT64_MIN}, "s", value});
  }
  const auto samples_back = decode_samples(encode(samples));
  ASSERT_TRUE(samples_back);
  EXPECT_EQ(samples_back->at_ns, (std::vector{INT64_MIN, INT64_MIN, INT64_MAX}));
  EXPECT_TRUE(std::isnan(samples_back->value[1]));
}

TEST(Columns, SamplesReadBackBySeriesAndTime) {
  const SampleRows rows = sample_rows(1, 1'000);
  std::vector<Sample> list;
  for (size_t i = 0; i < rows.size(); ++i) list.push_back(rows.row(i));
  std::ranges::stable_sort(list, {}, [](const Sample& s) { return std::pair(s.series, s.at); });
  const auto back = decode_samples(encode(rows));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(back->series[i], list[i].series);
    EXPECT_EQ(back->at_ns[i], list[i].at.ns);
    EXPECT_EQ(back->value[i], list[i].value);
  }
}

TEST(Columns, TotalsAreThoseOfASlowCount) {
  const UsageRows rows = usage_rows(3, 2'000);
  for (const UsageQuery& query : {UsageQuery{}, UsageQuery{.range = {kStart + seconds(10), kStart + seconds(30)}},
                                  UsageQuery{.range = {}, .tenant = "tenant-1", .model = "", .site = "site-7"},
                                  UsageQuery{.range = {}, .tenant = "nobody"}}) {
    std::map<std::tuple<std::string, std::string, std::string>, std::pair<uint64_t, uint64_t>> slow;
    for (const Usage& row : by_time(rows)) {
      if (row.at < query.range.from || row.at >= query.range.to) continue;
      if (!query.tenant.empty() && row.tenant != query.tenant) continue;
      if (!query.site.empty() && row.site != query.site) continue;
      auto& [requests, tokens] = slow[{row.tenant, row.model, row.site}];
      requests += 1;
      tokens += row.output_tokens;
    }
    const auto totals = totals_of(rows, query);
    ASSERT_EQ(totals.size(), slow.size());
    size_t i = 0;
    for (const auto& [key, sums] : slow) {
      EXPECT_EQ(std::tie(totals[i].tenant(), totals[i].model(), totals[i].site()), key);
      EXPECT_EQ(totals[i].requests(), sums.first);
      EXPECT_EQ(totals[i].output_tokens(), sums.second);
      ++i;
    }
  }
}

TEST(Columns, TooManyTotalsLoseSitesThenModelsAndNeverRequests) {
  const auto totals = totals_of(usage_rows(4, 5'000), {});
  const auto sum = [](const std::vector<v1::UsageTotal>& list) {
    uint64_t requests = 0;
    for (const auto& one : list) requests += one.requests();
    return requests;
  };
  EXPECT_EQ(at_most(totals, totals.size()).size(), totals.size());
  for (const auto& [most, size] : {std::pair{totals.size() - 1, size_t{30}}, {29, 5}, {4, 1}}) {
    const auto fewer = at_most(totals, most);
    EXPECT_EQ(fewer.size(), size);
    EXPECT_EQ(sum(fewer), 5'000u);
    EXPECT_EQ(fewer.front().site(), "");
  }
}

TEST(Columns, NamesAreBounded) {
  SampleRows rows;
  for (size_t i = 0; i < kNamesMax; ++i) ASSERT_TRUE(rows.push({kStart, std::to_string(i), 1}));
  EXPECT_FALSE(rows.push({kStart, "one more", 1}));
  EXPECT_TRUE(rows.push({kStart, "7", 1}));
  EXPECT_TRUE(decode_samples(encode(rows)));
}

TEST(Columns, RowsThatCannotBeAreRefused) {
  const auto refused = [](auto change) {
    Usage row;
    row.tenant = "demo";
    EXPECT_TRUE(check(row));
    change(row);
    return !check(row);
  };
  EXPECT_TRUE(refused([](Usage& row) { row.at.ns = -1; }));
  EXPECT_TRUE(refused([](Usage& row) { row.at.ns = INT64_MAX; }));
  EXPECT_TRUE(refused([](Usage& row) { row.site = std::string(kTextBytesMax + 1, 'x'); }));
  EXPECT_TRUE(refused([](Usage& row) { row.model = "\xff"; }));
  EXPECT_TRUE(refused([](Usage& row) { row.cost_eur = std::nan(""); }));
  EXPECT_TRUE(refused([](Usage& row) { row.cost_eur = -1; }));
  EXPECT_FALSE(check(Sample{kStart, "", 1}));
  EXPECT_FALSE(check(Sample{kStart, std::string(kSeriesBytesMax + 1, 's'), 1}));
  EXPECT_TRUE(check(Sample{kStart, std::string(kSeriesBytesMax, 's'), std::nan("")}));
}

// Any bytes are rows, each of them one that may be, or an error.
TEST(Columns, MutatedBytesAreReadOrRefused) {
  Random random(9);
  const std::vector<std::string> good = {encode(usage_rows(1, 30)), encode(sample_rows(1, 30))};
  size_t read = 0;
  for (int round = 0; round < 40'000; ++round) {
    std::string bytes = good[static_cast<size_t>(round % 2)];
    for (uint64_t edits = 1 + random.below(3); edits > 0; --edits) {
      const size_t at = random.below(bytes.size());
      if (random.chance(0.6)) {
        bytes[at] = static_cast<char>(random.next());
      } else if (random.chance(0.5)) {
        bytes.erase(at, 1 + random.below(4));
      } else {
        bytes.insert(at, bytes.substr(random.below(bytes.size()), random.below(8)));
      }
      if (bytes.empty()) bytes = "\xff";
    }
    if (const auto usage = decode_usage(bytes)) {
      ++read;
      for (size_t i = 0; i < usage->size(); ++i) {
        Usage row = usage->row(i);
        row.at = kStart;
        EXPECT_TRUE(check(row));
      }
    }
    if (const auto samples = decode_samples(bytes)) {
      ++read;
      for (size_t i = 0; i < samples->size(); ++i) samples->row(i);
      EXPECT_TRUE(decode_samples(encode(*samples)));
    }
  }
  EXPECT_GT(read, 100u);
}

TEST(Columns, ASeriesWithoutSamplesIsRefused) {
  EXPECT_FALSE(decode_samples(std::string("\1\0\0", 3)));
  EXPECT_TRUE(decode_samples(std::string("\0", 1)));
}

TEST(Chunk, ReadsBackWithItsEvent) {
  const UsageRows rows = usage_rows(5, 500);
  const std::string bytes = encode_chunk(kStart.ns, rows);
  const auto chunk = decode_chunk(bytes);
  ASSERT_TRUE(chunk) << to_string(chunk.error());
  EXPECT_EQ(chunk->event.table(), "requests");
  EXPECT_EQ(chunk->event.rows(), 500u);
  EXPECT_EQ(chunk->event.from_ns(), kStart.ns);
  EXPECT_EQ(chunk->event.to_ns(), (kStart + minutes(1)).ns);
  EXPECT_EQ(chunk->event.sha256(), sha256(bytes.substr(0, bytes.size() - 32)).view());
  EXPECT_EQ(chunk->event.usage_size(), static_cast<int>(totals_of(rows, {}).size()));
  EXPECT_EQ(*decode_head(bytes), chunk->head);
  EXPECT_EQ(chunk->head.at_min_ns, std::ranges::min(rows.at_ns));
  EXPECT_EQ(by_time(*decode_usage(chunk->rows)), by_time(rows));
}

TEST(Chunk, AnyChangedByteIsFound) {
  const std::string good = encode_chunk(kStart.ns, sample_rows(6, 20));
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    EXPECT_EQ(decode_chunk(bytes).error().code, ErrorCode::corrupt) << at;
    EXPECT_EQ(decode_chunk(good.substr(0, at)).error().code, ErrorCode::corrupt) << at;
  }
}

TEST(Journal, WholeRecordsReadBackWhereverItIsCut) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "j";
  std::vector<uint64_t> ends = {0};
  {
    auto journal = Journal::open(path, 0);
    ASSERT_TRUE(journal);
    for (uint64_t i = 1; i <= 3; ++i) {
      ASSERT_TRUE(journal->append(encode(usage_rows(i, 10))));
      ends.push_back(std::filesystem::file_size(path));
    }
  }
  const std::string bytes = *read_file(path, 1 << 20);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const auto records = static_cast<size_t>(std::ranges::upper_bound(ends, size) - ends.begin()) - 1;
    const JournalReading reading = read_journal(std::string_view(bytes).substr(0, size));
    ASSERT_EQ(reading.rows.size(), 10 * records) << size;
    ASSERT_EQ(reading.bytes, ends[records]);
    ASSERT_EQ(reading.bytes_dropped, size - ends[records]);
  }
  // It goes on where the last whole record ends.
  auto journal = Journal::open(path, ends[2]);
  ASSERT_TRUE(journal && journal->append(encode(usage_rows(7, 5))));
  EXPECT_EQ(read_journal(*read_file(path, 1 << 20)).rows.size(), 25u);
}

}  // namespace
}  // namespace tandem::series
