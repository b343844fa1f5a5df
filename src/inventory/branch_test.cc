#include "inventory/branch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "support/branch_events.h"
#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using test_support::created;
using test_support::discarded;
using test_support::edited;
using test_support::fact;
using test_support::merged;
using test_support::rebased;
using test_support::retraction;
using test_support::small_world;
using test_support::taken_back;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::vector<log::Event> kNothing;

// Main and its branches, folded as `control` folds them.
struct World {
  explicit World(const std::vector<log::Event>& events = small_world(4)) {
    for (const log::Event& event : events) fold(event);
  }
  bool fold(const log::Event& event) {
    const log::Offset offset = main.offset() + 1;
    const Instant at{static_cast<int64_t>(offset) * 1'000'000'000};
    main.fold(event, offset, at, &changes);
    return branches.fold(event, offset, at, main, &changes);
  }
  const Branch& branch(const std::string& name) const { return *branches.find(name); }
  std::vector<Conflict> conflicts_of(const std::string& name) const {
    return conflicts(branch(name), *branches.head(branch(name).parent, main), 100);
  }

  Snapshot main;
  Branches branches;
  ChangeSet changes;
};

// What is believed, without who said it and when.
std::string beliefs(const Snapshot& snapshot) {
  std::string all;
  for (const std::string& kind : snapshot.kinds())
    snapshot.for_each_json(kind, [&](const std::string& id, const Json::Object& attributes) {
      all += kind + " " + id + " " + to_json(attributes) + "\n";
      return true;
    });
  return all;
}

std::vector<std::string> lines(const DiffPage& page) {
  std::vector<std::string> all;
  for (const Difference& difference : page.differences) {
    const char sign = difference.what == Change::What::added     ? '+'
                      : difference.what == Change::What::removed ? '-'
                                                                 : '~';
    std::string line = sign + (" " + difference.kind) + " " + difference.id;
    if (sign == '~')
      for (const AttributeDifference& attribute : difference.attributes)
        line += " " + attribute.name + ":" + to_json(attribute.before) + ">" + to_json(attribute.after);
    all.push_back(line);
  }
  return all;
}

TEST(Branch, ItsEditsAreItsOwnUntilTheyAreMerged) {
  World world;
  world.fold(created("b"));
  EXPECT_EQ(world.branch("b").base.hash(), world.main.hash());
  world.fold(edited("b", {fact("link", "link-1", {{"state", "down"}}), retraction("demand", "bank-0"),
                          fact("site", "new", {{"tier", "core"}})}));
  EXPECT_FALSE(world.main.has("site", "new"));
  EXPECT_TRUE(world.main.has("demand", "bank-0"));
  const Branch& branch = world.branch("b");
  EXPECT_TRUE(branch.head.has("site", "new"));
  EXPECT_FALSE(branch.head.has("demand", "bank-0"));
  EXPECT_EQ(branch.edit_count, 3u);
  EXPECT_EQ(branch.author, "operator:test");
  EXPECT_THAT(lines(diff(branch)), ElementsAre("- demand bank-0", "~ link link-1 state:null>\"down\"", "+ site new"));

  world.changes.clear();
  EXPECT_TRUE(world.fold(merged("b")));
  EXPECT_EQ(world.changes.size(), 3u);
  EXPECT_EQ(world.branches.find("b"), nullptr);
  EXPECT_EQ(world.branches.edit_bytes(), 0u);
  EXPECT_EQ(world.main.attributes("link", "link-1").at("state"), Json("down"));
  EXPECT_EQ(world.main.find("site", "new")->created, world.main.offset());
  EXPECT_EQ(world.main.changed("site"), world.main.offset());
}

TEST(Branch, DiscardedItLeavesNothing) {
  World world;
  const std::string before = beliefs(world.main);
  world.fold(created("b"));
  world.fold(edited("b", {retraction("demand", "bank-0")}));
  EXPECT_FALSE(world.fold(discarded("b")));
  EXPECT_EQ(world.branches.size(), 0u);
  EXPECT_EQ(world.branches.edit_bytes(), 0u);
  EXPECT_EQ(beliefs(world.main), before);
}

TEST(Branch, OfABranchMergesIntoThatFirst) {
  World world;
  world.fold(created("a"));
  world.fold(edited("a", {fact("link", "link-1", {{"state", "down"}})}));
  world.fold(created("a2", "a"));
  EXPECT_EQ(world.branch("a2").base.attributes("link", "link-1").at("state"), Json("down"));
  EXPECT_THAT(world.branches.children("a"), ElementsAre("a2"));
  EXPECT_THAT(world.branches.children(""), ElementsAre("a"));
  world.fold(edited("a2", {fact("link", "link-2", {{"state", "down"}})}));
  EXPECT_FALSE(world.fold(merged("a2")));  // main is as it was
  EXPECT_EQ(world.branch("a").edit_count, 2u);
  EXPECT_FALSE(world.main.attributes("link", "link-2").contains("state"));
  EXPECT_TRUE(world.fold(merged("a")));
  EXPECT_EQ(world.main.attributes("link", "link-1").at("state"), Json("down"));
  EXPECT_EQ(world.main.attributes("link", "link-2").at("state"), Json("down"));
}

TEST(Branch, WhatNamesNoBranchIsLeftOut) {
  World world;
  const Digest before = world.branches.hash(world.main);
  for (const log::Event& event : {created("x", "nowhere"), edited("x", {}), merged("x"), rebased("x"), discarded("x")})
    EXPECT_FALSE(world.fold(event));
  EXPECT_EQ(world.branches.hash(world.main), before);
  world.fold(created("x"));
  world.fold(edited("x", {retraction("demand", "bank-0")}));
  world.fold(created("x"));  // there is one already
  EXPECT_EQ(world.branch("x").edit_count, 1u);
  log::Event empty;
  empty.mutable_branch_edited()->set_branch("x");
  empty.mutable_branch_edited()->add_edits();
  world.fold(empty);
  EXPECT_EQ(world.branch("x").edit_count, 1u);
}

// ---- Taking back
// ---------------------------------------------------------------------------------------------------------

TEST(Branch, EditsTakenBackAreAsIfNeverMade) {
  World world;
  world.fold(created("b"));
  world.fold(edited("b", {fact("link", "link-1", {{"state", "down"}, {"delay_us", 7.0}}),
                          fact("site", "new", {{"tier", "core"}}), retraction("demand", "bank-0")}));
  world.fold(taken_back("b", {"link", "link-1"}, {"state"}));
  EXPECT_THAT(lines(diff(world.branch("b"))),
              ElementsAre("- demand bank-0", "~ link link-1 delay_us:500.0>7.0", "+ site new"));
  world.fold(taken_back("b", {"site", "new"}));
  world.fold(taken_back("b", {"demand", "bank-0"}));
  world.fold(taken_back("b", {"link", "link-1"}, {"delay_us"}));
  EXPECT_THAT(lines(diff(world.branch("b"))), IsEmpty());
  EXPECT_EQ(world.branch("b").edit_count, 0u);
  EXPECT_EQ(world.branch("b").head.referrers("tenant", "bank", 9), world.main.referrers("tenant", "bank", 9));
  const std::string before = beliefs(world.main);
  EXPECT_FALSE(world.fold(merged("b")));
  EXPECT_EQ(beliefs(world.main), before);
}

// ---- Conflicts
// -----------------------------------------------------------------------------------------------------------

// A branch "b" with edits, and what main did meanwhile.
World apart(const std::vector<log::Event>& ours, const std::vector<log::Event>& theirs) {
  World world;
  world.fold(created("b"));
  world.fold(edited("b", ours));
  for (const log::Event& event : theirs) world.fold(event);
  return world;
}

TEST(Conflicts, BothChangedOneAttribute) {
  const World world = apart({fact("link", "link-1", {{"delay_us", 7.0}, {"state", "down"}})},
                            {fact("link", "link-1", {{"delay_us", 9.0}})});
  const auto found = world.conflicts_of("b");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].what, Conflict::What::both_changed);
  EXPECT_EQ(found[0].attribute, "delay_us");
  EXPECT_EQ(found[0].base, Json(500.0));
  EXPECT_EQ(found[0].ours, Json(7.0));
  EXPECT_EQ(found[0].theirs, Json(9.0));
  EXPECT_EQ(found[0].theirs_offset, world.main.offset());
  EXPECT_EQ(found[0].ours_offset, world.main.offset() - 1);
  EXPECT_THAT(found[0].message, HasSubstr("7.0 in branch 'b'"));
  EXPECT_THAT(found[0].message, HasSubstr("9.0 in main"));
  EXPECT_THAT(found[0].fix, HasSubstr("take ours"));
}

