#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/file.h"
#include "base/random.h"
#include "support/drawn_grid.h"
#include "te/te.h"
#include "twin/twin.h"

namespace tandem::te {
namespace {

using test_support::drawn_grid;
using ::testing::HasSubstr;

// Lines of "a b capacity metric" for links, both directions, and "demand a b rate".
ingest::Topology drawn_topology(std::string_view text) {
  ingest::Topology topology;
  topology.directed = true;
  std::map<std::string, size_t, std::less<>> nodes;
  const auto node = [&](std::string_view name) {
    const auto [at, added] = nodes.try_emplace(std::string(name), topology.nodes.size());
    if (added) topology.nodes.push_back({std::string(name), {}, {}, false, 0});
    return at->second;
  };
  for (const std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> words;
    for (const std::string_view word : split(line, ' '))
      if (!trim(word).empty()) words.push_back(trim(word));
    if (words.size() == 1) node(words[0]);
    if (words.size() != 4) continue;
    if (words[0] == "demand") {
      const size_t from = node(words[1]), to = node(words[2]);
      topology.demands.push_back({fmt::format("{}-{}", words[1], words[2]), from, to, parse_number(words[3]).value()});
      continue;
    }
    const size_t a = node(words[0]), b = node(words[1]);
    const double capacity = parse_number(words[2]).value(), metric = parse_number(words[3]).value();
    topology.edges.push_back({fmt::format("{}>{}", words[0], words[1]), a, b, capacity, metric, 1, 0});
    topology.edges.push_back({fmt::format("{}>{}", words[1], words[0]), b, a, capacity, metric, 1, 0});
  }
  return topology;
}

Problem drawn_problem(std::string_view text) {
  std::vector<Diagnostic> diagnostics;
  Problem problem = make_problem(drawn_topology(text), "drawn", diagnostics);
  EXPECT_FALSE(has_errors(diagnostics));
  return problem;
}

// A ring with chords and a demand between every two nodes.
Problem random_problem(uint64_t seed) {
  Random random(seed);
  const uint64_t nodes = 4 + random.below(9);
  std::string text;
  const auto link = [&](uint64_t a, uint64_t b) {
    text += fmt::format("n{} n{} {} {}\n", a, b, 10 * (1 + random.below(4)), 1 + random.below(3));
  };
  for (uint64_t i = 0; i < nodes; ++i) link(i, (i + 1) % nodes);
  for (uint64_t i = 0; i < nodes; ++i) {
    const uint64_t a = random.below(nodes), b = random.below(nodes);
    if (a != b) link(a, b);
  }
  for (uint64_t a = 0; a < nodes; ++a) {
    for (uint64_t b = 0; b < nodes; ++b) {
      if (a != b && random.chance(0.8)) text += fmt::format("demand n{} n{} {}\n", a, b, 0.1 + random.uniform());
    }
  }
  return drawn_problem(text);
}

void expect_sound(const Problem& problem, const Solution& solution) {
  std::map<uint32_t, double> fractions;
  for (const Policy& policy : solution.policies) {
    EXPECT_GT(policy.fraction, 0);
    fractions[policy.demand] += policy.fraction;
    EXPECT_LE(policy.segments.size(), 2u);
  }
  for (const auto& [demand, sum] : fractions) EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_NEAR(solution.mlu, mlu_of(problem, loads_of(problem, solution.policies)), 1e-12);
  EXPECT_LE(solution.mlu, solution.mlu_before * (1 + 1e-9));
  EXPECT_LE(solution.bound, solution.mlu);
  EXPECT_LE(solution.segment_bound, solution.mlu * (1 + 1e-9));
  EXPECT_EQ(solution.bound, bound_of(problem, solution.prices));
}

TEST(Optimise, TwoPathsShareWhatOneCannotCarry) {
  const Problem problem = drawn_problem(R"(
    a b 10 1
    a c 10 1
    c b 10 1
    demand a b 12)");
  const Solution solution = optimise(problem, {}, {});
  expect_sound(problem, solution);
  EXPECT_DOUBLE_EQ(solution.mlu_before, 1.2);
  EXPECT_NEAR(solution.mlu, 0.6, 0.6 * 0.002);
  EXPECT_NEAR(solution.bound, 0.6, 0.6 * 0.001);
  ASSERT_EQ(solution.policies.size(), 2u);
  const Json json = to_json(problem, solution);
  EXPECT_EQ(json["policies"].array().size(), 2u);
  EXPECT_EQ(json["policies"].array()[0]["demand"].text(), "a-b");
}

TEST(Optimise, TellsWhatTheFullestLinkFallsTo) {
  const Problem problem = random_problem(3);
  std::vector<double> told;
  const Solution solution = optimise(problem, {.found = [&](double mlu) { told.push_back(mlu); }}, {});
  ASSERT_FALSE(told.empty());
  EXPECT_TRUE(std::is_sorted(told.rbegin(), told.rend()));
  EXPECT_NEAR(told.back(), solution.mlu, 0.003 * solution.mlu);
}

TEST(Loads, OfAPolicyAloneAreTheWaysItTakes) {
  const Problem problem = drawn_problem(R"(
    a b 10 1
    b d 10 1
    a c 10 1
    c d 10 1
    demand a d 4)");
  const auto way = [&](std::vector<uint32_t> segments) {
    std::map<std::string, double> links;
    const std::vector<double> parts = way_of(problem, {0, std::move(segments), 0.25});
    for (size_t a = 0; a < parts.size(); ++a)
      if (parts[a] > 0) links[problem.arcs[a].label] = parts[a];
    return links;
  };
  using Links = std::map<std::string, double>;
  EXPECT_EQ(way({}), (Links{{"a>b", 0.5}, {"b>d", 0.5}, {"a>c", 0.5}, {"c>d", 0.5}}));
  EXPECT_EQ(way({3}), (Links{{"a>c", 1}, {"c>d", 1}}));
}

// The direct link a-b is long, so nothing takes it unless it is told to; three segments are needed to stay off both
// ends.
TEST(Optimise, ThreeSegmentsWhereTwoAreNotEnough) {
  const Problem problem = drawn_problem(R"(
    a b 10 1
    b z 10 1
    a c 10 1
    c d 10 9
    d z 10 1
    b d 10 1
    demand a z 18)");
  const Solution two = optimise(problem, {.segments_max = 2}, {});
  const Solution three = optimise(problem, {.segments_max = 3}, {});
  expect_sound(problem, two);
  expect_sound(problem, three);
  EXPECT_NEAR(three.bound, 0.9, 1e-3);
  EXPECT_LE(three.mlu, two.mlu);
  EXPECT_GE(two.mlu, two.segment_bound);
}

// No shortest path takes the long link, whatever nodes a list names; named itself it carries its half.
TEST(Optimise, ALinkThatNoShortestPathTakesIsNamed) {
  const Problem problem = drawn_problem(R"(
    a b 10 1
    a b 10 5
    demand a b 12)");
  const Solution nodes = optimise(problem, {}, {}), links = optimise(problem, {.adjacency = true}, {});
  expect_sound(problem, nodes);
  expect_sound(problem, links);
  EXPECT_DOUBLE_EQ(nodes.mlu, 1.2);
  EXPECT_GE(nodes.segment_bound, 1.2 * 0.999);
  EXPECT_NEAR(links.mlu, 0.6, 0.6 * 0.002);
  EXPECT_LE(links.segment_bound, links.mlu);
  const Json policies = policies_to_json(problem, links.policies);
  EXPECT_TRUE(std::ranges::any_of(policies.array(), [](const Json& policy) {
    const Json::Array& segments = policy["segments"].array();
    return segments.size() == 1 && segments[0]["from"].text() == "a" && segments[0]["to"].text() == "b";
  }));
  // With that link down its list is invalid, and the demand is back on what is left.
  for (const Policy& policy : links.policies) {
    if (policy.segments.empty()) continue;
    const std::vector<uint32_t> failed{problem.link_of(policy.segments[0])};
    EXPECT_TRUE(survivors_of(problem, links.policies, failed).policies.empty());
  }
}

TEST(Optimise, NamingLinksOnRandomNetworksIsSoundAndNoWorse) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    const Problem problem = random_problem(seed);
    const Solution nodes = optimise(problem, {}, {}), links = optimise(problem, {.adjacency = true}, {});
    expect_sound(problem, links);
    EXPECT_LE(links.mlu, nodes.mlu * (1 + 1e-9));
    if (links.gap() > 0.02) {
      EXPECT_LE(links.mlu, links.segment_bound * 1.003);
    }
  }
}

