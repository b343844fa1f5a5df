// The planning problem as dense rows: what each demand could use, with every constant the search needs worked out once.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grid/snapshot.h"
#include "planner/promise_limits.h"
#include "planner/restoration.h"
#include "planner/terrain.h"
#include "tandem/v1/plan.pb.h"
#include "twin/twin.h"

namespace tandem::planner {

// What may rule a pool out for a demand, in the order they are asked: a later gate is a nearer miss.
enum class Gate : uint8_t {
  none,
  tenant_model,      // the tenant may not use the model
  context,           // prompt and output exceed the model's context
  anchor,            // every anchor of the region is down
  model,             // no profile of the model on the pool's accelerator
  memory,            // the weights or one request's KV do not fit
  down,              // the pool's site or node is down
  unreachable,       // no path
  residency,         // the site's jurisdiction
  path_residency,    // a jurisdiction that some equal-cost branch touches
  repair_residency,  // a jurisdiction that what some one failure diverts would pass, where the policy asks for that
  diversity,         // no two ways there that share nothing they must not, and stay within the residency
  promise_tpot,
  promise_ttft,
  accelerators,   // too few are left beside the radio reserve
  power,          // worst-case power or heat of the site
  link_capacity,  // a link on the way has no headroom left
  restoration,    // a link has none left once something has failed
  cost,           // it could, but another is cheaper, or rejecting is
};
std::string_view to_string(Gate gate);

// Shares of a demand are counted in 65,536ths: binary fractions, so that they sum to exactly one.
inline constexpr uint32_t kWhole = 1 << 16;
inline constexpr size_t kPointsMax = 32;  // operating points read of a profile: a set of them is one machine word

// No plan fills replicas beyond this, whatever the promises would bear: a demand 3 % above its forecast meets the edge
// of what there is, and from there on what is more is turned away. Less costs all plans as much more as it leaves free,
// and of requests as planned it keeps no more (docs/BENCHMARKS.md has 0.95 and 0.98 beside it).
inline constexpr double kUtilizationMax = 0.97;

// Where not all can be served, turning away a demand of one priority counts as turning away this many of the next
// lower.
inline constexpr double kPrecedence = 16;

// One way a pool could run a model: a profile in a pool. At most one deployment stands on it.
struct Candidate {
  uint32_t pool = 0, site = 0, node = 0, model = 0;
  const grid::Profile* profile = nullptr;
  uint32_t profile_position = 0;  // in the snapshot
  uint32_t slot = 0;              // of the profile among those of the model
  std::string id;                 // "<model>@<pool>", "/tp<n>"
  bool fits_memory = false;
  bool up = false;
  bool servable = false;            // up, its weights fit, and a replica has accelerators and power
  uint32_t accelerators = 1;        // a replica
  uint32_t replicas_max = 0;        // alone in the pool, beside the radio reserve
  double idle_w = 0;                // of a replica, IT
  double worst_kw = 0;              // of a replica, IT
  double replica_eur_per_hour = 0;  // accelerators and idle energy
  double eur_per_watt_hour = 0;     // PUE × price of power
  uint32_t pinned = 0;              // replicas the operator keeps here
  uint32_t incumbent = 0;           // replicas of the plan before
  double guide_eur_per_hour =
      0;             // what scarce accelerators and power are worth to others, a replica: steers, costs nothing
  double doubt = 1;  // [0, 1] that a first replica here is worth its price: less where the relaxation buys one: steers
};

// A demand on one profile, wherever that stands.
struct Use {
  bool fits = false;    // KV of one request, at the smallest batch at least
  uint32_t points = 0;  // set of operating points that keep the promise on time per token
  twin::RequestSizes sizes;
  double prefill_ms = 0;  // of one request, mean
  double alone_ms = 0;    // to the first token at the promised quantile, the way and waits left out
  double fastest_ms = std::numeric_limits<double>::infinity();  // a token, at the points whose batch fits
};

// A demand at a candidate that passed every gate of its own: what is left is capacity and cost.
struct Option {
  uint32_t demand = 0, candidate = 0;
  uint32_t points = 0;  // set of the profile's operating points it may run at
  double round_trip_us = 0;
  uint32_t use = 0;                    // in Problem::uses
  double ttft_ms = 0;                  // of the promised TTFT, what the deployment may take: all but the way
  double transport_eur_per_hour = 0;   // of the whole demand
  double fractional_eur_per_hour = 0;  // whole demand at its best point if replicas could be bought in fractions
  double replicas_in_fractions = 0;    // that the whole demand fills, at the point it is cheapest at
  double alone_eur_per_hour = 0;       // at least what the whole demand costs in a deployment of its own
};

struct DemandRow {
  const grid::Demand* row = nullptr;
  Gate blocked = Gate::none;        // ruled out everywhere
  double penalty_eur_per_hour = 0;  // of rejecting all of it
  struct Share {
    uint32_t candidate = 0, share = 0;  // of kWhole
  };
  const v1::DemandPlan* before = nullptr;  // the incumbent's
  std::vector<Share> shares_before;        // of it, where there is still such a candidate
  uint32_t served_before = 0;              // by the incumbent, of kWhole: is not given up for cost
  double rejected_before = 0;              // by the incumbent, the share of it
  double precedence = 1;                   // of its priority: kPrecedence times that of the next lower one in the grid
  double tokens_per_s = 0;                 // output
  double up_gbps = 0, back_gbps = 0;
  double bytes_per_hour = 0;      // both ways
  double access_us = 0;           // access and backhaul to the anchor in use, out and back
  uint64_t residency = 0;         // of the tenant
  uint32_t use_first = 0;         // in Problem::uses; one for each profile of the model
  uint32_t view = UINT32_MAX;     // in Terrain::views: from its anchor, by its algorithm; UINT32_MAX without an anchor
  uint32_t repairs = UINT32_MAX;  // in Problem::repairs; UINT32_MAX: nothing is asked of them
  uint32_t ways = UINT32_MAX;     // in Problem::diverse_legs; UINT32_MAX: the network's own branches
  std::vector<uint32_t> options;  // ascending by candidate

