#include "http/client.h"

#include <gtest/gtest.h>

#include <atomic>

#include "http/client_connection.h"
#include "http/test_support.h"
#include "support/no_more_files.h"

namespace tandem::http {
namespace {

// Runs a coroutine to its end on a context of its own, together with whatever else runs there.
template <class T>
T run(asio::io_context& context, asio::awaitable<T> work) {
  context.restart();
  auto done = asio::co_spawn(context, std::move(work), asio::use_future);
  while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    if (context.run_one_for(std::chrono::seconds(20)) == 0) {
      ADD_FAILURE() << "nothing left to wait for";
      std::abort();
    }
  }
  return done.get();
}

// A server that reads once on each connection, sends fixed bytes whatever it was asked, and then ends as told.
enum class Then { closes, stays_silent, closes_on_the_next_request };

class ScriptedServer {
 public:
  explicit ScriptedServer(std::string answer, Then then = Then::closes)
      : acceptor_(context_, {asio::ip::address_v4::loopback(), 0}), answer_(std::move(answer)), then_(then) {
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    boost::system::error_code ignored;
    asio::io_context context;
    asio::ip::tcp::socket(context).connect(endpoint(), ignored);  // wakes the accept
    thread_.join();
  }
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int connections() const { return connections_; }

 private:
  asio::ip::tcp::endpoint endpoint() const { return {asio::ip::address_v4::loopback(), port()}; }
  void serve() {
    std::vector<asio::ip::tcp::socket> kept;
    for (;;) {
      boost::system::error_code error;
      auto socket = acceptor_.accept(error);
      if (stopping_) return;
      if (error == asio::error::no_descriptors) continue;  // of all of this process, while a test wants it so
      ASSERT_FALSE(error) << error.message();
      ++connections_;
      char bytes[4096];
      boost::system::error_code ignored;
      socket.read_some(asio::buffer(bytes), ignored);
      asio::write(socket, asio::buffer(answer_), ignored);
      if (then_ == Then::closes_on_the_next_request) socket.read_some(asio::buffer(bytes), ignored);
      if (then_ == Then::stays_silent) kept.push_back(std::move(socket));
    }
  }

  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_;
  std::string answer_;
  Then then_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

struct Answer {
  int status = 0;
  std::string body;
};

asio::awaitable<Result<Answer>> fetch(Client& client, uint16_t port, ClientRequest request,
                                      ClientTimeouts timeouts = {}) {
  auto exchange = co_await client.send(Endpoint{"127.0.0.1", port}, std::move(request), timeouts);
  if (!exchange) co_return tl::unexpected(exchange.error());
  auto body = co_await exchange->read_all(100'000'000);
  if (!body) co_return tl::unexpected(body.error());
  co_return Answer{exchange->status(), std::move(*body)};
}

ClientRequest post(std::string target, std::string body) {
  ClientRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.body = std::move(body);
  return request;
}

TEST(Client, SendsAndReadsAndKeepsItsConnection) {
  RunningServer server(echo);
  asio::io_context context;
  Client client(context);
  for (int i = 0; i < 5; ++i) {
    const auto answer = run(context, fetch(client, server.port(), post("/p?q=" + std::to_string(i), "body")));
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "POST /p q=" + std::to_string(i) + " body");
    EXPECT_EQ(client.idle_connections(), 1u);
  }
  EXPECT_EQ(server.ask([](Server& s) { return s.connections(); }), 1u);
}

TEST(Client, FindsAHostByName) {
  RunningServer server(echo);
  asio::io_context context;
  Client client(context);
  const auto status = run(context, [](Client& c, uint16_t port) -> asio::awaitable<int> {
    auto exchange = co_await c.send(Endpoint{"localhost", port}, ClientRequest(), ClientTimeouts());
    co_return exchange ? exchange->status() : 0;
  }(client, server.port()));
  EXPECT_EQ(status, 200);
}

TEST(Client, MovesABigBodyBothWays) {
  RunningServer server(echo);
  asio::io_context context;
  Client client(context);
  std::string body(10'000'000, 'x');
  for (size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>('a' + i % 26);
  const auto answer = run(context, fetch(client, server.port(), post("/", body)));
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_TRUE(answer->body == "POST /  " + body);
}

TEST(Client, ReadsAStreamPieceByPiece) {
  std::atomic<int> pieces_read = 0;
  RunningServer server([&pieces_read](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    auto sent = co_await writer.start(200, content_type("text/event-stream"));
    for (int i = 0; i < 3; ++i) {
      while (pieces_read < i) co_await sleep_ms(1);
      sent = co_await writer.write("piece" + std::to_string(i));
      EXPECT_TRUE(sent);
    }
    sent = co_await writer.finish();
    EXPECT_TRUE(sent);
  });
  asio::io_context context;
  Client client(context);
  run(context, [](Client& c, uint16_t port, std::atomic<int>& read) -> asio::awaitable<void> {
    auto exchange = co_await c.send(Endpoint{"127.0.0.1", port}, ClientRequest(), ClientTimeouts());
    EXPECT_TRUE(exchange);
    EXPECT_EQ(exchange->headers().find("Content-Type"), "text/event-stream");
    for (int i = 0; i < 3; ++i, ++read) {
      auto piece = co_await exchange->read_some();
      EXPECT_TRUE(piece && *piece && **piece == "piece" + std::to_string(i));
    }
    for (int i = 0; i < 2; ++i) {
      auto end = co_await exchange->read_some();
      EXPECT_TRUE(end && !*end);
    }
    EXPECT_EQ(c.idle_connections(), 1u);
  }(client, server.port(), pieces_read));
}

TEST(Client, SeesABrokenStream) {
  RunningServer server([](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    auto sent = co_await writer.start(200, Headers());
    sent = co_await writer.write("part");
    co_await sleep_ms(15);
    writer.abort();
  });
  asio::io_context context;
  Client client(context);
  run(context, [](Client& c, uint16_t port) -> asio::awaitable<void> {
    auto exchange = co_await c.send(Endpoint{"127.0.0.1", port}, ClientRequest(), ClientTimeouts());
    EXPECT_TRUE(exchange);
    auto piece = co_await exchange->read_some();
    EXPECT_TRUE(piece && *piece && **piece == "part");
    for (int i = 0; i < 2; ++i) {
      auto broken = co_await exchange->read_some();
      EXPECT_TRUE(!broken && broken.error().code == ErrorCode::unavailable);
    }
    EXPECT_EQ(c.idle_connections(), 0u);
  }(client, server.port()));
}

TEST(Client, LeavingAnExchangeReachesTheServer) {
  std::promise<void> told;
  RunningServer server([&](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    auto sent = co_await writer.start(200, Headers());
    EXPECT_TRUE(sent);
    co_await work_until_left(writer);
    told.set_value();
  });
  asio::io_context context;
  Client client(context);
  const bool answered = run(context, [](Client& c, uint16_t port) -> asio::awaitable<bool> {
    auto exchange = co_await c.send(Endpoint{"127.0.0.1", port}, ClientRequest(), ClientTimeouts());
    co_return exchange.has_value();
  }(client, server.port()));
  EXPECT_TRUE(answered);
  EXPECT_EQ(told.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(Client, CanBeCancelledAtEveryStage) {
  RunningServer server([](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    if (request.target == "/streams") {
      auto sent = co_await writer.start(200, Headers());
      EXPECT_TRUE(sent);
    }
    co_await work_until_left(writer);
  });
  asio::io_context context;
  Client client(context);
  for (const char* const target : {"/waits", "/streams", "/before"}) {
    Cancellation cancellation;
    if (std::string_view(target) == "/before") cancellation.cancel();
    asio::steady_timer timer(context, std::chrono::milliseconds(40));
    timer.async_wait([&](const boost::system::error_code&) { cancellation.cancel(); });
    const auto error =
        run(context, [](Client& c, uint16_t port, std::string path, Cancellation cancel) -> asio::awaitable<Error> {
          ClientRequest request;
          request.target = path;
          auto exchange = co_await c.send(Endpoint{"127.0.0.1", port}, std::move(request), ClientTimeouts(), cancel);
          if (!exchange) co_return exchange.error();
          auto piece = co_await exchange->read_some();
          co_return piece ? Error() : piece.error();
        }(client, server.port(), target, cancellation));
    EXPECT_EQ(error.code, ErrorCode::unavailable) << target;
    EXPECT_NE(error.message.find("cancelled"), std::string::npos) << error.message;
  }
}

TEST(Client, EveryWaitHasItsTimeout) {
  RunningServer server([](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    if (request.target == "/stalls") {
      auto sent = co_await writer.start(200, Headers());
      sent = co_await writer.write("part");
      EXPECT_TRUE(sent);
    }
    co_await work_until_left(writer);
  });
  asio::io_context context;
  Client client(context);
  ClientTimeouts timeouts;
  timeouts.first_byte = milliseconds(50);
  timeouts.between_bytes = milliseconds(50);
  for (const char* const target : {"/silent", "/stalls"}) {
    ClientRequest request;
    request.target = target;
    const auto answer = run(context, fetch(client, server.port(), request, timeouts));
    ASSERT_FALSE(answer) << target;
    EXPECT_EQ(answer.error().code, ErrorCode::deadline_exceeded) << target;
  }
}

TEST(Client, SaysThatNobodyListens) {
  uint16_t port = 0;
  {
    RunningServer server(echo);
    port = server.port();
  }
  asio::io_context context;
  Client client(context);
  const auto refused = run(context, fetch(client, port, ClientRequest()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
}

TEST(Client, SaysThatThisMachineHasNothingLeftToConnectWith) {
  ScriptedServer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  asio::io_context context;
  Client client(context);
  const auto ask = [&] { return run(context, fetch(client, server.port(), ClientRequest())); };
  {
    const test_support::NoMoreFiles no_more_files;
    const auto sent = ask();
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, ErrorCode::resource_exhausted);
    EXPECT_NE(sent.error().message.find("limit of open files"), std::string::npos);
  }
  EXPECT_TRUE(ask());
}

TEST(Client, AnAddressThatCannotBeReachedFromHereIsTheServersFault) {
  AddressLacks lacks;
  const Endpoint wrong{"::1", 8000}, right{"127.0.0.1", 8000};
  lacks.note_connected(right);
  for (int i = 1; i < AddressLacks::kLacksMax; ++i) EXPECT_FALSE(lacks.note_lack(wrong)) << "we may have no port left";
  EXPECT_TRUE(lacks.note_lack(wrong));
  EXPECT_TRUE(lacks.note_lack(wrong));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(lacks.note_lack(right)) << "it was reached: we have no port left";
  lacks.note_connected(wrong);
  EXPECT_FALSE(lacks.note_lack(wrong));
}

TEST(Client, ReplacesAConnectionThatTheServerHasClosed) {
  ServerOptions options;
  options.idle_timeout = milliseconds(20);
  RunningServer server(echo, options);
  asio::io_context context;
  Client client(context);
  for (int i = 0; i < 3; ++i) {
    const auto answer = run(context, fetch(client, server.port(), post("/", "x")));
    ASSERT_TRUE(answer) << to_string(answer.error());
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
  }
}

// The server closes only once it has been sent the next request: nothing tells the client beforehand.
TEST(Client, SendsOnceMoreWhenAKeptConnectionDiesUnanswered) {
  asio::io_context context;
  Client client(context);
  ScriptedServer server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::closes_on_the_next_request);
  for (int i = 1; i <= 3; ++i) {
    const auto answer = run(context, fetch(client, server.port(), post("/", "x")));
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(answer->body, "ok");
    EXPECT_EQ(server.connections(), i);
  }
  run(context, [](Client& c, uint16_t port) -> asio::awaitable<void> {  // the server waits for one more request
    auto last =
        co_await c.send(Endpoint("127.0.0.1", port), ClientRequest(), ClientTimeouts{.first_byte = milliseconds(1)});
    static_cast<void>(last);
  }(client, server.port()));
}

TEST(Client, SilenceIsNotStaleness) {
  ScriptedServer server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::stays_silent);
  asio::io_context context;
  Client client(context);
  const auto first = run(context, fetch(client, server.port(), ClientRequest()));
  ASSERT_TRUE(first);
  EXPECT_EQ(client.idle_connections(), 1u);
  ClientTimeouts timeouts;
  timeouts.first_byte = milliseconds(60);
  const auto second = run(context, fetch(client, server.port(), ClientRequest(), timeouts));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::deadline_exceeded);
  EXPECT_EQ(server.connections(), 1) << "nothing is sent twice";
}

TEST(Client, ReadsOnlyWhatIsHttp) {
  struct Case {
    std::string answer;
    ErrorCode code;
  };
  const std::vector<Case> cases{
      {"SSH-2.0-OpenSSH_9\r\n\r\n", ErrorCode::corrupt},
      {"HTTP/1.1 20 OK\r\n\r\n", ErrorCode::corrupt},
      {"HTTP/1.1 999 OK\r\n\r\n", ErrorCode::corrupt},
      {"HTTP/1.1 200 OK\n\n", ErrorCode::corrupt},
      {"HTTP/1.1 200 OK\r\na b: c\r\n\r\n", ErrorCode::corrupt},
      {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", ErrorCode::corrupt},
      {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", ErrorCode::corrupt},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", ErrorCode::corrupt},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", ErrorCode::corrupt},
      {"HTTP/1.1 200 OK\r\nx: " + std::string(40'000, 'x'), ErrorCode::corrupt},
      {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", ErrorCode::unavailable},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", ErrorCode::unavailable},
      {"HTTP/1.1 200", ErrorCode::unavailable},
      {"", ErrorCode::unavailable},
  };
  for (const Case& bad : cases) {
    ScriptedServer server(bad.answer);
    asio::io_context context;
    Client client(context);
    const auto answer = run(context, fetch(client, server.port(), ClientRequest()));
    ASSERT_FALSE(answer) << bad.answer;
    EXPECT_EQ(answer.error().code, bad.code) << bad.answer << " " << answer.error().message;
  }
}

TEST(Client, ReadsEveryKindOfBody) {
  struct Case {
    std::string answer;
    int status;
    std::string body;
    size_t kept;
  };
  const std::vector<Case> cases{
      {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok", 1},
      {"HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n1;x\r\no\r\n1\r\nk\r\n0\r\nt: v\r\n\r\n", 200, "ok", 1},
      {"HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end", 0},
      {"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok", 0},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 204 None\r\n\r\n", 204, "", 1},
      {"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 404, "", 0},
      {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", 200, "ok", 0},
  };
  for (const Case& good : cases) {
    ScriptedServer server(good.answer);
    asio::io_context context;
    Client client(context);
    const auto answer = run(context, fetch(client, server.port(), ClientRequest()));
    ASSERT_TRUE(answer) << good.answer << to_string(answer.error());
    EXPECT_EQ(answer->status, good.status);
    EXPECT_EQ(answer->body, good.body);
    EXPECT_EQ(client.idle_connections(), good.kept) << good.answer;
  }
}

TEST(Client, ReadsNoMoreThanItIsToldTo) {
  RunningServer server(echo);
  asio::io_context context;
  Client client(context);
  const auto code = run(context, [](Client& c, uint16_t port) -> asio::awaitable<ErrorCode> {
    auto exchange =
        co_await c.send(Endpoint{"127.0.0.1", port}, post("/", std::string(100'000, 'x')), ClientTimeouts());
    EXPECT_TRUE(exchange);
    auto body = co_await exchange->read_all(50'000);
    co_return body ? ErrorCode::internal : body.error().code;
  }(client, server.port()));
  EXPECT_EQ(code, ErrorCode::too_large);
}

TEST(Client, RefusesToSendWhatCouldBeReadOtherwise) {
  RunningServer server(echo);
  asio::io_context context;
  Client client(context);
  for (const char* const target : {"", "x", "/a b", "/\r\nx: y"}) {
    ClientRequest request;
    request.target = target;
    const auto answer = run(context, fetch(client, server.port(), request));
    ASSERT_FALSE(answer) << target;
    EXPECT_EQ(answer.error().code, ErrorCode::invalid_argument);
  }
  ClientRequest request;
  request.headers.add("x", "a\r\nb: c");
  const auto answer = run(context, fetch(client, server.port(), request));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::invalid_argument);
}

TEST(Client, KeepsABoundedNumberAndOnlyForAWhile) {
  RunningServer server([](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    co_await sleep_ms(10);
    auto sent = co_await writer.respond_json(200, "{}");
    EXPECT_TRUE(sent);
  });
  asio::io_context context;
  ClientOptions options;
  options.idle_per_endpoint_max = 3;
  options.idle_timeout = milliseconds(40);
  Client client(context, options);
  int answered = 0;
  for (int i = 0; i < 8; ++i) {
    asio::co_spawn(context, fetch(client, server.port(), ClientRequest()),
                   [&](const std::exception_ptr&, const Result<Answer>& answer) { answered += answer ? 1 : 0; });
  }
  while (answered < 8 && context.run_one_for(std::chrono::seconds(10)) > 0) {
  }
  EXPECT_EQ(client.idle_connections(), 3u);
  context.run_for(std::chrono::milliseconds(200));
  EXPECT_EQ(client.idle_connections(), 0u);
}

// A grid that stops must not wait for connections that nobody uses.
TEST(Client, LeavesNothingToWaitForOnceItIsClosed) {
  RunningServer server([](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    auto sent = co_await writer.respond_json(200, "{}");
    EXPECT_TRUE(sent);
  });
  asio::io_context context;
  Client client(context);
  ASSERT_TRUE(run(context, fetch(client, server.port(), ClientRequest())));
  EXPECT_EQ(client.idle_connections(), 1u);
  client.close();
  EXPECT_EQ(client.idle_connections(), 0u);
  context.restart();
  context.poll();
  EXPECT_TRUE(context.stopped());

  context.restart();
  ASSERT_TRUE(run(context, fetch(client, server.port(), ClientRequest()))) << "requests may still be sent";
  EXPECT_EQ(client.idle_connections(), 0u);
}

TEST(Client, LeavesNothingBehindWhenTheContextIsDestroyedUnderIt) {
  RunningServer server(
      [](const Request&, ResponseWriter& writer) -> asio::awaitable<void> { co_await work_until_left(writer); });
  auto context = std::make_unique<asio::io_context>();
  auto client = std::make_unique<Client>(*context);
  asio::co_spawn(*context, fetch(*client, server.port(), ClientRequest()),
                 [](const std::exception_ptr&, const Result<Answer>&) {});
  context->run_for(std::chrono::milliseconds(50));
  client.reset();
  context.reset();
}

}  // namespace
}  // namespace tandem::http
