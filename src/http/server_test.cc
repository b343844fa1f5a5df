#include "http/server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "base/json.h"
#include "http/test_support.h"

namespace tandem::http {
namespace {

constexpr std::string_view kGet = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";

TEST(Server, AnswersWholeAndKeepsTheConnection) {
  RunningServer server(echo);
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send("POST /p%20q?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"));
    const std::string response = client.read_response();
    EXPECT_EQ(status_of(response), 200);
    EXPECT_EQ(body_of(response), "POST /p%20q x=1 body");
    EXPECT_NE(response.find("\r\ndate: "), std::string::npos);
    EXPECT_EQ(response.find("connection:"), std::string::npos);
  }
}

TEST(Server, KnowsItsPeer) {
  std::string address;
  bool is_trusted = false;
  RunningServer server([&](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    address = request.peer_address;
    is_trusted = request.local_peer != nullptr && request.local_peer->is_trusted();
    auto sent = co_await writer.respond_json(200, "{}");
    EXPECT_TRUE(sent);
  });
  RawClient client(server.port());
  client.send(kGet);
  EXPECT_EQ(body_of(client.read_response()), "{}");
  EXPECT_EQ(address, "127.0.0.1");
  EXPECT_TRUE(is_trusted) << "it is this process itself";
}

TEST(Server, SaysHowMuchItTakesOfWhatIsTooLarge) {
  ServerOptions options;
  options.body_bytes_max = 100;
  RunningServer server(echo, options);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
  const std::string response = client.read_response();
  EXPECT_EQ(status_of(response), 413);
  EXPECT_NE(body_of(response).find("which is 100 bytes: send it in parts"), std::string::npos) << response;
}

