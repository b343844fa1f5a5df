// Which groups leave their plain paths, and how: what a simplex's shares come down to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "te/columns.h"
#include "te/te.h"

namespace tandem::te {

struct Route {
  uint64_t tag = 0;     // of SegmentRoutes
  double fraction = 0;  // (0, 1]; of a group they sum to 1
};

// Scales fractions so that they sum to 1; what is too small for a router's integer weights goes away.
void normalise(std::vector<Route>& routes);

struct Steering {
  uint32_t group = 0;
  std::vector<Route> routes;
};

// The groups that are not all on their plain paths; shares too small to matter go to the group's largest.
std::vector<Steering> steerings_of(const GroupedSimplex& simplex);

// Takes policies and splits away while no link becomes fuller than `level_max`, the smallest groups first.
void thin(std::vector<Steering>& steerings, const SegmentRoutes& routes, std::span<const Pair> pairs,
          std::vector<double> loads, double level_max);

// The policies of every demand of the steered groups.
std::vector<Policy> policies_of(const Problem& problem, std::span<const Pair> pairs,
                                std::span<const Steering> steerings);

}  // namespace tandem::te
