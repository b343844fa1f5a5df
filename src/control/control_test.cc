#include "control/control.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "control/replay.h"
#include "log/simulated_log.h"
#include "planner/planner.h"
#include "support/small_world.h"

namespace tandem::control {
namespace {

using test_support::fact;
using test_support::retraction;

log::Event site(const std::string& id) {
  return fact(
      "site", id,
      {{"tier", "core"}, {"latitude_deg", 50}, {"longitude_deg", 10}, {"jurisdiction", "DE"}, {"power_limit_kw", 100}});
}

// A grid with one site, node, pool, region, model, profile, tenant and demand: the least that a plan is asked for.
std::vector<log::Event> small_grid() {
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

// An event of facts of which any part may be wrong.
log::Event drawn_fact(Random& random) {
  const auto one_of = [&](std::initializer_list<Json> values) { return values.begin()[random.below(values.size())]; };
  const char* kinds[] = {"room", "rack", "device", "cable", "node", "site"};
  Json::Object attributes;
  const auto maybe = [&](const char* name, double chance, std::initializer_list<Json> values) {
    if (random.chance(chance)) attributes[name] = one_of(values);
  };
  maybe("name", 0.8, {"R1", "", "caf\u00e9", 7, nullptr});
  maybe("site", 0.8, {"a", "a", "a", "none", "-", Json::Array{"a"}});
  maybe("room", 0.1, {"room-1", "none"});
  maybe("height_u", 0.4, {47, 47.0, 0, -1, 1e9, "47"});
  maybe("role", 0.6, {"router", "ruter"});
  maybe("serial", 0.3, {"S1", "bell\a"});
  maybe("a_end", 0.2, {"site/a", "node/a-r1", "a"});
  maybe("nonsense", 0.02, {1});
  return fact(kinds[random.below(std::size(kinds))], random.chance(0.9) ? "x" + std::to_string(random.below(5)) : "-",
              attributes);
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

TEST(Step, FactsThatCannotBeAreRefusedWithTheFix) {
  World world;
  ASSERT_TRUE(world.submit({site("a")}));
  const struct {
    log::Event event;
    const char* says;
  } cases[] = {
      {fact("sit", "b", {}), "did you mean 'site'"},
      {fact("site", "b", {{"latitude_deg", 91}}), "latitude_deg"},
      {fact("node", "n", {{"site", "b"}, {"role", "router"}}), "site"},
      {fact("site", "a", {{"latitude", 1}}), "latitude_deg"},
      {fact("site", "a b", {}), "id"},
      {fact("site", "c", {{"name", "no more than a name"}}), "jurisdiction"},
      {log::Event(), "body"},
  };
  const Digest before = whole_hash(world.core->state());
  for (const auto& c : cases) {
    const auto refused = world.submit({c.event});
    ASSERT_FALSE(refused) << c.says;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(to_string(refused.error()).find(c.says), std::string::npos) << to_string(refused.error());
  }
  EXPECT_EQ(whole_hash(world.core->state()), before);
}

TEST(Step, WhatIsSeenMustBeThere) {
  World world;
  world.load_small_grid();
  log::Event event;
  event.set_actor("test");
  v1::EntitiesSeen& seen = *event.mutable_entities_seen();
  seen.set_source("scan");
  seen.set_kind("site");
  EXPECT_EQ(world.submit({event}).error().code, ErrorCode::invalid_argument);
  seen.add_ids("a");
  const log::Offset changed = world.core->state().inventory.find("site", "a")->changed;
  ASSERT_TRUE(world.submit({event}));
  const auto& inventory = world.core->state().inventory;
  EXPECT_EQ(inventory.presences("site", "a").back().source, "scan");
  EXPECT_EQ(inventory.presences("site", "a").back().last_seen, world.now);
  EXPECT_EQ(inventory.find("site", "a")->changed, changed);
  for (int i = 0; i < 7; ++i) seen.add_ids("gone-" + std::to_string(i));
  const auto refused = world.submit({event});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::not_found);
  EXPECT_EQ(refused.error().message, "no site 'gone-0', 'gone-1', 'gone-2', 'gone-3', 'gone-4' and 2 more");
  while (static_cast<size_t>(seen.ids_size()) <= inventory::kSeenAtOnceMax) seen.add_ids("a");
  EXPECT_EQ(world.submit({event}).error().code, ErrorCode::too_large);
}

TEST(Step, WhatIsReferredToStays) {
  World world;
  ASSERT_TRUE(world.submit({site("a"), fact("node", "n", {{"site", "a"}, {"role", "router"}})}));
  EXPECT_EQ(world.submit({retraction("site", "a")}).error().code, ErrorCode::conflict);
  EXPECT_EQ(world.submit({retraction("site", "b")}).error().code, ErrorCode::not_found);
  ASSERT_TRUE(world.submit({retraction("node", "n"), retraction("site", "a")}));
  EXPECT_EQ(world.core->state().inventory.size(), 0u);
}

TEST(Step, FactsOfAnyKindOfTheOntologyAreAdmittedAndChecked) {
  World world;
  const auto admitted = world.submit({site("a"), fact("rack", "r1", {{"site", "a"}, {"height_u", 42}}),
                                      fact("device", "d1", {{"rack", "r1"}, {"position_u", 3}, {"serial", "X1"}}),
                                      fact("interface", "d1:eth0", {{"device", "d1"}, {"name", "eth0"}}),
                                      fact("cable", "c1", {{"a_end", "interface/d1:eth0"}, {"b_end", "site/a"}})});
  ASSERT_TRUE(admitted) << to_string(admitted.error());
  const inventory::Snapshot& inventory = world.core->state().inventory;
  EXPECT_EQ(inventory.referrers("interface", "d1:eth0", 9), (std::vector<inventory::Referrer>{{"cable", "c1"}}));
  EXPECT_EQ(inventory.referrers("site", "a", 9), (std::vector<inventory::Referrer>{{"cable", "c1"}, {"rack", "r1"}}));

  const struct {
    log::Event event;
    const char* says;
  } cases[] = {
      {fact("devise", "x", {}), "did you mean 'device'"},
      {fact("device", "x", {{"seriel", "X2"}}), "did you mean 'serial'"},
      {fact("device", "x", {{"rack", "r2"}}), "there is no rack 'r2', did you mean 'r1'"},
      {fact("cable", "c2", {{"a_end", "interface/d1:eth1"}}), "did you mean 'interface/d1:eth0'"},
      {fact("cable", "c2", {{"a_end", "d1:eth0"}}), "write kind/id"},
      {fact("device", "d1", {{"power_max_w", -1}}), "write a plain number of W"},
      {fact("device", "d1", {{"power_max_w", 5}, {"power_typical_w", 6}}), "write at least 6"},
      {fact("interface", "x", {{"mac_address", "00:11"}}), "six pairs"},
  };
  for (const auto& c : cases) {
    const auto refused = world.submit({c.event});
    ASSERT_FALSE(refused) << c.says;
    EXPECT_NE(to_string(refused.error()).find(c.says), std::string::npos) << to_string(refused.error());
  }
  EXPECT_EQ(world.submit({retraction("rack", "r1")}).error().code, ErrorCode::conflict);
}

TEST(Step, WhatAnAlarmWasAboutMayGo) {
  World world;
  ASSERT_TRUE(world.submit({site("a"), fact("device", "d1", {{"site", "a"}}),
                            fact("alarm", "al1", {{"severity", "major"}, {"about", "device/d1"}})}));
  EXPECT_FALSE(world.submit({fact("alarm", "al2", {{"severity", "major"}, {"about", "device/d2"}})}));
  ASSERT_TRUE(world.submit({retraction("device", "d1")}));
  const auto cleared = world.submit({fact("alarm", "al1", {{"severity", "cleared"}})});
  EXPECT_TRUE(cleared) << to_string(cleared.error());
}

TEST(Step, NounsTakeTheAttributesThatTheOntologyAdds) {
  World world;
  world.load_small_grid();
  const auto before = world.core->state().grid;
  ASSERT_TRUE(world.submit({fact("site", "a", {{"external_ids", Json::Array{"netbox:1"}}, {"country", "DE"}})}));
  EXPECT_EQ(world.core->state().grid->sites, before->sites);
  ASSERT_TRUE(world.submit({fact("node", "a-r1", {{"status", "planned"}})}));
  EXPECT_TRUE(world.core->state().grid->nodes.empty());  // what is planned carries no load
  ASSERT_TRUE(world.submit({fact("node", "a-r1", {{"status", "active"}})}));
  EXPECT_EQ(world.core->state().grid->nodes.size(), 1u);
}

TEST(Core, OnlyWhatPlansAreMadeFromAsksForAPlan) {
  World world;
  world.load_small_grid();
  ASSERT_TRUE(world.core->tick(world.now));
  ASSERT_TRUE(world.core->state().pending);
  EXPECT_EQ(world.core->state().replan_after, 0u);
  const auto grid = world.core->state().grid;
  ASSERT_TRUE(world.submit(
      {fact("rack", "r1", {{"site", "a"}}), fact("rack", "r2", {{"site", "a"}}), retraction("rack", "r2")}));
  ASSERT_TRUE(world.submit({fact("site", "a", {{"country", "DE"}})}));
  EXPECT_EQ(world.core->state().replan_after, 0u);
  EXPECT_EQ(world.core->state().grid, grid);
  const auto changed = world.submit({fact("pool", "a-gpu", {{"count", 3}})});
  ASSERT_TRUE(changed);
  EXPECT_EQ(world.core->state().replan_after, *changed);
}

TEST(Core, AGroupIsTakenWholeOrNotAtAll) {
  World world;
  const auto refused =
      world.submit({site("a"), site("b"), fact("node", "n", {{"site", "nowhere"}, {"role", "router"}})});
  ASSERT_FALSE(refused);
  EXPECT_EQ(world.core->state().inventory.size(), 0u);
  EXPECT_EQ(world.log.head()->last, 0u);
}

TEST(Core, TheProjectionFollowsEachCommit) {
  World world;
  ASSERT_TRUE(world.submit({site("a")}));
  EXPECT_EQ(world.core->state().grid->sites.size(), 1u);
  ASSERT_TRUE(world.submit({fact("site", "a", {{"state", "down"}})}));
  EXPECT_EQ(world.core->state().grid->sites[0].state, grid::State::down);
}

TEST(Core, AsksForOnePlanAndTakesOnlyThatOne) {
  World world;
  world.load_small_grid();
  ASSERT_TRUE(world.core->state().pending);
  const PendingPlan pending = *world.core->state().pending;
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 2}})}));
  EXPECT_EQ(world.core->state().pending, pending);  // one at a time; the change is remembered
  EXPECT_GT(world.core->state().replan_after, 0u);

  log::Event proposal;
  proposal.mutable_plan_proposed()->mutable_plan()->set_id("plan-of-another-time");
  EXPECT_EQ(world.submit({proposal}).error().code, ErrorCode::conflict);
}

