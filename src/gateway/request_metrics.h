// What the gateway counts. Internal.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "base/metrics.h"
#include "gateway/record.h"

namespace tandem::gateway {

// Finds each series once and keeps it, so that a request takes no lock. Of one gateway's thread.
class RequestMetrics {
 public:
  explicit RequestMetrics(Metrics& metrics);

  void record(const RequestRecord& record);
  void failed_over() { failovers_.add(); }
  void hedged(bool second_won) { (second_won ? hedges_won_ : hedges_lost_).add(); }
  void table_taken(uint64_t offset) { table_offset_.set(static_cast<double>(offset)); }
  Gauge& in_flight() { return in_flight_; }
  Gauge& queued() { return queued_; }

 private:
  static constexpr size_t kSeriesKept = 20'000;  // ~4 MB; then they are looked up anew

  struct Series {
    Counter* requests = nullptr;
    Counter* prompt_tokens = nullptr;
    Counter* output_tokens = nullptr;
    Counter* cost = nullptr;
    Counter* promises = nullptr;
    BucketHistogram* ttft = nullptr;
  };
  Series& series_of(const RequestRecord& record);

  Metrics& metrics_;
  std::unordered_map<std::string, Series> series_;  // looked up, never iterated
  std::string key_;                                 // that is looked up; kept for its capacity
  std::map<std::pair<routing::Reason, routing::Gate>, Counter*> decisions_;
  Counter& failovers_;
  Counter& hedges_won_;
  Counter& hedges_lost_;
  std::map<std::string, Counter*, std::less<>> refusals_;  // by code: a few words of ours
  Gauge& in_flight_;
  Gauge& queued_;
  Gauge& table_offset_;
  BucketHistogram& overhead_;
  BucketHistogram& queue_;
};

}  // namespace tandem::gateway
