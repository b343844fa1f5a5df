// Schedules over real sockets. The schedules themselves are tested in the planner.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"
#include "planner/schedule.h"

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

// What follows each demand's rhythm is planned for its hours; what is asked of it is told as of those.
TEST(ScheduleInForce, IsToldWithWhereItStands) {
  Inventory inventory(3);
  EXPECT_TRUE(inventory.ask("GET", kSchedulePath).json["schedule_id"].is_null());
  EXPECT_TRUE(inventory.ask("GET", "/api/v1/plan").json["schedule"].is_null());
  Json::Array fractions(24, Json(1.0));
  for (size_t hour = 0; hour < 6; ++hour) fractions[hour] = Json(0.01);
  inventory.core->record({test_support::fact("day_profile", "rhythm", {{"rate_fraction", fractions}})});
  for (const char* demand : {"public-0", "bank-0", "public-2", "bank-2"})
    inventory.core->record({test_support::fact("demand", demand, {{"day_profile", "rhythm"}, {"rate_per_s", 60.0}})});
  SequencedCore& core = *inventory.core;
  const Instant midnight = Instant{0} + hours(24 * 20'000);
  core.tick(midnight);
  accept_a_plan(inventory);
  core.tick(midnight + control::kQuiet + seconds(10));
  ASSERT_TRUE(core.state().pending);
  if (!core.state().pending->is_schedule()) {
    accept_a_plan(inventory);
    core.tick(core.now() + control::kQuiet);
  }
  ASSERT_TRUE(core.state().pending && core.state().pending->is_schedule());
  log::Event made;
  *made.mutable_schedule_proposed()->mutable_schedule() =
      planner::to_message(planner::schedule(*core.state().grid, {.periods_max = 2, .seed = 1, .limit = {100}}, {}),
                          core.state().pending->plan_id, core.state().pending->base);
  core.record({made});
  core.tick(core.now() + milliseconds(100));
  inventory.clock.set = core.now();

  const Answer plan = inventory.ask("GET", "/api/v1/plan");
  ASSERT_EQ(plan.status, 200) << plan.text;
  EXPECT_EQ(plan.json["hours"], parse_json(R"({"from_hour":0,"to_hour":6,"hours":6})").value());
  for (const Json& demand : plan.json["demands"].array()) EXPECT_LT(demand["rate_per_s"].number(), 2);
  const Json& turn = plan.json["schedule"];
  EXPECT_TRUE(turn["in_force"].boolean());
  EXPECT_FALSE(turn["stale"].boolean());
  EXPECT_EQ(turn["period"]["begins_at"].text(), format_rfc3339(midnight));
  EXPECT_EQ(turn["next"]["begins_at"].text(), format_rfc3339(midnight + hours(6)));
  EXPECT_EQ(turn["next"]["ends_at"].text(), format_rfc3339(midnight + hours(24)));
  EXPECT_GT(turn["next"]["moves"].integer(), 0);

  const Answer day = inventory.ask("GET", kSchedulePath);
  EXPECT_EQ(day.json["now"], turn);
  EXPECT_EQ(day.json["periods"].array().size(), 2u);
  EXPECT_GE(day.json["cost_eur_per_day"].number(), day.json["bound_eur_per_day"].number());
  EXPECT_EQ(day.json["reason"].text(), "demand or radio reserve changes over the day");
  // At six the plan of the night is not that of the hour any more, and the clock alone says so.
  inventory.clock.set = midnight + hours(7);
  EXPECT_FALSE(inventory.ask("GET", "/api/v1/plan").json["schedule"]["in_force"].boolean());
}

// A schedule is one event, and a nation's may have no room in it.
TEST(ScheduleInForce, SaysWhereDemandsAreTooManyForIt) {
  Inventory inventory(3);
  EXPECT_TRUE(inventory.ask("GET", kSchedulePath).json["note"].is_null());
  const auto add_demands = [&](size_t from, size_t to) {
    std::vector<log::Event> events;
    for (size_t i = from; i < to; ++i)
      events.push_back(test_support::fact("demand", "more-" + std::to_string(i),
                                          {{"tenant", "public"},
                                           {"region", "region-0"},
                                           {"model", "chat"},
                                           {"rate_per_s", 0.01},
                                           {"prompt_tokens", 400.0},
                                           {"output_tokens", 200.0}}));
    for (size_t i = 0; i < events.size(); i += 2'000)
      inventory.core->record({events.begin() + static_cast<ptrdiff_t>(i),
                              events.begin() + static_cast<ptrdiff_t>(std::min(events.size(), i + 2'000))});
  };
  add_demands(0, 6'500);
  EXPECT_TRUE(inventory.ask("GET", kSchedulePath).json["note"].is_null()) << "every hour is like the other";
  Json::Array fractions(24, Json(1.0));
  fractions[3] = 0.5;
  inventory.core->record({test_support::fact("day_profile", "rhythm", {{"rate_fraction", fractions}}),
                          test_support::fact("demand", "public-0", {{"day_profile", "rhythm"}})});
  const auto note = [&] { return std::string(inventory.ask("GET", kSchedulePath).json["note"].text()); };
  EXPECT_NE(note().find("6504 demands have 3 periods of the day at most"), std::string::npos) << note();
  add_demands(6'500, 12'500);
  EXPECT_NE(note().find("12504 demands are too many"), std::string::npos) << note();
}

TEST(ScheduleDesk, IsDescribed) {
  Inventory inventory(3);
  const Answer answer = inventory.ask("GET", "/api/v1/openapi.json");
  EXPECT_TRUE(answer.json["paths"]["/api/v1/schedule"]["post"].is_object());
}

}  // namespace
}  // namespace tandem::api
