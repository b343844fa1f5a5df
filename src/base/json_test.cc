#include "base/json.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tandem {
namespace {

TEST(Json, ReadsAndPrintsTheSameValue) {
  const std::string text = R"({"a":[1,2.5,"x\n\u0001",null,true],"b":{"c":-7}})";
  const auto value = parse_json(text);
  ASSERT_TRUE(value) << to_string(value.error());
  EXPECT_EQ(to_json(*value), text);
  EXPECT_EQ((*value)["a"].array()[1].number(), 2.5);
  EXPECT_EQ((*value)["b"]["c"].integer(), -7);
  EXPECT_TRUE((*value)["b"]["none"]["deeper"].is_null());
}

TEST(Json, PrintsKeysInOrderAndNoValueThatIsNotJson) {
  Json::Object object{{"z", 1}, {"a", Json::Array{}}};
  object["n"] = 0.0 / 0.0;
  EXPECT_EQ(to_json(object), R"({"a":[],"n":null,"z":1})");
  EXPECT_EQ(to_json_pretty(Json::Object{{"a", 1}}), "{\n  \"a\": 1\n}");
}

TEST(Json, BytesThatAreNotUtf8DoNotReachTheOutput) {
  EXPECT_EQ(to_json(Json("a\xff")), "\"a\xEF\xBF\xBD\"");
  EXPECT_FALSE(parse_json("\"\xff\""));
}

TEST(Json, NestingIsBounded) {
  EXPECT_TRUE(parse_json(std::string(100, '[') + std::string(100, ']')));
  EXPECT_FALSE(parse_json(std::string(100'000, '[') + std::string(100'000, ']')));
}

TEST(Json, MutatedTextIsReadOrRefused) {
  const std::string good = R"({"model":"m","messages":[{"role":"user","content":"h\u00e9 \ud83d\ude00"}],"n":1e3})";
  Random random(7);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (uint64_t edits = 1 + random.below(4); edits > 0; --edits)
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    const auto value = parse_json(text);
    if (!value) {
      ++refused;
      EXPECT_EQ(value.error().code, ErrorCode::invalid_argument);
    } else {
      const auto again = parse_json(to_json(*value));
      ASSERT_TRUE(again) << text;
      EXPECT_EQ(*again, *value);
    }
  }
  EXPECT_GT(refused, 1'000);
}

}  // namespace
}  // namespace tandem
