#include "load/load.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "base/check.h"
#include "base/text.h"
#include "base/text_table.h"
#include "runtime/emulator.h"

namespace tandem::load {
namespace {

runtime::EngineSpec spec(double decode_ms, uint32_t batch_max) {
  runtime::EngineSpec s;
  s.pool = "ber";
  s.site = "ber";
  s.model.id = "m";
  s.model.context_tokens = 8'192;
  s.model.kv_bytes_per_token = 1;
  s.profile.id = "p";
  s.profile.prefill_tokens_per_s = 1e8;
  s.profile.kv_memory = Gigabytes(1);
  s.profile.points = {{batch_max, Milliseconds(decode_ms), Watts(1)}};
  return s;
}

// An emulated engine on a thread of its own.
class Load : public testing::Test {
 protected:
  void serve(double decode_ms = 0.01, uint32_t batch_max = 1'024, uint32_t waiting_max = 1'024) {
    host_ = runtime::EngineHost::listen(context_, clock_, {.waiting_max = waiting_max}).value();
    ASSERT_TRUE(host_->set_engines({spec(decode_ms, batch_max)}).has_value());
    thread_ = std::jthread([this] { context_.run(); });
  }

  void TearDown() override {
    context_.stop();
    thread_ = {};
    host_.reset();
  }

