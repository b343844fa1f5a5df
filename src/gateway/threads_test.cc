// Two gateways on their own threads, sharing what they share, while tables are published, decisions explained and
// spending noted.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "base/calendar.h"
#include "gateway/test_world.h"

namespace tandem::gateway {
namespace {

class CountingSink final : public RecordSink {
 public:
  void on_request(const SharedRecord& record) override { ok += record->outcome == Outcome::ok; }
  std::atomic<int> ok = 0;
};

// One gateway with its own clients, asking it the same thing over and over.
class GatewayThread {
 public:
  GatewayThread(uint32_t number, SharedState& shared, Metrics& metrics, const Clock& clock, CountingSink& sink,
                int requests)
      : client_(context_), gateway_(context_, shared, client_, metrics, clock, sink, {.number = number}) {
    auto listening =
        http::Server::listen(context_, {}, [this](const http::Request& request, http::ResponseWriter& writer) {
          return gateway_.handle(request, writer);
        });
    server_ = std::move(*listening);
    for (int i = 0; i < 4; ++i) asio::co_spawn(context_, ask(requests / 4), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  void join() { thread_.join(); }
  Gateway& gateway() { return gateway_; }

 private:
  asio::awaitable<void> ask(int count) {
    ++asking_;
    for (int i = 0; i < count; ++i) {
      http::Endpoint endpoint{"127.0.0.1", server_->port()};
      std::string asked = i % 2 == 0 ? kWholeBody : kStreamBody;
      asked.insert(asked.find("hi there"), std::string(2'048, static_cast<char>('a' + i % 7)));  // long enough to cache
      http::ClientRequest request = chat(std::move(asked));
      auto exchange = co_await client_.send(std::move(endpoint), std::move(request), {});
      if (!exchange) continue;
      const Result<std::string> body = co_await exchange->read_all(1'000'000);
      EXPECT_TRUE(body);
    }
    if (--asking_ > 0) co_return;
    server_->close(seconds(20));  // the last answer has been read, and its request may not have ended yet
    gateway_.close();
    client_.close();
  }

  asio::io_context context_;
  http::Client client_;
  Gateway gateway_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
  int asking_ = 0;
};

TEST(GatewayThreads, ShareTheTableAndTheLiveState) {
  constexpr int kRequests = 200;
  asio::io_context engine_context;
  FakeEngine a(engine_context, "a"), b(engine_context, "b");
  b.behaviour = Behaviour::fails;
  std::thread engines([&] {
    const auto work = asio::make_work_guard(engine_context);
    engine_context.run();
  });
  SharedState shared({.failures_to_eject = 2, .ejection = milliseconds(5)});
  const auto publish = [&](int round) {
    shared.publish(std::make_shared<routing::RoutingTable>(routing::draw_table(
        fmt::format("jurisdiction DE\nregion r\nsite s DE\nmodel small\ntenant t key=sk-acme hedge=0.9 "
                    "rpm=1000000 tpm=1000000000 budget=1000000\n"
                    "tenant passing{0} key=sk-{0} rpm=1\n"
                    "trial half canary small to_site=s share=0.5\n"
                    "target a{1} s small port={2} concurrency=100 prompt_cost=2\ntarget b s small "
                    "port={3} concurrency=100\nleg r s rtt=1\n",
                    round, round % 3, a.port(), b.port()))));
  };
  publish(0);
  Metrics metrics;
  SystemClock clock;
  CountingSink sink;
  GatewayThread first(1, shared, metrics, clock, sink, kRequests);
  GatewayThread second(2, shared, metrics, clock, sink, kRequests);
  std::atomic<bool> publishing = true;
  std::thread accounts([&] {
    const Instant month_begin = begin_of_month(clock.now());
    for (uint64_t nano_eur = 1; publishing; ++nano_eur) {
      shared.note_spending(month_begin, {{"t", nano_eur}});
      EXPECT_EQ(shared.deployments().size(), 2u);
    }
  });
  for (int round = 0; round < 50; ++round) {
    publish(round);
    for (GatewayThread* one : {&first, &second})
      for (const RequestRecord& record : one->gateway().recent(3)) one->gateway().explain_decision(record.id);
    for (GatewayThread* one : {&first, &second}) EXPECT_EQ(one->gateway().trials().size(), 1u);
    static_cast<void>(metrics.prometheus_text());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  publishing = false;
  accounts.join();
  first.join();
  second.join();
  engine_context.stop();
  engines.join();
  EXPECT_EQ(sink.ok, 2 * kRequests);
  for (const DeploymentStatus& status : shared.deployments()) EXPECT_EQ(status.in_flight, 0u);
}

}  // namespace
}  // namespace tandem::gateway
