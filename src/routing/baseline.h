// How others choose a site for a request, for Tandem's choice to be measured against: in a replay, and by a gateway
// that is told to follow one.
//
// They are told of sites, not of paths or promises: a target may serve where it is up, reachable and in an allowed
// jurisdiction, and has a place or room in its queue. Nothing else is weighed.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "routing/routing.h"

namespace tandem::routing {

enum class Baseline : uint8_t {
  nearest,      // by round trip, the first with a place free; else the first with room in its queue
  cheapest,     // likewise, by cost
  least_load,   // the least in flight for its places
  round_robin,  // each replica in turn
  prefix_hash,  // by the hash of the prompt's beginning, as far as there is room
};
std::string_view to_string(Baseline baseline);
std::optional<Baseline> baseline_named(std::string_view name);  // "least-load"

// For one thread; `table` must outlive it. The same calls give the same choices.
class BaselineRouter {
 public:
  static constexpr size_t kGroupsMax = 4'096;  // clients name jurisdictions as they like

  BaselineRouter(const RoutingTable& table, Baseline baseline, uint64_t seed)
      : table_(table), baseline_(baseline), draws_(seed, 3) {}

  // `live` and `excluded` as for `decide`; `prefix` tells prompts with the same beginning: nothing where it has none.
  // Facts of the same tenant, region, model and jurisdictions share their turns. Of costs, the first request's order is
  // kept for all of them. Of more than kGroupsMax such all are forgotten, and begin anew.
  Decision choose(const RequestFacts& request, std::span<const TargetLive> live, std::span<const uint32_t> excluded,
                  std::optional<uint64_t> prefix);
  Decision choose(const RequestFacts& request, LivePointers live, std::span<const uint32_t> excluded,
                  std::optional<uint64_t> prefix);

 private:
  struct Group {
    std::vector<uint32_t> targets;  // that may serve, in the order of the baseline
    std::vector<int64_t> credits;   // turns owed to each
  };
  template <class Live>
  Decision choose_among(const RequestFacts& request, Live live, std::span<const uint32_t> excluded,
                        std::optional<uint64_t> prefix);
  template <class Free>
  std::optional<uint32_t> first(const Group& group, Free is_free) const;
  template <class Room>
  std::optional<uint32_t> next_in_turn(Group& group, Room has_room) const;
  Group& group_of(const RequestFacts& request);

  const RoutingTable& table_;
  const Baseline baseline_;
  Random draws_;
  std::map<std::tuple<uint32_t, uint32_t, uint32_t, uint64_t>, Group> groups_;
};

}  // namespace tandem::routing
