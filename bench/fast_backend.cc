// The engine behind the proxies that bench/gateway_peers.mjs compares: answers every chat completion at once, whole or
// as a stream of events, always the same. Usage: fast_backend PORT
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "http/http.h"

namespace {

using tandem::http::Headers;
using tandem::http::Request;
using tandem::http::ResponseWriter;

constexpr int kEvents = 32;  // of a stream: tokens

std::string event(std::string_view delta, std::string_view finish, std::string_view usage) {
  return fmt::format(
      R"(data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{{"index":0,"delta":{{{}}},"finish_reason":{}}}]{}}})"
      "\n\n",
      delta, finish, usage);
}

const std::string kUsage =
    fmt::format(R"("usage":{{"prompt_tokens":200,"completion_tokens":{},"total_tokens":{}}})", kEvents, kEvents + 200);
const std::string kWhole = fmt::format(
    R"({{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}],{}}})",
    std::string(700, 'a'), kUsage);
const std::string kToken = event(R"("content":" token")", "null", "");
const std::string kLast = event("", R"("stop")", "," + kUsage) + "data: [DONE]\n\n";

boost::asio::awaitable<void> answer(const Request& request, ResponseWriter& writer) {
  if (request.body.find(R"("stream":true)") == std::string::npos) {
    co_await writer.respond_json(200, kWhole);
    co_return;
  }
  Headers headers = tandem::http::content_type("text/event-stream");
  co_await writer.start(200, std::move(headers));
  for (int i = 0; i < kEvents; ++i) co_await writer.write(kToken);
  co_await writer.write(kLast);
  co_await writer.finish();
}

}  // namespace

int main(int count, char** words) {
  const std::string_view text = count == 2 ? words[1] : "";
  tandem::http::ServerOptions options;
  if (std::from_chars(text.data(), text.data() + text.size(), options.port).ec != std::errc() || options.port == 0) {
    std::fputs("usage: fast_backend PORT\n", stderr);
    return 2;
  }
  boost::asio::io_context context(1);
  const auto server = tandem::http::Server::listen(context, options, answer);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  context.run();
  return 0;
}
