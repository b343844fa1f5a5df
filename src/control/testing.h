// For tests: a sequencer over a simulated log, of the smallest grid that is planned.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "control/control.h"
#include "log/simulated_log.h"
#include "planner/planner.h"
#include "support/small_world.h"

namespace tandem::control {

using test_support::fact;

inline log::Event site(const std::string& id) {
  return fact(
      "site", id,
      {{"tier", "core"}, {"latitude_deg", 50}, {"longitude_deg", 10}, {"jurisdiction", "DE"}, {"power_limit_kw", 100}});
}

// A grid with one site, node, pool, region, model, profile, tenant and demand: the least that a plan is asked for.
inline std::vector<log::Event> small_grid() {
  return {
      site("a"),
      fact("node", "a-r1", {{"site", "a"}, {"role", "router"}}),
      fact("accelerator", "gpu",
           {{"memory_gb", 80}, {"idle_power_w", 60}, {"peak_power_w", 700}, {"price_eur_per_hour", 2}}),
      fact("pool", "a-gpu", {{"site", "a"}, {"node", "a-r1"}, {"accelerator", "gpu"}, {"count", 4}}),
      fact("model", "m",
           {{"parameters_billion", 8}, {"weights_gb", 16}, {"kv_bytes_per_token", 131072}, {"context_tokens", 8192}}),
      fact("profile", "m-gpu",
           {{"model", "m"},
            {"accelerator", "gpu"},
            {"prefill_tokens_per_s", 20000},
            {"kv_memory_gb", 50},
            {"source", "test"},
            {"points", Json::Array{Json::Object{{"batch", 8}, {"decode_ms_per_token", 10}, {"power_w", 500}}}}}),
      fact("region", "r",
           {{"latitude_deg", 50},
            {"longitude_deg", 10},
            {"prefixes", Json::Array{"10.0.0.0/16"}},
            {"anchors",
             Json::Array{Json::Object{{"node", "a-r1"}, {"access_delay_us", 5000}, {"backhaul_delay_us", 500}}}}}),
      fact("tenant", "t", {{"ttft_ms", 500}, {"tpot_ms", 50}}),
      fact("demand", "d",
           {{"tenant", "t"},
            {"region", "r"},
            {"model", "m"},
            {"rate_per_s", 1},
            {"prompt_tokens", 100},
            {"output_tokens", 50}})};
}

struct World {
  explicit World(CheckpointStore* checkpoints = nullptr) {
    auto opened = Core::open(log, checkpoints, {});
    EXPECT_TRUE(opened);
    core = std::move(*opened);
  }
  Result<log::Offset> submit(std::vector<log::Event> group) {
    now = now + seconds(1);
    auto outcomes = core->submit({std::move(group)}, now);
    if (!outcomes) return tl::unexpected(outcomes.error());
    return std::move(outcomes->front());
  }
  void load_small_grid() {
    const auto loaded = submit(small_grid());
    ASSERT_TRUE(loaded) << to_string(loaded.error());
  }

  log::SimulatedLog log{1};
  std::unique_ptr<Core> core;
  Instant now{1'000'000'000};
};

// Plans as the job would, with little work, in a world whose time passes only when told.
struct PlannedWorld : World {
  explicit PlannedWorld(std::vector<log::Event> grid) { EXPECT_TRUE(submit(std::move(grid))); }
  PendingPlan pending() const { return core->state().pending.value_or(PendingPlan{}); }
  const v1::Plan& plan() const { return *core->state().plan; }
  log::Event proposal() const {
    log::Event event;
    const PendingPlan asked = pending();
    *event.mutable_plan_proposed()->mutable_plan() =
        planner::plan(*core->state().grid, core->state().plan.get(), asked.plan_id, asked.seed,
                      {.iterations = std::min<uint64_t>(asked.work_limit, 1), .anew = asked.anew}, {});
    return event;
  }
  void propose() { ASSERT_TRUE(submit({proposal()})); }
  // One that no grid could carry out.
  void propose_nonsense() {
    log::Event event = proposal();
    event.mutable_plan_proposed()->mutable_plan()->mutable_deployments(0)->set_replicas(1'000);
    ASSERT_TRUE(submit({event}));
  }
  void pass(Duration time) {
    now = now + time;
    ASSERT_TRUE(core->tick(now));
  }
  // The grid never comes to rest, until it is searched whole all the same.
  void keep_busy() {
    propose();
    change();
    propose();
    const Instant end = *core->state().unsearched_since + kPostponedMax;
    while (now < end) {
      ASSERT_FALSE(pending().work_limit > 0 && pending().anew != plan().draft());
      pass(kQuiet - seconds(5));
      change();
      if (now < end) propose();
    }
  }
  void change() { ASSERT_TRUE(submit({fact("demand", "d", {{"rate_per_s", 1 + ++changes % 2}})})); }
  int changes = 0;
};

}  // namespace tandem::control
