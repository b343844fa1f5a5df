#include "runtime/emulator.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "base/json.h"
#include "http/http.h"

namespace tandem::runtime {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

constexpr double kFast = 0.02;           // ms a token
constexpr double kStandsStill = 50'000;  // ms a token: the answer stays where it is for the length of a test

EngineSpec spec(std::string pool = "ber-h100", double decode_ms = kFast, uint32_t batch_max = 4'096) {
  EngineSpec s;
  s.pool = std::move(pool);
  s.site = "ber";
  s.model.id = "m-8b";
  s.model.name = "M 8B";
  s.model.aliases = {"vendor/m-8b"};
  s.model.context_tokens = 8'192;
  s.model.kv_bytes_per_token = 1'000;
  s.profile.id = "m-8b-on-h100";
  s.profile.prefill_tokens_per_s = 1e8;
  s.profile.kv_memory = Gigabytes(100);
  s.profile.points = {{1, Milliseconds(decode_ms), Watts(100)}};
  if (batch_max > 1) s.profile.points.push_back({batch_max, Milliseconds(decode_ms), Watts(200)});
  return s;
}

struct Reply {
  int status = 0;
  http::Headers headers;
  std::string body;
  std::optional<ErrorCode> error;

  double usage(std::string_view field) const { return parse_json(body).value()["usage"][field].number(-1); }
};

// What a stream came to.
struct Streamed {
  std::string text, reason;
  std::optional<Json> usage;
  bool done = false;
  std::optional<ErrorCode> error;
};

class Emulator : public testing::Test {
 protected:
  explicit Emulator(EngineHostOptions options = {}) : host_(EngineHost::listen(context_, clock_, options).value()) {}

  // Runs the scenario on the one thread that the host has too.
  void run(std::function<awaitable<void>()> scenario) {
    bool done = false;
    asio::co_spawn(
        context_, [&]() -> awaitable<void> { co_await scenario(); },
        [&](std::exception_ptr failure) {
          EXPECT_FALSE(failure);
          done = true;
          context_.stop();
        });
    context_.restart();
    context_.run_for(std::chrono::minutes(1));
    ASSERT_TRUE(done) << "the scenario hangs";
  }

  void set(std::vector<EngineSpec> specs) {
    ASSERT_TRUE(host_->set_engines(std::move(specs)).has_value());
    context_.restart();
    context_.poll();
  }

  http::Endpoint endpoint() const { return {"127.0.0.1", host_->port()}; }

  static http::ClientRequest post(std::string path, std::string body, http::Headers headers = {}) {
    http::ClientRequest request;
    request.method = "POST";
    request.target = "/pools/ber-h100" + path;
    request.headers = std::move(headers);
    request.body = std::move(body);
    return request;
  }

  static http::ClientRequest chat(std::string_view extra, http::Headers headers = {}) {
    return post("/v1/chat/completions",
                fmt::format(R"({{"model":"m-8b","messages":[{{"role":"user","content":"12345678"}}]{}}})", extra),
                std::move(headers));
  }

  static http::ClientRequest get(std::string target) {
    http::ClientRequest request;
    request.target = std::move(target);
    return request;
  }

  awaitable<Reply> fetch(http::ClientRequest request) {
    Reply reply;
    auto exchange = co_await client_.send(endpoint(), std::move(request), http::ClientTimeouts());
    if (!exchange) {
      reply.error = exchange.error().code;
      co_return reply;
    }
    reply.status = exchange->status();
    reply.headers = exchange->headers();
    auto body = co_await exchange->read_all(64 * 1024 * 1024);
    if (body)
      reply.body = std::move(*body);
    else
      reply.error = body.error().code;
    co_return reply;
  }

  awaitable<Streamed> read_stream(http::Exchange& exchange) {
    Streamed streamed;
    http::SseParser parser;
    for (;;) {
      auto piece = co_await exchange.read_some();
      if (!piece) {
        streamed.error = piece.error().code;
        co_return streamed;
      }
      if (!*piece) co_return streamed;
      const auto events = parser.feed(**piece).value();
      for (const auto& event : events) take(streamed, event.data);
    }
  }

