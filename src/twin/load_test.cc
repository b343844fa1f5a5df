#include <gtest/gtest.h>

#include "base/random.h"
#include "support/drawn_grid.h"
#include "twin/twin.h"

namespace tandem::twin {
namespace {

using test_support::drawn_grid;

constexpr std::string_view kDiamond = R"(
  a-b 1ms 100G
  a-c 1ms 100G
  b-d 1ms 100G
  c-d 1ms 50G back=25G
  region north a
  accelerator x 80GB
  pool p d x 8
  model m 16GB
  tenant t *
  demand q t north m 1000/s up=1000000 down=2000000
)";

TEST(Forecast, BackgroundSplitsOverEqualCostBranches) {
  const auto s = drawn_grid(std::string(kDiamond) + "traffic a d 10G\ntraffic d a 5G");
  const Forecast f = forecast(s, {});
  for (const std::string_view id : {"a-b", "a-c", "b-d", "c-d"}) {
    const auto link = s.links.find(id);
    EXPECT_DOUBLE_EQ(f.links[link.value].ab.value(), 5) << id;
    EXPECT_DOUBLE_EQ(f.links[link.value].ba.value(), 2.5) << id;
  }
  const auto cd = s.links.find("c-d").value;
  EXPECT_DOUBLE_EQ(f.utilization_ab[cd], 0.1);
  EXPECT_DOUBLE_EQ(f.utilization_ba[cd], 0.1);
}

TEST(Forecast, DemandsLoadUploadsOutAndDownloadsBack) {
  const auto s = drawn_grid(kDiamond);
  const Forecast f = forecast(s, {{{grid::DemandIndex(0), grid::PoolIndex(0), 0.5}}});
  const auto ab = s.links.find("a-b").value;
  EXPECT_NEAR(f.links[ab].ab.value(), 0.5 * 8 * 0.5, 1e-12);  // half of 8 Gbit/s up, on one of two branches
  EXPECT_NEAR(f.links[ab].ba.value(), 0.5 * 16 * 0.5, 1e-12);
  EXPECT_EQ(f.undelivered.value(), 0);
}

TEST(Forecast, WhatHasNoPathIsUndelivered) {
  const auto s = drawn_grid(std::string(kDiamond) + "site d XX down\ntraffic a d 10G\ntraffic a b 1G");
  const Forecast f = forecast(s, {{{grid::DemandIndex(0), grid::PoolIndex(0), 1}}});
  EXPECT_DOUBLE_EQ(f.undelivered.value(), 10 + 8 + 16);
  EXPECT_DOUBLE_EQ(f.links[s.links.find("a-b").value].ab.value(), 1);
}

// At every node but its ends, what traffic brings in it takes out; at its ends the difference is its rate.
TEST(ForecastProperty, ConservesTrafficAtEveryNode) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const size_t nodes = 4 + random.below(8);
    std::string text;
    for (size_t i = 1; i < nodes; ++i)
      text += "n" + std::to_string(i) + "-n" + std::to_string(random.below(i)) + " 1ms 10G\n";
    for (size_t i = 0; i < nodes; ++i)
      if (const size_t a = random.below(nodes), b = random.below(nodes); a != b)
        text += "n" + std::to_string(a) + "-n" + std::to_string(b) + " 1ms 10G\n";
    std::vector<double> surplus(nodes, 0);
    for (int i = 0; i < 6; ++i) {
      const size_t a = random.below(nodes), b = random.below(nodes);
      if (a == b) continue;
      const double rate = 1 + static_cast<double>(random.below(9));
      text += "traffic n" + std::to_string(a) + " n" + std::to_string(b) + " " + std::to_string(rate) + "\n";
      surplus[a] += rate;
      surplus[b] -= rate;
    }
    const auto s = drawn_grid(text);
    const Forecast f = forecast(s, {});
    std::vector<double> out(nodes, 0);
    for (size_t i = 0; i < s.links.size(); ++i) {
      const double net = f.links[i].ab.value() - f.links[i].ba.value();
      out[s.links[i].a.value] += net;
      out[s.links[i].b.value] -= net;
    }
    for (size_t i = 0; i < nodes; ++i)
      EXPECT_NEAR(out[s.nodes.find("n" + std::to_string(i)).value], surplus[i], 1e-9) << i;
    EXPECT_EQ(f.undelivered.value(), 0);
  }
}

}  // namespace
}  // namespace tandem::twin
