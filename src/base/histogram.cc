#include "base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tandem {
namespace {

constexpr unsigned kSubBits = 6;  // 64 buckets per power of two
constexpr uint64_t kSubCount = 1u << kSubBits;
constexpr size_t kBuckets = (64 - kSubBits + 1) * kSubCount;

size_t bucket_of(uint64_t value) {
  if (value < kSubCount) return value;
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
  return (shift + 1) * kSubCount + ((value >> shift) - kSubCount);
}

// The middle of a bucket's range.
uint64_t value_of(size_t bucket) {
  if (bucket < kSubCount) return bucket;
  const auto shift = static_cast<unsigned>(bucket / kSubCount - 1);
  const uint64_t low = (bucket % kSubCount + kSubCount) << shift;
  return low + ((uint64_t{1} << shift) >> 1);
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

void Histogram::record(uint64_t value, uint64_t count) {
  buckets_[bucket_of(value)] += count;
  count_ += count;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value) * static_cast<double>(count);
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double Histogram::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

uint64_t Histogram::percentile(double quantile) const {
  if (count_ == 0) return 0;
  const auto rank = static_cast<uint64_t>(std::ceil(std::clamp(quantile, 0.0, 1.0) * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= std::max<uint64_t>(rank, 1)) return std::min(value_of(i), max_);
  }
  return max_;
}

}  // namespace tandem
