// A lower bound on the cost of any plan for a problem.
#pragma once

#include "planner/problem.h"

namespace tandem::planner {

// Lagrangian relaxation (Geoffrion, Math. Prog. Study 2, 1974) of "every demand is served or rejected in full", with a
// price v_d €/h on serving demand d, and of what deployments share: accelerators of a pool among models, power of a
// site, arcs, waits. For any prices 0 ≤ v_d ≤ the penalty of rejecting d,
//
//   L(v) = Σ_d v_d + Σ_c φ_c(v),
//   φ_c(v) = min over an operating point, replicas n ≥ what is pinned and shares x ∈ [0, 1] with Σ work_d · x_d ≤ n of
//            n · replica − Σ_d (v_d − energy_d − transport_d) · x_d
//
// costs no more than any plan: the plan's own n and x are feasible in every φ_c, and Σ_c x_d + rejected_d = 1 makes the
// prices cancel (v_d · rejected_d ≤ penalty_d · rejected_d). Moves are left out: they only add. φ_c is a fractional
// knapsack for each n, concave in n, so one pass over the items by gain per work solves it.
//
// Prices start at each demand's cheapest fractional cost, where all φ_c are 0 (the bound of buying replicas in
// fractions), and climb by subgradients (Held, Wolfe, Crowder, Math. Prog. 6, 1974) with Polyak steps towards
// `upper_eur_per_hour`, the cost of some plan. Returns the best of `rounds`. O(rounds · options · points · log).
// Fails by being loose where what it relaxes is scarce.
double lower_bound(const Problem& problem, double upper_eur_per_hour, uint32_t rounds);

}  // namespace tandem::planner
