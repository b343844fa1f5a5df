// Pools that more would stand in than there is room for, decided together.
//
// Problem: which whole replicas stand in those pools, so that least is paid for them, for what they serve, and for
// rejecting, or serving elsewhere at a given cost, what they do not: facility location with a knapsack for each pool.
// Demands of one model that may go to the same deployments there are one. Method: the linear program (Clp) in which a
// demand is served by no more of a replica than there is, and a replica holds no more than its work. Its dual prices
// say what an accelerator is worth in each pool and what serving each demand is. Then branch and bound on replicas,
// depth first, the nearest whole number first. Complexity: nodes × one dual simplex from a basis nearby. Fails by its
// limits: a program of too many columns is not solved, and what was found within the nodes is given.
//
// No move of one deployment finds such a plan where a few accelerators are all that many models may use: what is served
// instead of what is decided by all of it. Nothing here is trusted: the search judges the plan, the relaxation the
// prices.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "planner/problem.h"

namespace tandem::planner {

class ScarcePools {
 public:
  struct Demand {
    uint32_t demand = 0;
    double elsewhere_eur_per_hour = 0;  // at most paid for it where no deployment in the pools serves it
  };
  // Of the demands those that pass the gates of no deployment there are left out.
  ScarcePools(const Problem& problem, const std::vector<uint32_t>& pools, const std::vector<Demand>& demands);
  ~ScarcePools();

  // False where it is too large, the solver gave up, or it was stopped. Then nothing else may be asked.
  bool solve(const std::stop_token& stop);

  // By position among the pools, €/h an accelerator, and the demands', at most what they pay elsewhere.
  std::vector<double> pool_prices() const;
  std::vector<Demand> demand_prices() const;

  // Of whole replicas what each serves, every demand in whole by one; the others are served elsewhere or not at all.
  struct Served {
    uint32_t demand = 0, candidate = 0;
  };
  std::vector<Served> decide(uint32_t nodes_max, const std::stop_token& stop);

 private:
  class Program;
  std::unique_ptr<Program> program_;
};

}  // namespace tandem::planner
