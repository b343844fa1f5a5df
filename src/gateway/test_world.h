// A gateway, its client and its engines in one thread, for this module's tests.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "gateway/gateway.h"
#include "http/http.h"
#include "routing/drawn_table.h"

namespace tandem::gateway {

namespace asio = boost::asio;

// What an engine does with the requests it gets.
enum class Behaviour {
  answers,            // as asked, with usage where asked
  answers_at_length,  // the same, whole answers of twelve megabytes: more than sockets hold
  forgets_usage,
  fails,              // 500
  busy,               // 429
  refuses,            // 400, with an error object of its own
  hangs,              // never answers
  hangs_midway,       // two tokens, then nothing
  resets,             // closes without an answer
  cuts_midway,        // two tokens, or half a whole answer, then closes
  ends_without_done,  // two tokens, then a proper end of the body
  garbage,            // 200 and bytes of no meaning
  error_first,        // a stream whose first event is an error object
  error_midway,       // one token, an error object, and the end
  endless,            // a token every millisecond until the client leaves
  takes_turns,        // answers whole, each when `turns` lets it
  redirects,          // 302
};

inline const std::string kEmbedding =
    R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"small",)"
    R"("usage":{"prompt_tokens":8,"total_tokens":8}})";

class FakeEngine {
 public:
  FakeEngine(asio::io_context& context, std::string name) : context_(context), name_(std::move(name)) {
    auto listening = http::Server::listen(
        context_, {},
        [this](const http::Request& request, http::ResponseWriter& writer) { return handle(request, writer); });
    EXPECT_TRUE(listening);
    server_ = std::move(*listening);
    port_ = server_->port();
  }

  uint16_t port() const { return port_; }
  void stop() { server_.reset(); }  // connections are refused from now on

  Behaviour behaviour = Behaviour::answers;
  std::string usage = R"({"prompt_tokens":7,"completion_tokens":3,"total_tokens":10})";  // of whole answers
  std::vector<http::Request> requests;
  int turns = 0;  // requests let through, in the order in which they came
  bool embeds = true;
  bool writes = true;  // else it knows no completions
  int left = 0;        // clients that went before the end

 private:
  asio::awaitable<void> handle(const http::Request& request, http::ResponseWriter& writer) {
    requests.push_back(request);
    bool gone = false;
    writer.on_disconnect([this, &gone] { ++left, gone = true; });
    const Result<Json> body = parse_json(request.body);
    EXPECT_TRUE(body) << request.body;
    switch (behaviour) {
      case Behaviour::fails: co_await answer(writer, 500, R"({"error":{"message":"out of memory"}})"); co_return;
      case Behaviour::busy: co_await answer(writer, 429, R"({"error":{"message":"queue full"}})"); co_return;
      case Behaviour::refuses:
        co_await answer(writer, 400, R"({"error":{"message":"too long","code":"context"}})");
        co_return;
      case Behaviour::redirects: co_await answer(writer, 302, "{}"); co_return;
      case Behaviour::garbage: co_await answer(writer, 200, "<html>hello</html>", "text/event-stream"); co_return;
      case Behaviour::resets: writer.abort(); co_return;
      case Behaviour::takes_turns:
        for (const int place = begun_++; place >= turns && !gone;) co_await sleep_while(gone, 1);
        break;
      case Behaviour::hangs: co_await sleep_while(gone, 10'000); co_return;
      default: break;
    }
    if (request.target.ends_with("/v1/embeddings"))
      co_await answer(writer, embeds ? 200 : 404, kEmbedding);
    else if (!writes)
      co_await answer(writer, 404, R"({"detail":"Not Found"})");
    else if (body && (*body)["stream"].boolean())
      co_await stream(writer, (*body)["stream_options"]["include_usage"].boolean(), gone);
    else
      co_await whole(writer);
  }

  asio::awaitable<void> answer(http::ResponseWriter& writer, int status, std::string body,
                               std::string type = "application/json") {
    http::Headers headers = http::content_type(type);
    co_await writer.respond(status, std::move(headers), std::move(body));
  }

  asio::awaitable<void> whole(http::ResponseWriter& writer) {
    std::string content = "from " + name_;
    if (behaviour == Behaviour::answers_at_length) content.resize(12u << 20, ' ');
    const std::string text =
        R"({"id":"x","model":"small","choices":[{"message":{"role":"assistant","content":")" + content + "\"}}]";
    if (behaviour == Behaviour::cuts_midway) {
      http::Headers headers = http::json_headers();
      co_await writer.start(200, std::move(headers));
      co_await writer.write(text);
      writer.abort();
      co_return;
    }
    std::string body = text;
    if (behaviour != Behaviour::forgets_usage) body += R"(,"usage":)" + usage;
    body += '}';
    co_await answer(writer, 200, std::move(body));
  }

