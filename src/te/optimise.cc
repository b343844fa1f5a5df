// The two linear programs, stage by stage, and what follows from their shares.
#include <algorithm>
#include <cmath>
#include <thread>

#include "te/column_generation.h"
#include "te/columns.h"
#include "te/steering.h"
#include "te/te.h"

namespace tandem::te {
namespace {

// Of steering one demand, in parts of the level before: a tenth of a per mille of it at first, in the end less than
// anybody can measure.
constexpr double kCostFirst = 1e-4, kCostFall = 0.1, kCostLeast = 1e-10;
// The bound's program needs no few policies, only fewer columns.
constexpr double kFlowCost = 1e-7;
constexpr double kFlowGap = 0.0005;

// The bound, as prices of arcs that prove it.
struct Bound {
  std::vector<double> prices;
  uint64_t pivots = 0;
  bool stopped = false;
};

Bound find_bound(const Problem& problem, std::span<const Pair> pairs, double scale,
                 std::vector<GroupedSimplex::Column> plain, const Options& options, const std::stop_token& stop) {
  FlowColumns columns(problem, pairs, scale);
  GroupedSimplex simplex(problem.arcs.size(), std::move(plain));
  Generation known;
  const GenerationLimits limits{kFlowGap, options.pivots_max, stop};
  for (const double cost : {kFlowCost, kCostLeast}) {
    simplex.set_cost(cost, options.pivots_max);
    if (generate(simplex, columns, cost, limits, known) || known.stopped) break;
  }
  Bound bound{std::move(known.prices), simplex.pivots(), known.stopped};
  for (size_t a = 0; a < bound.prices.size(); ++a) bound.prices[a] /= problem.arcs[a].capacity_gbps;
  return bound;
}

class SegmentSearch {
 public:
  SegmentSearch(const Problem& problem, std::span<const Pair> pairs, double scale, const Options& options,
                const std::stop_token& stop, std::vector<GroupedSimplex::Column> plain)
      : problem_(problem),
        pairs_(pairs),
        scale_(scale),
        options_(options),
        limits_{options.tolerance, options.pivots_max, stop},
        simplex_(problem.arcs.size(), std::move(plain)) {
    demands_.assign(pairs.size(), 0);
    for (const Demand& demand : problem.demands)
      if (!demand.fixed) ++demands_[group_of(pairs, demand)];
  }

  // Lowers the level over these routes as far as the tolerance, the limit of policies and the limits of work let it.
  void run(SegmentRoutes& routes) {
    SegmentColumns columns(routes, pairs_);
    known_ = {};
    const auto solve = [&](double cost) {
      simplex_.set_cost(cost, options_.pivots_max);
      const bool close = generate(simplex_, columns, cost, limits_, known_);
      // More policies than allowed do not count as found.
      const bool allowed = keep_if_allowed();
      return std::pair(close || known_.stopped || cost < kCostLeast, allowed);
    };
    double cost = kCostFirst;
    auto [done, allowed] = solve(cost);
    while (allowed && !done) std::tie(done, allowed) = solve(cost *= kCostFall);
    if (allowed || known_.stopped) return;
    // Too many: dearer until they are few enough, then between the two.
    double too_cheap = cost;
    do std::tie(done, allowed) = solve(cost *= 10);
    while (!allowed && !known_.stopped && cost < 1);
    for (int i = 0; i < kBisections && !known_.stopped; ++i) {
      const double between = std::sqrt(too_cheap * cost);
      (solve(between).second ? cost : too_cheap) = between;
    }
  }

  // What was found, as policies as few as the tolerance lets them be.
  std::vector<Policy> policies(const SegmentRoutes& routes) {
    const double level_max = std::max(level_, known_.bound * (1 + options_.tolerance));
    thin(kept_, routes, pairs_, loads_, level_max);
    return policies_of(problem_, pairs_, kept_);
  }

  double level() const { return level_; }
  const Generation& known() const { return known_; }
  uint64_t pivots() const { return simplex_.pivots(); }

 private:
  static constexpr int kBisections = 6;  // to a third of a decade's 2⁶th part: the counts jump by more

