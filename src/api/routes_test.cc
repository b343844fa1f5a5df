#include "api/routes.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace tandem::api {
namespace {

TEST(Routes, MatchByMethodAndPath) {
  const Match found = match("GET", "/api/v1/links/ber%2Dham");
  ASSERT_NE(found.route, nullptr);
  EXPECT_EQ(found.route->operation, Operation::get_link);
  EXPECT_EQ(found.parameters, std::vector<std::string>{"ber-ham"});
  EXPECT_EQ(match("HEAD", "/api/v1/grid").route->operation, Operation::get_grid);
}

TEST(Routes, TellAnUnknownPathFromAnUnknownMethod) {
  EXPECT_EQ(match("GET", "/api/v1/nothing").allowed, "");
  const Match found = match("DELETE", "/api/v1/grid");
  EXPECT_EQ(found.route, nullptr);
  EXPECT_EQ(found.allowed, "GET, HEAD");
  EXPECT_EQ(match("PUT", "/api/v1/branches").allowed, "GET, HEAD, POST");
  EXPECT_EQ(match("POST", "/api/v1/branches").allowed, "") << "there is a route";
  EXPECT_EQ(match("GET", "/api/v1/links/").allowed, "");
  EXPECT_EQ(match("GET", "/api/v1/links/%zz").allowed, "");
}

TEST(Routes, EveryRouteIsDescribed) {
  const Json document = openapi_document();
  for (const Route& route : routes()) {
    const Json& operation = document["paths"][route.pattern][to_lower(route.method)];
    EXPECT_EQ(operation["summary"].text(), route.summary) << route.pattern;
    EXPECT_EQ(operation["requestBody"].is_null(), route.request_body.empty()) << route.pattern;
    EXPECT_EQ(operation["responses"]["200"]["content"].is_null(), route.answer.empty()) << route.pattern;
    for (const Json& parameter : operation["parameters"].array())
      EXPECT_FALSE(parameter["schema"].is_null()) << route.pattern;
  }
}

}  // namespace
}  // namespace tandem::api