TEST(Core, APlanThatBreaksAConstraintIsRejectedAndAskedForAgain) {
  World world;
  world.load_small_grid();
  log::Event proposal;
  v1::Plan& plan = *proposal.mutable_plan_proposed()->mutable_plan();
  plan.set_id(world.core->state().pending->plan_id);
  v1::PlannedDeployment& deployment = *plan.add_deployments();
  deployment.set_id("m@nowhere");
  deployment.set_pool("nowhere");
  deployment.set_model("m");
  deployment.set_replicas(1);
  ASSERT_TRUE(world.submit({proposal}));
  EXPECT_EQ(world.core->state().plan, nullptr);
  EXPECT_FALSE(world.core->state().pending);
  world.now = world.now + seconds(5);
  ASSERT_TRUE(world.core->tick(world.now));
  EXPECT_TRUE(world.core->state().pending);
}

TEST(Core, AnOverduePlanIsAskedForAgain) {
  World world;
  world.load_small_grid();
  const std::string first = world.core->state().pending->plan_id;
  world.now = world.now + minutes(5);
  ASSERT_TRUE(world.core->tick(world.now));
  EXPECT_NE(world.core->state().pending->plan_id, first);
}

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

std::vector<log::Event> large_grid() {
  std::vector<log::Event> grid = small_grid();
  const log::Event demand = grid.back();
  for (int i = 0; i < 2'000; ++i) {
    grid.push_back(demand);
    grid.back().mutable_facts_recorded()->set_id("d" + std::to_string(i));
  }
  return grid;
}

