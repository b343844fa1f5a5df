#include "api/routes.h"

#include <gtest/gtest.h>

#include <set>

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
  EXPECT_EQ(document["paths"]["/api/v1/sites/{id}/preview"]["get"]["operationId"].text(), "get_sites_id_preview");
  std::set<std::string> names;
  for (const Route& route : routes()) {
    const Json& operation = document["paths"][route.pattern][to_lower(route.method)];
    EXPECT_EQ(operation["summary"].text(), route.summary) << route.pattern;
    EXPECT_EQ(operation["requestBody"].is_null(), route.request_body.empty()) << route.pattern;
    for (const std::string_view status : split(route.statuses, ' '))
      EXPECT_EQ(operation["responses"][status]["content"].is_null(), route.answer.empty()) << route.pattern;
    EXPECT_TRUE(names.emplace(operation["operationId"].text()).second) << route.pattern << " has a name of another";
    for (const Json& parameter : operation["parameters"].array())
      EXPECT_FALSE(parameter["schema"].is_null()) << route.pattern;
  }
}

TEST(Routes, AParameterThatIsNotTakenIsSaid) {
  const auto said = [](std::string_view path, std::string_view query) {
    const auto known = check_query(*match("GET", path).route, query);
    return known ? std::string() : known.error().message;
  };
  EXPECT_EQ(said("/api/v1/log", "from=3&limit=2"), "");
  EXPECT_EQ(said("/api/v1/log", "form=3"), "'form' is no parameter of /api/v1/log, which takes 'from', 'limit'");
  EXPECT_EQ(said("/api/v1/plan", "as_of=3"), "'as_of' is no parameter of /api/v1/plan, which takes none");
  EXPECT_EQ(said("/api/v1/usage", "from=2026-11-01&to=2026-12-01"), "") << "as they are sent";
  EXPECT_NE(said("/api/v1/usage", "from_hour=2026-11-01"), "");
  EXPECT_EQ(said("/api/v1/inventory/site", "tier=core&limit=2"), "") << "a condition has any name";
  EXPECT_NE(said("/api/v1/inventory/site/ber", "If-None-Match=3"), "") << "which is a header";
}

}  // namespace
}  // namespace tandem::api
