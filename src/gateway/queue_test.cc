// Requests that wait for a full engine, through real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_core.h"
#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

using testing::HasSubstr;

// One engine that works on one request and may have one more on its way.
const std::string kOneSlot = R"(
  jurisdiction DE
  region north 192.0.2.0/24
  site ber DE
  model small
  model big
  tenant acme key=sk-acme
  tenant bank key=sk-bank
  tenant vip key=sk-vip priority=5
  target a ber small port=$a concurrency=1 prefill=1000000
  target b ber big port=$b concurrency=1 prefill=1000000
  leg north ber rtt=1
)";

http::ClientRequest ask_as(const std::string& tenant, const std::string& ttft_ms = {},
                           const std::string& model = "small") {
  http::Headers headers;
  headers.add("authorization", "Bearer sk-" + tenant);
  if (!ttft_ms.empty()) headers.add("x-slo-ttft-ms", ttft_ms);
  return chat(R"({"model":")" + model + R"(","max_tokens":10,"messages":[{"role":"user","content":"hi"}]})",
              std::move(headers));
}

// What comes back, for as long as anything can still come.
struct Replies {
  std::vector<std::unique_ptr<Reply>> replies;
};

struct QueueWorld : Replies, TestWorld {
  explicit QueueWorld(GatewayOptions options = {}) : TestWorld(kOneSlot, {"a", "b"}, options) {
    engine("a").behaviour = Behaviour::takes_turns;
  }
  ~QueueWorld() { engine("a").turns = 1'000; }
  void begin(const std::string& tenant, const std::string& ttft_ms = {}) {
    const size_t known = engine("a").requests.size() + queued();
    replies.push_back(std::make_unique<Reply>());
    start(ask_as(tenant, ttft_ms), *replies.back());
    wait_until([&] { return engine("a").requests.size() + queued() > known; });
  }
  size_t queued() {
    const std::string text = metrics.prometheus_text();
    const std::string name = "\ntandem_gateway_requests_queued ";
    return static_cast<size_t>(std::stoul(text.substr(text.find(name) + name.size())));
  }
  // Who was answered, in order, as the engine ends one after the other.
  std::string finish() {
    while (records.all.size() < replies.size()) {
      const size_t known = records.all.size();
      ++engine("a").turns;
      wait_until([&] { return records.all.size() > known; });
    }
    std::string names;
    for (const RequestRecord& record : records.all) names += record.tenant.substr(0, 1);
    return names;
  }
};

TEST(Queue, RequestsWaitForRoomAndAreServed) {
  QueueWorld world;
  for (int i = 0; i < 4; ++i) world.begin("acme");
  EXPECT_EQ(world.queued(), 2u);
  EXPECT_EQ(world.ask(ask_as("acme", "", "big")).status, 200) << "another model has room";
  world.replies.push_back(std::make_unique<Reply>());
  world.replies.back()->status = 200;
  EXPECT_EQ(world.finish(), "aaaaa");
  world.wait_until([&] { return std::ranges::none_of(world.replies, [](const auto& r) { return r->status == 0; }); });
  for (const auto& reply : world.replies) EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(world.queued(), 0u);
  EXPECT_GT(world.last().queued.value(), 0);
  EXPECT_LT(world.last().overhead, world.last().queued);
  EXPECT_EQ(world.last().attempts, 1u);
}

TEST(Queue, TenantsTakeTurns) {
  QueueWorld world;
  for (int i = 0; i < 7; ++i) world.begin("acme");
  for (int i = 0; i < 2; ++i) world.begin("bank");
  const std::string order = world.finish();
  EXPECT_EQ(order.substr(0, 2), "aa") << "at the engine before bank came";
  EXPECT_LT(order.find('b'), 4u) << order;
  EXPECT_LT(order.rfind('b'), 7u) << order << ": five of acme's waited before bank's two";
}

TEST(Queue, AHigherClassGoesFirst) {
  QueueWorld world;
  for (int i = 0; i < 4; ++i) world.begin("acme");
  world.begin("vip");
  EXPECT_EQ(world.finish(), "aavaa");
}

TEST(Queue, WhatCannotKeepItsPromiseIsRefusedAtOnceOrWhenItsTimeIsUp) {
  QueueWorld world;
  for (int i = 0; i < 2; ++i) world.begin("acme");
  Reply reply = world.ask(ask_as("bank", "1"));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.error_code(), "capacity");
  EXPECT_EQ(reply.header("retry-after"), "1");
  EXPECT_EQ(world.last().queued.value(), 0);
  reply = world.ask(ask_as("bank", "150"));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.error_code(), "queue_timeout");
  EXPECT_GE(world.last().queued, Microseconds(50'000));
  EXPECT_EQ(world.last().outcome, Outcome::rejected);
  EXPECT_EQ(world.last().gate, routing::Gate::capacity);
  EXPECT_EQ(world.queued(), 0u);
  EXPECT_THAT(world.metrics.prometheus_text(), HasSubstr(R"(tandem_gateway_refusals_total{code="queue_timeout"} 1)"));
}

TEST(Queue, WhatWouldComeTooLateIsRefusedOnceThePaceIsKnown) {
  QueueWorld world;
  for (int i = 0; i < 10; ++i) world.begin("acme", "60000");
  // Two turns, 100 ms apart, tell the pace.
  for (int i = 0; i < 4; ++i) {
    world.run([&]() -> asio::awaitable<void> {
      asio::steady_timer timer(world.context, std::chrono::milliseconds(100));
      co_await timer.async_wait(asio::use_awaitable);
    }());
    const size_t known = world.records.all.size();
    ++world.engine("a").turns;
    world.wait_until([&] { return world.records.all.size() > known; });
  }
  const Reply reply = world.ask(ask_as("acme", "250"));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.error_code(), "capacity") << "four go before it, at some 100 ms each";
  EXPECT_EQ(world.last().queued.value(), 0);
}

