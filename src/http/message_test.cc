#include "http/message.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "http/head.h"
#include "http/local_peer.h"

namespace tandem::http {
namespace {

TEST(Request, IsFromThisMachineWhereItsPeerAndTheNameItAsksForAre) {
  Request request;
  request.local_peer = std::make_shared<LocalPeer>(0);
  for (const char* host : {"localhost", "LocalHost:8080", "127.0.0.1:1", "127.0.0.9", "[::1]:8080", "[::1]"}) {
    request.headers.set("host", host);
    EXPECT_TRUE(is_from_this_machine(request)) << host;
  }
  for (const char* host :
       {"evil.example:8080", "localhost.evil.example", "192.0.2.1", "[2001:db8::1]:80", "", ":80", "["}) {
    request.headers.set("host", host);
    EXPECT_FALSE(is_from_this_machine(request)) << host;
  }
  request.headers.set("host", "localhost");
  for (const char* name : {"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "X-Client-IP",
                           "True-Client-IP", "CF-Connecting-IP", "CF-Ray", "Fastly-Client-IP", "X-Envoy-Peer-Metadata",
                           "X-Cluster-Client-IP", "Client-IP", "CDN-Loop", "X-Original-Forwarded-For"}) {
    request.headers.add(name, "192.0.2.7");
    EXPECT_FALSE(is_from_this_machine(request)) << name;
    request.headers.remove(name);
  }
  for (const char* name : {"Accept", "X-Request-ID", "Cookie", "X-Forwarded", "User-Agent", "TE"})
    request.headers.add(name, "1");
  EXPECT_TRUE(is_from_this_machine(request));
  request.is_http_1_0 = true;
  EXPECT_FALSE(is_from_this_machine(request)) << "as a proxy asks that was told nothing";
  request.is_http_1_0 = false;
  request.local_peer = nullptr;
  EXPECT_FALSE(is_from_this_machine(request));
}

TEST(Headers, KeepTheirFieldsHoweverManyAndLong) {
  Headers headers;
  for (size_t i = 0; i < Headers::kFieldsMax; ++i)
    ASSERT_TRUE(headers.add("x-" + std::to_string(i), std::string(i * 7, 'v')));
  EXPECT_FALSE(headers.add("one", "more"));
  Headers copy = headers;
  headers.clear();
  EXPECT_TRUE(headers.empty());
  EXPECT_FALSE(headers.find("x-7"));
  for (size_t i = 0; i < Headers::kFieldsMax; ++i)
    EXPECT_EQ(copy.find("X-" + std::to_string(i)), std::string(i * 7, 'v'));
  const Headers moved = std::move(copy);
  EXPECT_EQ(moved.size(), Headers::kFieldsMax);
  EXPECT_TRUE(moved.lines().starts_with("x-0: \r\nx-1: vvvvvvv\r\n"));
}

TEST(Headers, ThatAreNamedInTheCodeAreSentAsTheyAre) {
  constexpr FieldName kSite("x-tandem-site");
  Headers headers;
  headers.add(kSite, "munich");
  EXPECT_FALSE(headers.has_unknown_names());
  std::string head;
  ASSERT_TRUE(append_fields(headers, "date", head));
  EXPECT_EQ(head, "x-tandem-site: munich\r\n");
  headers.add(kSite, "a\r\nb: c");
  EXPECT_FALSE(append_fields(headers, "date", head)) << "a value is looked at whoever named it";
}

TEST(Headers, FindsWithoutRegardToCase) {
  Headers headers{{"Content-Type", "a"}, {"x", "1"}, {"X", "2"}};
  EXPECT_EQ(headers.find("content-type"), "a");
  EXPECT_EQ(headers.find("x"), "1");
  EXPECT_FALSE(headers.find("conten"));
  EXPECT_TRUE(headers.set("X", "3"));
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.value_or("x", ""), "3");
  EXPECT_EQ(headers.value_or("y", "none"), "none");
}

TEST(Headers, LinesAreThoseThatAreSentBesideTheSendersOwn) {
  Headers headers{{"a", "1"}, {"Content-Length", "7"}, {"b", ""}, {"date", "never"}, {"connection", "close"}};
  EXPECT_EQ(headers.lines(), "a: 1\r\nContent-Length: 7\r\nb: \r\ndate: never\r\nconnection: close\r\n");
  std::string head = "GET\r\n";
  ASSERT_TRUE(append_fields(headers, "date", head));
  EXPECT_EQ(head, "GET\r\na: 1\r\nb: \r\n");
  headers.add("c", "1\r\nd: 2");
  EXPECT_FALSE(append_fields(headers, "date", head)) << "one value must not become two fields";
  headers.clear();
  EXPECT_EQ(headers.lines(), "");
  headers.add("e", std::string(10'000, 'x'));
  EXPECT_EQ(headers.lines(), "e: " + std::string(10'000, 'x') + "\r\n") << "what was there before is overwritten";
  EXPECT_NE(headers, Headers());
}

TEST(Headers, TakesNoMoreThanItsLimit) {
  Headers headers;
  for (size_t i = 0; i < Headers::kFieldsMax; ++i) EXPECT_TRUE(headers.add("n", "v"));
  EXPECT_FALSE(headers.add("n", "v"));
  EXPECT_EQ(headers.size(), Headers::kFieldsMax);
}

TEST(PercentDecode, DecodesOrRefuses) {
  EXPECT_EQ(percent_encode("a b/c-1.ü"), "a%20b%2Fc-1.%C3%BC");
  EXPECT_EQ(percent_decode("a%20b%2Fc"), "a b/c");
  EXPECT_EQ(percent_decode("+"), "+");
  EXPECT_EQ(percent_decode(""), "");
  for (const char* const bad : {"%", "%4", "%zz", "a%0", "%00"}) EXPECT_FALSE(percent_decode(bad)) << bad;
}

TEST(Query, ReadsPairsInOrder) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(parse_query("a=1&b=two+words&c&&d=%3D&bad=%zz&=x"),
            (Pairs{{"a", "1"}, {"b", "two words"}, {"c", ""}, {"d", "="}, {"", "x"}}));
  EXPECT_TRUE(parse_query("").empty());
  EXPECT_EQ(query_value("a=1&b=2&b=3", "b"), "2");
  EXPECT_FALSE(query_value("a=1", "b"));
}

TEST(Query, ReadsNoMoreThanItsLimit) {
  std::string query;
  for (size_t i = 0; i < kQueryPairsMax + 10; ++i) query += "a=1&";
  EXPECT_EQ(parse_query(query).size(), kQueryPairsMax);
}

TEST(Endpoint, ParsesWhatPeopleWrite) {
  EXPECT_EQ(parse_endpoint("http://engine:8000/"), (Endpoint{"engine", 8000}));
  EXPECT_EQ(parse_endpoint("127.0.0.1:81"), (Endpoint{"127.0.0.1", 81}));
  EXPECT_EQ(parse_endpoint("http://[::1]:8080"), (Endpoint{"::1", 8080}));
  EXPECT_EQ(parse_endpoint("engine"), (Endpoint{"engine", 80}));
  EXPECT_EQ(to_string(Endpoint{"::1", 8080}), "[::1]:8080");
  EXPECT_EQ(parse_endpoint(to_string(Endpoint{"::1", 8080})), (Endpoint{"::1", 8080}));
  for (const char* const bad :
       {"", "http://", ":80", "a:0", "a:65536", "a:x", "a/b", "a b", "[::1", "http://u@h:1", "[::1]x", "a:1:2"}) {
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  }
}

TEST(ErrorBody, IsAnOpenAiErrorObject) {
  const auto body = parse_json(json_error_body({ErrorCode::not_found, "no model \"x\"", "grid.yaml:3"}));
  ASSERT_TRUE(body);
  const Json& error = (*body)["error"];
  EXPECT_EQ(error["message"].text(), "no model \"x\" (grid.yaml:3)");
  EXPECT_EQ(error["type"].text(), "not_found_error");
  EXPECT_EQ(error["code"].text(), "not_found");
  EXPECT_TRUE(error.object().contains("param"));
  EXPECT_TRUE(error["param"].is_null());
}

}  // namespace
}  // namespace tandem::http
