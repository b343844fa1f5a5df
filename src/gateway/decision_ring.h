// The last decisions of one gateway, with what is needed to explain them. Internal.
#pragma once

#include <boost/container/small_vector.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "gateway/live_board.h"
#include "gateway/record.h"

namespace tandem::gateway {

// What a decision was made on.
struct KeptDecision {
  struct Seen {
    uint32_t target = 0;
    routing::TargetLive live;
  };
  std::weak_ptr<const BoundTable> bound;  // kept alive for the last few tables only
  routing::RequestFacts facts;
  std::vector<uint32_t> excluded;
  double draw = 0;
  // The targets it weighed as they were, most often a few; empty when not sampled.
  boost::container::small_vector<Seen, 4> seen;
};

// Written by the gateway's thread, read by any. The lock is held for pointer copies only.
class DecisionRing {
 public:
  DecisionRing(size_t decisions_max, size_t tables_max) : decisions_max_(decisions_max), tables_max_(tables_max) {}

  // Keeps a decision with its record as it will be if the answer's last bytes reach the client at once; `settle`
  // replaces the record by what came of it, if it is still kept.
  uint64_t keep(SharedRecord record, std::shared_ptr<const KeptDecision> decision,
                const std::shared_ptr<const BoundTable>& bound);
  void settle(uint64_t position, SharedRecord record);
  std::vector<RequestRecord> recent(size_t count_max) const;
  std::optional<DecisionStory> explain(std::string_view id) const;

 private:
  struct Entry {
    SharedRecord record;
    std::shared_ptr<const KeptDecision> decision;
  };
  const size_t decisions_max_;
  const size_t tables_max_;
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;                             // the latest last
  uint64_t first_position_ = 0;                           // of entries_.front()
  std::deque<std::shared_ptr<const BoundTable>> tables_;  // the latest last
};

}  // namespace tandem::gateway