  double prefill_s(const Use& use) const { return row->rate_per_s * use.prefill_ms * 1e-3; }  // a second
  double steps_per_ms() const {  // of decoding: the first token of an answer comes of its prefill
    return std::max(0.0, tokens_per_s - row->rate_per_s) * 1e-3;
  }
};

// That part of a demand is served by that candidate.
struct ServedShare {
  uint32_t demand = 0, candidate = 0, share = 0;  // of kWhole
};

// How many options a demand may have in all before the search is given only the best of each.
inline constexpr size_t kOptionsInFull = 300'000;

class Problem {
 public:
  Problem(const grid::Snapshot& snapshot, std::shared_ptr<const Terrain> terrain, const v1::Plan* incumbent);
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  const grid::Snapshot& snapshot;
  bool has_incumbent = false;
  std::shared_ptr<const Terrain> terrain;
  std::shared_ptr<KeptLimits> limits = std::make_shared<KeptLimits>();  // or those of problems before
  std::vector<Candidate> candidates;                                    // by pool, then profile
  std::vector<std::vector<uint32_t>> candidates_of_model;
  std::vector<DemandRow> demands;
  std::vector<Use> uses;        // by demand, then profile of its model
  std::vector<Option> options;  // those the search may take; in the order they were added
  std::vector<std::vector<uint32_t>> options_of_candidate;
  std::vector<uint32_t> pool_spare;  // accelerators beside the largest radio reserve of the day
  std::vector<double> site_kw;       // left beside the radio reserve at worst case
  // Where both are counted as one list: accelerators of each pool, then kilowatts of each site.
  uint32_t resource_of_site(uint32_t site) const { return static_cast<uint32_t>(pool_spare.size()) + site; }
  std::vector<double> arc_spare_gbps;     // headroom × capacity − background; may be negative
  std::vector<DiverseLegs> diverse_legs;  // by anchor, algorithm, diversity and residency in use

  // By region and algorithm, where the policy asks that repairs stay resident (Terrain::repairs).
  std::vector<Terrain::Repairs> repairs;

  // What is left of arcs, and behind them of restoration rows: a row counts as one arc more.
  Restoration restoration;
  size_t arcs_and_rows() const { return arc_spare_gbps.size() + restoration.rows().size(); }
  double spare_gbps(uint32_t arc) const {
    return arc < arc_spare_gbps.size() ? arc_spare_gbps[arc]
                                       : restoration.rows()[arc - arc_spare_gbps.size()].spare_gbps;
  }

