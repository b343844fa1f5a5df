// What is said of a deployment's earnings against all that it may serve, by the twin's own word.
#include "planner/earnings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "planner/problem.h"
#include "twin/twin.h"

namespace tandem::planner {
namespace {

struct DrawnEarnings {
  grid::Profile profile;
  Watts idle{100};
  EarningReplicas replicas;
  std::vector<EarningKind> kinds;
  std::vector<EarningDemand> demands;
};

DrawnEarnings drawn_earnings(uint64_t seed) {
  Random random(seed);
  DrawnEarnings drawn;
  drawn.profile.prefill_tokens_per_s = 2'000 + 8'000 * random.uniform();
  drawn.profile.prefill_overhead = Milliseconds(5 + 10 * random.uniform());
  double step_ms = 10 + 20 * random.uniform(), watts = 150 + 100 * random.uniform();
  const double slope_ms = random.chance(0.2) ? 1.5 : 0.3 * random.uniform();
  for (uint32_t batch = 1; batch <= 32; batch *= random.chance(0.5) ? 2 : 4) {
    drawn.profile.points.push_back({batch, Milliseconds(step_ms), Watts(watts)});
    step_ms += slope_ms * batch * (0.5 + random.uniform());
    watts += 60 * random.uniform();
  }
  const double size = 0.5 + 2 * random.uniform();
  for (uint64_t k = 1 + random.below(3); k > 0; --k) {
    grid::Demand demand;
    demand.prompt_tokens = random.chance(0.5) ? 100 + 300 * random.uniform() : 1'000 + 4'000 * random.uniform();
    demand.output_tokens = 1 + 300 * random.uniform();
    const auto points = static_cast<uint32_t>(random.chance(0.7) ? UINT32_MAX : 1 + random.below(7));
    const twin::RequestSizes sizes = twin::sizes_of(drawn.profile, demand);
    drawn.kinds.push_back({sizes, drawn.profile.points[0].decode_per_token.value() * (1.1 + 3 * random.uniform()),
                           random.chance(0.8) ? 0.95 : 0.99, points});
    for (uint64_t d = 1 + random.below(2); d > 0; --d) {
      const double busy = size * random.uniform();  // replicas, were batches of eight
      const double rate = busy / (1e-3 * (sizes.prefill_ms + sizes.output_tokens * step_ms / 8));
      drawn.demands.push_back({static_cast<uint32_t>(drawn.kinds.size() - 1),
                               static_cast<uint32_t>(drawn.demands.size()), rate, 3 * busy * random.uniform()});
    }
  }
  drawn.replicas = {.eur_per_watt_hour = 5e-4 * random.uniform(),
                    .replica_eur = 0.2 + random.uniform(),
                    .fewest = 1,
                    .most = static_cast<uint32_t>(1 + random.below(4))};
  return drawn;
}

// Of parts of a hundredth steps over all: the most that keeps its promises, parts scaled down until it does.
double best_found(const DrawnEarnings& drawn, Random& random) {
  double best = 0;
  std::vector<double> parts(drawn.demands.size()), best_parts;
  for (int attempt = 0; attempt < 400; ++attempt) {
    for (size_t j = 0; j < parts.size(); ++j) {
      parts[j] = random.chance(0.4) ? 1 : random.chance(0.3) ? 0 : random.uniform();
      if (attempt % 2 == 1 && !best_parts.empty())
        parts[j] = std::clamp(best_parts[j] + 0.1 * (random.uniform() - 0.5), 0.0, 1.0);
    }
    const auto replicas =
        static_cast<uint32_t>(drawn.replicas.fewest + random.below(drawn.replicas.most - drawn.replicas.fewest + 1));
    for (size_t p = 0; p < drawn.profile.points.size(); ++p) {
      const grid::OperatingPoint& point = drawn.profile.points[p];
      twin::Mix mix;
      std::vector<twin::Asked> asked;
      double eur = 0;
      for (size_t j = 0; j < parts.size(); ++j) {
        const EarningKind& kind = drawn.kinds[drawn.demands[j].kind];
        if (parts[j] <= 0 || (kind.points >> p & 1) == 0) continue;
        mix.add(kind.sizes, parts[j] * drawn.demands[j].requests_per_s);
        asked.push_back({kind.sizes, 1e12, kind.tpot_ms, kind.quantile});
        eur += parts[j] * drawn.demands[j].eur_per_hour;
      }
      double low = 0, high = 1;
      for (int halving = 0; halving < 20; ++halving) {
        const double times = halving == 0 ? 1 : (low + high) / 2;
        const twin::Mix less = mix.scaled(times);
        const bool keeps = less.work(point) <= kUtilizationMax * replicas &&
                           twin::keeps_all(drawn.profile, point, replicas, less, asked);
        (keeps ? low : high) = times;
        if (keeps && halving == 0) break;
      }
      if (low <= 0 || mix.requests_per_s <= 0) continue;
      const double watts = twin::average_power(drawn.profile, point, drawn.idle, replicas, mix.scaled(low)).value() -
                           replicas * drawn.idle.value();
      const double earned =
          low * eur - std::max(0.0, watts) * drawn.replicas.eur_per_watt_hour - replicas * drawn.replicas.replica_eur;
      if (earned <= best) continue;
      best = earned;
      best_parts = parts;
      for (double& part : best_parts) part *= low;
    }
  }
  return best;
}

TEST(Earnings, NothingThatKeepsItsPromisesEarnsMore) {
  double found = 0, said = 0, said_at_once = 0;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    DrawnEarnings drawn = drawn_earnings(seed);
    const twin::StepEnergy energy(drawn.profile, drawn.idle);
    drawn.replicas.profile = &drawn.profile;
    drawn.replicas.energy = &energy;
    Random random(seed, 1);
    const double best = best_found(drawn, random);
    for (const uint32_t ranges : {1U, 10U, 2'000U}) {
      const MostEarned most = most_earned(drawn.replicas, drawn.kinds, drawn.demands, ranges, 1e-4);
      EXPECT_LE(best, most.eur_per_hour + 1e-9) << seed << " in " << ranges;
      if (ranges == 1) said_at_once += most.eur_per_hour;
      if (ranges == 2'000) said += most.eur_per_hour;
    }
    found += best;
  }
  EXPECT_GT(found, 100);
  EXPECT_LT(said, 1.15 * found);         // and little less is found by chance
  EXPECT_GT(said_at_once, 1.05 * said);  // ranges are what tells
}

}  // namespace
}  // namespace tandem::planner