TEST(Conflicts, NoneWhereTheyAgreeOrDifferElsewhere) {
  EXPECT_THAT(apart({fact("link", "link-1", {{"delay_us", 7.0}})}, {fact("link", "link-1", {{"delay_us", 7.0}})})
                  .conflicts_of("b"),
              IsEmpty());
  EXPECT_THAT(apart({fact("link", "link-1", {{"delay_us", 7.0}})}, {fact("link", "link-1", {{"state", "down"}})})
                  .conflicts_of("b"),
              IsEmpty());
  EXPECT_THAT(apart({fact("link", "link-1", {{"delay_us", 7.0}})}, {fact("link", "link-2", {{"delay_us", 9.0}})})
                  .conflicts_of("b"),
              IsEmpty());
  EXPECT_THAT(apart({fact("link", "link-1", {{"delay_us", 7.0}})},
                    {fact("link", "link-1", {{"delay_us", 9.0}}), fact("link", "link-1", {{"delay_us", 500.0}})})
                  .conflicts_of("b"),
              IsEmpty());  // changed there and changed back
  EXPECT_THAT(apart({retraction("demand", "bank-0")}, {retraction("demand", "bank-0")}).conflicts_of("b"), IsEmpty());
  EXPECT_THAT(apart({fact("site", "new", {{"tier", "core"}})}, {fact("site", "new", {{"tier", "core"}, {"pue", 1.2}})})
                  .conflicts_of("b"),
              IsEmpty());
}

