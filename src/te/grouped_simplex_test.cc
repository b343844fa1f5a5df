#include "te/grouped_simplex.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace tandem::te {
namespace {

using Column = GroupedSimplex::Column;

struct Program {
  size_t rows = 0, groups = 0;
  std::vector<std::vector<Column>> columns;  // by group; the first without cost
};

Program random_program(uint64_t seed, double cost) {
  Random random(seed);
  Program program;
  program.rows = 2 + random.below(12);
  program.groups = 1 + random.below(25);
  for (uint32_t g = 0; g < program.groups; ++g) {
    std::vector<Column> columns;
    const uint64_t count = 1 + random.below(6);
    for (uint64_t k = 0; k < count; ++k) {
      Column column{g, k, k == 0 ? 0 : cost, {}};
      for (uint32_t r = 0; r < program.rows; ++r) {
        // Round numbers, so that ties and degenerate vertices come up.
        if (random.chance(0.4))
          column.entries.push_back({r, seed % 2 ? random.uniform() : 0.25 * static_cast<double>(1 + random.below(4))});
      }
      columns.push_back(std::move(column));
    }
    program.columns.push_back(std::move(columns));
  }
  return program;
}

GroupedSimplex simplex_of(const Program& program) {
  std::vector<Column> first;
  for (const auto& columns : program.columns) first.push_back(columns.front());
  return {program.rows, std::move(first)};
}

void solve(GroupedSimplex& simplex, const Program& program) {
  for (bool more = true; more;) {
    more = false;
    for (const auto& columns : program.columns) {
      for (const Column& column : columns) more |= simplex.bring_in(column, 100'000);
    }
  }
}

// Feasible, and worth what the prices prove that nothing can be worth less than: so it is the optimum.
void expect_optimal(const GroupedSimplex& simplex, const Program& program) {
  std::vector<double> loads(program.rows, 0), sums(program.groups, 0);
  double objective = simplex.level();
  for (const auto& share : simplex.shares()) {
    EXPECT_GT(share.fraction, 0);
    sums[share.column->group] += share.fraction;
    objective += share.fraction * share.column->cost;
    for (const auto& entry : share.column->entries) loads[entry.row] += share.fraction * entry.value;
  }
  for (const double sum : sums) EXPECT_NEAR(sum, 1, 1e-7);
  for (size_t r = 0; r < program.rows; ++r) {
    EXPECT_NEAR(loads[r], simplex.loads()[r], 1e-7);
    EXPECT_LE(loads[r], simplex.level() + 1e-7);
  }
  double price_sum = 0, dual = 0;
  for (const double price : simplex.prices()) {
    EXPECT_GE(price, -1e-7);
    price_sum += price;
  }
  EXPECT_NEAR(price_sum, 1, 1e-7);
  for (const auto& columns : program.columns) {
    double cheapest = 1e300;
    for (const Column& column : columns) cheapest = std::min(cheapest, simplex.price(column, simplex.prices()));
    dual += cheapest;
  }
  EXPECT_NEAR(dual, objective, 1e-6);
}

TEST(GroupedSimplex, ReachesTheOptimumThatItsPricesProve) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    const Program program = random_program(seed, 0);
    GroupedSimplex simplex = simplex_of(program);
    if (simplex.level() <= 0) continue;
    solve(simplex, program);
    expect_optimal(simplex, program);
  }
}

TEST(GroupedSimplex, SteersLessWhenThatCostsMore) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Program program = random_program(seed, 0.5);
    GroupedSimplex simplex = simplex_of(program);
    if (simplex.level() <= 0) continue;
    double level = simplex.level();
    for (const double cost : {0.5, 0.05, 0.005, 0.5}) {
      for (auto& columns : program.columns) {
        for (Column& column : columns) column.cost = column.tag == 0 ? 0 : cost;
      }
      simplex.set_cost(cost, 100'000);
      solve(simplex, program);
      expect_optimal(simplex, program);
      if (cost < 0.5) {
        EXPECT_LE(simplex.level(), level + 1e-7);
      }
      level = simplex.level();
    }
  }
}

TEST(GroupedSimplex, StopsAtItsLimitAndStaysFeasible) {
  const Program program = random_program(3, 0);
  GroupedSimplex simplex = simplex_of(program);
  for (const auto& columns : program.columns) {
    for (const Column& column : columns) simplex.bring_in(column, 2);
  }
  EXPECT_LE(simplex.pivots(), 2u);
  for (const double load : simplex.loads()) EXPECT_LE(load, simplex.level() + 1e-9);
}

}  // namespace
}  // namespace tandem::te
