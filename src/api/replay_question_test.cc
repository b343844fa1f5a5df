// Replays over real sockets.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"

namespace tandem::api {
namespace {

constexpr const char* kReplayPath = "/api/v1/replay";

TEST(ReplayDesk, AnswersForEachPolicyOnTheSameRequests) {
  Inventory inventory(3);
  const std::string body = R"({"policies":["tandem","nearest"],"duration_s":120,"seed":7})";
  const Answer answer = inventory.ask("POST", kReplayPath, body);
  ASSERT_EQ(answer.status, 200) << answer.text;
  const Json::Array& policies = answer.json["policies"].array();
  ASSERT_EQ(policies.size(), 2u);
  EXPECT_EQ(policies[1]["policy"].text(), "nearest");
  EXPECT_GT(policies[0]["requests"].integer(), 100);
  EXPECT_EQ(policies[0]["requests"].integer(), policies[1]["requests"].integer());
  EXPECT_FALSE(answer.json["verdict"].text().empty());
  EXPECT_GT(answer.json["offset"].integer(), 0);
  EXPECT_EQ(answer.text, inventory.ask("POST", kReplayPath, body).text);
}

TEST(ReplayDesk, SaysWhatIsWrong) {
  Inventory inventory(3);
  const auto parameter = [&](std::string body) { return inventory.refused_for(kReplayPath, std::move(body)); };
  EXPECT_EQ(parameter(R"({"policies":["best"]})"), "policies");
  EXPECT_EQ(parameter(R"({"policies":[]})"), "policies");
  EXPECT_EQ(parameter(R"({"duration_s":1e9})"), "duration_s");
  EXPECT_EQ(parameter(R"({"rate_factor":0})"), "rate_factor");
  EXPECT_EQ(parameter(R"({"sizes":"large"})"), "sizes");
  EXPECT_EQ(parameter(R"({"seed":-1})"), "seed");
  EXPECT_EQ(parameter(R"({"speed":1})"), "speed");
}

TEST(ReplayDesk, WithoutDemandsThereIsNothingToSimulate) {
  Inventory inventory;
  EXPECT_EQ(inventory.ask("POST", kReplayPath, "{}").status, 404);
}

}  // namespace
}  // namespace tandem::api