TEST(Conflicts, RemovedOnOneSideEditedOnTheOther) {
  const auto there =
      apart({fact("demand", "bank-0", {{"rate_per_s", 9.0}})}, {retraction("demand", "bank-0")}).conflicts_of("b");
  ASSERT_THAT(there, SizeIs(1));
  EXPECT_EQ(there[0].what, Conflict::What::removed_there);
  EXPECT_EQ(there[0].attribute, "");
  EXPECT_EQ(there[0].ours["rate_per_s"], Json(9.0));
  const auto here =
      apart({retraction("demand", "bank-0")}, {fact("demand", "bank-0", {{"rate_per_s", 9.0}})}).conflicts_of("b");
  ASSERT_THAT(here, SizeIs(1));
  EXPECT_EQ(here[0].what, Conflict::What::removed_here);
  EXPECT_EQ(here[0].theirs, Json(Json::Object{{"rate_per_s", 9.0}}));
  EXPECT_EQ(here[0].base, Json(Json::Object{{"rate_per_s", 1.0}}));
}

TEST(Conflicts, BothCreatedIt) {
  const auto found =
      apart({fact("site", "new", {{"tier", "core"}, {"pue", 1.2}})}, {fact("site", "new", {{"tier", "cloud"}})})
          .conflicts_of("b");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].attribute, "tier");
  EXPECT_TRUE(found[0].base.is_null());
}

TEST(Conflicts, RemovedAndMadeAnewTouchesEverything) {
  const auto found = apart({retraction("demand", "bank-0"), fact("demand", "bank-0", {{"rate_per_s", 5.0}})},
                           {fact("demand", "bank-0", {{"prompt_tokens", 9.0}})})
                         .conflicts_of("b");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].attribute, "prompt_tokens");
}

