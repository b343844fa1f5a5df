// Branches over real sockets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/branch_verdict.h"
#include "api/sequenced_core.h"
#include "planner/planner.h"

namespace tandem::api {
namespace {

constexpr const char* kNew = R"({"name":"b1","purpose":"a new duct"})";

TEST(BranchApi, AnEditIsSeenOnTheBranchThenMerged) {
  Inventory inventory(3);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", kNew).status, 201);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", kNew).status, 409);
  const Answer edited =
      inventory.ask("POST", "/api/v1/branches/b1/edits",
                    R"({"items":[{"kind":"shared_risk_group","id":"duct-9","attributes":{"name":"nine"}},
                                                   {"kind":"site","id":"site-1","attributes":{"name":"One"}},
                                                   {"kind":"demand","id":"bank-0","delete":true}]})");
  EXPECT_EQ(edited.status, 200) << edited.text;
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/shared_risk_group/duct-9").status, 404);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/shared_risk_group/duct-9?branch=b1").status, 200);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/site?name=One&branch=b1").json["items"].array().size(), 1u);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/site?branch=nowhere").status, 404);

  const Answer first = inventory.ask("GET", "/api/v1/branches/b1/diff?limit=2");
  EXPECT_EQ(first.json["differences"].array().size(), 2u) << first.text;
  const Answer rest = inventory.ask("GET", "/api/v1/branches/b1/diff?cursor=" + std::string(first.json["next"].text()));
  EXPECT_EQ(rest.json["differences"].array().size(), 1u) << rest.text;
  EXPECT_TRUE(rest.json["next"].is_null());
  EXPECT_TRUE(inventory.ask("GET", "/api/v1/branches/b1/conflicts").json["clean"].boolean());

  const Answer merged = inventory.ask("POST", "/api/v1/branches/b1/merge");
  EXPECT_EQ(merged.status, 200) << merged.text;
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/shared_risk_group/duct-9").status, 200);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/demand/bank-0").status, 404);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/branches/b1").status, 404);
  // Who is told of the merge finds what it changed by its offset.
  const std::string offset = std::to_string(merged.json["offset"].integer());
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/site?changed=" + offset).json["items"].array().size(), 1u)
      << merged.text;
}

TEST(BranchApi, AMergeInConflictIsRefusedWithItsReasons) {
  Inventory inventory(3);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", kNew).status, 201);
  EXPECT_EQ(inventory
                .ask("POST", "/api/v1/branches/b1/edits",
                     R"({"items":[{"kind":"site","id":"site-1","attributes":{"name":"Ours"}}]})")
                .status,
            200);
  EXPECT_EQ(inventory.ask("PATCH", "/api/v1/inventory/site/site-1", R"({"attributes":{"name":"Theirs"}})").status, 200);
  const Answer refused = inventory.ask("POST", "/api/v1/branches/b1/merge");
  EXPECT_EQ(refused.status, 409) << refused.text;
  const Json& conflict = refused.json["conflicts"].array().at(0);
  EXPECT_EQ(conflict["ours"].text(), "Ours");
  EXPECT_EQ(conflict["theirs"].text(), "Theirs");
  EXPECT_FALSE(conflict["fix"].text().empty());
  EXPECT_EQ(
      inventory.ask("POST", "/api/v1/branches/b1/edits", R"({"settle":[{"kind":"site","id":"site-1","take":"ours"}]})")
          .status,
      200);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches/b1/merge").status, 200);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/inventory/site/site-1").json["attributes"]["name"].text(), "Ours");
}

TEST(BranchApi, BranchesAreListedRebasedAndDiscarded) {
  Inventory inventory(3);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", kNew).status, 201);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", R"({"name":"b2","parent":"b1"})").status, 201);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/branches").json["branches"].array().size(), 2u);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/branches/b1").json["children"].array().size(), 1u);
  EXPECT_EQ(inventory.ask("DELETE", "/api/v1/branches/b1").status, 409);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches/b2/rebase").status, 200);
  EXPECT_EQ(inventory.ask("DELETE", "/api/v1/branches/b2").status, 200);
  EXPECT_EQ(inventory.ask("DELETE", "/api/v1/branches/b1").status, 200);
  EXPECT_EQ(inventory.ask("DELETE", "/api/v1/branches/b1").status, 404);
}

TEST(BranchApi, WhatIsWrongIsNamed) {
  Inventory inventory(3);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", kNew).status, 201);
  const auto wrong = [&](const std::string& target, const std::string& body, const std::string& place) {
    const Answer answer = inventory.ask("POST", target, body);
    EXPECT_EQ(answer.status, 400) << body << answer.text;
    EXPECT_EQ(answer.json["error"]["param"].text(), place) << body << answer.text;
  };
  wrong("/api/v1/branches", R"({"name":"main"})", "name");
  wrong("/api/v1/branches", R"({"name":"a b"})", "name");
  wrong("/api/v1/branches", R"({"title":"x"})", "title");
  wrong("/api/v1/branches/b1/edits", R"({})", "items");
  wrong("/api/v1/branches/b1/edits", R"({"items":[{"kind":"site","id":"site-1"}]})", "items[0]");
  wrong("/api/v1/branches/b1/edits", R"({"items":[{"kind":"site","id":"site-1","attributes":{},"expected":1}]})",
        "items[0].expected");
  wrong("/api/v1/branches/b1/edits", R"({"settle":[{"kind":"site","id":"site-1","take":"both"}]})", "settle[0]");
  wrong("/api/v1/branches/b1/edits", R"({"take_back":[{"kind":"site"}]})", "take_back[0]");
  EXPECT_EQ(inventory.ask("GET", "/api/v1/branches/b1/diff?cursor=x").status, 400);
  http::Headers foreign;
  foreign.set("origin", "http://elsewhere.example");
  for (const char* target : {"/api/v1/branches/b1/edits", "/api/v1/branches/b1/merge", "/api/v1/branches/b1/rebase"})
    EXPECT_EQ(inventory.ask("POST", target, "{}", foreign).status, 403) << target;
  EXPECT_EQ(inventory.ask("DELETE", "/api/v1/branches/b1", {}, foreign).status, 403);
}

