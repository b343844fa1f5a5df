// SQL over real sockets.
#include <gtest/gtest.h>

#include "api/sequenced_core.h"

namespace tandem::api {
namespace {

constexpr const char* kPath = "/api/v1/query";

TEST(QueryDesk, AnswersWithColumnsAndRows) {
  Inventory inventory(3);
  const Answer answer = inventory.ask(
      "POST", kPath, R"({"sql":"SELECT id, tier FROM site WHERE id > ? ORDER BY id","parameters":["site-0"]})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(to_json(answer.json["columns"]), R"(["id","tier"])");
  ASSERT_EQ(answer.json["rows"].array().size(), 2u) << answer.text;
  EXPECT_EQ(answer.json["rows"].array().front().array().front().text(), "site-1");
  EXPECT_FALSE(answer.json["truncated"].boolean());
  EXPECT_GT(answer.json["offset"].integer(), 0);
}

TEST(QueryDesk, GivesNoMoreRowsThanAskedForAndSaysSo) {
  Inventory inventory(3);
  const Answer answer = inventory.ask("POST", kPath, R"({"sql":"SELECT id FROM site","limit":1})");
  EXPECT_EQ(answer.json["rows"].array().size(), 1u) << answer.text;
  EXPECT_TRUE(answer.json["truncated"].boolean());
}

TEST(QueryDesk, WritesCsvWhereThatIsAccepted) {
  Inventory inventory(2);
  http::Headers headers;
  headers.set("accept", "text/csv");
  const Answer answer =
      inventory.ask("POST", kPath, R"({"sql":"SELECT id FROM site ORDER BY id"})", std::move(headers));
  EXPECT_EQ(answer.text, "id\nsite-0\nsite-1\n");
}

TEST(QueryDesk, ReadsThePastAndABranch) {
  Inventory inventory(2);
  const std::string before = std::to_string(inventory.core->state().head.last());
  inventory.ask("PATCH", "/api/v1/inventory/site/site-1", R"({"attributes":{"name":"later"}})");
  inventory.ask("POST", "/api/v1/branches", R"({"name":"plan"})");
  inventory.ask("POST", "/api/v1/branches/plan/edits",
                R"({"items":[{"kind":"site","id":"site-1","attributes":{"name":"planned"}}]})");
  const auto name = [&](const std::string& parameters) {
    const Answer answer =
        inventory.ask("POST", kPath + parameters, R"({"sql":"SELECT name FROM site WHERE id = 'site-1'"})");
    EXPECT_EQ(answer.status, 200) << answer.text;
    const Json& cell = answer.json["rows"].array().front().array().front();
    return cell.is_null() ? std::string() : std::string(cell.text());
  };
  EXPECT_EQ(name("?as_of=" + before), "");
  EXPECT_EQ(name(""), "later");
  EXPECT_EQ(name("?branch=plan"), "planned");
  EXPECT_EQ(inventory.ask("POST", "/api/v1/query?branch=plam", R"({"sql":"SELECT 1"})").status, 404);
}

TEST(QueryDesk, SaysWhatIsWrongAndWhere) {
  Inventory inventory(2);
  const auto wrong = [&](std::string body) {
    const Answer answer = inventory.ask("POST", kPath, std::move(body));
    EXPECT_EQ(answer.status, 400) << answer.text;
    return std::string(answer.json["error"]["message"].text());
  };
  EXPECT_NE(wrong(R"({"sql":"SELECT * FROM sites"})").find("site"), std::string::npos);
  EXPECT_NE(wrong(R"({"sq":"SELECT 1"})").find("did you mean 'sql'"), std::string::npos);
  EXPECT_NE(wrong(R"({"sql":7})").find("'sql'"), std::string::npos);
  EXPECT_NE(wrong(R"({"sql":"SELECT 1","parameters":{}})").find("'parameters'"), std::string::npos);
  EXPECT_NE(wrong(R"({"sql":"SELECT 1","limit":0})").find("'limit'"), std::string::npos);
  EXPECT_EQ(inventory.ask("POST", kPath, R"({"sql":"ATTACH 'x' AS y"})").status, 403);
}

TEST(QueryDesk, EndsAQuestionThatTakesTooLong) {
  Inventory inventory(2);
  const Answer answer = inventory.ask(
      "POST", kPath,
      R"({"sql":"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n","time_limit_ms":1})");
  EXPECT_EQ(answer.json["error"]["code"].text(), "deadline_exceeded") << answer.text;
}

}  // namespace
}  // namespace tandem::api