TEST(Conflicts, TheLimitIsKept) {
  std::vector<log::Event> ours, theirs;
  for (size_t i = 0; i < 4; ++i) {
    ours.push_back(fact("link", test_support::link_id(i), {{"delay_us", 1.0}, {"length_km", 1.0}}));
    theirs.push_back(fact("link", test_support::link_id(i), {{"delay_us", 2.0}, {"length_km", 2.0}}));
  }
  const World world = apart(ours, theirs);
  EXPECT_THAT(conflicts(world.branch("b"), world.main, 100), SizeIs(8));
  EXPECT_THAT(conflicts(world.branch("b"), world.main, 3), SizeIs(3));
}

TEST(Conflicts, WhatWasSeenIsNoneUntilItChangesAgain) {
  World world = apart({fact("link", "link-1", {{"delay_us", 7.0}})}, {fact("link", "link-1", {{"delay_us", 9.0}})});
  log::Event seen;
  seen.mutable_branch_edited()->set_branch("b");
  v1::ParentSeen& parent = *seen.mutable_branch_edited()->add_edits()->mutable_seen();
  parent.set_kind("link");
  parent.set_id("link-1");
  v1::Attribute& attribute = *parent.add_attributes();
  attribute.set_name("delay_us");
  attribute.mutable_value()->set_number(9.0);
  world.fold(seen);
  EXPECT_THAT(world.conflicts_of("b"), IsEmpty());
  world.fold(fact("link", "link-1", {{"delay_us", 11.0}}));
  EXPECT_THAT(world.conflicts_of("b"), SizeIs(1));
}

TEST(Rebase, PutsTheEditsOnTheParentAsItIsNow) {
  World world = apart({fact("link", "link-1", {{"delay_us", 7.0}}), fact("site", "new", {{"tier", "core"}})},
                      {fact("link", "link-2", {{"state", "down"}}), fact("link", "link-1", {{"state", "down"}})});
  world.fold(taken_back("b", {"site", "new"}));
  world.fold(rebased("b"));
  const Branch& branch = world.branch("b");
  EXPECT_EQ(branch.base_offset, world.main.offset());
  EXPECT_EQ(branch.head.attributes("link", "link-2").at("state"), Json("down"));
  EXPECT_EQ(branch.head.attributes("link", "link-1").at("delay_us"), Json(7.0));
  EXPECT_THAT(lines(diff(branch)), ElementsAre("~ link link-1 delay_us:500.0>7.0"));
  EXPECT_EQ(branch.edit_count, 1u);
  EXPECT_THAT(world.conflicts_of("b"), IsEmpty());
}

// ---- Merging
// -------------------------------------------------------------------------------------------------------------

TEST(TryMerge, ShowsWhatAMergeWouldGiveAndWhatItWouldBreak) {
  World world = apart({fact("node", "n", {{"site", "site-1"}, {"role", "router"}})},
                      {retraction("node", "node-1"), retraction("pool", "pool-1"), retraction("site", "site-1")});
  const MergeOutcome outcome = try_merge(world.branch("b"), world.main, 100);
  EXPECT_THAT(outcome.conflicts, IsEmpty());
  EXPECT_TRUE(outcome.merged.has("node", "n"));
  ASSERT_THAT(outcome.violations, SizeIs(1));
  EXPECT_EQ(outcome.violations[0].constraint, "reference");
  EXPECT_THAT(outcome.violations[0].message, HasSubstr("site of node 'n' is site 'site-1', which is not there"));
  EXPECT_THAT(outcome.violations[0].others, ElementsAre(EntityKey{"site", "site-1"}));
}

TEST(TryMerge, SeesWhatMainHasPutUponWhatTheBranchRemoves) {
  World world =
      apart({retraction("demand", "public-0"), retraction("demand", "bank-0"), retraction("region", "region-0")},
            {fact("demand", "late",
                  {{"tenant", "bank"},
                   {"region", "region-0"},
                   {"model", "chat"},
                   {"rate_per_s", 1.0},
                   {"prompt_tokens", 1.0},
                   {"output_tokens", 1.0}})});
  const MergeOutcome outcome = try_merge(world.branch("b"), world.main, 100);
  ASSERT_THAT(outcome.violations, SizeIs(1));
  EXPECT_EQ(outcome.violations[0].id, "late");
  EXPECT_THAT(outcome.violations[0].others, ElementsAre(EntityKey{"region", "region-0"}));
}