TEST(Server, ClosesWhereTheClientOrItsVersionAsks) {
  RunningServer server(echo);
  for (const char* const request :
       {"GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    RawClient client(server.port());
    client.send(request);
    const std::string response = client.read_to_end();
    EXPECT_EQ(status_of(response), 200);
    EXPECT_NE(response.find("connection: close\r\n"), std::string::npos);
  }
  RawClient client(server.port());
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(client.read_response().find("connection: keep-alive\r\n"), std::string::npos);
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(status_of(client.read_to_end()), 200);
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  RunningServer server([](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    if (request.target == "/0") co_await sleep_ms(30);  // the others wait for the first
    auto sent = co_await writer.respond(200, Headers(), request.target);
    EXPECT_TRUE(sent);
  });
  RawClient client(server.port());
  std::string requests;
  constexpr int kRequests = 2'000;  // more bytes than the read buffer holds
  for (int i = 0; i < kRequests; ++i) requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  std::thread sender([&] { EXPECT_TRUE(client.send(requests)); });
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(body_of(client.read_response()), "/" + std::to_string(i));
  sender.join();
}

// Each answer is taken at once, until the kernel has no room; the connection ends only behind the last.
TEST(Server, AReaderThatLagsGetsAllBeforeTheEnd) {
  constexpr size_t kAnswers = 400, kBytes = 7'000;  // more than both ends hold before anything is read
  RunningServer server([](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    auto sent = co_await writer.respond(200, Headers(), std::string(kBytes, 'x'));
    EXPECT_TRUE(sent);
  });
  RawClient client(server.port());
  std::string requests;
  for (size_t i = 1; i < kAnswers; ++i) requests += kGet;
  EXPECT_TRUE(client.send(requests + "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  const std::string answers = client.read_to_end();
  EXPECT_EQ(std::ranges::count(answers, 'x'), static_cast<long>(kAnswers * kBytes));
  EXPECT_FALSE(client.was_reset());
}

TEST(Server, TakesABodyInAnyPieces) {
  RunningServer server(echo);
  RawClient client(server.port());
  const std::string_view request =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00A;x=y\r\n0123456789\r\n0\r\nT: "
      "v\r\n\r\n";
  for (const char byte : request) ASSERT_TRUE(client.send({&byte, 1}));
  EXPECT_EQ(body_of(client.read_response()), "POST /  abc0123456789");
}

TEST(Server, TakesABodyAtItsLimitAndRefusesOneBeyond) {
  ServerOptions options;
  options.body_bytes_max = 3'000'000;
  RunningServer server(
      [](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
        auto sent = co_await writer.respond(200, Headers(), std::to_string(request.body.size()));
        EXPECT_TRUE(sent);
      },
      options);
  const auto post = [](size_t bytes) {
    return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" +
           std::string(bytes, 'x');
  };
  RawClient client(server.port());
  client.send(post(options.body_bytes_max));
  EXPECT_EQ(body_of(client.read_response()), "3000000");
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000001\r\n\r\n" + std::string(100'000, 'x'));
  EXPECT_EQ(status_of(client.read_to_end()), 413);

  RawClient chunked(server.port());
  chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2dc6c1\r\n");
  chunked.send(std::string(3'000'001, 'x'));
  EXPECT_EQ(status_of(chunked.read_to_end()), 413);
}

TEST(Server, StreamsInChunks) {
  RunningServer server([](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    EXPECT_FALSE(writer.started());
    auto sent = co_await writer.start(200, content_type("text/event-stream"));
    EXPECT_TRUE(sent);
    EXPECT_TRUE(writer.started());
    sent = co_await writer.write("first");
    EXPECT_TRUE(sent);
    sent = co_await writer.write("");
    EXPECT_TRUE(sent);
    co_await sleep_ms(1);
    sent = co_await writer.write(std::string(300'000, 'x'));
    EXPECT_TRUE(sent);
    sent = co_await writer.finish();
    EXPECT_TRUE(sent);
    sent = co_await writer.write("late");
    EXPECT_FALSE(sent);
  });
  RawClient client(server.port());
  client.send(kGet);
  client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(body_of(client.read_response()), "5\r\nfirst\r\n493e0\r\n" + std::string(300'000, 'x') + "\r\n0\r\n\r\n");
  RawClient old(server.port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  const std::string response = old.read_to_end();
  EXPECT_EQ(body_of(response), "first" + std::string(300'000, 'x'));
  EXPECT_EQ(response.find("transfer-encoding"), std::string::npos);
}

TEST(Server, AnswersHeadWithoutABody) {
  RunningServer server(echo);
  RawClient client(server.port());
  client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string both = client.read_to_end();
  EXPECT_NE(both.find("content-length: 8\r\n"), std::string::npos);
  EXPECT_EQ(both.find("HEAD /"), std::string::npos);
  EXPECT_TRUE(both.ends_with("GET /b  "));
}

TEST(Server, AsksForAnExpectedBody) {
  RunningServer server(echo);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_response(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("ab");
  EXPECT_EQ(body_of(client.read_response()), "POST /  ab");
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\ncd");
  EXPECT_EQ(body_of(client.read_response()), "POST /  cd");
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(status_of(client.read_to_end()), 413);
}

TEST(Server, RefusesWithAnErrorObjectAndCloses) {
  RunningServer server(echo);
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  const std::string response = client.read_to_end();
  EXPECT_EQ(status_of(response), 400);
  EXPECT_NE(response.find("connection: close\r\n"), std::string::npos);
  const auto body = parse_json(body_of(response));
  ASSERT_TRUE(body);
  EXPECT_EQ((*body)["error"]["code"].text(), "bad_request");
  EXPECT_EQ((*body)["error"]["type"].text(), "invalid_request_error");
  EXPECT_FALSE((*body)["error"]["message"].text().empty());
}

TEST(Server, WaitsForASlowSenderOnlySoLong) {
  ServerOptions options;
  options.header_timeout = milliseconds(60);
  options.body_timeout = milliseconds(60);
  options.idle_timeout = milliseconds(60);
  RunningServer server(echo, options);
  RawClient slow_head(server.port());
  RawClient slow_body(server.port());
  RawClient idle(server.port());
  slow_head.send("GET / HTTP/1.1\r\nHo");
  slow_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(status_of(slow_head.read_to_end()), 408);
  EXPECT_EQ(status_of(slow_body.read_to_end()), 408);
  EXPECT_EQ(idle.read_to_end(), "");
  // A trickle does not put the deadline off.
  RawClient trickle(server.port());
  for (int i = 0; i < 40 && trickle.send(i == 0 ? "GET / HTTP/1.1\r\n" : "a: b\r\n"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (i > 20) ADD_FAILURE() << "still taken after " << i * 10 << " ms";
    if (trickle.socket().available() > 0) break;
  }
  EXPECT_EQ(status_of(trickle.read_to_end()), 408);
}

// However fast the bytes come, one by one: the deadline is the body's, not theirs.
TEST(Server, ATrickledBodyDoesNotPutItsDeadlineOff) {
  ServerOptions options;
  options.body_timeout = milliseconds(60);
  RunningServer server(echo, options);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  size_t chunks = 0;
  while (client.socket().available() == 0 && client.send("1\r\nx\r\n")) ++chunks;
  EXPECT_EQ(status_of(client.read_to_end()), 408);
  EXPECT_GT(chunks, 1u);
}

TEST(Server, GivesUpAReaderThatStandsStill) {
  ServerOptions options;
  options.write_timeout = milliseconds(80);
  std::promise<ErrorCode> code;
  RunningServer server(
      [&](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
        auto sent = co_await writer.respond(200, Headers(), std::string(64'000'000, 'x'));
        code.set_value(sent ? ErrorCode::internal : sent.error().code);
      },
      options);
  RawClient client(server.port());
  client.send(kGet);
  EXPECT_EQ(code.get_future().get(), ErrorCode::deadline_exceeded);
}

TEST(Server, TellsTheHandlerThatItsClientHasGone) {
  std::promise<void> told;
  std::promise<bool> saw_closed;
  RunningServer server([&](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    asio::steady_timer work(co_await asio::this_coro::executor, std::chrono::seconds(20));
    writer.on_disconnect([&] {
      told.set_value();
      work.cancel();
    });
    EXPECT_FALSE(writer.peer_closed());
    auto sent = co_await writer.start(200, Headers());  // which lets the client go
    EXPECT_TRUE(sent);
    boost::system::error_code error;
    co_await work.async_wait(asio::redirect_error(asio::use_awaitable, error));
    saw_closed.set_value(writer.peer_closed() && error == asio::error::operation_aborted);
  });
  RawClient client(server.port());
  client.send(kGet);
  client.read_some();
  client.close();
  EXPECT_EQ(told.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_TRUE(saw_closed.get_future().get());
}

TEST(Server, SeesAClientLeaveBehindPipelinedRequests) {
  std::promise<void> told;
  RunningServer server([&](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    if (request.target != "/wait") co_return;
    co_await work_until_left(writer);
    told.set_value();
  });
  RawClient client(server.port());
  client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(kGet));
  client.close();
  EXPECT_EQ(told.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(Server, StillAnswersAClientThatHasOnlyEndedItsSide) {
  RunningServer server([](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    co_await sleep_ms(20);
    auto sent = co_await writer.respond(200, Headers(), "here");
    EXPECT_TRUE(sent);
  });
  RawClient client(server.port());
  client.send(kGet);
  client.socket().shutdown(asio::ip::tcp::socket::shutdown_send);
  EXPECT_EQ(body_of(client.read_to_end()), "here");
}

TEST(Server, AnAbortedStreamHasNoEnd) {
  RunningServer server([](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    auto sent = co_await writer.start(200, Headers());
    sent = co_await writer.write("part");
    EXPECT_TRUE(sent);
    co_await sleep_ms(20);
    if (request.target == "/abort") writer.abort();
  });
  for (const char* const target : {"/abort", "/forgets-to-finish"}) {
    RawClient client(server.port());
    client.send("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(body_of(client.read_to_end()), "4\r\npart\r\n");
    RawClient old(server.port());
    old.send("GET " + std::string(target) + " HTTP/1.0\r\n\r\n");
    old.read_to_end();
    EXPECT_TRUE(old.was_reset()) << "an HTTP/1.0 client would take this for the end";
  }
}

TEST(Server, AHandlerThatFailsGivesA500) {
  RunningServer server([](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    if (request.target == "/throws") throw std::runtime_error("on purpose");
    if (request.target == "/bad-header") {
      auto sent = co_await writer.respond(200, content_type("x\r\nset-cookie: stolen"), "");
      EXPECT_FALSE(sent);
    }
  });
  RawClient client(server.port());
  for (const char* const target : {"/throws", "/silent", "/bad-header"}) {
    client.send("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string response = client.read_response();
    EXPECT_EQ(status_of(response), 500) << target;
    EXPECT_EQ(response.find("stolen"), std::string::npos);
  }
}

// GCC 12 destroys some temporaries of a co_await expression twice. These are the forms that handlers may use; an
// address sanitizer would find one that they may not.
TEST(Server, MayBeAnsweredFromTheseTemporaries) {
  RunningServer server([](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    const std::string text = "a message that is too long to be held within the string itself: " + request.target;
    Result<void> sent;
    if (request.target == "/error") sent = co_await writer.respond_error(Error{ErrorCode::not_found, text, text});
    if (request.target == "/braced") sent = co_await writer.respond_error({ErrorCode::not_found, text, {}});
    if (request.target == "/body")
      sent = co_await writer.respond_json(404, json_error_body({ErrorCode::not_found, text, text}));
    if (request.target == "/headers")
      sent = co_await writer.respond(404, content_type("text/plain; charset=utf-8"), text + text);
    EXPECT_TRUE(sent);
  });
  RawClient client(server.port());
  for (const char* const target : {"/error", "/braced", "/body", "/headers"}) {
    client.send("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string response = client.read_response();
    EXPECT_EQ(status_of(response), 404) << target;
    EXPECT_NE(body_of(response).find("itself: " + std::string(target)), std::string::npos) << response;
  }
}

TEST(Server, TurnsClientsAwayBeyondItsLimit) {
  ServerOptions options;
  options.connections_max = 2;
  RunningServer server(echo, options);
  RawClient first(server.port());
  RawClient second(server.port());
  for (RawClient* const client : {&first, &second}) {
    client->send(kGet);
    EXPECT_EQ(status_of(client->read_response()), 200);
  }
  RawClient third(server.port());
  EXPECT_EQ(status_of(third.read_to_end()), 503);
  first.close();
  while (server.ask([](Server& s) { return s.connections(); }) > 1) std::this_thread::yield();
  RawClient fourth(server.port());
  fourth.send(kGet);
  EXPECT_EQ(status_of(fourth.read_response()), 200);
}

TEST(Server, ClosesInGrace) {
  std::promise<void> entered;
  RunningServer server([&](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    if (request.target == "/slow") {
      entered.set_value();
      co_await sleep_ms(50);
    }
    auto sent = co_await writer.respond(200, Headers(), "done");
    EXPECT_TRUE(sent);
  });
  RawClient idle(server.port());
  idle.send(kGet);
  EXPECT_EQ(status_of(idle.read_response()), 200);
  RawClient busy(server.port());
  busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.get_future().wait();
  server.ask([](Server& s) {
    s.close(hours(1));
    return 0;
  });
  EXPECT_EQ(idle.read_to_end(), "");
  const std::string response = busy.read_to_end();
  EXPECT_EQ(body_of(response), "done");
  EXPECT_NE(response.find("connection: close\r\n"), std::string::npos);
  server.run_dry();  // as soon as the last connection is gone, not when the grace is over
}

TEST(Server, EndsWhatIsLeftAfterTheGrace) {
  std::promise<void> entered;
  RunningServer server([&](const Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    entered.set_value();
    co_await work_until_left(writer);
  });
  RawClient client(server.port());
  client.send(kGet);
  entered.get_future().wait();
  server.ask([](Server& s) {
    s.close(milliseconds(30));
    return 0;
  });
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(Server, SharesItsPortWithOthers) {
  ServerOptions options;
  options.reuse_port = true;
  RunningServer first(echo, options);
  options.port = first.port();
  RunningServer second(echo, options);
  EXPECT_EQ(second.port(), first.port());
  for (int i = 0; i < 20; ++i) {
    RawClient client(first.port());
    client.send(kGet);
    EXPECT_EQ(status_of(client.read_response()), 200);
  }
}

TEST(Server, SaysWhyItCannotListen) {
  RunningServer server(echo);
  asio::io_context context;
  ServerOptions options;
  options.port = server.port();
  const auto taken = Server::listen(context, options, echo);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::io);
  options.address = "nowhere";
  const auto nowhere = Server::listen(context, options, echo);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, ErrorCode::invalid_argument);
}

// With an address sanitizer, this finds what is kept alive by a cycle.
TEST(Server, LeavesNothingBehindWhenTheContextIsDestroyedUnderIt) {
  auto context = std::make_unique<asio::io_context>();
  auto server = Server::listen(
      *context, {}, [](const Request&, ResponseWriter&) -> asio::awaitable<void> { co_await sleep_ms(60'000); });
  ASSERT_TRUE(server);
  RawClient idle((*server)->port());
  RawClient busy((*server)->port());
  busy.send(kGet);
  context->run_for(std::chrono::milliseconds(50));
  EXPECT_EQ((*server)->connections(), 2u);
  server->reset();
  context.reset();
}

}  // namespace
}  // namespace tandem::http
