#include "twin/diverse_ways.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/random.h"
#include "support/drawn_grid.h"

namespace tandem::twin {
namespace {

using grid::Diversity;
using test_support::drawn_grid;

std::string text_of(const grid::Snapshot& s, const Way& way) {
  std::string text;
  for (const grid::LinkIndex link : way.links) text += (text.empty() ? "" : " ") + s.links[link].id;
  return text;
}

DiverseWays ways_from(const grid::Snapshot& s, std::string_view node, Diversity diversity,
                      grid::JurisdictionSet allowed = grid::JurisdictionSet::all()) {
  return {s, make_network(s), s.nodes.find(node), diversity, allowed};
}

std::string pair_text(const grid::Snapshot& s, std::string_view from, std::string_view to, Diversity diversity) {
  const DiverseWays ways = ways_from(s, from, diversity);
  const auto pair = ways.pair(s.nodes.find(to));
  return pair ? text_of(s, pair->primary) + " | " + text_of(s, pair->second) : ways.obstacle(s.nodes.find(to));
}

// The shortest way s-a-b-t takes a link of every other: both ways leave it.
const std::string kTrap = R"(
  s-a 1ms 10G
  a-b 1ms 10G
  b-t 1ms 10G
  s-b 3ms 10G
  a-t 3ms 10G
)";

TEST(DiverseWays, ATrapIsLeftByBothWays) {
  const auto s = drawn_grid(kTrap);
  EXPECT_EQ(pair_text(s, "s", "t", Diversity::link), "s-a a-t | s-b b-t");
  EXPECT_EQ(pair_text(s, "s", "t", Diversity::node), "s-a a-t | s-b b-t");
  const auto pair = ways_from(s, "s", Diversity::link).pair(s.nodes.find("t"));
  EXPECT_DOUBLE_EQ(pair->primary.delay.value(), 4000);
  EXPECT_EQ(pair->primary.forward, (std::vector<bool>{true, true}));
}

TEST(DiverseWays, NodesAreAskedApart) {
  const auto s = drawn_grid(R"(
    s-m 1ms 10G
    s-m 2ms 10G
    m-t 1ms 10G
    m-t 2ms 10G
  )");
  EXPECT_EQ(pair_text(s, "s", "t", Diversity::link), "s-m m-t | s-m/2 m-t/2");
  EXPECT_EQ(pair_text(s, "s", "t", Diversity::node), "every way passes m");
}

TEST(DiverseWays, ASharedDuctOnARingLeavesOneWay) {
  const std::string ring = R"(
    s-a 1ms 10G group=west
    a-t 1ms 10G
    s-b 2ms 10G
    b-t 2ms 10G group=%
  )";
  const auto with = [&](std::string group) {
    std::string text = ring;
    text.replace(text.find('%'), 1, group);
    return drawn_grid(text);
  };
  EXPECT_EQ(pair_text(with("east"), "s", "t", Diversity::shared_risk), "s-a a-t | s-b b-t");
  EXPECT_EQ(pair_text(with("west"), "s", "t", Diversity::link), "s-a a-t | s-b b-t");
  EXPECT_EQ(pair_text(with("west"), "s", "t", Diversity::shared_risk), "every way rides west");
}

TEST(DiverseWays, ALongerPrimaryFreesASecondOfAnotherDuct) {
  // The two shortest share a duct; each has one beside it with the third.
  const auto s = drawn_grid(R"(
    s-a 1ms 10G group=d
    a-t 1ms 10G
    s-b 2ms 10G
    b-t 2ms 10G group=d
    s-c 5ms 10G
    c-t 5ms 10G
  )");
  EXPECT_EQ(pair_text(s, "s", "t", Diversity::shared_risk), "s-a a-t | s-c c-t");
}

TEST(DiverseWays, StayWithinTheirJurisdictionsAndOffOverloadedRouters) {
  const auto s = drawn_grid(kTrap + R"(
    s-c 9ms 10G
    c-t 9ms 10G
    site s DE
    site a DE
    site b FR
    site c DE
    site t DE
  )");
  const auto in_germany = s.jurisdiction_of(s.sites.find("s"));
  const auto pair = ways_from(s, "s", Diversity::link, in_germany).pair(s.nodes.find("t"));
  ASSERT_TRUE(pair);
  EXPECT_EQ(text_of(s, pair->primary) + " | " + text_of(s, pair->second), "s-a a-t | s-c c-t");
  const auto closed = drawn_grid(kTrap + "overload b");
  EXPECT_EQ(pair_text(closed, "s", "t", Diversity::link), "every way takes s-a");
}

