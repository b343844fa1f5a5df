#include "twin/resilience.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "support/drawn_grid.h"

namespace tandem::twin {
namespace {

using test_support::drawn_grid;

double load(const grid::Snapshot& s, const std::vector<double>& gbps, std::string_view link, bool forward) {
  return gbps[2 * s.links.find(link).value + (forward ? 0 : 1)];
}

Failure cut(const grid::Snapshot& s, std::string_view link) { return {FailureKind::link, s.links.find(link).value}; }

// Traffic goes to the cut and back before its source knows; then it takes the other side at once.
TEST(LocalRepair, GoesToTheCutAndBack) {
  const auto s = drawn_grid("a-b 1ms 10G\nb-c 1ms 10G\na-c 5ms 10G metric=5\ntraffic a c 4G");
  const Failure failures[] = {cut(s, "b-c")};
  const TrafficMatrix matrix = own_traffic(s, {});
  const PlainLoads repaired = repair_loads(s, matrix, failures);
  EXPECT_DOUBLE_EQ(load(s, repaired.gbps, "a-b", true), 4);
  EXPECT_DOUBLE_EQ(load(s, repaired.gbps, "a-b", false), 4);
  EXPECT_DOUBLE_EQ(load(s, repaired.gbps, "b-c", true), 0);
  EXPECT_DOUBLE_EQ(load(s, repaired.gbps, "a-c", true), 4);
  EXPECT_EQ(repaired.lost.value(), 0);
  const PlainLoads converged = plain_loads(with_failures(s, failures), matrix);
  EXPECT_DOUBLE_EQ(load(s, converged.gbps, "a-b", true), 0);
  EXPECT_DOUBLE_EQ(load(s, converged.gbps, "a-c", true), 4);
}

TEST(LocalRepair, LosesWhatHasNoWayRound) {
  const auto s = drawn_grid("a-b 1ms 10G\nb-c 1ms 10G\ntraffic a c 4G\ntraffic a b 1G\ntraffic b c 2G");
  const Failure failures[] = {{FailureKind::node, s.nodes.find("b").value}};
  EXPECT_DOUBLE_EQ(repair_loads(s, own_traffic(s, {}), failures).lost.value(), 7);
}

TEST(LocalRepair, ChangesNothingWhereNothingFails) {
  const auto s = drawn_grid("a-b 1ms 10G\na-c 1ms 10G\nb-d 1ms 10G\nc-d 1ms 10G\ntraffic a d 4G\ntraffic d b 1G");
  const TrafficMatrix matrix = own_traffic(s, {});
  EXPECT_EQ(repair_loads(s, matrix, {}).gbps, plain_loads(s, matrix).gbps);
}

// Three ways of 10, 8 and 3 Gbit/s: each that fails overloads the next, until the last cannot carry what is left
// either.
TEST(Cascade, RunsToItsFixedPoint) {
  const auto s = drawn_grid(R"(
    a-b 1ms 10G metric=1
    a-b 1ms 8G metric=2
    a-b 1ms 3G metric=3
    traffic a b 9G)");
  const Failure failures[] = {cut(s, "a-b")};
  const Cascade run = cascade(s, own_traffic(s, {}), failures, 1, 100);
  ASSERT_EQ(run.rounds.size(), 3u);
  EXPECT_TRUE(run.settled);
  EXPECT_DOUBLE_EQ(run.rounds[0].utilization_max, 9.0 / 8);
  ASSERT_EQ(run.rounds[1].tripped.size(), 1u);
  EXPECT_DOUBLE_EQ(run.rounds[1].utilization_max, 3);
  EXPECT_DOUBLE_EQ(run.rounds[2].lost.value(), 9);
  const Cascade stopped = cascade(s, own_traffic(s, {}), failures, 1, 1);
  EXPECT_FALSE(stopped.settled);
  std::stop_source asked;
  asked.request_stop();
  EXPECT_TRUE(cascade(s, own_traffic(s, {}), failures, 1, 100, asked.get_token()).rounds.empty());
  EXPECT_EQ(cascade(s, own_traffic(s, {}), failures, 4, 100).rounds.size(), 1u)
      << "nothing trips at four times capacity";
}

// The line network of the textbook: one long flow against one on each link.
TEST(ElasticSharing, LineNetworkOfTheTextbook) {
  const auto s = drawn_grid(R"(
    a-b 1ms 10G
    b-c 1ms 4G
    traffic a c 100G
    traffic a b 100G
    traffic b c 1G)");
  const TrafficMatrix matrix = own_traffic(s, {});
  const ElasticShares shares = share_elastic(s, matrix, std::vector<double>(4, 0));
  const auto rate = [&](const char* from, const char* to) {
    for (size_t f = 0; f < matrix.flows.size(); ++f)
      if (s.nodes[matrix.flows[f].from].id == from && s.nodes[matrix.flows[f].to].id == to)
        return shares.rates[f].value();
    return -1.0;
  };
  EXPECT_NEAR(rate("b", "c"), 1, 1e-12) << "no more than it asks for";
  EXPECT_NEAR(rate("a", "c"), 3, 1e-12) << "what is left of b-c";
  EXPECT_NEAR(rate("a", "b"), 7, 1e-12) << "what is left of a-b";
  EXPECT_NEAR(load(s, shares.gbps, "a-b", true), 10, 1e-12);
}

TEST(ElasticSharing, WhatIsNotElasticComesFirst) {
  const auto s = drawn_grid("a-b 1ms 10G\ntraffic a b 100G");
  const ElasticShares shares = share_elastic(s, own_traffic(s, {}), std::vector<double>{6, 0});
  EXPECT_NEAR(shares.rates[0].value(), 4, 1e-12);
  EXPECT_NEAR(shares.gbps[0], 10, 1e-12);
}

// Max-min fair means: every flow has what it asks for, or crosses a full link where no flow has more than it.
TEST(ElasticSharingProperty, EveryFlowHasItsBottleneck) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const size_t nodes = 4 + random.below(6);
    std::string text;
    const auto link = [&](size_t a, size_t b) {
      if (a != b)
        text +=
            "n" + std::to_string(a) + "-n" + std::to_string(b) + " 1ms " + std::to_string(1 + random.below(9)) + "G\n";
    };
    for (size_t i = 1; i < nodes; ++i) link(i, random.below(i));
    for (size_t i = 0; i < nodes; ++i) link(random.below(nodes), random.below(nodes));
    const auto s = drawn_grid(text);
    TrafficMatrix matrix;
    for (size_t i = 0; i < 12; ++i)
      if (const size_t a = random.below(nodes), b = random.below(nodes); a != b)
        matrix.flows.push_back({grid::NodeIndex(a), grid::NodeIndex(b), Gbps(0.5 + 3 * random.uniform())});
    const ElasticShares shares = share_elastic(s, matrix, std::vector<double>(2 * s.links.size(), 0));
    const auto capacity = [&](size_t slot) {
      return (slot % 2 == 0 ? s.links[slot / 2].capacity_ab : s.links[slot / 2].capacity_ba).value();
    };
    for (size_t slot = 0; slot < shares.gbps.size(); ++slot) EXPECT_LE(shares.gbps[slot], capacity(slot) + 1e-9);
    std::vector<std::vector<size_t>> crossed;
    std::vector<double> highest(shares.gbps.size(), 0);
    const auto network = make_network(s);
    for (size_t f = 0; f < matrix.flows.size(); ++f) {
      crossed.emplace_back();
      for (const auto& share : PathTree(network, matrix.flows[f].to).shares_back(matrix.flows[f].from)) {
        crossed.back().push_back(2 * size_t{share.link.value} + (share.forward ? 0 : 1));
        highest[crossed.back().back()] = std::max(highest[crossed.back().back()], shares.rates[f].value());
      }
    }
    for (size_t f = 0; f < matrix.flows.size(); ++f) {
      if (shares.rates[f].value() >= matrix.flows[f].rate.value() - 1e-9) continue;
      EXPECT_TRUE(std::any_of(crossed[f].begin(), crossed[f].end(), [&](size_t slot) {
        return shares.gbps[slot] >= capacity(slot) - 1e-9 && highest[slot] <= shares.rates[f].value() + 1e-9;
      })) << f;
    }
  }
}

