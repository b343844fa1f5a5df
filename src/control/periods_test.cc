// A running grid goes by the periods of its day.
#include <gtest/gtest.h>

#include <cmath>

#include "control/replay.h"
#include "control/testing.h"
#include "planner/planner.h"

namespace tandem::control {
namespace {

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
    propose();
    set_clock(hours(6));
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

TEST(Schedules, APeriodThatBeginsSaysItsMovesAndWhatTheyCost) {
  DailyWorld world;
  world.schedule_the_day();
  const uint32_t night = world.replicas();
  world.set_clock(hours(7));
  ASSERT_EQ(world.hours_in_force(), kDay);
  const uint32_t moves = world.replicas() - night;
  ASSERT_GT(moves, 0u);
  EXPECT_EQ(world.plan().moves(), moves);
  const v1::Plan* planned = nullptr;
  for (const v1::ScheduledPeriod& period : world.schedule().periods())
    if (planner::period_of(period.plan().hours()) == kDay) planned = &period.plan();
  ASSERT_TRUE(planned);
  const double penalty = world.core->state().grid->policy.move_penalty.value();
  EXPECT_DOUBLE_EQ(world.plan().cost_eur_per_hour(), planned->cost_eur_per_hour() + moves * penalty);
  EXPECT_EQ(planned->moves(), 0u) << "which does not depend on what was before";
}

// As a version wrote it that did not count them in the plan: state is as it was then, for ever.
TEST(Schedules, APeriodThatBeganWithoutAPriceOfItsMovesReplaysAsItWas) {
  DailyWorld world;
  world.schedule_the_day();
  State state = world.core->state();
  log::Event event;
  v1::PeriodBegun& begun = *event.mutable_period_begun();
  begun.set_schedule_id(state.schedule->id());
  *begun.mutable_hours() = planner::to_message(kDay);
  begun.set_plan_id("plan-99");
  begun.set_moves(3);
  inventory::ChangeSet changes;
  fold(state, event, state.inventory.offset() + 1, world.now, changes);
  ASSERT_EQ(state.plan->id(), "plan-99");
  EXPECT_EQ(state.plan->moves(), 0u);
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

TEST(Schedules, ADemandThatNobodyIsExpectedToUseIsServedAllTheSame) {
  DailyWorld world;
  const Json::Array never(24, Json(0.0));
  ASSERT_TRUE(world.submit({fact("day_profile", "never", {{"rate_fraction", never}}),
                            fact("tenant", "u", {{"ttft_ms", 500}, {"tpot_ms", 50}}),
                            fact("demand", "e",
                                 {{"tenant", "u"},
                                  {"region", "r"},
                                  {"model", "m"},
                                  {"rate_per_s", 5},
                                  {"day_profile", "never"},
                                  {"prompt_tokens", 100},
                                  {"output_tokens", 50}})}));
  for (int i = 0; i < 5 && !world.core->state().schedule; ++i) {
    if (world.core->state().pending) world.propose_job();
    world.pass(kQuiet);
  }
  ASSERT_TRUE(world.core->state().schedule);
  world.pass(milliseconds(100));
  ASSERT_EQ(world.hours_in_force(), kNight);
  ASSERT_EQ(world.plan().demands_size(), 2);
  EXPECT_EQ(world.plan().demands(1).demand(), "e");
  EXPECT_GT(world.plan().demands(1).splits_size(), 0);
  EXPECT_TRUE(std::isfinite(world.plan().cost_eur_per_hour()));
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

TEST(Schedules, StandInACheckpointWithWhereTheyStand) {
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

}  // namespace
}  // namespace tandem::control