TEST(Core, ALargeGridHasADraftUntilItsWholePlanIsThere) {
  PlannedWorld world(large_grid());
  EXPECT_EQ(world.pending().work_limit, 0u) << "a draft";
  world.propose();
  ASSERT_TRUE(world.core->state().plan);
  EXPECT_TRUE(world.plan().draft());
  const PendingPlan whole = world.pending();
  EXPECT_EQ(whole.work_limit, 10'000u);

  world.change();
  EXPECT_NE(world.pending().plan_id, whole.plan_id);
  EXPECT_EQ(world.pending().work_limit, 0u) << "the change does not wait for the whole plan";
  world.propose();
  EXPECT_EQ(world.pending().work_limit, 10'000u);
  world.propose();
  EXPECT_FALSE(world.plan().draft());
  EXPECT_FALSE(world.core->state().pending);

  world.change();
  EXPECT_EQ(world.pending().work_limit, 10'000u) << "of a whole plan, mended, no draft is made";
}

TEST(Core, AfterAQuickPlanTheGridIsSearchedWholeOnceItIsQuiet) {
  PlannedWorld world(small_grid());
  world.propose();
  EXPECT_FALSE(world.plan().mended());
  world.pass(hours(1));
  EXPECT_FALSE(world.core->state().pending) << "the first plan was whole";

  world.change();
  EXPECT_FALSE(world.pending().anew);
  world.propose();
  EXPECT_TRUE(world.plan().mended());
  world.pass(kQuiet - seconds(1));
  EXPECT_FALSE(world.core->state().pending);
  world.change();  // what happens in between begins the wait anew
  world.propose();
  world.pass(kQuiet - seconds(2));
  log::Event published;  // but not what is no change of the grid
  published.mutable_routing_table_published()->set_plan_id(world.plan().id());
  ASSERT_TRUE(world.submit({published}));
  EXPECT_FALSE(world.core->state().pending);
  world.pass(seconds(1));
  EXPECT_TRUE(world.pending().anew);
  EXPECT_EQ(world.pending().reason, "searched again after the grid was quiet");

  world.change();
  EXPECT_FALSE(world.pending().anew) << "a change does not wait for the search";
  world.propose();
  world.pass(kQuiet);
  world.propose();
  EXPECT_FALSE(world.plan().mended());
  EXPECT_EQ(world.plan().reason(), "searched again after the grid was quiet");
  world.pass(hours(24));
  EXPECT_FALSE(world.core->state().pending) << "not again until something changes";
}

TEST(Core, ASearchThatNobodyWaitsForHasLongerBeforeItIsTakenForLost) {
  PlannedWorld world(small_grid());
  world.propose();
  world.change();
  world.propose();
  world.pass(kQuiet);
  const std::string first = world.pending().plan_id;
  world.pass(seconds(120));
  EXPECT_EQ(world.pending().plan_id, first);
  world.pass(seconds(120));
  EXPECT_NE(world.pending().plan_id, first);
  EXPECT_TRUE(world.pending().anew);
}

TEST(Core, AWholePlanIsPostponedOnlySoLong) {
  for (const bool large : {false, true}) {
    PlannedWorld world(large ? large_grid() : small_grid());
    world.keep_busy();
    const PendingPlan whole = world.pending();
    EXPECT_TRUE(whole.anew) << whole.reason;
    world.change();
    EXPECT_EQ(world.pending(), whole) << "now the change waits";
    world.propose();
    EXPECT_FALSE(world.plan().draft() || world.plan().mended());
    EXPECT_FALSE(world.pending().anew) << "what changed meanwhile comes next";
  }
}

TEST(Core, AQuickPlanThatWasRefusedIsNotMadeAgain) {
  PlannedWorld world(large_grid());
  world.propose_nonsense();
  EXPECT_FALSE(world.core->state().pending) << "a pause";
  world.pass(seconds(1));
  EXPECT_EQ(world.pending().work_limit, 10'000u) << world.pending().reason;
  world.change();
  EXPECT_EQ(world.pending().work_limit, 0u) << "of another grid a draft may stand";
  world.change();
  world.propose_nonsense();
  world.pass(seconds(1));
  EXPECT_EQ(world.pending().work_limit, 0u) << "the grid had changed since it was asked for";
}

TEST(Core, AWholePlanThatIsRefusedIsPostponedAnew) {
  PlannedWorld world(small_grid());
  world.keep_busy();
  ASSERT_TRUE(world.pending().anew);
  world.change();
  world.propose_nonsense();
  EXPECT_EQ(world.core->state().unsearched_since, world.now);
  world.pass(seconds(1));
  EXPECT_FALSE(world.pending().anew) << "what changed is mended first";
}

TEST(Core, ASearchThatIsRefusedIsNotRepeatedAtOnce) {
  for (const bool large : {false, true}) {
    PlannedWorld world(large ? large_grid() : small_grid());
    world.propose();
    if (!large) {
      world.change();
      world.propose();
      world.pass(kQuiet);
    }
    ASSERT_TRUE(world.pending().anew);
    const Instant refused_at = world.now;
    world.propose_nonsense();
    while (world.now < refused_at + kPostponedMax - seconds(30)) {
      world.pass(seconds(20));
      ASSERT_FALSE(world.core->state().pending) << "the plan in force stands, and nothing has changed";
    }
    world.pass(seconds(40));
    EXPECT_TRUE(world.pending().anew);
  }
}

TEST(Core, ChangesDoNotWaitForASearchThatIsLost) {
  PlannedWorld world(small_grid());
  world.keep_busy();
  ASSERT_TRUE(world.pending().anew);
  world.change();
  world.pass(seconds(240));
  EXPECT_FALSE(world.pending().anew) << world.pending().reason;
  world.propose();
  EXPECT_TRUE(world.pending().anew) << "it is still due";
}

// A demand that is busy from 8 to 20 by its region's clock, which is an hour ahead of UTC, and hardly there at night.
std::vector<log::Event> daily_grid() {
  Json::Array fractions;
  for (int hour = 0; hour < 24; ++hour) fractions.push_back(hour >= 8 && hour < 20 ? 1.0 : 0.05);
  std::vector<log::Event> grid = small_grid();
  grid.push_back(fact("day_profile", "office", {{"rate_fraction", fractions}}));
  grid.push_back(fact("region", "r", {{"utc_offset_hour", 1}}));
  grid.push_back(fact("demand", "d", {{"day_profile", "office"}, {"rate_per_s", 20}}));
  return grid;
}

constexpr planner::DayPeriod kNight{19, 12}, kDay{7, 12};  // UTC

// The same, with the job that makes schedules, and the clock put where it is wanted.
struct DailyWorld : PlannedWorld {
  DailyWorld() : PlannedWorld(daily_grid()) {
    set_clock(hours(6));
    propose();
    pass(kQuiet);
  }
  const v1::Schedule& schedule() const { return *core->state().schedule; }
  uint32_t replicas() const {
    uint32_t sum = 0;
    for (const auto& row : plan().deployments()) sum += row.replicas();
    return sum;
  }
  planner::DayPeriod hours_in_force() const { return planner::period_of(plan().hours()); }
  // Goes by the two periods of its day from now on.
  void schedule_the_day() {
    propose_job();
    pass(milliseconds(100));
    ASSERT_EQ(hours_in_force(), kNight);
  }
  // Half of the demand's accelerators are gone: the plan of the day no longer stands, that of the night does.
  void lose_accelerators() { ASSERT_TRUE(submit({fact("pool", "a-gpu", {{"count", 1}})})); }
  void set_clock(Duration of_day) {
    now = Instant{0} + hours(24 * 20'000) + of_day;
    ASSERT_TRUE(core->tick(now));
  }
  log::Event proposal_of_job() const {
    log::Event event;
    const PendingPlan asked = pending();
    const JobInput input = input_of(asked, core->state());
    if (asked.is_schedule())
      *event.mutable_schedule_proposed()->mutable_schedule() = planner::to_message(
          planner::schedule(*input.grid, {asked.periods_max, 1, {1}, input.incumbent.get(), input.schedule.get()}, {}),
          asked.plan_id, asked.base);
    else
      *event.mutable_plan_proposed()->mutable_plan() = planner::plan(
          *input.grid, input.incumbent.get(), asked.plan_id, asked.seed, {.iterations = 1, .anew = asked.anew}, {});
    return event;
  }
  void propose_job() {
    const auto taken = submit({proposal_of_job()});
    ASSERT_TRUE(taken) << to_string(taken.error());
  }
};

TEST(Schedules, AGridWhoseDayVariesRunsByThePeriodsOfItsSchedule) {
  DailyWorld world;
  ASSERT_TRUE(world.pending().is_schedule()) << world.pending().reason;
  const uint32_t busiest = world.replicas();
  world.propose_job();
  ASSERT_TRUE(world.core->state().schedule);
  ASSERT_EQ(world.schedule().periods_size(), 2);
  world.pass(milliseconds(100));
  EXPECT_EQ(world.hours_in_force(), kNight) << "it is 6 h, UTC; the night ends at 8 there, at 7 here";
  const uint32_t night = world.replicas();
  EXPECT_LT(night, busiest);

  world.set_clock(hours(7) - seconds(40));
  EXPECT_FALSE(world.core->state().preparing);
  world.set_clock(hours(7) - seconds(20));
  EXPECT_EQ(world.core->state().preparing, kDay) << "what the day adds is to be warm by then";
  EXPECT_EQ(world.replicas(), night);
  world.set_clock(hours(7));
  EXPECT_EQ(world.hours_in_force(), kDay);
  EXPECT_EQ(world.replicas(), busiest);
  EXPECT_FALSE(world.core->state().preparing);
  EXPECT_FALSE(world.core->state().pending);
  world.set_clock(hours(24 + 3));
  EXPECT_EQ(world.hours_in_force(), kNight) << "also over midnight";
  EXPECT_EQ(whole_hash(*replay(world.log)), whole_hash(world.core->state()));
}

TEST(Schedules, FollowTheClockWhereverItIsSet) {
  DailyWorld world;
  world.schedule_the_day();
  for (const auto& [hour, expected] : std::initializer_list<std::pair<int, planner::DayPeriod>>{
           {12, kDay}, {7, kDay}, {6, kNight}, {18, kDay}, {19, kNight}, {48 + 9, kDay}, {23, kNight}, {0, kNight}}) {
    world.set_clock(hours(hour));
    EXPECT_EQ(world.hours_in_force(), expected) << hour << ":00; the log's time never goes back, the hour does";
  }
}

TEST(Schedules, WhatIsPreparedIsNotWhereTheClockIsSetBack) {
  DailyWorld world;
  world.schedule_the_day();
  world.set_clock(hours(7) - seconds(20));
  ASSERT_EQ(world.core->state().preparing, kDay);
  world.set_clock(hours(5));
  EXPECT_FALSE(world.core->state().preparing);
  EXPECT_EQ(world.hours_in_force(), kNight);
  const log::Offset head = world.core->state().head.last();
  world.pass(hours(1));
  EXPECT_EQ(world.core->state().head.last(), head) << "said once";
}

TEST(Schedules, AChangeAtAPeriodsBeginDoesNotHoldItUp) {
  DailyWorld world;
  world.schedule_the_day();
  world.now = Instant{0} + hours(24 * 20'000 + 7);
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 19}})}));
  EXPECT_FALSE(world.core->state().pending) << "what the schedule has for these hours may stand";
  world.pass(milliseconds(100));
  EXPECT_EQ(world.hours_in_force(), kDay);
  world.pass(milliseconds(100));
  EXPECT_EQ(world.pending().hours, kDay) << "and takes the change in";
}

