#include "twin/failures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "support/detour.h"
#include "support/drawn_grid.h"
#include "twin/diverse_ways.h"

namespace tandem::twin {
namespace {

using test_support::drawn_grid;
using test_support::drawn_rows;

TrafficMatrix traffic_of(const grid::Snapshot& s) { return own_traffic(s, {}); }

FailureStudy study_of(const grid::Snapshot& s, const TrafficMatrix& matrix, FailureKind kind,
                      std::vector<PromiseWatch> watches = {}) {
  auto study = FailureStudy::make(s, matrix, std::move(watches), kind);
  EXPECT_TRUE(study.has_value());
  return std::move(*study);
}

std::string names(const grid::Snapshot& s, const FailureStudy& study, const FailureOutcome& outcome) {
  std::string text(failed_id(s, study.failures()[outcome.failed[0]]));
  if (outcome.failed[0] != outcome.failed[1])
    text += "+" + std::string(failed_id(s, study.failures()[outcome.failed[1]]));
  return text;
}

TEST(FailureClass, ReadsEachAndRefusesOthers) {
  EXPECT_EQ(parse_failure_class("links:2")->kind, FailureKind::link);
  EXPECT_EQ(parse_failure_class("links:2")->at_once, 2u);
  EXPECT_EQ(parse_failure_class("srlgs:1")->kind, FailureKind::shared_risk_group);
  EXPECT_EQ(parse_failure_class("sites:2")->kind, FailureKind::site);
  EXPECT_EQ(parse_failure_class("members:1")->kind, FailureKind::member);
  for (const char* wrong : {"members:2", "", "links", "links:3", "links:0", "link:1", "nodes:1 "})
    EXPECT_FALSE(parse_failure_class(wrong).has_value()) << wrong;
}

// A ring of four: what went one way round goes the other.
TEST(FailureStudy, RingRoutesTheOtherWay) {
  const auto s = drawn_grid("a-b 1ms 10G\nb-c 1ms 10G\nc-d 1ms 10G\nd-a 1ms 10G\ntraffic a b 6G\ntraffic b a 3G");
  const FailureStudy study = study_of(s, traffic_of(s), FailureKind::link);
  EXPECT_DOUBLE_EQ(study.undisturbed().utilization_max, 0.6);
  ASSERT_EQ(study.scenarios(1), 4u);
  const Sweep sweep = study.run(1, {.verify = 4}, {});
  ASSERT_EQ(sweep.kept.size(), 4u);
  EXPECT_TRUE(sweep.complete);
  const auto& cut = sweep.kept[s.links.find("a-b").value];
  EXPECT_DOUBLE_EQ(cut.gbps[2 * s.links.find("a-b").value], 0);
  for (const char* id : {"b-c", "c-d", "d-a"}) {  // against their own direction from a to b, along it back
    EXPECT_DOUBLE_EQ(cut.gbps[2 * s.links.find(id).value + 1], 6) << id;
    EXPECT_DOUBLE_EQ(cut.gbps[2 * s.links.find(id).value], 3) << id;
  }
  EXPECT_EQ(cut.outcome.lost_gbps, 0);
}

TEST(FailureStudy, TwoCutsOfARingLoseWhatTheyPart) {
  const auto s = drawn_grid("a-b 1ms 10G\nb-c 1ms 10G\nc-d 1ms 10G\nd-a 1ms 10G\ntraffic a b 6G\ntraffic c d 30G");
  const FailureStudy study = study_of(s, traffic_of(s), FailureKind::link);
  const Sweep sweep = study.run(2, {.worst = 1, .verify = 6}, {});
  EXPECT_EQ(sweep.scenarios, 6u);
  ASSERT_EQ(sweep.kept.size(), 6u);
  std::map<std::string, double> lost;
  for (const KeptScenario& kept : sweep.kept) lost[names(s, study, kept.outcome)] = kept.outcome.lost_gbps;
  EXPECT_DOUBLE_EQ(lost["a-b+b-c"], 6);
  EXPECT_DOUBLE_EQ(lost["a-b+c-d"], 36);
  EXPECT_DOUBLE_EQ(lost["b-c+d-a"], 0);
  ASSERT_EQ(sweep.worst.size(), 1u);
  EXPECT_DOUBLE_EQ(sweep.worst[0].utilization_max, 3);
  EXPECT_EQ(sweep.overloaded, 3u)
      << "where c-d is up it carries 30 of 10; where it is not, the other cut parts c from d";
}

TEST(FailureStudy, FailedNodesLoseTheirOwnTraffic) {
  const auto s = drawn_grid("a-b 1ms 10G\nb-c 1ms 10G\nc-a 1ms 10G\ntraffic a b 1G\ntraffic b c 2G\ntraffic c a 4G");
  const FailureStudy study = study_of(s, traffic_of(s), FailureKind::node);
  const Sweep sweep = study.run(1, {.verify = 3}, {});
  ASSERT_EQ(sweep.kept.size(), 3u);
  EXPECT_DOUBLE_EQ(sweep.kept[s.nodes.find("b").value].outcome.lost_gbps, 3);
  EXPECT_EQ(sweep.losing, 3u);
}

TEST(FailureStudy, SharedRiskGroupsTakeTheirLinksTogether) {
  auto rows = drawn_rows("a-b 1ms 10G\na-b 1ms 10G\na-c 1ms 10G\nc-b 1ms 10G\ntraffic a b 8G");
  rows.shared_risk_groups.push_back({"duct", "Duct 7"});
  for (grid::Link& link : rows.links)
    if (link.id.starts_with("a-b")) link.shared_risk_groups.push_back(grid::SharedRiskGroupIndex(0));
  const auto s = grid::make_snapshot(rows, 0);
  const FailureStudy study = study_of(s, traffic_of(s), FailureKind::shared_risk_group);
  const Sweep sweep = study.run(1, {.worst = 5, .verify = 1}, {});
  ASSERT_EQ(sweep.kept.size(), 1u);
  EXPECT_DOUBLE_EQ(sweep.kept[0].gbps[2 * s.links.find("a-c").value], 8);
  EXPECT_DOUBLE_EQ(sweep.worst[0].utilization_max, 0.8);
}

// Four links of 10 Gbit/s each as one: with three of them 6 Gbit/s fill a fifth; with fewer than three it is down, and
// the other way is full.
TEST(FailureStudy, AMemberLowersItsBundleUntilTooFewAreLeft) {
  auto rows = drawn_rows(R"(
    a-b 1ms 40G members=4 members_min=3
    a-c 1ms 6G
    c-b 1ms 6G
    traffic a b 6G)");
  const auto four = grid::make_snapshot(rows, 0);
  const FailureStudy study = study_of(four, traffic_of(four), FailureKind::member);
  ASSERT_EQ(study.scenarios(1), 1u) << "a link alone has no members";
  EXPECT_DOUBLE_EQ(study.undisturbed().utilization_max, 0.15);
  const Sweep one = study.run(1, {.worst = 1, .verify = 1}, {});
  EXPECT_DOUBLE_EQ(one.worst[0].utilization_max, 0.2);
  EXPECT_DOUBLE_EQ(one.kept[0].gbps[2 * four.links.find("a-b").value], 6);

  const Failure member{FailureKind::member, four.links.find("a-b").value};
  const grid::Snapshot three = with_failures(four, std::span(&member, 1));
  EXPECT_TRUE(three.usable(four.links.find("a-b")));
  EXPECT_DOUBLE_EQ(three.links[four.links.find("a-b")].capacity_ab.value(), 30);
  const FailureStudy next = study_of(three, traffic_of(three), FailureKind::member);
  const Sweep two = next.run(1, {.worst = 1, .verify = 1}, {});
  EXPECT_DOUBLE_EQ(two.worst[0].utilization_max, 1);
  EXPECT_DOUBLE_EQ(two.kept[0].gbps[2 * three.links.find("a-c").value], 6);
  EXPECT_FALSE(with_failures(three, std::span(&member, 1)).usable(three.links.find("a-b")));
}

TEST(FailureStudy, OverloadedRoutersAreGoneRound) {
  const auto s = drawn_grid(R"(
    a-b 1ms 10G
    b-d 1ms 10G
    a-c 1ms 10G metric=4
    c-d 1ms 10G
    b-c 1ms 10G
    overload b
    traffic a d 4G
    traffic b d 1G)");
  const FailureStudy study = study_of(s, traffic_of(s), FailureKind::link);
  const Sweep sweep = study.run(1, {.verify = 5}, {});
  const auto gbps = [&](const char* cut, const char* link) {
    return sweep.kept[s.links.find(cut).value].gbps[2 * s.links.find(link).value];
  };
  EXPECT_DOUBLE_EQ(gbps("b-d", "a-c"), 4);
  EXPECT_DOUBLE_EQ(gbps("b-d", "b-c"), 1) << "its own traffic goes on";
  EXPECT_DOUBLE_EQ(gbps("b-d", "c-d"), 5);
  EXPECT_DOUBLE_EQ(sweep.kept[s.links.find("a-c").value].outcome.lost_gbps, 4) << "not over b";
}

TEST(FailureStudy, PromisesBreakByDistanceBorderAndIsolation) {
  const auto s = drawn_grid(R"(
    a-b 1ms 10G
    a-c 5ms 10G
    c-b 5ms 10G
    site c FR
    region north a)");
  const auto watch = [&](double round_trip_us, grid::JurisdictionSet allowed) {
    return PromiseWatch{grid::RegionIndex(0), allowed, {{s.nodes.find("b"), Microseconds(round_trip_us)}}};
  };
  const auto home = s.jurisdiction_of(s.sites.find("a"));
  const auto anywhere = grid::JurisdictionSet::all();
  const FailureStudy study = study_of(s, {}, FailureKind::link,
                                      {watch(2'000, anywhere), watch(20'000, anywhere), watch(20'000, home),
                                       watch(1'000, anywhere)});  // the last is broken already
  const Sweep one = study.run(1, {.verify = 3}, {});
  EXPECT_EQ(one.kept[s.links.find("a-b").value].outcome.promises_broken, 2u);
  EXPECT_EQ(one.kept[s.links.find("a-c").value].outcome.promises_broken, 0u);
  const Sweep two = study.run(2, {.worst = 3}, {});
  EXPECT_EQ(two.worst[0].promises_broken, 3u);
  EXPECT_EQ(two.worst[2].promises_broken, 0u) << "a-c and c-b carry nothing";
}

// Where c-d is cut, c sends on over b and f, in France, until all know that a-e-d is shorter.
TEST(FailureStudy, ARepairMayLeaveTheResidencyThatRoutingKeeps) {
  const auto s = drawn_grid(test_support::kDetour + R"(
    site a DE
    site b DE
    site c DE
    site d DE
    site e DE
    site f FR
    region north a)");
  const auto watch = [&](std::initializer_list<const char*> sites) {
    grid::JurisdictionSet allowed;
    for (const char* at : sites) allowed = allowed | s.jurisdiction_of(s.sites.find(at));
    return PromiseWatch{grid::RegionIndex(0), allowed, {{s.nodes.find("d"), Microseconds(1e6)}}, {}};
  };
  const FailureStudy study = study_of(s, {}, FailureKind::link, {watch({"a"}), watch({"a", "f"})});
  const Sweep sweep = study.run(1, {.worst = 2, .verify = 10}, {});
  const auto outcome = [&](const char* link) { return sweep.kept[s.links.find(link).value].outcome; };
  for (const char* cut : {"c-d", "b-c"}) {
    EXPECT_EQ(outcome(cut).residencies_left, 1u) << cut << ": of the one that may not pass France";
    EXPECT_EQ(outcome(cut).promises_broken, 0u) << cut;
    const uint32_t row = s.links.find(cut).value;
    EXPECT_EQ(study.plain({row, row}).left, std::vector<uint32_t>{0});
  }
  EXPECT_EQ(outcome("a-b").residencies_left, 0u) << "a knows at once, and what comes back goes round within";
  EXPECT_EQ(outcome("e-d").residencies_left, 0u) << "carries nothing";
  EXPECT_EQ(sweep.leaving, 2u);
  EXPECT_EQ(sweep.worst[0].residencies_left, 1u);
  const FailureOutcome few{{0, 0}, 1, 0, 0, 0}, many{{1, 1}, 0, 9, 5, 0};
  EXPECT_TRUE(hurts_more(few, many)) << "a residency left counts above any number of promises broken";
}

// The ends watch their ways: no router between repairs anything.
TEST(FailureStudy, WhatIsSteeredGoesOverItsSecondWayAndThenOverTheNetworks) {
  auto rows =
      drawn_rows("a-b 1ms 10G\na-c 5ms 10G metric=9\nc-b 5ms 10G metric=9\na-d 9ms 10G metric=5\nd-b 9ms 10G metric=5");
  const auto s = grid::make_snapshot(rows, 0);
  const auto link = [&](const char* id) { return s.links.find(id); };
  TrafficMatrix matrix;
  matrix.steered.push_back(
      {s.nodes.find("a"), s.nodes.find("b"), Gbps(2), {}, {link("a-b")}, {link("a-c"), link("c-b")}});
  const FailureStudy study = study_of(s, matrix, FailureKind::link);
  const Sweep one = study.run(1, {.verify = 10}, {}), two = study.run(2, {.verify = 20}, {});
  const auto carried = [&](const Sweep& sweep, std::vector<const char*> failed, const char* over) {
    for (const KeptScenario& kept : sweep.kept)
      if (kept.outcome.failed == std::array{link(failed.front()).value, link(failed.back()).value})
        return kept.gbps[2 * link(over).value];
    return -1.0;
  };
  EXPECT_EQ(carried(one, {"a-d"}, "a-b"), 2);
  EXPECT_EQ(carried(one, {"a-b"}, "a-c"), 2) << "the IGP would go over d";
  EXPECT_EQ(carried(one, {"a-b"}, "a-d"), 0);
  EXPECT_EQ(carried(two, {"a-b", "c-b"}, "a-d"), 2);
  EXPECT_EQ(carried(two, {"a-b", "c-b"}, "a-c"), 0);
  EXPECT_EQ(carried(two, {"a-c", "c-b"}, "a-b"), 2);
}

TEST(FailureStudy, StopsWhenAsked) {
  const auto s = drawn_grid("a-b 1ms 10G\nb-c 1ms 10G\nc-a 1ms 10G\ntraffic a b 1G");
  const FailureStudy study = study_of(s, traffic_of(s), FailureKind::link);
  std::stop_source stop;
  stop.request_stop();
  const Sweep sweep = study.run(2, {}, stop.get_token());
  EXPECT_FALSE(sweep.complete);
  EXPECT_EQ(sweep.scenarios, 0u);
}

// ---- Against the same from scratch, on random small grids ----------------------------------------------------------

struct RandomWorld {
  grid::Snapshot snapshot;
  TrafficMatrix matrix;
  std::vector<PromiseWatch> watches;
};

struct Shape {
  uint64_t nodes = 10;  // at most two more
  uint64_t metrics = 3;
  bool sparse = false;
  bool algos = false;  // some traffic and promises take flex algorithms
  bool ways = false;   // some traffic and promises take two ways of their own
};

void add_algos(Random& random, grid::Rows& rows) {
  for (grid::Link& link : rows.links) {
    if (random.chance(0.5)) link.admin_groups.push_back("blue");
    if (random.chance(0.3)) link.admin_groups.push_back("red");
  }
  grid::FlexAlgo fast, blue, part;
  fast.id = "128";
  fast.metric = grid::PathMetric::delay;
  blue.id = "129";
  blue.include_any = {"blue"};
  blue.exclude_any = {"red"};
  part.id = "130";
  for (size_t i = 0; i < rows.nodes.size(); ++i)
    if (random.chance(0.8)) part.participants.emplace_back(i);
  rows.flex_algos = {fast, blue, part};
}

// Few metrics, so that equal-cost branches abound; parallel links, links down, nodes without traffic, two nodes at a
// site.
RandomWorld random_world(uint64_t seed, const Shape& shape = {}) {
  Random random(seed);
  const size_t nodes = 3 + random.below(shape.nodes);
  const auto node = [](size_t i) { return "n" + std::to_string(i); };
  std::string text;
  const auto link = [&](size_t a, size_t b) {
    if (a == b) return;
    text += node(a) + "-" + node(b) + " " + std::to_string(1 + random.below(4)) +
            "ms 10G metric=" + std::to_string(1 + random.below(shape.metrics)) +
            (random.chance(0.05) ? " down\n" : "\n");
  };
  for (size_t i = 1; i < nodes; ++i)
    link(i, shape.sparse ? i - 1 - random.below(std::min<size_t>(i, 3)) : random.below(i));
  for (size_t i = random.below(shape.sparse ? nodes / 2 : 2 * nodes); i > 0; --i)
    link(random.below(nodes), random.below(nodes));
  for (size_t i = 0; i < nodes; ++i) text += "site " + node(i) + " J" + std::to_string(random.below(3)) + "\n";
  for (size_t i = 0; i < 4; ++i)
    text += "region r" + std::to_string(i) + " " + node(random.below(nodes)) + " anchor=" + node(random.below(nodes)) +
            "\n";
  grid::Rows rows = drawn_rows(text);
  for (size_t i = 0; i < 3; ++i) rows.shared_risk_groups.push_back({"g" + std::to_string(i), ""});
  for (grid::Link& each : rows.links)
    for (size_t i = 0; i < 3; ++i)
      if (random.chance(0.2)) each.shared_risk_groups.push_back(grid::SharedRiskGroupIndex(i));
  rows.nodes[0].site = rows.nodes[1].site;
  for (grid::Node& each : rows.nodes) each.overload = random.chance(0.05);
  for (grid::Link& each : rows.links)
    if (random.chance(0.3)) {
      each.members = static_cast<uint32_t>(1 + random.below(4));
      each.members_down = static_cast<uint32_t>(random.below(each.members));
      each.members_min = static_cast<uint32_t>(1 + random.below(each.members));
    }
  if (shape.algos) add_algos(random, rows);
  RandomWorld world{grid::make_snapshot(rows, 0), {}, {}};
  const auto algo = [&] {
    return shape.algos && random.chance(0.6) ? grid::FlexAlgoIndex(random.below(3)) : grid::FlexAlgoIndex();
  };
  for (size_t i = 0; i < nodes; ++i)
    for (size_t j = 0; j < nodes; ++j)
      if (i != j && random.chance(0.6))
        world.matrix.flows.push_back({grid::NodeIndex(i), grid::NodeIndex(j), Gbps(0.1 + random.uniform()), algo()});
  for (size_t i = 0; i < 6; ++i) {
    PromiseWatch watch{grid::RegionIndex(random.below(4)), {random.below(8) | 1}, {}, algo()};
    for (size_t part = 0; part <= random.below(2); ++part)
      watch.parts.push_back(
          {grid::NodeIndex(random.below(nodes)), Microseconds(2000.0 * static_cast<double>(random.below(8)))});
    world.watches.push_back(watch);
  }
  return world;
}

// Some of the traffic and of the promises over two ways apart, or over one.
void add_ways(Random& random, RandomWorld& world) {
  const grid::Snapshot& s = world.snapshot;
  const auto ways = [&](grid::NodeIndex from, grid::NodeIndex to) {
    const DiverseWays apart(s, make_network(s), from, grid::Diversity::link, grid::JurisdictionSet::all());
    auto pair = s.usable(from) ? apart.pair(to) : std::nullopt;
    if (pair && random.chance(0.2)) pair->second.links.clear();
    return pair.value_or(WayPair{});
  };
  for (size_t i = 0; i < 12; ++i) {
    const grid::NodeIndex from(random.below(s.nodes.size())), to(random.below(s.nodes.size()));
    if (from == to) continue;
    const WayPair pair = ways(from, to);
    world.matrix.steered.push_back({from, to, Gbps(1 + random.uniform()), {}, pair.primary.links, pair.second.links});
  }
  for (PromiseWatch& watch : world.watches)
    if (const auto anchor = active_anchor(s, watch.region))
      for (PromiseWatch::Part& part : watch.parts)
        if (const WayPair pair = ways(anchor->node, part.node); random.chance(0.6)) {
          part.primary = pair.primary.links;
          part.second = pair.second.links;
        }
}

void expect_plain(uint64_t seed, FailureKind kind, uint32_t at_once, const SweepOptions& options,
                  const Shape& shape = {}) {
  SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << at_once << " " << kind_name(kind));
  RandomWorld world = random_world(seed, shape);
  if (Random random(seed, 1); shape.ways) add_ways(random, world);
  const FailureStudy study = study_of(world.snapshot, world.matrix, kind, world.watches);
  const Sweep sweep = study.run(at_once, options, {});
  ASSERT_EQ(sweep.kept.size(), std::min<uint64_t>(options.verify, study.scenarios(at_once)));
  for (const KeptScenario& kept : sweep.kept) {
    const KeptScenario plain = study.plain(kept.outcome.failed);
    ASSERT_EQ(difference(world.snapshot, kept, plain, world.matrix.total()), "")
        << names(world.snapshot, study, kept.outcome);
    ASSERT_NEAR(kept.outcome.utilization_max, plain.outcome.utilization_max, 1e-9);
  }
}

TEST(FailureStudyProperty, EqualsPlainComputation) {
  for (uint64_t seed = 0; seed < 150; ++seed)
    for (const auto kind : {FailureKind::link, FailureKind::node, FailureKind::shared_risk_group, FailureKind::site})
      for (const uint32_t at_once : {1u, 2u}) {
        expect_plain(seed, kind, at_once, {.verify = 10'000});
        if (testing::Test::HasFailure()) return;
      }
}

// Long ways with one next hop nearly everywhere, as in fibre networks: subtrees move, with and without edges between
// their branches.
TEST(FailureStudyProperty, LongNetworksEqualPlainComputation) {
  for (uint64_t seed = 0; seed < 12; ++seed)
    for (const auto kind : {FailureKind::link, FailureKind::node, FailureKind::shared_risk_group}) {
      expect_plain(seed, kind, 2, {.verify = 200}, {.nodes = 60, .metrics = 500, .sparse = true});
      if (testing::Test::HasFailure()) return;
    }
}

TEST(FailureStudyProperty, FlexAlgosEqualPlainComputation) {
  for (uint64_t seed = 0; seed < 40; ++seed)
    for (const auto kind : {FailureKind::link, FailureKind::node, FailureKind::site}) {
      expect_plain(seed, kind, 2, {.verify = 10'000}, {.algos = true});
      expect_plain(seed, kind, 1, {.verify = 10'000}, {.algos = true});
      if (testing::Test::HasFailure()) return;
    }
}

TEST(FailureStudyProperty, TrafficOverWaysOfItsOwnEqualsPlainComputation) {
  for (uint64_t seed = 0; seed < 40; ++seed)
    for (const auto kind : {FailureKind::link, FailureKind::node}) {
      expect_plain(seed, kind, 1, {.verify = 10'000}, {.ways = true});
      expect_plain(seed, kind, 2, {.verify = 10'000}, {.ways = true});
      expect_plain(seed, kind, 2, {.verify = 10'000, .memory_max = 0}, {.ways = true});
      if (testing::Test::HasFailure()) return;
    }
}

TEST(FailureStudyProperty, MembersEqualPlainComputation) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    expect_plain(seed, FailureKind::member, 1, {.verify = 10'000});
    if (testing::Test::HasFailure()) return;
  }
}

TEST(FailureStudyProperty, EqualsPlainComputationWithoutSuperposition) {
  for (uint64_t seed = 0; seed < 60; ++seed)
    for (const auto kind : {FailureKind::link, FailureKind::site}) {
      expect_plain(seed, kind, 2, {.verify = 10'000, .memory_max = 0});
      if (testing::Test::HasFailure()) return;
    }
}

TEST(FailureStudyProperty, ThreadsChangeNothing) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const RandomWorld world = random_world(seed);
    const FailureStudy study = study_of(world.snapshot, world.matrix, FailureKind::link, world.watches);
    const Sweep alone = study.run(2, {.worst = 7}, {});
    const Sweep shared = study.run(2, {.worst = 7, .threads = 3}, {});
    ASSERT_EQ(alone.worst.size(), shared.worst.size());
    for (size_t i = 0; i < alone.worst.size(); ++i) {
      EXPECT_EQ(alone.worst[i].failed, shared.worst[i].failed);
      EXPECT_EQ(alone.worst[i].utilization_max, shared.worst[i].utilization_max);
      EXPECT_EQ(alone.worst[i].promises_broken, shared.worst[i].promises_broken);
    }
    for (size_t i = 0; i < alone.stress.size(); ++i)
      EXPECT_EQ(alone.stress[i].excess_kbps_sum, shared.stress[i].excess_kbps_sum);
  }
}

TEST(PlainLoads, EqualTheForecast) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    RandomWorld world = random_world(seed);
    std::vector<grid::Traffic> rows;
    for (const TrafficMatrix::Flow& flow : world.matrix.flows)
      rows.push_back({"t" + std::to_string(rows.size()), flow.from, flow.to, flow.rate});
    world.snapshot.traffic = grid::Table<grid::Traffic>(rows);
    const PlainLoads loads = plain_loads(world.snapshot, own_traffic(world.snapshot, {}));
    const Forecast expected = forecast(world.snapshot, {});
    EXPECT_NEAR(loads.lost.value(), expected.undelivered.value(), 1e-9);
    for (size_t i = 0; i < expected.links.size(); ++i) {
      EXPECT_NEAR(loads.gbps[2 * i], expected.links[i].ab.value(), 1e-9);
      EXPECT_NEAR(loads.gbps[2 * i + 1], expected.links[i].ba.value(), 1e-9);
    }
  }
}

TEST(GravityTraffic, FollowsPopulationAndFillsTheBusiestLink) {
  auto rows = drawn_rows("a-b 1ms 10G\nb-c 1ms 10G\nregion north a\nregion south c");
  rows.regions[0].population = 3e6;
  rows.regions[1].population = 1e6;
  const auto s = grid::make_snapshot(rows, 0);
  const TrafficMatrix matrix = gravity_traffic(s, 0.4);
  ASSERT_EQ(matrix.flows.size(), 6u);
  const auto rate = [&](const char* from, const char* to) {
    for (const auto& flow : matrix.flows)
      if (s.nodes[flow.from].id == from && s.nodes[flow.to].id == to) return flow.rate.value();
    return 0.0;
  };
  // Masses 3, 1 (the smallest, for b), 1: a-b carries 3·1 + 3·1 each way and is filled to 4 Gbit/s.
  EXPECT_NEAR(rate("a", "c"), 2, 1e-12);
  EXPECT_NEAR(rate("a", "b"), 2, 1e-12);
  EXPECT_NEAR(rate("b", "c"), 2.0 / 3, 1e-12);
  EXPECT_NEAR(rate("c", "a"), 2, 1e-12);
  const PlainLoads loads = plain_loads(s, matrix);
  EXPECT_NEAR(*std::max_element(loads.gbps.begin(), loads.gbps.end()), 4, 1e-12);
  EXPECT_EQ(uniform_traffic(s, 0.4).flows.size(), 6u);
}

}  // namespace
}  // namespace tandem::twin
