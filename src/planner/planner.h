// The joint plan: placement, splits and the paths that follow from them. Plans travel as `v1::Plan`, the form in which
// they stand on the log.
#pragma once

#include <functional>
#include <memory>
#include <optional>
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

class KeptLimits;
class Terrain;

struct WorkLimit {
  // Of local improvement for each 1,000 demands, in each of up to four searches apart and in the one that goes on from
  // the best of them; and for each plan of a model by itself, of which there are as many as gain by it. Never seconds,
  // so that a plan can be made again. None: a draft, the first plan that can be built, or the one before mended, with
  // no bound proven, and marked `draft`.
  uint64_t iterations = 10'000;
  // An incumbent is searched past: as if there were none, but with every move from it paid, and never dearer than it is
  // as it stands. Else it is mended where it no longer stands, which is quick, and the plan is marked `mended`.
  bool anew = false;
};

// What a lower bound is proven by: at these prices the problem falls apart into one for each deployment (bound.h). All
// ≥ 0.
struct Prices {
  std::vector<double> demand;  // €/h for serving all of it; at most the penalty of rejecting it
  std::vector<double> pool;    // €/h an accelerator
  std::vector<double> site;    // €/h a kW at worst case
  std::vector<double> arc;     // €/h a Gbit/s; by 2 × link, + 1 from link.b to link.a

  // Of a model further prices of its demands, which together prove that these cost no less than `eur_per_hour`, since
  // replicas are whole numbers (fleets.h).
  struct Fleets {
    uint32_t model = 0;
    double eur_per_hour = 0;
    std::vector<std::vector<double>> demand;  // each of the model's demands, in the snapshot's order
    bool operator==(const Fleets&) const = default;
  };
  std::vector<Fleets> fleets;  // ascending by model; those of which they prove more
  bool operator==(const Prices&) const = default;
};

// How far a plan has come: its cost, and what no plan can cost less than. 0 until there is one.
struct Progress {
  double cost_eur_per_hour = 0, bound_eur_per_hour = 0;
  const char* doing = "";  // what was done last
};

// Plans one grid again and again: keeps what the network means for plans and what promises leave of replicas, so that
// after a failure only what it touched is worked out anew. The same arguments give the same plan, bit for bit, whatever
// was planned before; its bound may be better for prices learnt before. Not for two threads at once; uses a second one
// itself.
//
// Beyond 300,000 pairs of a demand and a deployment that could serve it, an incumbent is mended only where it no longer
// stands: what stands is not weighed again, and no bound is proven (it is 0).
class Planner {
 public:
  // Every demand is in the plan, served, in part, or not at all with the constraint that blocks it. `incumbent` may be
  // null. Stops early when asked, with the best so far.
  v1::Plan plan(const grid::Snapshot& snapshot, const v1::Plan* incumbent, std::string plan_id, uint64_t seed,
                WorkLimit limit, std::stop_token stop, const std::function<void(const Progress&)>& progress = {});

  // The same; nothing where it was asked to stop: who does not wait any more needs no plan written, which of 10,000
  // demands takes as long as a draft.
  std::optional<v1::Plan> plan_unless_stopped(const grid::Snapshot& snapshot, const v1::Plan* incumbent,
                                              std::string plan_id, uint64_t seed, WorkLimit limit,
                                              std::stop_token stop);

  // That prove the bound of the plan made last, by the positions of its snapshot.
  const Prices& prices() const { return prices_; }

 private:
  struct Wanted {
    const grid::Snapshot& snapshot;
    const v1::Plan* incumbent = nullptr;
    uint64_t seed = 0;
    WorkLimit limit;
    std::stop_token stop;
    bool is_useless_when_stopped = false;
  };
  std::optional<v1::Plan> make(const Wanted& wanted, const std::function<void(const Progress&)>& progress);

  std::shared_ptr<const Terrain> terrain_;
  std::shared_ptr<KeptLimits> limits_;
  Prices prices_;
};

// The same without a memory.
v1::Plan plan(const grid::Snapshot& snapshot, const v1::Plan* incumbent, std::string plan_id, uint64_t seed,
              WorkLimit limit, std::stop_token stop);

