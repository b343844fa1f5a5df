#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "control/control.h"
#include "control/replay.h"
#include "log/simulated_log.h"
#include "support/branch_events.h"
#include "support/small_world.h"

namespace tandem::control {
namespace {

using inventory::EntityKey;
using test_support::about_branches;
using test_support::created;
using test_support::discarded;
using test_support::edited;
using test_support::fact;
using test_support::merged;
using test_support::rebased;
using test_support::retraction;
using test_support::settled;
using test_support::small_world;
using test_support::taken_back;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kOurs = v1::ConflictSettled::TAKE_OURS;
constexpr auto kTheirs = v1::ConflictSettled::TAKE_THEIRS;

class BranchSteps : public testing::Test {
 protected:
  BranchSteps() {
    core_ = std::move(*Core::open(log_, nullptr, {}));
    take({small_world(4)});
  }
  Result<log::Offset> submit(std::vector<log::Event> group) {
    now_ = now_ + seconds(1);
    return std::move(core_->submit({std::move(group)}, now_)->front());
  }
  void take(std::vector<log::Event> group) {
    const auto taken = submit(std::move(group));
    ASSERT_TRUE(taken) << to_string(taken.error());
  }
  void refuse(const log::Event& event, ErrorCode code, const char* says) {
    const Digest before = whole_hash(core_->state());
    const auto refused = submit({event});
    ASSERT_FALSE(refused) << says;
    EXPECT_EQ(refused.error().code, code) << to_string(refused.error());
    EXPECT_THAT(to_string(refused.error()), HasSubstr(says));
    EXPECT_EQ(whole_hash(core_->state()), before);
  }
  const inventory::Snapshot& main() const { return core_->state().inventory; }
  const inventory::Branch& branch(const std::string& name) const { return *core_->state().branches.find(name); }
  Json main_value(const char* kind, const char* id, const char* attribute) const {
    const Json::Object attributes = main().attributes(kind, id);
    const auto found = attributes.find(attribute);
    return found == attributes.end() ? Json() : found->second;
  }
  void expect_replayed() const { EXPECT_EQ(whole_hash(*replay(log_)), whole_hash(core_->state())); }

