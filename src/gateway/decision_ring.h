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

// What is known of a request when it has ended, and what its decision was made on: in one piece of memory, for it is
// made with every request and let go of thousands of requests later, when no cache has it any more.
struct KeptRequest {
  RequestRecord record;
  KeptDecision decision;
};

// Written by the gateway's thread, read by any. The lock is held for pointer copies only.
class DecisionRing {
 public:
  DecisionRing(size_t decisions_max, size_t tables_max) : decisions_max_(decisions_max), tables_max_(tables_max) {}

  // For a new request, as if just made: what was kept longest is used again. Of the gateway's thread.
  std::shared_ptr<KeptRequest> begin();
  // Keeps a decision with its record as it will be if the answer's last bytes reach the client at once; `settle`
  // replaces the record by what came of it, if it is still kept.
  uint64_t keep(std::shared_ptr<KeptRequest> request, const std::shared_ptr<const BoundTable>& bound);
  void settle(uint64_t position, SharedRecord record);
  std::vector<RequestRecord> recent(size_t count_max) const;
  std::optional<DecisionStory> explain(std::string_view id) const;

 private:
  struct Entry {
    std::shared_ptr<KeptRequest> kept;
    SharedRecord settled;  // null: as it was kept
    const RequestRecord& record() const { return settled != nullptr ? *settled : kept->record; }
  };
  static constexpr size_t kSparesMax = 64;  // requests that begin before another ends
  void save(std::shared_ptr<KeptRequest> dropped);
  const size_t decisions_max_;
  const size_t tables_max_;
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;                             // the latest last
  uint64_t first_position_ = 0;                           // of entries_.front()
  std::deque<std::shared_ptr<const BoundTable>> tables_;  // the latest last
  std::vector<std::shared_ptr<KeptRequest>> spares_;      // nobody else's; of the gateway's thread
};

}  // namespace tandem::gateway
