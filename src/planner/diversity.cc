// The two ways of demands that ask for them: found once for all demands of a problem that start at one anchor, ask for
// the same and may pass the same jurisdictions.
#include <algorithm>
#include <map>
#include <tuple>

#include "planner/problem.h"

namespace tandem::planner {
namespace {

DiverseLeg diverse_leg(const Leg& own, twin::WayPair ways) {
  DiverseLeg found{own, std::move(ways), {}};
  const double longest_us = std::max(found.ways.primary.delay, found.ways.second.delay).value();
  found.leg.branch_us = std::max(own.branch_us, 2 * longest_us);
  found.leg.euros_per_byte = found.ways.primary.euros_per_byte;
  for (const twin::Way* way : {&found.ways.primary, &found.ways.second}) {
    for (size_t i = 0; i < way->links.size(); ++i) {
      const uint32_t ab = 2 * way->links[i].value, out = ab + (way->forward[i] ? 0 : 1), back = ab + 1 - (out - ab);
      found.uses.push_back({out, 1, 0});
      found.uses.push_back({back, 0, 1});
    }
  }
  std::sort(found.uses.begin(), found.uses.end(), [](const ArcUse& a, const ArcUse& b) { return a.arc < b.arc; });
  return found;
}

}  // namespace

void Problem::add_diverse_legs() {
  struct Asked {
    uint32_t view = 0;
    grid::Diversity diversity = grid::Diversity::none;
    uint64_t residency = 0;
    std::vector<uint8_t> pools = {};  // that a model asked for could run in
  };
  std::vector<Asked> asked;
  std::map<std::tuple<uint32_t, grid::Diversity, uint64_t>, uint32_t> known;
  for (DemandRow& demand : demands) {
    const grid::Diversity diversity = demand.row->diversity;
    const uint32_t view = demand.view;
    if (diversity == grid::Diversity::none || view == UINT32_MAX) continue;
    const auto [entry, fresh] =
        known.try_emplace({view, diversity, demand.residency}, static_cast<uint32_t>(asked.size()));
    if (fresh) asked.push_back({view, diversity, demand.residency, std::vector<uint8_t>(snapshot.pools.size(), 0)});
    demand.ways = entry->second;
    for (const uint32_t c : candidates_of_model[demand.row->model.value])
      asked[demand.ways].pools[candidates[c].pool] = 1;
  }
  diverse_legs.assign(asked.size(), std::vector<DiverseLeg>(snapshot.pools.size()));
  for_each_on_two_threads(asked.size(), [&](size_t a) {
    const AnchorView& view = *terrain->views[asked[a].view];
    const twin::DiverseWays ways(snapshot, view.tree->network(), view.tree->source(), asked[a].diversity,
                                 {asked[a].residency});
    for (uint32_t p = 0; p < snapshot.pools.size(); ++p) {
      const Leg& own = view.legs[p];
      if (!asked[a].pools[p] || !own.reachable || (own.jurisdictions & ~asked[a].residency) != 0) continue;
      if (auto pair = ways.pair(snapshot.pools[size_t{p}].node))
        diverse_legs[a][p] = diverse_leg(own, std::move(*pair));
    }
  });
}

}  // namespace tandem::planner