TEST(Optimise, OnRandomNetworksIsSoundCloseAndRepeatable) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const Problem problem = random_problem(seed);
    const Solution solution = optimise(problem, {}, {});
    expect_sound(problem, solution);
    EXPECT_FALSE(solution.stopped);
    EXPECT_LE(solution.mlu, solution.segment_bound * 1.003);
    const Solution again = optimise(problem, {}, {});
    EXPECT_EQ(again.policies, solution.policies);
    EXPECT_EQ(again.prices, solution.prices);
  }
}

TEST(Optimise, KeepsToTheLimitOfPolicies) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    const Problem problem = random_problem(seed);
    const double free = optimise(problem, {}, {}).mlu;
    for (const uint32_t policies_max : {0u, 1u, 3u}) {
      const Solution solution = optimise(problem, {.policies_max = policies_max}, {});
      expect_sound(problem, solution);
      std::set<uint32_t> steered;
      for (const Policy& policy : solution.policies) steered.insert(policy.demand);
      EXPECT_LE(steered.size(), policies_max);
      EXPECT_GE(solution.mlu, free * (1 - 0.003));
    }
  }
}

TEST(Optimise, WhatStandsWhenItIsStoppedIsSound) {
  std::stop_source source;
  source.request_stop();
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const Problem problem = random_problem(seed);
    const Solution stopped = optimise(problem, {}, source.get_token());
    expect_sound(problem, stopped);
    expect_sound(problem, optimise(problem, {.pivots_max = 3}, {}));
  }
}

