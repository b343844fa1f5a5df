// What replicas that decode bear at the most in a range of loads, whatever they serve: what bounds a deployment from
// above where the mix is yet to be chosen. A mix counts by three sums over its requests, a replica's part of each: the
// share ρ of its time that prefills take, decode steps a ms s, and how unevenly prefills come (Decoding::spread_ms).
// The batch follows from steps a ms of decoding, s / (1 − ρ), alone.
#pragma once

#include <vector>

#include "twin/twin.h"

namespace tandem::twin {

// Of decode steps a ms of decoding, the most that any batch holds.
double held_max(const grid::Profile& profile);

// Every part of the time per token at its least, of up to so many replicas, at that share of prefills or more, and
// steps a ms of decoding between two numbers.
struct DecodingLeast {
  double batch = 0, batch_most = 0;
  double mean_ms = 0;
  double variance = 0;  // for each ms of spread: TokenTime
  double drift = 0;

  // Of prefills, that leaves a promise on time per token kept; infinite where they do not matter, less than none where
  // it is broken without.
  double spread_most_ms(double tpot_ms, double quantile, double inverse_output) const;
};
struct DecodingRange {
  double replicas = 1, share = 0, held_from = 0, held_to = 0;
};
DecodingLeast decoding_least(const grid::Profile& profile, const DecodingRange& range);

// What a decode step of a request takes above idle at the least, by batch: as energy_floor has it.
class StepEnergy {
 public:
  StepEnergy(const grid::Profile& profile, Watts idle);
  double least_j(double batch_from, double batch_to) const;
  double prefill_w() const { return prefill_w_; }

 private:
  struct Part {
    double batch_to = 0, least_j = 0;
  };
  double prefill_w_ = 0;
  std::vector<Part> parts_;  // ascending
};

}  // namespace tandem::twin
