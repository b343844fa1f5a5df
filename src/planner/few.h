// A few deployments decided anew, exactly: operating points, replicas and splits as a mixed-integer program.
//
// Problem: of some candidates and the demands that are to be placed on them, minimise replicas, energy, transport,
// rejection and moves, within what the rest of the plan leaves of pools, sites and arcs. Method: branch and bound over
// linear programs (Clp), depth first to the first plan and then from the best open node; branches on replicas, on the
// operating point, and, where those in use would break a promise that is not linear (time per token of the strictest,
// waits), on which demands may be there and how much work. What waits allow is asked of the judge at every whole
// solution; the branch that keeps a deployment as full as its present mix bears is not exact. Complexity: nodes × one
// dual simplex from a basis nearby. Fails by the limit on nodes: what it found until then is given.
//
// Nothing the solver says is trusted: what comes out is judged like any other move of the search.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "planner/problem.h"

namespace tandem::planner {

struct FewDeployments {
  struct Demand {
    uint32_t demand = 0;
    double amount = 1;                // of it to be decided, (0, 1]
    double penalty_eur_per_hour = 0;  // of rejecting all of it
  };
  std::vector<uint32_t> candidates;
  std::vector<Demand> demands;
  // What the rest of the plan leaves, by pool, site and arc.
  std::function<double(uint32_t)> accelerators, kilowatts, arc_gbps;
};

struct FewDecided {
  struct Split {
    uint32_t option = 0;
    uint32_t place = 0;  // position among the candidates
    double share = 0;    // of the whole demand
  };
  std::vector<Split> splits;
  std::vector<uint32_t> replicas, points;  // by candidate; those without splits do not count
};

// What a decision is in truth.
struct FewJudged {
  double eur_per_hour = 0;         // infinite: no plan
  uint32_t short_of = UINT32_MAX;  // the place whose replicas do not hold what was sent there; none: all as decided
  double bearable = 1;             // the part of it they would hold
};

class FewProgram {
 public:
  using Judge = std::function<FewJudged(const FewDecided&)>;
  FewProgram(Problem& problem, FewDeployments few);
  ~FewProgram();

  // Judges every whole solution that promises less than `below`, and less than the judge said of those before, until it
  // is stopped. Returns the nodes it took, at most `nodes_max`.
  uint32_t solve(double below, uint32_t nodes_max, const Judge& judge, const std::stop_token& stop);

 private:
  class Tree;
  Problem& problem_;
  FewDeployments few_;
};

}  // namespace tandem::planner