TEST(Schedules, NothingIsAskedForWhereThereIsNothingToPlan) {
  DailyWorld world;
  world.schedule_the_day();
  ASSERT_TRUE(world.submit({retraction("pool", "a-gpu")}));
  world.set_clock(hours(12));
  EXPECT_FALSE(world.core->state().pending);
}

TEST(Schedules, GoOnInTheMiddleOfADayAfterARestart) {
  DailyWorld world;
  world.schedule_the_day();
  world.set_clock(hours(12));
  const std::string plan = world.plan().id();
  world.core = std::move(*Core::open(world.log, nullptr, {}));
  world.pass(seconds(1));
  EXPECT_EQ(world.plan().id(), plan) << "nothing begins again";
  world.core = std::move(*Core::open(world.log, nullptr, {}));
  world.set_clock(hours(20));
  EXPECT_EQ(world.hours_in_force(), kNight) << "and what began while nothing ran begins at the start";
}

TEST(Schedules, AChangeMendsThePeriodAndThenTheRestOfTheDay) {
  DailyWorld world;
  world.schedule_the_day();
  const std::string before = world.schedule().id();
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 22}})}));
  EXPECT_TRUE(world.core->state().schedule_stale);
  EXPECT_EQ(world.pending().hours, kNight);
  world.propose_job();
  EXPECT_EQ(world.hours_in_force(), kNight);
  EXPECT_TRUE(world.plan().mended());
  world.pass(kQuiet);
  ASSERT_TRUE(world.pending().is_schedule()) << "which searches these hours as well; " << world.pending().reason;
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 20}})}));
  EXPECT_FALSE(world.pending().is_schedule()) << "a change does not wait for it";
  world.propose_job();
  world.pass(kQuiet);
  world.propose_job();
  EXPECT_NE(world.schedule().id(), before);
  EXPECT_FALSE(world.core->state().schedule_stale);
  world.pass(milliseconds(100));
  EXPECT_EQ(world.hours_in_force(), kNight);
  EXPECT_FALSE(world.core->state().unsearched_since);
  world.pass(hours(3));
  EXPECT_FALSE(world.core->state().pending) << "not again until something changes";
}

