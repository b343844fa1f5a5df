// Worlds that are broken on purpose: what no core would do must be noticed, whichever way it came.
#include "simulation/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/small_world.h"

namespace tandem::simulation {
namespace {

using test_support::fact;
using testing::HasSubstr;

constexpr Options kShort{.faulty_ticks = 60, .settling_ticks = 250, .verbose = false};

// How many of some seeds notice, and what the first says. A sabotage may miss its mark in a world (nothing there yet to
// break), but not in most.
std::pair<int, std::string> noticed(const std::function<void(World&)>& sabotage) {
  int count = 0;
  std::string said;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    World world(seed, kShort);
    world.at(40, sabotage);
    if (const Report report = world.run(); report.broken) {
      if (count++ == 0) said = *report.broken;
    }
  }
  return {count, said};
}

log::Offset last_of(World& world) { return world.log().head()->last; }

TEST(World, HoldsWithoutSabotage) {
  EXPECT_EQ(noticed([](World&) {}), std::pair(0, std::string()));
}

TEST(World, TheSameSeedIsTheSameWorld) {
  const Report a = World(5, kShort).run();
  const Report b = World(5, kShort).run();
  EXPECT_EQ(a.events, b.events);
  EXPECT_EQ(a.last_happenings, b.last_happenings);
  EXPECT_NE(World(6, kShort).run().last_happenings, a.last_happenings);
}

TEST(World, ALostTailIsNoticed) {
  const auto [count, said] = noticed([](World& world) {
    world.crash();
    world.log().lose_from(last_of(world));
  });
  EXPECT_GE(count, 5) << said;
}

TEST(World, AFlippedBitIsNoticed) {
  const auto [count, said] = noticed([](World& world) {
    world.log().damage(1 + last_of(world) / 2);
    world.crash();
  });
  EXPECT_GE(count, 5) << said;
}

TEST(World, ACheckpointThatTellsAnotherStoryIsNoticed) {
  const auto [count, said] = noticed([](World& world) {
    auto state = *control::replay(world.log());
    inventory::ChangeSet changes;
    control::fold(state, fact("site", "site-0", {{"power_limit_kw", 1.0}}), state.inventory.offset(), state.head.at,
                  changes);
    world.checkpoints().set_write_fails(0);
    ASSERT_TRUE(control::write_checkpoint(state, world.checkpoints()));
    world.crash();
  });
  EXPECT_GE(count, 4) << said;
}

// A rogue writes to the log what no core would.
std::function<void(World&)> rogue(std::function<std::vector<log::Event>(const control::State&)> events) {
  return [events = std::move(events)](World& world) {
    world.log().set_faults({});
    world.log().set_capacity(SIZE_MAX);
    world.crash();
    const auto state = *control::replay(world.log());
    ASSERT_TRUE(world.log().append(log::encode_batch(state.head, world.epoch(), state.head.at, events(state))));
  };
}

log::Event requested(const std::string& id) {
  log::Event event;
  event.set_actor("rogue");
  event.mutable_plan_requested()->set_plan_id(id);
  return event;
}

TEST(World, ARogueRequestIsNoticed) {
  const auto [count, said] = noticed(rogue([](const control::State&) {
    return std::vector{requested("a"), requested("b")};
  }));
  EXPECT_EQ(count, 6);
  EXPECT_THAT(said, HasSubstr("two plans are pending"));
}

TEST(World, ARoguePlanIsNoticed) {
  const auto [count, said] = noticed(rogue([](const control::State& state) {
    std::vector<log::Event> events;
    if (!state.pending) events.push_back(requested("rogue"));
    log::Event& accepted = events.emplace_back();
    v1::Plan& plan = *accepted.mutable_plan_accepted()->mutable_plan();
    plan.set_id(state.pending ? state.pending->plan_id : "rogue");
    v1::PlannedDeployment& deployment = *plan.add_deployments();
    deployment.set_id("d");
    deployment.set_pool("pool-0");
    deployment.set_model("none");
    return events;
  }));
  EXPECT_EQ(count, 6);
  EXPECT_THAT(said, HasSubstr("breaks a constraint"));
}

TEST(World, ARogueFactIsNoticed) {
  const auto [count, said] = noticed(rogue([](const control::State&) {
    return std::vector{fact("node", "node-0", {{"site", "nowhere"}})};
  }));
  EXPECT_EQ(count, 6);
  EXPECT_THAT(said, HasSubstr("unsound was admitted"));
}

}  // namespace
}  // namespace tandem::simulation