TEST(BranchApi, TheTwinSaysWhatABranchWouldBreakAndMend) {
  Inventory inventory(4);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", kNew).status, 201);
  const Answer early = inventory.ask("GET", "/api/v1/branches/b1/verdict");
  EXPECT_EQ(early.status, 200) << early.text;
  EXPECT_TRUE(early.json["plan_id"].is_null()) << "nothing is promised yet";
  accept_a_plan(inventory);
  const Answer same = inventory.ask("GET", "/api/v1/branches/b1/verdict");
  EXPECT_EQ(same.json["broken"].integer(), 0) << same.text;
  EXPECT_EQ(same.json["promises_kept"], same.json["promises_kept_before"]);
  EXPECT_EQ(same.json["worst_link"], same.json["worst_link_before"]);
  EXPECT_EQ(same.json["cost_eur_per_hour_delta"].number(), 0);

  // Every pool's node is down on the branch: what the plan promises has nobody left to keep it.
  std::string down;
  for (size_t i = 0; i < 4; ++i)
    down += fmt::format(R"({}{{"kind":"node","id":"{}","attributes":{{"state":"down"}}}})", i == 0 ? "" : ",",
                        test_support::node_id(i));
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches/b1/edits", R"({"items":[)" + down + "]}").status, 200);
  const Answer broken = inventory.ask("GET", "/api/v1/branches/b1/verdict");
  const int64_t kept = broken.json["promises_kept_before"].integer();
  ASSERT_GT(kept, 0) << broken.text;
  EXPECT_EQ(broken.json["broken"].integer(), kept) << broken.text;
  EXPECT_EQ(broken.json["promises_kept"].integer(), 0);
  EXPECT_FALSE(broken.json["promises_broken"].array().front()["reason"].text().empty());
  EXPECT_TRUE(inventory.ask("GET", "/api/v1/inventory/node/node-0").json["attributes"]["state"].text() != "down")
      << "it stays a question";

  // And what is down on main is mended by a branch that has it up again.
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches/b1/merge").status, 200);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", R"({"name":"b2"})").status, 201);
  std::string up = down;
  for (size_t at; (at = up.find("down")) != std::string::npos;) up.replace(at, 4, "up");
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches/b2/edits", R"({"items":[)" + up + "]}").status, 200);
  const Answer mended = inventory.ask("GET", "/api/v1/branches/b2/verdict");
  EXPECT_EQ(mended.json["mended"].integer(), kept) << mended.text;
  EXPECT_EQ(mended.json["broken"].integer(), 0);
  EXPECT_EQ(inventory.ask("GET", "/api/v1/branches/b3/verdict").status, 404);
}

TEST(BranchApi, AVerdictOnABranchOfABranchIsAgainstItsParent) {
  Inventory inventory(4);
  accept_a_plan(inventory);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", kNew).status, 201);
  EXPECT_EQ(inventory
                .ask("POST", "/api/v1/branches/b1/edits",
                     R"({"items":[{"kind":"node","id":"node-0","attributes":{"state":"down"}}]})")
                .status,
            200);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", R"({"name":"b2","parent":"b1"})").status, 201);
  const Answer verdict = inventory.ask("GET", "/api/v1/branches/b2/verdict");
  EXPECT_EQ(verdict.json["parent"].text(), "b1") << verdict.text;
  EXPECT_EQ(verdict.json["broken"].integer(), 0);
  EXPECT_EQ(verdict.json["promises_kept"], verdict.json["promises_kept_before"]);
}

// At night nothing is promised and so nothing is broken: what counts is the day that comes.
TEST(BranchApi, AVerdictIsOfTheHoursInWhichTheBranchBreaksMost) {
  Inventory inventory(3);
  accept_a_plan(inventory);
  EXPECT_EQ(inventory.ask("POST", "/api/v1/branches", kNew).status, 201);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(inventory
                  .ask("POST", "/api/v1/branches/b1/edits",
                       fmt::format(R"({{"items":[{{"kind":"node","id":"{}","attributes":{{"state":"down"}}}}]}})",
                                   test_support::node_id(i)))
                  .status,
              200);
  Published published = *inventory.core->published();
  auto schedule = std::make_shared<v1::Schedule>();
  *schedule->add_periods()->mutable_plan() = *published.state.plan;
  *schedule->add_periods()->mutable_plan() = *published.state.plan;
  v1::Plan& day = *schedule->mutable_periods(0)->mutable_plan();
  v1::Plan& night = *schedule->mutable_periods(1)->mutable_plan();
  *day.mutable_hours() = planner::to_message({8, 12});
  *night.mutable_hours() = planner::to_message({20, 12});
  for (v1::DemandPlan& row : *night.mutable_demands()) {
    row.clear_splits();
    row.set_rejected(1);
  }
  published.state.plan = std::make_shared<v1::Plan>(night);
  published.state.schedule = schedule;
  const auto verdict = branch_verdict(published, *published.state.branches.find("b1"));
  ASSERT_TRUE(verdict) << to_string(verdict.error());
  EXPECT_GT((*verdict)["broken"].integer(), 0);
  EXPECT_EQ((*verdict)["hours"]["from_hour"].integer(), 8);
  EXPECT_EQ((*verdict)["hours"]["to_hour"].integer(), 20);
}

}  // namespace
}  // namespace tandem::api
