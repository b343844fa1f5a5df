#include "query/as_of.h"

#include <gtest/gtest.h>

namespace tandem::query {
namespace {

const Instant kNow = *parse_rfc3339("2026-11-21T12:00:00Z");

std::string read(std::string_view text) {
  const auto as_of = parse_as_of(text, kNow);
  if (!as_of) return "refused";
  if (const auto* offset = std::get_if<log::Offset>(&*as_of)) return "offset " + std::to_string(*offset);
  return format_rfc3339(std::get<Instant>(*as_of)).substr(0, 19);
}

TEST(AsOf, IsAnOffsetATimeOrHowLongAgo) {
  EXPECT_EQ(read("1200"), "offset 1200");
  EXPECT_EQ(read(" 0 "), "offset 0");
  EXPECT_EQ(read("2026-11-20"), "2026-11-20T00:00:00");
  EXPECT_EQ(read("2026-11-20T08:30"), "2026-11-20T08:30:00");
  EXPECT_EQ(read("2026-11-20 08:30:15"), "2026-11-20T08:30:15");
  EXPECT_EQ(read("2026-11-20T08:30:15Z"), "2026-11-20T08:30:15");
  EXPECT_EQ(read("2026-11-20T08:30Z"), "2026-11-20T08:30:00");
  EXPECT_EQ(read("2026-11-20T08:30+01:00"), "2026-11-20T07:30:00");
  EXPECT_EQ(read("2026-11-20T08:30:15.5+01:00"), "2026-11-20T07:30:15");
  EXPECT_EQ(read("2 h ago"), "2026-11-21T10:00:00");
  EXPECT_EQ(read("90min ago"), "2026-11-21T10:30:00");
  EXPECT_EQ(read("1.5 hours ago"), "2026-11-21T10:30:00");
  EXPECT_EQ(read("3 days AGO"), "2026-11-18T12:00:00");
  EXPECT_EQ(read("1 year ago"), "2025-11-21T06:10:48");
}

TEST(AsOf, RefusesWhatIsNeither) {
  for (const char* text :
       {"", "-1", "yesterday", "ago", "h ago", "2 ago", "2 fortnights ago", "2026-13-01", "2026-11-20T", "2026-11-20Tx",
        "2026-11-20T25:00", "1e300 h ago", "999999999999 years ago", "2026-11-20T08:30:15Zx", "99999999999999999999"})
    EXPECT_EQ(read(text), "refused") << text;
}

}  // namespace
}  // namespace tandem::query
