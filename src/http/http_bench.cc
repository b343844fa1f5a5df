// Requests a second over loopback on kept connections, and the strict parse beside Beast's on the same bytes.
#include <benchmark/benchmark.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>
#include <thread>

#include "base/check.h"
#include "http/http.h"
#include "http/request_parser.h"

namespace tandem::http {
namespace {

namespace asio = boost::asio;

std::string chat_request() {
  const std::string body(1024, 'x');
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: OpenAI/JS 4.104.0\r\nAccept: "
         "application/json\r\n"
         "Content-Type: application/json\r\nAuthorization: Bearer sk-demo\r\nx-stainless-lang: "
         "js\r\nx-stainless-runtime: node\r\n"
         "Accept-Language: *\r\nAccept-Encoding: gzip,deflate\r\nConnection: keep-alive\r\nContent-Length: "
         "1024\r\n\r\n" +
         body;
}

void BM_ParseStrict(benchmark::State& state) {
  const std::string text = chat_request();
  RequestParser parser((RequestLimits()));
  for (auto _ : state) {
    parser.next_request();
    size_t taken = parser.consume(text);
    taken += parser.consume(std::string_view(text).substr(taken));
    CHECK(parser.state() == RequestParser::State::complete && taken == text.size());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ParseStrict);

// Alone, without the checks that it leaves to the caller.
void BM_ParseBeast(benchmark::State& state) {
  const std::string text = chat_request();
  for (auto _ : state) {
    boost::beast::http::request_parser<boost::beast::http::string_body> parser;
    parser.eager(true);
    boost::beast::error_code error;
    const size_t taken = parser.put(asio::buffer(text), error);
    CHECK(!error && parser.is_done() && taken == text.size());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ParseBeast);

asio::awaitable<void> answer(const Request&, ResponseWriter& writer) {
  auto sent = co_await writer.respond_json(200, std::string(1024, 'y'));
  static_cast<void>(sent);
}

asio::awaitable<void> stream(const Request&, ResponseWriter& writer) {
  auto sent = co_await writer.start(200, content_type("text/event-stream"));
  const std::string token = format_sse("", "", std::string(200, 'y'));
  for (int i = 0; i < 100 && sent; ++i) sent = co_await writer.write(token);
  if (sent) sent = co_await writer.finish();
}

asio::awaitable<void> ask(Client& client, uint16_t port, int64_t requests, int64_t& answered) {
  const std::string body(1024, 'x');
  for (int64_t i = 0; i < requests; ++i) {
    ClientRequest request("POST", "/v1/chat/completions", json_headers(), body);
    auto exchange = co_await client.send(Endpoint("127.0.0.1", port), std::move(request), ClientTimeouts());
    CHECK(exchange && exchange->status() == 200);
    auto text = co_await exchange->read_all(1 << 20);
    CHECK(text && text->size() >= 1024);
    ++answered;
  }
}

double thread_cpu_us() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

// The server on one thread, the client on another, `connections` of them at once.
void serve(benchmark::State& state, Handler handler) {
  asio::io_context server_context;
  auto server = Server::listen(server_context, {}, std::move(handler));
  CHECK(server);
  double server_cpu_us = 0;
  std::thread thread([&] {
    server_context.run();
    server_cpu_us = thread_cpu_us();
  });
  const double client_cpu_us_before = thread_cpu_us();
  asio::io_context context;
  Client client(context);
  const auto connections = state.range(0);
  constexpr int64_t kRequestsEach = 200;
  int64_t answered = 0;
  for (auto _ : state) {
    for (int64_t i = 0; i < connections; ++i) {
      asio::co_spawn(context, ask(client, (*server)->port(), kRequestsEach, answered), asio::detached);
    }
    const int64_t wanted = answered + connections * kRequestsEach;
    context.restart();
    while (answered < wanted) context.run_one();
  }
  state.SetItemsProcessed(answered);
  server_context.stop();
  thread.join();
  // Processor time of each side for one request: it stays the same when other work shares the machine.
  state.counters["server_cpu_us"] = server_cpu_us / static_cast<double>(answered);
  state.counters["client_cpu_us"] = (thread_cpu_us() - client_cpu_us_before) / static_cast<double>(answered);
}

void BM_RequestsWhole1KB(benchmark::State& state) { serve(state, answer); }
BENCHMARK(BM_RequestsWhole1KB)->Arg(1)->Arg(16)->Arg(128)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_RequestsStreamed100Pieces(benchmark::State& state) { serve(state, stream); }
BENCHMARK(BM_RequestsStreamed100Pieces)->Arg(16)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::http
