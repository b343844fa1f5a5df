// What a deployment can earn at given prices at the most, its mix and its batch worked out.
//
// Problem: n replicas, R each, serve parts x of demands, of which each is worth so much and takes energy by the batch
// that decodes. By the twin a promise on time per token bounds how unevenly prefills come, at their share ρ of time and
// at h decode steps a ms of decoding (twin/decoding_range.h); the mean prefill m of a request is counted against that
// (twin::Decoding). Linear in x are ρ, steps, the sum of squares and the number of requests; what they are bounded by
// is not convex in ρ, h, m and n.
//
// Method: branch and bound over ranges of n, ρ, h and m, and over which promises are in use at all. In a range
//
//   Σ ρ_i x_i ≤ n ρ⁺     Σ (s_i + h⁺ ρ_i) x_i ≤ n h⁺     Σ work_i x_i ≤ n · what may be filled     Σ (m⁻ λ_i − ρ_i) x_i
//   ≤ 0 Σ ρ_i (E[S²] / E[S] − m⁺ (1 − 1 / n⁺))_i x_i ≤ n · the spread that promises in use leave at ρ⁻, h⁻, n⁺
//
// holds of every plan, and energy is that of the batch of least energy in it. Of this linear program five multipliers
// are found by its dual simplex with long steps, one range's basis being the next one's start; what is said is their
// Lagrangian value, which bounds the program whatever they are. The range that says most is parted where its solution
// lies, along what it is most lenient in. O(ranges × pivots × demands). Fails by being lenient in what first tokens
// wait for, which it leaves out, and where ranges run out.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "twin/decoding_range.h"

namespace tandem::planner {

inline constexpr uint32_t kRangesMax = 1'000;      // of a deployment: some 7 µs each
inline constexpr double kEarningTolerance = 4e-3;  // of what limits what is served

// Demands alike in size and promise, wherever they come from.
struct EarningKind {
  twin::RequestSizes sizes;
  double tpot_ms = 0, quantile = 0;
  uint32_t points = 0;  // set of operating points it may be served at
};

struct EarningDemand {
  uint32_t kind = 0, demand = 0;
  double requests_per_s = 0;  // > 0
  double eur_per_hour = 0;    // of serving all of it, energy left out; may be less than nothing
};

struct EarningReplicas {
  const grid::Profile* profile = nullptr;
  const twin::StepEnergy* energy = nullptr;  // of the profile
  double eur_per_watt_hour = 0, replica_eur = 0;
  uint32_t fewest = 1, most = 1;
};

struct MostEarned {
  double eur_per_hour = 0;                          // ≥ 0: no deployment earns more beyond its replicas
  double replicas = 0;                              // of the range that says so, and what it serves there
  std::vector<std::pair<uint32_t, double>> served;  // demand, part
  uint32_t ranges = 0;                              // that were looked at
};

// `demands`: all that may be served there, whatever they are worth. Looks at up to about `ranges_max`; ends where what
// is said of the best is lenient by no more than that part of it.
MostEarned most_earned(const EarningReplicas& replicas, const std::vector<EarningKind>& kinds,
                       const std::vector<EarningDemand>& demands, uint32_t ranges_max, double tolerance);

}  // namespace tandem::planner
