// A running grid goes by the periods of its day, by a clock that the test sets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "app/grid_server.h"
#include "app/inventory_remote.h"
#include "control/control.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

// Busy from 8 to 20 by the region's clock, which is an hour ahead of UTC.
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
  - {id: t, ttft_ms: 500, tpot_ms: 50}
day_profiles:
  - {id: office, rate_fraction: [.05, .05, .05, .05, .05, .05, .05, .05, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, .05, .05, .05, .05]}
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
  // Until it has come to that; false after a minute.
  template <class Condition>
  bool comes_to(Condition holds) const {
    for (int i = 0; i < 600; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(100)))
      if (holds(plan())) return true;
    return false;
  }

 private:
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

}  // namespace
}  // namespace tandem::app
