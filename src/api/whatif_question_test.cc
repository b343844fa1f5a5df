// What-ifs over real sockets. The answers themselves are tested in the planner and, on a running grid, end to end.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"

namespace tandem::api {
namespace {

TEST(WhatIfDesk, SaysWhatIsWrongAndWhere) {
  Inventory inventory(3);
  const auto wrong = [&](std::string body) {
    const Answer answer = inventory.ask("POST", "/api/v1/whatif", std::move(body));
    EXPECT_EQ(answer.status, 400) << answer.text;
    return std::string(answer.json["error"]["message"].text());
  };
  EXPECT_NE(wrong(R"({"fail":"links:9"})").find("links:1"), std::string::npos);
  EXPECT_NE(wrong(R"({"traffic":"some"})").find("gravity"), std::string::npos);
  EXPECT_NE(wrong(R"({"failures":[]})").find("failures"), std::string::npos);
  EXPECT_NE(wrong(R"({"verify":1000000})").find("verify"), std::string::npos);
  EXPECT_NE(wrong(R"({"fill":-1})").find("fill"), std::string::npos);
  EXPECT_NE(wrong(R"({"stream":"yes"})").find("stream"), std::string::npos);
  EXPECT_NE(wrong(R"({"fail":"links:9","stream":true})").find("links:1"), std::string::npos)
      << "before a stream begins";
  EXPECT_NE(wrong(R"({"unknown":1})").find("unknown"), std::string::npos);
  EXPECT_NE(wrong(R"({"failures":[{"kind":"cable","id":"x"}]})").find("cable"), std::string::npos);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/whatif", R"({"failures":[{"kind":"link","id":"x"}]})").status, 404);
}

TEST(WhatIfDesk, WithoutAPlanNothingIsAtStake) {
  Inventory inventory(3);
  const Answer answer = inventory.ask("POST", "/api/v1/whatif", R"({"fail":"links:1"})");
  EXPECT_EQ(answer.status, 503) << answer.text;
}

}  // namespace
}  // namespace tandem::api
