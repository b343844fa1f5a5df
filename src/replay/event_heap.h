// The events to come, the earliest first: a 4-ary heap of 16 bytes each, four children to a cache line (D. LaMarca and
// R. Ladner, "The Influence of Caches on the Performance of Heaps", JEA 1996).
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

namespace tandem::replay {

struct SimulatedEvent {
  static constexpr uint32_t kWake = UINT32_MAX;  // as `slot`: an engine has something to tell

  int64_t at_ns = 0;
  uint32_t target = 0;
  uint32_t slot = 0;  // of the request that arrives at the target

  // Total, so that the same events come in the same order whatever the heap's history.
  friend bool operator<(const SimulatedEvent& a, const SimulatedEvent& b) {
    return std::tie(a.at_ns, a.target, a.slot) < std::tie(b.at_ns, b.target, b.slot);
  }
};

class EventHeap {
 public:
  bool empty() const { return events_.empty(); }
  size_t size() const { return events_.size(); }
  const SimulatedEvent& top() const { return events_.front(); }

  void push(SimulatedEvent event) {
    size_t at = events_.size();
    events_.push_back(event);
    while (at > 0) {
      const size_t parent = (at - 1) / 4;
      if (!(event < events_[parent])) break;
      events_[at] = events_[parent];
      at = parent;
    }
    events_[at] = event;
  }

  void pop() {
    const SimulatedEvent last = events_.back();
    events_.pop_back();
    if (events_.empty()) return;
    size_t at = 0;
    for (;;) {
      const size_t first = 4 * at + 1;
      if (first >= events_.size()) break;
      const size_t end = std::min(first + 4, events_.size());
      size_t least = first;
      for (size_t child = first + 1; child < end; ++child)
        if (events_[child] < events_[least]) least = child;
      if (!(events_[least] < last)) break;
      events_[at] = events_[least];
      at = least;
    }
    events_[at] = last;
  }

 private:
  std::vector<SimulatedEvent> events_;
};

}  // namespace tandem::replay