TEST(DiverseWays, BothAreEmptyWhereTheyStart) {
  const auto s = drawn_grid(kTrap);
  const auto pair = ways_from(s, "s", Diversity::node_and_shared_risk).pair(s.nodes.find("s"));
  ASSERT_TRUE(pair);
  EXPECT_TRUE(pair->primary.links.empty() && pair->second.links.empty());
}

// Every pair of simple ways, tried.
struct Tried {
  const grid::Snapshot& s;
  grid::NodeIndex to;
  Diversity diversity;
  std::vector<std::vector<uint32_t>> ways = {};
  std::vector<uint32_t> on_way = {}, links = {};

  void walk(grid::NodeIndex at) {
    if (at == to) return ways.push_back(links);
    on_way.push_back(at.value);
    for (const grid::Arc& arc : s.adjacency->out_of(at)) {
      if (std::count(on_way.begin(), on_way.end(), arc.to.value) > 0) continue;
      links.push_back(arc.link.value);
      walk(arc.to);
      links.pop_back();
    }
    on_way.pop_back();
  }
  double delay(const std::vector<uint32_t>& way) const {
    double sum = 0;
    for (const uint32_t link : way) sum += s.links[size_t{link}].delay.value();
    return sum;
  }
  bool apart(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b, grid::NodeIndex from) const {
    const auto things = [&](const std::vector<uint32_t>& way) {
      std::set<std::pair<int, uint32_t>> all;
      for (const uint32_t l : way) {
        const grid::Link& link = s.links[size_t{l}];
        all.emplace(0, l);
        if (diversity == Diversity::node || diversity == Diversity::node_and_shared_risk)
          for (const grid::NodeIndex node : {link.a, link.b})
            if (node != from && node != to) all.emplace(1, node.value);
        if (diversity == Diversity::shared_risk || diversity == Diversity::node_and_shared_risk)
          for (const auto group : link.shared_risk_groups) all.emplace(2, group.value);
      }
      return all;
    };
    const auto one = things(a), other = things(b);
    return std::none_of(one.begin(), one.end(), [&](const auto& thing) { return other.contains(thing); });
  }
  double best(grid::NodeIndex from) {
    walk(from);
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < ways.size(); ++i)
      for (size_t k = 0; k < ways.size(); ++k)
        if (apart(ways[i], ways[k], from)) least = std::min(least, delay(ways[i]) + delay(ways[k]));
    return least;
  }
};

grid::Snapshot random_ducts(uint64_t seed) {
  Random random(seed);
  const size_t nodes = 4 + random.below(4);
  std::string text;
  for (size_t i = 0; i < nodes; ++i) {
    for (size_t k = i + 1; k < nodes; ++k) {
      if (k > i + 1 && !random.chance(0.4)) continue;
      text += fmt::format("n{}-n{} {}ms 10G group=d{}\n", i, k, 1 + random.below(9), random.below(6));
    }
  }
  return drawn_grid(text);
}

TEST(DiverseWaysSoak, AreTheShortestPairThatTryingAllFinds) {
  size_t found = 0, trapped = 0, none = 0;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    const auto s = random_ducts(seed);
    const grid::NodeIndex from(0), to(s.nodes.size() - 1);
    for (const Diversity diversity :
         {Diversity::link, Diversity::node, Diversity::shared_risk, Diversity::node_and_shared_risk}) {
      Tried tried{s, to, diversity};
      const double least = tried.best(from);
      const DiverseWays ways(s, make_network(s), from, diversity, grid::JurisdictionSet::all());
      const auto pair = ways.pair(to);
      ASSERT_EQ(pair.has_value(), least < 1e300) << "seed " << seed << ": " << ways.obstacle(to);
      if (!pair) {
        ++none;
        continue;
      }
      ++found;
      ASSERT_NEAR(pair->primary.delay.value() + pair->second.delay.value(), least, 1e-6) << "seed " << seed;
      ASSERT_LE(pair->primary.delay, pair->second.delay);
      const auto rows = [](const Way& way) {
        std::vector<uint32_t> links;
        for (const grid::LinkIndex link : way.links) links.push_back(link.value);
        return links;
      };
      ASSERT_TRUE(tried.apart(rows(pair->primary), rows(pair->second), from)) << "seed " << seed;
      double shortest = 1e300;
      for (const auto& way : tried.ways) shortest = std::min(shortest, tried.delay(way));
      trapped += pair->primary.delay.value() > shortest;
    }
  }
  EXPECT_GT(found, 1000u);
  EXPECT_GT(trapped, 20u) << "graphs in which the shortest way is of no pair";
  EXPECT_GT(none, 100u);
}

}  // namespace
}  // namespace tandem::twin
