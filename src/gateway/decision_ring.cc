#include "gateway/decision_ring.h"

#include <algorithm>
#include <utility>

namespace tandem::gateway {

void DecisionRing::keep(std::shared_ptr<const KeptDecision> decision, const std::shared_ptr<const BoundTable>& bound) {
  std::shared_ptr<const KeptDecision> dropped;  // let go outside the lock
  std::shared_ptr<const BoundTable> dropped_table;
  const std::lock_guard lock(mutex_);
  decisions_.push_back(std::move(decision));
  if (decisions_.size() > decisions_max_) {
    dropped = std::move(decisions_.front());
    decisions_.pop_front();
  }
  if (bound == nullptr || (!tables_.empty() && tables_.back() == bound)) return;
  if (std::find(tables_.begin(), tables_.end(), bound) != tables_.end()) return;  // a long request, of an earlier table
  tables_.push_back(bound);
  if (tables_.size() > tables_max_) {
    dropped_table = std::move(tables_.front());
    tables_.pop_front();
  }
}

std::vector<RequestRecord> DecisionRing::recent(size_t count_max) const {
  std::vector<std::shared_ptr<const KeptDecision>> latest;
  {
    const std::lock_guard lock(mutex_);
    const size_t count = std::min(count_max, decisions_.size());
    latest.assign(decisions_.rbegin(), decisions_.rbegin() + static_cast<std::ptrdiff_t>(count));
  }
  std::vector<RequestRecord> records;
  for (const auto& decision : latest) records.push_back(decision->record);
  return records;
}

std::optional<DecisionStory> DecisionRing::explain(std::string_view id) const {
  std::shared_ptr<const KeptDecision> kept;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(decisions_.rbegin(), decisions_.rend(),
                                    [id](const auto& decision) { return decision->record.id == id; });
    if (found != decisions_.rend()) kept = *found;
  }
  if (kept == nullptr) return std::nullopt;
  const std::shared_ptr<const BoundTable> bound = kept->bound.lock();
  if (bound == nullptr) return std::nullopt;
  std::vector<routing::TargetLive> live(bound->live.size());
  for (const KeptDecision::Seen& seen : kept->seen) live[seen.target] = seen.live;
  if (kept->seen.empty())
    for (const uint32_t target : bound->table->targets_of_model(kept->facts.model)) live[target] = *bound->live[target];
  return DecisionStory{kept->record, bound->table, kept->facts,
                       routing::explain(*bound->table, kept->facts, live, kept->excluded, kept->draw),
                       !kept->seen.empty()};
}

}  // namespace tandem::gateway
