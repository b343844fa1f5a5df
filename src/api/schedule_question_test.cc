// Schedules over real sockets. The schedules themselves are tested in the planner.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"

namespace tandem::api {
namespace {

constexpr const char* kSchedulePath = "/api/v1/schedule";

TEST(ScheduleDesk, PlansTheDayOfTheGridAsItIs) {
  Inventory inventory(3);
  const Answer answer = inventory.ask("POST", kSchedulePath, R"({"periods":3,"work":100,"plans":true})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  const Json::Array& periods = answer.json["periods"].array();
  ASSERT_FALSE(periods.empty());
  int64_t hours = 0;
  for (const Json& period : periods) {
    hours += period["hours"].integer();
    EXPECT_FALSE(period["plan"]["demands"].array().empty());
  }
  EXPECT_EQ(hours, 24);
  EXPECT_TRUE(answer.json["complete"].boolean());
  EXPECT_GT(answer.json["offset"].integer(), 0);
  EXPECT_GE(answer.json["cost_eur_per_day"].number(), answer.json["bound_eur_per_day"].number());
  const Answer brief = inventory.ask("POST", kSchedulePath, R"({"periods":3,"work":100})");
  EXPECT_EQ(brief.json["cost_eur_per_day"].number(), answer.json["cost_eur_per_day"].number());
  EXPECT_TRUE(brief.json["periods"].array()[0]["plan"].is_null());
}

TEST(ScheduleDesk, StreamsItsProgressAndThenTheReport) {
  Inventory inventory(3);
  const Answer answer = inventory.ask("POST", kSchedulePath, R"({"periods":2,"work":100,"stream":true})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  const size_t report = answer.text.find("event: report");
  ASSERT_NE(report, std::string::npos) << answer.text;
  EXPECT_NE(answer.text.find("\"cost_eur_per_day\"", report), std::string::npos);
  EXPECT_EQ(answer.text.find("event: error"), std::string::npos);
}

TEST(ScheduleDesk, ALimitOfNoTimeStillPlansEveryPeriod) {
  Inventory inventory(3);
  const Answer answer = inventory.ask("POST", kSchedulePath, R"({"periods":4,"time_limit_ms":0})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_FALSE(answer.json["periods"].array().empty());
}

TEST(ScheduleDesk, SaysWhatIsWrong) {
  Inventory inventory(3);
  const auto parameter = [&](std::string body) { return inventory.refused_for(kSchedulePath, std::move(body)); };
  EXPECT_EQ(parameter(R"({"periods":0})"), "periods");
  EXPECT_EQ(parameter(R"({"periods":25})"), "periods");
  EXPECT_EQ(parameter(R"({"work":0})"), "work");
  EXPECT_EQ(parameter(R"({"seed":-1})"), "seed");
  EXPECT_EQ(parameter(R"({"plans":"yes"})"), "plans");
  EXPECT_EQ(parameter(R"({"stream":1,"periods":2})"), "stream");
  EXPECT_EQ(parameter(R"({"time_limit_ms":-1})"), "time_limit_ms");
  EXPECT_EQ(parameter(R"({"hours":1})"), "hours");
}

TEST(ScheduleDesk, IsDescribed) {
  Inventory inventory(3);
  const Answer answer = inventory.ask("GET", "/api/v1/openapi.json");
  EXPECT_TRUE(answer.json["paths"]["/api/v1/schedule"]["post"].is_object());
}

}  // namespace
}  // namespace tandem::api
