#include "base/time.h"

#include <gtest/gtest.h>

#include "base/calendar.h"
#include "base/random.h"

namespace tandem {
namespace {

TEST(Time, FormatsAndReadsRfc3339) {
  EXPECT_EQ(format_rfc3339({0}), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(format_rfc3339({-1}), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(parse_rfc3339("2026-11-21T09:16:00.5+01:00")->ns, parse_rfc3339("2026-11-21T08:16:00.500Z")->ns);
  EXPECT_EQ(parse_rfc3339("2023-11-16 18:15:46.6805900Z")->ns % 1'000'000'000, 680'590'000);
}

TEST(Time, EveryInstantReadsBackTheSame) {
  Random random(3);
  for (int i = 0; i < 10'000; ++i) {
    const Instant t{static_cast<int64_t>(random.below(8'000'000'000'000'000'000u)) - 4'000'000'000'000'000'000};
    const auto read = parse_rfc3339(format_rfc3339(t));
    ASSERT_TRUE(read) << format_rfc3339(t);
    EXPECT_EQ(*read, t);
  }
}

TEST(Time, MonthsAreThoseOfTheCalendar) {
  const auto at = [](const char* text) { return *parse_rfc3339(text); };
  EXPECT_EQ(begin_of_month(at("2024-02-29T23:59:59.9Z")), at("2024-02-01T00:00:00Z"));
  EXPECT_EQ(begin_of_next_month(at("2024-02-29T00:00:00Z")), at("2024-03-01T00:00:00Z"));
  EXPECT_EQ(begin_of_next_month(at("2025-12-31T12:00:00Z")), at("2026-01-01T00:00:00Z"));
  EXPECT_EQ(begin_of_month(at("2026-01-01T00:00:00Z")), at("2026-01-01T00:00:00Z"));
  EXPECT_EQ(begin_of_month(Instant{-1}), at("1969-12-01T00:00:00Z"));
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const char* text : {"", "yesterday", "2026-02-30T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T08:16:00",
                           "2026-11-21T08:16:00.Z", "2026-11-21T08:16:00Zjunk", "9999-01-01T00:00:00Z"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

}  // namespace
}  // namespace tandem
