// Vaults that are broken on purpose.
#include "simulation/vault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/world.h"
#include "support/small_world.h"

namespace tandem::simulation {
namespace {

using testing::HasSubstr;

constexpr Options kBrief{.faulty_ticks = 80, .settling_ticks = 250, .verbose = false};

struct Noticed {
  int worlds = 0;
  std::string said;
};

// Of some seeds, how many notice what is done to the vault early on.
Noticed with_vault(void (SimulatedVault::*sabotage)()) {
  Noticed noticed;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    World world(seed, kBrief);
    world.at(sabotage == &SimulatedVault::lose ? 60 : 5, [&](World& its) { (its.vault().*sabotage)(); });
    const Report report = world.run();
    if (report.broken && noticed.worlds++ == 0) noticed.said = *report.broken;
  }
  return noticed;
}

TEST(SimulatedVault, PeopleAreSpokenOfAndForgotten) {
  uint64_t erasures = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Report report = World(seed, kBrief).run();
    EXPECT_FALSE(report.broken) << *report.broken;
    erasures += report.erasures;
  }
  EXPECT_GE(erasures, 2u);
}

TEST(SimulatedVault, WhatStandsInClearIsNoticed) {
  const Noticed noticed = with_vault(&SimulatedVault::leak);
  EXPECT_GE(noticed.worlds, 5) << noticed.said;
  EXPECT_THAT(noticed.said, HasSubstr("in clear"));
}

TEST(SimulatedVault, AnErasureThatDestroysNoKeyIsNoticed) {
  const Noticed noticed = with_vault(&SimulatedVault::spare);
  EXPECT_GE(noticed.worlds, 2) << "of the worlds in which somebody of whom something was said is forgotten";
  EXPECT_THAT(noticed.said, HasSubstr("can be read"));
}

TEST(SimulatedVault, KeysThatAreLostAreNoticed) {
  const Noticed noticed = with_vault(&SimulatedVault::lose);
  EXPECT_GE(noticed.worlds, 4) << noticed.said;
  EXPECT_THAT(noticed.said, HasSubstr("cannot be read"));
}

TEST(SimulatedVault, OpensOnlyWhereItSealedAndUntilItDestroys) {
  SimulatedVault vault(1);
  const inventory::Snapshot nobody;
  const inventory::EntityKey who{"contact", "p"};
  log::Event event = test_support::fact("contact", "p", {{"name", personal_value(who, "name", 1)}, {"role", "watch"}});
  ASSERT_TRUE(vault.seal(event, nobody, 1));
  ASSERT_TRUE(vault.keep());
  const auto& attributes = event.facts_recorded().attributes();
  const auto name = std::ranges::find(attributes, "name", &v1::Attribute::name);
  ASSERT_TRUE(name != attributes.end() && name->value().has_sealed());
  const v1::SealedValue& sealed = name->value().sealed();
  EXPECT_EQ(vault.open(who, "name", sealed.key(), sealed.sealed())->text(), personal_value(who, "name", 1));
  EXPECT_FALSE(vault.open(who, "phone", sealed.key(), sealed.sealed()));
  EXPECT_FALSE(vault.open({"contact", "q"}, "name", sealed.key(), sealed.sealed()));
  const inventory::Erasure erasure{who, 2};
  ASSERT_TRUE(vault.destroy({&erasure, 1}));
  vault.crash();
  EXPECT_EQ(vault.open(who, "name", sealed.key(), sealed.sealed())->kind_case(), v1::Value::KIND_NOT_SET);
}

}  // namespace
}  // namespace tandem::simulation