// Each constraint of `snapshot` that `plan` breaks, as a sentence; empty when it may be carried out. Independent of how
// the plan was made: what accepts a plan trusts only this.
std::vector<std::string> violations(const grid::Snapshot& snapshot, const v1::Plan& plan);

// The plan for people and programs (`tandem plan --json`, GET /api/v1/plan): ids instead of positions, figures rounded
// to what they are worth, `gap` = (cost − bound) / cost. Rows that the snapshot no longer has carry their ids alone.
// `totals` has what it comes to, in all and for a million tokens; `cold_start_s` of a deployment, how long a new
// replica takes (twin::ColdStarts; null where weights cannot come) beside what the links carry under the plan. `origin`
// is how it was made: a `draft`, `quick` (the plan before, mended) or `whole`; `reason`, why it was asked for.
// `prices`, where given, stand with it, so that anyone can check the bound.
Json plan_to_json(const v1::Plan& plan, const grid::Snapshot& snapshot, const Prices* prices = nullptr);

// Of such a document what can be checked: deployments, splits, rejections, cost, bound and prices. Errors:
// invalid_argument with the place of the first fault.
struct PricedPlan {
  v1::Plan plan;
  Prices prices;
};
Result<PricedPlan> plan_from_json(const Json& document, const grid::Snapshot& snapshot);

// Whether a plan is what it says: every constraint kept, its cost the sum of its rows, its bound what its prices prove.
// Everything is worked out from the grid and the plan alone, by code that no search uses. At 1,000 sites and 10,000
// demands seconds.
struct CheckedPlan {
  double cost_eur_per_hour = 0, bound_eur_per_hour = 0;  // as worked out
  std::vector<std::string> faults;                       // empty: all of it holds
};
CheckedPlan check_plan(const grid::Snapshot& snapshot, const PricedPlan& plan);

// What becomes of every demand under the deployments of a plan when the world turns into another before anything is
// planned anew: the shares whose site or path is gone follow the gateway's rule to what is left (the plan's other
// shares in proportion, else the cheapest deployment that passes the gates), and what that does to queues is counted.
struct Verdict {
  struct Broken {
    std::string demand, tenant, region, model;
    std::string reason;   // the gate or figure that breaks it
    double fraction = 0;  // of the demand, (0, 1]
    bool operator==(const Broken&) const = default;
  };
  std::vector<Broken> promises_broken;  // kept before and not after, in the order of demands
  uint32_t promises_kept = 0;
  std::string worst_link;              // by utilisation afterwards; empty without links
  double worst_utilization = 0;        // of capacity, the busier direction; may exceed 1
  double cost_delta_eur_per_hour = 0;  // transport, load-dependent energy and penalties; the replicas stay as they are
};
Verdict compare(const grid::Snapshot& before, const v1::Plan& plan, const grid::Snapshot& after);

// The same of one world with many, what it was before worked out once. Both arguments must outlive it.
class Comparison {
 public:
  Comparison(const grid::Snapshot& before, const v1::Plan& plan);
  Verdict with(const grid::Snapshot& after) const;

 private:
  const grid::Snapshot& before_;
  const v1::Plan& plan_;
  std::vector<bool> kept_;   // by demand, before
  double eur_per_hour_ = 0;  // transport, load-dependent energy and penalties, before
};

// The links of a planned way; none where the grid no longer has one of them.
std::vector<grid::LinkIndex> links_of(const grid::Snapshot& snapshot, const v1::PlannedWay& way);

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
  EngineEndpoint emulator;  // of the pools that name no engine_url: base_path gets "/pools/<pool>" appended
  std::function<Instant(const std::string& model)> model_known_at = {};  // empty: that is not known of any
};

// The routing table for a snapshot under a plan: paths of this snapshot, so that a cut link changes it at once, and the
// plan's deployments and splits, where they still stand.
std::shared_ptr<const routing::RoutingTable> make_routing_table(const grid::Snapshot& snapshot, const v1::Plan& plan,
                                                                const TableOptions& options);

}  // namespace tandem::planner