  static void take(Streamed& streamed, const std::string& data) {
    EXPECT_FALSE(streamed.done) << "an event after [DONE]";
    if (data == "[DONE]") {
      streamed.done = true;
      return;
    }
    const Json chunk = parse_json(data).value();
    EXPECT_EQ(chunk["system_fingerprint"].text(), "tandem-emulator");
    if (chunk["usage"].is_object()) streamed.usage = chunk["usage"];
    if (chunk["choices"].array().empty()) return;
    const Json& choice = chunk["choices"].array()[0];
    streamed.text += choice["delta"]["content"].text();
    streamed.text += choice["text"].text();
    if (choice["finish_reason"].is_string()) streamed.reason = choice["finish_reason"].text();
  }

  // The value of a metric of model m-8b, or −1.
  awaitable<double> metric(std::string name) {
    const Reply reply = co_await fetch(get("/pools/ber-h100/metrics"));
    const std::string line = "\n" + name + "{model_name=\"m-8b\"} ";
    const size_t at = reply.body.find(line);
    if (at == std::string::npos) co_return -1;
    co_return std::stod(reply.body.substr(at + line.size()));
  }

  awaitable<void> until_metric(std::string name, double value) {
    for (;;) {
      const double now = co_await metric(name);
      if (now == value) co_return;
      co_await asio::post(asio::use_awaitable);
    }
  }

  SystemClock clock_;
  asio::io_context context_;
  std::unique_ptr<EngineHost> host_;
  http::Client client_{context_};
};

class CrowdedEmulator : public Emulator {
 protected:
  CrowdedEmulator() : Emulator({.waiting_max = 2}) {}
};

TEST_F(Emulator, StreamsAnAnswerAndSaysWhatItIs) {
  set({spec()});
  run([&]() -> awaitable<void> {
    auto exchange = co_await client_.send(
        endpoint(), chat(R"(,"stream":true,"stream_options":{"include_usage":true},"max_tokens":40,"ignore_eos":true)"),
        http::ClientTimeouts());
    EXPECT_TRUE(exchange.has_value());
    EXPECT_EQ(exchange->status(), 200);
    EXPECT_EQ(exchange->headers().value_or("x-tandem-emulated", ""), "true");
    EXPECT_EQ(exchange->headers().value_or("content-type", ""), "text/event-stream");
    const Streamed streamed = co_await read_stream(*exchange);
    EXPECT_TRUE(streamed.done);
    EXPECT_EQ(streamed.text.size(), 160u);
    EXPECT_TRUE(streamed.text.starts_with("This answer comes from Tandem's emulated engine."));
    EXPECT_EQ(streamed.reason, "length");
    EXPECT_EQ(to_json(streamed.usage.value_or(Json())),
              R"({"completion_tokens":40,"prompt_tokens":2,"total_tokens":42})");
  });
}

TEST_F(Emulator, AnswersWhole) {
  set({spec()});
  run([&]() -> awaitable<void> {
    const Reply reply = co_await fetch(chat(R"(,"max_tokens":5,"ignore_eos":true)"));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.headers.value_or("x-tandem-emulated", ""), "true");
    const Json json = parse_json(reply.body).value();
    EXPECT_EQ(json["object"].text(), "chat.completion");
    EXPECT_EQ(json["system_fingerprint"].text(), "tandem-emulator");
    EXPECT_EQ(json["choices"].array()[0]["message"]["content"].text(), "This answer comes fr");
    EXPECT_EQ(reply.usage("completion_tokens"), 5);
    const Reply text = co_await fetch(
        post("/v1/completions", R"({"model":"vendor/m-8b","prompt":[1,2,3],"max_tokens":2,"min_tokens":2})"));
    EXPECT_EQ(text.usage("prompt_tokens"), 3);
    EXPECT_EQ(text.usage("completion_tokens"), 2);
    EXPECT_EQ(parse_json(text.body).value()["object"].text(), "text_completion");
  });
}

TEST_F(Emulator, TheLengthMayBeAskedFor) {
  set({spec()});
  run([&]() -> awaitable<void> {
    http::Headers headers;
    headers.set("x-tandem-output-tokens", "33");
    headers.set("x-tandem-path-rtt-us", "250");
    const Reply free = co_await fetch(chat("", headers));
    EXPECT_EQ(free.usage("completion_tokens"), 33);
    EXPECT_EQ(parse_json(free.body).value()["choices"].array()[0]["finish_reason"].text(), "stop");
    const Reply limited = co_await fetch(chat(R"(,"max_tokens":32)", headers));
    EXPECT_EQ(limited.usage("completion_tokens"), 32);
    for (const auto& [name, value] : std::map<std::string, std::string>{
             {"x-tandem-output-tokens", "0"}, {"x-tandem-path-rtt-us", "-1"}, {"x-tandem-path-rtt-us", "1e3"}}) {
      http::Headers bad;
      bad.set(name, value);
      const Reply refused = co_await fetch(chat("", bad));
      EXPECT_EQ(refused.status, 400) << name;
    }
  });
}

