// A load against a server that says what it promises, with and without TLS; and what is expected of a load.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "http/http.h"
#include "http/tls_listener.h"
#include "load/load.h"
#include "support/certificates.h"
#include "support/temporary_directory.h"

namespace tandem::load {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kStream =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n"
    "data: [DONE]\n\n";

// Answers each request with the stream, or the list of its models, and the headers of `promise`.
class PromisingServer : public testing::Test {
 protected:
  void serve(bool with_tls = false) {
    server_ = http::Server::listen(context_, {}, [this](const http::Request& request, http::ResponseWriter& writer) {
                return answer(request, writer);
              }).value();
    if (with_tls) {
      const auto leaf = test_support::issue({.names = "DNS:localhost"}, &authority_);
      test_support::write_certificate(leaf, directory_.path() / "tls.crt");
      test_support::write_key(leaf, directory_.path() / "tls.key");
      auto certificate =
          http::ServerCertificate::load(directory_.path() / "tls.crt", directory_.path() / "tls.key").value();
      listener_ = http::TlsListener::listen(context_, {}, std::move(certificate), *server_).value();
    }
    thread_ = std::jthread([this] { context_.run(); });
  }
  void TearDown() override {
    context_.stop();
    thread_ = {};
    listener_.reset();
    server_.reset();
  }

  asio::awaitable<void> answer(const http::Request& request, http::ResponseWriter& writer) {
    const bool lists = request.target == "/v1/models";
    http::Headers headers = http::content_type(lists ? "application/json" : "text/event-stream");
    for (const auto& [name, value] : promise) headers.add(name, value);
    std::string body(lists ? R"({"data":[{"id":"m"},{"id":"n"}]})" : kStream);
    co_await writer.respond(200, std::move(headers), std::move(body));
  }

  LoadOptions options(std::string url = "http://127.0.0.1:") const {
    LoadOptions o;
    o.url = url + std::to_string(listener_ ? listener_->port() : server_->port());
    o.models = {{"m", 1}};
    o.rate_per_s = 200;
    o.duration = milliseconds(100);
    return o;
  }
  LoadReport run(const LoadOptions& o) const { return run_load(o, clock_, {}, {}).value(); }
  static LoadPromise only(const LoadReport& report) {
    EXPECT_EQ(report.promises.size(), 1u);
    return report.promises.empty() ? LoadPromise() : report.promises.begin()->first;
  }

  SystemClock clock_;
  test_support::TemporaryDirectory directory_;
  const test_support::Identity authority_ = test_support::issue({});
  asio::io_context context_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::TlsListener> listener_;
  std::jthread thread_;
  std::vector<std::pair<std::string, std::string>> promise;
};

TEST_F(PromisingServer, AnswersAreGradedByWhatItPromises) {
  promise = {{"x-tandem-promise-ttft-ms", "0.0001"}, {"x-tandem-promise-tpot-ms", "60000"}};
  serve();
  const LoadReport report = run(options());
  ASSERT_GT(report.ok, 0u);
  EXPECT_EQ(only(report), (LoadPromise{0.0001, 60'000, LoadPromise::Source::server}));
  EXPECT_EQ(report.good, 0u) << "no answer is there within a tenth of a microsecond";
  LoadOptions stated = options();
  stated.slo_ttft = Milliseconds(60'000);
  const LoadReport own = run(stated);
  EXPECT_EQ(own.good, own.ok) << "what is stated goes first";
  EXPECT_NE(to_table(stated, own).find("60000 ms, then 60000 ms a token"), std::string::npos) << to_table(stated, own);
}

TEST_F(PromisingServer, WithoutAPromiseTheUsualOneIsTaken) {
  promise = {{"x-tandem-promise-ttft-ms", "soon"}};
  serve();
  const LoadReport report = run(options());
  EXPECT_EQ(only(report), (LoadPromise{1'000, 50, LoadPromise::Source::usual}));
  const Json json = to_json_report(options(), report);
  EXPECT_EQ(json["promises"].array().at(0)["source"].text(), "usual");
}

TEST_F(PromisingServer, IsAskedForItsModels) {
  serve();
  const auto models = server_models(options());
  ASSERT_TRUE(models) << to_string(models.error());
  EXPECT_EQ(models->size(), 2u);
  EXPECT_EQ(models->at(1).name, "n");
}

TEST_F(PromisingServer, MayBeBehindTls) {
  serve(true);
  LoadOptions o = options("https://localhost:");
  const LoadReport strange = run(o);
  EXPECT_EQ(strange.ok, 0u);
  ASSERT_EQ(strange.errors.size(), 1u);
  EXPECT_NE(strange.errors.begin()->first.find("--authorities"), std::string::npos) << strange.errors.begin()->first;
  o.authorities = test_support::write_certificate(authority_, directory_.path() / "authority.pem");
  const LoadReport report = run(o);
  EXPECT_GT(report.ok, 0u);
  EXPECT_EQ(report.ok, report.requests) << to_table(o, report);
  EXPECT_TRUE(server_models(o));
}

TEST(Goal, IsAFloorForSharesAndACeilingForTimes) {
  LoadReport report;
  report.requests = 100;
  report.ok = 99;
  report.good = 97;
  report.failed = 1;
  report.sending_s = 10;
  for (uint64_t ms = 1; ms <= 99; ++ms) report.ttft_us.record(ms * 1'000);
  const auto met = [&](std::string_view text) { return parse_goal(text).value().judge(report).met; };
  EXPECT_TRUE(met("goodput=0.97"));
  EXPECT_FALSE(met("goodput=0.98"));
  EXPECT_TRUE(met(" ok = 0.99"));
  EXPECT_TRUE(met("failed=0.01"));
  EXPECT_FALSE(met("failed=0"));
  EXPECT_TRUE(met("ttft_ms_p50=52"));
  EXPECT_FALSE(met("ttft_ms_p99=52"));
  EXPECT_TRUE(met("goodput_per_s=9.7"));
  EXPECT_FALSE(met("tpot_ms_p50=1000")) << "there is none, so nothing is known to be well";
  EXPECT_FALSE(parse_goal("goodput=1").value().judge(LoadReport()).met);
  for (const std::string_view wrong :
       {"", "goodput", "goodput=", "goodput=x", "goodput=-1", "speed=1", "=1", "goodput=2", "failed=1.1"})
    EXPECT_FALSE(parse_goal(wrong)) << wrong;
  EXPECT_NE(parse_goal("speed=1").error().message.find("ttft_ms_p95"), std::string::npos);

  const std::vector<Goal> goals{parse_goal("goodput=0.98").value(), parse_goal("failed=0.5").value()};
  const std::string table = to_table({}, report, goals);
  EXPECT_NE(table.find("MISSED  goodput at least 0.98: 0.97"), std::string::npos) << table;
  EXPECT_NE(table.find("met  failed at most 0.5: 0.01"), std::string::npos) << table;
  const Json json = to_json_report({}, report, goals);
  EXPECT_FALSE(json["expected"].array().at(0)["met"].boolean());
  EXPECT_EQ(json["expected"].array().at(1)["at_most"].number(), 0.5);
}

}  // namespace
}  // namespace tandem::load