  asio::awaitable<void> stream(http::ResponseWriter& writer, bool include_usage, bool& gone) {
    http::Headers headers = http::content_type("text/event-stream");
    co_await writer.start(200, std::move(headers));
    if (behaviour == Behaviour::error_first) co_await say(writer, R"({"error":{"message":"no memory"}})");
    co_await say(writer, R"({"choices":[{"delta":{"role":"assistant","content":""}}]})");
    const int tokens = behaviour == Behaviour::endless ? 100'000 : behaviour == Behaviour::error_midway ? 1 : 2;
    for (int i = 0; i < tokens && !gone; ++i) {
      co_await say(writer, R"({"choices":[{"delta":{"content":"from )" + name_ + "\"}}]}");
      if (behaviour == Behaviour::endless) co_await sleep_while(gone, 1);
    }
    if (behaviour == Behaviour::hangs_midway) co_await sleep_while(gone, 10'000);
    if (behaviour == Behaviour::cuts_midway) {
      writer.abort();
      co_return;
    }
    if (behaviour == Behaviour::error_midway) co_await say(writer, R"({"error":{"message":"no memory"}})");
    if (include_usage && behaviour == Behaviour::answers)
      co_await say(writer, R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}})");
    if (behaviour != Behaviour::ends_without_done) co_await say(writer, "[DONE]");
    co_await writer.finish();
  }

  static asio::awaitable<void> say(http::ResponseWriter& writer, std::string data) {
    const std::string event = http::format_sse({}, {}, data);
    co_await writer.write(event);
  }

  asio::awaitable<void> sleep_while(const bool& gone, int milliseconds) {
    asio::steady_timer timer(context_);
    for (int i = 0; i < milliseconds && !gone; ++i) {
      timer.expires_after(std::chrono::milliseconds(1));
      co_await timer.async_wait(asio::use_awaitable);
    }
  }

  asio::io_context& context_;
  int begun_ = 0;
  std::string name_;
  std::unique_ptr<http::Server> server_;
  uint16_t port_ = 0;
};

