// A running grid goes by the periods of its day, by a clock that the test sets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include "app/grid_file.h"
#include "app/grid_server.h"
#include "app/inventory_remote.h"
#include "app/plan_worker.h"
#include "control/control.h"
#include "http/http.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

namespace asio = boost::asio;

// Busy from 8 to 20 by the region's clock, which is an hour ahead of UTC; nobody is expected to ask at night.
constexpr const char* kTwoPeriods = R"(tandem: 1
name: two periods
simulated: true
sites:
  - {id: a, tier: core, latitude_deg: 50, longitude_deg: 10, jurisdiction: DE, power_limit_kw: 100}
nodes:
  - {id: a-r, site: a, role: router}
accelerators:
  - {id: gpu, memory_gb: 80, idle_power_w: 60, peak_power_w: 700, price_eur_per_hour: 2}
pools:
  - {id: a-gpu, site: a, node: a-r, accelerator: gpu, count: 4}
models:
  - {id: m, parameters_billion: 8, weights_gb: 16, kv_bytes_per_token: 131072, context_tokens: 8192}
profiles:
  - {id: m-gpu, model: m, accelerator: gpu, prefill_tokens_per_s: 20000, kv_memory_gb: 50, source: made up,
     points: [{batch: 8, decode_ms_per_token: 10, power_w: 500}]}
regions:
  - {id: r, latitude_deg: 50, longitude_deg: 10, utc_offset_hour: 1, prefixes: [127.0.0.0/8],
     anchors: [{node: a-r, access_delay_us: 5000}]}
tenants:
  - {id: t, ttft_ms: 500, tpot_ms: 50,
     keys: [{sha256: "f77894fdfa58e447c57e077eaa9708e8e009c84dc6aba2db80461275e9b85be7", loopback_only: true}]}
day_profiles:
  - {id: office, rate_fraction: [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]}
demands:
  - {id: d, tenant: t, region: r, model: m, rate_per_s: 20, prompt_tokens: 100, output_tokens: 50, day_profile: office}
)";

// The machine's, shown otherwise: time passes as it does, from where it was set.
class SetClock final : public Clock {
 public:
  Instant now() const override { return machine_.now() + Duration{shift_ns_.load()}; }
  Duration monotonic() const override { return machine_.monotonic(); }
  void set(Duration of_day) {
    const Instant wanted = Instant{0} + hours(24 * 30'000) + of_day;
    shift_ns_ = (wanted - machine_.now()).ns;
  }
  void pass(Duration time) { shift_ns_ += time.ns; }

 private:
  SystemClock machine_;
  std::atomic<int64_t> shift_ns_ = 0;
};

class DailyGrid {
 public:
  DailyGrid() {
    clock_.set(hours(5));
    std::ofstream(file()) << kTwoPeriods;
    start();
    const auto applied = server_->apply_grid_file(file());
    EXPECT_TRUE(applied) << to_string(applied.error());
  }
  void start() {
    GridServerOptions options;
    options.data = directory_.path() / "data";
    options.port = 0;
    options.clock = &clock_;
    auto server = GridServer::start(options);
    ASSERT_TRUE(server) << to_string(server.error());
    server_ = std::move(*server);
  }
  void restart() {
    server_.reset();
    start();
  }
  SetClock& clock() { return clock_; }
  Json ask(const std::string& target) const {
    return ask_grid(fmt::format("http://127.0.0.1:{}", server_->port()), "GET", target, {}).value_or(Json());
  }
  Json plan() const { return ask("/api/v1/plan"); }
  // The status that a customer's request is answered with.
  int chat() const {
    asio::io_context context;
    http::Client client(context);
    int status = 0;
    asio::co_spawn(context, send_chat(client, server_->port(), status), [&](std::exception_ptr error) {
      EXPECT_FALSE(error);
      client.close();
    });
    context.run();
    return status;
  }
  // Until it has come to that; false after a minute.
  template <class Condition>
  bool comes_to(Condition holds) const {
    for (int i = 0; i < 600; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(100)))
      if (holds(plan())) return true;
    return false;
  }

 private:
  static asio::awaitable<void> send_chat(http::Client& client, uint16_t port, int& status) {
    http::ClientRequest request{"POST", "/v1/chat/completions", http::json_headers(),
                                R"({"model":"m","max_tokens":4,"messages":[{"role":"user","content":"hello"}]})"};
    request.headers.add("authorization", "Bearer sk-demo");
    http::Endpoint endpoint{"127.0.0.1", port};
    auto sent = co_await client.send(std::move(endpoint), std::move(request), {});
    if (!sent) co_return;
    status = sent->status();
    co_await sent->read_all(1u << 20);
  }
  std::filesystem::path file() const { return directory_.path() / "grid.yaml"; }

