#include "http/mutation.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "http/test_support.h"

namespace tandem::http {
namespace {

// Whether `text` is nothing, or whole responses one after another, each as a client can delimit it; errors with an
// error object. (A HEAD among mutated requests keeps its name, so its answer is known to have no body.)
::testing::AssertionResult is_responses(std::string_view text, bool may_be_head) {
  while (!text.empty()) {
    if (text.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) {
      text.remove_prefix(25);
      continue;
    }
    const size_t head_end = text.find("\r\n\r\n");
    const int status = status_of(text);
    if (status < 200 || status > 599 || head_end == std::string_view::npos)
      return ::testing::AssertionFailure() << text;
    const std::string_view head = text.substr(0, head_end + 2);
    const size_t length_at = head.find("content-length: ");
    if (length_at == std::string_view::npos) return ::testing::AssertionFailure() << "no length: " << text;
    const size_t length = std::stoul(std::string(head.substr(length_at + 16, 8)));
    text.remove_prefix(head_end + 4);
    if (may_be_head && status == 200 && (text.empty() || text.starts_with("HTTP/1.1 "))) continue;
    if (text.size() < length) return ::testing::AssertionFailure() << "cut short: " << head << text;
    if (status != 200 && !(*parse_json(text.substr(0, length)))["error"]["message"].is_string()) {
      return ::testing::AssertionFailure() << "no error object: " << text;
    }
    text.remove_prefix(length);
  }
  return ::testing::AssertionSuccess();
}

// 2,000 damaged requests over real connections, each ended by the client's half: whole responses or nothing, and the
// server answers a good request after every hundred of them.
TEST(ServerMutation, AnswersWellOrClosesAndGoesOn) {
  ServerOptions options;
  options.header_timeout = seconds(5);
  RunningServer server(echo, options);
  Random random(2);
  int answered = 0;
  for (int round = 0; round < 2'000; ++round) {
    const std::string text = mutate_request(random);
    RawClient client(server.port());
    const size_t cut = random.below(text.size() + 1);
    client.send(text.substr(0, cut));
    client.send(text.substr(cut));
    boost::system::error_code ignored;
    client.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    const std::string response = client.read_to_end();
    answered += response.empty() ? 0 : 1;
    ASSERT_FALSE(client.was_reset()) << text;
    ASSERT_TRUE(is_responses(response, text.find("HEAD") != std::string::npos)) << round << "\n" << text;
    if (round % 100 == 0) {
      RawClient good(server.port());
      good.send("GET /good HTTP/1.1\r\nHost: x\r\n\r\n");
      ASSERT_EQ(body_of(good.read_response()), "GET /good  ");
    }
  }
  EXPECT_GT(answered, 1'000);
}

}  // namespace
}  // namespace tandem::http