TEST(TryMerge, AMistakeThatWasThereBeforeStopsNobody) {
  World world;
  world.fold(fact("node", "lost", {{"site", "nowhere"}, {"role", "router"}}));  // as an older version admitted it
  world.fold(created("b"));
  world.fold(edited("b", {fact("node", "lost", {{"state", "down"}})}));
  EXPECT_TRUE(try_merge(world.branch("b"), world.main, 100).clean());
}

// Random branches: whatever is done, merging gives main with the edits; and branches that touch different entities give
// the same in either order.
std::vector<log::Event> random_edits(Random& random, const std::string& prefix) {
  std::vector<log::Event> edits;
  for (uint64_t i = random.below(12); i > 0; --i) {
    const std::string kind = "kind-" + std::to_string(random.below(3)), id = prefix + std::to_string(random.below(20));
    if (random.chance(0.25)) {
      edits.push_back(retraction(kind, id));
      continue;
    }
    Json::Object attributes;
    for (uint64_t a = random.below(4); a > 0; --a)
      attributes["attribute-" + std::to_string(random.below(5))] =
          random.chance(0.2) ? Json() : Json(static_cast<int64_t>(random.below(3)));
    edits.push_back(fact(kind, id, attributes));
  }
  return edits;
}

TEST(Merge, CommutesWhereNoEntityIsShared) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    World world(kNothing);
    for (const char* prefix : {"a", "b", "c"})
      for (const log::Event& event : random_edits(random, prefix)) world.fold(event);
    for (const char* prefix : {"a", "b"}) {
      world.fold(created(prefix));
      for (uint64_t i = random.below(3); i > 0; --i) world.fold(edited(prefix, random_edits(random, prefix)));
    }
    for (const log::Event& event : random_edits(random, "c")) world.fold(event);
    World other = world;
    for (const char* name : {"a", "b"}) {
      ASSERT_THAT(world.conflicts_of(name), IsEmpty()) << seed;
      world.fold(merged(name));
    }
    for (const char* name : {"b", "a"}) {
      ASSERT_THAT(other.conflicts_of(name), IsEmpty()) << seed;
      other.fold(merged(name));
    }
    ASSERT_EQ(beliefs(world.main), beliefs(other.main)) << seed;
  }
}

// Random operations on a tree of branches, against plain maps, with a checkpoint read back now and then.
class Plain {
 public:
  using Entities = std::map<EntityKey, Json::Object>;
  static void apply(Entities& entities, const log::Event& event) {
    if (event.has_entity_retracted()) {
      entities.erase({event.entity_retracted().kind(), event.entity_retracted().id()});
      return;
    }
    Json::Object& entity = entities[{event.facts_recorded().kind(), event.facts_recorded().id()}];
    for (const v1::Attribute& attribute : event.facts_recorded().attributes()) {
      const Json value = to_json_value(attribute.value());
      if (value.is_null())
        entity.erase(attribute.name());
      else
        entity[attribute.name()] = value;
    }
  }
  static std::string beliefs(const Entities& entities) {
    std::string all;
    for (const auto& [entity, attributes] : entities)
      all += entity.kind + " " + entity.id + " " + to_json(attributes) + "\n";
    return all;
  }
};

