#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "base/random.h"
#include "support/drawn_grid.h"
#include "twin/twin.h"

namespace tandem::twin {
namespace {

using test_support::drawn_grid;
using test_support::drawn_rows;

PathTree tree_from(const grid::Snapshot& s, std::string_view node) { return {make_network(s), s.nodes.find(node)}; }

double fraction_on(const std::vector<PathTree::ArcShare>& shares, const grid::Snapshot& s, std::string_view link,
                   bool forward) {
  double sum = 0;
  for (const auto& share : shares)
    if (s.links[share.link].id == link && share.forward == forward) sum += share.fraction;
  return sum;
}

TEST(PathTree, ChainAddsDelaysAndJurisdictions) {
  const auto s = drawn_grid(R"(
    a-b 1ms 100G cost=0.01
    b-c 2ms 100G cost=0.02
    site a DE
    site b FR
    site c DE)");
  const PathTree tree = tree_from(s, "a");
  const auto c = s.nodes.find("c");
  EXPECT_DOUBLE_EQ(tree.metric(c), 2);
  EXPECT_DOUBLE_EQ(tree.delay_max(c).value(), 3000);
  EXPECT_DOUBLE_EQ(tree.delay_mean(c).value(), 3000);
  EXPECT_EQ(tree.jurisdictions(c), s.jurisdiction_of(s.sites.find("a")) | s.jurisdiction_of(s.sites.find("b")));
  EXPECT_NEAR(tree.euros_per_byte(c), 0.03e-9, 1e-20);
  EXPECT_TRUE(tree.shares_to(s.nodes.find("a")).empty());
}

// a splits evenly to b and c; both lead to d, b over two parallel links.
TEST(PathTree, EqualCostBranchesSplitEvenlyAtEachRouter) {
  const auto s = drawn_grid(R"(
    a-b 1ms 100G
    a-c 5ms 100G
    b-d 1ms 100G
    b-d 3ms 100G
    c-d 1ms 100G
    d-e 1ms 100G)");
  const PathTree tree = tree_from(s, "a");
  const auto e = s.nodes.find("e");
  EXPECT_DOUBLE_EQ(tree.delay_max(e).value(), 7000);
  const auto out = tree.shares_to(e);
  EXPECT_DOUBLE_EQ(fraction_on(out, s, "a-b", true), 0.5);
  EXPECT_DOUBLE_EQ(fraction_on(out, s, "b-d", true), 0.25);
  EXPECT_DOUBLE_EQ(fraction_on(out, s, "b-d/2", true), 0.25);
  EXPECT_DOUBLE_EQ(fraction_on(out, s, "d-e", true), 1);
  // On the way back d has three equal-cost next hops, so the shares differ.
  const auto back = tree.shares_back(e);
  EXPECT_DOUBLE_EQ(fraction_on(back, s, "b-d", false), 1.0 / 3);
  EXPECT_DOUBLE_EQ(fraction_on(back, s, "a-b", false), 2.0 / 3);
  EXPECT_DOUBLE_EQ(fraction_on(back, s, "a-c", false), 1.0 / 3);
  EXPECT_NEAR(tree.delay_mean(e).value(), 1000 + (2000 + 4000 + 6000) / 3.0, 1e-9);
}

// A branch that leads elsewhere takes no share of the traffic to this node.
TEST(PathTree, OnlyNextHopsTowardTheNodeCount) {
  const auto s = drawn_grid("a-b 1ms 1G\na-c 1ms 1G\nc-d 1ms 1G");
  const auto shares = tree_from(s, "a").shares_to(s.nodes.find("d"));
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_DOUBLE_EQ(fraction_on(shares, s, "a-c", true), 1);
}

TEST(PathTree, LeavesOutWhatIsDown) {
  const std::string ring = "a-b 1ms 1G\nb-c 1ms 1G\nc-d 1ms 1G metric=5\nd-a 1ms 1G\n";
  const auto whole = drawn_grid(ring);
  EXPECT_DOUBLE_EQ(tree_from(whole, "a").metric(whole.nodes.find("c")), 2);
  const auto cut = drawn_grid("a-b 1ms 1G down\nb-c 1ms 1G\nc-d 1ms 1G metric=5\nd-a 1ms 1G");
  EXPECT_DOUBLE_EQ(tree_from(cut, "a").metric(cut.nodes.find("c")), 6);
  const auto dark = drawn_grid(ring + "site b XX down");
  EXPECT_DOUBLE_EQ(tree_from(dark, "a").metric(dark.nodes.find("c")), 6);
  EXPECT_FALSE(tree_from(dark, "a").reachable(dark.nodes.find("b")));
  EXPECT_FALSE(tree_from(dark, "b").reachable(dark.nodes.find("b")));
}

TEST(RegionReach, AnchorsInOrderAndRoundTrip) {
  const std::string text = R"(
    a-c 1ms 1G
    b-c 4ms 1G
    region north a anchor=b access=2ms backhaul=0.5ms)";
  const auto s = drawn_grid(text);
  const auto reach = reach_from(s, make_network(s), grid::RegionIndex(0));
  EXPECT_DOUBLE_EQ(round_trip(reach, s.nodes.find("c")).value(), 2 * (2000 + 500 + 1000));
  const auto down = drawn_grid(text + "\nsite a XX down");
  EXPECT_EQ(active_anchor(down, grid::RegionIndex(0))->node, down.nodes.find("b"));
  const auto cut = drawn_grid("a-c 1ms 1G down\nb-c 4ms 1G\nregion north a anchor=b");
  EXPECT_EQ(active_anchor(cut, grid::RegionIndex(0))->node, cut.nodes.find("b"))
      << "an anchor without a link is passed over";
  const auto isolated = drawn_grid("a-c 1ms 1G down\nregion north a");
  EXPECT_EQ(active_anchor(isolated, grid::RegionIndex(0))->node, isolated.nodes.find("a"));
  const auto dark = drawn_grid(text + "\nsite a XX down\nsite b XX down");
  EXPECT_FALSE(reach_from(dark, make_network(dark), grid::RegionIndex(0)).anchor.has_value());
}

// ---- Against slow and obvious code, on random small graphs --------------------------------------------------------

struct RandomGraph {
  grid::Snapshot snapshot;
  size_t nodes;
};

RandomGraph random_graph(uint64_t seed) {
  Random random(seed);
  const size_t nodes = 2 + random.below(7);
  std::string text;
  for (size_t i = 0; i < nodes; ++i)
    text += "site n" + std::to_string(i) + " J" + std::to_string(random.below(4)) +
            (random.chance(0.05) ? " down" : "") + "\n";
  const size_t links = 1 + random.below(2 * nodes);
  for (size_t i = 0; i < links; ++i) {
    const size_t a = random.below(nodes), b = random.below(nodes);
    if (a == b) continue;
    text += "n" + std::to_string(a) + "-n" + std::to_string(b) + " " + std::to_string(1 + random.below(9)) +
            "ms 10G metric=" + std::to_string(1 + random.below(3)) + " cost=0.0" + std::to_string(random.below(9)) +
            (random.chance(0.1) ? " down" : "") + "\n";
  }
  return {drawn_grid(text), nodes};
}

// All loop-free paths of least metric between two nodes, by enumeration.
struct Brute {
  double metric = INFINITY;
  std::vector<std::vector<grid::Arc>> paths;
};
Brute enumerate(const grid::Snapshot& s, grid::NodeIndex from, grid::NodeIndex to) {
  Brute best;
  if (!s.usable(from) || !s.usable(to)) return best;
  std::vector<grid::Arc> path;
  std::vector<bool> seen(s.nodes.size());
  const std::function<void(grid::NodeIndex, double)> walk = [&](grid::NodeIndex node, double metric) {
    if (node == to) {
      if (metric < best.metric) best = {metric, {}};
      if (metric == best.metric) best.paths.push_back(path);
      return;
    }
    if (node != from && s.nodes[node].overload) return;
    seen[node.value] = true;
    for (const grid::Arc& arc : s.adjacency->out_of(node)) {
      if (!s.usable(arc.link) || seen[arc.to.value]) continue;
      path.push_back(arc);
      walk(arc.to, metric + s.links[arc.link].igp_metric);
      path.pop_back();
    }
    seen[node.value] = false;
  };
  walk(from, 0);
  return best;
}

std::vector<std::vector<double>> floyd_warshall(const grid::Snapshot& s) {
  const size_t n = s.nodes.size();
  std::vector<std::vector<double>> metric(n, std::vector<double>(n, INFINITY));
  for (size_t i = 0; i < n; ++i)
    if (s.usable(grid::NodeIndex(i))) metric[i][i] = 0;
  for (size_t i = 0; i < s.links.size(); ++i) {
    if (!s.usable(grid::LinkIndex(i))) continue;
    const grid::Link& link = s.links[i];
    double& ab = metric[link.a.value][link.b.value];
    ab = metric[link.b.value][link.a.value] = std::min(ab, link.igp_metric);
  }
  for (size_t k = 0; k < n; ++k) {
    if (s.nodes[k].overload) continue;
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) metric[i][j] = std::min(metric[i][j], metric[i][k] + metric[k][j]);
  }
  return metric;
}