// Over c it would be 0.6.
TEST(Optimise, WhereNothingMayMoveThatIsTheLeastAndProven) {
  Problem problem = drawn_problem("a b 10 1\n a c 10 1\n c b 10 1\n demand a b 12");
  problem.demands[0].fixed = true;
  const Solution solution = optimise(problem, {}, {});
  expect_sound(problem, solution);
  EXPECT_DOUBLE_EQ(solution.mlu, 1.2);
  EXPECT_NEAR(solution.bound, 1.2, 1e-9);
  EXPECT_EQ(solution.segment_bound, solution.bound);
  EXPECT_EQ(to_json(problem, solution)["certificate"]["prices"].array().size(), 1u);
}

TEST(Optimise, WithoutABoundTheGapIsNotSaidToBeNone) {
  std::stop_source source;
  source.request_stop();
  const Problem problem = drawn_problem("a b 10 1\n a c 10 1\n c b 10 1\n demand a b 12");
  const Solution stopped = optimise(problem, {}, source.get_token());
  EXPECT_TRUE(stopped.stopped);
  EXPECT_EQ(stopped.bound, 0);
  EXPECT_EQ(stopped.gap(), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(parse_json(to_json_pretty(to_json(problem, stopped))).value()["gap"].is_null());
}

TEST(Optimise, NothingToCarryIsNoError) {
  const Solution solution = optimise(drawn_problem("a b 10 1"), {}, {});
  EXPECT_EQ(solution.mlu, 0);
  EXPECT_EQ(solution.gap(), 0);
}

TEST(Loads, AreWhatTheTwinSays) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const uint64_t nodes = 3 + random.below(8);
    std::string text;
    for (uint64_t i = 0; i < 2 * nodes; ++i) {
      const uint64_t a = i < nodes ? i : random.below(nodes), b = i < nodes ? (i + 1) % nodes : random.below(nodes);
      if (a != b) text += fmt::format("n{}-n{} 1ms {}G metric={}\n", a, b, 10 + random.below(90), 1 + random.below(3));
    }
    for (uint64_t i = 0; i < 3 * nodes; ++i) {
      const uint64_t a = random.below(nodes), b = random.below(nodes);
      if (a != b) text += fmt::format("traffic n{} n{} {}G\n", a, b, 1 + random.below(9));
    }
    for (uint64_t i = 0; i < random.below(3); ++i) text += fmt::format("overload n{}\n", random.below(nodes));
    const grid::Snapshot snapshot = drawn_grid(text);
    std::vector<Diagnostic> diagnostics;
    const Problem problem = make_problem(snapshot, {}, diagnostics);
    ASSERT_TRUE(diagnostics.empty());
    const twin::Forecast forecast = twin::forecast(snapshot, {});
    const std::vector<double> loads = loads_of(problem, {});
    ASSERT_EQ(loads.size(), 2 * forecast.links.size());
    for (size_t i = 0; i < forecast.links.size(); ++i) {
      EXPECT_NEAR(loads[2 * i], forecast.links[i].ab.value(), 1e-9);
      EXPECT_NEAR(loads[2 * i + 1], forecast.links[i].ba.value(), 1e-9);
    }
  }
}

