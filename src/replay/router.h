// Where a request goes, by policy.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "replay/replay.h"
#include "replay/workload.h"
#include "routing/prefix.h"
#include "routing/routing.h"

namespace tandem::replay {

class Router {
 public:
  Router(const grid::Snapshot& snapshot, const routing::RoutingTable& table, const v1::Plan& plan, Policy policy,
         uint64_t seed);

  struct Choice {
    std::optional<uint32_t> target;
    routing::Gate blocking = routing::Gate::none;  // when there is none
  };
  // `live` is what the policy sees of the targets now.
  Choice choose(const Arrival& arrival, std::span<const routing::TargetLive> live);

  // Whether data of the demand may be processed at the target and pass every way there.
  bool resident(uint32_t demand, uint32_t target) const;

 private:
  void find_eligible();
  void read_shares(const v1::Plan& plan);
  Choice first_with_room(uint32_t demand, std::span<const routing::TargetLive> live) const;
  Choice emptiest(uint32_t demand, std::span<const routing::TargetLive> live) const;
  Choice in_turn(uint32_t demand, std::span<const routing::TargetLive> live);
  Choice by_share(uint32_t demand);
  Choice decided(const Arrival& arrival, std::span<const routing::TargetLive> live);
  Choice by_prefix(const Arrival& arrival, std::span<const routing::TargetLive> live);
  bool has_room(uint32_t target, std::span<const routing::TargetLive> live) const;

  const grid::Snapshot& snapshot_;
  const routing::RoutingTable& table_;
  Policy policy_;
  Random draws_;
  routing::PrefixIndex prefixes_;             // what the gateway would know; engines are numbered as targets
  std::vector<routing::RequestFacts> facts_;  // by demand, sizes its means
  // By demand, the targets that a load balancer told of sites, not of paths, would use: nearest first, cheapest first
  // or in the order of the table, by policy.
  std::vector<std::vector<uint32_t>> eligible_;
  std::vector<std::vector<int64_t>> credits_;  // by demand, then as in eligible_: turns owed to each
  struct Shared {
    uint32_t target = 0;
    double up_to = 0;  // cumulative
  };
  std::vector<std::vector<Shared>> shares_;  // by demand
};

}  // namespace tandem::replay