// What each arc carries of one unit when a walker at each router takes any next hop of the enumerated paths alike.
std::map<std::pair<uint32_t, bool>, double> brute_shares(const Brute& brute) {
  std::map<uint32_t, std::map<std::pair<uint32_t, bool>, uint32_t>> next_hops;  // node → (link, forward) → next node
  const auto key = [](const grid::Arc& arc) { return std::pair(arc.link.value, arc.forward); };
  std::map<std::pair<uint32_t, bool>, double> shares;
  if (brute.paths.empty() || brute.paths[0].empty()) return shares;
  for (const auto& path : brute.paths) {
    uint32_t at = UINT32_MAX;  // the start
    for (const grid::Arc& arc : path) {
      next_hops[at][key(arc)] = arc.to.value;
      at = arc.to.value;
    }
  }
  for (const auto& path : brute.paths) {  // each path's probability is the product of its even splits
    double probability = 1;
    uint32_t at = UINT32_MAX;
    std::vector<std::pair<uint32_t, bool>> arcs;
    for (const grid::Arc& arc : path) {
      probability /= static_cast<double>(next_hops[at].size());
      arcs.push_back(key(arc));
      at = arc.to.value;
    }
    for (const auto& arc : arcs) shares[arc] += probability;
  }
  return shares;
}

