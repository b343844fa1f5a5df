#include "twin/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stop_token>

#include "base/random.h"

namespace tandem::twin {
namespace {

using testing::ElementsAre;

constexpr uint32_t kRanges = 200'000;

grid::Profile slower_by(double times) {
  grid::Profile profile;
  for (const auto& [batch, step_ms] : {std::pair(1, 10.0), {4, 11.0}, {16, 14.0}, {64, 26.0}})
    profile.points.push_back({static_cast<uint32_t>(batch), Milliseconds(times * step_ms), Watts(300)});
  return profile;
}

// Demands that only differ in where they come from, and what deployments may take of their first tokens, by place.
struct Demands {
  std::vector<double> rates;
  std::vector<std::vector<double>> ttft_left_ms;  // by place, then demand
};
struct Kind {
  Asked asked;  // on the first profile; others take `times` as long
  Demands demands;
};
struct World {
  std::vector<grid::Profile> profiles;
  std::vector<double> times;     // by profile
  std::vector<uint32_t> places;  // likewise: all are of one list, where each profile has so many in turn
  std::vector<uint32_t> replicas;
  std::vector<Kind> kinds;

  Asked asked(size_t kind, size_t profile) const {
    Asked asked = kinds[kind].asked;
    asked.sizes.prefill_ms *= times[profile];
    asked.sizes.prefill_variance *= times[profile] * times[profile];
    return asked;
  }
  size_t first_place(size_t profile) const {
    return std::accumulate(places.begin(), places.begin() + static_cast<ptrdiff_t>(profile), size_t{0});
  }
  void scale(double factor) {
    for (Kind& kind : kinds)
      for (double& rate : kind.demands.rates) rate *= factor;
  }
};

Splits find(const World& world, double rejectable = 0, Split* found = nullptr, uint32_t ranges_max = kRanges,
            const std::stop_token& stop = {}) {
  std::vector<SplitKind> kinds;
  for (const Kind& kind : world.kinds) {
    const double all = std::accumulate(kind.demands.rates.begin(), kind.demands.rates.end(), 0.0);
    kinds.push_back({all, all * rejectable});
  }
  std::vector<SplitProfile> profiles(world.profiles.size());
  for (size_t f = 0; f < profiles.size(); ++f) {
    profiles[f].profile = &world.profiles[f];
    for (size_t k = 0; k < kinds.size(); ++k) {
      profiles[f].asked.push_back(world.asked(k, f));
      profiles[f].points.push_back(15);
    }
    for (size_t place = world.first_place(f); place < world.first_place(f) + world.places[f]; ++place) {
      SplitPlace& there = profiles[f].places.emplace_back();
      there.replicas_max = 8;
      for (const Kind& kind : world.kinds) {
        std::vector<std::pair<double, double>> left;
        for (size_t d = 0; d < kind.demands.rates.size(); ++d)
          left.emplace_back(kind.demands.ttft_left_ms[place][d], kind.demands.rates[d]);
        const std::vector<double> by_part = ttft_left_by_part(std::move(left));
        there.ttft_left_ms.insert(there.ttft_left_ms.end(), by_part.begin(), by_part.end());
      }
    }
  }
  uint32_t ranges = 0;
  return find_split({kinds, profiles, world.replicas, 0, 0.97, stop}, ranges_max, ranges, [&](const Split& split) {
    if (found != nullptr) *found = split;
    return true;
  });
}

// Whether so many replicas in a place keep what they promise to those parts of each kind's demands.
bool keeps(const World& world, size_t profile, uint32_t replicas, size_t place,
           const std::vector<std::vector<double>>& parts) {
  Mix mix;
  std::vector<Asked> asked;
  for (size_t k = 0; k < world.kinds.size(); ++k)
    for (size_t d = 0; d < parts[k].size(); ++d) {
      if (parts[k][d] <= 0) continue;
      asked.push_back(world.asked(k, profile));
      asked.back().ttft_ms = world.kinds[k].demands.ttft_left_ms[place][d];
      mix.add(asked.back().sizes, parts[k][d] * world.kinds[k].demands.rates[d]);
    }
  return asked.empty() || std::ranges::any_of(world.profiles[profile].points, [&](const grid::OperatingPoint& point) {
           return mix.work(point) <= 0.97 * replicas && keeps_all(world.profiles[profile], point, replicas, mix, asked);
         });
}

Kind kind_of(double prefill_ms, double tokens, double ttft_ms, double tpot_ms, double rate) {
  return {{{prefill_ms, 0, tokens, tokens * tokens, std::min(1.0, std::log(tokens) / tokens)}, 0, tpot_ms, 0.95},
          {{rate}, {{ttft_ms}, {ttft_ms}}}};
}

// The largest scale of rates at which that holds of the world, to a thousandth.
template <class Holds>
double largest_scale(const World& world, const Holds& holds) {
  double low = 0, high = 64;
  while (high - low > 1e-3 * high) {
    World scaled = world;
    scaled.scale((low + high) / 2);
    (holds(scaled) ? low : high) = (low + high) / 2;
  }
  return low;
}

TEST(Split, TwoReplicasInTwoPlacesHoldTwiceOne) {
  World one{{slower_by(1)}, {1}, {2}, {1}, {kind_of(100, 80, 500, 40, 1)}};
  World two = one;
  two.replicas = {2};
  const double each = largest_scale(one, [](const World& world) { return keeps(world, 0, 1, 0, {{1}}); });
  const double pooled = largest_scale(one, [](const World& world) { return keeps(world, 0, 2, 0, {{1}}); });
  const auto may = [](const World& world) { return find(world) != Splits::none; };
  EXPECT_NEAR(largest_scale(one, may), each, 0.01 * each);
  EXPECT_NEAR(largest_scale(two, may), std::max(pooled, 2 * each), 0.02 * pooled);
}

TEST(Split, TheStrictGoToTheFastAndTheRestFillsTheSlow) {
  World world{{slower_by(1), slower_by(4)}, {1, 4}, {1, 1}, {1, 1}, {}};
  world.kinds = {kind_of(50, 60, 400, 25, 2), kind_of(100, 200, 3'000, 110, 0.3)};
  Split found;
  ASSERT_EQ(find(world, 0, &found), Splits::some);
  ASSERT_EQ(found.deployments.size(), 2u);
  EXPECT_EQ(found.deployments[0].parts[0], 1);
  EXPECT_EQ(found.deployments[1].parts[0], 0);
  EXPECT_THAT(found.deployments[0].places, ElementsAre(0));
  // Neither holds all alone, and not even both where all are strict.
  world.kinds[1].asked.tpot_ms = 25;
  world.scale(4);
  EXPECT_EQ(find(world), Splits::none);
}

TEST(Split, WhatMayBeRejectedMakesRoom) {
  World world{{slower_by(1)}, {1}, {2}, {2}, {kind_of(100, 80, 500, 40, 1)}};
  const double most = largest_scale(world, [](const World& at) { return find(at) != Splits::none; });
  world.scale(1.05 * most);
  EXPECT_EQ(find(world), Splits::none);
  EXPECT_NE(find(world, 0.06), Splits::none);
}

// What may be rejected is of one kind or shared among several: all of one, and of another what is left.
TEST(Split, OneKindMayBeRejectedWholeAndAPartOfAnotherBeside) {
  World world{{slower_by(1)}, {1}, {1}, {1}, {kind_of(100, 80, 500, 40, 1), kind_of(100, 80, 500, 40, 1)}};
  const double most = largest_scale(world, [](const World& at) { return find(at) != Splits::none; });
  world.scale(3 * most);
  EXPECT_EQ(find(world, 0.9), Splits::none);
  EXPECT_NE(find(world, 1.4), Splits::none) << "all of one kind and two fifths of the other leave less than it holds";
}

// Whatever the search has time for, what it does not rule out with all the time is not ruled out with less.
TEST(Split, NothingIsRuledOutForWantOfTime) {
  World world{{slower_by(1)}, {1}, {2}, {2}, {kind_of(100, 80, 500, 40, 1), kind_of(60, 50, 700, 60, 1)}};
  const double most = largest_scale(world, [](const World& at) { return find(at) != Splits::none; });
  world.scale(0.98 * most);
  for (uint32_t ranges_max = 0; ranges_max < 300; ++ranges_max)
    EXPECT_NE(find(world, 0, nullptr, ranges_max), Splits::none) << ranges_max;
}

TEST(Split, NothingIsRuledOutOnceItIsToStop) {
  World world{{slower_by(1)}, {1}, {2}, {2}, {kind_of(100, 80, 500, 40, 1), kind_of(60, 50, 700, 60, 1)}};
  world.scale(64);
  ASSERT_EQ(find(world), Splits::none);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(find(world, 0, nullptr, kRanges, stop.get_token()), Splits::unknown);
}

World drawn(Random& random) {
  World world;
  for (uint64_t profiles = 1 + random.below(2); profiles-- > 0;) {
    world.times.push_back(1 + 3 * random.uniform());
    world.profiles.push_back(slower_by(world.times.back()));
    world.places.push_back(static_cast<uint32_t>(1 + random.below(3)));
    world.replicas.push_back(static_cast<uint32_t>(1 + random.below(2)));
  }
  const size_t places = world.first_place(world.places.size());
  for (uint64_t kinds = 1 + random.below(3); kinds-- > 0;) {
    const double prefill_ms = 10 + 300 * random.uniform(), ttft_ms = prefill_ms * (5 + 10 * random.uniform());
    Kind kind = kind_of(prefill_ms, 2 + 300 * random.uniform(), 0, 15 + 60 * random.uniform(), 0);
    kind.demands = {{}, std::vector<std::vector<double>>(places)};
    for (uint64_t demands = 1 + random.below(4); demands-- > 0;) {
      kind.demands.rates.push_back(0.05 + random.uniform());
      for (std::vector<double>& of_place : kind.demands.ttft_left_ms)
        of_place.push_back(random.chance(0.1) ? -1 : ttft_ms * (0.5 + 0.5 * random.uniform()));
    }
    world.kinds.push_back(std::move(kind));
  }
  return world;
}

// Drawn splits of drawn demands, with rates as high as they just hold.
TEST(Split, IsNeverRuledOutWhereOneKeepsAll) {
  Random random(3);
  size_t held = 0, refuted = 0, known = 0;
  for (int i = 0; i < 1'500; ++i) {
    const World world = drawn(random);
    struct Deployed {
      size_t profile, place;
      uint32_t replicas;
    };
    std::vector<Deployed> deployed;
    for (size_t f = 0; f < world.profiles.size(); ++f) {
      const bool apart = world.replicas[f] == 2 && world.places[f] > 1 && random.chance(0.5);
      for (uint32_t n = 0; n < (apart ? 2 : 1); ++n)
        deployed.push_back(
            {f, world.first_place(f) + (apart ? n : random.below(world.places[f])), apart ? 1 : world.replicas[f]});
    }
    const double rejected = random.chance(0.5) ? 0 : 0.2 * random.uniform();  // of some demands of one kind
    const size_t rejected_kind = random.below(world.kinds.size());
    std::vector<std::vector<std::vector<double>>> parts(deployed.size());  // by deployment, kind, demand
    for (size_t k = 0; k < world.kinds.size(); ++k) {
      const double served = k == rejected_kind ? 1 - rejected : 1;
      for (auto& of : parts) of.emplace_back(world.kinds[k].demands.rates.size(), 0);
      for (size_t d = 0; d < world.kinds[k].demands.rates.size(); ++d) {
        const size_t first = random.below(deployed.size()), second = random.below(deployed.size());
        const double part = random.chance(0.7) ? 1 : random.uniform();
        parts[first][k][d] += part * served;
        parts[second][k][d] += (1 - part) * served;
      }
    }
    const double most = largest_scale(world, [&](const World& at) {
      for (size_t j = 0; j < deployed.size(); ++j)
        if (!keeps(at, deployed[j].profile, deployed[j].replicas, deployed[j].place, parts[j])) return false;
      return true;
    });
    World above = world;
    above.scale(64);
    refuted += find(above, rejected) == Splits::none;
    if (most <= 0) continue;
    ++held;
    World at = world;
    at.scale(most);
    const Splits found = find(at, rejected);
    ASSERT_NE(found, Splits::none) << i;
    known += found == Splits::some;
  }
  EXPECT_GT(held, 300u);
  EXPECT_GT(refuted, 1'000u);
  EXPECT_GT(known, held / 2);
}

// All splits of two kinds over two replicas, in steps of a thirtieth.
TEST(Split, ComesNearWhatTheBestOfAllSplitsHolds) {
  constexpr int kWorlds = 25;
  Random random(7);
  double over = 0;  // of what it lets through, mean
  for (int i = 0; i < kWorlds; ++i) {
    World world{{slower_by(1), slower_by(2)}, {1, 2}, {1, 1}, {1, 1}, {}};
    for (int k = 0; k < 2; ++k) {
      const double prefill_ms = 20 + 100 * random.uniform();
      world.kinds.push_back(kind_of(prefill_ms, 20 + 200 * random.uniform(), prefill_ms * (6 + 10 * random.uniform()),
                                    25 + 30 * random.uniform(), 0.2 + random.uniform()));
    }
    const double best = largest_scale(world, [](const World& at) {
      for (int a = 0; a <= 30; ++a)
        for (int b = 0; b <= 30; ++b)
          if (keeps(at, 0, 1, 0, {{a / 30.0}, {b / 30.0}}) && keeps(at, 1, 1, 1, {{1 - a / 30.0}, {1 - b / 30.0}}))
            return true;
      return false;
    });
    const double may = largest_scale(world, [](const World& at) { return find(at) != Splits::none; });
    EXPECT_GE(may, best * (1 - 2e-3)) << i;
    EXPECT_LE(may, best * 1.1) << i;
    over += may / best / kWorlds;
  }
  EXPECT_LT(over, 1.02);
}

TEST(Split, TellsWhatIsLeftOfFirstTokensByPart) {
  const std::vector<double> by_part = ttft_left_by_part({{100, 1}, {300, 2}, {-1, 1}});
  ASSERT_EQ(by_part.size(), kSplitParts + 1);
  EXPECT_EQ(by_part[0], 300);
  EXPECT_EQ(by_part[kSplitParts / 2], 300);
  EXPECT_EQ(by_part[kSplitParts / 2 + 1], 100);
  EXPECT_EQ(by_part[kSplitParts * 3 / 4], 100);
  EXPECT_EQ(by_part[kSplitParts], -1);
}

}  // namespace
}  // namespace tandem::twin
