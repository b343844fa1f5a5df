// The joint plan: placement, splits and the paths that follow from them. Plans travel as `v1::Plan`, the form in which
// they stand on the log.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "grid/snapshot.h"
#include "routing/routing.h"
#include "tandem/v1/plan.pb.h"
#include "twin/twin.h"

namespace tandem::planner {

struct WorkLimit {
  uint64_t iterations = 10'000;  // of local improvement; never seconds, so that a plan can be made again
};

// Every demand is in the plan, served, in part, or not at all with the constraint that blocks it. `incumbent` may be
// null. The same arguments give the same plan, bit for bit. Stops early when asked, with the best so far.
v1::Plan plan(const grid::Snapshot& snapshot, const v1::Plan* incumbent, std::string plan_id, uint64_t seed,
              WorkLimit limit, std::stop_token stop);

// Each constraint of `snapshot` that `plan` breaks, as a sentence; empty when it may be carried out. Independent of how
// the plan was made: what accepts a plan trusts only this.
std::vector<std::string> violations(const grid::Snapshot& snapshot, const v1::Plan& plan);

// The plan for people and programs (`tandem plan --json`, GET /api/v1/plan): ids instead of positions, figures rounded to
// what they are worth, `gap` = (cost − bound) / cost. Rows that the snapshot no longer has carry their ids alone.
Json plan_to_json(const v1::Plan& plan, const grid::Snapshot& snapshot);

// What becomes of every demand under the deployments of a plan when the world turns into another before anything is
// planned anew: the shares whose site or path is gone follow the gateway's rule to what is left (the plan's other shares
// in proportion, else the cheapest deployment that passes the gates), and what that does to queues is counted.
struct Verdict {
  struct Broken {
    std::string demand, tenant, region, model;
    std::string reason;            // the gate or figure that breaks it
    double fraction = 0;           // of the demand, (0, 1]
    bool operator==(const Broken&) const = default;
  };
  std::vector<Broken> promises_broken;  // kept before and not after, in the order of demands
  uint32_t promises_kept = 0;
  std::string worst_link;          // by utilisation afterwards; empty without links
  double worst_utilization = 0;    // of capacity, the busier direction; may exceed 1
  double cost_delta_eur_per_hour = 0;  // transport, load-dependent energy and penalties; the replicas stay as they are
};
Verdict compare(const grid::Snapshot& before, const v1::Plan& plan, const grid::Snapshot& after);

// The shares of a plan as the twin takes them; what the snapshot no longer has is left out.
twin::Assignment assignment_of(const grid::Snapshot& snapshot, const v1::Plan& plan);

// Where the engines of a pool are reached.
struct EngineEndpoint {
  std::string host;
  uint16_t port = 0;
  std::string base_path;
  bool emulated = false;
};

struct TableOptions {
  uint64_t offset = 0;
  Instant published_at;
  Instant valid_until;
  EngineEndpoint emulator;       // of the pools that name no engine_url: base_path gets "/pools/<pool>" appended
};

// The routing table for a snapshot under a plan: paths of this snapshot, so that a cut link changes it at once, and the
// plan's deployments and splits, where they still stand.
std::shared_ptr<const routing::RoutingTable> make_routing_table(const grid::Snapshot& snapshot, const v1::Plan& plan,
                                                                const TableOptions& options);

}  // namespace tandem::planner
