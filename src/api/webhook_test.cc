// Delivery to a receiver over real sockets that fails, goes away and comes back.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <future>
#include <thread>

#include "api/delivery_position.h"
#include "api/webhook_testing.h"
#include "api/webhook_url.h"
#include "base/digest.h"
#include "base/random.h"
#include "base/text.h"

namespace tandem::api {
namespace {

TEST(WebhookUrl, HttpsAnywhereAndHttpOnlyHere) {
  EXPECT_EQ(*parse_webhook_url("https://example.net"), (WebhookAddress{true, "example.net", 443, "/"}));
  EXPECT_EQ(*parse_webhook_url("https://example.net:8443/a/b?c=d"),
            (WebhookAddress{true, "example.net", 8443, "/a/b?c=d"}));
  EXPECT_EQ(*parse_webhook_url("http://localhost:9?x"), (WebhookAddress{false, "localhost", 9, "/?x"}));
  EXPECT_EQ(*parse_webhook_url("http://[::1]:9/"), (WebhookAddress{false, "::1", 9, "/"}));
  EXPECT_TRUE(parse_webhook_url("http://127.8.9.10/"));
  for (const char* url : {"",
                          "example.net",
                          "ftp://example.net",
                          "http://example.net/",
                          "http://10.0.0.1/",
                          "http://169.254.169.254/latest",
                          "http://localhost.example.net/",
                          "http://127.0.0.1@example.net/",
                          "http://example.net#localhost",
                          "http://[::2]/",
                          "http://[::ffff:10.0.0.1]/",
                          "https://",
                          "https:///x",
                          "https://a b/",
                          "https://ex\xc3\xa4mple.net",
                          "https://e:0/",
                          "https://e:65536/",
                          "https://e:x/",
                          "https://[::1",
                          "https://[::1]x/",
                          "https://e\\f/",
                          "http://0.0.0.0/",
                          "http://0/"})
    EXPECT_FALSE(parse_webhook_url(url)) << url;
}

TEST(WebhookUrl, MutatedUrlsNeverLeaveTheMachineUnencrypted) {
  Random random(8);
  for (int i = 0; i < 50'000; ++i) {
    std::string url = i % 2 == 0 ? "http://localhost:8080/hook?x=1" : "http://127.0.0.1:8080/hook";
    for (uint64_t j = 1 + random.below(4); j > 0; --j)
      url[random.below(url.size())] = static_cast<char>('!' + random.below(94));
    const auto address = parse_webhook_url(url);
    if (!address || address->is_tls) continue;
    EXPECT_TRUE(address->host == "::1" || address->host.starts_with("127.") || to_lower(address->host) == "localhost")
        << url;
  }
}

TEST(DeliveryPosition, OutlivesTheProgramAndTornWrites) {
  const TestDirectory directory;
  const auto path = directory.path / "w.position";
  {
    auto position = DeliveryPosition::open(path);
    ASSERT_TRUE(position);
    EXPECT_EQ(position->place(), DeliveryPosition::Place{});
    ASSERT_TRUE(position->move_to({3, 7}, seconds(0)));
    ASSERT_TRUE(position->move_to({3, 8}, seconds(0)));
  }
  EXPECT_EQ(DeliveryPosition::open(path)->place(), (DeliveryPosition::Place{3, 8}));
  {
    auto file = File::open(path, File::Mode::write);
    ASSERT_TRUE(file->write_at(512, "torn"));  // the second slot holds the newest
  }
  auto position = DeliveryPosition::open(path);
  EXPECT_EQ(position->place(), (DeliveryPosition::Place{3, 7}));
  ASSERT_TRUE(position->move_to({9, 1}, seconds(0)));  // replayed: further back, and newer
  EXPECT_EQ(DeliveryPosition::open(path)->place(), (DeliveryPosition::Place{9, 1}));
}

// Takes events and keeps what it was sent; answers 500 to the next `failures`.
class Receiver {
 public:
  explicit Receiver(uint16_t port = 0) {
    http::ServerOptions options;
    options.port = port;
    server_ = std::move(*http::Server::listen(
        context_, options,
        [this](const http::Request& request, http::ResponseWriter& writer) { return take(request, writer); }));
    port_ = server_->port();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Receiver() {
    context_.stop();
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/hook"; }
  std::vector<http::Request> taken() const {
    const std::lock_guard lock(mutex_);
    return taken_;
  }
  std::vector<log::Offset> ids() const {
    std::vector<log::Offset> result;
    for (const http::Request& request : taken())
      result.push_back(
          static_cast<log::Offset>(std::stoll(std::string(request.headers.value_or("x-tandem-event-id", "0")))));
    return result;
  }

  std::atomic<int> failures = 0;
  std::atomic<int> attempts = 0;

 private:
  boost::asio::awaitable<void> take(const http::Request& request, http::ResponseWriter& writer) {
    ++attempts;
    const bool fails = failures > 0 && failures-- > 0;
    if (!fails) {
      const std::lock_guard lock(mutex_);
      taken_.push_back(request);
    }
    std::string body = "{}";
    co_await writer.respond_json(fails ? 500 : 200, std::move(body));
  }

  boost::asio::io_context context_;
  std::unique_ptr<http::Server> server_;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<http::Request> taken_;
  std::thread thread_;
};

TEST(WebhookSender, DeliversEachEventOnceInOrderThoughTheReceiverFails) {
  Receiver receiver;
  receiver.failures = 2;
  Delivering world(20);
  ASSERT_TRUE(world.sender->keep_secret("w", "0123456789abcdef"));
  world.want("w", {{"url", receiver.url()}});
  ASSERT_TRUE(world.until([&] { return receiver.taken().size() >= 20; }));
  std::vector<log::Offset> wanted;
  for (log::Offset i = 1; i <= 20; ++i) wanted.push_back(i);
  EXPECT_EQ(receiver.ids(), wanted);
  EXPECT_EQ(receiver.attempts, 22);
  ASSERT_TRUE(world.until([&] { return world.sender->status("w")->delivered == 20; }));
  EXPECT_EQ(world.sender->status("w")->failures, 0u);
}

TEST(WebhookSender, SignsWhatItSends) {
  Receiver receiver;
  Delivering world(1);
  ASSERT_TRUE(world.sender->keep_secret("w", "0123456789abcdef"));
  world.want("w", {{"url", receiver.url()}});
  ASSERT_TRUE(world.until([&] { return !receiver.taken().empty(); }));
  const http::Request request = receiver.taken().front();
  const std::string signature(request.headers.value_or("x-tandem-signature", ""));
  const int64_t at = std::stoll(signature.substr(2));
  EXPECT_EQ(signature, sign_webhook("0123456789abcdef", at, request.body));
  EXPECT_NE(signature, sign_webhook("0123456789abcdeF", at, request.body));
  EXPECT_EQ(request.headers.value_or("idempotency-key", ""), "1");
  EXPECT_EQ((*parse_json(request.body))["kind"].text(), "site");
  // RFC 4231, test case 2, under this scheme's framing: computed with another implementation.
  EXPECT_EQ(sign_webhook("Jefe", 0, "x").substr(0, 7), "t=0,v1=");
}

TEST(WebhookSender, GoesOnWhereItWasAfterARestart) {
  Delivering world(12);
  ASSERT_TRUE(world.sender->keep_secret("w", "0123456789abcdef"));
  Receiver receiver;
  world.want("w", {{"url", receiver.url()}, {"kinds", Json::Array{"site"}}});
  ASSERT_TRUE(world.until([&] { return world.sender->status("w")->delivered == 12; }));
  EXPECT_EQ(receiver.ids(), (std::vector<log::Offset>{1, 2, 4, 5, 7, 8, 10, 11}));
  world.sender.reset();
  world.start();
  world.sender->follow(world.believed);
  ASSERT_TRUE(world.until([&] { return world.sender->status("w")->delivered == 12; }));
  // Told to begin again at 7, it does, once.
  world.want("w", {{"from_offset", 7}, {"placed_offset", 12}});
  ASSERT_TRUE(world.until([&] { return receiver.taken().size() >= 12 && world.sender->status("w")->delivered == 12; }));
  EXPECT_EQ(receiver.ids(), (std::vector<log::Offset>{1, 2, 4, 5, 7, 8, 10, 11, 7, 8, 10, 11}));
}

TEST(WebhookSender, WithoutItsSecretNothingIsSent) {
  Receiver receiver;
  Delivering world(3);
  world.want("w", {{"url", receiver.url()}});
  ASSERT_TRUE(world.until([&] { return !world.sender->status("w")->last_error.empty(); }));
  EXPECT_FALSE(world.sender->status("w")->has_secret);
  EXPECT_EQ(receiver.attempts, 0);
  ASSERT_TRUE(world.sender->keep_secret("w", "0123456789abcdef"));  // a new one mends it
  EXPECT_TRUE(world.until([&] { return receiver.taken().size() == 3; }));
}

TEST(WebhookSender, RemovedWebhooksLeaveNothing) {
  Receiver receiver;
  receiver.failures = 1'000'000;
  Delivering world(3);
  ASSERT_TRUE(world.sender->keep_secret("w", "0123456789abcdef"));
  ASSERT_TRUE(world.sender->keep_secret("strange", "0123456789abcdef"));
  world.want("w", {{"url", receiver.url()}});
  EXPECT_FALSE(std::filesystem::exists(world.directory.path / "strange.secret"));
  ASSERT_TRUE(world.until([&] { return receiver.attempts >= 2; }));
  EXPECT_GE(world.sender->status("w")->failures, 1u);
  world.believed.fold(test_support::retraction("webhook", "w"), world.believed.offset() + 1, {});
  world.sender->follow(world.believed);
  EXPECT_FALSE(world.sender->status("w"));
  EXPECT_TRUE(world.until([&] { return !std::filesystem::exists(world.directory.path / "w.secret"); }));
}

}  // namespace
}  // namespace tandem::api
