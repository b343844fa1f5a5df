// Which pools could serve a demand if nothing else ran, and what a request takes there.
#pragma once

#include <cstdint>
#include <vector>

#include "generate/business.h"

namespace tandem::generate {

struct WayToServe {
  uint32_t pool = 0;
  double accelerator_s = 0;  // of one request, at the utilisation that a plan may run to
};

class Reach {
 public:
  explicit Reach(const World& world);

  // Of a promise that leaves room to queue: at its quantile at most kIdleShare of the first token's time is spent when
  // all is idle.
  std::vector<WayToServe> ways(const BusinessTenant& tenant, size_t region, size_t model, PromiseMs promise) const;

  // Accelerators of a pool that power and radio leave.
  double accelerators(size_t pool) const { return accelerators_[pool]; }
  size_t pools() const { return accelerators_.size(); }

 private:
  struct Leg {
    float round_trip_ms = 0;
    uint32_t jurisdictions = 0;
  };
  const World& world_;
  std::vector<double> accelerators_;
  std::vector<uint32_t> site_bit_;      // of each pool
  std::vector<size_t> anchor_row_;      // of each region
  std::vector<std::vector<Leg>> legs_;  // of each anchor in use, by pool; empty jurisdictions: no way
};

}  // namespace tandem::generate