TEST_F(Emulator, TheSameSeedDrawsTheSameLengths) {
  set({spec()});
  const auto other = EngineHost::listen(context_, clock_, {}).value();
  ASSERT_TRUE(other->set_engines({spec()}).has_value());
  run([&]() -> awaitable<void> {
    for (int i = 0; i < 5; ++i) {
      const Reply first = co_await fetch(chat(""));
      auto exchange = co_await client_.send({"127.0.0.1", other->port()}, chat(""), http::ClientTimeouts());
      Reply second;
      second.body = (co_await exchange->read_all(1 << 20)).value();
      EXPECT_EQ(first.usage("completion_tokens"), second.usage("completion_tokens"));
    }
  });
}

TEST_F(Emulator, RefusesWithOpenAiErrors) {
  set({spec()});
  run([&]() -> awaitable<void> {
    const auto status_of = [&](http::ClientRequest request) -> awaitable<int> {
      const Reply reply = co_await fetch(std::move(request));
      EXPECT_TRUE(parse_json(reply.body).value()["error"]["message"].is_string());
      EXPECT_EQ(reply.headers.value_or("x-tandem-emulated", ""), "true");
      co_return reply.status;
    };
    EXPECT_EQ(co_await status_of(post("/v1/completions", R"({"model":"none","prompt":"x"})")), 404);
    EXPECT_EQ(co_await status_of(post("/v1/completions", "{")), 400);
    EXPECT_EQ(co_await status_of(post("/v1/completions", R"({"model":"m-8b","prompt":"x","max_tokens":9000})")), 400);
    EXPECT_EQ(co_await status_of(post("/v1/models", "")), 405);
    EXPECT_EQ(co_await status_of(get("/pools/ber-h100/v1/completions")), 405);
    EXPECT_EQ(co_await status_of(get("/pools/ber-h100/nothing")), 404);
    EXPECT_EQ(co_await status_of(get("/pools/other/v1/models")), 404);
    EXPECT_EQ(co_await status_of(get("/pools/other")), 404);
    EXPECT_EQ(co_await status_of(get("/pools/%zz/health")), 404);
    EXPECT_EQ(co_await status_of(get("/v1/models")), 404);
  });
}

TEST_F(Emulator, ServesAtTheRootToo) {
  set({spec("")});
  run([&]() -> awaitable<void> {
    const Reply models = co_await fetch(get("/v1/models"));
    EXPECT_EQ(parse_json(models.body).value()["data"].array()[0]["id"].text(), "m-8b");
    EXPECT_EQ(parse_json(models.body).value()["data"].array()[0]["max_model_len"].integer(), 8'192);
    const Reply health = co_await fetch(get("/health"));
    EXPECT_EQ(health.status, 200);
  });
}

TEST_F(Emulator, CountsUnderTheNamesOfVllm) {
  set({spec()});
  run([&]() -> awaitable<void> {
    for (int i = 0; i < 3; ++i) co_await fetch(chat(R"(,"max_tokens":10,"ignore_eos":true)"));
    const Reply reply = co_await fetch(get("/pools/ber-h100/metrics"));
    for (const std::string_view line :
         {R"(vllm:num_requests_running{model_name="m-8b"} 0)", R"(vllm:num_requests_waiting{model_name="m-8b"} 0)",
          R"(vllm:gpu_cache_usage_perc{model_name="m-8b"} 0)", R"(vllm:kv_cache_usage_perc{model_name="m-8b"} 0)",
          R"(vllm:time_to_first_token_seconds_bucket{model_name="m-8b",le="+Inf"} 3)",
          R"(vllm:time_per_output_token_seconds_count{model_name="m-8b"} 27)",
          R"(vllm:e2e_request_latency_seconds_count{model_name="m-8b"} 3)",
          R"(vllm:prompt_tokens_total{model_name="m-8b"} 6)", R"(vllm:generation_tokens_total{model_name="m-8b"} 30)",
          R"(vllm:request_success_total{model_name="m-8b",finished_reason="length"} 3)",
          R"(vllm:request_success_total{model_name="m-8b",finished_reason="stop"} 0)"})
      EXPECT_NE(reply.body.find(line), std::string::npos) << line << "\n" << reply.body;
  });
}

TEST_F(CrowdedEmulator, AFullQueueRefuses) {
  set({spec("ber-h100", kStandsStill, 1)});
  run([&]() -> awaitable<void> {
    std::vector<http::Cancellation> cancellations(3);
    int ended = 0;
    for (auto& cancellation : cancellations) {
      asio::co_spawn(
          context_,
          [this, cancellation, &ended]() -> awaitable<void> {
            const auto answer = co_await client_.send(endpoint(), chat(R"(,"max_tokens":9,"ignore_eos":true)"),
                                                      http::ClientTimeouts(), cancellation);
            EXPECT_FALSE(answer.has_value());
            ++ended;
          },
          asio::detached);
    }
    co_await until_metric("vllm:num_requests_waiting", 2);
    const Reply refused = co_await fetch(chat(""));
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.headers.value_or("retry-after", ""), "1");
    for (auto& cancellation : cancellations) cancellation.cancel();
    co_await until_metric("vllm:num_requests_waiting", 0);
    co_await until_metric("vllm:num_requests_running", 0);
    EXPECT_EQ(ended, 3);
  });
}

