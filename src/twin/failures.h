// What breaks when things fail: every single and double failure of links, nodes, shared-risk groups and sites, and
// every member of a bundle.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "twin/traffic.h"

namespace tandem::twin {

// `member` is one physical link of a bundle: the bundle carries less, or is down when too few are left.
enum class FailureKind : uint8_t { link, node, shared_risk_group, site, member };

// All failures of one kind, so many of them at once: "links:2".
struct FailureClass {
  FailureKind kind = FailureKind::link;
  uint32_t at_once = 1;  // 1 or 2; of members 1
};
// Reads links:1, links:2, nodes:1, nodes:2, srlgs:1, srlgs:2, sites:1, sites:2, members:1. Errors: invalid_argument.
Result<FailureClass> parse_failure_class(std::string_view text);

// One thing that fails: a row of the snapshot, that of its link for a member.
struct Failure {
  FailureKind kind = FailureKind::link;
  uint32_t row = 0;
  bool operator==(const Failure&) const = default;
};
std::string_view kind_name(FailureKind kind);  // "link", "node", "shared_risk_group", "site", "member"
std::string_view failed_id(const grid::Snapshot& snapshot, Failure failure);
// The snapshot with these down.
grid::Snapshot with_failures(const grid::Snapshot& snapshot, std::span<const Failure> failures);

// A promise as the network sees it: traffic between the users of a region and the nodes that serve them. It is broken
// when a node is down or out of reach, when some equal-cost branch leaves the jurisdictions allowed, or when the round
// trip takes longer than is left for it, once routing has converged. Only promises kept with everything up are watched.
struct PromiseWatch {
  grid::RegionIndex region;
  grid::JurisdictionSet allowed = grid::JurisdictionSet::all();
  struct Part {
    grid::NodeIndex node;
    Microseconds round_trip_max;
    // From the anchor in use with everything up to the node: as TrafficMatrix::Steered.
    std::vector<grid::LinkIndex> primary = {}, second = {};
  };
  std::vector<Part> parts;
  grid::FlexAlgoIndex flex_algo = {};  // whose paths the traffic takes; not valid(): the IGP's
};
bool is_broken(const grid::Snapshot& snapshot, Networks& networks, const PromiseWatch& watch);

// Whether what `after` has lost against `before` leads some of a promise's traffic out of the jurisdictions allowed: on
// a local repair (the post-convergence path of each router beside the loss, as in repair_loads), or once routing has
// converged. What has no way left is dropped, and leaves nothing. Each with its networks.
bool leaves_residency(const grid::Snapshot& before, Networks& then, const grid::Snapshot& after, Networks& now,
                      const PromiseWatch& watch);

// One or two things down and what it does, once routing has converged on what is left.
struct FailureOutcome {
  std::array<uint32_t, 2> failed{};  // positions in FailureStudy::failures(); the same twice for one alone
  uint32_t residencies_left = 0;     // of the promises watched, those whose traffic leaves its jurisdictions
  uint32_t promises_broken = 0;      // of those watched
  double utilization_max = 0;        // of capacity, the busier direction of the worst link; may exceed 1
  double lost_gbps = 0;              // traffic without a path, that of failed nodes included
};
// By residencies left, then promises broken, then utilisation, then traffic lost; then by what failed, so that there
// are no ties.
bool hurts_more(const FailureOutcome& a, const FailureOutcome& b);

// Over all scenarios of a sweep, by link and direction (2 · link + direction).
struct LinkStress {
  uint64_t overloaded = 0;     // scenarios that ask more than its capacity
  double utilization_max = 0;  // in the worst of them; 0 where it is never overloaded
  uint64_t excess_kbps_sum =
      0;  // over its capacity, summed over scenarios; whole, so that any order gives the same sum
};

struct SweepOptions {
  size_t worst = 20;  // how many outcomes to keep
  size_t verify = 0;  // how many scenarios' loads to keep for `verify`, drawn by `seed`
  uint64_t seed = 1;
  unsigned threads = 1;
  size_t memory_max = size_t{1} << 30;  // bytes for what pairs have in common; beyond it every destination is followed
  // Called as blocks of scenarios are done, one call at a time, from any of the threads: the block's outcomes, how many
  // scenarios are done and how many there are.
  std::function<void(std::span<const FailureOutcome>, uint64_t, uint64_t)> progress = {};
};

struct KeptScenario {
  FailureOutcome outcome;
  std::vector<double> gbps;  // loads, by 2 · link + direction
  // The broken ones, and those whose residency is left, as positions among those given to `make`; by `plain` alone.
  std::vector<uint32_t> promises = {}, left = {};
};

struct Sweep {
  uint64_t scenarios = 0;  // done; all there are unless it was stopped
  bool complete = true;
  uint64_t overloaded = 0;            // scenarios with a link over its capacity
  uint64_t losing = 0;                // scenarios that lose traffic
  uint64_t breaking = 0;              // scenarios that break a promise
  uint64_t leaving = 0;               // scenarios in which a residency is left
  std::vector<FailureOutcome> worst;  // in the order of hurts_more
  std::vector<LinkStress> stress;
  std::vector<KeptScenario> kept;
};

// The loads of a full traffic matrix under every failure of a class.
//
// Method. Equal-cost routing makes the loads toward one destination independent of all other destinations. A single
// failure is followed toward each destination by incremental shortest paths (Ramalingam, Reps, "An incremental
// algorithm for a generalization of the shortest-path problem", J. Algorithms 21, 1996): only routers that lose their
// last next hop get a new distance, and only flows that passed them or a router that lost one of several next hops are
// moved. For two failures, each destination where neither touches a router that the other reads takes the sum of the
// two single changes; where they do touch, the one that moves fewer routers is followed on the state after the other.
// What it moves there is most often a subtree of routers with one next hop each: their new distances pass along its
// edges, and what they send is carried along next hops. So a pair costs what the two have to do with each other. Exact
// up to rounding: the loads of a from-scratch computation, with relative differences around 1e-12.
//
// Bound: on Cogentco (197 nodes, 245 links) 1 in 10 of the (pair, destination) combinations has to be followed, 21 for
// a pair of links. Each moves 9 routers and passes flow through 14; the state it is followed on differs in 54 rows of
// 24 bytes, which are read from memory for every few pairs, and that is a third of the time.
//
// Limits: nodes · destinations ≤ kStateMax, at most 65,535 nodes. Where memory for what pairs have in common would
// exceed 1 GB, all destinations are followed (slower, the same result).
class FailureStudy {
 public:
  static constexpr size_t kStateMax = 32'000'000;  // 36 bytes each: 1.2 GB

