#include "app/serving_hour.h"

#include <gtest/gtest.h>

namespace tandem::app {
namespace {

gateway::RequestRecord request(const char* tenant, const char* site, double ttft_us = 20'000) {
  gateway::RequestRecord record;
  record.tenant = tenant;
  record.site = site;
  record.attempts = 1;
  record.outcome = gateway::Outcome::ok;
  record.promise_kept = true;
  record.prompt_tokens = 100;
  record.output_tokens = 60;
  record.cost = Euros(0.5);
  record.ttft = Microseconds(ttft_us);
  return record;
}

gateway::RequestRecord refused(const char* tenant, const char* code) {
  gateway::RequestRecord record;
  record.tenant = tenant;
  record.outcome = gateway::Outcome::rejected;
  record.refused = code;
  return record;
}

const Instant kNoon{hours(12).ns};

TEST(ServingHour, ByMinuteSiteTenantAndReason) {
  ServingHour hour(Instant{0});
  hour.add(request("acme", "ber"), kNoon);
  hour.add(request("acme", "par", 400'000), kNoon + minutes(1));
  hour.add(refused("zeta", "capacity"), kNoon + minutes(1));
  hour.add(refused("acme", "residency"), kNoon + minutes(1));
  const Json view = hour.view({}, kNoon + minutes(1) + seconds(30));
  EXPECT_EQ(view["from"].text(), "1970-01-01T11:02:00.000000000Z");
  EXPECT_EQ(view["total"]["requests"].integer(), 4);
  EXPECT_EQ(view["total"]["goodput_fraction"].number(), 0.5);
  EXPECT_EQ(view["total"]["cost_eur"].number(), 1);
  EXPECT_EQ(view["total"]["rejected"].integer(), 2);
  const Json::Array& minutes_shown = view["minutes"].array();
  ASSERT_EQ(minutes_shown.size(), 60u);
  EXPECT_DOUBLE_EQ(minutes_shown[58]["output_tokens_per_s"].number(), 1);
  EXPECT_DOUBLE_EQ(minutes_shown[59]["output_tokens_per_s"].number(), 2) << "half a minute so far";
  EXPECT_TRUE(minutes_shown[57]["goodput_fraction"].is_null());
  EXPECT_EQ(view["sites"].array().size(), 2u);
  EXPECT_EQ(view["tenants"].array().at(0)["tenant"].text(), "acme");
  EXPECT_EQ(view["tenants"].array().at(0)["requests"].integer(), 3);
  EXPECT_EQ(to_json(view["rejections"]), R"([{"code":"capacity","requests":1},{"code":"residency","requests":1}])");
  hour.add(refused("", "invalid_api_key"), kNoon + minutes(1));
  EXPECT_EQ(hour.view({}, kNoon + minutes(1))["total"]["goodput_fraction"].number(), 0.5) << "nobody's request";
  EXPECT_EQ(hour.view({}, kNoon + minutes(1))["total"]["rejected"].integer(), 3);
  EXPECT_EQ(hour.view({}, kNoon + minutes(1))["total"]["requests"].integer(), 5);
  const Json unknown = hour.view({60, "", "unknown"}, kNoon + minutes(1))["total"];
  EXPECT_EQ(unknown["requests"].integer(), 1);
  EXPECT_EQ(unknown["rejected"].integer(), 1);
  EXPECT_TRUE(unknown["goodput_fraction"].is_null()) << "nothing was promised";
  const Json acme = hour.view({60, "", "acme"}, kNoon + minutes(1));
  EXPECT_EQ(to_json(acme["rejections"]), R"([{"code":"residency","requests":1}])");
  EXPECT_EQ(acme["total"]["requests"].integer(), 3);
  EXPECT_EQ(acme["tenants"].array().size(), 3u) << "the lists are of all";
  EXPECT_EQ(hour.view({60, "par", ""}, kNoon + minutes(1))["total"]["requests"].integer(), 1);
  const Json last = hour.view({1, "", ""}, kNoon + minutes(1));
  EXPECT_EQ(last["total"]["requests"].integer(), 4);
  int64_t of_tenants = 0;
  for (const Json& row : last["tenants"].array()) of_tenants += row["requests"].integer();
  EXPECT_EQ(of_tenants, 4) << "each request is some tenant's";
}

TEST(ServingHour, NothingIsSaidOfTheTimeBeforeItBegan) {
  ServingHour hour(kNoon + seconds(45));
  hour.add(request("acme", "ber"), kNoon + seconds(50));
  hour.add(request("acme", "ber"), kNoon + seconds(65));
  const Json view = hour.view({}, kNoon + seconds(75));
  EXPECT_EQ(view["from"].text(), "1970-01-01T12:00:45.000000000Z");
  ASSERT_EQ(view["minutes"].array().size(), 2u);
  EXPECT_EQ(view["minutes"].array()[0]["at"].text(), "1970-01-01T12:00:00.000000000Z");
  EXPECT_DOUBLE_EQ(view["minutes"].array()[0]["output_tokens_per_s"].number(), 4) << "60 in fifteen seconds";
  EXPECT_DOUBLE_EQ(view["minutes"].array()[1]["output_tokens_per_s"].number(), 4);
  EXPECT_DOUBLE_EQ(view["total"]["output_tokens_per_s"].number(), 4) << "120 in thirty seconds, not in an hour";
  EXPECT_EQ(hour.view({}, kNoon + seconds(45))["minutes"].array().size(), 1u);
  EXPECT_EQ(hour.view({}, kNoon + hours(2))["minutes"].array().size(), 60u);
  EXPECT_EQ(hour.view({}, kNoon)["minutes"].array().size(), 1u) << "a clock that was set back";
}

TEST(ServingHour, AnHourAgoIsForgotten) {
  ServingHour hour(Instant{0});
  hour.add(request("acme", "ber"), kNoon);
  hour.add(request("acme", "ber"), kNoon + minutes(59));
  EXPECT_EQ(hour.view({}, kNoon + minutes(59))["total"]["requests"].integer(), 2);
  EXPECT_EQ(hour.view({}, kNoon + minutes(60))["total"]["requests"].integer(), 1);
  EXPECT_EQ(hour.view({}, kNoon + hours(3))["total"]["requests"].integer(), 0);
  hour.add(request("acme", "ber"), kNoon + hours(3));
  EXPECT_EQ(hour.view({}, kNoon + hours(3))["total"]["requests"].integer(), 1);
}

TEST(ServingHour, NamesAreBounded) {
  ServingHour hour(Instant{0});
  for (int i = 0; i < 1'000; ++i) hour.add(request(std::to_string(i).c_str(), "ber"), kNoon);
  const Json view = hour.view({}, kNoon);
  ASSERT_EQ(view["tenants"].array().size(), ServingHour::kNamesMax + 1);
  EXPECT_EQ(view["tenants"].array().at(0)["tenant"].text(), "other");
  EXPECT_EQ(view["tenants"].array().at(0)["requests"].integer(), 1'000 - ServingHour::kNamesMax);
}

TEST(TtftClasses, AQuantileIsWithinThreePercent) {
  TtftClasses classes;
  EXPECT_EQ(classes.quantile_ms(0.5), std::nullopt);
  for (int ms = 1; ms <= 1'000; ++ms) classes.record(Microseconds(ms * 1e3));
  EXPECT_NEAR(*classes.quantile_ms(0.5), 500, 15);
  EXPECT_NEAR(*classes.quantile_ms(0.95), 950, 28.5);
  TtftClasses edges;
  edges.record(Microseconds(0));
  EXPECT_NEAR(*edges.quantile_ms(0.95), 0.1, 0.01);
  edges.record(Microseconds(1e12));
  EXPECT_GT(*edges.quantile_ms(0.95), 100'000);
}

}  // namespace
}  // namespace tandem::app
