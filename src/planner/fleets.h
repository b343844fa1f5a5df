// What one model costs at the least, because its replicas are whole numbers.
//
// Prices let a model buy parts of deployments (bound.h): a half here and a half there of replicas that it needs two of.
// But how many replicas of each profile run in all, its fleet n, is a whole number. For any prices v of its demands and
// any fleet,
//
//   L_v(n) = Σ_d v_d + Σ_profiles min { Σ_c φ_c(n_c) : n_c replicas in deployment c, Σ_c n_c ≤ n }
//
// is at most what any plan of the model with that fleet costs, where φ_c(n_c) is what bound.h's deployment adds with
// n_c replicas; and Σ_d e_d + Σ_profiles n · R is too, e_d what serving a demand costs beside replicas where the fleet
// has any, or rejecting it, whichever is less. So the model costs at least what the cheapest fleet does, each by
// whichever of some v proves most of it. One v tells fleets apart well that another does not: those that lack room for
// one kind of demands, or for all.
//
// A fleet of a single replica serves all that is not rejected, so that nothing need be priced to see whether it can: a
// plan that costs less than the one known rejects less than what its replica leaves of that, and of all mixes in that
// narrow range the twin tells whether any keeps the promises (twin::may_keep), first tokens' whole waits included.
// Where none does in any pool and at any point, the fleet costs what is spent.
//
// A fleet of a few replicas likewise, whichever deployments they form: demands of one kind are alike but for where they
// come from, so that a split of them is a part of each kind for each deployment, and twin/split.h searches all parts,
// in all places at once, for a split that keeps what is promised but for what may be rejected. Where there is none, the
// fleet costs what is spent. Where there is one in places that suit together, the fleet is cheaper than the plan
// known, by the price of its replicas: that is how a search which moves one demand or one deployment at a time is shown
// what it did not find.
//
// The prices. The fleet of which least is proven is taken, and where that is not of few replicas or may be split, v
// climbs for it alone by subgradients with Polyak steps towards what the plan known spends. Where it gets there, it
// mostly has shown of many fleets at once that they are too small. Ends where the cheapest fleet does not get there: it
// may be large enough, or the bound of a deployment too lenient. O(fleets) beside the deployments and the ranges of
// splits; a model of which the plan known leaves more than kFleetsMax fleets to be looked at is left out.
#pragma once

#include <span>
#include <stop_token>
#include <vector>

#include "planner/problem.h"
#include "planner/relaxation.h"

namespace tandem::planner {

inline constexpr size_t kFleetsMax = 20'000;   // of a model that are told apart
inline constexpr size_t kFleetPricesMax = 24;  // sets of prices of a model
// Of splits: replicas of a fleet, and ranges that are looked at of one and of all of a model (some 3 µs each).
inline constexpr size_t kKindsMax = 16;  // of a model, whose splits are searched: with ten most end undecided already
inline constexpr uint32_t kFewReplicasMax = 5, kRangesOfFleet = 60'000, kRangesOfModel = 200'000;

// `now`: prices of resources, and of the model's demands those that prove most so far, which are taken over; changed
// while it works. `learnt`: of this model at about those prices, may be null. `spent`: what the best plan known spends
// on the model, with the prices of what it takes, and by demand. The relaxation's arcs are priced already. Not more is
// proven than by `now` alone where `demand` is empty.
struct ProvenByFleets {
  Prices::Fleets fleets;
  std::vector<ServedShare> met;  // all of the model by a fleet that costs less than is spent, where one was met
};
ProvenByFleets prove_by_fleets(const Problem& problem, Relaxation& relaxation, uint32_t model, Prices& now,
                               const Prices::Fleets* learnt, double spent_eur,
                               std::span<const double> spent_eur_of_demand, const std::stop_token& stop);

}  // namespace tandem::planner
