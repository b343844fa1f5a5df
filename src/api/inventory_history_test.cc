// Claims, timelines and reading as of another time, over real sockets.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"

namespace tandem::api {
namespace {

constexpr const char* kSite = "/api/v1/inventory/site/site-1";

std::string offset_of(const Answer& answer) { return std::to_string(answer.json["offset"].integer()); }

TEST(InventoryHistory, WhatIsIntendedStandsBesideWhatIsSeen) {
  Inventory inventory(3);
  const Answer intended = inventory.ask(
      "PATCH", kSite,
      R"({"source":"planning","standing":"intended","confidence":0.5,"attributes":{"power_limit_kw":200,"name":"Planned"}})");
  EXPECT_EQ(intended.status, 200) << intended.text;
  const Answer site = inventory.ask("GET", kSite);
  EXPECT_EQ(site.json["attributes"]["power_limit_kw"].number(), 100);  // what is seen goes before it
  EXPECT_EQ(site.json["attributes"]["name"].text(), "Planned");        // where nothing is seen it counts
  const Answer claims = inventory.ask("GET", std::string(kSite) + "/claims?attribute=power_limit_kw");
  ASSERT_EQ(claims.json["claims"].array().size(), 2u) << claims.text;
  const Json& planned = claims.json["claims"].array().at(1);
  EXPECT_EQ(planned["source"].text(), "api:planning");
  EXPECT_EQ(planned["standing"].text(), "intended");
  EXPECT_EQ(planned["confidence"].number(), 0.5);
  EXPECT_TRUE(planned["holds"].boolean());
  EXPECT_FALSE(planned["believed"].boolean());
  EXPECT_FALSE(claims.json["presences"].array().empty());
}

TEST(InventoryHistory, ClaimsComeInPages) {
  Inventory inventory(3);
  std::vector<std::string> seen;
  std::string cursor;
  for (int pages = 0; pages < 20; ++pages) {
    const Answer page = inventory.ask("GET", std::string(kSite) + "/claims?limit=2" + cursor);
    EXPECT_LE(page.json["claims"].array().size(), 2u);
    for (const Json& claim : page.json["claims"].array()) seen.emplace_back(claim["attribute"].text());
    if (page.json["next"].is_null()) break;
    cursor = "&cursor=" + std::string(page.json["next"].text());
  }
  EXPECT_EQ(seen,
            (std::vector<std::string>{"jurisdiction", "latitude_deg", "longitude_deg", "power_limit_kw", "tier"}));
  EXPECT_EQ(inventory.ask("GET", std::string(kSite) + "/claims?cursor=x").status, 400);
}

TEST(InventoryHistory, ReadsAsOfAnOffsetAndATime) {
  Inventory inventory(3);
  const Answer first = inventory.ask("PATCH", kSite, R"({"attributes":{"name":"first"}})");
  const Answer second = inventory.ask("PATCH", kSite, R"({"attributes":{"name":"second"}})");
  EXPECT_EQ(inventory.ask("GET", std::string(kSite) + "?as_of=" + offset_of(first)).json["attributes"]["name"].text(),
            "first");
  EXPECT_EQ(inventory.ask("GET", std::string(kSite) + "?as_of=" + offset_of(second)).json["attributes"]["name"].text(),
            "second");
  EXPECT_EQ(
      inventory.ask("GET", "/api/v1/inventory/site?name=first&as_of=" + offset_of(first)).json["items"].array().size(),
      1u);
  EXPECT_EQ(inventory.ask("GET", std::string(kSite) + "?as_of=0").status, 404);
  const Answer timeline = inventory.ask("GET", std::string(kSite) + "/timeline?limit=2");
  ASSERT_EQ(timeline.json["events"].array().size(), 2u) << timeline.text;
  EXPECT_EQ(timeline.json["events"].array().at(0)["attributes"]["name"].text(), "second");
  const std::string time(timeline.json["events"].array().at(1)["at"].text());
  EXPECT_EQ(inventory.ask("GET", std::string(kSite) + "?as_of=" + time).json["attributes"]["name"].text(), "first");
  EXPECT_EQ(inventory.ask("GET", std::string(kSite) + "?as_of=" + offset_of(second) + "@" + time)
                .json["attributes"]["name"]
                .text(),
            "first");
  const Answer older =
      inventory.ask("GET", std::string(kSite) + "/timeline?before=" + std::to_string(timeline.json["next"].integer()));
  EXPECT_EQ(older.json["events"].array().back()["what"].text(), "created");
  for (const char* wrong :
       {"x", "-1", "999999", "1@", "@2026-11-21T00:00:00Z", "x@2026-11-21T00:00:00Z", "2026-13-01T00:00:00Z"})
    EXPECT_EQ(inventory.ask("GET", std::string(kSite) + "?as_of=" + wrong).status, 400) << wrong;
}

TEST(InventoryHistory, WhatIsGoneKeepsItsPast) {
  Inventory inventory(3);
  const Answer before = inventory.ask("GET", "/api/v1/inventory/demand/bank-0");
  EXPECT_EQ(inventory.ask("DELETE", "/api/v1/inventory/demand/bank-0").status, 200);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/demand/bank-0").status, 404);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/demand/bank-0?as_of=" + offset_of(before)).status, 200);
  const Answer timeline = inventory.ask("GET", "/api/v1/inventory/demand/bank-0/timeline");
  EXPECT_EQ(timeline.json["events"].array().at(0)["what"].text(), "retracted") << timeline.text;
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/demand/never/timeline").status, 404);
}

TEST(InventoryHistory, HowAFactIsMeantIsChecked) {
  Inventory inventory(3);
  for (const auto& [body, place] : std::vector<std::pair<std::string, std::string>>{
           {R"({"standing":"hoped","attributes":{}})", "standing"},
           {R"({"standing":1,"attributes":{}})", "standing"},
           {R"({"confidence":2,"attributes":{}})", "confidence"},
           {R"({"confidence":0,"attributes":{}})", "confidence"},
           {R"({"valid_from":"yesterday","attributes":{}})", "valid_from"}}) {
    const Answer answer = inventory.ask("PATCH", kSite, body);
    EXPECT_EQ(answer.status, 400) << body << answer.text;
    EXPECT_EQ(answer.json["error"]["param"].text(), place) << body << answer.text;
  }
}

}  // namespace
}  // namespace tandem::api
