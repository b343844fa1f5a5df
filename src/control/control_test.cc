#include "control/control.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "control/replay.h"
#include "control/testing.h"

namespace tandem::control {
namespace {

using test_support::retraction;

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

TEST(HeldPlans, AreAskedForOnceWhatBelongsTogetherIsThere) {
  World world;
  world.core->hold_plans(true);
  world.load_small_grid();
  ASSERT_TRUE(world.core->tick(world.now + seconds(600)));
  EXPECT_FALSE(world.core->state().pending) << "half a grid is not planned, however long it takes";
  world.core->hold_plans(false);
  ASSERT_TRUE(world.core->tick(world.now + seconds(601)));
  EXPECT_TRUE(world.core->state().pending);
}

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
  EXPECT_EQ(world.core->state().pending->work_limit, 0u) << "nothing is in force: a draft, which is sooner there";
}

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
