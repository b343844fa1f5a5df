// What a plan comes to: money, power, carbon, and each for a million tokens.
#pragma once

#include "grid/snapshot.h"
#include "tandem/v1/plan.pb.h"

namespace tandem::planner {

struct Totals {
  double accelerators_eur_per_hour = 0, energy_eur_per_hour = 0, transport_eur_per_hour = 0;
  double penalties_eur_per_hour = 0;  // of what is turned away
  double moves_eur_per_hour = 0;      // of replicas started and stopped, as the plan's cost counts them
  double power_kw = 0;                // at the sites' feeds: with PUE
  double carbon_kg_per_hour = 0;
  double output_tokens_per_s = 0;  // of what is served

  // Of accelerators, energy and transport; 0 without tokens.
  double eur_per_million_tokens() const;
  double joules_per_token() const;
  double carbon_g_per_million_tokens() const;
};

// Of the plan's rows that the snapshot still has. Transport is what the plan's cost has left beside the rest.
Totals totals_of(const grid::Snapshot& snapshot, const v1::Plan& plan);

}  // namespace tandem::planner
