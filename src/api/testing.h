// The surfaces over real sockets for tests, with a core of the test's choice behind them.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "api/api.h"
#include "api/change_feed.h"
#include "api/described.h"
#include "api/search_index.h"
#include "api/webhook_sender.h"
#include "base/check.h"
#include "log/simulated_log.h"

namespace tandem::api {

class NoDecisions final : public DecisionSource {
  Json recent(size_t) const override { return Json::Array{}; }
  std::optional<Json> explain(std::string_view) const override { return std::nullopt; }
  Json trials() const override { return Json::Array{}; }
};

class NoActivity final : public Activity {
  Deployment deployment(std::string_view) const override { return {}; }
  std::vector<v1::WindowSealed> open_usage() const override { return open; }
  Json serving(const ServingQuestion& question) const override {
    const Json of = Json::Object{{"site", question.site}, {"tenant", question.tenant}};
    return Json::Object{{"minutes", Json::Array(static_cast<size_t>(question.minutes), of)},
                        {"sites", Json::Array{of}}};
  }

 public:
  std::vector<v1::WindowSealed> open;
};

// The machine's, until a test sets it.
class TestClock final : public Clock {
 public:
  Instant now() const override { return set ? *set : SystemClock().now(); }
  Duration monotonic() const override { return SystemClock().monotonic(); }
  std::optional<Instant> set;
};

// A directory that goes with the test.
struct TestDirectory {
  TestDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tandem-api-XXXXXX").string();
    CHECK(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  std::filesystem::path path;
};

struct Answer {
  int status = 0;
  http::Headers headers;
  std::string text;
  Json json;
};

// An Api behind a real server, and a client; `ask` runs the loop until the answer is there, and holds that it is as
// described.
class TestSurface {
 public:
  explicit TestSurface(CorePort& core) : api_(parts(core)) {
    auto listening = http::Server::listen(
        context_, {},
        [this](const http::Request& request, http::ResponseWriter& writer) { return api_.handle(request, writer); });
    CHECK(listening.has_value());
    server_ = std::move(*listening);
  }

  Answer ask(std::string method, std::string target, std::string body = {}, http::Headers headers = {}) {
    Answer answer;
    bool ended = false;
    http::ClientRequest request{method, target, std::move(headers), std::move(body)};
    boost::asio::co_spawn(context_, exchange(std::move(request), answer, ended), boost::asio::detached);
    while (!ended) context_.run_one();
    const bool is_json = answer.headers.value_or("content-type", "").starts_with("application/json");
    const std::string wrong = is_json ? undescribed_answer(method, target, answer.status, answer.json) : "";
    EXPECT_EQ(wrong, "") << method << ' ' << target;
    return answer;
  }

  // What a stream sends until `enough` of it is there.
  std::string listen(std::string target, http::Headers headers, std::function<bool(const std::string&)> enough) {
    std::string text;
    bool ended = false;
    http::ClientRequest request{"GET", std::move(target), std::move(headers), {}};
    boost::asio::co_spawn(context_, receive(std::move(request), text, ended, std::move(enough)), boost::asio::detached);
    while (!ended) context_.run_one();
    return text;
  }

  std::vector<v1::WindowSealed>& open_usage() { return activity_.open; }

  TestDirectory directory;
  log::SimulatedLog log{1};
  Feed feed;
  LogSignal signal;
  SearchIndex search;
  Metrics metrics;
  TestClock clock;
  std::unique_ptr<WebhookSender> webhooks = std::move(*WebhookSender::open(
      log, signal, clock, metrics, {.directory = directory.path / "webhooks", .retry_first = milliseconds(20)}));

 private:
  ApiParts parts(CorePort& core) {
    return {core, decisions_, activity_, feed, changes_, search, *webhooks, log, metrics, clock};
  }

  boost::asio::awaitable<void> exchange(http::ClientRequest request, Answer& answer, bool& ended) {
    http::Endpoint endpoint{"127.0.0.1", server_->port()};
    auto sent = co_await client_.send(std::move(endpoint), std::move(request), {});
    if (sent) {
      answer.status = sent->status();
      answer.headers = sent->headers();
      auto body = co_await sent->read_all(16 << 20);
      if (body) answer.text = std::move(*body);
      if (auto parsed = parse_json(answer.text)) answer.json = std::move(*parsed);
    }
    ended = true;
  }

  boost::asio::awaitable<void> receive(http::ClientRequest request, std::string& text, bool& ended,
                                       std::function<bool(const std::string&)> enough) {
    http::Endpoint endpoint{"127.0.0.1", server_->port()};
    auto sent = co_await client_.send(std::move(endpoint), std::move(request), {});
    while (sent && !enough(text)) {
      auto piece = co_await sent->read_some();
      if (!piece || !*piece) break;
      text += **piece;
    }
    ended = true;
  }

  ChangeFeed changes_{log, signal};  // outlives the streams, which end with the context
  boost::asio::io_context context_;
  http::Client client_{context_};
  NoDecisions decisions_;
  NoActivity activity_;
  Api api_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace tandem::api
