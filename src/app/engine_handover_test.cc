// Looks at the engines while one period of a day gives way to the next.
#include "app/engine_handover.h"

#include <gtest/gtest.h>

#include <map>

#include "app/emulated_engines.h"
#include "app/grid_file_events.h"
#include "ingest/ingest.h"
#include "log/simulated_log.h"
#include "planner/planner.h"

namespace tandem::app {
namespace {

// By day the radio keeps all of the pool near by, and the far one answers; by night the near one is the cheaper.
constexpr const char* kNearByNight = R"(tandem: 1
name: near by night
simulated: true
sites:
  - {id: a, tier: near_edge, latitude_deg: 50, longitude_deg: 10, jurisdiction: DE, power_limit_kw: 100}
  - {id: b, tier: core, latitude_deg: 51, longitude_deg: 10, jurisdiction: DE, power_limit_kw: 100}
nodes:
  - {id: a-r, site: a, role: router}
  - {id: b-r, site: b, role: router}
links:
  - {id: ab, a: a-r, b: b-r, capacity_gbps: 100, delay_us: 700}
accelerators:
  - {id: cheap, memory_gb: 80, idle_power_w: 60, peak_power_w: 700, price_eur_per_hour: 1}
  - {id: dear, memory_gb: 80, idle_power_w: 60, peak_power_w: 700, price_eur_per_hour: 9}
pools:
  - {id: near, site: a, node: a-r, accelerator: cheap, count: 4,
     radio_reserve: [{from_hour: 7, to_hour: 19, accelerators: 4}]}
  - {id: far, site: b, node: b-r, accelerator: dear, count: 4}
models:
  - {id: m, parameters_billion: 8, weights_gb: 16, kv_bytes_per_token: 131072, context_tokens: 8192}
profiles:
  - {id: m-cheap, model: m, accelerator: cheap, prefill_tokens_per_s: 20000, kv_memory_gb: 50, source: made up,
     points: [{batch: 8, decode_ms_per_token: 10, power_w: 500}]}
  - {id: m-dear, model: m, accelerator: dear, prefill_tokens_per_s: 20000, kv_memory_gb: 50, source: made up,
     points: [{batch: 8, decode_ms_per_token: 10, power_w: 500}]}
regions:
  - {id: r, latitude_deg: 50, longitude_deg: 10, prefixes: [10.0.0.0/8], anchors: [{node: a-r, access_delay_us: 5000}]}
tenants:
  - {id: t, ttft_ms: 500, tpot_ms: 50}
demands:
  - {id: d, tenant: t, region: r, model: m, rate_per_s: 2, prompt_tokens: 100, output_tokens: 50}
)";

constexpr planner::DayPeriod kDayHours{7, 12}, kNightHours{19, 12};

// A core whose jobs are done at once, and the engines as its thread has them set.
class TurningGrid {
 public:
  using Replicas = std::map<std::string, uint32_t>;  // by pool

  TurningGrid() {
    const ingest::GridFile file = ingest::parse_grid_file(kNearByNight, "near by night");
    EXPECT_TRUE(file.diagnostics.empty()) << to_string(file.diagnostics.front());
    core_ = std::move(*control::Core::open(log_, nullptr, {.planning = {.periods_max = 2}}));
    set_clock(hours(3));
    submit(grid_file_events(file.entities, core_->state().inventory));
    set_clock(hours(3) + seconds(1));
    set_clock(hours(3) + seconds(1) + control::kQuiet);
  }

  void set_clock(Duration of_day) {
    now_ = Instant{0} + hours(24 * 20'000) + of_day;
    EXPECT_TRUE(core_->tick(now_));
    while (state().pending) submit({result_of(*state().pending)});
    EXPECT_TRUE(core_->tick(now_));
  }
  const control::State& state() const { return core_->state(); }
  planner::DayPeriod hours_in_force() const { return planner::period_of(state().plan->hours()); }

  // As the core's thread publishes. What runs meanwhile is looked at when the new table is there and the old one too.
  Replicas publish() {
    handover_.before_publish(state());
    const Replicas meanwhile = running;
    handover_.published(*state().grid);
    return meanwhile;
  }
  Replicas running;

 private:
  void submit(std::vector<log::Event> events) {
    const auto outcomes = core_->submit({std::move(events)}, now_);
    ASSERT_TRUE(outcomes && outcomes->front());
  }
  log::Event result_of(const control::PendingPlan& wanted) const {
    const control::JobInput input = control::input_of(wanted, state());
    log::Event event;
    if (wanted.is_schedule())
      *event.mutable_schedule_proposed()->mutable_schedule() = planner::to_message(
          planner::schedule(*input.grid, {wanted.periods_max, 1, {1}, input.incumbent.get(), input.schedule.get()}, {}),
          wanted.plan_id, wanted.base);
    else
      *event.mutable_plan_proposed()->mutable_plan() = planner::plan(
          *input.grid, input.incumbent.get(), wanted.plan_id, wanted.seed, {.iterations = 1, .anew = wanted.anew}, {});
    return event;
  }

  log::SimulatedLog log_{1};
  std::unique_ptr<control::Core> core_;
  Instant now_;
  EngineHandover handover_{[this](const grid::Snapshot& grid, const v1::Plan& plan) {
    running.clear();
    for (const runtime::EngineSpec& engine : emulated_engines(grid, plan)) running[engine.pool] += engine.replicas;
  }};
};

TEST(EngineHandover, WhatAPeriodNeedsIsWarmWhenItBeginsAndWhatItLeavesEndsWhenNothingIsSentThere) {
  TurningGrid grid;
  ASSERT_TRUE(grid.state().schedule);
  ASSERT_EQ(grid.hours_in_force(), kNightHours);
  grid.publish();
  const TurningGrid::Replicas night = grid.running;
  ASSERT_EQ(night.size(), 1u);
  ASSERT_TRUE(night.contains("near"));

  const control::PeriodAt at = control::period_at(*grid.state().schedule, Instant{0} + hours(3));
  const auto next = control::period_after(*grid.state().schedule, at);
  const v1::ScheduledPeriod& day = grid.state().schedule->periods(next.period);
  ASSERT_EQ(planner::period_of(day.plan().hours()), kDayHours);
  const double lead_s = std::max(30.0, day.lead_s());  // the cold start of what it adds
  grid.set_clock(hours(7) - seconds(static_cast<int64_t>(lead_s) + 2));
  grid.publish();
  EXPECT_EQ(grid.running, night) << "not yet";
  grid.set_clock(hours(7) - seconds(static_cast<int64_t>(lead_s)));
  grid.publish();
  ASSERT_EQ(grid.hours_in_force(), kNightHours);
  const uint32_t far = grid.running["far"];
  EXPECT_GT(far, 0u) << "a cold start before it begins";
  EXPECT_EQ(grid.running["near"], night.at("near"));

  grid.set_clock(hours(7));
  ASSERT_EQ(grid.hours_in_force(), kDayHours);
  const TurningGrid::Replicas meanwhile = grid.publish();
  EXPECT_EQ(meanwhile.at("near"), night.at("near")) << "requests may be sent there until the table is published";
  EXPECT_EQ(meanwhile.at("far"), far);
  EXPECT_EQ(grid.running, (TurningGrid::Replicas{{"far", far}}));
}

}  // namespace
}  // namespace tandem::app