TEST(Schedules, APeriodWhosePlanNoLongerStandsIsMendedFirst) {
  DailyWorld world;
  world.schedule_the_day();
  world.lose_accelerators();
  world.propose_job();
  const std::string night = world.plan().id();
  world.set_clock(hours(7));
  EXPECT_EQ(world.plan().id(), night) << "until there is one, what there was goes on";
  EXPECT_EQ(world.pending().hours, kDay);
  EXPECT_NE(world.pending().reason.find("no longer stands"), std::string::npos) << world.pending().reason;
  world.propose_job();
  EXPECT_EQ(world.hours_in_force(), kDay);
  EXPECT_EQ(world.replicas(), 1u);
}

TEST(Schedules, AMendedPlanThatIsRefusedIsNotMadeAgainForThePeriod) {
  DailyWorld world;
  world.schedule_the_day();
  world.lose_accelerators();
  world.propose_job();
  world.set_clock(hours(7));
  ASSERT_EQ(world.pending().hours, kDay);
  log::Event nonsense = world.proposal_of_job();
  nonsense.mutable_plan_proposed()->mutable_plan()->mutable_deployments(0)->set_replicas(1'000);
  ASSERT_TRUE(world.submit({nonsense}));
  world.pass(seconds(2));
  EXPECT_TRUE(world.pending().anew) << world.pending().reason;
  EXPECT_EQ(world.pending().hours, kDay);
  world.propose_job();
  EXPECT_EQ(world.hours_in_force(), kDay);
}

TEST(Schedules, APlanForHoursThatAreOverComesTooLate) {
  DailyWorld world;
  world.schedule_the_day();
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 19}})}));
  const log::Event late = world.proposal_of_job();
  world.set_clock(hours(7));
  EXPECT_EQ(world.hours_in_force(), kDay) << "the period does not wait for the plan of the one before";
  EXPECT_EQ(world.submit({late}).error().code, ErrorCode::conflict);
  EXPECT_EQ(world.pending().hours, kDay) << "the change is taken in by this period's plan";
  world.propose_job();
  EXPECT_TRUE(world.plan().mended());
}

