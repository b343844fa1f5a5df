// Counters, gauges and histograms in the Prometheus text format (version 0.0.4). Label sets are bounded: beyond
// kSeriesMax per family, further ones are counted under the label value "other".
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem {

using Labels = std::vector<std::pair<std::string, std::string>>;  // in the order they print

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double delta) { value_.fetch_add(delta, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Cumulative buckets with fixed upper bounds, as Prometheus has them.
class BucketHistogram {
 public:
  explicit BucketHistogram(std::vector<double> upper_bounds);
  void record(double value, uint64_t count = 1);
  const std::vector<double>& upper_bounds() const { return upper_bounds_; }
  uint64_t bucket(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> upper_bounds_;           // ascending; +Inf is implied after the last
  std::vector<std::atomic<uint64_t>> counts_;  // one more than upper_bounds_
  std::atomic<double> sum_{0};
};

// Owns every metric of one process or test; references it hands out stay valid for its life. Thread-safe.
class Metrics {
 public:
  static constexpr size_t kSeriesMax =
      2'000;  // per family: a site × model matrix of the largest grid we serve, not per client

  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  BucketHistogram& histogram(std::string_view name, std::string_view help, const Labels& labels,
                             const std::vector<double>& upper_bounds);
  std::string prometheus_text() const;

 private:
  struct Family;
  template <class T, class Make>
  T& find_or_make(std::string_view name, std::string_view help, const Labels& labels, Make make);

  mutable std::mutex mutex_;  // guards the maps, not the metrics
  std::map<std::string, std::shared_ptr<Family>, std::less<>> families_;
};

}  // namespace tandem
