#include "base/shared_bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace tandem {
namespace {

TEST(SharedBytes, HoldsAnyBytes) {
  EXPECT_EQ(SharedBytes().view(), "");
  EXPECT_EQ(SharedBytes("").view(), "");
  const std::string bytes("a\0b", 3);
  EXPECT_EQ(SharedBytes(bytes).view(), bytes);
}

TEST(SharedBytes, CopiesShare) {
  const SharedBytes a("record");
  SharedBytes b = a;
  EXPECT_EQ(a.view().data(), b.view().data());
  b = SharedBytes("other");
  EXPECT_EQ(a.view(), "record");
  EXPECT_EQ(b.view(), "other");
  SharedBytes c = std::move(b);
  EXPECT_EQ(c.view(), "other");
}

TEST(SharedBytes, EqualByContent) {
  EXPECT_EQ(SharedBytes("x"), SharedBytes("x"));
  EXPECT_FALSE(SharedBytes("x") == SharedBytes("y"));
  EXPECT_EQ(SharedBytes(), SharedBytes(""));
}

}  // namespace
}  // namespace tandem
