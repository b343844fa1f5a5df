#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "support/drawn_grid.h"
#include "twin/traffic.h"
#include "twin/twin.h"

namespace tandem::twin {
namespace {

using test_support::drawn_grid;

PathTree tree_from(const grid::Snapshot& s, std::string_view node, grid::FlexAlgoIndex algo) {
  return {make_network(s, algo), s.nodes.find(node)};
}
double delay_us(const grid::Snapshot& s, std::string_view from, std::string_view to, std::string_view algo) {
  const PathTree tree = tree_from(s, from, algo.empty() ? grid::FlexAlgoIndex() : s.flex_algos.find(algo));
  return tree.reachable(s.nodes.find(to)) ? tree.delay_max(s.nodes.find(to)).value() : -1;
}

// Few hops over the sea, many over land.
const std::string kCoast = R"(
  a-z 9ms 10G admin=submarine te=1
  a-b 2ms 10G te=5
  b-z 2ms 10G te=5
  b-z 3ms 10G admin=gold
  site z FR
)";

TEST(FlexAlgo, MinimisesItsOwnMetricOverTheLinksItsRulesAdmit) {
  const auto s = drawn_grid(kCoast + R"(
    algo 128 delay
    algo 129 igp exclude=submarine
    algo 130 te
    algo 131 igp any=gold,submarine
    algo 132 igp all=gold,submarine
    algo 133 igp exclude=gold nodes=a,b)");
  EXPECT_EQ(delay_us(s, "a", "z", ""), 9000) << "one hop";
  EXPECT_EQ(delay_us(s, "a", "z", "128"), 4000);
  EXPECT_EQ(delay_us(s, "a", "z", "129"), 5000) << "two links of equal metric, the longer counts";
  EXPECT_EQ(delay_us(s, "a", "z", "130"), 9000) << "1 over the sea, 10 over land; b-z/2 has no TE metric";
  EXPECT_EQ(delay_us(s, "b", "z", "131"), 3000);
  EXPECT_EQ(delay_us(s, "b", "z", "132"), -1) << "no link has both";
  EXPECT_EQ(delay_us(s, "a", "b", "133"), 2000);
  EXPECT_EQ(delay_us(s, "a", "z", "133"), -1) << "z takes no part";
  EXPECT_EQ(in_algorithm(s, s.flex_algos.find("133")), " in flex algorithm 133");
}

// Announced delays are whole microseconds: what differs by less is equal.
TEST(FlexAlgo, DelaysAreWholeMicroseconds) {
  const auto s = drawn_grid("a-b 10.2us 10G\na-b 9.8us 10G metric=7\na-b 0us 10G metric=9 down\nalgo 128 delay");
  EXPECT_EQ(tree_from(s, "a", grid::FlexAlgoIndex(0)).shares_to(s.nodes.find("b")).size(), 2u);
  EXPECT_EQ(metric_in(s, grid::FlexAlgoIndex(0), s.links.find("a-b/3")), 1) << "whether it is up or not";
  EXPECT_EQ(metric_in(s, {}, s.links.find("a-b/3")), 9);
}

TEST(FlexAlgo, ADemandsBytesTakeItsOwnPaths) {
  const auto s = drawn_grid(kCoast + R"(
    algo 129 igp exclude=submarine,gold
    region west a
    accelerator h100 80GB
    pool p z h100 8
    model m 16GB
    tenant t *
    demand sea t west m 1000/s up=1000000 down=2000000
    demand land t west m 1000/s up=1000000 down=2000000 flex=129)");
  const Assignment all{
      {{grid::DemandIndex(0), grid::PoolIndex(0), 1, {}, {}}, {grid::DemandIndex(1), grid::PoolIndex(0), 1, {}, {}}}};
  const Forecast carried = forecast(s, all);
  for (const char* link : {"a-z", "a-b", "b-z"}) {
    EXPECT_DOUBLE_EQ(carried.links[s.links.find(link).value].ab.value(), 8) << link;
    EXPECT_DOUBLE_EQ(carried.links[s.links.find(link).value].ba.value(), 16) << link;
  }
  EXPECT_EQ(carried.links[s.links.find("b-z/2").value].ab.value(), 0);
  const PlainLoads loads = plain_loads(s, own_traffic(s, all));
  for (size_t i = 0; i < s.links.size(); ++i) {
    EXPECT_DOUBLE_EQ(loads.gbps[2 * i], carried.links[i].ab.value());
    EXPECT_DOUBLE_EQ(loads.gbps[2 * i + 1], carried.links[i].ba.value());
  }
}

// The same world as the IGP would see it: what the rules leave out is down, and its metric is the algorithm's.
grid::Snapshot as_igp(const grid::Snapshot& s, grid::FlexAlgoIndex algo) {
  grid::Snapshot seen = s;
  for (size_t i = 0; i < s.links.size(); ++i) {
    grid::Link link = s.links[i];
    const grid::FlexAlgo& rules = s.flex_algos[algo];
    const auto has = [&](const std::string& group) {
      for (const std::string& own : link.admin_groups)
        if (own == group) return true;
      return false;
    };
    bool in = true, any = rules.include_any.empty();
    for (const std::string& group : rules.exclude_any) in &= !has(group);
    for (const std::string& group : rules.include_any) any |= has(group);
    for (const std::string& group : rules.include_all) in &= has(group);
    for (const grid::NodeIndex end : {link.a, link.b}) {
      bool named = rules.participants.empty();
      for (const grid::NodeIndex node : rules.participants) named |= node == end;
      in &= named;
    }
    if (rules.metric == grid::PathMetric::delay) link.igp_metric = std::max(1.0, std::round(link.delay.value()));
    if (rules.metric == grid::PathMetric::te) {
      in &= link.te_metric > 0;
      link.igp_metric = std::max(1.0, link.te_metric);
    }
    if (!in || !any) link.state = grid::State::down;
    seen = grid::with_link(seen, grid::LinkIndex(i), link, s.offset);
  }
  return seen;
}

grid::Snapshot random_colours(uint64_t seed) {
  Random random(seed);
  const size_t nodes = 3 + random.below(7);
  std::string text;
  for (size_t i = 0; i < nodes; ++i) {
    for (size_t k = i + 1; k < nodes; ++k) {
      if (k > i + 1 && !random.chance(0.5)) continue;
      text += "n" + std::to_string(i) + "-n" + std::to_string(k) + " " + std::to_string(random.below(4)) +
              "ms 10G metric=" + std::to_string(1 + random.below(3)) + " te=" + std::to_string(random.below(3));
      const char* colours[] = {"", " admin=red", " admin=blue", " admin=blue,red", " down", ""};
      text += std::string(colours[random.below(6)]) + "\n";
    }
  }
  const char* metrics[] = {"igp", "delay", "te"};
  const char* rules[] = {"", " exclude=red", " any=red,blue", " all=blue", " nodes=n0,n1,n2"};
  for (int algo = 128; algo < 132; ++algo)
    text += "algo " + std::to_string(algo) + " " + metrics[random.below(3)] + rules[random.below(5)] + "\n";
  if (random.chance(0.3)) text += "overload n" + std::to_string(random.below(nodes)) + "\n";
  return drawn_grid(text);
}

TEST(FlexAlgoProperty, IsTheIgpOfAWorldWithoutTheRest) {
  size_t cut_off = 0, reached = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const auto s = random_colours(seed);
    for (size_t a = 0; a < s.flex_algos.size(); ++a) {
      const grid::Snapshot seen = as_igp(s, grid::FlexAlgoIndex(a));
      for (uint32_t from = 0; from < s.nodes.size(); ++from) {
        const PathTree tree(make_network(s, grid::FlexAlgoIndex(a)), grid::NodeIndex(from));
        const PathTree plain(make_network(seen), grid::NodeIndex(from));
        for (uint32_t to = 0; to < s.nodes.size(); ++to) {
          const grid::NodeIndex node(to);
          if (to == from) continue;
          ASSERT_EQ(tree.reachable(node), plain.reachable(node)) << "seed " << seed << " algorithm " << a;
          ++(tree.reachable(node) ? reached : cut_off);
          if (!tree.reachable(node)) continue;
          ASSERT_EQ(tree.metric(node), plain.metric(node)) << "seed " << seed;
          ASSERT_EQ(tree.delay_max(node), plain.delay_max(node)) << "seed " << seed;
          ASSERT_EQ(tree.jurisdictions(node), plain.jurisdictions(node)) << "seed " << seed;
          ASSERT_EQ(tree.shares_to(node).size(), plain.shares_to(node).size()) << "seed " << seed;
        }
      }
    }
  }
  EXPECT_GT(reached, 5000u);
  EXPECT_GT(cut_off, 5000u);
}

}  // namespace
}  // namespace tandem::twin