// A ring with red chords, and demands of which three keep to the topology without red.
grid::Snapshot grid_with_a_plane(Random& random, uint64_t nodes) {
  std::string text = "algo 128 delay exclude=red\naccelerator gpu 80GB\nmodel m 16GB\ntenant any *\n";
  for (uint64_t i = 0; i < nodes; ++i)
    text += fmt::format("n{}-n{} {}ms {}G metric={}\n", i, (i + 1) % nodes, 1 + random.below(3), 10 + random.below(90),
                        1 + random.below(3));
  for (uint64_t i = 0; i + 2 < nodes; ++i)
    text += fmt::format("n{}-n{} 1ms 10G{}\n", i, i + 2, random.chance(0.5) ? " admin=red" : "");
  for (uint64_t i = 0; i < 4; ++i) {
    text += fmt::format("region r{0} n{1}\npool p{0} n{2} gpu 8\n", i, random.below(nodes), random.below(nodes));
    text += fmt::format("demand d{0} any r{0} m 1/s up={1}000000 down={2}000000{3}\n", i, 1 + random.below(99),
                        1 + random.below(999), i < 3 ? " flex=128" : "");
  }
  return drawn_grid(text + fmt::format("traffic n0 n{} 3G\n", nodes - 1));
}

void expect_loads_of_the_twin(const Problem& problem, const grid::Snapshot& snapshot,
                              const twin::Assignment& assignment) {
  const twin::Forecast forecast = twin::forecast(snapshot, assignment);
  const std::vector<double> loads = loads_of(problem, {});
  for (size_t i = 0; i < forecast.links.size(); ++i) {
    EXPECT_NEAR(loads[2 * i], forecast.links[i].ab.value(), 1e-9);
    EXPECT_NEAR(loads[2 * i + 1], forecast.links[i].ba.value(), 1e-9);
  }
}

TEST(Planes, LoadsAreWhatTheTwinSaysAndPoliciesStayWithin) {
  size_t with_plane = 0, steered = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const uint64_t nodes = 4 + random.below(6);
    const grid::Snapshot snapshot = grid_with_a_plane(random, nodes);
    twin::Assignment assignment;
    for (uint32_t i = 0; i < 4; ++i)
      for (const uint32_t pool : {i, (i + 1) % 4})
        assignment.shares.push_back({grid::DemandIndex(i), grid::PoolIndex(pool), 0.5});
    std::vector<Diagnostic> diagnostics;
    const Problem problem = make_problem(snapshot, {assignment, std::vector<double>(4, 1e9)}, diagnostics);
    EXPECT_TRUE(diagnostics.empty());
    EXPECT_TRUE(problem.blocked.empty());
    expect_loads_of_the_twin(problem, snapshot, assignment);
    with_plane += problem.nodes.size() > nodes;
    const Solution solution = optimise(problem, {.adjacency = true}, {});
    expect_sound(problem, solution);
    for (const Policy& policy : solution.policies) {
      const bool igp = problem.demands[policy.demand].flex_algo.empty();
      steered += igp ? 0 : 1;
      for (const uint32_t segment : policy.segments)
        EXPECT_TRUE(igp == (problem.start_of(segment) < nodes) && igp == (problem.end_of(segment) < nodes));
    }
  }
  EXPECT_GT(with_plane, 30u);
  EXPECT_GT(steered, 10u);
}