void random_life(uint64_t seed, size_t steps) {
  Random random(seed);
  World world(kNothing);
  struct PlainBranch {
    std::string parent;
    Plain::Entities head;
    std::vector<log::Event> edits;
  };
  Plain::Entities main;
  std::map<std::string, PlainBranch> branches;
  for (size_t step = 0; step < steps; ++step) {
    const std::string name = "branch-" + std::to_string(random.below(5));
    const auto branch = branches.find(name);
    const bool has_children =
        std::ranges::any_of(branches, [&](const auto& other) { return other.second.parent == name; });
    if (random.chance(0.4)) {
      for (const log::Event& event : random_edits(random, "x")) {
        world.fold(event);
        Plain::apply(main, event);
      }
    } else if (branch == branches.end()) {
      const std::string parent = random.chance(0.5) || branches.empty() ? "" : branches.begin()->first;
      world.fold(created(name, parent));
      branches[name] = {parent, parent.empty() ? main : branches.at(parent).head, {}};
    } else if (random.chance(0.7)) {
      const auto edits = random_edits(random, "x");
      world.fold(edited(name, edits));
      for (const log::Event& event : edits) {
        Plain::apply(branch->second.head, event);
        branch->second.edits.push_back(event);
      }
    } else if (has_children) {
      world.fold(rebased(name));
      branch->second.head = branch->second.parent.empty() ? main : branches.at(branch->second.parent).head;
      for (const log::Event& event : branch->second.edits) Plain::apply(branch->second.head, event);
    } else if (random.chance(0.3)) {
      world.fold(discarded(name));
      branches.erase(branch);
    } else {
      world.fold(merged(name));
      const std::string parent = branch->second.parent;
      for (const log::Event& event : branch->second.edits) {
        Plain::apply(parent.empty() ? main : branches.at(parent).head, event);
        if (!parent.empty()) branches.at(parent).edits.push_back(event);
      }
      branches.erase(branch);
    }
    ASSERT_EQ(beliefs(world.main), Plain::beliefs(main)) << seed << " " << step;
    ASSERT_EQ(world.branches.size(), branches.size());
    for (const auto& [known, plain] : branches) {
      ASSERT_EQ(beliefs(world.branch(known).head), Plain::beliefs(plain.head)) << seed << " " << step << " " << known;
      ASSERT_EQ(world.branch(known).edit_count, plain.edits.size());
    }
    if (!random.chance(0.2)) continue;
    std::string bytes;
    world.branches.write(world.main, bytes);
    auto read = Branches::read(world.main, bytes);
    ASSERT_TRUE(read) << to_string(read.error());
    ASSERT_EQ(read->hash(world.main), world.branches.hash(world.main));
    ASSERT_EQ(read->edit_bytes(), world.branches.edit_bytes());
    for (const auto& [known, plain] : branches) {
      ASSERT_EQ(read->find(known)->base.hash(), world.branch(known).base.hash()) << seed << " " << step << " " << known;
      ASSERT_EQ(read->find(known)->head.hash(), world.branch(known).head.hash()) << seed << " " << step << " " << known;
      ASSERT_EQ(read->find(known)->edit_count, world.branch(known).edit_count);
    }
    world.branches = std::move(*read);
  }
}

TEST(Branches, AgreeWithPlainMapsWhateverIsDone) {
  for (uint64_t seed = 1; seed <= 20; ++seed) random_life(seed, 60);
}

TEST(BranchesSoak, AgreeWithPlainMapsWhateverIsDone) {
  for (uint64_t seed = 100; seed < 200; ++seed) random_life(seed, 200);
}

TEST(Branches, AnEditTakenBackIsWrittenToo) {
  World world;
  world.fold(created("b"));
  world.fold(edited("b", {fact("castle", "x", {{"towers", int64_t{3}}}),
                          fact("link", "link-1", {{"state", "down"}, {"delay_us", 7.0}})}));
  world.fold(taken_back("b", {"castle", "x"}));
  world.fold(taken_back("b", {"link", "link-1"}, {"state"}));
  std::string bytes;
  world.branches.write(world.main, bytes);
  const auto read = Branches::read(world.main, bytes);
  ASSERT_TRUE(read) << to_string(read.error());
  // The times of edits that were taken back are forgotten with them; all else is as it was.
  EXPECT_EQ(beliefs(read->find("b")->head), beliefs(world.branch("b").head));
  EXPECT_EQ(read->find("b")->head.offset(), world.branch("b").head.offset());
  EXPECT_EQ(read->find("b")->head.changed("castle"), world.branch("b").head.changed("castle"));
}

