// A seeded generator with its own distributions, so that one seed gives the same numbers with every compiler and
// library. Not for secrets.
#pragma once

#include <cstdint>

namespace tandem {

// PCG32 (M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms", 2014), seeded
// through SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0);

  uint32_t next();                  // uniform on [0, 2³²)
  uint64_t below(uint64_t bound);   // uniform on [0, bound), bound ≥ 1, without bias
  double uniform();                 // uniform on [0, 1), 53 bits
  double exponential(double mean);  // mean > 0
  double normal(double mean, double deviation);
  bool chance(double probability) { return uniform() < probability; }

 private:
  uint64_t state_;
  uint64_t increment_;
};

}  // namespace tandem
