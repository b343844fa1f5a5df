// Where sources disagree, over real sockets.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"

namespace tandem::api {
namespace {

// Planning has the device in unit 7, discovery finds it in unit 9; telemetry has another limit of the site's power.
struct Disputed : Inventory {
  Disputed() : Inventory(2) {
    say("planning", R"({"kind":"rack","id":"k1","attributes":{"site":"site-0","height_u":42}})");
    say("planning",
        R"({"kind":"device","id":"d1","standing":"intended","attributes":{"site":"site-0","rack":"k1","position_u":7}})");
    say("discovery",
        R"({"kind":"device","id":"d1","standing":"discovered","attributes":{"rack":"k1","position_u":9}})");
    say("telemetry", R"({"kind":"site","id":"site-1","attributes":{"power_limit_kw":55}})");
  }
  void say(const std::string& source, const std::string& item) {
    const Answer answer = ask("POST", "/api/v1/inventory", R"({"source":")" + source + R"(","items":[)" + item + "]}");
    EXPECT_EQ(answer.status, 200) << answer.text;
  }
  Json found(const std::string& parameters = "") {
    const Answer answer = ask("GET", "/api/v1/discrepancies" + parameters);
    EXPECT_EQ(answer.status, 200) << answer.text;
    return answer.json["discrepancies"];
  }
};

TEST(Discrepancies, NameTheEvidenceAndWhoShouldLookAtWhat) {
  Disputed inventory;
  const Json all = inventory.found();
  ASSERT_EQ(all.array().size(), 2u) << to_json(all);
  const Json moved = inventory.found("?type=moved");
  ASSERT_EQ(moved.array().size(), 1u) << to_json(moved);
  const Json& one = moved.array().front();
  EXPECT_EQ(one["id"].text(), "moved:device:d1");
  EXPECT_EQ(one["about"]["kind"].text(), "device");
  EXPECT_EQ(one["evidence"].array().size(), 2u);
  EXPECT_EQ(one["verification"]["who"].text(), "field technician");
  EXPECT_EQ(one["verification"]["site"].text(), "site-0");
  EXPECT_TRUE(one["verification"]["latitude_deg"].is_number());
}

TEST(Discrepancies, AreAskedForByEntityAndByKind) {
  Disputed inventory;
  EXPECT_EQ(inventory.found("?kind=device&id=d1").array().size(), 1u);
  EXPECT_EQ(inventory.found("?kind=device&id=other").array().size(), 0u);
  EXPECT_EQ(inventory.found("?kind=site").array().size(), 1u);
  EXPECT_EQ(inventory.found("?limit=1").array().size(), 1u);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/discrepancies?limit=1").json["found"].integer(), 2);
}

TEST(Discrepancies, AreAsTheyWere) {
  Disputed inventory;
  const std::string before = std::to_string(inventory.core->state().head.last() - 1);
  EXPECT_EQ(inventory.found("?as_of=" + before).array().size(), 1u);
}

TEST(Discrepancies, LeaveOutWhatIsAccepted) {
  Disputed inventory;
  inventory.say(
      "operator",
      R"({"kind":"deviation","id":"v1","attributes":{"about":"device/d1","discrepancy":"moved","reason":"rebuilt soon"}})");
  EXPECT_EQ(inventory.found("?kind=device").array().size(), 0u);
  const Json with = inventory.found("?kind=device&accepted=true");
  ASSERT_EQ(with.array().size(), 1u);
  EXPECT_EQ(with.array().front()["accepted_as"].text(), "v1");
}

TEST(Discrepancies, SayWhatIsAskedWrongly) {
  Inventory inventory(2);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/discrepancies?id=d1").status, 400);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/discrepancies?kind=devise").status, 404);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/discrepancies?type=odd").status, 400);
}

}  // namespace
}  // namespace tandem::api