  log::SimulatedLog log_{1};
  std::unique_ptr<Core> core_;
  Instant now_{1'000'000'000};
};

TEST_F(BranchSteps, CreateEditMerge) {
  take({created("b")});
  take({edited("b", {fact("link", "link-1", {{"state", "down"}}), retraction("demand", "bank-0")})});
  EXPECT_TRUE(main_value("link", "link-1", "state").is_null());
  const log::Offset before = main().offset();
  take({merged("b")});
  EXPECT_EQ(main_value("link", "link-1", "state"), Json("down"));
  EXPECT_FALSE(main().has("demand", "bank-0"));
  EXPECT_EQ(core_->state().grid->links.find("link-1").valid(), true);
  EXPECT_EQ(core_->state().grid->links[core_->state().grid->links.find("link-1")].state, grid::State::down);
  EXPECT_EQ(core_->state().branches.size(), 0u);
  // One event, and it asks for a plan like any change.
  const auto batches = log_.read(before + 1, 1 << 20);
  EXPECT_EQ((*batches)[0].events[0].branch_merged().edits(), 2u);
  EXPECT_EQ(core_->state().replan_after, before + 1);
  expect_replayed();
}

TEST_F(BranchSteps, AnEditIsCheckedAsAFactIs) {
  take({created("b")});
  refuse(edited("b", {fact("lnk", "x", {})}), ErrorCode::invalid_argument, "did you mean 'link'");
  refuse(edited("b", {fact("link", "link-1", {{"delay_us", -1}})}), ErrorCode::invalid_argument, "delay_us");
  refuse(edited("b", {fact("node", "n", {{"site", "nowhere"}, {"role", "router"}})}), ErrorCode::invalid_argument,
         "site");
  refuse(edited("b", {retraction("site", "site-1")}), ErrorCode::conflict, "still refers to it");
  refuse(edited("b", {fact("link", "link-1", {{"state", "down"}}), retraction("link", "none")}), ErrorCode::not_found,
         "edit 2: no link 'none'");
  refuse(edited("b", {}), ErrorCode::invalid_argument, "no edit");
  refuse(edited("c", {retraction("link", "link-1")}), ErrorCode::not_found, "no branch 'c'");
  EXPECT_EQ(branch("b").edit_count, 0u);
  // What the branch itself brings may be referred to, also within one event.
  take({edited("b", {fact("site", "s",
                          {{"tier", "core"},
                           {"latitude_deg", 1.0},
                           {"longitude_deg", 1.0},
                           {"jurisdiction", "CH"},
                           {"power_limit_kw", 1.0}}),
                     fact("node", "n", {{"site", "s"}, {"role", "router"}})})});
  EXPECT_EQ(branch("b").head.attributes("node", "n").at("role"), Json("router"));
  EXPECT_FALSE(main().has("site", "s"));
}

TEST_F(BranchSteps, ANameIsCheckedAndUnique) {
  take({created("b")});
  refuse(created("b"), ErrorCode::conflict, "already");
  refuse(created("main"), ErrorCode::invalid_argument, "main");
  refuse(created("a b"), ErrorCode::invalid_argument, "name");
  refuse(created(std::string(inventory::kBranchNameBytesMax + 1, 'x')), ErrorCode::invalid_argument, "64");
  refuse(created("c", "bb"), ErrorCode::not_found, "no branch 'bb'");
  refuse(about_branches([](log::Event& e) {
           e.mutable_branch_created()->set_name("c");
           e.mutable_branch_created()->set_purpose(std::string(inventory::kBranchPurposeBytesMax + 1, 'x'));
         }),
         ErrorCode::too_large, "purpose");
  take({created(std::string(inventory::kBranchNameBytesMax, 'x'))});
  take({discarded("b"), created("b")});
}

TEST_F(BranchSteps, AMergeWithAConflictIsRefusedNamingBothSidesUntilItIsSettled) {
  take({created("b"), edited("b", {fact("link", "link-1", {{"delay_us", 7.0}, {"length_km", 3.0}})})});
  take({fact("link", "link-1", {{"delay_us", 9.0}, {"length_km", 4.0}})});
  refuse(merged("b"), ErrorCode::conflict, "7.0 in branch 'b'");
  refuse(merged("b"), ErrorCode::conflict, "9.0 in main");
  refuse(rebased("b"), ErrorCode::conflict, "take ours");
  refuse(settled("b", {"link", "link-2"}, kOurs), ErrorCode::not_found, "in conflict");
  refuse(settled("b", {"link", "link-1"}, v1::ConflictSettled::TAKE_UNSPECIFIED), ErrorCode::invalid_argument,
         "ours or theirs");
  take({settled("b", {"link", "link-1"}, kOurs, {"delay_us"})});
  refuse(merged("b"), ErrorCode::conflict, "length_km");
  take({settled("b", {"link", "link-1"}, kTheirs, {"length_km"})});
  take({merged("b")});
  EXPECT_EQ(main_value("link", "link-1", "delay_us"), Json(7.0));
  EXPECT_EQ(main_value("link", "link-1", "length_km"), Json(4.0));
  expect_replayed();
}

TEST_F(BranchSteps, WhatMainRemovedComesBackWholeOrStaysAway) {
  for (const auto take_side : {kOurs, kTheirs}) {
    const std::string demand = take_side == kOurs ? "bank-0" : "bank-2";
    const Json::Object before = main().attributes("demand", demand);
    take({created("b"), edited("b", {fact("demand", demand, {{"rate_per_s", 9.0}})})});
    take({retraction("demand", demand)});
    refuse(merged("b"), ErrorCode::conflict, "was removed from main");
    take({settled("b", {"demand", demand}, take_side)});
    take({merged("b")});
    Json::Object expected = before;
    expected["rate_per_s"] = 9.0;
    EXPECT_EQ(Json(main().attributes("demand", demand)), Json(take_side == kOurs ? expected : Json::Object()));
  }
  expect_replayed();
}

TEST_F(BranchSteps, WhatTheBranchRemovesAndMainChangedGoesOrStays) {
  for (const auto take_side : {kOurs, kTheirs}) {
    const std::string demand = take_side == kOurs ? "bank-0" : "bank-2";
    take({created("b"), edited("b", {retraction("demand", demand)})});
    take({fact("demand", demand, {{"rate_per_s", 9.0}})});
    refuse(merged("b"), ErrorCode::conflict, "changed its rate_per_s");
    take({settled("b", {"demand", demand}, take_side)});
    take({merged("b")});
    EXPECT_EQ(main().has("demand", demand), take_side == kTheirs);
  }
  expect_replayed();
}

TEST_F(BranchSteps, AMergeThatWouldLeaveSomethingDanglingIsRefused) {
  take({created("b"), edited("b", {fact("node", "n", {{"site", "site-1"}, {"role", "router"}})})});
  take({retraction("link", "link-0"), retraction("link", "link-1"), retraction("pool", "pool-1"),
        retraction("node", "node-1"), retraction("site", "site-1")});
  refuse(merged("b"), ErrorCode::conflict, "site of node 'n' is site 'site-1', which is not there");
  take({edited("b", {retraction("node", "n")})});
  take({merged("b")});
}

TEST_F(BranchSteps, TwoDevicesIntoOneRackUnitFromTwoBranches) {
  take({fact("rack", "r1", {{"site", "site-1"}, {"name", "R1"}})});
  for (const char* name : {"a", "b"}) {
    take({created(name)});
    take({edited(name, {fact("device", std::string("router-") + name,
                             {{"rack", "r1"}, {"position_u", 7.0}, {"height_u", 2.0}})})});
  }
  take({merged("a")});
  refuse(merged("b"), ErrorCode::conflict,
         "device 'router-a' and device 'router-b' overlap in rack 'r1', at position_u 7");
  EXPECT_FALSE(main().has("device", "router-b"));
  take({edited("b", {fact("device", "router-b", {{"position_u", 9.0}})})});
  take({merged("b")});
  EXPECT_TRUE(main().has("device", "router-b"));
  // Within a branch devices may change places, which overlap in between.
  take({created("c")});
  take({edited("c",
               {fact("device", "router-a", {{"position_u", 9.0}}), fact("device", "router-b", {{"position_u", 7.0}})}),
        merged("c")});
  expect_replayed();
}

TEST_F(BranchSteps, WhatIsIntendedOnMainViolatesNothingEither) {
  take({fact("rack", "r1", {{"site", "site-1"}}), fact("device", "x", {{"rack", "r1"}, {"position_u", 7.0}})});
  log::Event intended = fact("device", "y", {{"rack", "r1"}, {"position_u", 7.0}});
  intended.mutable_facts_recorded()->set_standing(v1::STANDING_INTENDED);
  refuse(intended, ErrorCode::conflict, "device 'x' and device 'y' overlap");
  take({fact("device", "y", {{"rack", "r1"}, {"position_u", 7.0}})});  // seen there: so it is
}

TEST_F(BranchSteps, EditsAreTakenBack) {
  take({created("b"), edited("b", {fact("link", "link-1", {{"state", "down"}})})});
  refuse(taken_back("b", {"link", "link-2"}), ErrorCode::not_found, "no edit of it");
  take({taken_back("b", {"link", "link-1"})});
  EXPECT_THAT(inventory::diff(branch("b")).differences, IsEmpty());
  expect_replayed();
}

TEST_F(BranchSteps, ABranchThatOthersStandOnStays) {
  take({created("a"), created("b", "a"), edited("b", {fact("link", "link-1", {{"state", "down"}})})});
  refuse(merged("a"), ErrorCode::conflict, "branch 'b' stands on it");
  refuse(discarded("a"), ErrorCode::conflict, "branch 'b' stands on it");
  take({fact("link", "link-2", {{"state", "down"}})});
  take({rebased("a"), rebased("b")});
  EXPECT_EQ(branch("b").head.attributes("link", "link-2").at("state"), Json("down"));
  take({merged("b"), merged("a")});
  EXPECT_EQ(main_value("link", "link-1", "state"), Json("down"));
  expect_replayed();
}

TEST_F(BranchSteps, WhatOnlyTheCoreSaysIsRefused) {
  take({created("b")});
  refuse(about_branches([](log::Event& e) {
           e.mutable_branch_edited()->set_branch("b");
           e.mutable_branch_edited()->add_edits()->mutable_seen()->set_kind("link");
         }),
         ErrorCode::invalid_argument, "noted by the core");
  refuse(about_branches([](log::Event& e) {
           e.mutable_branch_edited()->set_branch("b");
           e.mutable_branch_edited()->add_edits();
         }),
         ErrorCode::invalid_argument, "says nothing");
}

// ---- Limits
// --------------------------------------------------------------------------------------------------------------

TEST_F(BranchSteps, AsManyBranchesAsThereMayBe) {
  for (size_t i = 0; i < inventory::kBranchesMax; i += 100) {
    std::vector<log::Event> group;
    for (size_t j = i; j < i + 100; ++j) group.push_back(created("b" + std::to_string(j)));
    take(group);
  }
  refuse(created("one-more"), ErrorCode::too_large, "1000 branches");
  take({discarded("b7"), created("one-more")});
}

TEST_F(BranchSteps, AsDeepAsTheyMayStand) {
  std::string parent;
  for (size_t depth = 0; depth < inventory::kBranchDepthMax; ++depth) {
    const std::string name = "b" + std::to_string(depth);
    take({created(name, parent)});
    parent = name;
  }
  refuse(created("deeper", parent), ErrorCode::too_large, "8 upon each other");
}

TEST_F(BranchSteps, AsManyEditsOfOneEntityAsThereMayBe) {
  take({created("b")});
  std::vector<log::Event> edits(inventory::kEntityEditsMax, fact("link", "link-1", {{"state", "down"}}));
  take({edited("b", edits)});
  refuse(edited("b", {edits.front()}), ErrorCode::too_large, "256 edits of one entity");
  take({taken_back("b", {"link", "link-1"}), edited("b", {edits.front()})});
}

TEST_F(BranchSteps, AsManyEditsAtOnceAsThereMayBe) {
  take({created("b")});
  std::vector<log::Event> edits;
  for (size_t i = 0; i <= inventory::kEditsAtOnceMax; ++i)
    edits.push_back(fact("shared_risk_group", "g" + std::to_string(i), {}));
  refuse(edited("b", edits), ErrorCode::too_large, "at most 4096");
  edits.pop_back();
  take({edited("b", edits)});
  EXPECT_EQ(branch("b").edit_count, inventory::kEditsAtOnceMax);
}

struct BranchStepsSoak : BranchSteps {};
TEST_F(BranchStepsSoak, AsManyEditsAsABranchMayHold) {
  take({created("b")});
  size_t made = 0;
  for (; made < inventory::kBranchEditsMax;) {
    std::vector<log::Event> edits;
    for (; edits.size() < 2'000; ++made) edits.push_back(fact("shared_risk_group", "g" + std::to_string(made), {}));
    take({edited("b", edits)});
  }
  EXPECT_EQ(branch("b").edit_count, inventory::kBranchEditsMax);
  refuse(edited("b", {fact("shared_risk_group", "more", {})}), ErrorCode::too_large, "200000 edits");
  take({merged("b")});
  EXPECT_EQ(main().size("shared_risk_group"), inventory::kBranchEditsMax + 2);
}

// ---- Restarts
// ------------------------------------------------------------------------------------------------------------

TEST_F(BranchSteps, ACheckpointKeepsThem) {
  take({created("a"), edited("a", {fact("link", "link-1", {{"state", "down"}}), retraction("demand", "bank-0")})});
  take({fact("link", "link-2", {{"state", "down"}}), created("b", "a"), created("c")});
  take({edited("b", {fact("shared_risk_group", "new", {})}), taken_back("a", {"demand", "bank-0"}),
        fact("link", "link-3", {{"delay_us", 7.0}})});
  const State& state = core_->state();
  const auto read = decode_checkpoint(encode_checkpoint(state));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(whole_hash(*read), whole_hash(state));
  for (const auto& branch : state.branches.all()) {
    EXPECT_EQ(read->branches.find(branch->name)->head.hash(), branch->head.hash()) << branch->name;
    EXPECT_EQ(read->branches.find(branch->name)->base.hash(), branch->base.hash()) << branch->name;
  }
  expect_replayed();
}

TEST_F(BranchSteps, EveryEarlierStateHasTheBranchesItHad) {
  take({created("a")});
  for (int i = 0; i < 80; ++i) take({edited("a", {fact("link", "link-1", {{"delay_us", 1.0 + i}})})});
  take({merged("a")});
  for (log::Offset offset = 0; offset <= main().offset(); offset += 3) {
    State replayed = empty_state();
    ASSERT_TRUE(replay_onto(replayed, log_, offset));
    const auto state = core_->state_at(offset);
    ASSERT_TRUE(state);
    ASSERT_EQ(whole_hash(*state), whole_hash(replayed)) << offset;
  }
}

}  // namespace
}  // namespace tandem::control
