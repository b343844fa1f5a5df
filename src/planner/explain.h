// Why: the constraint that blocks a demand, and the best pools it was not sent to.
#pragma once

#include "planner/search.h"

namespace tandem::planner {

inline constexpr size_t kAlternativesMax = 5;  // what a person reads; every pool would be ~100 rows a demand

// What rules a pool out for a demand, or what it would cost there.
struct PoolVerdict {
  uint32_t pool = 0;
  uint32_t candidate = UINT32_MAX;
  bool passes = false;        // every gate of its own
  double fractional_eur = 0;  // per hour, as Option has it; 0 when it does not pass
  Problem::Verdict verdict;
  uint32_t accelerators_free = 0;
  uint32_t arc = UINT32_MAX;  // or row, that has no room
  double eur_per_hour = 0;    // more than now, if the demand went here; 0 when not known
};

// The pools that a person would ask about. Reads only, so that many demands may be looked at at once.
// O(candidates of the model).
struct Shortlist {
  std::vector<PoolVerdict> shown;  // at most kAlternativesMax
  size_t passing = 0;              // pools that pass every gate
};
Shortlist shortlist(const Problem& problem, const Search& search, uint32_t demand);

// Fills `blocked_by` (where part of the demand is rejected), `reason` (then with the least change that would admit it)
// and `alternatives` of a demand whose splits are set.
void explain(Problem& problem, Search& search, uint32_t demand, Shortlist list, v1::DemandPlan* planned);

}  // namespace tandem::planner
