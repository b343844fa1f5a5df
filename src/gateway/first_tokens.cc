#include "gateway/first_tokens.h"

#include <algorithm>
#include <cmath>

namespace tandem::gateway {
namespace {

constexpr double kFirstEdgeUs = 256;
constexpr double kPerOctave = 4;

}  // namespace

void FirstTokens::note(Duration time) {
  const double us = std::max(static_cast<double>(time.ns) * 1e-3, kFirstEdgeUs);
  const auto bucket = std::min(static_cast<size_t>(std::log2(us / kFirstEdgeUs) * kPerOctave), kBuckets - 1);
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  uint32_t all = 0;
  for (const auto& count : counts_) all += count.load(std::memory_order_relaxed);
  if (all < kOfLate) return;
  for (auto& count : counts_)
    count.store(static_cast<uint16_t>(count.load(std::memory_order_relaxed) / 2), std::memory_order_relaxed);
}

void FirstTokens::forget() {
  for (auto& count : counts_) count.store(0, std::memory_order_relaxed);
}

std::optional<Duration> FirstTokens::quantile(double quantile) const {
  uint32_t all = 0;
  for (const auto& count : counts_) all += count.load(std::memory_order_relaxed);
  if (all < kLeast) return std::nullopt;
  const double wanted = quantile * all;
  uint32_t below = 0;
  size_t bucket = 0;
  for (; bucket + 1 < kBuckets; ++bucket) {
    below += counts_[bucket].load(std::memory_order_relaxed);
    if (below >= wanted) break;
  }
  const double upper_edge_us = kFirstEdgeUs * std::exp2(static_cast<double>(bucket + 1) / kPerOctave);
  return nanoseconds(static_cast<int64_t>(upper_edge_us * 1e3));
}

}  // namespace tandem::gateway
