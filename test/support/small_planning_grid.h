// Small random grids to plan: few enough sites and demands that a slow method finds the best plan.
#pragma once

#include <cstdint>
#include <optional>
#include <sstream>

#include "base/random.h"
#include "support/drawn_grid.h"

namespace tandem::test_support {

struct PlanningGridLimits {
  uint64_t sites_max;  // 2 at least
  uint64_t pools_max;
  uint64_t accelerators_max;  // of a pool
  uint64_t demands_max;
  uint64_t ttft_least, ttft_most;
  const char* ttft_unit;
  uint64_t tpot_least_ms, tpot_most_ms;
  std::optional<uint64_t> priority_max;
};

// Everything is drawn in the order it is written: << is evaluated from left to right.
inline grid::Snapshot small_planning_grid(Random& random, const PlanningGridLimits& limits) {
  const auto pick = [&](uint64_t low, uint64_t high) { return low + random.below(high - low + 1); };
  const uint64_t sites = 2 + random.below(limits.sites_max - 1);
  std::ostringstream text;
  for (uint64_t i = 0; i < sites; ++i)
    text << "site s" << i << (random.chance(0.7) ? " DE" : " FR") << " price=0." << pick(1, 4)
         << " power=" << pick(2, 9) << '\n';
  for (uint64_t i = 1; i < sites; ++i)
    text << 's' << i << "-s" << random.below(i) << ' ' << pick(1, 9) << "ms 10G cost=0.0" << pick(1, 9) << '\n';
  text << "s0-s1 " << pick(1, 9) << "ms " << (random.chance(0.2) ? "0.02G" : "10G") << '\n';
  text << "accelerator big 80GB idle=100W peak=700W price=" << pick(2, 4)
       << "\naccelerator small 24GB idle=30W peak=150W price=1\n";
  const uint64_t pools = 1 + random.below(limits.pools_max);
  for (uint64_t i = 0; i < pools; ++i)
    text << "pool p" << i << " s" << random.below(sites) << (random.chance(0.5) ? " big " : " small ")
         << pick(1, limits.accelerators_max) << (random.chance(0.2) ? " reserve=1\n" : "\n");
  text << "model m 10GB\nmodel k 14GB\n"
          "profile m big 4:9ms/300W 16:14ms/500W 32:20ms/650W kv=40GB prefill=20000 overhead=4ms\n"
          "profile m small 2:20ms/100W 8:28ms/140W kv=12GB prefill=6000 overhead=8ms\n"
          "profile k big 8:12ms/400W 32:25ms/650W kv=40GB prefill=15000 overhead=4ms\n"
          "region north s0 access=1ms\nregion south s1 access=2ms\ntenant de DE\ntenant all *\n";
  const uint64_t demands = 1 + random.below(limits.demands_max);
  for (uint64_t i = 0; i < demands; ++i) {
    text << "demand d" << i << (random.chance(0.4) ? " de" : " all") << (random.chance(0.5) ? " north" : " south")
         << (random.chance(0.7) ? " m " : " k ") << pick(1, 12) << " ttft=" << pick(limits.ttft_least, limits.ttft_most)
         << limits.ttft_unit << " tpot=" << pick(limits.tpot_least_ms, limits.tpot_most_ms) << "ms in=" << pick(50, 1500)
         << " out=" << pick(20, 400);
    if (limits.priority_max) text << " priority=" << pick(0, *limits.priority_max);
    text << '\n';
  }
  return drawn_grid(text.str());
}

}  // namespace tandem::test_support