// Real monotonic time, and a date that tests set.
class TestClock final : public Clock {
 public:
  Instant now() const override { return date; }
  Duration monotonic() const override { return SystemClock().monotonic() + skipped; }
  Instant date{seconds(1'000).ns};
  Duration skipped;
};

class Records final : public RecordSink {
 public:
  void on_request(const SharedRecord& record) override { all.push_back(*record); }
  std::vector<RequestRecord> all;
};

struct Reply {
  int status = 0;
  http::Headers headers;
  std::string body;
  bool complete = false;  // the body ended properly
  std::string header(std::string_view name) const { return std::string(headers.value_or(name, "")); }
  Json json() const { return parse_json(body).value_or(Json()); }
  std::string error_code() const { return std::string(json()["error"]["code"].text()); }
};

inline http::ClientRequest chat(std::string body, http::Headers headers = {}) {
  http::ClientRequest request;
  request.method = "POST";
  request.target = "/v1/chat/completions";
  request.headers = std::move(headers);
  if (!request.headers.find("authorization")) request.headers.add("authorization", "Bearer sk-acme");
  request.body = std::move(body);
  return request;
}

inline const std::string kWholeBody = R"({"model":"small","messages":[{"role":"user","content":"hi there"}]})";
inline const std::string kStreamBody =
    R"({"model":"small","stream":true,"messages":[{"role":"user","content":"hi there"}]})";

// `$a` in the drawing is the port of engine `a`.
class TestWorld {
 public:
  TestWorld(std::string drawing, const std::vector<std::string>& engine_names, GatewayOptions options = {},
            HealthOptions health = {})
      : shared(health),
        gateway_client(context),
        client(context),
        gateway(context, shared, gateway_client, metrics, clock, records, std::move(options)) {
    for (const std::string& name : engine_names) engines[name] = std::make_unique<FakeEngine>(context, name);
    publish(std::move(drawing));
    auto listening = http::Server::listen(
        context, {},
        [this](const http::Request& request, http::ResponseWriter& writer) { return gateway.handle(request, writer); });
    EXPECT_TRUE(listening);
    server = std::move(*listening);
  }
  ~TestWorld() {
    server.reset();
    for (auto& [name, engine] : engines) engine->stop();
    context.restart();
    // What was cut off unwinds while all it refers to is there.
    constexpr int kRoundsMax = 250;
    for (int round = 0; round == 0 || (round < kRoundsMax && is_busy()); ++round)
      context.run_for(std::chrono::milliseconds(20));
  }

  void publish(std::string drawing) {
    for (const auto& [name, engine] : engines)
      for (size_t at; (at = drawing.find("$" + name)) != std::string::npos;)
        drawing.replace(at, name.size() + 1, std::to_string(engine->port()));
    shared.publish(std::make_shared<routing::RoutingTable>(routing::draw_table(drawing)));
  }

  bool is_busy() {
    return metrics.prometheus_text().find("tandem_gateway_requests_in_flight 0\n") == std::string::npos;
  }

  FakeEngine& engine(const std::string& name) { return *engines.at(name); }

  Reply ask(http::ClientRequest request) {
    Reply reply;
    run(ask_into(std::move(request), reply, SIZE_MAX));
    return reply;
  }
  // Leaves after the first piece of the answer has come, and a look at what there is then.
  Reply ask_and_leave(http::ClientRequest request, std::function<void(const Reply&)> look = {}) {
    Reply reply;
    run(ask_into(std::move(request), reply, 1, std::move(look)));
    return reply;
  }

  // Returns at once; the answer comes while something waits. It has no answer if it was cancelled or cut off.
  http::Cancellation start(http::ClientRequest request, Reply& reply) {
    http::Cancellation cancellation;
    asio::co_spawn(context, send(std::move(request), reply, cancellation), asio::detached);
    return cancellation;
  }

  void run(asio::awaitable<void> work) {
    bool done = false;
    asio::co_spawn(context, std::move(work), [&done](std::exception_ptr error) {
      EXPECT_FALSE(error);
      done = true;
    });
    wait_until([&done] { return done; });
  }
  template <class Condition>
  void wait_until(Condition condition) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    context.restart();
    while (!condition() && std::chrono::steady_clock::now() < patience)
      context.run_one_for(std::chrono::milliseconds(50));
    EXPECT_TRUE(condition());
  }
  const RequestRecord& last() { return records.all.at(records.all.size() - 1); }

  asio::io_context context;
  TestClock clock;
  Records records;
  Metrics metrics;
  SharedState shared;
  http::Client gateway_client;
  http::Client client;
  std::map<std::string, std::unique_ptr<FakeEngine>> engines;
  Gateway gateway;
  std::unique_ptr<http::Server> server;

 private:
  asio::awaitable<void> send(http::ClientRequest request, Reply& reply, http::Cancellation cancellation) {
    http::Endpoint endpoint{"127.0.0.1", server->port()};
    const auto exchange = co_await client.send(std::move(endpoint), std::move(request), {}, cancellation);
    if (exchange) reply.status = exchange->status();
  }

  asio::awaitable<void> ask_into(http::ClientRequest request, Reply& reply, size_t pieces_max,
                                 std::function<void(const Reply&)> look = {}) {
    http::Endpoint endpoint{"127.0.0.1", server->port()};
    auto exchange = co_await client.send(std::move(endpoint), std::move(request), {});
    EXPECT_TRUE(exchange);
    if (!exchange) co_return;
    reply.status = exchange->status();
    reply.headers = exchange->headers();
    for (size_t i = 0; i < pieces_max; ++i) {
      auto piece = co_await exchange->read_some();
      if (!piece) co_return;
      if (!*piece) {
        reply.complete = true;
        co_return;
      }
      reply.body += **piece;
    }
    if (look) look(reply);
  }
};

// Engine a is dear and near, b cheap and a little further, far is cheapest and abroad.
inline const std::string kThreeEngines = R"(
  jurisdiction DE FR US
  region north 192.0.2.0/24
  region south
  site ber DE
  site par FR
  site iad US
  model small tiny
  model big
  tenant acme key=sk-acme ttft=5000 tpot=1000 models=small
  tenant strict key=sk-strict residency=DE,FR ttft=5000 tpot=1000
  tenant demo key=sk-demo loopback_only
  target a ber small port=$a path=/pools/a prompt_cost=3 output_cost=9 emulated
  target b par small port=$b prompt_cost=2 output_cost=6
  target far iad small port=$far prompt_cost=1 output_cost=3
  leg north ber rtt=2
  leg north par rtt=10
  leg north iad rtt=90
  leg south iad rtt=90
)";

inline std::vector<std::string> three_engines() { return {"a", "b", "far"}; }

}  // namespace tandem::gateway