TEST(Schedules, APeriodBeginsWhileAScheduleIsMade) {
  DailyWorld world;
  world.schedule_the_day();
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 19}})}));
  world.propose_job();
  world.pass(kQuiet);
  const log::Event made = world.proposal_of_job();
  ASSERT_TRUE(made.has_schedule_proposed());
  world.set_clock(hours(7));
  EXPECT_EQ(world.hours_in_force(), kDay);
  world.pass(milliseconds(100));
  // The plan that has begun was made before the change, so it is mended, and the schedule is made once more.
  EXPECT_EQ(world.submit({made}).error().code, ErrorCode::conflict);
  EXPECT_EQ(world.pending().hours, kDay);
}

TEST(Schedules, WhatIsNoDayIsRefusedAndPostponed) {
  DailyWorld world;
  log::Event gap = world.proposal_of_job();
  gap.mutable_schedule_proposed()->mutable_schedule()->mutable_periods(0)->mutable_plan()->mutable_hours()->set_hours(
      11);
  ASSERT_TRUE(world.submit({gap}));
  EXPECT_FALSE(world.core->state().schedule);
  EXPECT_FALSE(world.core->state().pending);
  world.pass(kPostponedMax - seconds(5));
  EXPECT_FALSE(world.core->state().pending);
  world.pass(seconds(10));
  ASSERT_TRUE(world.pending().is_schedule());
  log::Event overloaded = world.proposal_of_job();
  for (v1::ScheduledPeriod& period : *overloaded.mutable_schedule_proposed()->mutable_schedule()->mutable_periods())
    period.mutable_plan()->mutable_deployments(0)->set_replicas(1'000);
  ASSERT_TRUE(world.submit({overloaded}));
  EXPECT_FALSE(world.core->state().schedule);
  log::Event accepted;
  accepted.mutable_schedule_accepted();
  EXPECT_EQ(world.submit({accepted}).error().code, ErrorCode::invalid_argument) << "that is the core's to say";
}

TEST(Schedules, EndWhereTheHoursAreAlike) {
  DailyWorld world;
  world.schedule_the_day();
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"day_profile", Json()}, {"rate_per_s", 10}})}));
  while (world.core->state().schedule) {
    ASSERT_TRUE(world.core->state().pending);
    world.propose_job();
    world.pass(kQuiet);
  }
  EXPECT_FALSE(world.plan().has_hours());
  world.pass(hours(7));
  EXPECT_FALSE(world.core->state().pending);
}

