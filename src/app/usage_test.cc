// What a running grid has served is what it accounts for: to the token, across a stop, and from the log alone.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <thread>

#include "app/grid_server.h"
#include "app/inventory_remote.h"
#include "base/file.h"
#include "control/control.h"
#include "http/http.h"
#include "log/log.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

namespace asio = boost::asio;

struct Completion {
  int status = 0;
  std::string decision;
  std::string body;
};

asio::awaitable<void> send_completion(http::Client& client, uint16_t port, std::string body, Completion& answer) {
  http::ClientRequest request{"POST", "/v1/chat/completions", http::json_headers(), std::move(body)};
  request.headers.add("authorization", "Bearer sk-demo");
  http::Endpoint endpoint{"127.0.0.1", port};
  auto sent = co_await client.send(std::move(endpoint), std::move(request), {});
  if (!sent) co_return;
  answer.status = sent->status();
  answer.decision = sent->headers().value_or("x-tandem-decision", "");
  auto text = co_await sent->read_all(1u << 20);
  if (text) answer.body = std::move(*text);
}

Completion complete(uint16_t port, std::string body) {
  asio::io_context context;
  http::Client client(context);
  Completion answer;
  asio::co_spawn(context, send_completion(client, port, std::move(body), answer), [&](std::exception_ptr error) {
    EXPECT_FALSE(error);
    client.close();
  });
  context.run();
  return answer;
}

// The last usage object in an answer, whole or streamed.
Json usage_in(const std::string& body) {
  const size_t at = body.rfind("\"usage\":{");
  if (at == std::string::npos) return {};
  const size_t begin = at + 8;
  return parse_json(body.substr(begin, body.find('}', begin) + 1 - begin)).value_or(Json());
}