TEST_F(Emulator, AClientThatLeavesFreesItsPlace) {
  set({spec("ber-h100", kStandsStill, 1)});
  run([&]() -> awaitable<void> {
    auto exchange = co_await client_.send(endpoint(), chat(R"(,"stream":true)"), http::ClientTimeouts());
    EXPECT_TRUE(exchange.has_value());
    const double running = co_await metric("vllm:num_requests_running");
    EXPECT_EQ(running, 1);
    const double usage = co_await metric("vllm:kv_cache_usage_perc");
    EXPECT_GT(usage, 0);
    exchange->cancel();
    co_await until_metric("vllm:num_requests_running", 0);
    const double usage_after = co_await metric("vllm:kv_cache_usage_perc");
    EXPECT_EQ(usage_after, 0);
    const Reply reply = co_await fetch(get("/pools/ber-h100/metrics"));
    EXPECT_NE(reply.body.find(R"(vllm:request_success_total{model_name="m-8b",finished_reason="abort"} 1)"),
              std::string::npos);
  });
}

TEST_F(Emulator, ACutSiteBreaksItsAnswersAndRefusesUntilRestored) {
  EngineSpec elsewhere = spec("muc-h100");
  elsewhere.site = "muc";
  set({spec("ber-h100", kStandsStill), elsewhere});
  run([&]() -> awaitable<void> {
    auto exchange = co_await client_.send(endpoint(), chat(R"(,"stream":true)"), http::ClientTimeouts());
    EXPECT_TRUE(exchange.has_value());
    host_->cut_site("ber");
    const Streamed streamed = co_await read_stream(*exchange);
    EXPECT_EQ(streamed.error, ErrorCode::unavailable);
    EXPECT_FALSE(streamed.done);
    EXPECT_FALSE(streamed.text.empty());
    for (auto request : {chat(""), get("/pools/ber-h100/health"), get("/pools/ber-h100/metrics")}) {
      const Reply reply = co_await fetch(request);
      EXPECT_EQ(reply.error, ErrorCode::unavailable);
    }
    const Reply other = co_await fetch(get("/pools/muc-h100/health"));
    EXPECT_EQ(other.status, 200);
    host_->restore_site("ber");
    const double running = co_await metric("vllm:num_requests_running");
    EXPECT_EQ(running, 0);
    const Reply whole = co_await fetch(chat(R"(,"max_tokens":1)"));
    EXPECT_EQ(whole.status, 200);
  });
}

TEST_F(Emulator, IsSetAndCutFromAnotherThreadWhileItServes) {
  set({spec()});
  run([&]() -> awaitable<void> {
    std::thread steering([this] {
      EngineSpec changed = spec();
      for (uint32_t i = 0; i < 100; ++i) {
        changed.replicas = 1 + i % 3;
        EXPECT_TRUE(host_->set_engines({changed}).has_value());
        host_->cut_site("ber");
        host_->restore_site("ber");
      }
    });
    for (int i = 0; i < 50; ++i) {
      const Reply reply = co_await fetch(chat(R"(,"max_tokens":1)"));
      EXPECT_TRUE(reply.status == 200 || reply.error == ErrorCode::unavailable);
    }
    steering.join();
    const Reply after = co_await fetch(chat(R"(,"max_tokens":1)"));  // by now all that was asked has been done
    EXPECT_EQ(after.status, 200);
  });
}