  // Errors: too_large.
  static Result<FailureStudy> make(const grid::Snapshot& snapshot, const TrafficMatrix& matrix,
                                   std::vector<PromiseWatch> watches, FailureKind kind);
  ~FailureStudy();
  FailureStudy(FailureStudy&&) noexcept;
  FailureStudy& operator=(FailureStudy&&) noexcept;

  std::span<const Failure> failures() const;   // what may fail: rows of that kind that are up
  uint64_t scenarios(uint32_t at_once) const;  // as in FailureClass
  const FailureOutcome& undisturbed() const;
  std::span<const double> undisturbed_gbps() const;

  Sweep run(uint32_t at_once, const SweepOptions& options, std::stop_token stop) const;

  // The same from scratch, sharing no code with the sweep: the snapshot with the failures, plain_loads, PathTree.
  KeptScenario plain(std::array<uint32_t, 2> failed) const;

  struct State;  // internal to the module

 private:
  explicit FailureStudy(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Where two computations of one scenario differ by more than rounding: a load by 1e-9 of itself and 1e-11 of all
// traffic, or a promise. Empty when they agree.
std::string difference(const grid::Snapshot& snapshot, const KeptScenario& swept, const KeptScenario& plain,
                       Gbps total_traffic);

}  // namespace tandem::twin
