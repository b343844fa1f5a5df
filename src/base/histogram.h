// A histogram of non-negative values with bounded relative error, for percentiles of delays: 64 buckets per power of
// two, so a percentile is within 1.6 % of the exact one. 20 KB, constant-time record, mergeable. (The scheme of
// HdrHistogram, G. Tene, 2014.)
#pragma once

#include <cstdint>
#include <vector>

namespace tandem {

class Histogram {
 public:
  Histogram();
  void record(uint64_t value, uint64_t count = 1);
  void merge(const Histogram& other);
  uint64_t count() const { return count_; }
  double mean() const;  // 0 when empty
  uint64_t max() const { return max_; }
  // The value below which a fraction `quantile` ∈ [0, 1] of the records lie; 0 when empty.
  uint64_t percentile(double quantile) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace tandem