// Red would take a third of it; the plane's two ways share what is to stay off red.
const PlannedTraffic kAllAtTheFirstPool{{{{grid::DemandIndex(0), grid::PoolIndex(0), 1}}}, {1e9}};
const std::string kPlane = R"(
  a-b 1ms 10G admin=red
  a-c 1ms 10G
  c-b 1ms 10G
  a-d 2ms 10G
  d-b 2ms 10G
  algo 128 delay exclude=red
  region west a
  accelerator gpu 80GB
  pool pb b gpu 8
  model m 16GB
  tenant any *
  traffic a b 4G
)";

TEST(Planes, APolicyKeepsToItsPlaneAndTheBoundKnows) {
  const grid::Snapshot snapshot = drawn_grid(kPlane + "demand d any west m 1/s up=1500000000 down=0 flex=128");
  std::vector<Diagnostic> diagnostics;
  const Problem problem = make_problem(snapshot, kAllAtTheFirstPool, diagnostics);
  const Solution solution = optimise(problem, {}, {});
  expect_sound(problem, solution);
  EXPECT_NEAR(solution.mlu_before, 1.2, 1e-9);
  EXPECT_NEAR(solution.mlu, 0.6, 0.6 * 0.002);
  EXPECT_NEAR(solution.bound, 0.6, 0.6 * 0.001) << "over a-b too it would be 16 of 30";
  const Json json = to_json(problem, solution);
  EXPECT_EQ(json["policies"].array()[0]["demand"].text(), "any: a > b in flex algorithm 128");
  EXPECT_EQ(json["policies"].array()[0]["flex_algo"].text(), "128");
  EXPECT_EQ(json["planned"].array()[0]["rate_gbps"].number(), 12);
  const Survivors cut = survivors_of(problem, solution.policies, std::vector<uint32_t>{2, 3});
  EXPECT_NEAR(loads_of(cut.problem, cut.policies, cut.down)[6], 12, 1e-9) << "over d, still off red";
  const Survivors both = survivors_of(problem, solution.policies, std::vector<uint32_t>{2, 3, 6, 7});
  ASSERT_EQ(both.problem.blocked.size(), 1u);
  EXPECT_EQ(both.problem.blocked[0].demand, "any: a > b in flex algorithm 128");
}