  LoadOptions options() const {
    LoadOptions o;
    o.url = "http://127.0.0.1:" + std::to_string(host_->port()) + "/pools/ber/v1";
    o.models = {{"m", 1}};
    o.prompt_tokens = {.mean = 50, .log_deviation = 0};
    o.output_tokens = {.mean = 20, .log_deviation = 0};
    o.rate_per_s = 400;
    o.duration = milliseconds(500);
    o.slo_ttft = o.slo_tpot = Milliseconds(60'000);
    return o;
  }

  LoadReport run(const LoadOptions& o, std::stop_token stop = {}) const {
    auto report = run_load(o, clock_, {}, stop);
    CHECK(report.has_value());
    EXPECT_EQ(report->requests, report->ok + report->rejected + report->failed);
    return std::move(*report);
  }

  SystemClock clock_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  std::unique_ptr<runtime::EngineHost> host_;
  std::jthread thread_;
};

TEST_F(Load, TheOpenLoopSendsWhatWasPlannedAndCountsTokensExactly) {
  serve();
  for (const bool stream : {true, false}) {
    LoadOptions o = options();
    o.stream = stream;
    const LoadReport report = run(o);
    EXPECT_GT(report.requests, 100u);
    EXPECT_EQ(report.ok, report.requests) << to_table(o, report);
    EXPECT_EQ(report.good, report.requests);
    EXPECT_EQ(report.sending_s, o.duration.seconds());
    EXPECT_EQ(report.goodput_per_s(), static_cast<double>(report.good) / o.duration.seconds()) << "not of the drain";
    EXPECT_EQ(report.output_tokens, 20 * report.ok);
    EXPECT_EQ(report.prompt_tokens, 50 * report.ok);
    EXPECT_EQ(report.emulated, report.ok);
    EXPECT_EQ(report.ttft_us.count(), report.ok);
    EXPECT_EQ(run(o).requests, report.requests);  // the same seed, the same load
  }
}

TEST_F(Load, TheClosedLoopKeepsSoManyUnderWay) {
  serve();
  LoadOptions o = options();
  o.concurrency = 7;
  const LoadReport report = run(o);
  EXPECT_GT(report.ok, 7u);
  EXPECT_EQ(report.ok, report.requests);
  EXPECT_EQ(report.outstanding_peak, 7u);
  EXPECT_LE(report.sending_s, o.duration.seconds());
  EXPECT_GT(report.sending_s, 0);
}

TEST_F(Load, SoManyRequestsAreSentAndNoMore) {
  serve();
  LoadOptions o = options();
  o.duration = hours(1);
  o.requests_max = 30;
  for (const uint32_t concurrency : {0u, 4u}) {
    o.concurrency = concurrency;
    const LoadReport report = run(o);
    EXPECT_EQ(report.requests, 30u);
    EXPECT_EQ(report.ok, 30u);
    EXPECT_LT(report.sending_s, o.duration.seconds()) << "rates are over the time in which it sent";
  }
}

TEST_F(Load, ATraceIsSentAsItIs) {
  serve();
  LoadOptions o = options();
  o.process = Process::trace;
  o.speed_up = 100;
  uint64_t tokens = 0;
  for (uint32_t i = 0; i < 40; ++i) {
    auto& request = o.trace.emplace_back();
    request.arrival = milliseconds(500 * i);
    request.prompt_tokens = 10 + i;
    request.output_tokens = 1 + i;
    tokens += request.output_tokens;
  }
  const LoadReport report = run(o);
  EXPECT_EQ(report.ok, 40u);
  EXPECT_EQ(report.output_tokens, tokens);
}

TEST_F(Load, ARejectionIsAMiss) {
  serve(50'000, 1, 1);  // one runs and one waits, for longer than the test
  LoadOptions o = options();
  o.duration = milliseconds(100);
  o.grace = milliseconds(100);
  o.rate_per_s = 200;
  const LoadReport report = run(o);
  EXPECT_EQ(report.ok, 0u);
  EXPECT_GT(report.rejected, 0u);
  EXPECT_EQ(report.reasons.at("unfinished"), 2u);
  EXPECT_EQ(report.reasons.at("503 overloaded_error"), report.rejected);
  EXPECT_EQ(report.goodput_fraction(), 0);
  uint64_t refused = 0;
  for (const auto& [error, count] : report.errors) refused += error.starts_with("503 ");
  EXPECT_EQ(refused, 1u) << "told once, however many there were";
  EXPECT_EQ(report.errors.begin()->second, report.rejected) << report.errors.begin()->first;
}

TEST_F(Load, SlowAnswersDoNotSlowTheOpenLoopAndOverflowCountsAsFailed) {
  serve(50'000);
  LoadOptions o = options();
  o.duration = milliseconds(100);
  o.grace = milliseconds(1);
  o.outstanding_max = 5;
  const LoadReport report = run(o);
  EXPECT_EQ(report.outstanding_peak, 5u);
  EXPECT_EQ(report.reasons.at("unfinished"), 5u);
  EXPECT_EQ(report.reasons.at("client_overflow"), report.requests - 5);
  EXPECT_GT(report.requests, 20u);
}

TEST_F(Load, AnAnswerThatMissesItsPromiseIsNotGood) {
  serve(2, 1'024);
  LoadOptions o = options();
  o.duration = milliseconds(100);
  o.slo_ttft = Milliseconds(1e-3);  // of the first token, which no busy machine makes come sooner
  const LoadReport report = run(o);
  EXPECT_EQ(report.ok, report.requests);
  EXPECT_EQ(report.good, 0u);
}

TEST_F(Load, ASiteCutMidStreamIsAFailure) {
  serve(50'000);
  LoadOptions o = options();
  o.concurrency = 3;
  o.grace = seconds(30);
  bool cut = false;
  const auto report = run_load(o, clock_,
                               [&](const LoadProgress& progress) {
                                 if (progress.outstanding == 3 && !std::exchange(cut, true)) host_->cut_site("ber");
                               },
                               {});
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(cut);
  EXPECT_EQ(report->ok, 0u);
  EXPECT_EQ(report->failed, 3u);
  EXPECT_GE(report->reasons.at("stream_broken"), 1u);  // the others may have waited for the first one's step
}

TEST_F(Load, AnUnknownModelAndADeadServerAreReported) {
  serve();
  LoadOptions o = options();
  o.models = {{"none", 1}};
  o.duration = milliseconds(50);
  const LoadReport unknown = run(o);
  EXPECT_EQ(unknown.rejected, unknown.requests);
  EXPECT_EQ(unknown.reasons.at("404 not_found_error"), unknown.requests);
  host_->cut_site("ber");
  const LoadReport dead = run(o);
  EXPECT_EQ(dead.failed, dead.requests);
  EXPECT_EQ(dead.reasons.at("unavailable"), dead.requests);
}

TEST_F(Load, EndsWhenItIsStopped) {
  serve(50'000);
  LoadOptions o = options();
  o.duration = hours(10);
  o.rate_per_s = 50;
  std::stop_source stop;
  const auto report = run_load(
      o, clock_,
      [&](const LoadProgress& progress) {
        if (progress.sent > 3) stop.request_stop();
      },
      stop.get_token());
  ASSERT_TRUE(report.has_value());
  EXPECT_GT(report->reasons.at("unfinished"), 3u);
}

TEST_F(Load, ReportsAsTableAndAsJson) {
  serve();
  const LoadOptions o = options();
  LoadReport report = run(o);
  report.sites["ber"] = {report.ok, report.good};
  report.cost_eur = 0.5;
  report.cost_tokens = 1'000'000;
  const Json json = to_json_report(o, report);
  EXPECT_EQ(json["requests"].integer(), static_cast<int64_t>(report.requests));
  EXPECT_EQ(json["goodput"].number(), 1);
  EXPECT_EQ(json["cost_eur_per_mtok"].number(), 0.5);
  EXPECT_GT(json["ttft_ms"]["p99"].number(), 0);
  EXPECT_EQ(json["sites"]["ber"]["share"].number(), 1);
  const std::string table = to_table(o, report);
  for (const std::string_view word :
       {"goodput 100.00 %", "first token", "per token", "emulator", "ber", "EUR per million tokens", "(as asked for)"})
    EXPECT_NE(table.find(word), std::string::npos) << table;
  EXPECT_NE(progress_line({}).find("sent 0"), std::string::npos);
  LoadReport refused;
  refused.requests = refused.rejected = 7;
  refused.promises[{1'000, 50, LoadPromise::Source::server}] = 7;
  refused.reasons["429 rate_limit_error"] = 7;
  refused.errors["429 rate_limit_error: this tenant has asked for more than it may, and is told so at some length"] = 7;
  const std::string narrow = to_table({}, refused, {}, 60);
  for (const std::string_view line : split(narrow, '\n')) EXPECT_LE(display_width(line), 60) << narrow;
}

TEST(LoadOptions, BadOnesAreRefusedBeforeAnythingIsSent) {
  const SystemClock clock;
  EXPECT_FALSE(run_load({}, clock, {}, {}).has_value());
  LoadOptions o;
  o.models = {{"m", 1}};
  o.url = "https://host";
  o.authorities = "/nonexistent.pem";
  EXPECT_FALSE(run_load(o, clock, {}, {}).has_value());
}

}  // namespace
}  // namespace tandem::load