TEST(Schedules, AreNotAskedForWhereAllHoursShallBeOnePlan) {
  DailyWorld world;
  world.schedule_the_day();
  world.core = std::move(*Core::open(world.log, nullptr, {.planning = {.periods_max = 0}}));
  world.pass(kQuiet);
  EXPECT_FALSE(world.pending().is_schedule());
  EXPECT_FALSE(world.pending().hours);
  world.propose_job();
  EXPECT_FALSE(world.core->state().schedule);
  EXPECT_FALSE(world.plan().has_hours());
}

TEST(Schedules, AfterARestartHaveNoMorePeriodsThanAreWanted) {
  DailyWorld world;
  world.core = std::move(*Core::open(world.log, nullptr, {.planning = {.periods_max = 0}}));
  ASSERT_TRUE(world.pending().is_schedule());
  world.pass(seconds(1));
  EXPECT_FALSE(world.pending().is_schedule()) << "none is";

  DailyWorld other;
  log::Event made = other.proposal_of_job();
  v1::Schedule& schedule = *made.mutable_schedule_proposed()->mutable_schedule();
  v1::ScheduledPeriod later = schedule.periods(1);  // the night in two
  ASSERT_EQ(planner::period_of(later.plan().hours()), kNight);
  schedule.mutable_periods(1)->mutable_plan()->mutable_hours()->set_hours(5);
  later.mutable_plan()->mutable_hours()->set_from_hour(0);
  later.mutable_plan()->mutable_hours()->set_hours(7);
  v1::Schedule three = schedule;
  three.clear_periods();
  *three.add_periods() = later;
  *three.add_periods() = schedule.periods(0);
  *three.add_periods() = schedule.periods(1);
  schedule = three;
  ASSERT_TRUE(other.submit({made}));
  ASSERT_EQ(other.schedule().periods_size(), 3);
  other.core = std::move(*Core::open(other.log, nullptr, {.planning = {.periods_max = 2}}));
  other.pass(milliseconds(100));
  other.pass(kQuiet);
  ASSERT_TRUE(other.pending().is_schedule());
  other.propose_job();
  EXPECT_EQ(other.schedule().periods_size(), 2);
  other.pass(kQuiet);
  EXPECT_FALSE(other.core->state().pending);
}

TEST(Core, TimeOnTheLogNeverGoesBack) {
  World world;
  ASSERT_TRUE(world.submit({site("a")}));
  world.now = world.now - hours(1);
  ASSERT_TRUE(world.submit({site("b")}));
  const auto batches = world.log.read(1, 1 << 20);
  EXPECT_GE((*batches)[1].header.at, (*batches)[0].header.at);
}

TEST(Core, AfterAnUnknownOutcomeNothingIsTakenUntilItIsOpenedAgain) {
  World world;
  ASSERT_TRUE(world.submit({site("a")}));
  world.log.set_faults({.append_unknown = 1});
  EXPECT_EQ(world.submit({site("b")}).error().code, ErrorCode::io);
  world.log.set_faults({});
  EXPECT_EQ(world.submit({site("c")}).error().code, ErrorCode::io);
  world.log.crash();
  auto reopened = Core::open(world.log, nullptr, {});
  ASSERT_TRUE(reopened);
  EXPECT_EQ((*reopened)->state().inventory.offset(), world.log.head()->last);
}

TEST(Core, AnyEarlierStateIsTheReplayUpToIt) {
  World world;
  world.load_small_grid();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 1 + i}})}));
  const log::Offset head = world.core->state().inventory.offset();
  for (log::Offset offset = 0; offset <= head; offset += 7) {
    const auto state = world.core->state_at(offset);
    ASSERT_TRUE(state);
    State replayed = empty_state();
    ASSERT_TRUE(replay_onto(replayed, world.log, offset));
    EXPECT_EQ(whole_hash(*state), whole_hash(replayed)) << offset;
    EXPECT_EQ(*state->grid, *replayed.grid) << offset;
  }
  EXPECT_EQ(world.core->state_at(head + 1).error().code, ErrorCode::not_found);
}

