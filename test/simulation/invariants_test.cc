// Each invariant is shown what breaks it.
#include "simulation/invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/simulated_log.h"
#include "planner/planner.h"
#include "support/branch_events.h"
#include "support/small_world.h"

namespace tandem::simulation {
namespace {

using test_support::fact;
using test_support::small_world;
using testing::HasSubstr;

constexpr Instant kNow{1'000'000'000};

// A witness of a log that a core wrote: the small world, one plan asked for.
class WitnessTest : public testing::Test {
 protected:
  WitnessTest() {
    core_ = std::move(*control::Core::open(log_, nullptr, {}));
    submit(small_world(4));
    expect_holds(witness_.follow(log_));
  }
  void submit(std::vector<log::Event> events) { ASSERT_TRUE(core_->submit({std::move(events)}, kNow)->front()); }
  log::Batch next(std::vector<log::Event> events, Instant at = kNow) const {
    const log::BatchHeader header = log::encode_batch(log_.head()->header, 1, at, events).header;
    return {header, std::move(events)};
  }
  static void expect_holds(const Broken& broken) { EXPECT_FALSE(broken) << *broken; }
  static void expect_broken(const Broken& broken, const char* says) {
    ASSERT_TRUE(broken) << says;
    EXPECT_THAT(*broken, HasSubstr(says));
  }
  log::Event request(const std::string& id) const {
    log::Event event;
    event.set_actor("core");
    event.mutable_plan_requested()->set_plan_id(id);
    event.mutable_plan_requested()->set_base_offset(witness_.last());
    return event;
  }
  log::Event acceptance(v1::Plan plan) const {
    log::Event event;
    event.set_actor("core");
    *event.mutable_plan_accepted()->mutable_plan() = std::move(plan);
    return event;
  }
  v1::Plan good_plan() const {
    return planner::plan(*core_->state().grid, nullptr, core_->state().pending->plan_id, 1, {100}, {});
  }
  static log::Batch rehashed(log::Batch batch) {
    batch.header.hash = log::hash_of(batch.header);
    return batch;
  }

  log::SimulatedLog log_{1};
  std::unique_ptr<control::Core> core_;
  Witness witness_;
};

TEST_F(WitnessTest, HoldsForWhatACoreDoes) {
  expect_holds(witness_.check_live(core_->state()));
  expect_holds(witness_.check_whole(log_));
  log::Event proposal;
  proposal.set_actor("job:planner");
  *proposal.mutable_plan_proposed()->mutable_plan() = good_plan();
  submit({proposal});
  expect_holds(witness_.follow(log_));
  expect_holds(witness_.check_settled({}));
  for (log::Offset offset = 0; offset <= witness_.last(); ++offset)
    expect_holds(witness_.check_past(offset, *core_->state_at(offset)));
}

TEST_F(WitnessTest, SeesABrokenChain) {
  const log::Batch good = next({fact("shared_risk_group", "x", {})});
  const auto broken = [&](const std::function<void(log::Batch&)>& change, const char* says) {
    log::Batch batch = good;
    change(batch);
    Witness witness = witness_;
    expect_broken(witness.follow_batch(rehashed(batch)), says);
  };
  broken([](log::Batch& b) { ++b.header.first; }, "begins at");
  broken([](log::Batch& b) { b.header.count = 2; }, "counts 2");
  broken([](log::Batch& b) { b.header.previous.bytes[3] ^= 1; }, "not chained");
  broken([](log::Batch& b) { b.events[0].set_actor("other"); }, "do not match their digest");
  broken([](log::Batch& b) { b.header.at = b.header.at - seconds(1); }, "time goes back");
  broken([](log::Batch& b) { b.header.epoch = 0; }, "earlier writer");
  log::Batch unhashed = good;
  unhashed.header.hash.bytes[0] ^= 1;
  Witness witness = witness_;
  expect_broken(witness.follow_batch(unhashed), "does not match its hash");
  expect_holds(witness_.follow_batch(good));
}

TEST_F(WitnessTest, SeesALostOrDamagedTail) {
  submit({fact("shared_risk_group", "x", {})});
  expect_holds(witness_.follow(log_));
  log::SimulatedLog damaged = log_;
  ASSERT_TRUE(damaged.damage(2));
  expect_broken(witness_.check_whole(damaged), "cannot be read");
  ASSERT_TRUE(log_.lose_from(witness_.last()));
  Witness witness = witness_;
  expect_broken(witness.follow(log_), "no longer there");
  expect_broken(witness_.check_whole(log_), "the log ends at");
}

TEST_F(WitnessTest, SeesAnotherHistory) {
  log::SimulatedLog other(2);
  auto core = std::move(*control::Core::open(other, nullptr, {}));
  auto events = small_world(4);
  events[0].set_actor("operator:else");
  ASSERT_TRUE(core->submit({events}, kNow)->front());
  expect_broken(witness_.check_whole(other), "another now");
}

TEST_F(WitnessTest, SeesAnAcknowledgementThatDoesNotHold) {
  expect_holds(witness_.acknowledged(1, "operator:test"));
  expect_broken(witness_.acknowledged(1, "sender:7"), "where 'operator:test' stands");
  expect_broken(witness_.acknowledged(witness_.last() + 1, "sender:7"), "does not reach");
}

TEST_F(WitnessTest, SeesTwoPendingPlans) {
  Witness witness = witness_;
  expect_broken(witness.follow_batch(next({request("plan-x")})), "two plans are pending");
  expect_holds(witness_.follow_batch(next({request("plan-y")}, kNow + seconds(61))));  // the first is overdue
}

TEST_F(WitnessTest, SeesAVerdictOnWhatIsNotPending) {
  log::Event rejected, failed;
  rejected.mutable_plan_rejected()->set_plan_id("plan-x");
  failed.mutable_plan_failed()->set_plan_id("plan-x");
  v1::Plan plan = good_plan();
  plan.set_id("plan-x");
  for (const log::Event& event : {rejected, failed, acceptance(plan)}) {
    Witness witness = witness_;
    expect_broken(witness.follow_batch(next({event})), "was not pending");
  }
}

TEST_F(WitnessTest, SeesAnUnsafePlan) {
  v1::Plan plan = good_plan();
  ASSERT_GT(plan.deployments_size(), 0);
  plan.mutable_deployments(0)->set_replicas(1'000);
  Witness witness = witness_;
  expect_broken(witness.follow_batch(next({acceptance(plan)})), "breaks a constraint");
  expect_holds(witness_.follow_batch(next({acceptance(good_plan())})));
}

TEST_F(WitnessTest, SeesServingOutsideResidency) {
  const auto& grid = *core_->state().grid;
  v1::Plan plan = good_plan();
  expect_holds(check_residency(grid, plan));
  for (v1::DemandPlan& demand : *plan.mutable_demands())  // the bank's data stays in DE; site-2 is in AT
    if (demand.demand().starts_with("bank") && demand.splits_size() > 0) {
      v1::PlannedDeployment abroad = plan.deployments(0);
      abroad.set_id("abroad");
      abroad.set_pool("pool-2");
      *plan.add_deployments() = abroad;
      demand.mutable_splits(0)->set_deployment("abroad");
      break;
    }
  expect_broken(check_residency(grid, plan), "outside its residency");
  plan.mutable_deployments(plan.deployments_size() - 1)->set_pool("gone");
  expect_broken(check_residency(grid, plan), "nowhere");
}

TEST_F(WitnessTest, SeesAStateThatIsNotTheLogs) {
  control::State state = core_->state();
  inventory::ChangeSet changes;
  control::fold(state, fact("link", "link-0", {{"state", "down"}}), state.inventory.offset(), kNow, changes);
  expect_broken(witness_.check_live(state), "not what its log says");
  expect_broken(witness_.check_past(witness_.last(), state), "not what replay gives");
  control::State behind = *core_->state_at(witness_.last() - 1);
  expect_broken(witness_.check_live(behind), "the core is at");
  expect_broken(witness_.check_past(witness_.last() + 1, behind), "does not reach");
}

TEST_F(WitnessTest, SeesAStaleProjection) {
  control::State state = core_->state();
  inventory::ChangeSet changes;
  control::fold(state, fact("link", "link-0", {{"state", "down"}}), state.inventory.offset() + 1, kNow, changes);
  expect_broken(check_projection(state), "not the one made anew");
  control::refresh(state, changes);
  expect_holds(check_projection(state));
  control::fold(state, fact("link", "link-0", {{"a", "nowhere"}}), state.inventory.offset() + 1, kNow, changes);
  expect_broken(check_projection(state), "unsound was admitted");
  state.grid = nullptr;
  expect_broken(check_projection(state), "no grid");
}

TEST_F(WitnessTest, SeesAMergeThatShouldNotHaveBeen) {
  using test_support::created;
  using test_support::edited;
  using test_support::merged;
  expect_holds(witness_.follow_batch(next({created("b"), edited("b", {fact("link", "link-0", {{"delay_us", 7.0}})})})));
  const auto after = [&](std::vector<log::Event> events) {
    const log::BatchHeader header = log::encode_batch(witness_.state().head, 1, kNow, events).header;
    return log::Batch{header, std::move(events)};
  };
  Witness witness = witness_;
  expect_broken(witness.follow_batch(after({fact("link", "link-0", {{"delay_us", 9.0}}), merged("b")})),
                "was admitted although");
  witness = witness_;
  expect_broken(witness.follow_batch(after({merged("c")})), "is not there");
  witness = witness_;
  expect_broken(witness.follow_batch(after({created("c", "b"), merged("b")})), "stands on nothing");
  expect_holds(witness_.follow_batch(after({merged("b")})));
}

TEST_F(WitnessTest, SeesAMergeByHalves) {
  inventory::Branches branches;
  inventory::Snapshot main = core_->state().inventory;
  const inventory::Snapshot before = main;
  const auto fold = [&](const log::Event& event) { branches.fold(event, main.offset() + 1, kNow, main); };
  fold(test_support::created("b"));
  fold(test_support::edited(
      "b", {fact("link", "link-0", {{"delay_us", 7.0}}), fact("link", "link-1", {{"delay_us", 7.0}})}));
  const inventory::Branch branch = *branches.find("b");
  expect_broken(check_merge(branch, before, before), "is not as in the branch");
  fold(test_support::merged("b"));
  expect_holds(check_merge(branch, before, main));
  inventory::Snapshot more = main;
  more.fold(fact("link", "link-2", {{"delay_us", 7.0}}), main.offset() + 2, kNow);
  expect_broken(check_merge(branch, before, more), "does not touch");
}

TEST_F(WitnessTest, SeesWhatDoesNotSettle) {
  expect_broken(witness_.check_settled({}), "still pending");
  log::Event failed;
  failed.mutable_plan_failed()->set_plan_id(core_->state().pending->plan_id);
  Witness without = witness_;
  expect_holds(without.follow_batch(next({failed})));
  expect_broken(without.check_settled({}), "no plan was ever accepted");
  const log::Batch accepted = next({acceptance(good_plan()), fact("link", "link-0", {{"delay_us", 7.0}})});
  expect_holds(witness_.follow_batch(accepted));
  expect_broken(witness_.check_settled({}), "is in no plan");
}

// The small world by a schedule of two periods that a core has accepted.
class DailyWitnessTest : public WitnessTest {
 protected:
  DailyWitnessTest() {
    Json::Array fractions(24, Json(1.0));
    for (size_t hour = 0; hour < 8; ++hour) fractions[hour] = Json(0.1);
    submit({fact("day_profile", "rhythm", {{"rate_fraction", fractions}}),
            fact("demand", "bank-0", {{"day_profile", "rhythm"}, {"rate_per_s", 30.0}})});
    while (!core_->state().schedule) {
      log::Event event;
      const control::PendingPlan pending = *core_->state().pending;
      if (pending.is_schedule())
        *event.mutable_schedule_proposed()->mutable_schedule() = schedule(pending.plan_id);
      else
        *event.mutable_plan_proposed()->mutable_plan() =
            planner::plan(*core_->state().grid, core_->state().plan.get(), pending.plan_id, 1,
                          {.iterations = 100, .anew = pending.anew}, {});
      EXPECT_TRUE(core_->submit({{event}}, now_)->front());
      now_ = now_ + control::kQuiet;
      EXPECT_TRUE(core_->tick(now_));
    }
    expect_holds(witness_.follow(log_));
  }
  v1::Schedule schedule(const std::string& id) const {
    return planner::to_message(
        planner::schedule(*core_->state().grid, {.periods_max = 2, .seed = 1, .limit = {50}}, {}), id, 0);
  }
  log::Event begun(uint32_t from_hour, Duration of_day) const {
    log::Event event;
    v1::PeriodBegun& begun = *event.mutable_period_begun();
    begun.set_schedule_id(core_->state().schedule->id());
    for (const v1::ScheduledPeriod& period : core_->state().schedule->periods())
      if (period.plan().hours().from_hour() == from_hour) *begun.mutable_hours() = period.plan().hours();
    begun.set_clock_ns(of_day.ns);
    return event;
  }
  Broken after(log::Event event) const {
    Witness witness = witness_;
    return witness.follow_batch(next({std::move(event)}, now_));
  }

  Instant now_ = kNow;
};

TEST_F(DailyWitnessTest, SeesAPeriodThatBeginsWhenItShouldNot) {
  EXPECT_EQ(core_->state().plan->hours().from_hour(), 0u) << "it is midnight";
  expect_holds(after(begun(8, hours(9))));
  expect_broken(after(begun(8, hours(3))), "when the clock shows");
  expect_broken(after(begun(0, hours(3))), "begins again");
  log::Event other = begun(8, hours(9));
  other.mutable_period_begun()->set_schedule_id("another");
  expect_broken(after(other), "which is not in force");
  expect_broken(witness_.check_settled(Instant{0} + hours(9)), "of other hours");
  expect_holds(witness_.check_settled(Instant{0} + hours(3)));

  submit({fact("pool", "pool-0", {{"count", 0}}), fact("pool", "pool-1", {{"count", 0}}),
          fact("pool", "pool-2", {{"count", 0}}), fact("pool", "pool-3", {{"count", 0}})});
  expect_holds(witness_.follow(log_));
  expect_broken(after(begun(8, hours(9))), "breaks a constraint");
}

TEST_F(DailyWitnessTest, SeesAPreparationOfAnotherPeriodThanTheNext) {
  const auto prepared = [&](uint32_t from_hour) {
    log::Event event;
    const v1::PeriodBegun period = begun(from_hour, hours(7)).period_begun();
    event.mutable_period_prepared()->set_schedule_id(period.schedule_id());
    *event.mutable_period_prepared()->mutable_hours() = period.hours();
    event.mutable_period_prepared()->set_clock_ns(period.clock_ns());
    return event;
  };
  expect_holds(after(prepared(8)));
  expect_broken(after(prepared(0)), "is not the next");
  Witness witness = witness_;
  const log::Batch twice = next({prepared(8), prepared(8)}, now_);
  expect_broken(witness.follow_batch(twice), "prepared twice");
}

TEST_F(DailyWitnessTest, SeesAScheduleThatIsNoDay) {
  submit({fact("demand", "bank-0", {{"rate_per_s", 31.0}})});
  expect_holds(witness_.follow(log_));
  log::Event requested = request("day");
  requested.mutable_plan_requested()->set_periods_max(2);
  const auto accepted = [&](const std::function<void(v1::Schedule&)>& change) {
    log::Event event;
    *event.mutable_schedule_accepted()->mutable_schedule() = schedule("day");
    change(*event.mutable_schedule_accepted()->mutable_schedule());
    Witness witness = witness_;
    const Instant later = now_ + hours(1);  // what was asked for before is overdue
    return witness.follow_batch(next({requested, event}, later));
  };
  expect_holds(accepted([](v1::Schedule&) {}));
  expect_broken(accepted([](v1::Schedule& day) { day.mutable_periods()->RemoveLast(); }), "have the hour");
  expect_broken(accepted([](v1::Schedule& day) {
                  day.mutable_periods(0)->mutable_plan()->mutable_deployments(0)->set_replicas(1'000);
                }),
                "breaks a constraint");
}

}  // namespace
}  // namespace tandem::simulation
