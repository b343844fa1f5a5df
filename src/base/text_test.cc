#include "base/text.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(Text, SlugKeepsWhatAPersonWouldType) {
  EXPECT_EQ(slug("Düsseldorf"), "duesseldorf");
  EXPECT_EQ(slug("Łódź"), "lodz");
  EXPECT_EQ(slug("  São Paulo / Guarulhos "), "sao-paulo-guarulhos");
  EXPECT_EQ(slug("Москва"), "");
  EXPECT_EQ(slug("A\xff"
                 "B"),
            "a-b");
}

TEST(Text, NumbersMustBeWholeAndFinite) {
  EXPECT_EQ(parse_number("1.5e3"), 1500.0);
  EXPECT_FALSE(parse_number("100G"));
  EXPECT_FALSE(parse_number("nan"));
  EXPECT_FALSE(parse_number("1e999"));
  EXPECT_FALSE(parse_number(""));
  EXPECT_EQ(parse_integer("-7"), -7);
  EXPECT_FALSE(parse_integer("99999999999999999999"));
}

TEST(Text, Utf8FollowsRfc3629) {
  EXPECT_TRUE(is_utf8("grün € 😀"));
  EXPECT_FALSE(is_utf8("\xC0\xAF"));          // overlong
  EXPECT_FALSE(is_utf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(is_utf8("\xE2\x82"));          // cut short
}

// Letter by letter and eight bytes at a time come to the same.
TEST(Text, Utf8IsToldAlikeWhereverItStands) {
  for (const std::string_view odd : {"\xC3\xA9", "\xE2\x82", "\xF0\x9F\x99\x82", "\x80", "\xF4\x90\x80\x80"}) {
    const bool is_letter = utf8_sequence_length(odd) == odd.size();
    for (size_t before = 0; before < 20; ++before)
      for (size_t after = 0; after < 20; ++after)
        EXPECT_EQ(is_utf8(std::string(before, 'a') + std::string(odd) + std::string(after, 'b')), is_letter);
  }
}

// Eight bytes at a time and letter by letter come to the same, whichever two bytes are compared and wherever they
// stand.
TEST(Text, OnlyTheCaseOfLettersIsPassedOver) {
  const auto lower = [](int byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; };
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b)
      for (const size_t before : {0, 3, 7, 8, 12})
        for (const size_t after : {0, 5, 9}) {
          const std::string front(before, 'x'), back(after, 'Y');
          ASSERT_EQ(iequals(front + static_cast<char>(a) + back, front + static_cast<char>(b) + back),
                    lower(a) == lower(b))
              << a << " " << b << " between " << before << " and " << after;
        }
  EXPECT_TRUE(iequals("Transfer-Encoding", "transfer-ENCODING"));
  EXPECT_FALSE(iequals("content-length", "content-lengths"));
}

TEST(Text, NearestFindsTypingMistakesOnly) {
  const std::vector<std::string> names{"capacity_gbps", "delay_us", "length_km"};
  EXPECT_EQ(nearest("capacity_gpbs", names), "capacity_gbps");
  EXPECT_EQ(nearest("Delay_us", names), "delay_us");
  EXPECT_EQ(nearest("id", std::vector<std::string>{"di"}), "di") << "swapped neighbours are one mistake";
  EXPECT_FALSE(nearest("colour", names));
}

TEST(Text, SplitKeepsEmptyParts) {
  const std::vector<std::string_view> parts{"a", "", "b", ""};
  EXPECT_EQ(split("a,,b,", ','), parts);
  EXPECT_EQ(trim(" \t x \r\n"), "x");
}

}  // namespace
}  // namespace tandem
