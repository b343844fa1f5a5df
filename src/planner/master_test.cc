// Which plans stand together, against all choices.
#include "planner/master.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/random.h"
#include "planner/search.h"

namespace tandem::planner {
namespace {

constexpr uint32_t kModels = 4, kPlans = 4, kResources = 3;
constexpr size_t kKept = 1'000;  // as many as there are choices, and more

// The first plan of each model takes nothing and is the dearest.
Master drawn_plans(Random& random) {
  Master master;
  for (uint32_t m = 0; m < kModels; ++m) {
    for (uint32_t k = 0; k < kPlans; ++k) {
      PlannedAlone planned{{}, k == 0 ? 20.0 : 1 + static_cast<double>(random.below(15)), {}};
      for (uint32_t r = 0; r < kResources && k > 0; ++r)
        if (const uint64_t amount = random.below(4); amount > 0)
          planned.takes.push_back({r, static_cast<double>(amount)});
      master.add(m, std::move(planned));
    }
  }
  return master;
}

// Of all choices that fit.
double least_of_all(const Master& master, const std::vector<double>& room) {
  double least = std::numeric_limits<double>::infinity();
  for (uint32_t choice = 0; choice < kPlans * kPlans * kPlans * kPlans; ++choice) {
    double eur = 0;
    std::vector<double> left = room;
    for (uint32_t m = 0, rest = choice; m < kModels; ++m, rest /= kPlans) {
      const PlannedAlone& planned = master.column(m * kPlans + rest % kPlans).planned;
      eur += planned.eur_per_hour;
      for (const auto& [resource, amount] : planned.takes) left[resource] -= amount;
    }
    if (std::ranges::all_of(left, [](double one) { return one >= 0; })) least = std::min(least, eur);
  }
  return least;
}

TEST(Master, DecidesWhatAllChoicesTriedSay) {
  const std::vector<uint32_t> models{0, 1, 2, 3};
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    Master master = drawn_plans(random);
    std::vector<double> room;
    for (uint32_t r = 0; r < kResources; ++r) room.push_back(static_cast<double>(random.below(8)));
    ASSERT_TRUE(master.solve(models, room));
    double eur = 0;
    std::vector<double> left = room;
    const std::vector<size_t> chosen = master.decide({0, kPlans, 2 * kPlans, 3 * kPlans}, kKept, {});
    ASSERT_EQ(chosen.size(), kModels);
    for (uint32_t m = 0; m < kModels; ++m) {
      EXPECT_EQ(master.column(chosen[m]).model, m);
      eur += master.column(chosen[m]).planned.eur_per_hour;
      for (const auto& [resource, amount] : master.column(chosen[m]).planned.takes) left[resource] -= amount;
    }
    for (const double one : left) EXPECT_GE(one, 0) << seed;
    EXPECT_NEAR(eur, least_of_all(master, room), 1e-3) << seed;
  }
}

TEST(Master, KeepsWhatIsKnownWhereItMayNotLook) {
  Random random(1);
  Master master = drawn_plans(random);
  const std::vector<uint32_t> models{0, 1, 2, 3};
  ASSERT_TRUE(master.solve(models, {9, 9, 9}));
  const std::vector<size_t> known{0, kPlans, 2 * kPlans, 3 * kPlans};
  EXPECT_EQ(master.decide(known, 0, {}), known);
  EXPECT_NE(master.decide(known, kKept, {}), known);
  std::stop_source over;
  over.request_stop();
  EXPECT_EQ(master.decide(known, kKept, over.get_token()), known);
}

// Two models want the one place that suits both: it goes to the one that spares more there, at a price in between.
TEST(Master, GivesWhatIsScarceToWhomItSparesMost) {
  Master master;
  master.add(7, {{}, 10, {}});
  master.add(7, {{}, 8, {{0, 1}}});
  master.add(9, {{}, 10, {}});
  master.add(9, {{}, 5, {{0, 1}}});
  const std::vector<uint32_t> models{7, 9};
  ASSERT_TRUE(master.solve(models, {1}));
  EXPECT_EQ(master.decide({1, 2}, kKept, {}), (std::vector<size_t>{0, 3}));
  EXPECT_GE(master.prices()[0], 2);
  EXPECT_LE(master.prices()[0], 5);
  EXPECT_FALSE(master.is_wanted(0, {{}, 10, {}}));
  EXPECT_TRUE(master.is_wanted(0, {{}, 9, {}}));
  EXPECT_FALSE(master.solve(models, {-1}));
}

TEST(Master, ASiteOverItsPowerHasNoneToShareAndStopsNobody) {
  Master master;
  const size_t standing = master.add(0, {{}, 5, {{0, 1}}});
  const size_t cheaper = master.add(0, {{}, 3, {{0, 2}}});
  const Search::Spare spare{{2}, {-0.5}, {}};
  ASSERT_TRUE(master.solve(std::vector<uint32_t>{0}, spare.all()));
  EXPECT_EQ(master.decide({standing}, kKept, {}), std::vector<size_t>{cheaper});
}

}  // namespace
}  // namespace tandem::planner