  bool keep_if_allowed() {
    std::vector<Steering> steerings = steerings_of(simplex_);
    size_t demands = 0;
    for (const Steering& steering : steerings) demands += demands_[steering.group];
    if (demands > options_.policies_max) return false;
    if (simplex_.level() > level_) return true;
    level_ = simplex_.level();
    loads_.assign(simplex_.loads().begin(), simplex_.loads().end());
    kept_ = std::move(steerings);
    if (options_.found) options_.found(level_ * scale_);
    return true;
  }

  const Problem& problem_;
  std::span<const Pair> pairs_;
  double scale_;  // what levels are parts of
  const Options& options_;
  GenerationLimits limits_;
  GroupedSimplex simplex_;
  Generation known_;
  std::vector<uint32_t> demands_;  // by group
  // The best allowed so far; at first everything on its plain paths.
  std::vector<Steering> kept_;
  std::vector<double> loads_{simplex_.loads().begin(), simplex_.loads().end()};
  double level_ = simplex_.level();
};

// Where nothing can be moved, the fullest arc alone proves that there is no less.
void prove_unmoved(const Problem& problem, Solution& solution) {
  if (problem.arcs.empty()) return;
  const std::vector<double> loads = loads_of(problem, {});
  size_t fullest = 0;
  for (size_t a = 1; a < loads.size(); ++a)
    if (loads[a] * problem.arcs[fullest].capacity_gbps > loads[fullest] * problem.arcs[a].capacity_gbps) fullest = a;
  solution.prices[fullest] = 1;
  solution.bound = solution.segment_bound = bound_of(problem, solution.prices);
}

}  // namespace

Solution optimise(const Problem& problem, const Options& options, std::stop_token stop) {
  Solution solution;
  solution.prices.assign(problem.arcs.size(), 0);
  solution.mlu_before = mlu_of(problem, loads_of(problem, {}));
  solution.mlu = solution.mlu_before;

  const double scale = solution.mlu_before;
  const std::vector<Pair> pairs = pairs_of(problem);
  if (pairs.empty()) {
    prove_unmoved(problem, solution);
    return solution;
  }
  const SegmentPaths paths(problem, {});
  SegmentRoutes two_segments(problem, paths, scale, 2), three_segments(problem, paths, scale, 3),
      over_links(problem, paths, scale, options.segments_max, true);
  std::vector<GroupedSimplex::Column> plain;
  plain.reserve(pairs.size());
  for (uint32_t g = 0; g < pairs.size(); ++g)
    plain.push_back({g, SegmentRoutes::kPlain, 0, two_segments.entries(pairs[g], SegmentRoutes::kPlain)});
  if (auto unmoved = unmoved_column(problem, pairs, two_segments, scale)) plain.push_back(*std::move(unmoved));

  Bound bound;
  std::thread bounding(
      [&, columns = plain]() mutable { bound = find_bound(problem, pairs, scale, std::move(columns), options, stop); });
  SegmentSearch search(problem, pairs, scale, options, stop, std::move(plain));
  search.run(two_segments);
  bounding.join();
  if (!bound.prices.empty()) solution.prices = std::move(bound.prices);
  solution.bound = bound_of(problem, solution.prices);
  const auto is_close = [&] { return search.level() * scale <= solution.bound * (1 + kThirdSegmentGap); };
  if (options.segments_max > 2 && !is_close()) search.run(three_segments);
  if (options.adjacency && !is_close()) search.run(over_links);

  solution.policies = search.policies(two_segments);
  solution.mlu = mlu_of(problem, loads_of(problem, solution.policies));
  solution.segment_bound = search.known().bound * scale;
  solution.pivots = search.pivots() + bound.pivots;
  solution.stopped = search.known().stopped || bound.stopped;
  return solution;
}

Solution optimise_within_promises(Problem& problem, const Options& options, std::stop_token stop) {
  for (;;) {
    Solution solution = optimise(problem, options, stop);
    const std::vector<uint32_t> gone = astray(problem, solution.policies);
    if (gone.empty()) return solution;
    for (const uint32_t demand : gone) problem.demands[demand].fixed = true;
  }
}

}  // namespace tandem::te
