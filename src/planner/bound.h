// A lower bound on the cost of any plan for a problem, and the prices that prove it.
//
// The relaxation. Three kinds of constraints are priced (Geoffrion, Math. Prog. Study 2, 1974): every demand is served
// or rejected in full (v_d on serving demand d, at most the penalty of rejecting it), the accelerators of a pool (λ_p
// each) with the worst-case power of a site (μ_s per kW), and each direction of a link (π_a per Gbit/s). For any 0 ≤ v
// ≤ penalty and λ, μ, π ≥ 0,
//
//   L = Σ_d v_d − Σ_p λ_p · spare_p − Σ_s μ_s · kw_s − Σ_a π_a · spare_a + Σ_c φ_c
//
// is at most the cost of any plan. φ_c is what deployment c could earn at those prices, an integer problem of its own
// over all columns that pass their gates (at most 0 unless replicas are pinned):
//
//   φ_c = min over operating point and replicas n of  n · R_c − Σ_d (v_d − energy_d − transport_d − arcs_d) · x_d,
//         x ∈ [0, 1],  Σ_d w(d) · x_d ≤ n · min W over the d with x_d > 0, for every measure w of work
//
// R_c: a replica's price, idle energy in it, and λ, μ of what it takes. energy_d: what a demand's requests draw above
// idle at the least at that point, whatever is served beside them; what a deployment draws is concave in its load, and
// the sum of these never more (twin::energy_floor, in batches as large as all of its model's demands together make one
// replica's). Work is measured by prefills alone, as if batches were full at the point in use, and in directions that
// count decoding and how unevenly prefills come more or less beside (fill.h); W_d is the most of it at which each of n
// replicas could keep d's promises, whatever else they serve: in a plan that holds for every d served. Each choice of
// the strictest d among those served is tried, in a few groups where there are many, once by time per token and once by
// time to the first. There what it allows by every measure holds at once, and the measure by which least is earned
// counts: to take of each measure its own strictest proves much less. The plan's own n and x are feasible in every φ_c,
// v cancels against Σ_c x_d + rejected_d = 1, and spare resources only take away; moves only add. What up-going traffic
// pays on equal-cost branches is taken as the cheapest branch, which is never more.
//
// The prices. First those of resources, as if replicas were bought in fractions: subgradients towards a level that
// comes down. Then v by dual ascent (relaxation.h), which costs a few passes over the columns and gives most of the
// bound. Then both climb: given prices of resources, each model is a problem of its own, and its v climb by
// subgradients with deflection (Camerini, Fratta, Maffioli, Math. Prog. Study 3, 1975), Polyak steps towards what the
// best plan known spends on that model; every few rounds the resources' prices take a step of their own at the best v,
// undone and halved where the bound did not follow. Every value is over all columns: those of one model are a matrix in
// single precision, and a pass over a row, all roundings against it, says of most deployments that they earn nothing.
// O(columns) for a pass and, for each deployment that may earn, O(points · levels · its columns · log). Fails by being
// loose where a model needs few replicas in all: prices let it buy parts of deployments. Of such models fleets.h proves
// more.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "planner/planner.h"
#include "planner/problem.h"
#include "planner/scarce.h"

namespace tandem::planner {

class Relaxation;

// The best plan known, as what the bound climbs towards.
struct Known {
  double eur_per_hour = 0;
  std::vector<double> eur_of_demand;  // its deployments' cost in proportion to its work, transport, rejection
  std::vector<uint32_t> replicas;     // by candidate
};

class Bound {
 public:
  explicit Bound(const Problem& problem);
  // From prices of another problem of this shape, clamped to what is valid, without looking for any.
  Bound(const Problem& problem, Prices learnt);
  ~Bound();

  const Prices& prices() const { return proven_prices_; }  // of the best bound so far
  double value() const { return value_; }                  // that bound, €/h; valid: all columns priced
  double value_of_model(uint32_t model) const;             // its part of about that, resources' prices included
  void climb(uint32_t rounds, const Known& known, const std::stop_token& stop);
  // Prices of some pools and demands in place of the best so far; the climb goes on from there where they prove more.
  void try_prices(std::span<const uint32_t> pools, std::span<const double> of_pools,
                  std::span<const ScarcePools::Demand> of_demands);
  // Proves more of the models of few replicas, beside the best prices the climb has found (fleets.h).
  void prove_by_fleets(const Known& known, const std::stop_token& stop);
  // All of a model served by a fleet cheaper than what that spent on it, by the price of its replicas: met on the way,
  // where links, power and other models allow. Empty where none was.
  const std::vector<ServedShare>& met(uint32_t model) const { return met_[model]; }

  // Replicas the relaxation buys of each candidate, averaged over the latest rounds.
  const std::vector<float>& expected() const;

  // As Relaxation has it.
  void set_fractions(Option& option) const;

  // Of each demand up to `each` columns of least cost at the prices, and the deployments that earn most there.
  std::vector<std::vector<uint32_t>> best_candidates(size_t each, size_t each_model) const;

 private:
  class Climb;
  void price_all(const Prices& prices);
  bool take(double value, Prices prices);  // where they prove more

  const Problem& problem_;
  std::unique_ptr<Relaxation> relaxation_;
  std::unique_ptr<Climb> climb_;
  Prices proven_prices_;  // of value_
  double value_ = 0;
  std::vector<double> by_fleets_;              // what they prove more, by model
  std::vector<std::vector<ServedShare>> met_;  // by model
  bool closer_ = false;                        // deployments are looked at closer from here on (earnings.h)
  bool large_ = false;  // resources take few steps of their own: each costs a pass over all columns
};

}  // namespace tandem::planner
