#include "api/desk.h"

#include <gtest/gtest.h>

namespace tandem::api {
namespace {

TEST(DeskPlace, IsFreeForSoManyAtOnceAndAgainOnceOneIsGone) {
  std::atomic<int> held = 0;
  const DeskPlace first(held, 2);
  {
    const DeskPlace second(held, 2), third(held, 2);
    EXPECT_TRUE(first.is_free() && second.is_free());
    EXPECT_FALSE(third.is_free());
  }
  EXPECT_TRUE(DeskPlace(held, 2).is_free());
}

TEST(Desk, ReadsNumbersWithinTheirLimits) {
  const Json body = Json::Object{{"rows", int64_t{7}}, {"none", int64_t{0}}, {"share", 0.5}, {"text", "7"}};
  EXPECT_EQ(*read_whole(body, "rows", 1, 1, 7), 7);
  EXPECT_EQ(*read_whole(body, "absent", 3, 1, 7), 3);
  EXPECT_EQ(*read_whole(body, "none", 1, 0, 7), 0);
  EXPECT_EQ(*read_positive(body, "share", 1, 0.5), 0.5);
  EXPECT_EQ(*read_positive(body, "rows", 1, 10), 7);
  for (const char* wrong : {"none", "text", "share"}) {
    const auto read = read_whole(body, wrong, 1, 1, 7);
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(read.error().context, wrong);
  }
  EXPECT_FALSE(read_whole(body, "rows", 1, 1, 6));
  EXPECT_FALSE(read_positive(body, "none", 1, 10));
  EXPECT_FALSE(read_positive(body, "share", 1, 0.4));
}

}  // namespace
}  // namespace tandem::api
