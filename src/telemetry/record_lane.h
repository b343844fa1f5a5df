// Records on their way from one gateway's thread to one other. Internal.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

#include "base/metrics.h"
#include "gateway/record.h"

namespace tandem::telemetry {

// A ring of slots, so that a record costs no copy, no lock and no allocation. One thread calls `on_request`, one
// `drain`.
class RecordLane final : public gateway::RecordSink {
 public:
  // `dropped` counts what came while all slots were full. `traced_only`: others are let go by.
  RecordLane(size_t slots, Counter& dropped, bool traced_only)
      : slots_(slots), dropped_(dropped), traced_only_(traced_only) {}

  void on_request(const gateway::SharedRecord& record) override {
    if (traced_only_ && record->trace == nullptr) return;
    const size_t put = put_.load(std::memory_order_relaxed);
    if (put - taken_.load(std::memory_order_acquire) == slots_.size()) return dropped_.add();
    slots_[put % slots_.size()] = record;
    put_.store(put + 1, std::memory_order_release);
  }

  // Up to `records_max` of what is there, the oldest first; returns how many.
  template <class Take>
  size_t drain(size_t records_max, Take take) {
    const size_t from = taken_.load(std::memory_order_relaxed);
    const size_t count = std::min(put_.load(std::memory_order_acquire) - from, records_max);
    for (size_t i = 0; i < count; ++i) {
      gateway::SharedRecord& slot = slots_[(from + i) % slots_.size()];
      take(*slot);
      slot.reset();
    }
    taken_.store(from + count, std::memory_order_release);
    return count;
  }

 private:
  std::vector<gateway::SharedRecord> slots_;  // null: free
  Counter& dropped_;
  const bool traced_only_;
  alignas(64) std::atomic<size_t> put_{0};
  alignas(64) std::atomic<size_t> taken_{0};
};

}  // namespace tandem::telemetry