// Over c alone 12 Gbit/s do not fit, and d is 2 ms further each way.
TEST(Planes, APolicyKeepsThePromiseAndTheResidency) {
  const std::string demand = "demand d acme west m 1/s up=1500000000 down=0 flex=128\n";
  const auto mlu = [&](const std::string& more, double slack_us) {
    std::vector<Diagnostic> diagnostics;
    PlannedTraffic planned = kAllAtTheFirstPool;
    planned.slack_us = {slack_us};
    Problem problem = make_problem(drawn_grid(kPlane + more + demand), planned, diagnostics);
    const Solution solution = optimise_within_promises(problem, {}, {});
    expect_sound(problem, solution);
    EXPECT_TRUE(astray(problem, solution.policies).empty());
    EXPECT_EQ(problem.demands.back().fixed, solution.policies.empty());
    EXPECT_EQ(to_json(problem, solution)["fixed_demands"].integer(), problem.demands.back().fixed ? 1 : 0);
    return solution.mlu;
  };
  EXPECT_NEAR(mlu("tenant acme *\n", 4'000), 0.6, 0.6 * 0.002) << "a round trip may take 4 ms more";
  EXPECT_NEAR(mlu("tenant acme *\n", 3'900), 1.2, 1e-9) << "too long a way";
  const std::string abroad = "site a DE\nsite b DE\nsite c DE\nsite d FR\n";
  EXPECT_NEAR(mlu(abroad + "tenant acme DE,FR\n", 4'000), 0.6, 0.6 * 0.002);
  EXPECT_NEAR(mlu(abroad + "tenant acme DE\n", 4'000), 1.2, 1e-9) << "d is abroad";
}

// The first demand at the first pool, over d and over c.
twin::Assignment over_two_ways(const grid::Snapshot& snapshot) {
  const auto way = [&](const char* first, const char* then) {
    return std::vector<grid::LinkIndex>{snapshot.links.find(first), snapshot.links.find(then)};
  };
  return {{{grid::DemandIndex(0), grid::PoolIndex(0), 1, way("a-d", "d-b"), way("a-c", "c-b")}}};
}

TEST(Planes, TrafficOverWaysOfItsOwnStaysOnThem) {
  const grid::Snapshot snapshot = drawn_grid(kPlane + "demand d any west m 1/s up=1000000000 diversity=link");
  const twin::Assignment assignment = over_two_ways(snapshot);
  std::vector<Diagnostic> diagnostics;
  const Problem problem = make_problem(snapshot, {assignment, {}}, diagnostics);
  ASSERT_EQ(problem.steered.size(), 2u) << "there and back";
  expect_loads_of_the_twin(problem, snapshot, assignment);
  const Solution solution = optimise(problem, {}, {});
  expect_sound(problem, solution);
  EXPECT_NEAR(solution.mlu, 0.8, 1e-9) << "8 Gbit/s over d, whatever policies do";
  EXPECT_NEAR(solution.bound, 0.8, 0.8 * 0.001);
  const Survivors cut = survivors_of(problem, solution.policies, std::vector<uint32_t>{6, 7});
  EXPECT_NEAR(loads_of(cut.problem, cut.policies, cut.down)[2], 8, 1e-9) << "over its second way";
  const Survivors both = survivors_of(problem, solution.policies, std::vector<uint32_t>{2, 3, 6, 7});
  EXPECT_NEAR(loads_of(both.problem, both.policies, both.down)[0], 12, 1e-9) << "over what is left, with the others";
}

// Both ways were planned over links that b has in its topology no more.
TEST(Planes, TrafficOverWaysOfItsOwnIsNamedWhereItsEndLeftTheTopology) {
  const grid::Snapshot snapshot = drawn_grid(R"(
    a-b 1ms 10G admin=red
    a-c 1ms 10G
    c-b 1ms 10G down
    a-d 2ms 10G
    d-b 2ms 10G down
    algo 128 delay exclude=red
    region west a
    accelerator gpu 80GB
    pool pb b gpu 8
    model m 16GB
    tenant any *
    demand d any west m 1/s up=1000000000 diversity=link flex=128)");
  const twin::Assignment assignment = over_two_ways(snapshot);
  std::vector<Diagnostic> diagnostics;
  const Problem problem = make_problem(snapshot, {assignment, {}}, diagnostics);
  EXPECT_TRUE(problem.demands.empty());
  EXPECT_TRUE(problem.steered.empty());
  ASSERT_EQ(problem.blocked.size(), 2u) << "there and back";
  EXPECT_THAT(problem.blocked[0].reason, HasSubstr("has no link in that topology"));
  EXPECT_EQ(problem.blocked[0].rate_gbps, 8);
}

TEST(Bound, HoldsForAnyPrices) {
  Random random(5);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Problem problem = random_problem(seed);
    const Solution solution = optimise(problem, {}, {});
    for (int i = 0; i < 20; ++i) {
      std::vector<double> prices;
      for (size_t a = 0; a < problem.arcs.size(); ++a) prices.push_back(random.chance(0.5) ? random.uniform() : 0);
      EXPECT_LE(bound_of(problem, prices), solution.mlu);
    }
  }
  EXPECT_EQ(bound_of(random_problem(1), std::vector<double>(random_problem(1).arcs.size(), 0)), 0);
}

TEST(Problem, NamesWhatCannotBeCarriedAndWhatWouldLetIt) {
  std::vector<Diagnostic> diagnostics;
  const Problem problem = make_problem(drawn_topology(R"(
    a b 10 1
    b c 0 1
    lonely
    demand a b 1
    demand a c 2
    demand a lonely 3
    demand b b 4
    demand b a 0)"),
                                       "drawn", diagnostics);
  EXPECT_FALSE(has_errors(diagnostics));
  ASSERT_EQ(problem.demands.size(), 1u);
  ASSERT_EQ(problem.blocked.size(), 2u);
  EXPECT_EQ(problem.blocked[0].demand, "a-c");
  EXPECT_EQ(problem.blocked[0].relaxation, "capacity on b>c");
  EXPECT_EQ(problem.blocked[1].demand, "a-lonely");
  EXPECT_THAT(problem.blocked[1].relaxation, HasSubstr("a link from a or a node it reaches to lonely"));
  std::string said;
  for (const Diagnostic& diagnostic : diagnostics) said += to_string(diagnostic) + "\n";
  EXPECT_THAT(said, HasSubstr("b>c has no capacity"));
  EXPECT_THAT(said, HasSubstr("b-b goes from b to itself"));
  EXPECT_THAT(said, HasSubstr("b-a has no rate"));
}

TEST(Problem, NoPathGoesThroughAnOverloadedRouter) {
  std::vector<Diagnostic> diagnostics;
  const Problem problem = make_problem(drawn_grid(R"(
    a-m 1ms 10G
    m-b 1ms 10G
    a-c 1ms 10G metric=5
    c-b 1ms 10G metric=5
    b-x 1ms 10G
    x-y 1ms 10G
    overload m x
    traffic a b 4G
    traffic a m 1G
    traffic m b 2G
    traffic a y 3G)"),
                                       {}, diagnostics);
  ASSERT_EQ(problem.demands.size(), 3u);
  ASSERT_EQ(problem.blocked.size(), 1u);
  EXPECT_THAT(problem.blocked[0].reason, HasSubstr("avoids overloaded routers"));
  EXPECT_EQ(problem.blocked[0].relaxation, "no overload bit at x") << "the way over m would need two";
  const std::vector<double> loads = loads_of(problem, {});
  EXPECT_DOUBLE_EQ(loads[0], 1) << "to m itself";
  EXPECT_DOUBLE_EQ(loads[2], 2) << "from m itself";
  EXPECT_DOUBLE_EQ(loads[4], 4) << "over c, though it is longer";
  const Solution solution = optimise(problem, {}, {});
  expect_sound(problem, solution);
  EXPECT_TRUE(solution.policies.empty()) << "m is no waypoint";
  EXPECT_NEAR(solution.bound, 0.4, 1e-3) << "the bound knows of no way through m either";
}

TEST(Problem, RefusesWhatHasNoMeaning) {
  std::vector<Diagnostic> diagnostics;
  make_problem(drawn_topology("a b 10 0\ndemand a b 1"), "drawn", diagnostics);
  EXPECT_TRUE(has_errors(diagnostics));
  diagnostics.clear();
  make_problem(drawn_topology("a b 10 1\ndemand a b 1\ndemand a b 2"), "drawn", diagnostics);
  ASSERT_TRUE(has_errors(diagnostics));
  EXPECT_THAT(to_string(diagnostics.front()), HasSubstr("several demands are called 'a-b'"));
}

TEST(Problem, NoPolicyGoesOverANodeWhoseLabelIsNotItsOwn) {
  ingest::Topology topology = drawn_topology("a b 10 1\na c 10 1\nc b 10 1\nd a 10 1\ndemand a b 12");
  topology.nodes[3].label = "c";
  std::vector<Diagnostic> diagnostics;
  const Problem problem = make_problem(topology, "drawn", diagnostics);
  EXPECT_EQ(diagnostics.size(), 2u);
  EXPECT_TRUE(optimise(problem, {}, {}).policies.empty());
}

TEST(Repair, ChangesFewAndHelps) {
  double failed_sum = 0, repaired_sum = 0;
  for (uint64_t seed = 0; seed < 15; ++seed) {
    SCOPED_TRACE(seed);
    const Problem problem = random_problem(seed);
    const Solution solution = optimise(problem, {}, {});
    const std::vector<std::vector<uint32_t>> links = links_of(problem);
    EXPECT_EQ(2 * links.size(), problem.arcs.size());
    for (const std::vector<uint32_t>& link : links) {
      const Survivors survivors = survivors_of(problem, solution.policies, link);
      const Repair made = repair(survivors, {});
      EXPECT_LE(made.changed, 5u);
      EXPECT_LE(made.mlu, made.mlu_failed);
      std::set<uint32_t> changed;
      std::map<uint32_t, double> sums;
      for (const Policy& policy : made.changes) {
        changed.insert(policy.demand);
        sums[policy.demand] += policy.fraction;
        EXPECT_GE(policy.fraction, 1e-4) << "no list that a router could not weigh";
      }
      EXPECT_EQ(changed.size(), made.changed);
      for (const auto& [demand, sum] : sums) EXPECT_NEAR(sum, 1, 1e-9);
      const std::vector<double> loads = loads_of(survivors.problem, repaired(survivors, made), survivors.down);
      EXPECT_NEAR(mlu_of(survivors.problem, loads), made.mlu, 1e-5);
      for (const uint32_t arc : link) EXPECT_EQ(loads[arc], 0);
      failed_sum += made.mlu_failed;
      repaired_sum += made.mlu;
    }
  }
  EXPECT_LT(repaired_sum, 0.98 * failed_sum);
}

TEST(Repair, APolicyWhoseWaypointIsCutOffFallsBackAndTheCutOffAreNamed) {
  const Problem problem = drawn_problem(R"(
    a b 10 1
    a c 10 1
    c b 10 1
    c x 10 1
    demand a b 4
    demand a x 1)");
  const std::vector<Policy> policies{{0, {3}, 1}};
  const uint32_t to_x = 6;
  ASSERT_EQ(problem.arcs[to_x].label, "c>x");
  const Survivors survivors = survivors_of(problem, policies, std::vector<uint32_t>{to_x, to_x + 1});
  EXPECT_TRUE(survivors.policies.empty());
  ASSERT_EQ(survivors.problem.blocked.size(), 1u);
  EXPECT_EQ(survivors.problem.blocked[0].demand, "a-x");
  EXPECT_DOUBLE_EQ(repair(survivors, {.changes_max = 0}).mlu, 0.4);
}

// Numbers of an instance changed at random: whatever is read can be solved.
TEST(Optimise, AnythingThatIsReadCanBeSolved) {
  const std::string graph =
      "NODES 4\nlabel x y\na 0 0\nb 1 1\nc 2 2\nd 3 3\n\nEDGES 8\nlabel src dest weight bw delay\n"
      "e0 0 1 10 1000 1\ne1 1 0 10 1000 1\ne2 1 2 10 1000 1\ne3 2 1 10 1000 1\n"
      "e4 2 3 10 1000 1\ne5 3 2 10 1000 1\ne6 3 0 10 1000 1\ne7 0 3 10 1000 1\n";
  const std::string demands = "DEMANDS 3\nlabel src dest bw\nd0 0 2 900\nd1 1 3 800\nd2 2 0 700\n";
  size_t solved = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::string g = graph, d = demands;
    for (std::string* text : {&g, &d}) {
      for (uint64_t i = random.below(3); i > 0; --i) {
        const size_t at = random.below(text->size());
        if ((*text)[at] >= '0' && (*text)[at] <= '9') (*text)[at] = "0123456789e.-"[random.below(13)];
      }
    }
    std::vector<Diagnostic> diagnostics;
    ingest::Topology topology = ingest::parse_repetita(g, "g", diagnostics);
    ingest::parse_repetita_demands(d, "d", topology, diagnostics);
    if (has_errors(diagnostics)) continue;
    const Problem problem = make_problem(topology, "g", diagnostics);
    if (has_errors(diagnostics)) continue;
    expect_sound(problem, optimise(problem, {}, {}));
    ++solved;
  }
  EXPECT_GT(solved, 50u);
}

// The small instances of the public collection; te_bench has all of them.
TEST(Optimise, PublicInstancesComeWithinOnePerCent) {
  const std::filesystem::path folder = std::string(TANDEM_SOURCE_DIR) + "/../shared/data/repetita";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "skipped: no ../shared/data";
  for (const char* name : {"Abilene", "Bics", "DeutscheTelekom", "Geant2012"}) {
    SCOPED_TRACE(name);
    std::vector<Diagnostic> diagnostics;
    const auto graph = read_file(folder / (std::string(name) + ".graph"), ingest::kTopologyBytesMax);
    const auto demands = read_file(folder / (std::string(name) + ".0001.demands"), ingest::kTopologyBytesMax);
    ASSERT_TRUE(graph && demands);
    ingest::Topology topology = ingest::parse_repetita(*graph, name, diagnostics);
    ingest::parse_repetita_demands(*demands, name, topology, diagnostics);
    const Problem problem = make_problem(topology, name, diagnostics);
    ASSERT_FALSE(has_errors(diagnostics));
    const Solution solution = optimise(problem, {}, {});
    expect_sound(problem, solution);
    EXPECT_LE(solution.gap(), 0.01);
  }
}

}  // namespace
}  // namespace tandem::te
