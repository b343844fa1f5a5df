// How much may be asked of a replica before promises break, whatever else it serves: what makes a small deployment
// dearer than its share of a large one, and a strict promise dearer than a lenient one.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "grid/snapshot.h"

namespace tandem::planner {

// Numbers of replicas that are told apart; beyond the last, waits are left out.
inline constexpr std::array<uint32_t, 10> kReplicaSteps{1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
inline constexpr double kReplicasBeyond = 1e9;  // more would be no easier to keep promises with

inline constexpr uint32_t kSharesPerWhole = 200;  // of a replica's time, that are told apart
inline constexpr uint32_t kBatchParts = 32;       // between two points of a profile, likewise

// The largest share, at most kUtilizationMax, at which twin::prefill_wait stays within a number of E[S²] / E[S]:
// rounded up to the next of 200 steps, so never less than it is.
class FillLimits {
 public:
  FillLimits();

  // `step`: position in kReplicaSteps.
  double most(uint32_t step, double slack) const;

 private:
  std::vector<double> waits_;  // replicas × shares
};

struct TokenPromise {
  double tpot_ms = 0, quantile = 0, inverse_output = 0;
  auto operator<=>(const TokenPromise&) const = default;
};

// What a promise on time per token leaves of a deployment's replicas. At share ρ of prefills and batch b it has
// b · (1 − ρ) / d(b) decode steps a ms, and keeps the promise where twin::token_time, with the least spread of any
// prefills it may serve, says so. Both are told apart in steps, each taken at its most lenient. The region of what is
// kept is then measured in several ways, each of which adds up over requests:
//
//   measure 0        prefills alone, ρ;
//   measure 1 + q    ρ + decode steps a ms · d(q) / q: as if batches were full at point q, up to the point it runs at.
class TokenLimits {
 public:
  // `spread_ms`: the least E[S²] / E[S] − E[S] · (1 − 1 / replicas) of prefills.
  TokenLimits(const grid::Profile& profile, double replicas, double spread_ms);

  // By measure, 2 + p of them, of a deployment at point p: at most kUtilizationMax of each replica where that says so.
  // O(shares + batches).
  void find(uint32_t p, const TokenPromise& promise, std::span<double> most) const;

 private:
  struct Batch {  // from one to a slightly larger one
    double step_ms = 0, step_after_ms = 0;
    double held = 0;      // the most decode steps a ms of decoding
    double variance = 0;  // that depends on the batch alone: twin.h
    double drift = 0;
  };
  std::vector<Batch> batches_;             // ascending
  std::vector<size_t> end_;                // of those up to a point
  std::vector<double> step_ms_, work_ms_;  // of points: d, d / batch
  std::vector<double> stretch_;            // by share: what it does to the variance
};

// What requests of one model are like on a profile, all that may come together: each its decode steps a ms, and how
// unevenly its prefills come, E[S²] / E[S] − E[S] · (1 − 1 / replicas) in ms, both for each replica-second a second of
// prefills. Whatever mixes of them lies between, in their convex hull: those of many steps seldom have long prompts.
class MixRange {
 public:
  struct One {
    double steps = 0, spread_ms = 0;
    auto operator<=>(const One&) const = default;
  };
  // Steps may be infinite: of requests that need no prefill.
  explicit MixRange(std::vector<One> all);

  double steps_min() const { return steps_min_; }
  double steps_max() const { return steps_max_; }
  // The least and the most spread of any mix with a number of steps between these.
  double spread_min_ms(double steps_from, double steps_to) const { return least(least_, steps_from, steps_to); }
  double spread_max_ms(double steps_from, double steps_to) const { return -least(most_, steps_from, steps_to); }

 private:
  double least(const std::vector<One>& chain, double from, double to) const;

  double steps_min_ = 0, steps_max_ = 0;
  std::vector<One> least_, most_;  // by steps, of the hull from below, and from above with its sign changed
};

// What counts beside a prefill's own time, where requests mix: decode steps, each so much of the time it takes in the
// fullest batch, and spread, each so much of the mean spread. Few steps count where a promise on time per token is what
// binds: a step is little longer in a larger batch.
struct Direction {
  double steps = 0, spread = 0;
};
inline constexpr std::array<Direction, 13> kDirections{{{1, 1},
                                                        {1, 0.5},
                                                        {1, 3},
                                                        {1, 0},
                                                        {1, 0.12},
                                                        {1, 0.25},
                                                        {0.5, 0.25},
                                                        {0.5, 0.5},
                                                        {0.5, 1},
                                                        {0.5, 3},
                                                        {0.2, 0.25},
                                                        {0.2, 1},
                                                        {0.2, 3}}};

// What a promise on time per token, and kUtilizationMax, leave where requests mix as they can: of prefills ρ, decode
// steps s and spread a (Σ of prefills × their own spread), those that some mix in the range can have, which is far less
// than the corners of all prefills or all decoding allow. Measured in several directions, each of which adds up over
// requests: ρ + steps · s · d / b of the fullest batch + spread · a / mean spread.
class MixLimits {
 public:
  MixLimits(const grid::Profile& profile, double replicas, const MixRange& range, double spread_mean_ms);

  // By point, then kDirections: at most, of each replica. O(shares × batches in range).
  void find(const TokenPromise& promise, std::span<double> most) const;

 private:
  struct Cell {  // a range of shares of prefills, and of batches from one to a slightly larger one, that some mix has
    uint32_t point = 0;                        // the first that allows the batch
    double share = 0, steps = 0;               // at most
    double spread_least = 0, spread_most = 0;  // of the mixes that have these
    double mean_ms = 0, drift = 0;             // of the time per token, at the least
    double variance = 0;                       // of the spread, for each ms of it, likewise
  };
  void add_cells(const MixRange& range, const Cell& batch, double held_min, double held_max, double replicas);
  std::vector<Cell> cells_;
  double spread_mean_ms_, work_ms_ = 0, work_least_ms_ = 1e300;  // d / batch: of the last point, of any
};

}  // namespace tandem::planner