class Checkpoints : public testing::Test {
 protected:
  Checkpoints()
      : directory_(std::filesystem::temp_directory_path() / ("tandem-checkpoints-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(directory_);
    store_ = directory_checkpoints(directory_);
  }
  ~Checkpoints() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
  std::unique_ptr<CheckpointStore> store_;
};

TEST_F(Checkpoints, OpenToTheSameStateAsReplay) {
  World world(store_.get());
  world.load_small_grid();
  ASSERT_TRUE(write_checkpoint(world.core->state(), *store_));
  const log::Offset written = world.core->state().inventory.offset();
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 9}})}));
  const auto opened = Core::open(world.log, store_.get(), {});
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->opened_from(), written);
  EXPECT_EQ(world.core->opened_from(), 0u);
  EXPECT_EQ(whole_hash((*opened)->state()), whole_hash(*replay(world.log)));
  EXPECT_EQ(*(*opened)->state().grid, *world.core->state().grid);
}

TEST_F(Checkpoints, HoldTheScheduleAndWhereItStands) {
  DailyWorld world;
  world.schedule_the_day();
  world.set_clock(hours(7) - seconds(10));
  ASSERT_TRUE(world.submit({fact("demand", "d", {{"rate_per_s", 19}})}));
  const State& state = world.core->state();
  ASSERT_TRUE(state.preparing && state.schedule_stale && state.pending && state.pending->hours);
  const auto decoded = decode_checkpoint(encode_checkpoint(state));
  ASSERT_TRUE(decoded) << to_string(decoded.error());
  EXPECT_EQ(whole_hash(*decoded), whole_hash(state));
  EXPECT_EQ(decoded->pending, state.pending);
  EXPECT_EQ(decoded->preparing, state.preparing);
}

TEST_F(Checkpoints, DamageAndOtherLogsAreSeenAndLeftOut) {
  World other;
  other.load_small_grid();
  ASSERT_TRUE(write_checkpoint(other.core->state(), *store_));
  World world(store_.get());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(world.submit({site("s" + std::to_string(i))}));
  const auto opened = Core::open(world.log, store_.get(), {});
  ASSERT_TRUE(opened);
  EXPECT_EQ(whole_hash((*opened)->state()), whole_hash(*replay(world.log)));

  ASSERT_TRUE(write_checkpoint(world.core->state(), *store_));
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('\x7f');
  }
  const auto again = Core::open(world.log, store_.get(), {});
  ASSERT_TRUE(again);
  EXPECT_EQ(whole_hash((*again)->state()), whole_hash(world.core->state()));
}

// The head of a checkpoint is not part of what its digest proves.
TEST_F(Checkpoints, AHeadThatStandsAheadOfItsStateIsLeftOut) {
  World world(store_.get());
  world.load_small_grid();
  State state = world.core->state();
  state.head.first += 1'000'000;
  ASSERT_TRUE(write_checkpoint(state, *store_));
  const auto opened = Core::open(world.log, store_.get(), {});
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->opened_from(), 0u);
  EXPECT_EQ(whole_hash((*opened)->state()), whole_hash(world.core->state()));
}

TEST_F(Checkpoints, MutatedBytesNeverDecodeToAnotherState) {
  World world;
  world.load_small_grid();
  const std::string good = encode_checkpoint(world.core->state());
  const Digest digest = whole_hash(world.core->state());
  ASSERT_TRUE(decode_checkpoint(good));
  Random random(11);
  int refused = 0;
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes = good;
    for (uint64_t edits = 1 + random.below(3); edits > 0; --edits)
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    if (random.chance(0.1)) bytes.resize(random.below(bytes.size()));
    const auto state = decode_checkpoint(bytes);
    if (!state)
      ++refused;
    else
      EXPECT_EQ(whole_hash(*state), digest);
  }
  EXPECT_GT(refused, 1'500);
}

// What is told at a glance is what the whole check says: it is made to look by a time from which the facts are true.
TEST(Step, FactsAreAdmittedAlikeHoweverTheyAreChecked) {
  Random random(5);
  State state = empty_state();
  inventory::ChangeSet changes;
  const auto take = [&](const log::Event& event) {
    fold(state, event, state.inventory.offset() + 1, {1'000}, changes);
  };
  for (const log::Event& event : small_grid()) take(event);
  size_t admitted = 0;
  for (int i = 0; i < 20'000; ++i) {
    const log::Event event = drawn_fact(random);
    log::Event looked_at = event;
    looked_at.mutable_facts_recorded()->set_valid_from_ns(1);
    const auto glance = step(state, event, {1'000}), whole = step(state, looked_at, {1'000});
    ASSERT_EQ(glance.has_value(), whole.has_value()) << event.ShortDebugString();
    if (!glance) {
      EXPECT_EQ(glance.error(), whole.error());
      continue;
    }
    ++admitted;
    log::Event same = glance->front();
    same.mutable_facts_recorded()->set_valid_from_ns(1);
    EXPECT_EQ(same.SerializeAsString(), whole->front().SerializeAsString());
    if (random.chance(0.01)) take(glance->front());
  }
  EXPECT_GT(admitted, 500u);
}

}  // namespace
}  // namespace tandem::control
