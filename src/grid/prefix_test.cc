#include "grid/prefix.h"

#include <gtest/gtest.h>

#include "grid/geography.h"

namespace tandem::grid {
namespace {

TEST(Prefix, ReadsAndWritesBothFamilies) {
  for (const char* text : {"10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0", "fe80::1/128"}) {
    const auto prefix = parse_prefix(text);
    ASSERT_TRUE(prefix) << text;
    EXPECT_EQ(to_string(*prefix), text);
  }
  EXPECT_EQ(parse_prefix("10.0.0.0/8")->length, 104);
  EXPECT_EQ(parse_prefix("10.0.0.0/8")->address[10], 0xFF);
}

TEST(Prefix, RefusesTheRest) {
  for (const char* text :
       {"", "/", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.1/8", "10.0.0/8", "::/129", "x/8", "10.0.0.0/8 ",
        "2001:db8::1/32", "010.0.0.0/8", "999999999999999999999999999999999999999999999999/8"})
    EXPECT_FALSE(parse_prefix(text)) << text;
  EXPECT_FALSE(parse_address(std::string_view("1.2.3.4\0", 8)));
}

TEST(Geography, GreatCircleDistances) {
  const Place berlin{Degrees(52.52), Degrees(13.405)}, munich{Degrees(48.137), Degrees(11.575)};
  EXPECT_NEAR(great_circle(berlin, munich).value(), 504.4, 1);
  EXPECT_EQ(great_circle(berlin, berlin).value(), 0);
  EXPECT_NEAR(great_circle({Degrees(0), Degrees(0)}, {Degrees(0), Degrees(180)}).value(), 20015.1, 0.1);
  EXPECT_NEAR(great_circle({Degrees(0), Degrees(179)}, {Degrees(0), Degrees(-179)}).value(), 222.4, 0.1)
      << "over the date line";
}

}  // namespace
}  // namespace tandem::grid