TEST_F(Emulator, ACutReachesRequestsStillOnTheirWay) {
  set({spec()});
  run([&]() -> awaitable<void> {
    http::Headers headers;
    headers.set("x-tandem-path-rtt-us", "9000000");
    Reply reply;
    bool ended = false;
    asio::co_spawn(
        context_,
        [&]() -> awaitable<void> {
          reply = co_await fetch(chat("", headers));
          ended = true;
        },
        asio::detached);
    co_await metric("vllm:num_requests_running");  // by now the request before it has been read
    host_->cut_site("ber");
    while (!ended) co_await asio::post(asio::use_awaitable);
    EXPECT_EQ(reply.error, ErrorCode::unavailable);
  });
}

TEST_F(Emulator, EnginesGoOnWhenTheyAreNamedAgainAndRunEmptyWhenNot) {
  set({spec("ber-h100", 1)});
  run([&]() -> awaitable<void> {
    http::ClientRequest request = chat(R"(,"stream":true,"max_tokens":400,"ignore_eos":true)");
    auto first = co_await client_.send(endpoint(), request, http::ClientTimeouts());
    EngineSpec more = spec("ber-h100", 1);
    more.replicas = 3;
    more.prefix_hit = 0.5;
    EXPECT_TRUE(host_->set_engines({more}).has_value());
    const double running = co_await metric("vllm:num_requests_running");
    EXPECT_EQ(running, 1);
    EXPECT_TRUE(host_->set_engines({}).has_value());
    const Reply late = co_await fetch(chat(""));
    EXPECT_EQ(late.status, 503);
    const Streamed streamed = co_await read_stream(*first);
    EXPECT_TRUE(streamed.done);
    EXPECT_EQ(streamed.text.size(), 1'600u);
    const Reply later = co_await fetch(chat(""));
    EXPECT_EQ(later.status, 503);
    const Reply models = co_await fetch(get("/pools/ber-h100/v1/models"));
    EXPECT_TRUE(parse_json(models.body).value()["data"].array().empty());
  });
}

TEST_F(Emulator, RefusesSpecsThatCannotRun) {
  set({spec()});
  EngineSpec bad = spec();
  bad.profile.points.clear();
  EXPECT_FALSE(host_->set_engines({bad}).has_value());
  EXPECT_FALSE(host_->set_engines({spec(), spec()}).has_value());
  bad = spec();
  bad.replicas = 0;
  EXPECT_FALSE(host_->set_engines({bad}).has_value());
  run([&]() -> awaitable<void> {
    const Reply health = co_await fetch(chat(""));
    EXPECT_EQ(health.status, 200);
  });
}

TEST_F(Emulator, AThousandStreamsAtOnceAllEnd) {
  set({spec("ber-h100", 0.5)});
  run([&]() -> awaitable<void> {
    int ended = 0;
    for (int i = 0; i < 1'000; ++i) {
      asio::co_spawn(
          context_,
          [this, &ended]() -> awaitable<void> {
            auto exchange = co_await client_.send(
                endpoint(), chat(R"(,"stream":true,"max_tokens":100,"ignore_eos":true)"), http::ClientTimeouts());
            EXPECT_TRUE(exchange.has_value());
            if (!exchange) co_return;
            const Streamed streamed = co_await read_stream(*exchange);
            EXPECT_TRUE(streamed.done);
            EXPECT_EQ(streamed.text.size(), 400u);
            ++ended;
          },
          asio::detached);
    }
    co_await until_metric("vllm:generation_tokens_total", 100'000);
    while (ended < 1'000) co_await asio::post(asio::use_awaitable);
  });
}

TEST_F(Emulator, EndsWithAnswersUnderWay) {
  set({spec("ber-h100", kStandsStill)});
  run([&]() -> awaitable<void> {
    auto exchange = co_await client_.send(endpoint(), chat(R"(,"stream":true)"), http::ClientTimeouts());
    host_.reset();
    const Streamed streamed = co_await read_stream(*exchange);
    EXPECT_EQ(streamed.error, ErrorCode::unavailable);
  });
}

}  // namespace
}  // namespace tandem::runtime