// An engine that has been full works on others' prompts before the one that it is given.
TEST(Queue, WhatFirstTokensTakeAtBusyEnginesIsLeftOfAPromise) {
  QueueWorld world;
  for (uint32_t i = 0; i < FirstTokens::kLeast; ++i) {
    world.replies.push_back(std::make_unique<Reply>());
    http::Headers headers;
    headers.add("authorization", "Bearer sk-acme");
    world.start(chat(kStreamBody, std::move(headers)), *world.replies.back());
    world.wait_until([&] { return world.engine("a").requests.size() > i; });
    world.clock.skipped = world.clock.skipped + milliseconds(300);
    ++world.engine("a").turns;
    world.wait_until([&] { return world.records.all.size() > i; });
  }
  for (int i = 0; i < 2; ++i) world.begin("acme");
  EXPECT_EQ(world.ask(ask_as("bank", "250")).error_code(), "capacity");
  EXPECT_EQ(world.last().queued.value(), 0);
  world.clock.skipped = world.clock.skipped + Lateness::kRemembered;
  EXPECT_EQ(world.ask(ask_as("bank", "250")).error_code(), "queue_timeout") << "that was another time";
}

TEST(Queue, IsBounded) {
  GatewayOptions options;
  options.waiting_max = 1;
  QueueWorld world(options);
  for (int i = 0; i < 3; ++i) world.begin("acme");
  EXPECT_EQ(world.ask(ask_as("bank")).error_code(), "queue_full");
  world.replies.push_back(std::make_unique<Reply>());  // of bank's
  world.replies.push_back(std::make_unique<Reply>());
  world.start(ask_as("vip"), *world.replies.back());
  world.wait_until([&] { return world.replies[2]->status == 429; });
  EXPECT_EQ(world.finish(), "baaav");
}

TEST(Queue, WhoLeavesWhileWaitingIsForgotten) {
  QueueWorld world;
  for (int i = 0; i < 2; ++i) world.begin("acme");
  world.replies.push_back(std::make_unique<Reply>());
  http::Cancellation cancellation = world.start(ask_as("bank"), *world.replies.back());
  world.wait_until([&] { return world.queued() == 1; });
  cancellation.cancel();
  world.wait_until([&] { return world.queued() == 0; });
  world.wait_until([&] { return world.records.all.size() == 1; });
  EXPECT_EQ(world.last().outcome, Outcome::cancelled);
  EXPECT_EQ(world.engine("a").requests.size(), 2u);
}

TEST(Queue, NobodyWaitsWhereNoneMay) {
  GatewayOptions options;
  options.waiting_max = 0;
  QueueWorld world(options);
  for (int i = 0; i < 2; ++i) world.begin("acme");
  EXPECT_EQ(world.ask(ask_as("bank")).error_code(), "capacity");
}

}  // namespace
}  // namespace tandem::gateway
