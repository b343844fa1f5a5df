// Whole replicas in scarce pools against all sets of them, and that the prices are what no set can beat.
#include "planner/scarce.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <sstream>

#include "base/random.h"
#include "planner/terrain.h"
#include "support/drawn_grid.h"

namespace tandem::planner {
namespace {

// Three pools of a few accelerators behind one hub, each in a country of its own; what a tenant may use is drawn. A
// replica holds all that is asked of a model.
grid::Snapshot contested_grid(Random& random) {
  std::ostringstream text;
  text << "site hub AT\nregion r hub\naccelerator gpu 48GB idle=50W peak=300W price=1\npolicy penalty=0.05\n";
  const char* const countries[] = {"DE", "FR", "IT"};
  for (size_t i = 0; i < 3; ++i)
    text << "hub-s" << i << " 1ms 10G cost=0.0" << 1 + i << "\nsite s" << i << ' ' << countries[i] << "\npool p" << i
         << " s" << i << " gpu " << 1 + random.below(4) << '\n';
  for (size_t m = 0; m < 4; ++m)
    text << "model m" << m << " 10GB\nprofile m" << m << " gpu 1:10ms/100W 8:12ms/200W tp=" << 1 + random.below(2)
         << " prefill=20000 kv=20GB\n";
  for (uint64_t set = 1; set < 8; ++set) {
    text << "tenant t" << set << " AT";
    for (size_t i = 0; i < 3; ++i)
      if ((set >> i & 1) != 0) text << ',' << countries[i];
    text << '\n';
  }
  for (size_t d = 0; d < 12; ++d)
    text << "demand d" << d << " t" << 1 + random.below(7) << " r m" << random.below(4) << " 0.00"
         << 1 + random.below(9) << "/s\n";
  return test_support::drawn_grid(text.str());
}

// What a demand costs at a deployment beside its replicas; none where it may not be there.
std::optional<double> running_eur(const Problem& problem, uint32_t d, uint32_t c) {
  Option option;
  if (problem.judge(d, c, &option).gate != Gate::none) return std::nullopt;
  return option.fractional_eur_per_hour - option.replicas_in_fractions * problem.candidates[c].replica_eur_per_hour;
}

struct Contest {
  explicit Contest(uint64_t seed)
      : random(seed),
        snapshot(contested_grid(random)),
        problem(snapshot, std::make_shared<Terrain>(snapshot, nullptr), nullptr) {
    for (uint32_t d = 0; d < problem.demands.size(); ++d)
      demands.push_back({d, problem.demands[d].penalty_eur_per_hour});
  }

  // What those deployments cost with all that they serve best, and what is rejected; none where there is no room.
  std::optional<double> eur_of(uint32_t set) const {
    std::map<uint32_t, uint32_t> used;
    double eur = 0;
    for (uint32_t c = 0; c < problem.candidates.size(); ++c) {
      const Candidate& at = problem.candidates[c];
      if ((set >> c & 1) == 0) continue;
      if (used[at.pool] += at.accelerators; used[at.pool] > problem.pool_spare[at.pool]) return std::nullopt;
      eur += at.replica_eur_per_hour;
    }
    for (const auto& [d, rejected] : demands) {
      double least = rejected;
      for (const uint32_t c : problem.candidates_of_model[problem.demands[d].row->model.value])
        if (const auto running = running_eur(problem, d, c); running && (set >> c & 1) != 0)
          least = std::min(least, *running);
      eur += least;
    }
    return eur;
  }
  double least_eur() const {
    double least = *eur_of(0);
    for (uint32_t set = 1; set < 1u << problem.candidates.size(); ++set)
      if (const auto eur = eur_of(set)) least = std::min(least, *eur);
    return least;
  }

  Random random;
  grid::Snapshot snapshot;
  Problem problem;
  std::vector<ScarcePools::Demand> demands;
};

TEST(ScarcePools, DecidesAsAllSetsOfReplicasTried) {
  uint32_t rejecting = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Contest contest(seed);
    ScarcePools scarce(contest.problem, {0, 1, 2}, contest.demands);
    if (!scarce.solve({})) continue;  // nobody may go anywhere
    uint32_t set = 0;
    std::map<uint32_t, uint32_t> served;
    for (const auto& [d, c] : scarce.decide(10'000, {})) {
      EXPECT_TRUE(contest.problem.passes(d, c));
      EXPECT_TRUE(served.emplace(d, c).second) << "twice";
      set |= 1u << c;
    }
    ASSERT_TRUE(contest.eur_of(set)) << "no room, seed " << seed;
    EXPECT_NEAR(*contest.eur_of(set), contest.least_eur(), 1e-6) << seed;
    rejecting += served.size() < contest.demands.size();
  }
  EXPECT_GT(rejecting, 20u);
}

TEST(ScarcePools, NoSetOfReplicasIsCheaperThanThePricesSay) {
  uint32_t priced = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Contest contest(seed);
    ScarcePools scarce(contest.problem, {0, 1, 2}, contest.demands);
    if (!scarce.solve({})) continue;
    const std::vector<double> pools = scarce.pool_prices();
    double bound = 0;
    for (size_t p = 0; p < pools.size(); ++p) {
      bound -= pools[p] * contest.problem.pool_spare[p];
      priced += pools[p] > 0;
    }
    std::map<uint32_t, double> v;
    for (const auto& [d, most] : contest.demands) v[d] = most;  // who may go nowhere is rejected
    for (const auto& [d, eur] : scarce.demand_prices()) {
      EXPECT_LE(eur, v[d]);
      v[d] = eur;
    }
    for (const auto& [d, eur] : v) bound += eur;
    for (uint32_t c = 0; c < contest.problem.candidates.size(); ++c) {
      const Candidate& at = contest.problem.candidates[c];
      double earned = -at.replica_eur_per_hour - pools[at.pool] * at.accelerators;
      for (const auto& [d, eur] : v)
        if (contest.problem.demands[d].row->model.value == at.model)
          if (const auto running = running_eur(contest.problem, d, c)) earned += std::max(0.0, eur - *running);
      bound -= std::max(0.0, earned);
    }
    const double least = contest.least_eur();
    EXPECT_LE(bound, least + 1e-6) << seed;
    EXPECT_GE(bound, 0.9 * least) << seed;
  }
  EXPECT_GT(priced, 20u);
}

TEST(ScarcePools, GivesUpWhenItIsStopped) {
  const Contest contest(0);
  std::stop_source over;
  ScarcePools scarce(contest.problem, {0, 1, 2}, contest.demands);
  ASSERT_TRUE(scarce.solve(over.get_token()));
  EXPECT_FALSE(scarce.decide(10'000, over.get_token()).empty());
  over.request_stop();
  EXPECT_TRUE(scarce.decide(10'000, over.get_token()).empty());
  EXPECT_FALSE(scarce.solve(over.get_token()));
}

}  // namespace
}  // namespace tandem::planner
