// A lower bound on the cost of any plan for a problem.
#pragma once

#include "planner/problem.h"

namespace tandem::planner {

// Lagrangian relaxation (Geoffrion, Math. Prog. Study 2, 1974) of three constraints: every demand is served or rejected
// in full (price v_d on serving demand d), the accelerators of a pool (λ_p each), the worst-case power of a site (μ_s per
// kW). What else deployments share, arcs and waits, is left out. For any 0 ≤ v_d ≤ the penalty of rejecting d and any
// λ, μ ≥ 0,
//
//   L = Σ_d v_d − Σ_p λ_p · spare_p − Σ_s μ_s · kw_s + Σ_c φ_c,
//   φ_c = min over an operating point, replicas n ≥ what is pinned and shares x ∈ [0, 1] with Σ work_d · x_d ≤ n of
//         n · (replica + λ_p · accelerators + μ_s · kw) − Σ_d (v_d − energy_d − transport_d) · x_d
//
// (work_d: the replicas that d fills to kUtilizationMax) costs no more than any plan: the plan's own n and x are feasible in every φ_c; Σ_c x_d + rejected_d = 1 makes v cancel
// (v_d · rejected_d ≤ penalty_d · rejected_d); the plan keeps to spare and kw, so λ and μ only take away. Moves are left
// out: they only add. φ_c is a fractional knapsack for each n, concave in n, so one pass over the items by gain per work
// solves it.
//
// v starts at each demand's cheapest fractional cost and λ, μ at 0, where all φ_c are 0 (the bound of buying replicas in
// fractions), and climb by subgradients (Held, Wolfe, Crowder, Math. Prog. 6, 1974), each scaled to its own price, with
// Polyak steps towards `upper_eur_per_hour`, the cost of some plan. Returns the best of `rounds`.
// O(rounds · options · points · log). Fails by being loose where arcs are scarce.
double lower_bound(const Problem& problem, double upper_eur_per_hour, uint32_t rounds);

}  // namespace tandem::planner