TEST(SegmentLists, LeadThroughNodesAndOverLinks) {
  const auto s = drawn_grid("a-b 1ms 10G\nb-c 1ms 10G\na-d 1ms 10G\nd-c 1ms 10G metric=9\nd-c 1ms 10G metric=9");
  const auto network = make_network(s);
  const auto node = [&](const char* id) { return s.nodes.find(id); };
  const auto shares = [&](std::vector<Segment> segments, size_t depth_max = 3) {
    return segment_shares(s, network, node("a"), node("c"), segments, depth_max);
  };
  const auto on = [&](const std::vector<PathTree::ArcShare>& all, std::string_view link) {
    double sum = 0;
    for (const auto& share : all)
      if (s.links[share.link].id == link) sum += share.fraction;
    return sum;
  };
  EXPECT_DOUBLE_EQ(on(*shares({}), "b-c"), 1);
  const Segment through_d{Segment::Kind::node, node("d"), {}, true};
  EXPECT_DOUBLE_EQ(on(*shares({through_d}), "a-d"), 2) << "from d the shortest way to c leads back over a";
  const Segment over{Segment::Kind::adjacency, {}, s.links.find("d-c/2"), true};
  const auto steered = shares({through_d, over});
  ASSERT_TRUE(steered.has_value());
  EXPECT_DOUBLE_EQ(on(*steered, "d-c/2"), 1);
  EXPECT_DOUBLE_EQ(on(*steered, "d-c"), 0);
  EXPECT_EQ(shares({over}).error().code, ErrorCode::invalid_argument) << "d-c/2 does not start at a";
  EXPECT_EQ(shares({through_d, over}, 1).error().code, ErrorCode::invalid_argument) << "too deep";
  const auto cut_off = drawn_grid("a-b 1ms 10G\nc-d 1ms 10G");
  EXPECT_EQ(segment_shares(cut_off, make_network(cut_off), cut_off.nodes.find("a"), cut_off.nodes.find("c"), {}, 3)
                .error()
                .code,
            ErrorCode::unavailable);
}

}  // namespace
}  // namespace tandem::twin
