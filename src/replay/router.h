// Where a request goes, by policy.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "replay/replay.h"
#include "replay/workload.h"
#include "routing/baseline.h"
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
    uint32_t cached_tokens = 0;                    // of the prompt, that are most likely in its cache
  };
  // `live` is what the policy sees of the targets now.
  Choice choose(const Arrival& arrival, std::span<const routing::TargetLive> live);

  // Whether data of the demand may be processed at the target and pass every way there.
  bool resident(uint32_t demand, uint32_t target) const;

 private:
  void read_shares(const v1::Plan& plan);
  Choice by_share(uint32_t demand);
  Choice by_baseline(const Arrival& arrival, std::span<const routing::TargetLive> live);
  Choice decided(const Arrival& arrival, std::span<const routing::TargetLive> live);

  const grid::Snapshot& snapshot_;
  const routing::RoutingTable& table_;
  Policy policy_;
  Random draws_;
  routing::PrefixIndex prefixes_;             // what the gateway would know; engines are numbered as targets
  std::vector<routing::RequestFacts> facts_;  // by demand, sizes its means
  std::optional<routing::BaselineRouter> baseline_;
  struct Shared {
    uint32_t target = 0;
    double up_to = 0;  // cumulative
  };
  std::vector<std::vector<Shared>> shares_;  // by demand
};

}  // namespace tandem::replay
