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
#include "tandem/v1/plan.pb.h"
#include "twin/twin.h"

namespace tandem::planner {

// What may rule a pool out for a demand, in the order they are asked: a later gate is a nearer miss.
enum class Gate : uint8_t {
  none,
  tenant_model,    // the tenant may not use the model
  context,         // prompt and output exceed the model's context
  anchor,          // every anchor of the region is down
  model,           // no profile of the model on the pool's accelerator
  memory,          // the weights or one request's KV do not fit
  down,            // the pool's site or node is down
  unreachable,     // no path
  residency,       // the site's jurisdiction
  path_residency,  // a jurisdiction that some equal-cost branch touches
  promise_tpot,
  promise_ttft,
  accelerators,    // too few are left beside the radio reserve
  power,           // worst-case power or heat of the site
  link_capacity,   // a link on the way has no headroom left
  cost,            // it could, but another is cheaper, or rejecting is
};
std::string_view to_string(Gate gate);

// Shares of a demand are counted in 1024ths: binary fractions, so that they sum to exactly one.
inline constexpr uint32_t kWhole = 1024;
inline constexpr size_t kPointsMax = 32;  // operating points read of a profile: a set of them is one machine word

// No plan fills replicas beyond this: above it the wait grows so fast with small errors of the forecast that no promise is
// worth much. (At 0.95 a demand 5 % above its forecast meets the edge of what there is.)
inline constexpr double kUtilizationMax = 0.95;

// Where not all can be served, turning away a demand of one priority counts as turning away this many of the next lower.
inline constexpr double kPrecedence = 16;

// One way a pool could run a model: a profile in a pool. At most one deployment stands on it.
struct Candidate {
  uint32_t pool = 0, site = 0, node = 0, model = 0;
  const grid::Profile* profile = nullptr;
  std::string id;                      // "<model>@<pool>", "/tp<n>"
  bool fits_memory = false;
  bool up = false;
  uint32_t accelerators = 1;           // a replica
  uint32_t replicas_max = 0;           // alone in the pool, beside the radio reserve
  double idle_w = 0;                   // of a replica, IT
  double worst_kw = 0;                 // of a replica, IT
  double replica_eur_per_hour = 0;     // accelerators and idle energy
  double eur_per_watt_hour = 0;        // PUE × price of power
  uint32_t pinned = 0;                 // replicas the operator keeps here
  uint32_t incumbent = 0;              // replicas of the plan before
};

// A demand at a candidate that passed every gate of its own: what is left is capacity and cost.
struct Option {
  uint32_t demand = 0, candidate = 0;
  uint32_t points = 0;                 // set of the profile's operating points it may run at
  double round_trip_us = 0;
  double prefill_ms = 0;
  double slack_ms = 0;                 // of the promised TTFT, what waits may take
  double transport_eur_per_hour = 0;   // of the whole demand
  double fractional_eur_per_hour = 0;  // whole demand at its best point if replicas could be bought in fractions
  double alone_eur_per_hour = 0;       // at least what the whole demand costs in a deployment of its own
};

struct DemandRow {
  const grid::Demand* row = nullptr;
  Gate blocked = Gate::none;           // ruled out everywhere
  double penalty_eur_per_hour = 0;     // of rejecting all of it
  bool served_before = false;          // by the incumbent: is not given up for cost
  double precedence = 1;               // of its priority: kPrecedence times that of the next lower one in the grid
  double tokens_per_s = 0;             // output
  double up_gbps = 0, back_gbps = 0;
  uint32_t option_first = 0, option_end = 0;
};

// What a demand puts on one direction of a link, per Gbit/s sent out and back.
struct ArcUse {
  uint32_t arc = 0;                    // 2 × link, + 1 from link.b to link.a
  double up = 0, back = 0;
};

class Problem {
 public:
  Problem(const grid::Snapshot& snapshot, const v1::Plan* incumbent);
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  const grid::Snapshot& snapshot;
  bool has_incumbent = false;
  std::shared_ptr<const twin::Network> network;
  std::vector<twin::RegionReach> reaches;       // by region
  std::vector<Candidate> candidates;            // by pool, then profile
  std::vector<std::vector<uint32_t>> candidates_of_model;
  std::vector<DemandRow> demands;
  std::vector<Option> options;                  // by demand, then candidate
  std::vector<std::vector<uint32_t>> options_of_candidate;
  std::vector<uint32_t> pool_spare;             // accelerators beside the largest radio reserve of the day
  std::vector<double> site_kw;                  // left beside the radio reserve at worst case
  std::vector<double> arc_spare_gbps;           // headroom × capacity − background; may be negative

  // The first gate that rules the demand out at the candidate, capacity in use and cost aside.
  struct Verdict {
    Gate gate = Gate::none;
    double measured = 0, allowed = 0;           // the figures of the gate, in its own unit
    double round_trip_us = 0, ttft_ms = 0;      // as far as known; ttft_ms without waits
  };
  Verdict judge(uint32_t demand, uint32_t candidate, Option* option) const;

  const std::vector<ArcUse>& arc_uses(uint32_t region, uint32_t node);
  std::optional<uint32_t> find_candidate(std::string_view id) const;

 private:
  void add_candidates();
  void add_capacities();
  void add_demands();
  void read_incumbent(const v1::Plan& incumbent);

  std::vector<std::optional<std::vector<ArcUse>>> arc_uses_;  // regions × nodes, made when first asked for
  std::vector<uint32_t> candidates_by_id_;
};

// Accelerators kept for the radio network at the busiest hour of the day. (Plans hold all day; a schedule that follows
// the reserve over the hours needs a plan for each period.)
uint32_t radio_reserve_max(const grid::Pool& pool);

// "<model>@<pool>", with "/tp<n>" for more than one accelerator a replica.
std::string deployment_id(std::string_view model, std::string_view pool, uint32_t tensor_parallel);

}  // namespace tandem::planner