void expect_same_shares(const std::vector<PathTree::ArcShare>& shares, const Brute& brute) {
  std::map<std::pair<uint32_t, bool>, double> found;
  for (const auto& share : shares) found[{share.link.value, share.forward}] += share.fraction;
  const auto expected = brute_shares(brute);
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [arc, fraction] : expected) EXPECT_NEAR(found[arc], fraction, 1e-12);
}

// Over b the way is shorter, but b lets nothing through; it is reached itself, and sends.
TEST(PathTree, NothingGoesThroughAnOverloadedRouter) {
  const auto s = drawn_grid(R"(
    a-b 1ms 100G
    b-c 1ms 100G
    a-c 9ms 100G metric=5
    c-d 1ms 100G
    overload b)");
  const auto b = s.nodes.find("b"), c = s.nodes.find("c"), d = s.nodes.find("d");
  const PathTree from_a = tree_from(s, "a");
  EXPECT_DOUBLE_EQ(from_a.metric(c), 5);
  EXPECT_DOUBLE_EQ(from_a.metric(b), 1);
  EXPECT_DOUBLE_EQ(fraction_on(from_a.shares_to(d), s, "a-c", true), 1);
  EXPECT_DOUBLE_EQ(fraction_on(from_a.shares_to(b), s, "a-b", true), 1);
  const PathTree from_b = tree_from(s, "b");
  EXPECT_DOUBLE_EQ(from_b.metric(d), 2);
  EXPECT_DOUBLE_EQ(fraction_on(from_b.shares_back(d), s, "b-c", false), 1);
  std::vector<double> loads(2 * s.links.size(), 0), rates(s.nodes.size(), 0);
  rates[b.value] = 3;
  rates[s.nodes.find("a").value] = 2;
  EXPECT_EQ(tree_from(s, "d").collect(rates, loads), 0);
  EXPECT_DOUBLE_EQ(loads[2 * s.links.find("c-d").value], 5);
  EXPECT_DOUBLE_EQ(loads[2 * s.links.find("b-c").value], 3);
  EXPECT_DOUBLE_EQ(loads[2 * s.links.find("a-b").value], 0);
}

// Where the only way leads through it, there is none.
TEST(PathTree, AnOverloadedRouterPartsWhatItAloneJoins) {
  const auto s = drawn_grid("a-b 1ms 100G\nb-c 1ms 100G\noverload b");
  EXPECT_FALSE(tree_from(s, "a").reachable(s.nodes.find("c")));
  EXPECT_TRUE(tree_from(s, "a").reachable(s.nodes.find("b")));
}

TEST(PathTreeProperty, AgreesWithFloydWarshallAndEnumeration) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const auto [s, nodes] = random_graph(seed);
    const auto metric = floyd_warshall(s);
    const auto network = make_network(s);
    for (size_t i = 0; i < s.nodes.size(); ++i) {
      const PathTree tree(network, grid::NodeIndex(i));
      for (size_t j = 0; j < s.nodes.size(); ++j) {
        const grid::NodeIndex to(j);
        ASSERT_EQ(tree.reachable(to), metric[i][j] < INFINITY);
        if (!tree.reachable(to)) continue;
        EXPECT_EQ(tree.metric(to), metric[i][j]);
        const Brute brute = enumerate(s, grid::NodeIndex(i), to);
        double longest = 0;
        uint64_t jurisdictions = s.jurisdiction_of(s.nodes[i].site).bits;
        for (const auto& path : brute.paths) {
          double delay = 0;
          for (const grid::Arc& arc : path) {
            delay += s.links[arc.link].delay.value();
            jurisdictions |= s.jurisdiction_of(s.nodes[arc.to].site).bits;
          }
          longest = std::max(longest, delay);
        }
        EXPECT_DOUBLE_EQ(tree.delay_max(to).value(), longest);
        EXPECT_EQ(tree.jurisdictions(to).bits, jurisdictions);
        expect_same_shares(tree.shares_to(to), brute);
        const Brute back = enumerate(s, to, grid::NodeIndex(i));
        expect_same_shares(tree.shares_back(to), back);
        double mean_delay = 0, mean_euros = 0;
        for (const auto& [arc, fraction] : brute_shares(back)) {
          mean_delay += fraction * s.links[size_t{arc.first}].delay.value();
          mean_euros += fraction * s.links[size_t{arc.first}].cost.value() * 1e-9;
        }
        EXPECT_NEAR(tree.delay_mean(to).value(), mean_delay, 1e-6);
        EXPECT_NEAR(tree.euros_per_byte(to), mean_euros, 1e-20);
      }
    }
  }
}

}  // namespace
}  // namespace tandem::twin
