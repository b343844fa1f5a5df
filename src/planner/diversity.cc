// The two ways of demands that ask for them: found once for all that start at one anchor, ask for the same by one
// algorithm and may pass the same jurisdictions.
#include <algorithm>
#include <map>
#include <tuple>

#include "planner/problem.h"

namespace tandem::planner {
namespace {

// By pool, whether some model could run there that demands ask for in this way. Those of shared-risk groups can take
// thousands of times as long as a tree of shortest ways, so that the others are not looked for.
std::vector<uint8_t> pools_that_matter(const grid::Snapshot& s, const AnchorView& view, grid::Diversity diversity,
                                       uint64_t residency) {
  const auto surfaces_there = [&](grid::RegionIndex region) {
    return std::ranges::any_of(s.regions[region].anchors,
                               [&](const grid::Anchor& anchor) { return anchor.node == view.tree->source(); });
  };
  std::vector<uint8_t> models(s.models.size(), 0), accelerators(s.accelerators.size(), 0), pools;
  for (const grid::Demand& demand : s.demands)
    if (demand.diversity == diversity && demand.flex_algo == view.algo && models[demand.model.value] == 0 &&
        s.tenants[demand.tenant].residency.bits == residency && surfaces_there(demand.region))
      models[demand.model.value] = 1;
  for (const grid::Profile& profile : s.profiles)
    if (models[profile.model.value] != 0) accelerators[profile.accelerator.value] = 1;
  for (const grid::Pool& pool : s.pools) pools.push_back(accelerators[pool.accelerator.value]);
  return pools;
}

}  // namespace

DiverseLegs::DiverseLegs(const grid::Snapshot& snapshot, const AnchorView& view, grid::Diversity diversity,
                         uint64_t residency)
    : rows_(std::make_shared<Rows>()) {
  rows_->legs.resize(snapshot.pools.size());
  rows_->uses.resize(snapshot.pools.size());
  rows_->uses_known = std::make_unique<std::once_flag[]>(snapshot.pools.size());
  const std::vector<uint8_t> matters = pools_that_matter(snapshot, view, diversity, residency);
  const twin::DiverseWays ways(snapshot, view.tree->network(), view.tree->source(), diversity, {residency});
  for (uint32_t p = 0; p < snapshot.pools.size(); ++p) {
    const Leg& own = view.legs[p];
    if (matters[p] == 0 || !own.reachable || (own.jurisdictions & ~residency) != 0) continue;
    auto pair = ways.pair(snapshot.pools[size_t{p}].node);
    if (!pair) continue;
    DiverseLeg& found = rows_->legs[p];
    found.leg = own;
    found.leg.branch_us = std::max(own.branch_us, 2 * std::max(pair->primary.delay, pair->second.delay).value());
    found.leg.euros_per_byte = pair->primary.euros_per_byte;
    found.ways = std::move(*pair);
  }
}

const std::vector<ArcUse>& DiverseLegs::arc_uses(uint32_t pool) const {
  std::vector<ArcUse>& uses = rows_->uses[pool];
  std::call_once(rows_->uses_known[pool], [&] {
    const twin::WayPair& pair = rows_->legs[pool].ways;
    for (const twin::Way* way : {&pair.primary, &pair.second}) {
      for (size_t i = 0; i < way->links.size(); ++i) {
        const uint32_t ab = 2 * way->links[i].value, out = ab + (way->forward[i] ? 0 : 1), back = ab + 1 - (out - ab);
        uses.push_back({out, 1, 0});
        uses.push_back({back, 0, 1});
      }
    }
    std::sort(uses.begin(), uses.end(), [](const ArcUse& a, const ArcUse& b) { return a.arc < b.arc; });
  });
  return uses;
}

std::vector<DiverseLegs> Terrain::diverse_legs(const std::vector<WaysAsked>& asked) const {
  const std::lock_guard lock(diverse_mutex_);
  std::vector<std::optional<DiverseLegs>> found(asked.size());
  std::vector<size_t> missing;
  const auto key_of = [&](size_t i) {
    const auto& [view, diversity, residency] = asked[i];
    return WaysKey(views[view]->tree->source().value, views[view]->algo, diversity, residency);
  };
  for (size_t i = 0; i < asked.size(); ++i) {
    if (const auto known = diverse_legs_.find(key_of(i)); known != diverse_legs_.end())
      found[i] = known->second;
    else
      missing.push_back(i);
  }
  for_each_on_two_threads(missing.size(), [&](size_t m) {
    const auto& [view, diversity, residency] = asked[missing[m]];
    found[missing[m]].emplace(snapshot_, *views[view], diversity, residency);
  });
  if (!missing.empty()) {
    diverse_legs_.clear();  // what nobody asks for any more is not kept; a part of the grid asks for what is known
    for (size_t i = 0; i < asked.size(); ++i) diverse_legs_.emplace(key_of(i), *found[i]);
  }
  std::vector<DiverseLegs> legs;
  for (auto& one : found) legs.push_back(std::move(*one));
  return legs;
}

void Problem::add_diverse_legs() {
  std::vector<Terrain::WaysAsked> asked;
  std::map<Terrain::WaysAsked, uint32_t> known;
  for (DemandRow& demand : demands) {
    if (demand.row->diversity == grid::Diversity::none || demand.view == UINT32_MAX) continue;
    const Terrain::WaysAsked key(demand.view, demand.row->diversity, demand.residency);
    const auto [entry, fresh] = known.try_emplace(key, static_cast<uint32_t>(asked.size()));
    if (fresh) asked.push_back(key);
    demand.ways = entry->second;
  }
  diverse_legs = terrain->diverse_legs(asked);
}

}  // namespace tandem::planner