  // The first gate that rules the demand out at the candidate, capacity in use and cost aside.
  struct Verdict {
    Gate gate = Gate::none;
    double measured = 0, allowed = 0;       // the figures of the gate, in its own unit
    double round_trip_us = 0, ttft_ms = 0;  // as far as known; ttft_ms without waits
  };
  Verdict judge(uint32_t demand, uint32_t candidate, Option* option) const;
  // judge(…).gate == none, without the reasons: what is asked of all columns many times.
  bool passes(uint32_t demand, uint32_t candidate) const {
    const DemandRow& row = demands[demand];
    const Candidate& at = candidates[candidate];
    const Leg* leg = leg_of(row, at.pool);
    return at.servable && leg != nullptr && leg->reachable && (leg->jurisdictions & ~row.residency) == 0 &&
           repairs_stay(row, at.pool) && uses[row.use_first + at.slot].points != 0 &&
           slack_ms(row, *leg, uses[row.use_first + at.slot]) >= 0;
  }
  // Of the promised time to first token, what the deployment may take; and what is left of it beside the own prefill:
  // no deployment whose waits are longer than that on average keeps the promise.
  double ttft_left_ms(const DemandRow& row, const Leg& leg) const {
    return row.row->promise.ttft.value() - (row.access_us + leg.branch_us) * 1e-3;
  }
  double slack_ms(const DemandRow& row, const Leg& leg, const Use& use) const {
    return ttft_left_ms(row, leg) - use.alone_ms;
  }
  double transport_eur_per_hour(const DemandRow& row, const Leg& leg) const {  // of the whole demand
    return row.bytes_per_hour * leg.euros_per_byte;
  }
  bool repairs_stay(const DemandRow& row, uint32_t pool) const {
    return row.repairs == UINT32_MAX || ((*repairs[row.repairs])[pool] & ~row.residency) == 0;
  }
  // What counts for a demand there: of its two ways where it asks for them. Null when every anchor is down.
  const Leg* leg_of(const DemandRow& row, uint32_t pool) const {
    return row.ways == UINT32_MAX ? network_leg_of(row, pool) : &diverse_legs[row.ways][pool].leg;
  }
  // Over the branches of its algorithm. Null when every anchor is down.
  const Leg* network_leg_of(const DemandRow& row, uint32_t pool) const {
    return row.view == UINT32_MAX ? nullptr : &terrain->views[row.view]->legs[pool];
  }

  // Watts above idle that the whole demand adds at a point of a profile at the least, whatever is served beside it.
  double active_w_min(const DemandRow& row, const Use& use, uint32_t profile, size_t point) const {
    return energy_floors_[profile][point].watts(use.sizes, row.row->rate_per_s);
  }

  const std::vector<uint32_t>& profiles_of_model(uint32_t model) const { return profiles_of_model_[model]; }
  std::vector<uint32_t> demands_of(uint32_t model) const;
  size_t columns() const;  // pairs of a demand and a candidate of its model
  void add_all_options();
  // Adds the option unless it is there or its gates forbid it. False then.
  bool add_option(uint32_t demand, uint32_t candidate);
  std::optional<uint32_t> find_option(uint32_t demand, uint32_t candidate) const;

  // Of a demand at a pool that it reaches, without restoration rows and with them.
  const std::vector<ArcUse>& base_arc_uses(const DemandRow& row, uint32_t pool) const {
    return row.ways == UINT32_MAX ? terrain->views[row.view]->arc_uses(pool) : diverse_legs[row.ways].arc_uses(pool);
  }
  const std::vector<ArcUse>& arc_uses(const DemandRow& row, uint32_t pool) const {
    return restoration.rows().empty() ? base_arc_uses(row, pool) : restoration.arc_uses(*this, row, pool);
  }

 private:
  std::optional<uint32_t> candidate_of(const v1::PlannedDeployment& deployment) const;
  void add_candidates();
  void add_capacities();
  void add_demands();
  void add_uses(uint32_t demand);
  bool copy_uses(uint32_t from, uint32_t to);
  void add_energy_floors();
  void add_repairs();
  void add_diverse_legs();
  void read_incumbent(const v1::Plan& incumbent);

  std::vector<std::vector<uint32_t>> profiles_of_model_;
  std::vector<std::vector<twin::EnergyFloor>> energy_floors_;  // by profile, then point
  std::vector<uint32_t> candidates_of_pool_;                   // the first of each, and the end of the last
};

// Accelerators kept for the radio network at the busiest hour of the day. (Plans hold all day; a schedule that follows
// the reserve over the hours needs a plan for each period.)
uint32_t radio_reserve_max(const grid::Pool& pool);

// What it costs to turn all of a demand away, €/h: at the rate of its busiest hour, also on the grid of quieter hours,
// where a customer who is told no is lost as well. O(1).
double rejection_eur_per_hour(const grid::Snapshot& snapshot, const grid::Demand& demand);

// "<model>@<pool>", with "/tp<n>" for more than one accelerator a replica.
std::string deployment_id(std::string_view model, std::string_view pool, uint32_t tensor_parallel);

}  // namespace tandem::planner
