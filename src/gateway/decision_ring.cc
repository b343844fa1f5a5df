#include "gateway/decision_ring.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace tandem::gateway {

std::shared_ptr<KeptRequest> DecisionRing::begin() {
  if (spares_.empty()) return std::make_shared<KeptRequest>();
  std::shared_ptr<KeptRequest> spare = std::move(spares_.back());
  spares_.pop_back();
  std::destroy_at(spare.get());
  std::construct_at(spare.get());
  return spare;
}

// Where the other threads have let go of it, its memory serves another request; it is fetched while this one ends.
void DecisionRing::save(std::shared_ptr<KeptRequest> dropped) {
  constexpr size_t kLineBytes = 64;
  if (dropped == nullptr || spares_.size() >= kSparesMax) return;
  const std::shared_ptr<KeptRequest> mine = dropped;  // which waits for nobody, but sees what they did with it done
  if (mine.use_count() > 2) return;
  const char* const bytes = reinterpret_cast<const char*>(dropped.get());
  for (size_t at = 0; at < sizeof(KeptRequest); at += kLineBytes) __builtin_prefetch(bytes + at, 1);
  spares_.push_back(std::move(dropped));
}

uint64_t DecisionRing::keep(std::shared_ptr<KeptRequest> request, const std::shared_ptr<const BoundTable>& bound) {
  Entry dropped;  // let go outside the lock
  std::shared_ptr<const BoundTable> dropped_table;
  uint64_t position = 0;
  {
    const std::lock_guard lock(mutex_);
    entries_.push_back({std::move(request), nullptr});
    if (entries_.size() > decisions_max_) {
      dropped = std::move(entries_.front());
      entries_.pop_front();
      ++first_position_;
      __builtin_prefetch(entries_.front().kept.get());  // the next
    }
    position = first_position_ + entries_.size() - 1;
    // A long request is of an earlier table.
    const bool is_new = bound != nullptr && (tables_.empty() || tables_.back() != bound) &&
                        std::find(tables_.begin(), tables_.end(), bound) == tables_.end();
    if (is_new) tables_.push_back(bound);
    if (tables_.size() > tables_max_) {
      dropped_table = std::move(tables_.front());
      tables_.pop_front();
    }
  }
  save(std::move(dropped.kept));
  return position;
}

void DecisionRing::settle(uint64_t position, SharedRecord record) {
  const std::lock_guard lock(mutex_);
  if (position >= first_position_) entries_[position - first_position_].settled.swap(record);
}

std::vector<RequestRecord> DecisionRing::recent(size_t count_max) const {
  std::vector<Entry> latest;
  {
    const std::lock_guard lock(mutex_);
    const size_t count = std::min(count_max, entries_.size());
    for (size_t i = 0; i < count; ++i) latest.push_back(entries_[entries_.size() - 1 - i]);
  }
  std::vector<RequestRecord> records;
  for (const Entry& entry : latest) records.push_back(entry.record());
  return records;
}

std::optional<DecisionStory> DecisionRing::explain(std::string_view id) const {
  Entry entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(entries_.rbegin(), entries_.rend(), [id](const Entry& each) { return each.record().id == id; });
    if (found != entries_.rend()) entry = *found;
  }
  if (entry.kept == nullptr) return std::nullopt;
  const KeptDecision* kept = &entry.kept->decision;
  const std::shared_ptr<const BoundTable> bound = kept->bound.lock();
  if (bound == nullptr) return std::nullopt;
  std::vector<routing::TargetLive> live(bound->live.size());
  for (const KeptDecision::Seen& seen : kept->seen) live[seen.target] = seen.live;
  if (kept->seen.empty())
    for (size_t target = 0; target < live.size(); ++target) live[target] = *bound->live[target];
  auto verdicts = routing::explain(*bound->table, kept->facts, live, kept->excluded, kept->draw);
  if (entry.record().reason ==
      routing::Reason::baseline) {  // which weighed nothing; the verdicts tell what it passed over
    const auto target = bound->table->find_target(entry.record().deployment);
    for (routing::CandidateVerdict& verdict : verdicts) verdict.chosen = verdict.target == target;
    std::ranges::stable_partition(verdicts, &routing::CandidateVerdict::chosen);
  }
  return DecisionStory{entry.record(), bound->table, kept->facts, std::move(verdicts), !kept->seen.empty()};
}

}  // namespace tandem::gateway
