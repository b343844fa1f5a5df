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

TEST(WhatIfDesk, TriesAClassOfFailuresAndSomeTogether) {
  Inventory inventory(3);
  accept_a_plan(inventory);
  const Answer all = inventory.ask("POST", "/api/v1/whatif", R"({"fail":"links:1","verify":2})");
  ASSERT_EQ(all.status, 200) << all.text;
  EXPECT_EQ(all.json["scenarios"].integer(), 3);
  EXPECT_EQ(all.json["offset"].integer(), static_cast<int64_t>(inventory.core->state().head.last()));
  EXPECT_EQ(all.json["verify"]["differences"].integer(), 0);
  const std::string link(all.json["worst"].array()[0]["failed"].array()[0].text());
  const Answer one =
      inventory.ask("POST", "/api/v1/whatif", R"({"failures":[{"kind":"link","id":")" + link + R"("}]})");
  ASSERT_EQ(one.status, 200) << one.text;
  EXPECT_EQ(one.json["failed"].array()[0]["id"].text(), link);
  EXPECT_EQ(one.json["offset"].integer(), static_cast<int64_t>(inventory.core->state().head.last()));
  EXPECT_EQ(inventory.ask("GET", "/api/v1/plan").status, 200);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/links/" + link + "/preview").status, 200);
}

TEST(Metrics, SayWhatIsDownAndWhatThePlanComesTo) {
  Inventory inventory(3);
  const auto has = [&](const std::string& line) {
    return inventory.ask("GET", "/metrics").text.find("\n" + line + "\n") != std::string::npos;
  };
  EXPECT_TRUE(has("tandem_plan_pending 1"));
  EXPECT_EQ(inventory.ask("GET", "/metrics").text.find("tandem_plan_demands_rejected"), std::string::npos);
  accept_a_plan(inventory);
  EXPECT_TRUE(has("tandem_plan_pending 0"));
  int rejected = 0;
  const Json plan = inventory.ask("GET", "/api/v1/plan").json;
  for (const Json& demand : plan["demands"].array()) rejected += demand["rejected"].number() > 0;
  EXPECT_TRUE(has(fmt::format("tandem_plan_demands_rejected {}", rejected)));
  EXPECT_TRUE(has("tandem_grid_sites_down 0"));
  inventory.core->record({test_support::fact("site", "site-1", {{"state", "down"}})});
  EXPECT_TRUE(has("tandem_grid_sites_down 1"));
  EXPECT_TRUE(has("tandem_grid_links_down 0"));
}

}  // namespace
}  // namespace tandem::api
