#include "api/routes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "api/call.h"
#include "api/described.h"
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
  EXPECT_EQ(said("/api/v1/log", "form=3"),
            "'form' is no parameter of /api/v1/log, which takes 'from', 'limit', 'brief'");
  EXPECT_EQ(said("/api/v1/plan", "as_of=3"), "'as_of' is no parameter of /api/v1/plan, which takes none");
  EXPECT_EQ(said("/api/v1/usage", "from=2026-11-01&to=2026-12-01"), "") << "as they are sent";
  EXPECT_NE(said("/api/v1/usage", "from_hour=2026-11-01"), "");
  EXPECT_EQ(said("/api/v1/inventory/site", "tier=core&limit=2"), "") << "a condition has any name";
  EXPECT_NE(said("/api/v1/inventory/site/ber", "If-None-Match=3"), "") << "which is a header";
}

// Every schema of an answer says what its objects and arrays hold, at any depth: what says nothing would let all pass.
void expect_whole(const Json& schema, const std::string& place) {
  const auto is = [&](std::string_view type) {
    const Json::Array& types = schema["type"].array();
    return schema["type"].text() == type || std::ranges::find(types, Json(type)) != types.end();
  };
  const std::string_view name = schema["$ref"].text();
  EXPECT_TRUE(name.empty() || shared_schemas()[name.substr(name.rfind('/') + 1)].is_object()) << place << ": " << name;
  EXPECT_FALSE(is("array") && schema["items"].is_null()) << place << " says nothing of its items";
  EXPECT_FALSE(is("object") && schema["properties"].is_null() && schema["additionalProperties"].is_null())
      << place << " is any object";
  if (schema["items"].is_object()) expect_whole(schema["items"], place + "[]");
  if (schema["additionalProperties"].is_object()) expect_whole(schema["additionalProperties"], place + ".*");
  for (const Json& one : schema["anyOf"].array()) expect_whole(one, place + "|");
  for (const auto& [member, of] : schema["properties"].object()) expect_whole(of, place + "." + member);
}

TEST(Routes, EveryAnswerIsDescribedToItsLeaves) {
  const Json shared = shared_schemas();
  for (const auto& [name, schema] : shared.object()) expect_whole(schema, name);
  for (const Route& route : routes()) {
    for (const std::string_view schema : {route.answer, route.refusal})
      if (!schema.empty()) expect_whole(*parse_json(schema), fmt::format("{} {}", route.method, route.pattern));
  }
}

TEST(Routes, AnAnswerIsComparedWithItsDescription) {
  const auto wrong = [](const char* body) {
    return undescribed_answer("GET", "/api/v1/log?from=1", 200, *parse_json(body));
  };
  EXPECT_EQ(wrong(R"({"next":3,"events":[{"offset":2,"kind":"x","body":{"any":[1]}}]})"), "");
  EXPECT_EQ(wrong(R"({"next":3.5,"events":[]})"), R"(next: is no "integer": 3.5)");
  EXPECT_EQ(wrong(R"({"events":[{"offset":1},{"offset":"2"}]})"), R"(events.1.offset: is no "integer": "2")");
  EXPECT_EQ(wrong(R"({"events":[{"ofset":1}]})"), "events.0.ofset: is not described");
  EXPECT_EQ(undescribed_answer("GET", "/healthz", 200, *parse_json(R"({"status":"well"})")),
            "status: is not the constant");
  EXPECT_EQ(undescribed_answer("GET", "/api/v1/log", 400, *parse_json(R"({"error":{"type":"x","code":"y"}})")),
            "error: has no 'message'");
  EXPECT_EQ(undescribed_answer("GET", "/api/v1/log", 201, {}), ": 201 is no status of it");
}

// As a proxy's request that says nothing of itself, or one of another person on this machine.
TEST(MayChange, OfRootAndThisUserAloneAndSaysWhatOthersCanDo) {
  http::Request request;
  const auto refusal_of = [&](std::optional<uint32_t> user) {
    request.local_peer = std::make_shared<http::LocalPeer>(user);
    const auto allowed = may_change(request);
    return allowed ? std::string() : to_string(allowed.error());
  };
  EXPECT_EQ(refusal_of(0), "");
  EXPECT_EQ(refusal_of(::geteuid()), "");
  EXPECT_NE(refusal_of(54'321).find("user 54321's"), std::string::npos) << refusal_of(54'321);
  EXPECT_NE(refusal_of(54'321).find("--local-user 54321"), std::string::npos);
  EXPECT_NE(refusal_of(std::nullopt).find("does not say who"), std::string::npos) << refusal_of(std::nullopt);
  request.local_peer = nullptr;
  EXPECT_NE(to_string(may_change(request).error()).find("this machine only"), std::string::npos);
}

TEST(Routes, AQueryThatCannotBeReadIsSaid) {
  const Route& route = *match("GET", "/api/v1/log").route;
  EXPECT_TRUE(check_query(route, "from=%33&&limit=2"));
  for (const char* bad : {"limit=%zz", "limit=1%", "from=1&%4=2", "limit=%00"}) {
    const auto known = check_query(route, bad);
    ASSERT_FALSE(known) << bad;
    EXPECT_EQ(known.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(known.error().message.find("%25"), std::string::npos) << known.error().message;
  }
  EXPECT_EQ(check_query(route, "from=1&limit=%zz").error().context, "limit");
  std::string many;
  for (size_t i = 0; i <= 1'000; ++i) many += "from=1&";
  EXPECT_FALSE(check_query(route, many)) << "what is past the last that is read";
}

}  // namespace
}  // namespace tandem::api
