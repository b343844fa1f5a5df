#include "gateway/decision_ring.h"

#include <algorithm>
#include <utility>

namespace tandem::gateway {

uint64_t DecisionRing::keep(SharedRecord record, std::shared_ptr<const KeptDecision> decision,
                            const std::shared_ptr<const BoundTable>& bound) {
  Entry dropped;  // let go outside the lock
  std::shared_ptr<const BoundTable> dropped_table;
  const std::lock_guard lock(mutex_);
  entries_.push_back({std::move(record), std::move(decision)});
  if (entries_.size() > decisions_max_) {
    dropped = std::move(entries_.front());
    entries_.pop_front();
    ++first_position_;
  }
  const uint64_t position = first_position_ + entries_.size() - 1;
  if (bound == nullptr || (!tables_.empty() && tables_.back() == bound)) return position;
  // A long request is of an earlier table.
  if (std::find(tables_.begin(), tables_.end(), bound) != tables_.end()) return position;
  tables_.push_back(bound);
  if (tables_.size() > tables_max_) {
    dropped_table = std::move(tables_.front());
    tables_.pop_front();
  }
  return position;
}

void DecisionRing::settle(uint64_t position, SharedRecord record) {
  const std::lock_guard lock(mutex_);
  if (position >= first_position_) entries_[position - first_position_].record.swap(record);
}

std::vector<RequestRecord> DecisionRing::recent(size_t count_max) const {
  std::vector<SharedRecord> latest;
  {
    const std::lock_guard lock(mutex_);
    const size_t count = std::min(count_max, entries_.size());
    for (size_t i = 0; i < count; ++i) latest.push_back(entries_[entries_.size() - 1 - i].record);
  }
  std::vector<RequestRecord> records;
  for (const auto& record : latest) records.push_back(*record);
  return records;
}

std::optional<DecisionStory> DecisionRing::explain(std::string_view id) const {
  Entry entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(entries_.rbegin(), entries_.rend(), [id](const Entry& each) { return each.record->id == id; });
    if (found != entries_.rend()) entry = *found;
  }
  if (entry.record == nullptr) return std::nullopt;
  const KeptDecision* kept = entry.decision.get();
  const std::shared_ptr<const BoundTable> bound = kept->bound.lock();
  if (bound == nullptr) return std::nullopt;
  std::vector<routing::TargetLive> live(bound->live.size());
  for (const KeptDecision::Seen& seen : kept->seen) live[seen.target] = seen.live;
  if (kept->seen.empty())
    for (size_t target = 0; target < live.size(); ++target) live[target] = *bound->live[target];
  auto verdicts = routing::explain(*bound->table, kept->facts, live, kept->excluded, kept->draw);
  if (entry.record->reason ==
      routing::Reason::baseline) {  // which weighed nothing; the verdicts tell what it passed over
    const auto target = bound->table->find_target(entry.record->deployment);
    for (routing::CandidateVerdict& verdict : verdicts) verdict.chosen = verdict.target == target;
    std::ranges::stable_partition(verdicts, &routing::CandidateVerdict::chosen);
  }
  return DecisionStory{*entry.record, bound->table, kept->facts, std::move(verdicts), !kept->seen.empty()};
}

}  // namespace tandem::gateway
