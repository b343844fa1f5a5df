// The two ends of bench/many_streams.mjs, each a process of its own. An engine that answers every completion with a
// stream of a token now and then, without end; and a client that holds many such streams at once.
// Usage: slow_streams engine PORT | slow_streams hold PORT COUNT
#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include "http/http.h"

namespace {

namespace asio = boost::asio;
using tandem::http::Client;
using tandem::http::ClientRequest;
using tandem::http::Endpoint;
using tandem::http::Headers;
using tandem::http::Request;
using tandem::http::ResponseWriter;

constexpr auto kBetweenTokens = std::chrono::seconds(5);
constexpr size_t kOpeningMax = 200;  // at once: as many as a listener's queue takes easily
constexpr std::string_view kToken =
    R"(data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]})"
    "\n\n";

asio::awaitable<void> stream_on(const Request&, ResponseWriter& writer) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  writer.on_disconnect([&timer] { timer.cancel(); });
  Headers headers = tandem::http::content_type("text/event-stream");
  auto sent = co_await writer.start(200, std::move(headers), kToken);
  while (sent && !writer.peer_closed()) {
    timer.expires_after(kBetweenTokens);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    sent = co_await writer.write(kToken);
  }
}

int run_engine(asio::io_context& context, uint16_t port) {
  tandem::http::ServerOptions options;
  options.port = port;
  options.connections_max = 100'000;
  const auto server = tandem::http::Server::listen(context, options, stream_on);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  context.run();
  return 0;
}

struct Holding {
  size_t begun = 0;
  size_t held = 0;    // have had a token
  size_t tokens = 0;  // pieces of all streams
  size_t lost = 0;
};

asio::awaitable<void> hold_one(Client& client, uint16_t port, Holding& holding) {
  Endpoint endpoint("127.0.0.1", port);
  ClientRequest request("POST", "/v1/chat/completions");
  request.headers.add("authorization", "Bearer sk-bench");
  request.headers.add("content-type", "application/json");
  request.body =
      R"({"model":"m","stream":true,"messages":[{"role":"user","content":")" + std::string(900, 'a') + "\"}]}";
  tandem::http::ClientTimeouts timeouts;
  auto exchange = co_await client.send(std::move(endpoint), std::move(request), timeouts);
  bool first = true;
  while (exchange && exchange->status() == 200) {
    const auto piece = co_await exchange->read_some();
    if (!piece || !*piece) break;
    ++holding.tokens;
    if (std::exchange(first, false)) ++holding.held;
  }
  ++holding.lost;
}

// Opens a few at a time, says when all are there, and when its input ends, how they fared.
asio::awaitable<void> hold(asio::io_context& context, Client& client, uint16_t port, size_t count) {
  Holding holding;
  asio::steady_timer pause(context);
  while (holding.held + holding.lost < count) {
    for (; holding.begun < count && holding.begun - holding.held - holding.lost < kOpeningMax; ++holding.begun)
      asio::co_spawn(context, hold_one(client, port, holding), asio::detached);
    pause.expires_after(std::chrono::milliseconds(1));
    co_await pause.async_wait(asio::use_awaitable);
  }
  std::printf("held %zu lost %zu\n", holding.held, holding.lost);
  std::fflush(stdout);
  asio::posix::stream_descriptor input(context, 0);
  char byte = 0;
  boost::system::error_code ended;
  co_await input.async_read_some(asio::buffer(&byte, 1), asio::redirect_error(asio::use_awaitable, ended));
  std::printf("tokens %zu lost %zu\n", holding.tokens, holding.lost);
  std::fflush(stdout);
  std::_Exit(0);  // the streams have no end
}

size_t number(std::string_view text) {
  size_t value = 0;
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc() ? value : 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view role = count > 1 ? words[1] : "";
  const size_t port = count > 2 ? number(words[2]) : 0;
  const size_t streams = count > 3 ? number(words[3]) : 0;
  if (port == 0 || port > 65'535 || (role != "engine" && (role != "hold" || streams == 0))) {
    std::fputs("usage: slow_streams engine PORT | slow_streams hold PORT COUNT\n", stderr);
    return 2;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  asio::io_context context(1);
  if (role == "engine") return run_engine(context, static_cast<uint16_t>(port));
  Client client(context);
  asio::co_spawn(context, hold(context, client, static_cast<uint16_t>(port), streams), asio::detached);
  context.run();
  return 0;
}