template <class Condition>
void wait_until(Condition holds) {
  for (int i = 0; i < 300 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

class ServingWorld {
 public:
  void start() {
    GridServerOptions options;
    options.data = directory_.path();
    options.port = 0;
    auto server = GridServer::start(options);
    ASSERT_TRUE(server) << to_string(server.error());
    server_ = std::move(*server);
  }
  void stop() { server_.reset(); }
  GridServer& server() { return *server_; }
  Json ask(const std::string& target) const {
    return ask_grid(fmt::format("http://127.0.0.1:{}", server_->port()), "GET", target, {}).value_or(Json());
  }
  std::filesystem::path log() const { return directory_.path() / "log"; }

 private:
  test_support::TemporaryDirectory directory_;
  std::unique_ptr<GridServer> server_;
};

TEST(Usage, IsWhatWasServedToTheTokenAcrossAStopAndFromTheLogAlone) {
  ServingWorld world;
  world.start();
  ASSERT_TRUE(world.server().apply_grid_file(std::string(TANDEM_SOURCE_DIR) + "/examples/national.yaml"));
  const std::string whole = R"({"model":"MODEL","max_tokens":5,"ignore_eos":true,)"
                            R"("messages":[{"role":"user","content":"How far is it to Leipzig?"}]})";
  std::string model;
  wait_until([&] {
    model = world.ask("/api/v1/plan")["deployments"].array().empty()
                ? ""
                : std::string(world.ask("/api/v1/plan")["deployments"].array().front()["model"].text());
    return !model.empty();
  });
  ASSERT_FALSE(model.empty());
  std::string body = whole;
  body.replace(body.find("MODEL"), 5, model);
  wait_until([&] { return complete(world.server().port(), body).status == 200; });

  const Json before = world.ask("/api/v1/usage?group_by=");
  std::string streamed = body;
  streamed.insert(1, R"("stream":true,"stream_options":{"include_usage":true},)");
  int64_t requests = 0, prompt = 0, output = 0;
  for (int i = 0; i < 6; ++i) {
    const Completion answer = complete(world.server().port(), i % 2 == 0 ? body : streamed);
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(world.ask("/api/v1/decisions/" + answer.decision)["request"]["id"].text(), answer.decision)
        << "there when the answer has ended";
    ++requests;
    prompt += usage_in(answer.body)["prompt_tokens"].integer();
    output += usage_in(answer.body)["completion_tokens"].integer();
  }
  EXPECT_GT(prompt, 0);
  EXPECT_EQ(output, 30);
  const auto served = [](const Json& all, const char* where) -> Json {
    return all[where].array().empty() ? Json(Json::Object{}) : all[where].array().front();
  };
  world.stop();
  world.start();
  const Json after = world.ask("/api/v1/usage?group_by=");
  const Json sums = served(after, "usage");
  EXPECT_TRUE(after["open"].array().empty()) << to_json(after);
  // The requests that waited for the plan are in it, and were whole or refused.
  EXPECT_GE(sums["requests"].integer(), requests + 1) << to_json(before);
  EXPECT_EQ(sums["output_tokens"].integer(), output + 5);
  EXPECT_EQ(sums["prompt_tokens"].integer(), prompt / 6 * 7);
  EXPECT_EQ(sums["estimated_requests"].integer(), 0);
  EXPECT_GT(sums["cost_eur"].number(), 0);
  EXPECT_GT(sums["energy_j"].number(), 0);
  EXPECT_GT(sums["carbon_g"].number(), 0);
  world.stop();

  log::SqliteLogOptions options;
  options.directory = world.log();
  const auto log = log::open_sqlite_log(options);
  ASSERT_TRUE(log);
  const auto replayed = control::replay(**log);
  ASSERT_TRUE(replayed);
  control::UsageSums total;
  replayed->accounts.for_each(control::AccountStep::hour, {0}, {INT64_MAX},
                              [&](const control::AccountKey&, const control::UsageSums& row) { total += row; });
  EXPECT_EQ(static_cast<int64_t>(total.output_tokens), sums["output_tokens"].integer());
  EXPECT_EQ(static_cast<double>(total.cost_nano_eur) * 1e-9, sums["cost_eur"].number());
}

TEST(Trials, OfAGridFileAreRunComparedAndBilledOnce) {
  test_support::TemporaryDirectory directory;
  const std::filesystem::path file = directory.path() / "grid.yaml";
  std::string text = read_file(std::string(TANDEM_SOURCE_DIR) + "/examples/national.yaml", 1u << 24).value_or("");
  text += "trials:\n  - {id: try, model: llama-3.1-8b, to_model: llama-3.2-3b, share_fraction: 1}\n";
  ASSERT_TRUE(write_file_durably(file, text));
  ServingWorld world;
  world.start();
  ASSERT_TRUE(world.server().apply_grid_file(file));
  const std::string body = R"({"model":"llama-3.1-8b","max_tokens":5,"ignore_eos":true,)"
                           R"("messages":[{"role":"user","content":"How far is it to Leipzig?"}]})";
  wait_until([&] { return complete(world.server().port(), body).status == 200; });
  const auto trial = [&] {
    const Json all = world.ask("/api/v1/trials");
    return all["trials"].array().empty() ? Json() : all["trials"].array().front();
  };
  wait_until([&] { return trial()["candidate"]["ok"].integer() == 1; });
  const Json both = trial();
  EXPECT_EQ(both["id"].text(), "try");
  EXPECT_EQ(both["mode"].text(), "shadow");
  EXPECT_EQ(both["base"]["ok"].integer(), 1);
  EXPECT_EQ(both["candidate"]["ok"].integer(), 1);
  EXPECT_EQ(both["candidate"]["output_tokens"].integer(), 5);
  EXPECT_GT(both["candidate"]["cost_eur"].number(), 0);
  world.stop();
  world.start();
  const Json usage = world.ask("/api/v1/usage?group_by=model")["usage"];
  ASSERT_EQ(usage.array().size(), 1u) << to_json(usage);
  EXPECT_EQ(usage.array()[0]["model"].text(), "llama-3.1-8b") << "nobody pays for the copy";
}

}  // namespace
}  // namespace tandem::app
