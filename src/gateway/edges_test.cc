// What hostile or unusual bytes come to, over real sockets through the whole gateway.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

using testing::HasSubstr;
using testing::Not;

// Sends exactly these bytes; returns all that comes until the gateway closes.
std::string send_raw(TestWorld& world, std::string bytes) {
  std::string answer;
  world.run([](TestWorld& to, std::string sent, std::string& came) -> asio::awaitable<void> {
    asio::ip::tcp::socket socket(to.context);
    boost::system::error_code error;
    const asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(), to.server->port());
    co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
    co_await asio::async_write(socket, asio::buffer(sent), asio::redirect_error(asio::use_awaitable, error));
    co_await asio::async_read(socket, asio::dynamic_buffer(came), asio::redirect_error(asio::use_awaitable, error));
  }(world, std::move(bytes), answer));
  return answer;
}

size_t requests_of(TestWorld& world) {
  size_t count = 0;
  for (const auto& [name, engine] : world.engines) count += engine->requests.size();
  return count;
}

const std::string kHead = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-acme\r\n";

std::string post(const std::string& body, const std::string& more_headers = {}) {
  return kHead + more_headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(GatewayEdges, WhatTwoParsersCouldReadDifferentlyReachesNoEngine) {
  TestWorld world(kThreeEngines, three_engines());
  const std::string length = "Content-Length: " + std::to_string(kWholeBody.size()) + "\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  for (const std::string& fields : {
           length + chunked,
           chunked + length,
           length + length,
           length + "content-length: 0\r\n",
           std::string("Transfer-Encoding: chunked, identity\r\n"),
           std::string("Transfer-Encoding: identity, chunked\r\n"),
           std::string("Transfer-Encoding: chunked;q=1\r\n"),
           std::string("Transfer-Encoding:\x0b"
                       "chunked\r\n"),
           std::string("Transfer-Encoding\t: chunked\r\n") + length,
           std::string("X: y\r\n Content-Length: 5\r\n") + length,
           std::string("X: y\nContent-Length: 5\r\n") + length,
           std::string("X-Request-Id: a\rSet-Cookie: b\r\n") + length,
           std::string("Content-Length: 5\r\r\n"),
       }) {
    const std::string answer =
        send_raw(world, kHead + fields + "\r\n" + kWholeBody + "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 400 ")) << fields;
    EXPECT_THAT(answer, HasSubstr("\r\nconnection: close\r\n")) << fields;
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << "only one answer: " << fields;
  }
  EXPECT_EQ(requests_of(world), 0u);
}

TEST(GatewayEdges, TheFramingOfAChunkedRequestStaysBehind) {
  TestWorld world(kThreeEngines, three_engines());
  const std::string half = kWholeBody.substr(0, 10);
  const std::string rest = kWholeBody.substr(10);
  const auto chunk = [](const std::string& data) { return fmt::format("{:x};a=\"b\"\r\n{}\r\n", data.size(), data); };
  const std::string answer =
      send_raw(world, kHead + "Connection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n" +
                          chunk(half) + chunk(rest) + "0\r\nX-Late: Content-Length: 3\r\n\r\n");
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 200 "));
  ASSERT_EQ(world.engine("far").requests.size(), 1u);
  const http::Request& seen = world.engine("far").requests[0];
  EXPECT_EQ(seen.body, kWholeBody);
  EXPECT_EQ(seen.headers.find("content-length"), std::to_string(kWholeBody.size()));
  for (const char* name : {"transfer-encoding", "trailer", "x-late", "connection", "authorization"})
    EXPECT_FALSE(seen.headers.find(name)) << name;
}

TEST(GatewayEdges, PipelinedRequestsAreAnsweredInOrder) {
  TestWorld world(kThreeEngines, three_engines());
  const std::string answer =
      send_raw(world, post(kWholeBody, "X-Request-Id: one\r\n") + post(kStreamBody, "X-Request-Id: two\r\n") +
                          post("{", "X-Request-Id: three\r\nConnection: close\r\n") +
                          post(kWholeBody, "X-Request-Id: four\r\n"));
  const size_t one = answer.find("x-request-id: one");
  const size_t two = answer.find("x-request-id: two");
  const size_t three = answer.find("x-request-id: three");
  EXPECT_LT(one, two);
  EXPECT_LT(two, answer.find("data: [DONE]"));
  EXPECT_LT(answer.find("data: [DONE]"), three);
  EXPECT_NE(three, std::string::npos);
  EXPECT_THAT(answer, Not(HasSubstr("x-request-id: four"))) << "nothing is read behind 'close'";
  EXPECT_EQ(requests_of(world), 2u);
}

// Bodies made to be dear: each is refused for what it is, and the gateway goes on.
TEST(GatewayEdges, HostileJsonIsRefused) {
  TestWorld world(kThreeEngines, three_engines());
  const auto repeated = [](const std::string& text, size_t count) {
    std::string all;
    for (size_t i = 0; i < count; ++i) all += text;
    return all;
  };
  const std::string valid = kWholeBody.substr(0, kWholeBody.size() - 1);
  for (const std::string& body : {
           std::string(4'000'000, '['),
           repeated(R"({"a":)", 500'000),
           valid + R"(,"x":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}",
           valid + repeated(R"(,"model":"small")", 200'000) + "}",
           valid + R"(,"x":"unended)" + std::string(1'000'000, '\\'),
           valid + R"(,"x":1e99999})",
           valid + R"(,"x":)" + std::string(1'000'000, '9') + "}",
           valid + ",\"x\":\"\xc3\x28\"}",
           valid + ",\"x\":\"\xed\xa0\x80\"}",  // a surrogate
           valid + ",\"x\":\"\xc0\xaf\"}",      // longer than need be
           valid + R"(,"x":"\ud800"})",
           std::string("\xef\xbb\xbf\xef\xbb\xbf{}"),
           std::string("\0{}", 3),
           valid + "}}",
           valid + "}" + kWholeBody,
           std::string(" "),
       }) {
    const Reply reply = world.ask(chat(body));
    EXPECT_EQ(reply.status, 400) << body.substr(0, 100);
    EXPECT_EQ(reply.json()["error"]["type"].text(), "invalid_request_error") << body.substr(0, 100);
  }
  EXPECT_EQ(requests_of(world), 0u);
  EXPECT_EQ(world.ask(chat(kWholeBody)).status, 200);
}

TEST(GatewayEdges, APromptOfAMegabyteIsServed) {
  TestWorld world(kThreeEngines, three_engines());
  const std::string prompt(1'000'000, 'p');
  size_t asked = 0;
  for (const std::string stream : {"false", "true"}) {
    const std::string body =
        R"({"model":"tiny","stream":)" + stream + R"(,"messages":[{"role":"user","content":")" + prompt + R"("}]})";
    const Reply reply = world.ask(chat(body));
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.complete);
    EXPECT_EQ(requests_of(world), ++asked);
    EXPECT_THAT(world.engine("a").requests.back().body, HasSubstr(prompt)) << "the fastest: it comes late anyway";
  }
}

}  // namespace
}  // namespace tandem::gateway
