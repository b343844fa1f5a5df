#include "te/steering.h"

#include <algorithm>

#include "base/check.h"

namespace tandem::te {
namespace {

constexpr double kFractionMin = 1e-4;  // a router's weights are integers; below this a list is not worth its place

class Thinning {
 public:
  Thinning(const SegmentRoutes& routes, std::span<const Pair> pairs, std::vector<double> loads, double level_max)
      : routes_(routes), pairs_(pairs), loads_(std::move(loads)), level_max_(level_max) {}

  // The plain paths if they have room, else one of its own routes alone, the largest first.
  void simplify(Steering& steering) {
    const Pair& pair = pairs_[steering.group];
    for (const Route& route : steering.routes) add(routes_.entries(pair, route.tag), -route.fraction);
    std::vector<Route> choices = steering.routes;
    std::stable_sort(choices.begin(), choices.end(),
                     [](const Route& a, const Route& b) { return a.fraction > b.fraction; });
    choices.insert(choices.begin(), {SegmentRoutes::kPlain, 1});
    for (const Route& choice : choices) {
      const auto entries = routes_.entries(pair, choice.tag);
      if (!fits(entries)) continue;
      add(entries, 1);
      steering.routes = {{choice.tag, 1}};
      return;
    }
    for (const Route& route : steering.routes) add(routes_.entries(pair, route.tag), route.fraction);
  }

 private:
  void add(const std::vector<GroupedSimplex::Entry>& entries, double fraction) {
    for (const auto& entry : entries) loads_[entry.row] += fraction * entry.value;
  }
  bool fits(const std::vector<GroupedSimplex::Entry>& entries) const {
    return std::all_of(entries.begin(), entries.end(),
                       [&](const auto& entry) { return loads_[entry.row] + entry.value <= level_max_; });
  }

  const SegmentRoutes& routes_;
  std::span<const Pair> pairs_;
  std::vector<double> loads_;
  double level_max_;
};

}  // namespace

void normalise(std::vector<Route>& routes) {
  const auto too_small = [](const Route& route) { return route.fraction < kFractionMin; };
  routes.erase(std::remove_if(routes.begin(), routes.end(), too_small), routes.end());
  double sum = 0;
  for (const Route& route : routes) sum += route.fraction;
  for (Route& route : routes) route.fraction /= sum;
}

std::vector<Steering> steerings_of(const GroupedSimplex& simplex) {
  std::vector<Steering> steerings;
  for (const GroupedSimplex::Share& share : simplex.shares()) {  // by group
    if (steerings.empty() || steerings.back().group != share.column->group)
      steerings.push_back({share.column->group, {}});
    steerings.back().routes.push_back({share.column->tag, share.fraction});
  }
  for (Steering& steering : steerings) normalise(steering.routes);
  const auto plain = [](const Steering& s) {
    return s.routes.size() == 1 && s.routes.front().tag == SegmentRoutes::kPlain;
  };
  steerings.erase(std::remove_if(steerings.begin(), steerings.end(), plain), steerings.end());
  return steerings;
}

void thin(std::vector<Steering>& steerings, const SegmentRoutes& routes, std::span<const Pair> pairs,
          std::vector<double> loads, double level_max) {
  std::vector<size_t> order(steerings.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return pairs[steerings[a].group].rate_gbps < pairs[steerings[b].group].rate_gbps;
  });
  Thinning thinning(routes, pairs, std::move(loads), level_max);
  for (const size_t i : order) thinning.simplify(steerings[i]);
  const auto plain = [](const Steering& s) {
    return s.routes.size() == 1 && s.routes.front().tag == SegmentRoutes::kPlain;
  };
  steerings.erase(std::remove_if(steerings.begin(), steerings.end(), plain), steerings.end());
}

std::vector<Policy> policies_of(const Problem& problem, std::span<const Pair> pairs,
                                std::span<const Steering> steerings) {
  std::vector<const Steering*> of_group(pairs.size(), nullptr);
  for (const Steering& steering : steerings) of_group[steering.group] = &steering;
  std::vector<Policy> policies;
  for (uint32_t d = 0; d < problem.demands.size(); ++d) {
    if (problem.demands[d].fixed) continue;
    const Steering* const steering = of_group[group_of(pairs, problem.demands[d])];
    if (!steering) continue;
    for (const Route& route : steering->routes)
      policies.push_back({d, SegmentRoutes::waypoints(route.tag), route.fraction});
  }
  return policies;
}

}  // namespace tandem::te
