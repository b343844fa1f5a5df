#include "twin/repair_reach.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "support/detour.h"
#include "support/drawn_grid.h"
#include "twin/failures.h"

namespace tandem::twin {
namespace {

using test_support::drawn_grid;

// From b, and so for all that comes by b, a loss beyond it is repaired over f.
TEST(RepairReach, IsWhatRoutersBesideTheLossSendOnAndWhatAllThenKnow) {
  const auto s = drawn_grid(test_support::kDetour + R"(
    site e ES
    site f FR)");
  const auto bit = [&](const char* site) { return s.jurisdiction_of(s.sites.find(site)).bits; };
  const std::vector<uint64_t> to_d = RepairReach(s, make_network(s)).toward(s.nodes.find("d"));
  EXPECT_EQ(to_d[s.nodes.find("a").value], bit("a") | bit("e") | bit("f")) << "converged over e, repaired over f";
  EXPECT_EQ(to_d[s.nodes.find("b").value], bit("a") | bit("f"));
  EXPECT_EQ(to_d[s.nodes.find("d").value], 0u);
}

// Against the plain question, asked for each failure and each set of jurisdictions.
TEST(RepairReachProperty, IsWhatSomeFailurePlainlyLeads) {
  size_t left = 0, kept = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Random random(seed);
    const size_t nodes = 3 + random.below(7);
    std::string text = "algo 128 delay exclude=red\n";
    for (size_t i = 0; i < nodes; ++i)
      for (size_t k = i + 1; k < nodes; ++k)
        if (k == i + 1 || random.chance(0.35))
          text += "n" + std::to_string(i) + "-n" + std::to_string(k) + " " + std::to_string(1 + random.below(3)) +
                  "ms 10G metric=" + std::to_string(1 + random.below(3)) + (random.chance(0.2) ? " admin=red\n" : "\n");
    for (size_t i = 0; i < nodes; ++i)
      text += "site n" + std::to_string(i) + " J" + std::to_string(random.below(3)) + "\n";
    if (random.chance(0.3)) text += "overload n" + std::to_string(random.below(nodes)) + "\n";
    text += "region r n" + std::to_string(random.below(nodes)) + "\n";
    const auto s = drawn_grid(text);
    const grid::FlexAlgoIndex algo = random.chance(0.5) ? grid::FlexAlgoIndex(0) : grid::FlexAlgoIndex();
    const RepairReach reach(s, make_network(s, algo));
    const grid::NodeIndex anchor = s.regions[0].anchors[0].node, pool(random.below(nodes));
    const PathTree tree(make_network(s, algo), anchor);
    if (!tree.reachable(pool)) continue;
    const uint64_t passed = reach.toward(pool)[anchor.value] | reach.toward(anchor)[pool.value];
    for (uint64_t allowed = 1; allowed < 16; ++allowed) {
      if ((tree.jurisdictions(pool).bits & ~allowed) != 0) continue;
      const PromiseWatch watch{grid::RegionIndex(0), {allowed}, {{pool, Microseconds(1e9)}}, algo};
      Networks before(s);
      bool leaves = false;
      const auto ask = [&](Failure failure) {
        const grid::Snapshot after = with_failures(s, std::span(&failure, 1));
        Networks now(after);
        leaves |= leaves_residency(s, before, after, now, watch);
      };
      for (uint32_t l = 0; l < s.links.size(); ++l) ask({FailureKind::link, l});
      for (uint32_t n = 0; n < nodes; ++n) ask({FailureKind::node, n});
      ASSERT_EQ((passed & ~allowed) != 0, leaves) << "seed " << seed << " allowed " << allowed;
      ++(leaves ? left : kept);
    }
  }
  EXPECT_GT(left, 100u);
  EXPECT_GT(kept, 100u);
}

}  // namespace
}  // namespace tandem::twin
