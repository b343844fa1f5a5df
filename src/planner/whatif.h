// What failures do to the promises of a plan: sweeps over all failures of a class, and one scenario closely.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "grid/snapshot.h"
#include "tandem/v1/plan.pb.h"
#include "twin/failures.h"

namespace tandem::planner {

// A demand that the plan serves within its promise, and what the network must do for that.
struct WatchedPromise {
  grid::DemandIndex demand;
  twin::PromiseWatch watch;
};
std::vector<WatchedPromise> watched_promises(const grid::Snapshot& snapshot, const v1::Plan& plan);

// By demand, how much later than under the plan its first token may come, in µs, ≥ 0: what its promise leaves the round
// trip. Worked out from what is deployed, whatever the plan says that it comes to; 0 of what is not served so.
std::vector<double> slack_us(const grid::Snapshot& snapshot, const v1::Plan& plan);

// What the plan turns away loads no link.
struct RejectedTraffic {
  std::string demand;
  double rate_gbps = 0;  // both ways together, > 0
  std::string reason;
};
std::vector<RejectedTraffic> rejected_traffic(const grid::Snapshot& snapshot, const v1::Plan& plan);

// Which traffic the links carry, beside the demands as planned.
enum class TrafficChoice : uint8_t {
  automatic,  // the grid's background traffic; where it has none, gravity
  own,        // the grid's background traffic
  gravity,    // between all pairs of nodes: twin::gravity_traffic
  uniform,    // between all pairs of nodes, the same
};
// Errors: invalid_argument.
Result<TrafficChoice> parse_traffic_choice(std::string_view text);
twin::TrafficMatrix chosen_traffic(const grid::Snapshot& snapshot, const v1::Plan& plan, TrafficChoice choice,
                                   double fill);

inline constexpr double kGravityFill = 0.4;  // of the busiest link, as networks are run to survive one cut
inline constexpr size_t kWorstMax = 1'000;
inline constexpr size_t kVerifyMax = 100'000;
inline constexpr size_t kNamedMax = 200;  // promises, links or sites of one scenario: what a person reads

struct FailureSweep {
  twin::FailureClass fail;
  TrafficChoice traffic = TrafficChoice::automatic;
  double fill = kGravityFill;  // (0, 10]: of the busiest link, where traffic is made up
  size_t worst = 20;           // at most kWorstMax
  size_t verify = 0;           // scenarios computed from scratch as well; at most kVerifyMax
  uint64_t seed = 1;           // which of them
  unsigned threads = 1;
};
struct SweepProgress {
  uint64_t done = 0, all = 0;
  std::span<const twin::FailureOutcome> outcomes;  // of the block just done
  std::span<const twin::Failure> failures;         // what their `failed` counts
};

// {"failed":[ids],"residencies_left","promises_broken","utilization_max","lost_gbps"}
Json outcome_json(const grid::Snapshot& snapshot, std::span<const twin::Failure> failures,
                  const twin::FailureOutcome& outcome);

// All failures of a class: {"fail","failures","scenarios","scenarios_per_s","seconds","complete","traffic","promises",
// "undisturbed","overloading","losing","breaking","leaving","worst","upgrades","verify":{"checked","differences",…}}.
// `promises_broken` of a scenario counts the promises that break at once, with the plan's splits as they are. Each of
// the worst says whose they are (`broken_at_once`, at most kNamedMax), which stay broken when the shares have moved
// (`after_failover`, by planner::compare), whose traffic leaves its residency, on a repair or once routing has
// converged
// (`left_residency`; at most kNamedMax), what is down (`links_down`, `sites_down`) and which links are fullest.
// Errors: too_large.
Result<Json> sweep_failures(const grid::Snapshot& snapshot, const v1::Plan& plan, const FailureSweep& asked,
                            const Clock& clock, const std::function<void(const SweepProgress&)>& progress,
                            std::stop_token stop);

// One scenario: what these failures do together, at once and step by step.
// {"failed","traffic","promises","undisturbed", "repair" (only the routers beside it know), "converged",
// "shared_fairly" (what is carried then if all traffic gives way, and the least share of a flow, 0 where it has no
// path; null where there are too many flows to share), "promises_broken", "left_residency" (demands), "after_failover",
// "cascade" (where links that carry more than `trip` of their capacity fail too)}. Asked to stop it ends soon, without
// an answer. Errors: unavailable (it was asked to stop).
struct Scenario {
  std::vector<twin::Failure> failures;  // at most kFailuresMax
  TrafficChoice traffic = TrafficChoice::automatic;
  double fill = kGravityFill;
  double trip = 1.5;  // > 0
};
inline constexpr size_t kFailuresMax = 64;
Result<Json> fail_together(const grid::Snapshot& snapshot, const v1::Plan& plan, const Scenario& scenario,
                           const std::stop_token& stop);

// The failure of what has that kind ("link", "node", "shared_risk_group", "site", "member") and id, or name where one
// alone has it; a member's is that of its link. Errors: invalid_argument, not_found (which says what is nearest).
Result<twin::Failure> find_failure(const grid::Snapshot& snapshot, std::string_view kind, std::string_view id);

}  // namespace tandem::planner