TEST(Branches, MutatedBytesAreRefusedOrCanonical) {
  World world;
  world.fold(created("a"));
  world.fold(edited("a", {fact("link", "link-1", {{"state", "down"}}), retraction("demand", "bank-0")}));
  for (size_t i = 0; i < 3; ++i) world.fold(fact("link", "link-2", {{"delay_us", static_cast<double>(i)}}));
  world.fold(created("b", "a"));
  world.fold(created("c"));
  world.fold(taken_back("a", {"link", "link-1"}));
  std::string good;
  world.branches.write(world.main, good);
  ASSERT_TRUE(Branches::read(world.main, good));
  Random random(3);
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes = good;
    for (uint64_t n = 1 + random.below(3); n > 0; --n)
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    if (random.chance(0.2)) bytes.resize(random.below(bytes.size()));
    const auto read = Branches::read(world.main, bytes);
    if (!read) {
      EXPECT_EQ(read.error().code, ErrorCode::corrupt);
    }
  }
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(Branches::read(world.main, good.substr(0, size)));
}

// ---- The rest
// ------------------------------------------------------------------------------------------------------------

TEST(Diff, ComesInPagesAndByKind) {
  World world;
  world.fold(created("b"));
  std::vector<log::Event> edits;
  for (size_t i = 0; i < 4; ++i) {
    edits.push_back(fact("link", test_support::link_id(i), {{"delay_us", 1.0}}));
    edits.push_back(fact("site", test_support::site_id(i), {{"pue", 1.5}}));
  }
  edits.push_back(fact("node", "node-1", {{"site", "site-1"}}));  // said again: no difference
  world.fold(edited("b", edits));
  const std::vector<std::string> all = lines(diff(world.branch("b")));
  EXPECT_THAT(all, SizeIs(8));
  EXPECT_THAT(lines(diff(world.branch("b"), {.kind = "site"})), SizeIs(4));
  EXPECT_THAT(lines(diff(world.branch("b"), {.kind = "node"})), IsEmpty());
  std::vector<std::string> paged;
  DiffOptions options{.limit = 3};
  for (;;) {
    const DiffPage page = diff(world.branch("b"), options);
    for (const std::string& line : lines(page)) paged.push_back(line);
    if (!page.next) break;
    EXPECT_THAT(page.differences, SizeIs(3));
    options.from = *page.next;
  }
  EXPECT_EQ(paged, all);
  EXPECT_THAT(lines(diff(world.branch("b"), {.from = {"site", "site-2"}, .kind = "site"})), SizeIs(2));
}

TEST(Project, ABranchIsSeenByTheTwinAsItsHeadIs) {
  World world;
  world.fold(created("b"));
  const auto main_grid = project(world.main, {}, nullptr);
  EXPECT_EQ(project(world.branch("b"), world.main, main_grid)->links.size(), main_grid->links.size());
  const std::vector<std::vector<log::Event>> groups{{fact("link", "link-1", {{"state", "down"}})},
                                                    {retraction("link", "link-2")},
                                                    {fact("site", "site-1", {{"jurisdiction", "CH"}})}};
  for (const auto& edits : groups) {
    world.fold(edited("b", edits));
    world.fold(fact("link", "link-0", {{"delay_us", static_cast<double>(world.main.offset())}}));
    const auto patched = project(world.branch("b"), world.main, project(world.main, {}, nullptr));
    const auto anew = project(world.branch("b").head, {}, nullptr);
    EXPECT_EQ(*patched, *anew);
  }
}

TEST(BranchName, IsMadeLikeAnId) {
  EXPECT_FALSE(check_branch_name("summer-2027.v2"));
  EXPECT_FALSE(check_branch_name(std::string(kBranchNameBytesMax, 'x')));
  for (const std::string& name : {std::string(), std::string("main"), std::string("a b"), std::string("-a"),
                                  std::string("a/b"), std::string(kBranchNameBytesMax + 1, 'x')})
    EXPECT_TRUE(check_branch_name(name)) << name;
}

}  // namespace
}  // namespace tandem::inventory