  test_support::TemporaryDirectory directory_;
  SetClock clock_;
  std::unique_ptr<GridServer> server_;
};

int64_t replicas_of(const Json& plan) {
  int64_t replicas = 0;
  for (const Json& row : plan["deployments"].array()) replicas += row["replicas"].integer();
  return replicas;
}

bool is_from(const Json& plan, int64_t hour) {
  return !plan["hours"].is_null() && plan["hours"]["from_hour"].integer() == hour;
}

TEST(Periods, TakeOverWhenTheClockSaysSo) {
  DailyGrid grid;
  ASSERT_TRUE(grid.comes_to([](const Json& plan) { return !plan["plan_id"].is_null(); }));
  EXPECT_TRUE(grid.plan()["schedule"].is_null()) << "one plan, for the busiest hours";
  EXPECT_TRUE(grid.ask("/api/v1/schedule")["schedule_id"].is_null());
  const int64_t busiest = replicas_of(grid.plan());

  grid.clock().pass(control::kQuiet);
  ASSERT_TRUE(grid.comes_to([](const Json& plan) { return is_from(plan, 19); })) << "it is 5 h, UTC: night";
  const Json night = grid.plan();
  EXPECT_LT(replicas_of(night), busiest);
  EXPECT_GE(replicas_of(night), 1) << "for whoever asks all the same";
  int status = 0;  // while engines start it is 503
  for (int i = 0; i < 600 && status != 200; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(100)))
    status = grid.chat();
  EXPECT_EQ(status, 200);
  EXPECT_EQ(night["schedule"]["next"]["from_hour"].integer(), 7);
  EXPECT_EQ(night["schedule"]["next"]["begins_at"].text(), "2052-02-20T07:00:00.000000000Z");
  EXPECT_EQ(night["schedule"]["next"]["moves"].integer(), busiest - replicas_of(night));
  EXPECT_FALSE(night["schedule"]["next"]["prepared"].boolean());
  EXPECT_EQ(grid.ask("/api/v1/schedule")["periods"].array().size(), 2u);

  grid.clock().set(hours(7) - seconds(25));
  ASSERT_TRUE(grid.comes_to([](const Json& plan) { return plan["schedule"]["next"]["prepared"].boolean(); }));
  grid.clock().set(hours(7));
  ASSERT_TRUE(grid.comes_to([](const Json& plan) { return is_from(plan, 7); }));
  const Json day = grid.plan();
  EXPECT_EQ(replicas_of(day), busiest);
  EXPECT_TRUE(day["schedule"]["in_force"].boolean());

  grid.restart();
  EXPECT_EQ(grid.plan()["plan_id"].text(), day["plan_id"].text()) << "in the middle of the day";
}

// Where all periods together have no room in one event of the log, fewer are planned.
TEST(Periods, AreAsManyAsAnEventOfTheLogTakes) {
  test_support::TemporaryDirectory directory;
  const auto file = directory.path() / "grid.yaml";
  std::ofstream(file) << kTwoPeriods;
  const auto grid = load_grid(file);
  ASSERT_TRUE(grid);
  const auto brought_back = [&](size_t event_bytes_max, std::string reason) {
    std::promise<log::Event> event;
    const SystemClock clock;
    PlanWorker worker(
        clock, [&](log::Event made) { event.set_value(std::move(made)); }, event_bytes_max);
    control::PendingPlan wanted;
    wanted.plan_id = "plan-9";
    wanted.seed = wanted.work_limit = 1;
    wanted.periods_max = 6;
    wanted.reason = std::move(reason);
    worker.want(wanted, {std::make_shared<const grid::Snapshot>(*grid), nullptr});
    return event.get_future().get();
  };
  const log::Event whole = brought_back(log::kEventBytesMax, "");
  ASSERT_EQ(whole.schedule_proposed().schedule().periods_size(), 2);
  const size_t bytes = whole.ByteSizeLong() + 1'200;
  EXPECT_EQ(brought_back(bytes, "").schedule_proposed().schedule().periods_size(), 2);
  EXPECT_EQ(brought_back(bytes, std::string(300, 'x')).schedule_proposed().schedule().periods_size(), 1);
  EXPECT_TRUE(brought_back(10, "").has_plan_failed());
}

}  // namespace
}  // namespace tandem::app
